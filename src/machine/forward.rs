//! The way forward: what each step asks of the world, and what its answers lead to.

use std::time::Duration;

use super::effect::{Answer, Effect, Issued, Observation, Route, Stickiness};
use super::notice::{Notice, Outcome, Reason};
use super::state::{ATTEMPTS, BRISK_POLL, FLEET_EVERY, FRESH, POLL, RETRY, STALE_WITHIN, Stage, State, Wait};
use super::{Machine, Reaction};
use crate::clock::{Timestamp, span};
use crate::fault::{Fault, FaultKind};
use crate::fleet::{Capacity, Role, RuleSeen};
use crate::gate::{Check, Outcome as GateOutcome, Verdict};
use crate::plan::{Action, QUIET_LEAST, ReleasePlan};
use crate::traffic::Share;

impl Machine {
    /// Begins the step with this index, or ends the rollout after the last.
    pub(super) fn enter_step(&mut self, step: usize, out: &mut Reaction) {
        let now = self.memory.now;
        let Some(action) = self.plan.steps.get(step).map(|step| step.action.clone()) else {
            return self.count_and_promote(out);
        };
        out.notices.push(Notice::StepStarted(step));
        self.memory.told_waiting = None;
        let stage = match &action {
            Action::Register | Action::Prepare(_) => Stage::Acting,
            Action::Probe(_) => Stage::Probing(0),
            Action::Shift(_) | Action::Commit => Stage::Checking,
            Action::Hold(span) => Stage::Holding(now + *span),
            Action::Ramp { .. } => Stage::Holding(now),
            Action::Approve(_) => Stage::Asking,
            Action::Retire => Stage::Quieting,
        };
        self.state = State::Forward { step, began: now, stage };
        self.memory.step_since = now;
        match action {
            Action::Register => self.register(out),
            Action::Prepare(count) => self.prepare(count, out),
            Action::Probe(gate) => self.ask(Effect::Probe(gate), out),
            Action::Shift(_) | Action::Commit => self.look(true, None, out),
            Action::Hold(span) => self.ask_after(POLL.min(span), Effect::Look(self.view(span <= POLL, None))),
            Action::Ramp { .. } => self.look(true, None, out),
            Action::Approve(message) => {
                let until = self.deadline();
                out.notices.push(Notice::AwaitingApproval { message, until });
                self.ask_after(POLL, Effect::Look(self.view(false, None)));
            }
            Action::Retire => self.ask_after(POLL, Effect::Look(self.view(false, None))),
        }
    }

    /// Takes the present step up again after a runner was lost: observes before it acts.
    pub(super) fn reenter(&mut self, out: &mut Reaction) {
        let State::Forward { step, began, stage } = self.state.clone() else { return };
        let Some(action) = self.plan.steps.get(step).map(|step| step.action.clone()) else {
            return self.count_and_promote(out);
        };
        let at = |stage| State::Forward { step, began, stage };
        match action {
            Action::Register => self.register(out),
            Action::Prepare(_) => {
                self.state = at(Stage::Settling);
                self.look(true, None, out);
            }
            Action::Probe(gate) => {
                self.state = at(Stage::Probing(0));
                self.ask(Effect::Probe(gate), out);
            }
            Action::Shift(_) | Action::Commit => {
                self.state = at(Stage::Checking);
                self.look(true, None, out);
            }
            Action::Retire => {
                self.state = at(Stage::Quieting);
                self.look(false, Some(Role::Stable), out);
            }
            Action::Hold(_) | Action::Ramp { .. } | Action::Approve(_) => {
                self.state = at(stage);
                self.look(true, None, out);
            }
        }
    }

    fn register(&mut self, out: &mut Reaction) {
        if let ReleasePlan::Register { digest, .. } = &self.plan.release {
            let digest = digest.clone();
            self.ask(Effect::Register { digest }, out);
        } else {
            self.pass_step(out);
        }
    }

    fn registered(&mut self, out: &mut Reaction) {
        if self.is_paused() { self.next_look(POLL) } else { self.pass_step(out) }
    }

    fn prepare(&mut self, count: u32, out: &mut Reaction) {
        self.memory.wanted = count;
        self.memory.all_started = false;
        self.ask_for_tasks(count, out);
    }

    fn ask_for_tasks(&mut self, count: u32, out: &mut Reaction) {
        self.memory.asked = self.memory.now;
        let task_definition = self.release();
        self.ask(Effect::Scale { role: Role::Candidate, count, task_definition }, out);
    }

    /// The release's task definition: as planned, or as registered.
    pub(super) fn release(&self) -> Option<String> {
        match &self.plan.release {
            ReleasePlan::Registered(arn) => Some(arn.clone()),
            ReleasePlan::Register { .. } => self.memory.task_definition.clone(),
        }
    }

    /// An answer on the way forward.
    pub(super) fn forward(&mut self, issued: &Issued, answer: Answer, out: &mut Reaction) {
        let State::Forward { step, stage, .. } = self.state else { return };
        match answer {
            Answer::Seen(seen) => self.seen(&seen, issued.at, out),
            Answer::Registered(arn) => {
                self.memory.task_definition = Some(arn.clone());
                out.notices.push(Notice::Registered(arn));
                self.registered(out);
            }
            Answer::Scaled => self.scaled(out),
            Answer::Routed(seen) => self.routed(issued, &seen, out),
            Answer::Foreign(seen) => self.found_foreign(&seen, out),
            Answer::Probed(reading) => self.probed(step, &reading, out),
            Answer::Counted(served) => {
                self.memory.served = Some(served);
                out.notices.push(Notice::Counted(served));
                self.finish(Outcome::Promoted, out);
            }
            Answer::Failed(fault) => self.failed(issued, stage, fault, out),
        }
    }

    fn seen(&mut self, seen: &Observation, asked: Timestamp, out: &mut Reaction) {
        if !self.examine(seen, asked, out) {
            return;
        }
        let State::Forward { step, stage, .. } = self.state else { return };
        let Some(action) = self.plan.steps.get(step).map(|step| step.action.clone()) else { return };
        match (action, stage) {
            (_, Stage::Counting(_)) => {}
            (Action::Register, _) => self.registered(out),
            (Action::Prepare(count), _) => self.settle_prepare(count, seen, out),
            (Action::Shift(share), _) => self.check_shift(share, seen, asked, out),
            (Action::Commit, _) => self.check_commit(seen, out),
            (Action::Hold(_), Stage::Holding(until)) => self.check_hold(until, seen, out),
            (Action::Retire, _) => self.check_quiet(seen, out),
            (Action::Approve(_), _) if self.out_of_time(out) => {}
            (Action::Probe(gate), _) if !self.is_paused() => self.ask(Effect::Probe(gate), out),
            _ => self.next_look(POLL),
        }
    }

    /// Plans the next ordinary look; tasks are read in every fourth.
    fn next_look(&mut self, after: Duration) {
        self.memory.looks += 1;
        let fleet = self.memory.looks.is_multiple_of(FLEET_EVERY)
            || self.memory.short_since.is_some()
            || self.memory.drifted_since.is_some();
        self.ask_after(after, Effect::Look(self.view(fleet, None)));
    }

    fn look_sooner(&mut self, after: Duration) {
        if let (State::Forward { .. }, Wait::Until(moment, _)) = (&self.state, &mut self.wait) {
            *moment = (*moment).min(self.memory.now + after);
        }
    }

    fn settle_prepare(&mut self, count: u32, seen: &Observation, out: &mut Reaction) {
        if self.out_of_time(out) {
            return;
        }
        let again = Effect::Look(self.view(true, None));
        let Some(fleet) = &seen.fleet else { return self.ask_after(BRISK_POLL, again) };
        let candidate = &fleet.candidate;
        let ours = self.runs_release(&candidate.task_definition) && candidate.desired == count;
        let late = self.memory.now.since(self.memory.asked) > STALE_WITHIN;
        if ours && candidate.settled && candidate.healthy >= count && !self.is_paused() {
            self.pass_step(out);
        } else if !ours && late {
            // The write was lost, or somebody undid it: it is absolute, so it is asked for again.
            self.ask_for_tasks(count, out);
        } else {
            self.ask_after(BRISK_POLL, again);
        }
    }

    fn check_shift(&mut self, share: Share, seen: &Observation, asked: Timestamp, out: &mut Reaction) {
        let again = Effect::Look(self.view(true, None));
        if self.memory.accepted == share && self.memory.unsettled.is_none() {
            return self.shift_landed(out);
        }
        if self.out_of_time(out) {
            return;
        }
        if self.memory.unsettled.is_some() || seen.rule.is_none() || self.is_paused() {
            return self.ask_after(BRISK_POLL, again);
        }
        let Some(fleet) = &seen.fleet else { return self.ask_after(RETRY, again) };
        if let Some(lacking) = self.lacking(share, &fleet.candidate) {
            self.wait_for(lacking, out);
            return self.ask_after(BRISK_POLL, again);
        }
        if self.memory.now.since(asked) > FRESH {
            return self.ask_after(RETRY, again);
        }
        self.set_stage(Stage::Acting);
        let expected = Some(self.memory.accepted);
        self.ask(Effect::Route(Route { share, expected, stickiness: Stickiness::Keep }), out);
    }

    /// What the candidate lacks to be given this share.
    fn lacking(&self, share: Share, candidate: &Capacity) -> Option<String> {
        let Capacity { healthy, task_definition, .. } = candidate;
        let need = share.need(self.memory.wanted);
        if !self.runs_release(task_definition) {
            return Some(format!("the release on the candidate's service, which runs {task_definition}"));
        }
        (*healthy < need).then(|| format!("{need} healthy candidate tasks, {healthy} seen"))
    }

    fn shift_landed(&mut self, out: &mut Reaction) {
        let State::Forward { began, .. } = self.state else { return };
        let took = self.memory.now.since(began);
        out.notices.push(Notice::Shifted { share: self.memory.accepted, took });
        self.pass_step(out);
    }

    fn check_commit(&mut self, seen: &Observation, out: &mut Reaction) {
        if self.out_of_time(out) {
            return;
        }
        let ready = seen.rule.is_some() && self.memory.accepted == Share::ALL && self.memory.unsettled.is_none();
        if !ready || self.is_paused() {
            return self.ask_after(BRISK_POLL, Effect::Look(self.view(true, None)));
        }
        self.memory.committed = true;
        out.notices.push(Notice::Committed);
        self.pass_step(out);
    }

    fn check_hold(&mut self, until: Timestamp, seen: &Observation, out: &mut Reaction) {
        let now = self.memory.now;
        if now < until {
            let last = now + POLL >= until;
            if last {
                return self.ask_after(until.since(now), Effect::Look(self.view(true, None)));
            }
            return self.next_look(POLL);
        }
        let unproven = self.unproven();
        if unproven.is_none() && seen.rule.is_some() && !self.is_paused() {
            return self.pass_step(out);
        }
        if let Some(index) = unproven {
            let gate = self.plan.gates[index].name.clone();
            let evidence = self.memory.verdicts[index].as_ref().map_or("no reading", |v| &v.evidence).to_owned();
            if now >= self.deadline() && !self.is_paused() {
                let outcome = GateOutcome::Inconclusive;
                return self.breach(Reason::Breach { gate, evidence, outcome }, out);
            }
            self.wait_for(format!("gate {gate}: {evidence}"), out);
        }
        self.ask_after(POLL, Effect::Look(self.view(true, None)));
    }

    /// The first gate whose latest verdict does not pass the present step. One that only watches is no such gate.
    fn unproven(&self) -> Option<usize> {
        let since = self.memory.step_since;
        let passes = |index: usize| self.memory.verdicts[index].as_ref().is_some_and(|v| v.passes(since));
        (0..self.plan.gates.len()).find(|index| self.plan.gates[*index].decides() && !passes(*index))
    }

    fn check_quiet(&mut self, seen: &Observation, out: &mut Reaction) {
        let now = self.memory.now;
        let ripe = now.since(self.memory.accepted_at) >= QUIET_LEAST;
        let at_all = seen.rule.as_ref().is_some_and(|rule| rule.share == Some(Share::ALL));
        if ripe && at_all && seen.requests == Some(0) && !self.is_paused() {
            out.notices.push(Notice::Quiet { role: Role::Stable });
            self.set_stage(Stage::Acting);
            let retire = Effect::Scale { role: Role::Stable, count: 0, task_definition: None };
            return self.ask(retire, out);
        }
        if now >= self.deadline() && !self.is_paused() {
            let what = "the old stable slot keeps its tasks: no proof that its requests have ended".to_owned();
            out.notices.push(Notice::LeftUndone { what });
            return self.count_and_promote(out);
        }
        self.wait_for("the proof that the old stable slot has no requests left".to_owned(), out);
        let quiet = (now + POLL).since(self.memory.accepted_at) >= QUIET_LEAST;
        self.ask_after(POLL, Effect::Look(self.view(false, quiet.then_some(Role::Stable))));
    }

    fn scaled(&mut self, out: &mut Reaction) {
        let State::Forward { step, .. } = self.state else { return };
        if let Some(Action::Prepare(count)) = self.plan.steps.get(step).map(|step| &step.action) {
            out.notices.push(Notice::Scaled { role: Role::Candidate, count: *count });
            self.set_stage(Stage::Settling);
            self.ask_after(BRISK_POLL, Effect::Look(self.view(true, None)));
        } else {
            out.notices.push(Notice::Scaled { role: Role::Stable, count: 0 });
            self.pass_step(out);
        }
    }

    fn routed(&mut self, issued: &Issued, seen: &RuleSeen, out: &mut Reaction) {
        self.unsettle(issued);
        self.set_stage(Stage::Checking);
        if self.recognise(seen) && self.memory.unsettled.is_none() {
            self.shift_landed(out);
        } else {
            self.ask_after(RETRY, Effect::Look(self.view(true, None)));
        }
    }

    fn found_foreign(&mut self, seen: &RuleSeen, out: &mut Reaction) {
        self.set_stage(Stage::Checking);
        if self.recognise(seen) || self.may_be_stale(seen) {
            return self.ask_after(RETRY, Effect::Look(self.view(true, None)));
        }
        self.foreign(seen.text.clone(), out);
        self.keep_looking();
    }

    /// After trouble that paused the rollout instead of ending it: goes on looking.
    pub(super) fn keep_looking(&mut self) {
        if matches!(self.state, State::Forward { .. }) && self.wait == Wait::Nothing {
            self.ask_after(POLL, Effect::Look(self.view(true, None)));
        }
    }

    fn probed(&mut self, step: usize, reading: &crate::gate::ProbeReading, out: &mut Reaction) {
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
            return self.next_look(POLL);
        }
        if streak >= times {
            return self.pass_step(out);
        }
        if self.memory.now >= self.deadline() {
            let (evidence, outcome) = (reading.text.clone(), GateOutcome::Fail);
            if watch {
                let verdict = Verdict { outcome, evidence, data_from: None };
                self.memory.verdicts[index] = Some(verdict.clone());
                out.notices.push(Notice::Judged { gate: name, verdict });
                return self.pass_step(out);
            }
            return self.breach(Reason::Breach { gate: name, evidence, outcome }, out);
        }
        self.ask_after(RETRY, Effect::Probe(index));
    }

    fn failed(&mut self, issued: &Issued, stage: Stage, fault: Fault, out: &mut Reaction) {
        self.tell_fault(&fault, out);
        let refused = matches!(fault.kind, FaultKind::Missing | FaultKind::Denied | FaultKind::Permanent);
        let retire = matches!(&issued.effect, Effect::Scale { role: Role::Stable, .. });
        match &issued.effect {
            Effect::Count { .. } => self.count_failed(stage, out),
            _ if retire && (refused || self.memory.now >= self.deadline()) => {
                let what = format!("the old stable slot keeps its tasks: {fault}");
                out.notices.push(Notice::LeftUndone { what });
                self.count_and_promote(out);
            }
            effect if effect.is_write() && refused => self.retreat(Reason::Refused(fault), out),
            Effect::Route(_) => {
                if fault.kind == FaultKind::Unknown {
                    self.unsettle(issued);
                }
                self.set_stage(Stage::Checking);
                self.ask_after(RETRY, Effect::Look(self.view(true, None)));
            }
            Effect::Scale { role: Role::Candidate, .. } if fault.kind == FaultKind::Unknown => {
                self.set_stage(Stage::Settling);
                self.ask_after(BRISK_POLL, Effect::Look(self.view(true, None)));
            }
            Effect::Look(_) => {
                // A look that saw nothing still lets limits run out.
                let nothing = Observation { faults: vec![fault], ..Observation::default() };
                self.seen(&nothing, issued.at, out);
                self.look_sooner(BRISK_POLL);
            }
            _ if self.out_of_time(out) => {}
            // A stable slot whose retirement is unknown: the proof of quiet is taken again first.
            _ if retire => {
                self.set_stage(Stage::Quieting);
                self.ask_after(RETRY, Effect::Look(self.view(false, Some(Role::Stable))));
            }
            effect => self.ask_after(RETRY, effect.clone()),
        }
    }

    /// Counts what the candidate served; the rollout is promoted whatever comes of it.
    pub(super) fn count_and_promote(&mut self, out: &mut Reaction) {
        let Some(since) = self.memory.exposed else { return self.finish(Outcome::Promoted, out) };
        self.set_stage(Stage::Counting(0));
        self.ask(Effect::Count { since }, out);
    }

    fn count_failed(&mut self, stage: Stage, out: &mut Reaction) {
        let tries = if let Stage::Counting(tries) = stage { tries + 1 } else { 1 };
        if tries >= ATTEMPTS {
            return self.finish(Outcome::Promoted, out);
        }
        self.set_stage(Stage::Counting(tries));
        let since = self.memory.exposed.unwrap_or(self.memory.started);
        self.ask_after(RETRY, Effect::Count { since });
    }

    fn pass_step(&mut self, out: &mut Reaction) {
        let State::Forward { step, began, .. } = self.state else { return };
        out.notices.push(Notice::StepPassed { step, took: self.memory.now.since(began) });
        self.enter_step(step + 1, out);
    }

    pub(super) fn told_to_pass(&mut self, by: &str, out: &mut Reaction) -> Option<String> {
        let State::Forward { stage: Stage::Asking, .. } = self.state else {
            return Some("it does not wait for an approval".to_owned());
        };
        if let Some(paused) = &self.memory.paused {
            return Some(format!("it is paused: {}", paused.why));
        }
        out.notices.push(Notice::Approved { by: by.to_owned() });
        self.pass_step(out);
        None
    }

    fn set_stage(&mut self, to: Stage) {
        if let State::Forward { stage, .. } = &mut self.state {
            *stage = to;
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.memory.paused.is_some()
    }

    /// When the present step has lasted as long as it may.
    pub(super) fn deadline(&self) -> Timestamp {
        match &self.state {
            State::Forward { step, began, .. } => {
                *began + self.plan.steps.get(*step).map(|step| step.within).unwrap_or_default()
            }
            _ => self.memory.now,
        }
    }

    /// Goes back when the present step has lasted as long as it may; a pause stops its clock, and has
    /// a limit of its own.
    fn out_of_time(&mut self, out: &mut Reaction) -> bool {
        self.examine_pause(out);
        let State::Forward { step, stage, .. } = self.state else { return true };
        if matches!(stage, Stage::Counting(_)) {
            return true;
        }
        if self.memory.now < self.deadline() || self.is_paused() || self.memory.committed {
            return false;
        }
        let Some(step) = self.plan.steps.get(step) else { return false };
        let title = step.title(&self.plan.gates);
        let what = format!("{title} was not done within {}", span(step.within));
        self.retreat(Reason::TimeLimit { what }, out);
        true
    }

    pub(super) fn wait_for(&mut self, why: String, out: &mut Reaction) {
        if self.memory.told_waiting.as_ref() != Some(&why) {
            self.memory.told_waiting = Some(why.clone());
            out.notices.push(Notice::Waiting { why });
        }
    }
}
