//! What a contested process asks of the world: sent once the fence lets it, in the world's time, and answered in the
//! process's own; and how a journal is taken over, as `engine/takeover` does it.

use std::time::Duration;

use tidegate::cloud::NotSent;
use tidegate::domain::clock::Timestamp;
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::domain::fleet::Role;
use tidegate::domain::safeguard::Beacon;
use tidegate::domain::traffic::Share;
use tidegate::gate::Reading;
use tidegate::lease::{HEARTBEAT, WRITE_WINDOW};
use tidegate::machine::{
    Answer, Effect, Event, FIRST_READ_WITHIN, Issued, Machine, Notice, Observation, OperatorRequest, Outcome, Reaction,
    Route, Stickiness,
};

use super::deciders::{Channel, Contest, First, Move, What};
use super::invariants::{Invariants, is_forward, moves_traffic};
use super::points::Point;
use super::process::{Doing, InFlight, Job, Kind, Process};
use super::store::{Call, Reply};

/// How often a journal is opened anew because the runner before wrote another line, as in `engine/takeover/go_on.rs`.
const TRIES: u32 = 20;
/// How soon a write that waits for the journal looks again whether it is written.
const STALLED: Duration = Duration::from_millis(300);
/// How long is read before a write is sent, at most.
const PREPARED_WITHIN: Duration = Duration::from_secs(2);
/// The longest that a first write is waited for, as in `engine/takeover/first_write.rs`.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

impl Contest<'_> {
    /// Asks something of the world.
    pub fn launches(&mut self, who: usize, issued: Issued) {
        let now = self.processes[who].clock(self.now());
        let time = self.processes[who].time(self.now());
        let process = &mut self.processes[who];
        let event_loop = process.event_loop.as_mut().expect("it drives");
        let before = event_loop.in_flight.take().map(|in_flight| in_flight.issued);
        // What one decides who is not the latest owner any more, and does not know it, the fence has to stop.
        let epoch = process.keeper.as_ref().map(|keeper| keeper.held.control().epoch);
        if epoch == self.store.document.as_ref().map(|control| control.epoch) {
            event_loop.checks.asked(&issued, before.as_ref(), &event_loop.machine);
        }
        let forward = is_forward(&issued.effect);
        let written = event_loop.place.is_some() && event_loop.journal_writer.is_empty();
        let back = event_loop.machine.is_retreating();
        // The dead-man's switch is pushed on meanwhile.
        let pushes = matches!(issued.effect, Effect::Arm { create: false, .. });
        assert!(!forward || back || written || pushes, "forward before its reason is in the journal: {issued:?}");
        event_loop.in_flight = Some(InFlight { issued: issued.clone(), is_sent: false });
        if matches!(issued.effect, Effect::Look(_) | Effect::Route(_)) {
            self.invariants.rule_read = self.world.now;
        }
        if before.is_some_and(|before| before.effect == Effect::IntendCommit) {
            self.gives_up_commit_intent(who);
        }
        self.is_chased(who, &issued.effect);
        if self.processes.iter().filter(|process| process.is_driving()).count() > 1 {
            self.hits.hit(Point::TwoDrive);
        }
        match &issued.effect {
            Effect::IntendCommit => self.renews(who, Job::IntendCommit(issued)),
            effect if effect.is_write() => {
                let pass = &mut self.processes[who].pass;
                let waited = if forward { time.since(issued.at) } else { Duration::ZERO };
                (pass.decided, pass.forward) = (now.before(waited), forward);
                pass.by = if let Effect::Route(route) = &issued.effect { route.by } else { None };
                let prepared = self.die.span(Duration::ZERO, PREPARED_WITHIN);
                self.after(prepared, What::Send { who, issued });
                if self.healed.is_none() && self.die.chance(self.options.freeze_sending) {
                    self.hits.hit(Point::FrozenBeforeSending);
                    self.freeze(who, Duration::ZERO);
                }
            }
            _ => self.reads(who, issued),
        }
    }

    /// Somebody comes just when it matters most.
    fn is_chased(&mut self, who: usize, effect: &Effect) {
        let matters = moves_traffic(effect) || *effect == Effect::IntendCommit;
        if !matters || self.healed.is_some() || !self.die.chance(self.options.chased) {
            return;
        }
        if self.die.chance(0.3) {
            // A runner that is stopped now leaves a write behind, and somebody goes on at once.
            let event = Event::Interrupted { signal: "SIGTERM".into() };
            self.after(Duration::from_millis(500), What::Said { who, event });
            let after = self.die.span(Duration::ZERO, Duration::from_secs(20));
            return self.after(after, What::Moves(Move::Enter(Kind::Resumer)));
        }
        let kinds = [Kind::Operator, Kind::Operator, Kind::Resumer, Kind::Blind, Kind::Guard];
        let kind = self.die.one_of(&kinds);
        let after = self.die.span(Duration::ZERO, Duration::from_secs(4));
        self.after(after, What::Moves(Move::Enter(kind)));
    }

    fn reads(&mut self, who: usize, issued: Issued) {
        let process = &self.processes[who];
        let mut effect = issued.effect.clone();
        let mut first_reads = false;
        if let Effect::Look(look) = &mut effect {
            look.since = process.world_time(look.since);
            look.counted = process.world_time(look.counted);
            first_reads = look.first_read.is_some();
        }
        let (latency, answer) = self.world.answer(&effect, self.die);
        let late = first_reads && latency > FIRST_READ_WITHIN;
        if late {
            self.hits.hit(Point::FirstReadTooSlow);
        }
        let answer = if late { unread() } else { in_its_time(&self.processes[who], answer) };
        self.after(if late { FIRST_READ_WITHIN } else { latency }, What::Answered { who, issued, answer });
    }

    /// A write is about to leave the machine: the fence is asked.
    pub fn sends(&mut self, who: usize, issued: Issued) {
        let now = self.now();
        let process = &mut self.processes[who];
        let Some(event_loop) = &mut process.event_loop else { return };
        let Some(in_flight) = event_loop.in_flight.as_mut().filter(|in_flight| in_flight.issued.id == issued.id) else {
            return;
        };
        if event_loop.settling.is_some() && matches!(process.doing, Doing::Driving) {
            return self.after(STALLED, What::Send { who, issued });
        }
        in_flight.is_sent = true;
        let drains = event_loop.machine.is_draining();
        let clock = process.clock(now);
        if drains && process.pass.forward {
            self.hits.hit(Point::MadeWay);
            let answer = Answer::Failed(Fault::new(FaultKind::Transient, "write", "not sent, because it goes back"));
            return self.after(Duration::ZERO, What::Answered { who, issued, answer });
        }
        if let Err(why) = process.pass.check(clock) {
            self.hits.hit(match why {
                NotSent::Late | NotSent::Old => Point::NotSentLate,
                NotSent::Unrenewed => Point::NotSentUnrenewed,
                NotSent::Unsure => Point::NotSentUnsure,
                NotSent::Fenced => Point::NotSentFenced,
            });
            self.note(|| format!("{who}: {why}: {:?}", issued.effect));
            let answer = Answer::Failed(Fault::new(FaultKind::Transient, "write", why.to_string()));
            return self.after(Duration::ZERO, What::Answered { who, issued, answer });
        }
        assert!(!process.fenced, "one that is fenced writes: {issued:?}");
        if !process.pass.forward && clock > process.pass.sure_until {
            self.hits.hit(Point::SentWithoutStore);
        }
        let waited = clock.since(process.pass.decided);
        self.world.late_for = WRITE_WINDOW.saturating_sub(waited).saturating_sub(Duration::from_millis(1));
        self.writes(who, issued);
    }

    fn writes(&mut self, who: usize, issued: Issued) {
        let epoch = self.processes[who].epoch();
        let mut effect = issued.effect.clone();
        if let Effect::Arm { at, .. } = &mut effect {
            *at = self.processes[who].world_time(*at);
        }
        let process = &self.processes[who];
        let event_loop = process.event_loop.as_ref().expect("it drives");
        if self.store.document.as_ref().is_some_and(|control| control.epoch == epoch) {
            event_loop.checks.sent(&effect, &self.plan, &self.world);
        }
        match &effect {
            Effect::Route(route) if route.share > Share::NONE => {
                event_loop.checks.sent_in_time(process.time(self.now()));
            }
            Effect::Scale { role, count, .. } if *count < self.world.tasks(*role).desired => {
                Invariants::takes_capacity(self.now(), *role, &self.processes, who);
            }
            _ => {}
        }
        self.note(|| format!("{who} sends {effect:?}"));
        let (latency, answer) = self.world.answer(&effect, self.die);
        let lands = self.world.lands.unwrap_or(self.world.now);
        if self.invariants.sent(&self.world, (epoch, &effect), lands) {
            self.hits.hit(Point::OldWriteInQuarantine);
        }
        self.after(latency, What::Answered { who, issued, answer });
    }

    /// The stable-only weights straight after the lease, or, by the rule's beacon, without one.
    pub fn first_write(&mut self, who: usize, step: First) {
        let Doing::FirstWrite { has_lease } = self.processes[who].doing else { return };
        match step {
            First::Read if self.world.safeguard.beacon() == Beacon::Committed => {
                self.hits.hit(Point::BlindRefused);
                self.leaves(who);
            }
            First::Read if self.world.safeguard.beacon() == Beacon::Absent => self.leaves(who),
            First::Read => {
                self.invariants.blind_read(self.now());
                let after = self.die.span(Duration::from_millis(200), Duration::from_secs(3));
                self.after(after, What::First { who, step: First::Write });
            }
            First::Write => {
                if self.world.healthy(Role::Stable) == 0 {
                    return self.after(Duration::ZERO, What::First { who, step: First::Done });
                }
                let latency = self.writes_back(who, has_lease);
                self.after(latency.min(FIRST_WITHIN), What::First { who, step: First::Done });
            }
            First::Done if has_lease => self.opens(who, 0),
            First::Done => self.leaves(who),
        }
    }

    fn writes_back(&mut self, who: usize, has_lease: bool) -> Duration {
        self.hits.hit(if has_lease { Point::FirstWrite } else { Point::BlindWrite });
        self.note(|| format!("{who} gives the stable slot everything, lease: {has_lease}"));
        let sticky = self.plan.before.stickiness.is_some();
        let stickiness = if sticky { Stickiness::Suspend } else { Stickiness::Keep };
        let effect = Effect::Route(Route { share: Share::NONE, expected: None, stickiness, by: None });
        if !self.world.is_ended_by_aws() {
            self.invariants.sent_back(self.now(), has_lease);
        }
        if !has_lease {
            self.invariants.blind_wrote = Some(self.now());
        }
        if !has_lease {
            self.world.foreign = true;
            let _ = self.world.safeguard.apply(&Effect::Mark(Beacon::Aborting), self.world.now, Duration::ZERO);
        }
        self.world.late_for = Duration::from_secs(15);
        self.world.answer(&effect, self.die).0
    }

    /// Opens the journal of a rollout whose lease was just taken.
    pub fn opens(&mut self, who: usize, tries: u32) {
        if tries > TRIES {
            return self.hands_back(who);
        }
        self.processes[who].doing = Doing::Opening { tries };
        self.call(who, Channel::Taker, Call::ReadJournal);
    }

    fn hands_back(&mut self, who: usize) {
        self.processes[who].doing = Doing::Releasing;
        self.renews(who, Job::Release { over: false });
    }

    pub fn opened(&mut self, who: usize, length: usize) {
        let Doing::Opening { tries } = self.processes[who].doing else { return };
        let mut machine = Machine::new(self.plan.clone());
        for (at, event, _) in &self.store.recorded[..length] {
            let _ = machine.apply(*at, event.clone());
        }
        let request = self.leads_back(who);
        let again = |outcome: &Outcome| request && matches!(outcome, Outcome::Stranded { .. });
        if let Some(outcome) = machine.outcome().filter(|outcome| !again(outcome)) {
            self.invariants.outcome.get_or_insert((who, outcome.clone()));
            if request && matches!(machine.outcome(), Some(Outcome::RolledBack(_))) {
                self.mends();
            }
            self.processes[who].doing = Doing::Releasing;
            return self.renews(who, Job::Release { over: true });
        }
        let behind = machine.now().since(self.processes[who].time(self.now()));
        if behind > Duration::ZERO && length > 0 {
            self.hits.hit(Point::ClockSetForward);
            self.processes[who].ahead += behind;
        }
        let at = self.processes[who].time(self.now());
        let (by, epoch) = (format!("{who}"), self.processes[who].epoch());
        let recovered = Event::Recovered { by: by.clone(), epoch };
        let told = Event::Requested { request: OperatorRequest::Rollback, by, reason: None, left: None };
        let alone = machine.outcome().is_some() || length == 0;
        let committed = machine.is_committed();
        let events = match (request, alone) {
            (false, _) => vec![(at, recovered)],
            (true, true) => vec![(at, told)],
            (true, false) => vec![(at, recovered), (at, told)],
        };
        self.processes[who].doing = Doing::TakingJournal { tries, length, events, next: 0, committed };
        self.writes_next(who);
    }

    /// Whether it goes on with the journal only to take the rollout back.
    fn leads_back(&self, who: usize) -> bool {
        let Process { kind, keeper, .. } = &self.processes[who];
        let back = keeper.as_ref().is_some_and(|keeper| keeper.held.control().goes_back());
        matches!(kind, Kind::Operator | Kind::Guard) || back
    }

    /// Whether the journal that it takes over leads past the commit.
    fn is_committed(&self, who: usize) -> bool {
        let Doing::TakingJournal { committed, .. } = &self.processes[who].doing else { return false };
        *committed
    }

    /// A first write turned stickiness off although the rollout had gone back already: it is put back, or told.
    fn mends(&mut self) {
        if self.plan.before.stickiness.is_none() {
            return;
        }
        let stickiness = Stickiness::Restore;
        let route = Route { share: Share::NONE, expected: Some(Share::NONE), stickiness, by: None };
        let (_, answer) = self.world.answer(&Effect::Route(route), self.die);
        if matches!(answer, Answer::Failed(_)) {
            let what = "stickiness of the rule may stay off".to_owned();
            self.invariants.notices.push(Notice::LeftUndone { what });
        }
    }

    fn writes_next(&mut self, who: usize) {
        let Doing::TakingJournal { length, events, next, .. } = &self.processes[who].doing else { return };
        let (at, event) = events[*next].clone();
        let place = length + next;
        self.call(who, Channel::Taker, Call::Append { place, at, event });
    }

    pub fn journal_heard(&mut self, who: usize, reply: &Reply) {
        let (back, committed) = (self.leads_back(who), self.is_committed(who));
        let Process { doing, .. } = &mut self.processes[who];
        let Doing::TakingJournal { tries, length, events, next, .. } = doing else { return };
        let (tries, length) = (*tries, *length);
        match reply {
            Reply::Appended => {
                *next += 1;
                if *next < events.len() {
                    return self.writes_next(who);
                }
                let events = std::mem::take(events);
                self.drives(who, length, events, true);
            }
            Reply::Taken => self.opens(who, tries + 1),
            _ if back && !committed => {
                self.hits.hit(Point::JournalNowhere);
                let events = std::mem::take(events);
                self.drives(who, length, events, false);
            }
            _ => self.hands_back(who),
        }
    }

    /// Goes on with a journal that was taken over.
    fn drives(&mut self, who: usize, length: usize, events: Vec<(Timestamp, Event)>, on_journal: bool) {
        self.sits_down(who, length);
        self.event_loop(who).place = on_journal.then_some(length + events.len());
        self.after(HEARTBEAT, What::Beat { who });
        let mut all = Reaction::default();
        for (at, event) in events {
            let event_loop = self.event_loop(who);
            event_loop.at = event_loop.at.max(at);
            all.notices.append(&mut self.apply(who, event).notices);
        }
        self.event_loop(who).withheld = self.event_loop(who).machine.pending().cloned();
        self.reacts(who, all);
    }
}

/// A first read that saw nothing in time.
fn unread() -> Answer {
    let fault = Fault::new(FaultKind::Transient, "DescribeRules", "no answer within 1.5s");
    Answer::Seen(Box::new(Observation { faults: vec![fault], ..Observation::default() }))
}

/// An answer as the process dates it.
fn in_its_time(process: &Process, mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Probed(reading) => reading.at = process.time(reading.at),
        Answer::Seen(seen) => {
            for (_, reading) in &mut seen.readings {
                match reading {
                    Reading::Metric(metric) => {
                        metric.values.iter_mut().for_each(|point| point.at = process.time(point.at));
                    }
                    Reading::Counts(bins) => bins.iter_mut().for_each(|bin| bin.at = process.time(bin.at)),
                    _ => {}
                }
            }
            if let Some(fleet) = &mut seen.fleet {
                for capacity in [&mut fleet.stable, &mut fleet.candidate] {
                    capacity.stopped.iter_mut().for_each(|stop| stop.at = process.time(stop.at));
                }
            }
        }
        _ => {}
    }
    answer
}
