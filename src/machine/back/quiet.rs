//! On the way back the candidate loses its tasks once it is proven quiet, and keeps them where something leads to it.

use crate::domain::fleet::Role;
use crate::domain::traffic::Share;
use crate::machine::effect::Observation;
use crate::machine::limits::POLL;
use crate::machine::notice::Notice;
use crate::machine::state::Phase;
use crate::machine::undone::{Kept, Undone};
use crate::machine::{Machine, Reaction};

impl Machine {
    /// Waits until the candidate provably has no requests left and nothing else leads to it, or keeps its tasks.
    pub(super) fn quiet(&mut self, seen: &Observation, out: &mut Reaction) {
        let waited = self.memory.now.since(self.state.back_at().unwrap_or(self.memory.now));
        let quiet = self.is_quiet(Share::NONE, seen) && !self.still_leads();
        // AWS takes the tasks of its own deployment whatever leads to them.
        let known = if self.plan.driver.is_aws() { Some(&[][..]) } else { Self::entrances(seen) };
        match known.filter(|_| quiet) {
            Some([]) => {
                out.notices.push(Notice::Quiet { role: Role::Candidate });
                return self.after(Phase::Quieting, out);
            }
            Some(there) => return self.keep_candidate(Kept::Entrances(there.to_vec()), out),
            None if quiet && waited <= self.plan.limits.drain => {
                return self.look_for_entrances(Role::Candidate, seen, out);
            }
            None => {}
        }
        if waited > self.plan.limits.drain || (self.still_leads() && self.outlasts_patience()) {
            let why = if self.still_leads() {
                Kept::Cookies(self.bound_until())
            } else if quiet {
                Kept::EntrancesUnread
            } else {
                Kept::Unproven
            };
            return self.keep_candidate(why, out);
        }
        self.ask_after_phase(Phase::Quieting, POLL);
    }

    fn keep_candidate(&mut self, why: Kept, out: &mut Reaction) {
        out.notices.push(Notice::LeftUndone { what: Undone::Candidate(why) });
        self.after(Phase::Restoring, out);
    }
}
