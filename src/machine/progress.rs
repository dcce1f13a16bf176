//! Where a rollout stands, as data: for the live footer and for `status`.

use super::Machine;
use super::effect::Effect;
use super::limits::BEHIND_WITHIN;
use super::notice::{Doing, Outcome, Progress};
use super::state::{Stage, State, Wait};
use super::why::Reason;
use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;
use crate::plan::Action;

impl Machine {
    /// Where it stands.
    pub fn progress(&self) -> Progress {
        let memory = &self.memory;
        let begun = self.state != State::Ready;
        Progress {
            registered: memory.slots.task_definition.clone(),
            step: self.step(),
            doing: self.doing(),
            wanted: self.wanted_share(),
            configured: begun.then_some(memory.rule.accepted),
            observed: memory.judged.observed,
            until: self.until(),
            verdicts: memory.judged.verdicts.clone(),
            healthy: memory.slots.fleet.as_ref().map(|(_, fleet)| {
                let stable = (fleet.stable.healthy, fleet.stable.desired);
                [stable, (fleet.candidate.healthy, fleet.candidate.desired)]
            }),
            unproven: self.keeps(),
            waiting: memory.told.waiting.clone().filter(|_| self.is_forward()),
            goes_back: self.goes_back(),
            paused: memory.pauses.paused.as_ref().map(|paused| paused.why.clone()),
            promoted_by: memory.pauses.promoted_by.clone(),
            glass: memory.pauses.glass.clone(),
            reason: self.reason().cloned(),
            fires: memory.safeguard.fires(),
            committed: memory.committed,
            served: memory.slots.served,
        }
    }

    fn step(&self) -> usize {
        match &self.state {
            State::Ready => 0,
            State::Forward { step, .. } => *step,
            State::Draining(_) | State::Retreat { .. } | State::Finished(_) => self.plan.steps.len(),
        }
    }

    fn reason(&self) -> Option<&Reason> {
        match &self.state {
            State::Draining(back) | State::Retreat { back, .. } => Some(&back.reason),
            State::Finished(Outcome::RolledBack(reason)) => Some(reason),
            State::Finished(Outcome::Stranded { reason, .. }) => reason.as_ref(),
            State::Ready | State::Forward { .. } | State::Finished(Outcome::Promoted) => None,
        }
    }

    fn wanted_share(&self) -> Share {
        match &self.state {
            State::Forward { stage: Stage::Raising { to, .. }, .. } => *to,
            State::Forward { step, .. } => match self.plan.steps.get(*step).map(|step| &step.action) {
                Some(Action::Shift(share)) => *share,
                Some(Action::Ramp { .. }) => self.memory.rule.accepted,
                _ => self.plan.share_after(*step),
            },
            State::Ready | State::Draining(_) | State::Retreat { .. } => Share::NONE,
            State::Finished(_) => self.memory.rule.accepted,
        }
    }

    fn until(&self) -> Option<Timestamp> {
        match &self.state {
            State::Forward { stage: Stage::Holding(until), .. } if *until > self.memory.now => Some(*until),
            State::Forward { .. } => Some(self.deadline()),
            State::Draining(back) | State::Retreat { back, .. } => Some(back.decided + self.plan.limits.retreat),
            State::Ready | State::Finished(_) => None,
        }
    }

    /// The gate that keeps the present step from passing.
    fn keeps(&self) -> Option<usize> {
        let State::Forward { stage: Stage::Holding(_) | Stage::Ramping | Stage::Raising { .. }, .. } = self.state
        else {
            return None;
        };
        self.unproven()
    }

    /// When the rollout goes back unless something changes.
    fn goes_back(&self) -> Option<Timestamp> {
        let memory = &self.memory;
        let forward = self.is_forward() && !memory.committed;
        let paused = memory.pauses.paused.as_ref().map(|paused| paused.since).or(memory.pauses.expired_since);
        let until = paused.map(|since| since + self.plan.limits.pause);
        let behind = memory.pauses.behind.as_ref().map(|behind| behind.since + BEHIND_WITHIN);
        forward.then(|| until.into_iter().chain(behind).min().unwrap_or_else(|| self.deadline()))
    }

    fn doing(&self) -> Doing {
        match &self.state {
            State::Ready => Doing::NotStarted,
            State::Forward { stage, .. } => self.doing_in(*stage),
            State::Draining(_) => Doing::Draining,
            State::Retreat { phase, .. } => Doing::Back(*phase),
            State::Finished(Outcome::Promoted) => Doing::Promoted,
            State::Finished(Outcome::RolledBack(_)) => Doing::RolledBack,
            State::Finished(Outcome::Stranded { .. }) => Doing::Stranded,
        }
    }

    fn doing_in(&self, stage: Stage) -> Doing {
        match stage {
            Stage::Checking => Doing::Reading,
            Stage::Acting => match &self.wait {
                Wait::Answer(issued) if matches!(issued.effect, Effect::Route(_)) => Doing::Writing,
                _ => Doing::AskingAws,
            },
            Stage::Settling if self.memory.committed => Doing::AwaitingEnd,
            Stage::Settling => Doing::AwaitingTasks,
            Stage::Probing(_) => Doing::Probing,
            Stage::Holding(until) if until > self.memory.now => Doing::Holding,
            Stage::Holding(_) => Doing::AwaitingData,
            Stage::Ramping => Doing::Comparing,
            Stage::Raising { .. } => Doing::Raising,
            Stage::Asking => Doing::AwaitingApproval,
            Stage::Quieting => Doing::AwaitingQuiet,
            Stage::Counting(_) => Doing::Counting,
        }
    }
}
