//! The engine's loop in virtual time, as `engine/mod.rs` and `engine/journal_writer.rs` have it: what is written down before
//! it counts, what is not waited for, and how a run ends.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::machine::{
    Answer, BEHIND_WITHIN, Effect, Event, Issued, Machine, Notice, OperatorRequest, Outcome, Reaction, Reason,
};

use super::deciders::{Channel, Contest, What};
use super::points::Point;
use super::process::{Doing, EventLoop, Job, Process};
use super::store::{Call, Reply};

/// How soon what waits for the journal looks again whether it is written.
const STALLED: Duration = Duration::from_millis(300);
/// How long an event is waited for to be in the journal before looks go on.
const SLOW: Duration = Duration::from_secs(5);
/// The pause before a line is written again, which doubles, and the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How long the last lines are tried for, where a rollout was not behind before.
const LAST_LINES: Duration = Duration::from_secs(60);

impl Contest<'_> {
    pub fn event_loop(&mut self, who: usize) -> &mut EventLoop {
        self.processes[who].event_loop.as_mut().expect("it drives")
    }

    /// One turn: write down, apply, tell.
    pub fn takes_in(&mut self, who: usize, event: Event) {
        let time = self.processes[who].time(self.now());
        let event_loop = self.event_loop(who);
        event_loop.at = event_loop.at.max(time);
        let machine = &event_loop.machine;
        let ahead = machine.is_urgent() || leads_back(machine, &event) || goes_on_unwritten(machine, &event);
        event_loop.journal_writer.push_back((event_loop.at, event.clone()));
        if ahead {
            self.hits.hit(Point::AheadOfTheJournal);
            self.scribbles(who);
            let mut reaction = self.apply(who, event);
            let event_loop = self.event_loop(who);
            if !event_loop.machine.is_retreating() {
                let withheld = reaction.effect.take_if(|issued| goes_forward(&issued.effect));
                event_loop.withheld = withheld.or_else(|| event_loop.withheld.take());
            }
            return self.reacts(who, reaction);
        }
        event_loop.settling = Some(event);
        event_loop.settled += 1;
        let token = event_loop.settled;
        self.after(SLOW, What::Slow { who, token });
        self.scribbles(who);
        self.settles(who);
    }

    /// What waits for the journal waits no longer: looks go on.
    pub fn is_slow(&mut self, who: usize, token: u64) {
        let event_loop = self.event_loop(who);
        let begins = matches!(event_loop.settling, Some(Event::Started { .. }));
        if event_loop.settled == token && !begins && self.processes[who].is_driving() {
            self.falls_behind(who);
        }
    }

    /// The event that waits for the journal is taken in before it is there, and what it asks for is withheld.
    fn falls_behind(&mut self, who: usize) {
        let Some(event) = self.event_loop(who).settling.take() else { return };
        self.hits.hit(Point::JournalBehind);
        let mut reaction = self.apply(who, event);
        let event_loop = self.event_loop(who);
        event_loop.withheld = reaction.effect.take();
        event_loop.early.push_front(Event::JournalBehind { fault: behind() });
        self.reacts(who, reaction);
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
                event_loop.failures = 0;
                self.scribbles(who);
                if !self.processes[who].is_driving() {
                    return self.closes(who);
                }
                let event_loop = self.event_loop(who);
                let caught_up = event_loop.journal_writer.is_empty() && event_loop.machine.behind_since().is_some();
                if caught_up && event_loop.settling.is_none() {
                    self.hits.hit(Point::JournalCaughtUp);
                    return self.takes_in(who, Event::JournalCaughtUp);
                }
                self.settles(who);
            }
            Reply::Taken => {
                self.hits.hit(Point::FencedByJournal);
                self.is_fenced(who);
            }
            _ => self.append_failed(who),
        }
    }

    /// A line that the store did not take is written again, in a while.
    fn append_failed(&mut self, who: usize) {
        self.hits.hit(Point::AppendFailed);
        self.note(|| format!("{who} cannot write the journal"));
        let event_loop = self.event_loop(who);
        event_loop.is_writing = true;
        let pause = PAUSE.saturating_mul(1 << event_loop.failures.min(16)).min(LONGEST_PAUSE);
        event_loop.failures += 1;
        let begins = matches!(event_loop.settling, Some(Event::Started { .. }));
        let since = event_loop.machine.behind_since();
        let over = event_loop.machine.is_committed() && since.is_some_and(|at| event_loop.at.since(at) > BEHIND_WITHIN);
        if !self.processes[who].is_driving() {
            self.after(pause, What::Scribble { who });
            return self.closes(who);
        }
        if begins {
            return self.leaves(who);
        }
        self.after(pause, What::Scribble { who });
        if over {
            self.hits.hit(Point::HandedOver);
            return self.ends(who, false);
        }
        if self.event_loop(who).settling.is_some() {
            self.falls_behind(who);
        } else if since.is_none() {
            self.hits.hit(Point::JournalBehind);
            self.takes_in(who, Event::JournalBehind { fault: behind() });
        }
    }

    /// The pause is over.
    pub fn scribbles_again(&mut self, who: usize) {
        if matches!(self.processes[who].doing, Doing::Driving | Doing::Closing { .. }) {
            self.event_loop(who).is_writing = false;
            self.scribbles(who);
        }
    }

    /// The run ends once the last lines are written, or that was tried for long enough.
    fn ends(&mut self, who: usize, over: bool) {
        let now = self.now();
        let process = &self.processes[who];
        let event_loop = process.event_loop.as_ref().expect("it drives");
        let since = event_loop.machine.behind_since().map(|at| process.world_time(at) + BEHIND_WITHIN);
        let late = since.unwrap_or(now).max(now + LAST_LINES);
        self.processes[who].doing = Doing::Closing { over, late };
        self.closes(who);
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
        let untold = [Point::Frozen, Point::FrozenForLong, Point::JournalBehind].map(|point| self.hits.of(point));
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
            return self.ends(who, over);
        }
        if reaction.notices.iter().any(|notice| matches!(notice, Notice::HandedOver { .. })) {
            self.hits.hit(Point::HandedOver);
            return self.ends(who, false);
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
        let machine = &event_loop.machine;
        let is_behind = machine.behind_since().is_some();
        let may = machine.is_retreating() || is_behind || event_loop.journal_writer.is_empty();
        let Some(issued) = event_loop.withheld.take_if(|_| may) else { return false };
        if event_loop.machine.pending().is_none_or(|pending| pending.id != issued.id) {
            return false;
        }
        let machine = &event_loop.machine;
        let held = is_behind && !machine.is_retreating() && goes_forward(&issued.effect);
        if machine.is_draining() || held {
            let fault = Fault::new(FaultKind::Transient, "write", "not sent");
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
        let Doing::Closing { over, late } = self.processes[who].doing else { return };
        let event_loop = self.event_loop(who);
        if event_loop.in_flight.as_ref().is_some_and(|in_flight| in_flight.issued.effect.is_write()) {
            return;
        }
        event_loop.in_flight = None;
        self.gives_up_commit_intent(who);
        self.scribbles(who);
        let now = self.now();
        let event_loop = self.event_loop(who);
        if event_loop.is_writing && now < late {
            return;
        }
        // A rollout whose journal does not say how it ended stays open.
        let is_untold = event_loop.is_writing;
        if is_untold {
            self.hits.hit(Point::JournalLost);
        }
        self.event_loop(who).is_untold = is_untold;
        self.processes[who].doing = Doing::Releasing;
        self.renews(who, Job::Release { over: over && !is_untold });
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
            settled: 0,
            failures: 0,
            is_untold: false,
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

/// What the store says of a line that it did not take.
fn behind() -> Fault {
    Fault::new(FaultKind::Transient, "append to the journal", "no answer")
}

/// Whether an event is taken in before it is written down, as the engine has it.
fn goes_on_unwritten(machine: &Machine, event: &Event) -> bool {
    match event {
        Event::JournalBehind { .. } => true,
        Event::JournalCaughtUp => false,
        _ => machine.behind_since().is_some(),
    }
}

/// Whether an effect is not asked for while the journal is behind, as the engine has it.
fn goes_forward(effect: &Effect) -> bool {
    match effect {
        Effect::Arm { create, .. } => *create,
        Effect::IntendCommit => true,
        effect => effect.is_write(),
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
