//! Giving the candidate a share: on a fresh read of its tasks, written once, and read back.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::fleet::{Capacity, Role, RuleSeen};
use crate::domain::traffic::Share;
use crate::machine::effect::{Effect, Issued, Observation, Route, Stickiness};
use crate::machine::notice::Notice;
use crate::machine::state::{BRISK_POLL, FRESH, RETRY, Stage, State};
use crate::machine::why::{Awaited, Lack, Shortage};
use crate::machine::{Machine, Reaction};

impl Machine {
    pub(in crate::machine) fn check_shift(
        &mut self,
        share: Share,
        seen: &Observation,
        asked: Timestamp,
        out: &mut Reaction,
    ) {
        if self.memory.accepted == share && self.memory.unsettled.is_none() {
            return self.shift_landed(out);
        }
        if self.out_of_time(out) {
            return;
        }
        if self.memory.unsettled.is_some() || seen.rule.is_none() || self.is_paused() {
            return self.look_again(BRISK_POLL);
        }
        if self.is_shut(out) {
            return self.next_look();
        }
        if self.give(share, (seen, asked), BRISK_POLL, out) {
            self.set_stage(Stage::Acting);
        }
    }

    /// Asks for `share` if the look `seen`, asked for at `asked`, shows the tasks for it. Otherwise looks
    /// again, after `patience` where only time can help.
    pub(in crate::machine) fn give(
        &mut self,
        share: Share,
        (seen, asked): (&Observation, Timestamp),
        patience: Duration,
        out: &mut Reaction,
    ) -> bool {
        let Some(fleet) = &seen.fleet else {
            self.look_again(if seen.faults.is_empty() { RETRY } else { patience });
            return false;
        };
        let lacking = self.lacking(share, &fleet.candidate).or_else(|| self.stable_objects(&fleet.stable));
        if let Some(lacking) = lacking {
            self.wait_for(Awaited::Lack(lacking), out);
            self.look_again(patience);
            return false;
        }
        if !self.is_safeguarded() {
            self.wait_for(Awaited::Switch, out);
            self.look_again(patience);
            return false;
        }
        if self.memory.now.since(asked) > FRESH {
            self.look_again(RETRY);
            return false;
        }
        let expected = Some(self.memory.accepted);
        let by = Some(asked + FRESH);
        self.ask(Effect::Route(Route { share, expected, stickiness: Stickiness::Keep, by }), out);
        true
    }

    /// What the candidate lacks to be given this share.
    fn lacking(&self, share: Share, candidate: &Capacity) -> Option<Lack> {
        let Capacity { healthy, task_definition, .. } = candidate;
        let need = share.need(self.memory.wanted);
        if !self.runs_release(task_definition) {
            return Some(Lack::Release { runs: task_definition.clone() });
        }
        let shortage = Shortage { healthy: *healthy, need, share };
        (*healthy < need).then_some(Lack::Tasks(Role::Candidate, shortage))
    }

    fn shift_landed(&mut self, out: &mut Reaction) {
        let State::Forward { began, .. } = self.state else { return };
        let took = self.memory.now.since(began);
        out.notices.push(Notice::Shifted { share: self.memory.accepted, took });
        self.pass_step(out);
    }

    /// A write was answered with what it left.
    pub(in crate::machine) fn routed(&mut self, issued: &Issued, seen: &RuleSeen, out: &mut Reaction) {
        self.unsettle(issued);
        self.read_back();
        if !self.recognise(seen) || self.memory.unsettled.is_some() {
            return self.look_again(RETRY);
        }
        match self.state {
            State::Forward { stage: Stage::Raising { .. }, .. } => self.raised(out),
            _ => self.shift_landed(out),
        }
    }

    pub(in crate::machine) fn found_foreign(&mut self, seen: &RuleSeen, out: &mut Reaction) {
        self.read_back();
        if self.recognise(seen) || self.may_be_stale(seen) {
            return self.look_again(RETRY);
        }
        self.not_ours(seen, out);
        self.keep_looking();
    }

    /// From here on the rule says what became of the write. A ramp remembers what it asked for.
    pub(in crate::machine) fn read_back(&mut self) {
        if !matches!(self.state, State::Forward { stage: Stage::Raising { .. }, .. }) {
            self.set_stage(Stage::Checking);
        }
    }
}
