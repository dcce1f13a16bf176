//! Credentials that have ended: until somebody renews them nothing can be read and nothing written, so the rollout
//! holds where it is.
//!
//! Going back would need them too, so this is no blindness to go back from, and no step's time runs out over it. The
//! dead-man's switch, which nobody can push on meanwhile, still fires. What works again first ends it: from then on
//! the present step has all of its time, and passes on data from after that moment only.

use crate::domain::fault::{Fault, FaultKind};
use crate::machine::effect::{Effect, Issued};
use crate::machine::limits::{BRISK_POLL, POLL};
use crate::machine::state::State;
use crate::machine::why::{Awaited, Overdue, Reason};
use crate::machine::{Machine, Reaction};

impl Machine {
    /// Whether the rollout holds because its credentials have ended.
    pub(in crate::machine) fn is_expired(&self) -> bool {
        self.memory.pauses.expired_since.is_some()
    }

    /// AWS does not take the credentials any more. A person has as long to renew them as for a pause. Past the
    /// commit nothing is at stake that could be held.
    pub(in crate::machine) fn expired(&mut self, out: &mut Reaction) {
        if self.memory.committed || !matches!(self.state, State::Forward { .. }) {
            return;
        }
        let since = *self.memory.pauses.expired_since.get_or_insert(self.memory.now);
        self.memory.pauses.blind_since = None;
        let limit = self.plan.limits.pause;
        if self.memory.now.since(since) > limit {
            return self.retreat(Reason::TimeLimit(Overdue::Credentials(limit)), out);
        }
        let (share, fires) = (self.memory.rule.accepted, self.memory.safeguard.fires());
        self.wait_for(Awaited::Credentials { share, fires }, out);
    }

    /// Something worked.
    pub(in crate::machine) fn let_in(&mut self) {
        if self.memory.pauses.expired_since.take().is_none() {
            return;
        }
        self.begin_step_anew();
        self.memory.told.waiting = None;
    }

    /// What could not be asked for on the way forward, and was not done, is asked for again.
    pub(in crate::machine) fn ask_when_let_in(&mut self, issued: &Issued, out: &mut Reaction) {
        self.expired(out);
        if !self.is_expired() || !matches!(self.state, State::Forward { .. }) {
            return;
        }
        match &issued.effect {
            Effect::Route(_) => {
                self.read_back();
                self.look_again(POLL);
            }
            effect => self.ask_after(BRISK_POLL, effect.clone()),
        }
    }
}

/// Whether AWS says that the credentials have ended.
pub(in crate::machine) fn is_expired(fault: &Fault) -> bool {
    fault.kind == FaultKind::Expired
}
