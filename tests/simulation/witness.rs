//! One who looks over a runner's shoulder: hears each event with the shipped loop's reports, follows it with a machine of
//! its own, and checks what must hold. Chance strikes here too, since here it is known what a runner is about to do.

use std::sync::Arc;
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::engine::{Driven, Inbound};
use tidegate::lease::Phase;
use tidegate::machine::{Answer, Effect, Event, Machine, Notice, OperatorRequest, Outcome, Reaction, Reason};
use tidegate::report::Report;

use super::account::Account;
use super::backend::ASKER;
use super::checks::Checks;
use super::invariants::moves_traffic;
use super::points::Point;
use super::process::{Kind, Seat, Strike};
use super::scene::{Move, Scene, Sim};

/// Probability, at each event, that a runner which was told to stop is told so again.
const IMPATIENT: f64 = 0.01;

/// The same, that one which may be killed is killed right after a request.
const HALFWAY: f64 = 0.5;

/// The witness of one process.
pub struct Witness {
    pub scene: Arc<Scene>,
    pub who: usize,
}

impl Report for Witness {
    fn hear(&mut self, at: Timestamp, event: &Event, _: &Machine) {
        self.scene.sim().hears(self.who, at, event);
        // Somebody may come because of it.
        self.scene.stirred.notify_one();
    }

    fn tell(&mut self, _: Timestamp, _: &Notice, _: &Machine) {}
}

impl Sim {
    /// Somebody is about to drive: what the journal so far leads to is what it goes on from.
    pub fn sits_down(&mut self, who: usize, driven: &Driven<Account>) {
        let (mut shadow, mut checks) = (Machine::new(self.plan.clone()), Checks::new(&self.plan));
        for record in &driven.records {
            if let (Event::Answered { id, answer }, Some(issued)) = (&record.event, shadow.pending())
                && issued.id == *id
            {
                checks.answered(issued, answer);
            }
            if let Event::Recovered { .. } = record.event {
                checks.taken_over(record.at);
            }
            let reaction = shadow.apply(record.at, record.event.clone());
            checks.told(&reaction.notices, &shadow, (record.at, None));
        }
        assert_eq!(shadow, driven.machine, "it goes on from another machine than its journal's");
        let process = &self.processes[who];
        // What was on its way back already is not written before the journal by a guard.
        let back = process.kind == Kind::Operator || (process.kind == Kind::Guard && !shadow.is_retreating());
        let commits = shadow.is_committed() || self.control().is_none_or(|control| control.phase == Phase::Committing);
        assert!(!back || commits || process.wrote_first, "{who} opens the journal before the traffic is back");
        let is_journaled = matches!(driven.journal, tidegate::engine::JournalOrNone::Journal(_));
        self.processes[who].seat = Some(Seat {
            shadow,
            clock: driven.clock.clone(),
            checks,
            lines: 1 + driven.records.len(),
            heard: 0,
            is_journaled,
            calm_since: None,
            back_since: None,
            was_ahead: false,
            commits: false,
            turns: true,
        });
    }

    /// A runner takes an event in.
    fn hears(&mut self, who: usize, at: Timestamp, event: &Event) {
        if self.history.is_some() {
            let text = format!("{event:?}");
            self.note(|| format!("{who}: {}", text.chars().take(300).collect::<String>()));
        }
        self.counts(who, event);
        let reaction = self.follows(who, at, event);
        self.is_sound(who, &reaction);
        let Some(seat) = &self.processes[who].seat else { return };
        if self.healed.is_none() && seat.turns {
            let asked = matches!(event, Event::Requested { by, .. } if by.starts_with(ASKER));
            self.chances(who, asked, reaction.effect.as_ref().map(|issued| &issued.effect));
        }
    }

    /// Whether the event is in the journal, and what that is called.
    fn counts(&mut self, who: usize, event: &Event) {
        let (lines, is_owner) = (self.objects.lines(), self.is_owner(who));
        let Some(seat) = &mut self.processes[who].seat else { return };
        seat.heard += 1;
        let ahead = seat.is_journaled && lines < seat.lines + seat.heard;
        let overtaken = std::mem::replace(&mut seat.was_ahead, ahead);
        let is_told = seat.commits && (!ahead || !seat.is_journaled);
        seat.commits &= !is_told;
        if is_told && is_owner {
            self.has_committed(who);
        }
        let back = matches!(
            event,
            Event::Interrupted { .. }
                | Event::Requested { request: OperatorRequest::Rollback | OperatorRequest::Abort, .. }
        );
        if ahead {
            self.hits.hit(Point::AheadOfTheJournal);
        }
        if overtaken && back {
            self.hits.hit(Point::WordOvertakes);
        }
        match event {
            Event::JournalBehind { .. } => self.hits.hit(Point::JournalBehind),
            Event::JournalCaughtUp => self.hits.hit(Point::JournalCaughtUp),
            _ => {}
        }
        if self.processes.iter().filter(|process| process.is_driving()).count() > 1 {
            self.hits.hit(Point::TwoDrive);
        }
    }

    /// The same event on the machine that looks on.
    fn follows(&mut self, who: usize, at: Timestamp, event: &Event) -> Reaction {
        let now = self.now();
        let frozen = self.processes[who].frozen_until;
        let Some(seat) = &mut self.processes[who].seat else { return Reaction::default() };
        if let (Event::Answered { id, answer }, Some(issued)) = (event, seat.shadow.pending())
            && issued.id == *id
        {
            seat.checks.answered(issued, answer);
            if !is_good(answer) {
                seat.calm_since = seat.calm_since.map(|_| now);
            }
        }
        if let Event::Recovered { .. } = event {
            seat.checks.taken_over(at);
        }
        let reaction = seat.shadow.apply(at, event.clone());
        // What AWS dates is told in the process's own time.
        let newest = self.world.newest_minute().as_millis() + seat.clock.now().as_millis();
        let published = Some(Timestamp::from_millis(newest.saturating_sub(now.as_millis())));
        seat.checks.told(&reaction.notices, &seat.shadow, (at.max(seat.shadow.now()), published));
        let urgent = seat.shadow.is_urgent();
        seat.back_since = seat.shadow.is_retreating().then(|| seat.back_since.unwrap_or(now).max(frozen));
        seat.calm_since = urgent.then(|| seat.calm_since.unwrap_or(now).max(frozen));
        if self.history.is_some() {
            for notice in &reaction.notices {
                self.note(|| format!("{who} tells {notice:?}"));
            }
        }
        reaction
    }

    fn is_sound(&mut self, who: usize, reaction: &Reaction) {
        let now = self.now();
        let stranger = reaction.notices.iter().any(|notice| matches!(notice, Notice::ForeignWrite { .. }));
        // An answer that is slow or old may show the rule as it was before a late write of ours, and a way back that
        // could not be written down is a stranger's to whoever goes on with the journal.
        let mishaps = &self.mishaps;
        let untold = [Point::Frozen, Point::FrozenForLong, Point::JournalBehind].map(|point| self.hits.of(point));
        let prompt = mishaps.read_is_stale == 0.0 && mishaps.latency <= Duration::from_secs(1) && untold == [0; 3];
        let nobody = prompt && !self.world.foreign && self.world.deployed.is_none() && !self.world.safeguard.gave_back;
        assert!(!(stranger && nobody && self.is_owner(who)), "a write of ours is taken for a stranger's");
        let knows = self.options.store.is_none();
        assert!(!(stranger && nobody && knows), "a write of whoever took over is taken for a stranger's");
        if reaction.notices.contains(&Notice::Committed) {
            self.world.may_commit();
            // Until the journal says so, whoever goes on from it may not know.
            let ahead = self.processes[who].seat.as_ref().is_some_and(|seat| seat.was_ahead);
            if ahead {
                self.hits.hit(Point::CommitUnwritten);
                self.processes[who].seat.iter_mut().for_each(|seat| seat.commits = true);
            } else {
                self.has_committed(who);
            }
        }
        if reaction.notices.iter().any(|notice| matches!(notice, Notice::CarriedOn { .. })) {
            self.world.hits.hit(Point::CarriedOn);
        }
        if reaction.notices.iter().any(|notice| matches!(notice, Notice::HandedOver { .. })) {
            self.hits.hit(Point::HandedOver);
        }
        if reaction.notices.iter().any(is_aws_going_back) {
            self.invariants.taken_back_by_aws();
        }
        let Some(seat) = &self.processes[who].seat else { return };
        if let Some(Outcome::RolledBack(_)) = seat.shadow.outcome() {
            self.invariants.finished(now, self.processes[who].epoch);
        }
        self.invariants.notices.extend(reaction.notices.iter().cloned());
        self.invariants_hold();
    }

    /// The journal says that it is committed. What AWS has ended no document can keep open.
    fn has_committed(&mut self, who: usize) {
        if !self.world.is_ended_by_aws() {
            let (now, phase) = (self.now(), self.control().map(|control| control.phase));
            self.invariants.committed(now, who, phase);
        }
    }

    /// What chance does to a runner that has taken something in, and will do something because of it.
    fn chances(&mut self, who: usize, asked: bool, effect: Option<&Effect>) {
        let polls = u32::try_from(self.die.between(0, 12)).unwrap_or_default();
        // With a request half-way between the journal and being put away.
        let halfway = if asked && self.options.kill > 0.0 { HALFWAY } else { 0.0 };
        if self.die.chance(self.options.kill.max(halfway)) {
            self.processes[who].strike = Some((polls, Strike::Kill));
        } else if self.die.chance(self.options.freeze)
            || (effect.is_some_and(moves_traffic) && self.die.chance(self.options.freeze_sending))
        {
            self.freeze(who, polls);
        }
        if self.die.chance(self.world.mishaps.word) {
            self.after(Duration::ZERO, Move::Say);
        }
        // Whoever has told it to stop once is impatient.
        let impatient = if self.processes[who].was_interrupted { IMPATIENT } else { 0.0 };
        if self.die.chance(self.world.mishaps.signal.max(impatient)) {
            self.signals(who);
        }
        if let Some(effect) = effect {
            self.is_chased(who, effect);
        }
    }

    /// The runner is told to stop; the second time it leaves at once.
    pub fn signals(&mut self, who: usize) {
        self.hits.hit(Point::Interrupted);
        let process = &mut self.processes[who];
        if std::mem::replace(&mut process.was_interrupted, true) {
            process.strike = Some((0, Strike::Kill));
            self.hits.hit(Point::LeftAtOnce);
            return self.note(|| format!("{who} leaves at once"));
        }
        let told = Inbound::from(Event::Interrupted { signal: "SIGTERM".into() });
        if let Some(signals) = &process.signals {
            let _ = signals.try_send(told);
        }
    }

    /// Somebody comes just when it matters most.
    fn is_chased(&mut self, who: usize, effect: &Effect) {
        let matters = moves_traffic(effect) || *effect == Effect::IntendCommit;
        if !matters || !self.die.chance(self.options.chased) {
            return;
        }
        if self.die.chance(0.3) {
            // A runner that is stopped now leaves a write behind, and somebody goes on at once.
            self.signals(who);
            let after = self.die.span(Duration::ZERO, Duration::from_secs(20));
            return self.after(after, Move::Enter(Kind::Resumer));
        }
        let kinds = [Kind::Operator, Kind::Operator, Kind::Resumer, Kind::Blind, Kind::Guard];
        let kind = self.die.one_of(&kinds);
        let after = self.die.span(Duration::ZERO, Duration::from_secs(4));
        self.after(after, Move::Enter(kind));
    }
}

/// Whether AWS took a rollout back by itself, or ended it.
fn is_aws_going_back(notice: &Notice) -> bool {
    matches!(notice, Notice::Retreating { reason: Reason::Deployment(_) })
}

/// Whether a call worked.
fn is_good(answer: &Answer) -> bool {
    match answer {
        Answer::Failed(_) => false,
        Answer::Seen(seen) => seen.rule.is_some() && seen.faults.is_empty(),
        _ => true,
    }
}
