//! After the commit: the old stable slot is proven quiet and retired, and what was served is counted.

use crate::domain::fleet::Role;
use crate::domain::traffic::Share;
use crate::machine::effect::{Effect, Observation};
use crate::machine::notice::{Notice, Outcome};
use crate::machine::state::{ATTEMPTS, POLL, RETRY, Stage};
use crate::machine::{Machine, Reaction};

impl Machine {
    pub(in crate::machine) fn check_quiet(&mut self, seen: &Observation, out: &mut Reaction) {
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
            Some(there) => return self.keep_old_slot(&there.join("; "), out),
            None if now >= self.deadline() && !self.is_paused() => {
                let proof = if quiet { "what else leads to it" } else { "that its requests have ended" };
                return self.keep_old_slot(&format!("no proof {proof}"), out);
            }
            None if quiet => return self.look_for_entrances(Role::Stable, seen, out),
            None => {}
        }
        self.wait_for("the proof that the old stable slot has no requests left".to_owned(), out);
        let quiet = self.is_ripe(Share::ALL, now + POLL);
        self.ask_after(POLL, Effect::Look(self.view(false, quiet.then_some(Role::Stable))));
    }

    fn keep_old_slot(&mut self, why: &str, out: &mut Reaction) {
        out.notices.push(Notice::LeftUndone { what: format!("the old stable slot keeps its tasks: {why}") });
        self.leave_step(out);
    }

    /// Counts what the candidate served; the rollout is promoted whatever comes of it.
    pub(in crate::machine) fn count_and_promote(&mut self, out: &mut Reaction) {
        let Some(since) = self.memory.exposed else { return self.finish(Outcome::Promoted, out) };
        self.set_stage(Stage::Counting(0));
        self.ask(Effect::Count { since }, out);
    }

    pub(in crate::machine) fn count_failed(&mut self, stage: Stage, out: &mut Reaction) {
        let tries = if let Stage::Counting(tries) = stage { tries + 1 } else { 1 };
        if tries >= ATTEMPTS {
            return self.finish(Outcome::Promoted, out);
        }
        self.set_stage(Stage::Counting(tries));
        let since = self.memory.exposed.unwrap_or(self.memory.started);
        self.ask_after(RETRY, Effect::Count { since });
    }
}
