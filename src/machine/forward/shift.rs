//! Giving the candidate a share: on a fresh read of its tasks, written once, and read back.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::fleet::{Capacity, Fleet, Role, RuleSeen};
use crate::domain::traffic::Share;
use crate::machine::effect::{Effect, Issued, Observation, Route, Stickiness};
use crate::machine::limits::{BRISK_POLL, FRESH, RETRY, STALE_WITHIN};
use crate::machine::notice::Notice;
use crate::machine::state::{Stage, State};
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
        if self.memory.rule.accepted == share && self.memory.rule.unsettled.is_none() {
            return self.shift_landed(out);
        }
        if self.out_of_time(out) {
            return;
        }
        if self.memory.rule.unsettled.is_some() || seen.rule.is_none() || self.is_paused() {
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
        let lacking = self.lacking(share, fleet).or_else(|| self.stable_objects(&fleet.stable));
        if let Some(lacking) = lacking {
            self.wait_for(Awaited::Lack(lacking), out);
            match self.to_raise(share, fleet) {
                Some(count) => self.want(count, out),
                None => self.look_again(patience),
            }
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
        self.memory.slots.whole = self.whole(&fleet.stable);
        let expected = Some(self.memory.rule.accepted);
        let by = Some(asked + FRESH);
        self.ask(Effect::Route(Route { share, expected, stickiness: Stickiness::Keep, by }), out);
        true
    }

    /// What everything is that shares are of: as many tasks as the stable slot has by now, if it has grown, or if one
    /// service fills both slots.
    fn whole(&self, stable: &Capacity) -> u32 {
        self.of_today(self.memory.slots.wanted.max(stable.desired), stable)
    }

    /// What the candidate lacks to be given this share.
    fn lacking(&self, share: Share, fleet: &Fleet) -> Option<Lack> {
        let Capacity { healthy, task_definition, .. } = &fleet.candidate;
        let need = share.need(self.whole(&fleet.stable));
        if !self.runs_release(task_definition) {
            return Some(Lack::Release { runs: task_definition.clone() });
        }
        let shortage = Shortage { healthy: *healthy, need, share };
        let stable = fleet.stable.desired;
        let lack = if stable > self.memory.slots.wanted {
            Lack::Grown { stable, shortage }
        } else {
            Lack::Tasks(Role::Candidate, shortage)
        };
        (*healthy < need).then_some(lack)
    }

    /// How many tasks are asked for before this share: as many as the stable slot has grown to, or once more where that
    /// did not take effect. Where AWS deploys, it gives both slots what the service wants.
    fn to_raise(&self, share: Share, fleet: &Fleet) -> Option<u32> {
        let (candidate, whole) = (&fleet.candidate, self.whole(&fleet.stable));
        let short = candidate.healthy < share.need(whole) && candidate.desired < whole;
        let grown = whole > self.memory.slots.wanted || self.memory.slots.wanted > self.memory.slots.whole;
        let asked = whole == self.memory.slots.wanted && self.memory.now.since(self.memory.slots.asked) <= STALE_WITHIN;
        let ours = !self.plan.driver.is_aws() && self.runs_release(&candidate.task_definition);
        (ours && short && grown && !asked).then_some(whole)
    }

    fn shift_landed(&mut self, out: &mut Reaction) {
        let State::Forward { began, .. } = self.state else { return };
        let took = self.memory.now.since(began);
        out.notices.push(Notice::Shifted { share: self.memory.rule.accepted, took });
        self.pass_step(out);
    }

    /// A write was answered with what it left.
    pub(in crate::machine) fn routed(&mut self, issued: &Issued, seen: &RuleSeen, out: &mut Reaction) {
        self.unsettle(issued);
        self.read_back();
        if !self.recognise(seen) || self.memory.rule.unsettled.is_some() {
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
