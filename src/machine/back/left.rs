//! What a rollout leaves undone, and finishing that once it is over. No traffic moves then: it is where it should be, or
//! what is left stays.

use crate::domain::fault::Fault;
use crate::domain::fleet::{Capacity, Fleet, RuleSeen};
use crate::domain::traffic::Share;
use crate::machine::notice::{Notice, Outcome};
use crate::machine::state::{Phase, State};
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
        self.memory.spared_for = None;
        self.memory.safeguard.begin_anew();
        match self.state.clone() {
            State::Finished(Outcome::RolledBack(reason)) | State::Retreat { reason, .. } => {
                // The time in which requests may end begins anew. How many tasks the stable slot has by now is not ours.
                (self.memory.back_at, self.memory.revived, self.memory.tidies) = (Some(now), true, true);
                self.state = State::Retreat { reason, decided: now, phase: Phase::Verifying, refused: 0 };
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
        self.memory.tidies = false;
        let what = "the rest, because somebody else moved the traffic meanwhile".to_owned();
        out.notices.push(Notice::LeftUndone { what });
        self.end(out);
    }

    pub(in crate::machine) fn leave_undone(&mut self, phase: Phase, what: &str, fault: &Fault, out: &mut Reaction) {
        out.notices.push(Notice::LeftUndone { what: format!("{what}: {fault}") });
        self.after(phase, out);
    }

    /// The runner must leave and the traffic is back: only the rule is put right.
    pub(in crate::machine) fn leave_in_a_hurry(&mut self, out: &mut Reaction) {
        if self.memory.unsettled.is_some() {
            return self.go(Phase::Verifying, out);
        }
        self.after(Phase::Verifying, out);
    }
}
