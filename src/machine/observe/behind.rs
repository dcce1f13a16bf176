//! A journal that cannot be written for now: nothing goes forward that is not in it, so the rollout holds where it is.
//!
//! Looks and gates go on, and so does the way back: what they come to is written down, in order, once the store answers
//! again. No step's time runs out meanwhile. The hold has a limit of its own, and what can never be written has none.

use crate::domain::fault::{Fault, FaultKind};
use crate::domain::safeguard::Beacon;
use crate::machine::effect::{Effect, Issued};
use crate::machine::limits::{BEHIND_WITHIN, BRISK_POLL, POLL};
use crate::machine::memory::Behind;
use crate::machine::notice::Notice;
use crate::machine::state::Stage;
use crate::machine::why::{Awaited, Reason};
use crate::machine::{Machine, Reaction};

/// Who goes on once everything is written down.
const WRITTEN: &str = "tidegate: the journal is written again";

impl Machine {
    /// The journal cannot be written.
    pub(in crate::machine) fn falls_behind(&mut self, fault: Fault, out: &mut Reaction) {
        self.tell_fault(&fault, out);
        let since = self.memory.pauses.behind.take().map_or(self.memory.now, |behind| behind.since);
        self.memory.pauses.behind = Some(Behind { since, fault });
        if !self.is_forward() {
            return;
        }
        self.wait_for(Awaited::Journal(self.memory.rule.accepted), out);
        self.examine_journal(out);
    }

    /// Everything is written down.
    pub(in crate::machine) fn caught_up(&mut self, out: &mut Reaction) {
        if self.memory.pauses.behind.take().is_none() || !self.is_forward() {
            return;
        }
        self.restart_limit();
        self.memory.told.waiting = None;
        self.memory.told.fault = None;
        out.notices.push(Notice::Continued { by: WRITTEN.to_owned() });
    }

    /// Whether this write may have failed because the journal is behind: nothing was sent.
    pub(in crate::machine) fn is_unsent(&self, issued: &Issued, fault: &Fault) -> bool {
        let is_forward = issued.effect.is_write() || issued.effect == Effect::IntendCommit;
        self.memory.pauses.behind.is_some() && is_forward && fault.kind == FaultKind::Transient
    }

    /// What was not sent for the journal's sake is asked for again, in no hurry.
    pub(in crate::machine) fn ask_when_written(&mut self, issued: &Issued, out: &mut Reaction) {
        if self.out_of_time(out) {
            return;
        }
        match &issued.effect {
            Effect::Route(_) => {
                self.read_back();
                self.look_again(POLL);
            }
            Effect::IntendCommit | Effect::Conclude | Effect::Disarm | Effect::Mark(Beacon::Committed) => {
                self.set_stage(Stage::Checking);
                self.look_again(POLL);
            }
            effect => self.ask_after(BRISK_POLL, effect.clone()),
        }
    }

    /// A journal may be behind only so long: then the rollout goes back, as it does at once where waiting cannot help.
    /// Past the commit there is no way back, and whoever writes the journal has to leave.
    pub(in crate::machine) fn examine_journal(&mut self, out: &mut Reaction) {
        let Some(Behind { since, fault }) = &self.memory.pauses.behind else { return };
        let over = fault.kind.is_lasting() || self.memory.now.since(*since) > BEHIND_WITHIN;
        if over && self.is_forward() && !self.memory.committed {
            let fault = fault.clone();
            self.retreat(Reason::Store(fault), out);
        }
    }
}
