//! The harm-budget ramp: the candidate's share goes up as far as the evidence allows, until it is proven that
//! the candidate may have everything.

use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;
use crate::gate::compare::{PATIENT, RampRule, Unproven};
use crate::gate::{Check, Standing};
use crate::machine::effect::Observation;
use crate::machine::limits::{BRISK_POLL, RAISE_LEAST};
use crate::machine::notice::Notice;
use crate::machine::state::{Stage, State};
use crate::machine::{Machine, Reaction};

impl Machine {
    pub(in crate::machine) fn check_ramp(
        &mut self,
        gate: usize,
        rule: &RampRule,
        (seen, asked): (&Observation, Timestamp),
        out: &mut Reaction,
    ) {
        self.settle_raise(out);
        if self.is_paused() || seen.rule.is_none() {
            return self.next_look();
        }
        if self.memory.rule.unsettled.is_some() {
            return self.look_again(BRISK_POLL);
        }
        let unproven = self.unproven();
        if unproven.is_none() && self.may_end(gate) {
            return self.pass_step(out);
        }
        if self.memory.now >= self.deadline() {
            return self.out_of_evidence(unproven.unwrap_or(gate), out);
        }
        let Some(share) = self.next_share(gate, rule) else { return self.next_look() };
        if self.is_shut(out) {
            return self.next_look();
        }
        if self.give(share, (seen, asked), self.pace(), out) {
            let since = self.memory.now;
            self.set_stage(Stage::Raising { to: share, since });
            // Why it is raised.
            let told =
                self.memory.judged.verdicts[gate].clone().map(|verdict| (self.plan.gates[gate].name.clone(), verdict));
            out.notices.extend(told.map(|(gate, verdict)| Notice::Judged { gate, verdict }));
        }
    }

    /// Whether the comparison lets the candidate have everything: proven, or when the ramp's time is over and
    /// the spec does not ask for proof. What passes a hold at the present share is not enough.
    fn may_end(&self, gate: usize) -> bool {
        let passes = matches!(&self.plan.gates[gate].check, Check::Compare(rule) if rule.unproven == Unproven::Pass);
        self.is_proven(gate) || (passes && self.memory.now >= self.last_call())
    }

    /// Whether this comparison has proven that the candidate may have everything.
    pub(in crate::machine) fn is_proven(&self, gate: usize) -> bool {
        match (&self.plan.gates[gate].check, &self.memory.judged.standings[gate]) {
            (Check::Compare(rule), Standing::Compare(comparison)) => comparison.is_proven(rule),
            _ => false,
        }
    }

    /// The share to go to, if the comparison allows or wants one that is worth a write.
    fn next_share(&self, gate: usize, ramp: &RampRule) -> Option<Share> {
        let (Check::Compare(rule), Standing::Compare(comparison)) =
            (&self.plan.gates[gate].check, &self.memory.judged.standings[gate])
        else {
            return None;
        };
        let has = self.memory.rule.accepted;
        let next = comparison.next_share(rule, ramp, &self.memory.judged.course, self.memory.now).min(ramp.ceiling);
        let least = RAISE_LEAST.max(has.permille().div_ceil(10));
        let worth = has == Share::NONE || next == ramp.ceiling || next.permille() >= has.permille() + least;
        // Two shares that differ by the rounding of weights cannot be told apart when they are read back.
        let told_apart = has == Share::NONE || next.permille() >= has.permille() + RAISE_LEAST;
        // Back to where a candidate waits that is slow, and may be so because it is not warm.
        let eases = self.plan.rules >= PATIENT && next.permille() + RAISE_LEAST <= has.permille();
        (eases || (next > has && worth && told_apart)).then_some(next)
    }

    /// A raise was read back.
    pub(in crate::machine) fn raised(&mut self, out: &mut Reaction) {
        self.settle_raise(out);
        self.next_look();
    }

    /// Once it is known what became of a raise, it is told, and the next one can be decided.
    fn settle_raise(&mut self, out: &mut Reaction) {
        let State::Forward { stage: Stage::Raising { to, since }, .. } = self.state else { return };
        if self.memory.rule.unsettled.is_some() {
            return;
        }
        if self.memory.rule.accepted == to {
            out.notices.push(Notice::Shifted { share: to, took: self.memory.now.since(since) });
        }
        self.set_stage(Stage::Ramping);
    }
}
