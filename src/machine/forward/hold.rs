//! Keeping a share until every gate has passed on data from after it was given, and the commit.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;
use crate::gate::{Check, Drift, Evidence, Gate, Outcome as GateOutcome, Verdict};
use crate::machine::effect::Observation;
use crate::machine::limits::{BRISK_POLL, FAST_COUNT_BACK};
use crate::machine::notice::Notice;
use crate::machine::why::{Awaited, Reason};
use crate::machine::{Machine, Reaction};
use crate::plan::Action;

impl Machine {
    pub(in crate::machine) fn check_hold(&mut self, until: Timestamp, seen: &Observation, out: &mut Reaction) {
        let (now, pace) = (self.memory.now, self.pace());
        if now + pace < until {
            return self.next_look();
        }
        if now < until {
            return self.look_again(until.since(now));
        }
        let unproven = self.unproven();
        if unproven.is_none() && seen.rule.is_some() && !self.is_paused() {
            return self.pass_step(out);
        }
        match unproven {
            Some(index) if now >= self.deadline() && !self.is_paused() => self.out_of_evidence(index, out),
            Some(index) => self.wait_for_gate(index, out),
            None => self.look_again(pace),
        }
    }

    /// The first gate whose latest verdict does not pass the present step. One that only watches is not waited
    /// for, nor one that compares the slots once the candidate has everything, unless it is watched for drift then.
    pub(in crate::machine) fn unproven(&self) -> Option<usize> {
        self.unproven_gates().next()
    }

    fn unproven_gates(&self) -> impl Iterator<Item = usize> {
        let judged = &self.memory.judged;
        let since = judged.step_since;
        let passes = move |index: usize| judged.verdicts[index].as_ref().is_some_and(|v| v.passes(since));
        let both = self.memory.rule.accepted < Share::ALL;
        let watched = move |gate: &Gate| judged.drift.is_some() && matches!(gate.check, Check::Compare(_));
        let asked = move |gate: &Gate| gate.decides() && (both || gate.feed().is_none() || watched(gate));
        (0..self.plan.gates.len()).filter(move |index| asked(&self.plan.gates[*index]) && !passes(*index))
    }

    /// The candidate has everything: from now on it is compared with itself, and with what it did since then as far
    /// back as looks read.
    pub(in crate::machine) fn begin_watch(&mut self, span: Duration) {
        let compare = self.plan.gates.iter().find_map(|gate| match &gate.check {
            Check::Compare(rule) => Some(rule),
            _ => None,
        });
        let now = self.memory.now;
        let since = self.memory.rule.accepted_at.max(now.before(FAST_COUNT_BACK));
        self.memory.judged.drift = compare.map(|rule| Drift::new(rule, since, now.since(since) + span));
    }

    /// The gates that have not decided, in a step that a person may pass: with what each says. While the candidate has
    /// nothing there is nothing to decide.
    pub(in crate::machine) fn undecided(&self) -> Vec<(String, Evidence)> {
        if self.plan.rules == 0 || self.memory.rule.accepted == Share::NONE {
            return Vec::new();
        }
        self.unproven_gates().map(|index| self.said(index)).collect()
    }

    /// The gates that let a step pass although nothing is proven: in a hold, what its share asks; in a ramp, what
    /// everything asks.
    pub(in crate::machine) fn passed_undecided(&self, step: usize) -> Vec<String> {
        let Some(action) = self.plan.steps.get(step).map(|step| &step.action) else { return Vec::new() };
        let undecided = |(at, gate): (usize, &Gate)| {
            let late = self.memory.judged.verdicts[at].as_ref().is_some_and(Verdict::is_undecided);
            match action {
                Action::Hold(_) => late,
                Action::Ramp { gate: ramps, .. } if *ramps == at => late || !self.is_proven(at),
                _ => false,
            }
            .then(|| gate.name.clone())
        };
        self.plan.gates.iter().enumerate().filter(|(_, gate)| gate.decides()).filter_map(undecided).collect()
    }

    /// The step has lasted as long as it may, and this gate never let it pass.
    pub(in crate::machine) fn out_of_evidence(&mut self, index: usize, out: &mut Reaction) {
        let (gate, evidence) = self.said(index);
        self.breach(Reason::Breach { gate, evidence, outcome: GateOutcome::Inconclusive }, out);
    }

    fn wait_for_gate(&mut self, index: usize, out: &mut Reaction) {
        let (gate, evidence) = self.said(index);
        self.wait_for(Awaited::Gate { gate, evidence }, out);
        match self.plan.gates[index].check {
            // These are answered only when the tasks are read.
            Check::Tasks(_) | Check::Split(_) => self.look_again(self.pace()),
            _ => self.next_look(),
        }
    }

    /// A person is waited for, and told which gate has not decided meanwhile.
    pub(in crate::machine) fn wait_for_person(&mut self, out: &mut Reaction) {
        if let Some((gate, evidence)) = self.undecided().into_iter().next() {
            self.wait_for(Awaited::Gate { gate, evidence }, out);
        }
        self.next_look();
    }

    /// A gate's name, and what it said last.
    fn said(&self, index: usize) -> (String, Evidence) {
        let verdict = self.memory.judged.verdicts[index].as_ref();
        let evidence = verdict.map_or(Evidence::NoReading, |verdict| verdict.evidence.clone());
        (self.plan.gates[index].name.clone(), evidence)
    }

    pub(in crate::machine) fn check_commit(&mut self, seen: &Observation, out: &mut Reaction) {
        if self.out_of_time(out) {
            return;
        }
        let ready =
            seen.rule.is_some() && self.memory.rule.accepted == Share::ALL && self.memory.rule.unsettled.is_none();
        if self.memory.pauses.paused.is_some() && self.reopens(out) {
            return;
        }
        if !ready || self.is_paused() {
            return self.look_again(BRISK_POLL);
        }
        if self.is_shut(out) {
            return self.next_look();
        }
        if self.plan.driver.is_aws() && !self.is_old_slot_quiet(seen, out) {
            return;
        }
        if self.cleared_to_commit(out) {
            self.commit(out);
        }
    }

    pub(in crate::machine) fn commit(&mut self, out: &mut Reaction) {
        self.memory.committed = true;
        out.notices.push(Notice::Committed);
        self.pass_step(out);
    }
}
