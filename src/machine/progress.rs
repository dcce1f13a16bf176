//! Where a rollout stands, in words: for the live footer and for `status`.

use super::Machine;
use super::effect::Effect;
use super::limits::BEHIND_WITHIN;
use super::notice::{Outcome, Progress};
use super::state::{Phase, Stage, State, Wait};
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
            step: self.step(),
            stage: self.stage(),
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

    fn stage(&self) -> String {
        let text = match &self.state {
            State::Ready => "not started",
            State::Forward { step, stage, .. } => return self.stage_of(*step, *stage),
            State::Draining(_) => "going back: waiting for the write in flight",
            State::Retreat { phase, .. } => match phase {
                Phase::Checking => "going back: reading the rule and the targets",
                Phase::Reviving => "going back: giving the stable slot its tasks",
                Phase::Routing => "going back: giving the traffic to the stable slot",
                Phase::Verifying => "going back: reading back",
                Phase::Marking => "traffic is back; saying so on the rule",
                Phase::Disarming => "traffic is back; removing the dead-man's switch",
                Phase::Quieting => "traffic is back; waiting until the candidate has no requests left",
                Phase::Restoring => "traffic is back; restoring the candidate slot",
                Phase::Freeing => "traffic is back; setting autoscaling back",
                Phase::Mending => "traffic is back; restoring stickiness",
                Phase::Unmarking => "traffic is back; taking the beacon off the rule",
                Phase::Counting => "traffic is back; counting what the candidate served",
            },
            State::Finished(Outcome::Promoted) => "promoted",
            State::Finished(Outcome::RolledBack(_)) => "rolled back",
            State::Finished(Outcome::Stranded { .. }) => "stranded: a person is needed",
        };
        text.to_owned()
    }

    fn stage_of(&self, step: usize, stage: Stage) -> String {
        let text = match stage {
            Stage::Checking => "reading the world before the write",
            Stage::Acting => match &self.wait {
                Wait::Answer(issued) if matches!(issued.effect, Effect::Route(_)) => "writing the weights",
                _ => "asking AWS",
            },
            Stage::Settling if self.memory.committed => "waiting until AWS has ended the deployment",
            Stage::Settling => "waiting for healthy tasks",
            Stage::Probing(_) => "probing",
            Stage::Holding(until) if until > self.memory.now => "holding",
            Stage::Holding(_) => "holding until the gates have data",
            Stage::Ramping => "comparing",
            Stage::Raising { .. } => "raising the share",
            Stage::Asking => "waiting for approval",
            Stage::Quieting => "waiting until the old stable slot has no requests left",
            Stage::Counting(_) => "counting what the candidate served",
        };
        let title = self.plan.steps.get(step).map(|step| step.title(&self.plan.gates));
        match title {
            Some(title) => format!("{title}: {text}"),
            None => text.to_owned(),
        }
    }
}
