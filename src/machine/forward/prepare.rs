//! Before any traffic: the release is registered, the candidate's tasks are brought up, and probes ask them.

use crate::domain::fleet::Role;
use crate::gate::{Check, Evidence, Outcome as GateOutcome, ProbeReading, Verdict};
use crate::machine::effect::{Effect, Observation};
use crate::machine::limits::{BRISK_POLL, RETRY, STALE_WITHIN};
use crate::machine::notice::Notice;
use crate::machine::state::{Stage, State};
use crate::machine::why::Reason;
use crate::machine::{Machine, Reaction};
use crate::plan::{Action, ReleasePlan};

impl Machine {
    pub(in crate::machine) fn register(&mut self, out: &mut Reaction) {
        if let ReleasePlan::Register { digest, .. } = &self.plan.release {
            let digest = digest.clone();
            self.ask(Effect::Register { digest }, out);
        } else {
            self.pass_step(out);
        }
    }

    pub(in crate::machine) fn pass_unless_paused(&mut self, out: &mut Reaction) {
        if self.is_paused() { self.next_look() } else { self.pass_step(out) }
    }

    pub(in crate::machine) fn prepare(&mut self, count: u32, out: &mut Reaction) {
        self.memory.slots.whole = count;
        self.want(count, out);
    }

    /// Asks for so many tasks of the release, which must all be healthy once.
    pub(in crate::machine) fn want(&mut self, count: u32, out: &mut Reaction) {
        self.memory.slots.wanted = count;
        self.memory.slots.all_started = false;
        self.ask_for_tasks(count, out);
    }

    fn ask_for_tasks(&mut self, count: u32, out: &mut Reaction) {
        self.memory.slots.asked = self.memory.now;
        let task_definition = self.release();
        self.ask(Effect::Scale { role: Role::Candidate, count, task_definition }, out);
    }

    /// Whether the present step brings the candidate's tasks up.
    pub(in crate::machine) fn is_preparing(&self) -> bool {
        let State::Forward { step, .. } = self.state else { return false };
        self.plan.steps.get(step).is_some_and(|step| matches!(step.action, Action::Prepare(_)))
    }

    /// The release's task definition: as planned, or as registered.
    pub(in crate::machine) fn release(&self) -> Option<String> {
        match &self.plan.release {
            ReleasePlan::Registered(arn) => Some(arn.clone()),
            ReleasePlan::Register { .. } => self.memory.slots.task_definition.clone(),
        }
    }

    pub(in crate::machine) fn settle_prepare(&mut self, count: u32, seen: &Observation, out: &mut Reaction) {
        if self.out_of_time(out) {
            return;
        }
        let Some(fleet) = &seen.fleet else { return self.look_again(BRISK_POLL) };
        let candidate = &fleet.candidate;
        let ours = self.runs_release(&candidate.task_definition) && candidate.desired >= count;
        let late = self.memory.now.since(self.memory.slots.asked) > STALE_WITHIN;
        if ours && candidate.settled && candidate.healthy >= count && !self.is_paused() {
            self.pass_step(out);
        } else if !ours && late && (!self.memory.slots.brought || self.runs_release(&candidate.task_definition)) {
            // The write was lost, or somebody changed the count: it is absolute, so it is asked for again.
            self.ask_for_tasks(count, out);
        } else {
            self.look_again(BRISK_POLL);
        }
    }

    pub(in crate::machine) fn scaled(&mut self, out: &mut Reaction) {
        let State::Forward { step, .. } = self.state else { return };
        if self.plan.steps.get(step).is_some_and(|step| step.action == Action::Retire) {
            out.notices.push(Notice::Scaled { role: Role::Stable, count: 0 });
            return self.pass_step(out);
        }
        out.notices.push(Notice::Scaled { role: Role::Candidate, count: self.memory.slots.wanted });
        if self.is_preparing() {
            self.set_stage(Stage::Settling);
        }
        self.look_again(BRISK_POLL);
    }

    pub(in crate::machine) fn probed(&mut self, step: usize, reading: &ProbeReading, out: &mut Reaction) {
        let Some(Action::Probe(index)) = self.plan.steps.get(step).map(|step| &step.action) else { return };
        let index = *index;
        let gate = &self.plan.gates[index];
        let Check::Probe(rule) = &gate.check else { return };
        let (name, times, watch) = (gate.name.clone(), rule.times, gate.watch);
        let State::Forward { stage: Stage::Probing(streak), .. } = self.state else { return };
        let streak = if reading.right { streak + 1 } else { 0 };
        out.notices.push(Notice::Probed { gate: name.clone(), right: reading.right, text: reading.text.clone() });
        self.set_stage(Stage::Probing(streak));
        if self.is_paused() {
            return self.next_look();
        }
        if streak >= times {
            return self.pass_step(out);
        }
        if self.memory.now >= self.deadline() {
            let (evidence, outcome) = (Evidence::Probed(reading.text.clone()), GateOutcome::Fail);
            if watch {
                let verdict = Verdict { outcome, evidence, data_from: None };
                self.memory.judged.verdicts[index] = Some(verdict.clone());
                out.notices.push(Notice::Judged { gate: name, verdict });
                return self.pass_step(out);
            }
            return self.breach(Reason::Breach { gate: name, evidence, outcome }, out);
        }
        self.ask_after(RETRY, Effect::Probe(index));
    }
}
