//! What must hold between the processes of a contested rollout, and at its end.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fleet::Role;
use tidegate::domain::safeguard::Beacon;
use tidegate::domain::traffic::Share;
use tidegate::lease::{Control, Phase, QUARANTINE};
use tidegate::machine::{Effect, Machine, Notice, Outcome};

use super::backend::Objects;
use super::checks::Checks;
use super::scene::Sim;
use super::world::{FULL, World};

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
    /// When somebody changed the journal so that it shows.
    pub damaged: Option<Timestamp>,
    pub notices: Vec<Notice>,
    /// How it ended last, and for whom.
    pub outcome: Option<(usize, Outcome)>,
}

impl Invariants {
    /// The document was written. Whether it says something new.
    pub fn document(&mut self, now: Timestamp, control: &Control) -> bool {
        let last = self.epochs.last().map_or(0, |(epoch, _)| *epoch);
        assert!(control.epoch >= last, "epoch {} after {last}", control.epoch);
        // Where a journal means nothing a guard tries about once a minute until the rule can be written.
        let most = if self.damaged.is_some() { 5 * OWNERS } else { OWNERS };
        assert!(control.epoch <= most, "they take it from each other without end");
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

    /// Somebody removed the document while nobody moved the rule: whoever comes next counts from the first again.
    pub fn counts_anew(&mut self) {
        self.epochs.clear();
        (self.phase, self.forward) = (None, Default::default());
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
        let began = self.epochs.iter().find(|(one, _)| *one == epoch).map(|(_, since)| *since);
        let from_damage = self.damaged.is_some_and(|damaged| began > Some(damaged));
        assert!(!from_damage, "epoch {epoch} goes forward from a damaged journal: {effect:?}");
        let next = self.epochs.iter().find(|(later, _)| *later > epoch);
        if let Some((later, since)) = next {
            assert!(lands <= *since + QUARANTINE, "a write of epoch {epoch} lands in epoch {later}: {effect:?}");
            return true;
        }
        assert!(self.phase != Some(Phase::Aborting), "forward under a document that says Aborting: {effect:?}");
        false
    }

    /// Nobody has committed, nor is about to.
    pub fn is_before_commit(&self) -> bool {
        self.committed.is_none() && !matches!(self.phase, Some(Phase::Committing | Phase::Over))
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
    pub fn committed(&mut self, now: Timestamp, who: usize, phase: Option<Phase>) {
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

    /// Whether it ended with a call for a person, and nobody decides any more.
    pub fn is_stranded(&self, control: &Control) -> bool {
        control.owner.is_none() && matches!(self.outcome, Some((_, Outcome::Stranded { .. })))
    }
}

impl Sim {
    /// Somebody takes tasks from a slot: nobody else may hold a write that could still give it weight.
    pub fn takes_capacity(&self, role: Role, who: usize) {
        for (other, process) in self.processes.iter().enumerate().filter(|(other, one)| *other != who && one.alive) {
            let Some((Effect::Route(route), fence)) = &process.unsent else { continue };
            let share = if role == Role::Stable { route.share.rest() } else { route.share };
            let gives = share > Share::NONE && fence.check().is_ok();
            assert!(!gives, "the {role} slot loses tasks that a write of {other} could give weight");
        }
    }

    /// After everything that happens.
    pub fn invariants_hold(&self) {
        let world = &self.world;
        assert_eq!(world.requests_to_nobody, 0, "traffic goes to a slot without tasks");
        let weighted = world.share() > Share::NONE && !world.foreign_rules;
        let within = BACK_WITHIN + world.aws_takes();
        let able = world.healthy(Role::Stable) > 0 && world.mishaps.stable_ails == 0.0;
        if !weighted || !able {
            return;
        }
        for (who, process) in self.processes.iter().enumerate().filter(|(_, process)| process.is_driving()) {
            let Some(since) = process.seat.as_ref().and_then(|seat| seat.calm_since) else { continue };
            let took = world.now.since(since.max(process.frozen_until));
            assert!(took <= within, "{who} goes back, and for {took:?} of working calls the traffic is not back");
        }
    }

    /// Whether the rule says nothing of a rollout, because tags are denied: then only a person can take it back.
    pub fn is_unmarked(&self) -> bool {
        self.world.safeguard.beacon() == Beacon::Absent
    }

    /// Whether the world is as it was, or as somebody else has made it.
    fn is_untouched(&self) -> bool {
        let world = &self.world;
        (world.shares.len() == 1 || world.meddled.is_some())
            && world.candidate.desired == 0
            && world.stable.desired >= FULL
    }

    /// It is over, or should be: how it ended, if it began.
    pub fn end(&mut self) {
        let control = self.control().cloned();
        if self.objects.is_beheaded() {
            let is_closed = self.invariants.committed.is_some() || self.world.is_ended_by_aws();
            let is_back = self.world.share() == Share::NONE || is_closed || self.is_unmarked();
            assert!(is_back, "nobody took the traffic back whose journal means nothing: {control:?}");
            return;
        }
        let recorded = self.objects.recorded();
        let mut replayed = Machine::new(self.plan.clone());
        let mut notices = std::mem::take(&mut self.invariants.notices);
        for record in &recorded {
            notices.extend(replayed.apply(record.at, record.event.clone()).notices);
        }
        let told = replayed.outcome().cloned().map(|outcome| (self.processes.len(), outcome));
        let Some((who, outcome)) = self.invariants.outcome.clone().or(told) else {
            let begun = control.as_ref().is_some_and(|control| control.phase != Phase::Over);
            // Whoever is frozen before its first line is written may write it under a lease that others have closed, and
            // is fenced then. And a first line whose answer is lost may be there although its runner gave up.
            let nothing = recorded.is_empty() || self.is_untouched();
            assert!(!begun && nothing, "no end within its bound: {control:?}");
            return;
        };
        self.note(|| format!("it ended for {who}: {outcome:?}"));
        // Whoever found it over needed no other document than the one that was removed.
        let is_over = |control: &Control| control.phase == Phase::Over || self.invariants.is_stranded(control);
        let over = control.as_ref().is_none_or(is_over);
        assert!(over, "nobody ended it: {control:?}, {outcome:?}");
        let live = self.processes.get(who).and_then(|process| process.seat.as_ref());
        let whole = !self.objects.is_damaged();
        if let Some(seat) = live.filter(|seat| whole && seat.is_journaled && seat.shadow.outcome().is_some()) {
            assert_eq!(replayed, seat.shadow, "the journal tells another story than {who}");
        }
        if self.invariants.committed.is_some() {
            assert!(!matches!(outcome, Outcome::RolledBack(_)), "committed, and rolled back");
        }
        Objects::requests_are_there_once(&recorded);
        // One that knows no store may write behind the last read of the rule, after which another may be frozen.
        let (read, over) = (self.invariants.rule_read, self.invariants.over_at);
        let behind = self.invariants.blind_wrote.is_some_and(|at| at + BEHIND_WITHIN >= over || at >= read);
        if behind {
            self.world.late.clear();
        }
        Checks::end(&outcome, &mut self.world);
        // What was set up in lines that are gone nobody knows of.
        if !behind && whole {
            self.world.safeguard.is_taken_down(&outcome, &notices);
        }
    }
}
