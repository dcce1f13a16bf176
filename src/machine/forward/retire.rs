//! After the commit: the old stable slot is proven quiet and retired, and what was served is counted.

use crate::domain::clock::Timestamp;
use crate::domain::fleet::Role;
use crate::domain::traffic::Share;
use crate::machine::effect::{Effect, Observation};
use crate::machine::limits::{ATTEMPTS, POLL, RETRY};
use crate::machine::notice::{Notice, Outcome};
use crate::machine::state::{Stage, State};
use crate::machine::undone::{Kept, Undone};
use crate::machine::why::{Awaited, Objection};
use crate::machine::{Machine, Reaction};
use crate::plan::Action;

impl Machine {
    /// Somebody goes back to what was promoted over, so its tasks stay: they are the shortest way there.
    pub(in crate::machine) fn told_to_spare(&mut self, by: String, out: &mut Reaction) -> Option<Objection> {
        let State::Forward { step, stage, .. } = self.state else {
            return Some(Objection::NothingToSpare);
        };
        if !self.memory.committed {
            return Some(Objection::NotCommitted);
        }
        let retires = |action: &Action| matches!(action, Action::Retire);
        let action = self.plan.steps.get(step).map(|step| &step.action);
        if action.is_some_and(retires) && stage == Stage::Acting {
            return Some(Objection::TakesTasks);
        }
        if !self.plan.steps.iter().skip(step).any(|step| retires(&step.action)) {
            return Some(Objection::TasksNotOurs);
        }
        // A pause kept the tasks too; who goes back does not wait for its end.
        self.memory.pauses.paused = None;
        self.memory.slots.spared_for = Some(by);
        if action.is_some_and(retires) && !self.has_pending_write() {
            self.leave_spared(out);
        }
        None
    }

    /// Leaves the step that takes the old tasks away, where somebody goes back to them. True when it did.
    pub(in crate::machine) fn leave_spared(&mut self, out: &mut Reaction) -> bool {
        let Some(by) = self.memory.slots.spared_for.as_ref().filter(|_| self.memory.pauses.behind.is_none()) else {
            return false;
        };
        out.notices.push(Notice::LeftUndone { what: Undone::OldSlot(Kept::SparedFor(by.clone())) });
        self.leave_step(out);
        true
    }

    pub(in crate::machine) fn check_quiet(&mut self, seen: &Observation, out: &mut Reaction) {
        if self.leave_spared(out) {
            return;
        }
        let now = self.memory.now;
        let at_all = seen.rule.as_ref().is_some_and(|rule| rule.share == Some(Share::ALL));
        let quiet = at_all && self.is_quiet(Share::ALL, seen) && !self.is_paused();
        let entrances = Self::entrances(seen).filter(|_| quiet);
        match entrances {
            Some([]) => {
                out.notices.push(Notice::Quiet { role: Role::Stable });
                self.set_stage(Stage::Acting);
                let retire = Effect::Scale { role: Role::Stable, count: 0, task_definition: None };
                return self.ask(retire, out);
            }
            Some(there) => return self.keep_old_slot(Kept::Entrances(there.to_vec()), out),
            None if now >= self.deadline() && !self.is_paused() => {
                return self.keep_old_slot(if quiet { Kept::EntrancesUnread } else { Kept::Unproven }, out);
            }
            None if quiet => return self.look_for_entrances(Role::Stable, seen, out),
            None => {}
        }
        self.wait_for(Awaited::OldSlotQuiet, out);
        let quiet = self.is_ripe(Share::ALL, now + POLL);
        self.ask_after(POLL, Effect::Look(self.view(false, quiet.then_some(Role::Stable))));
    }

    fn keep_old_slot(&mut self, why: Kept, out: &mut Reaction) {
        out.notices.push(Notice::LeftUndone { what: Undone::OldSlot(why) });
        self.leave_step(out);
    }

    /// Counts what the candidate served; the rollout is promoted whatever comes of it.
    pub(in crate::machine) fn count_and_promote(&mut self, out: &mut Reaction) {
        let Some(since) = self.memory.rule.exposed else { return self.finish(Outcome::Promoted, out) };
        self.set_stage(Stage::Counting(0));
        self.ask(Effect::Count { since, full: self.has_all_since() }, out);
    }

    pub(in crate::machine) fn count_failed(&mut self, stage: Stage, out: &mut Reaction) {
        let tries = if let Stage::Counting(tries) = stage { tries + 1 } else { 1 };
        if tries >= ATTEMPTS {
            return self.finish(Outcome::Promoted, out);
        }
        self.set_stage(Stage::Counting(tries));
        let since = self.memory.rule.exposed.unwrap_or(self.memory.started);
        self.ask_after(RETRY, Effect::Count { since, full: self.has_all_since() });
    }

    fn has_all_since(&self) -> Option<Timestamp> {
        (self.memory.rule.accepted == Share::ALL).then_some(self.memory.rule.accepted_at)
    }
}
