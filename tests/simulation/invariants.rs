//! What must hold between the processes of a contested rollout, and at its end.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fleet::Role;
use tidegate::domain::safeguard::Beacon;
use tidegate::domain::traffic::Share;
use tidegate::lease::{Control, Phase, QUARANTINE};
use tidegate::machine::{Effect, Machine, Notice, Outcome};

use super::checks::Checks;
use super::deciders::Contest;
use super::process::Process;
use super::world::World;

/// More owners than a rollout ever has.
const OWNERS: u64 = 60;
/// How soon the traffic is back once calls work.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// How long before the end of a rollout its rule is read for the last time, at most.
const BEHIND_WITHIN: Duration = Duration::from_secs(90);
/// How long after it read the beacon one that is blind may still write.
const BLIND_WITHIN: Duration = Duration::from_secs(4);

/// Whether the fence takes a write for one that goes forward, as the driver says it.
pub fn is_forward(effect: &Effect) -> bool {
    match effect {
        Effect::Register { .. } | Effect::Arm { .. } | Effect::HoldScaling | Effect::Conclude => true,
        Effect::Route(route) => route.share > Share::NONE,
        Effect::Scale { role, count, .. } => *role == Role::Candidate || *count == 0,
        Effect::Mark(beacon) => matches!(beacon, Beacon::Active | Beacon::Committed),
        _ => false,
    }
}

/// Whether a write takes traffic, or what serves it, away from the stable slot.
pub fn moves_traffic(effect: &Effect) -> bool {
    match effect {
        Effect::Route(route) => route.share > Share::NONE,
        Effect::Scale { role: Role::Stable, count: 0, .. } | Effect::Conclude => true,
        _ => false,
    }
}

/// What was seen so far.
#[derive(Default)]
pub struct Invariants {
    /// When each epoch began.
    epochs: Vec<(u64, Timestamp)>,
    phase: Option<Phase>,
    /// The latest epoch that moved traffic forward, and when the last such write of any epoch lands.
    forward: (u64, Timestamp),
    committed: Option<Timestamp>,
    blind_read: Timestamp,
    /// When one without a lease last wrote.
    pub blind_wrote: Option<Timestamp>,
    /// When one with a lease last read the rule, or wrote it.
    pub rule_read: Timestamp,
    over_at: Timestamp,
    pub notices: Vec<Notice>,
    /// How it ended last, and for whom.
    pub outcome: Option<(usize, Outcome)>,
}

impl Invariants {
    /// The document was written. Whether it says something new.
    pub fn document(&mut self, now: Timestamp, control: &Control) -> bool {
        let last = self.epochs.last().map_or(0, |(epoch, _)| *epoch);
        assert!(control.epoch >= last, "epoch {} after {last}", control.epoch);
        assert!(control.epoch <= OWNERS, "they take it from each other without end");
        let back = self.phase == Some(Phase::Aborting) && !matches!(control.phase, Phase::Aborting | Phase::Over);
        assert!(!back, "{:?} after Aborting", control.phase);
        assert!(self.phase != Some(Phase::Over), "a document that is over is written again: {control:?}");
        let is_new = control.epoch > last || self.phase != Some(control.phase);
        if control.epoch > last {
            self.epochs.push((control.epoch, now));
        }
        self.phase = Some(control.phase);
        if control.phase == Phase::Over {
            self.over_at = now;
        }
        is_new
    }

    /// A write that the fence let through. Whether it is an older owner's.
    pub fn sent(&mut self, world: &World, (epoch, effect): (u64, &Effect), lands: Timestamp) -> bool {
        let now = world.now;
        if matches!(effect, Effect::Route(route) if route.share == Share::NONE) && !world.is_ended_by_aws() {
            self.sent_back(now, true);
        }
        if !moves_traffic(effect) {
            return false;
        }
        let (latest, landed) = self.forward;
        assert!(epoch >= latest, "epoch {epoch} moves traffic after epoch {latest} did: {effect:?}");
        assert!(epoch == latest || now >= landed, "epoch {epoch} moves traffic while a write of {latest} can land");
        self.forward = (epoch, landed.max(lands));
        let next = self.epochs.iter().find(|(later, _)| *later > epoch);
        if let Some((later, since)) = next {
            assert!(lands <= *since + QUARANTINE, "a write of epoch {epoch} lands in epoch {later}: {effect:?}");
            return true;
        }
        assert!(self.phase != Some(Phase::Aborting), "forward under a document that says Aborting: {effect:?}");
        false
    }

    /// Somebody gives the stable slot everything.
    pub fn sent_back(&mut self, now: Timestamp, has_lease: bool) {
        let Some(committed) = self.committed else { return };
        let raced = !has_lease && self.blind_read <= committed && now.since(self.blind_read) <= BLIND_WITHIN;
        assert!(raced, "taken back after the commit");
    }

    /// One without a lease read the beacon, which did not say that it is committed.
    pub fn blind_read(&mut self, now: Timestamp) {
        self.blind_read = now;
    }

    /// Somebody committed. One that was frozen after the last word for it went in the journal hears so when another has
    /// ended the rollout by that journal.
    pub fn committed(&mut self, now: Timestamp, who: usize, document: Option<&Control>) {
        let phase = document.map(|control| control.phase);
        let holds = matches!(phase, Some(Phase::Committing | Phase::Over));
        assert!(holds, "{who} commits under another document: {phase:?}");
        self.committed = self.committed.or(Some(now));
    }

    /// AWS goes back although it was told to end.
    pub fn taken_back_by_aws(&mut self) {
        self.committed = None;
    }

    /// Somebody who took over calls it finished: what the one before has sent can land no more by then.
    pub fn finished(&self, now: Timestamp, epoch: u64) {
        let began = self.epochs.iter().find(|(one, _)| *one == epoch && epoch > 1);
        let early = began.is_some_and(|(_, since)| now < *since + QUARANTINE);
        assert!(!early, "epoch {epoch} calls it finished while writes of the one before can land");
    }

    /// Somebody takes tasks from a slot: nobody else may hold a write that could still give it weight.
    pub fn takes_capacity(now: Timestamp, role: Role, processes: &[Process], who: usize) {
        let gives = |process: &Process| {
            let in_flight = process.event_loop.as_ref().and_then(|event_loop| event_loop.in_flight.as_ref());
            let unsent = in_flight.filter(|in_flight| !in_flight.is_sent).map(|in_flight| &in_flight.issued.effect);
            let Some(Effect::Route(route)) = unsent else { return false };
            let share = if role == Role::Stable { route.share.rest() } else { route.share };
            process.alive && share > Share::NONE && process.pass.check(process.clock(now)).is_ok()
        };
        let other = processes.iter().enumerate().find(|(other, process)| *other != who && gives(process));
        assert!(
            other.is_none(),
            "the {role} slot loses tasks that a write of {:?} could give weight",
            other.map(|o| o.0)
        );
    }

    /// After everything that happens.
    pub fn hold(world: &World, processes: &[Process]) {
        assert_eq!(world.requests_to_nobody, 0, "traffic goes to a slot without tasks");
        let weighted = world.share() > Share::NONE && !world.foreign_rules;
        let within = BACK_WITHIN + world.aws_takes();
        let able = world.healthy(Role::Stable) > 0 && world.mishaps.stable_ails == 0.0;
        if !weighted || !able {
            return;
        }
        for (who, process) in processes.iter().enumerate() {
            let Some(event_loop) = process.event_loop.as_ref().filter(|_| process.is_driving()) else { continue };
            let Some(since) = event_loop.calm_since.map(|since| since.max(process.frozen_until)) else { continue };
            let took = world.now.since(since);
            assert!(took <= within, "{who} goes back, and for {took:?} of working calls the traffic is not back");
        }
    }

    /// Whether it ended with a call for a person, and nobody decides any more.
    pub fn is_stranded(&self, control: &Control) -> bool {
        control.owner.is_none() && matches!(self.outcome, Some((_, Outcome::Stranded { .. })))
    }
}

impl Contest<'_> {
    /// It is over, or should be.
    pub fn end(&mut self) {
        let control = self.store.document.clone();
        let Some((who, outcome)) = self.invariants.outcome.clone() else {
            let begun = control.as_ref().is_some_and(|control| control.phase != Phase::Over);
            assert!(!begun && self.store.recorded.is_empty(), "no end within its bound: {control:?}");
            return;
        };
        self.note(|| format!("it ended for {who}: {outcome:?}"));
        let control = control.expect("somebody began");
        let over = control.phase == Phase::Over || self.invariants.is_stranded(&control);
        assert!(over, "nobody ended it: {control:?}, {outcome:?}");
        let mut replayed = Machine::new(self.plan.clone());
        let mut notices = std::mem::take(&mut self.invariants.notices);
        for (at, event, _) in &self.store.recorded {
            notices.extend(replayed.apply(*at, event.clone()).notices);
        }
        let live = self.processes[who].event_loop.as_ref().filter(|event_loop| event_loop.machine.outcome().is_some());
        let on_journal = live.filter(|event_loop| !event_loop.is_untold && event_loop.place.is_some());
        if let Some(event_loop) = on_journal {
            assert_eq!(replayed, event_loop.machine, "the journal tells another story than {who}");
        }
        if self.invariants.committed.is_some() {
            assert!(!matches!(outcome, Outcome::RolledBack(_)), "committed, and rolled back");
        }
        // One that knows no store may write behind the last read of the rule, after which another may be frozen.
        let (read, over) = (self.invariants.rule_read, self.invariants.over_at);
        let behind = self.invariants.blind_wrote.is_some_and(|at| at + BEHIND_WITHIN >= over || at >= read);
        if behind {
            self.world.late.clear();
        }
        Checks::end(&outcome, &mut self.world);
        if !behind {
            self.world.safeguard.is_taken_down(&outcome, &notices);
        }
    }
}
