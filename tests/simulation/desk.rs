//! The engine's loop in virtual time, as `engine/mod.rs` and `engine/journal_writer.rs` have it: what is written down before
//! it counts, what is not waited for, and how a run ends.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::machine::{Answer, Event, Issued, Machine, Notice, OperatorRequest, Outcome, Reaction, Reason};

use super::deciders::{Channel, Contest, What};
use super::points::Point;
use super::process::{Doing, EventLoop, Job, Process};
use super::store::{Call, Reply};

/// How soon what waits for the journal looks again whether it is written.
const STALLED: Duration = Duration::from_millis(300);

impl Contest<'_> {
    pub fn event_loop(&mut self, who: usize) -> &mut EventLoop {
        self.processes[who].event_loop.as_mut().expect("it drives")
    }

    /// One turn: write down, apply, tell.
    pub fn takes_in(&mut self, who: usize, event: Event) {
        let time = self.processes[who].time(self.now());
        let event_loop = self.event_loop(who);
        event_loop.at = event_loop.at.max(time);
        if event_loop.is_lost {
            let reaction = self.apply(who, event);
            return self.reacts(who, reaction);
        }
        let ahead = event_loop.machine.is_urgent() || leads_back(&event_loop.machine, &event);
        event_loop.journal_writer.push_back((event_loop.at, event.clone()));
        if ahead {
            self.hits.hit(Point::AheadOfTheJournal);
            self.scribbles(who);
            let reaction = self.apply(who, event);
            return self.reacts(who, reaction);
        }
        event_loop.settling = Some(event);
        self.scribbles(who);
        self.settles(who);
    }

    /// Begins to write the next line, if none is being written.
    fn scribbles(&mut self, who: usize) {
        let event_loop = self.event_loop(who);
        let Some(place) = event_loop.place else { return event_loop.journal_writer.clear() };
        let Some((at, event)) = event_loop.journal_writer.front().filter(|_| !event_loop.is_writing).cloned() else {
            return;
        };
        event_loop.is_writing = true;
        self.call(who, Channel::JournalWriter, Call::Append { place, at, event });
    }

    /// Everything is in the journal: what waited for that goes on.
    fn settles(&mut self, who: usize) {
        let event_loop = self.event_loop(who);
        if !event_loop.journal_writer.is_empty() {
            return;
        }
        if let Some(event) = event_loop.settling.take() {
            let reaction = self.apply(who, event);
            self.reacts(who, reaction);
        } else if event_loop.withheld.is_some() {
            self.goes_on(who);
        }
    }

    pub fn scribe_heard(&mut self, who: usize, reply: &Reply) {
        if !matches!(self.processes[who].doing, Doing::Driving | Doing::Closing { .. }) {
            return;
        }
        let event_loop = self.event_loop(who);
        event_loop.is_writing = false;
        match reply {
            Reply::Appended => {
                event_loop.place = event_loop.place.map(|place| place + 1);
                event_loop.journal_writer.pop_front();
                self.scribbles(who);
                if self.processes[who].is_driving() {
                    self.settles(who);
                } else {
                    self.closes(who);
                }
            }
            Reply::Taken => {
                self.hits.hit(Point::FencedByJournal);
                self.is_fenced(who);
            }
            _ => self.loses_journal(who),
        }
    }

    fn loses_journal(&mut self, who: usize) {
        self.hits.hit(Point::AppendFailed);
        self.note(|| format!("{who} cannot write the journal"));
        let event_loop = self.event_loop(who);
        event_loop.is_lost = true;
        event_loop.journal_writer.clear();
        let event = event_loop.settling.take();
        if !self.processes[who].is_driving() {
            return self.closes(who);
        }
        if matches!(event, Some(Event::Started { .. })) {
            return self.leaves(who);
        }
        self.hits.hit(Point::JournalLost);
        let reaction = self.loses(who, event);
        self.reacts(who, reaction);
    }

    /// From here on the only way is back: the word for it comes before the event that is not in the journal.
    fn loses(&mut self, who: usize, event: Option<Event>) -> Reaction {
        let goes_back =
            matches!(event, Some(Event::Requested { request: OperatorRequest::Rollback | OperatorRequest::Abort, .. }));
        if self.event_loop(who).machine.is_retreating() || goes_back {
            return event.map_or_else(Reaction::default, |event| self.apply(who, event));
        }
        let request = Event::Requested { request: OperatorRequest::Rollback, by: "tidegate".into(), reason: None };
        let mut back = self.apply(who, request);
        let Some(event) = event else { return back };
        let mut then = self.apply(who, event);
        back.notices.append(&mut then.notices);
        Reaction { effect: then.effect.or(back.effect), notices: back.notices }
    }

    pub fn apply(&mut self, who: usize, event: Event) -> Reaction {
        if self.history.is_some() {
            let text = format!("{event:?}");
            self.note(|| format!("{who}: {}", text.chars().take(300).collect::<String>()));
        }
        let now = self.world.now;
        let event_loop = self.processes[who].event_loop.as_mut().expect("it drives");
        let reaction = event_loop.machine.apply(event_loop.at, event);
        event_loop.checks.told(&reaction.notices, &event_loop.machine, event_loop.at);
        let urgent = event_loop.machine.is_urgent();
        event_loop.calm_since = urgent.then(|| event_loop.calm_since.unwrap_or(now));
        let back = event_loop.machine.is_retreating();
        if let Some(keeper) = &mut self.processes[who].keeper {
            keeper.back |= back;
        }
        let stranger = reaction.notices.iter().any(|notice| matches!(notice, Notice::ForeignWrite { .. }));
        // An answer that is slow or old may show the rule as it was before a late write of ours, and a way back that
        // could not be written down is a stranger's to whoever goes on with the journal.
        let mishaps = &self.world.mishaps;
        let untold = [Point::Frozen, Point::FrozenForLong, Point::JournalLost].map(|point| self.hits.of(point));
        let prompt = mishaps.read_is_stale == 0.0 && mishaps.latency <= Duration::from_secs(1) && untold == [0; 3];
        let nobody = prompt && !self.world.foreign && self.world.deployed.is_none() && !self.world.safeguard.gave_back;
        let latest = self.store.document.as_ref().map(|control| control.epoch) == Some(self.processes[who].epoch());
        assert!(!(stranger && nobody && latest), "a write of ours is taken for a stranger's");
        if reaction.notices.contains(&Notice::Committed) {
            self.world.may_commit();
            // What AWS has ended no document can keep open.
            if !self.world.is_ended_by_aws() {
                self.invariants.committed(now, who, self.store.document.as_ref());
            }
        }
        if reaction.notices.iter().any(|notice| matches!(notice, Notice::CarriedOn { .. })) {
            self.world.hits.hit(Point::CarriedOn);
        }
        if reaction.notices.iter().any(is_aws_going_back) {
            self.invariants.taken_back_by_aws();
        }
        if self.history.is_some() {
            for notice in &reaction.notices {
                let text = format!("{who} tells {notice:?}");
                self.note(|| text);
            }
        }
        if let Some(Outcome::RolledBack(_)) = self.event_loop(who).machine.outcome() {
            let epoch = self.processes[who].epoch();
            self.invariants.finished(now, epoch);
        }
        self.invariants.notices.extend(reaction.notices.iter().cloned());
        reaction
    }

    /// What comes of a turn: the run ends, or the next thing is asked.
    pub fn reacts(&mut self, who: usize, reaction: Reaction) {
        let event_loop = self.event_loop(who);
        if let Some(outcome) = event_loop.machine.outcome() {
            let over = !matches!(outcome, Outcome::Stranded { reason: Some(_), .. });
            self.processes[who].doing = Doing::Closing { over };
            return self.closes(who);
        }
        let left = reaction.notices.iter().any(|notice| matches!(notice, Notice::HandedOver { .. }));
        let writes = reaction.effect.as_ref().is_some_and(|issued| issued.effect.is_write());
        let stuck = event_loop.is_lost && writes && !event_loop.machine.is_retreating();
        if left || stuck {
            self.hits.hit(Point::HandedOver);
            self.processes[who].doing = Doing::Closing { over: false };
            return self.closes(who);
        }
        if let Some(issued) = reaction.effect {
            self.launches(who, issued);
        }
        self.goes_on(who);
    }

    /// Waits for what happens next.
    fn goes_on(&mut self, who: usize) {
        let Some(event_loop) =
            self.processes[who].event_loop.as_mut().filter(|event_loop| event_loop.settling.is_none())
        else {
            return;
        };
        if let Some(event) = event_loop.early.pop_front() {
            return self.takes_in(who, event);
        }
        if self.releases(who) {
            return;
        }
        let event_loop = self.event_loop(who);
        event_loop.alarm += 1;
        let (token, wake_at) = (event_loop.alarm, event_loop.machine.wake_at());
        if let Some(at) = wake_at {
            let at = self.processes[who].world_time(at).max(self.now());
            self.at(at, What::Alarm { who, token });
        }
    }

    /// What becomes of an effect that was withheld, as the engine's `release` has it. Whether something does.
    fn releases(&mut self, who: usize) -> bool {
        let event_loop = self.event_loop(who);
        let may = event_loop.machine.is_retreating() || event_loop.is_lost || event_loop.journal_writer.is_empty();
        let Some(issued) = event_loop.withheld.take_if(|_| may) else { return false };
        if event_loop.machine.pending().is_none_or(|pending| pending.id != issued.id) {
            return false;
        }
        if event_loop.machine.is_draining() {
            let fault = Fault::new(FaultKind::Transient, "write", "not sent: a word to go back came first");
            self.takes_in(who, Event::Answered { id: issued.id, answer: Answer::Failed(fault) });
        } else {
            self.reacts(who, Reaction { effect: Some(issued), notices: Vec::new() });
        }
        true
    }

    pub fn rings(&mut self, who: usize, token: u64) {
        if !self.processes[who].is_driving() {
            return;
        }
        let event_loop = self.event_loop(who);
        let Some(wake_at) =
            event_loop.machine.wake_at().filter(|_| event_loop.alarm == token && event_loop.settling.is_none())
        else {
            return;
        };
        event_loop.at = event_loop.at.max(wake_at);
        self.takes_in(who, Event::Woken);
    }

    /// A word or a signal. One that leads back overtakes the journal.
    pub fn said(&mut self, who: usize, event: Event) {
        if !self.processes[who].is_driving() {
            return;
        }
        if matches!(event, Event::Interrupted { .. }) {
            self.hits.hit(Point::Interrupted);
            if std::mem::replace(&mut self.processes[who].was_interrupted, true) {
                self.hits.hit(Point::LeftAtOnce);
                self.note(|| format!("{who} leaves at once"));
                self.processes[who].alive = false;
                return;
            }
        }
        let event_loop = self.event_loop(who);
        let Some(written) = event_loop.settling.clone() else { return self.takes_in(who, event) };
        let urgent = leads_back(&event_loop.machine, &event);
        event_loop.early.push_back(event);
        if urgent {
            self.hits.hit(Point::WordOvertakes);
            self.event_loop(who).settling = None;
            let mut reaction = self.apply(who, written);
            self.event_loop(who).withheld = reaction.effect.take();
            self.reacts(who, reaction);
        }
    }

    pub fn answered(&mut self, who: usize, issued: &Issued, answer: Answer) {
        let Process { doing, event_loop, .. } = &mut self.processes[who];
        let Some(event_loop) = event_loop else { return };
        if event_loop.in_flight.as_ref().is_none_or(|in_flight| in_flight.issued.id != issued.id) {
            return;
        }
        if event_loop.settling.is_some() && matches!(doing, Doing::Driving) {
            let what = What::Answered { who, issued: issued.clone(), answer };
            return self.after(STALLED, what);
        }
        event_loop.in_flight = None;
        match doing {
            Doing::Landing => self.leaves(who),
            Doing::Closing { .. } => self.closes(who),
            Doing::Driving => {
                event_loop.checks.answered(issued, &answer);
                if !is_good(&answer) {
                    self.calms(who);
                }
                self.takes_in(who, Event::Answered { id: issued.id, answer });
            }
            _ => {}
        }
    }

    /// The time within which the traffic must be back begins anew.
    pub fn calms(&mut self, who: usize) {
        let now = self.world.now;
        if let Some(event_loop) = &mut self.processes[who].event_loop {
            event_loop.calm_since = event_loop.calm_since.map(|_| now);
        }
    }

    /// Somebody else decides.
    pub fn is_fenced(&mut self, who: usize) {
        self.note(|| format!("{who} is fenced"));
        let process = &mut self.processes[who];
        process.fenced = true;
        process.pass.closed = true;
        if !matches!(process.doing, Doing::Driving | Doing::Closing { .. }) {
            return;
        }
        let lands = process.event_loop.as_ref().is_some_and(|event_loop| {
            event_loop.in_flight.as_ref().is_some_and(|in_flight| in_flight.issued.effect.is_write())
        });
        if lands {
            process.doing = Doing::Landing;
        } else {
            self.leaves(who);
        }
    }

    /// Once nothing is in flight and everything is written down, the lease is given back.
    fn closes(&mut self, who: usize) {
        let Doing::Closing { over } = self.processes[who].doing else { return };
        let event_loop = self.event_loop(who);
        if event_loop.in_flight.as_ref().is_some_and(|in_flight| in_flight.issued.effect.is_write()) {
            return;
        }
        event_loop.in_flight = None;
        self.gives_up_commit_intent(who);
        self.scribbles(who);
        let event_loop = self.event_loop(who);
        if event_loop.is_writing && !event_loop.is_lost {
            return;
        }
        self.processes[who].doing = Doing::Releasing;
        self.renews(who, Job::Release { over });
    }

    /// The machine that the first lines of the journal lead to, with what the checkers know by then.
    pub fn sits_down(&mut self, who: usize, length: usize) {
        let machine = Machine::new(self.plan.clone());
        let zero = Timestamp::default();
        let checks = super::checks::Checks::new(&self.plan);
        let mut event_loop = EventLoop {
            machine,
            checks,
            journal_writer: std::collections::VecDeque::new(),
            is_writing: false,
            place: Some(length),
            settling: None,
            early: std::collections::VecDeque::new(),
            withheld: None,
            is_lost: false,
            at: zero,
            in_flight: None,
            alarm: 0,
            calm_since: None,
        };
        for (at, event, _) in &self.store.recorded[..length] {
            if let (Event::Answered { id, answer }, Some(issued)) = (event, event_loop.machine.pending())
                && issued.id == *id
            {
                event_loop.checks.answered(issued, answer);
            }
            let reaction = event_loop.machine.apply(*at, event.clone());
            event_loop.checks.told(&reaction.notices, &event_loop.machine, *at);
        }
        let process: &mut Process = &mut self.processes[who];
        process.event_loop = Some(event_loop);
        process.doing = Doing::Driving;
    }
}

/// Whether the machine will go back at once because of this.
fn leads_back(machine: &Machine, event: &Event) -> bool {
    match event {
        Event::Requested { request: OperatorRequest::Rollback | OperatorRequest::Abort, .. } => !machine.is_committed(),
        Event::Interrupted { .. } => machine.goes_back_when_interrupted(),
        _ => false,
    }
}

/// Whether AWS took a rollout back by itself, or ended it.
fn is_aws_going_back(notice: &Notice) -> bool {
    matches!(notice, Notice::Retreating { reason: Reason::Deployment { .. } })
}

/// Whether a call worked.
fn is_good(answer: &Answer) -> bool {
    match answer {
        Answer::Failed(_) => false,
        Answer::Seen(seen) => seen.rule.is_some() && seen.faults.is_empty(),
        _ => true,
    }
}
