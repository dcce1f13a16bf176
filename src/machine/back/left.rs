//! Knows what a rollout left undone, and finishes it once the rollout is over. It moves no traffic: where somebody else
//! has moved it, the rest stays undone.

use crate::domain::fault::Fault;
use crate::domain::fleet::{Capacity, Fleet, RuleSeen};
use crate::domain::name::last_part;
use crate::domain::traffic::Share;
use crate::machine::effect::{Effect, Issued};
use crate::machine::notice::{Notice, Outcome};
use crate::machine::state::{Back, Phase, State};
use crate::machine::undone::Undone;
use crate::machine::{Machine, Reaction};
use crate::plan::Action;

impl Machine {
    /// Whether it is over and something was left undone that a runner can finish.
    pub fn has_left(&self) -> bool {
        let over = matches!(self.outcome(), Some(Outcome::Promoted | Outcome::RolledBack(_)));
        over && self.memory.left
    }

    /// Why what was left undone is not to be touched any more: somebody else has moved the traffic since, or has
    /// deployed to the slot that was to be restored.
    pub fn objection_to_tidying(&self, rule: &RuleSeen, fleet: &Fleet) -> Option<String> {
        let promoted = self.outcome() == Some(&Outcome::Promoted);
        let share = if promoted { Share::ALL } else { Share::NONE };
        if rule.share != Some(share) || rule.instead.is_some() {
            return Some(format!("the traffic was moved since: the rule says {}", rule.text));
        }
        let Capacity { task_definition: runs, .. } = if promoted { &fleet.stable } else { &fleet.candidate };
        let known = if promoted { self.runs_before(runs) } else { self.runs_release(runs) || self.ran_before(runs) };
        (!known).then(|| format!("somebody else deployed {runs} since"))
    }

    /// Goes through what comes after the traffic once more: on the way back, or after the commit.
    pub(in crate::machine) fn tidy(&mut self, out: &mut Reaction) {
        let now = self.memory.now;
        self.memory.left = false;
        self.memory.slots.spared_for = None;
        self.memory.safeguard.begin_anew();
        match self.state.clone() {
            State::Finished(Outcome::RolledBack(reason)) | State::Retreat { back: Back { reason, .. }, .. } => {
                // The time in which requests may end begins anew. How many tasks the stable slot has by now is not ours.
                let back = Back { at: Some(now), revived: true, tidies: true, ..Back::new(reason, now) };
                self.state = State::Retreat { back, phase: Phase::Verifying, refused: 0 };
                self.go(Phase::Verifying, out);
            }
            State::Finished(Outcome::Promoted) => {
                let commit = self.plan.steps.iter().position(|step| step.action == Action::Commit);
                self.enter_step(commit.map_or(self.plan.steps.len(), |commit| commit + 1), out);
            }
            _ => {}
        }
    }

    /// Somebody moved the traffic while what was left undone was being finished: the rest stays.
    pub(in crate::machine) fn stop_tidying(&mut self, out: &mut Reaction) {
        out.notices.push(Notice::LeftUndone { what: Undone::Rest });
        self.end(out);
    }

    pub(in crate::machine) fn leave_undone(&mut self, phase: Phase, what: Undone, out: &mut Reaction) {
        out.notices.push(Notice::LeftUndone { what });
        self.after(phase, out);
    }

    /// The runner must leave and the traffic is back: only the rule is put right.
    pub(in crate::machine) fn leave_in_a_hurry(&mut self, out: &mut Reaction) {
        if self.memory.rule.unsettled.is_some() {
            return self.go(Phase::Verifying, out);
        }
        self.after(Phase::Verifying, out);
    }

    /// The recorded revision is refused: it may be deregistered by now. A count needs none.
    pub(in crate::machine) fn count_alone(&mut self, issued: &Issued, fault: &Fault, out: &mut Reaction) {
        let Effect::Scale { role, count, task_definition: Some(refused) } = &issued.effect else { return };
        let service = self.plan.target.place(*role).service.clone();
        let what = Undone::Revision { service, refused: last_part(refused).to_owned(), fault: fault.clone() };
        out.notices.push(Notice::LeftUndone { what });
        self.ask(Effect::Scale { role: *role, count: *count, task_definition: None }, out);
    }
}

/// Whether a write of a slot's count also names what its tasks run.
pub(in crate::machine) fn is_of_a_revision(issued: &Issued) -> bool {
    matches!(issued.effect, Effect::Scale { task_definition: Some(_), .. })
}
