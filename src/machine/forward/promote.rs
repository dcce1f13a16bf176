//! A person's request to wait no longer: from here to everything and the commit.
//!
//! What is skipped is what waits for time, evidence or people: holds, approvals, ramps, and shares below everything.
//! What acts is not: tasks are prepared, probes asked, the last share is given on a fresh read of enough healthy
//! targets like any other, and the commit still clears away what could give the traffic back. Gates stay on until
//! the commit. A step that is skipped has the person's request in the journal in place of a verdict.

use crate::domain::traffic::Share;
use crate::gate::Outcome as GateOutcome;
use crate::machine::notice::Notice;
use crate::machine::state::State;
use crate::machine::why::{Cause, KnownBreach, Objection};
use crate::machine::{Machine, Reaction};
use crate::plan::Action;

impl Machine {
    /// The steps that the request `promote` would skip now, by index.
    pub fn skippable(&self) -> Vec<usize> {
        match self.state {
            State::Forward { step, .. } if !self.memory.committed => {
                (step..self.plan.steps.len()).filter(|step| self.is_skippable(*step)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Why the request `promote` would change nothing now; `reasoned` when it comes with a reason. A breach that is
    /// known can be overruled by one who says why. Somebody else's write and slots short of tasks cannot.
    pub fn objection_to_promote(&self, reasoned: bool) -> Option<Objection> {
        if self.memory.committed {
            return Some(Objection::Committed);
        }
        match &self.state {
            State::Forward { .. } => {}
            State::Ready => return Some(Objection::NotBegun),
            State::Draining(_) | State::Retreat { .. } => return Some(Objection::GoesBack),
            State::Finished(_) => return Some(Objection::Over),
        }
        if let Some(by) = &self.memory.pauses.promoted_by {
            return Some(Objection::Promoted(by.clone()));
        }
        if let Some(paused) = &self.memory.pauses.paused
            && matches!(paused.why.cause(), Cause::ForeignWrite | Cause::Capacity | Cause::Window)
        {
            return Some(Objection::Paused(paused.why.clone()));
        }
        if let Some(breach) = self.known_breach().filter(|_| !reasoned) {
            return Some(Objection::Breach(breach));
        }
        let nothing = self.skippable().is_empty() && self.memory.pauses.paused.is_none();
        nothing.then_some(Objection::NothingToSkip)
    }

    pub(in crate::machine) fn told_to_promote(
        &mut self,
        by: &str,
        reason: Option<String>,
        out: &mut Reaction,
    ) -> Option<Objection> {
        let reason = reason.filter(|reason| !reason.trim().is_empty());
        let objection = self.objection_to_promote(reason.is_some());
        if objection.is_some() {
            return objection;
        }
        let breached = self.known_breach().map(|_| Cause::Breach);
        let paused = self.memory.pauses.paused.take().map(|paused| paused.why.cause());
        if let Some(cause) = breached.or(paused) {
            self.unpause(cause);
        }
        self.memory.pauses.promoted_by = Some(by.to_owned());
        out.notices.push(Notice::Promoting { by: by.to_owned(), reason });
        // A write in flight is answered first; what is seen next finds the step to be skipped.
        if !self.has_pending_write() {
            self.skip(out);
        }
        None
    }

    /// The breach that the rollout is held for, or a gate that fails at this moment.
    fn known_breach(&self) -> Option<KnownBreach> {
        if let Some(paused) = self.memory.pauses.paused.as_ref().filter(|_| self.is_paused_for(&[Cause::Breach])) {
            return Some(KnownBreach::Held(paused.why.clone()));
        }
        let verdicts = self.plan.gates.iter().zip(&self.memory.judged.verdicts);
        verdicts.filter(|(gate, _)| gate.decides()).find_map(|(gate, verdict)| {
            let failed = verdict.as_ref().filter(|verdict| verdict.outcome == GateOutcome::Fail)?;
            Some(KnownBreach::Gate { gate: gate.name.clone(), evidence: failed.evidence.clone() })
        })
    }

    /// Leaves the present step, if a person's request skips it. True when it did.
    pub(in crate::machine) fn skip(&mut self, out: &mut Reaction) -> bool {
        let State::Forward { step, .. } = self.state else { return false };
        let skips = self.is_promoted() && self.is_skippable(step);
        if skips {
            self.enter_step(step, out);
        }
        skips
    }

    /// The first step from this one on that a person's request does not skip. What it skips is told.
    pub(in crate::machine) fn after_skipped(&self, step: usize, out: &mut Reaction) -> usize {
        let Some(by) = self.memory.pauses.promoted_by.as_ref().filter(|_| self.is_promoted()) else { return step };
        let mut next = step;
        while self.is_skippable(next) {
            out.notices.push(Notice::Skipped { step: next, by: by.clone() });
            next += 1;
        }
        next
    }

    fn is_promoted(&self) -> bool {
        self.memory.pauses.promoted_by.is_some() && !self.is_paused() && !self.memory.committed
    }

    fn is_skippable(&self, step: usize) -> bool {
        match self.plan.steps.get(step).map(|step| &step.action) {
            Some(Action::Hold(_) | Action::Watch(_) | Action::Approve(_) | Action::Ramp { .. }) => true,
            Some(Action::Shift(share)) => *share < Share::ALL,
            _ => false,
        }
    }
}
