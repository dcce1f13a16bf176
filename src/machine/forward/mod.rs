//! The way forward: what each step asks of the world, and what its answers lead to.

pub(in crate::machine) mod aws_deployment;
pub(in crate::machine) mod hold;
pub(in crate::machine) mod prepare;
pub(in crate::machine) mod promote;
pub(in crate::machine) mod ramp;
pub(in crate::machine) mod retire;
pub(in crate::machine) mod shift;
pub(in crate::machine) mod stage;
pub(in crate::machine) mod window;

use super::effect::{Answer, Effect, Issued, Observation};
use super::limits::{BRISK_POLL, LAST_CALL, POLL, RETRY};
use super::notice::{Notice, Outcome};
use super::observe::expired::is_expired;
use super::state::{Stage, State};
use super::undone::{Kept, Undone};
use super::why::{Awaited, Objection, Overdue, Reason};
use super::{Machine, Reaction};
use crate::domain::approval::Approval;
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::plan::Action;

impl Machine {
    /// Begins the step with this index, or the next that nobody's word skips, or ends the rollout after the last.
    pub(super) fn enter_step(&mut self, step: usize, out: &mut Reaction) {
        let now = self.memory.now;
        let step = self.after_skipped(step, out);
        let Some(action) = self.plan.steps.get(step).map(|step| step.action.clone()) else {
            return self.count_and_promote(out);
        };
        out.notices.push(Notice::StepStarted(step));
        self.memory.told.waiting = None;
        let stage = match &action {
            Action::Register | Action::Secure | Action::Prepare(_) | Action::Settle => Stage::Acting,
            Action::Probe(_) => Stage::Probing(0),
            Action::Shift(_) | Action::Commit => Stage::Checking,
            Action::Hold(span) | Action::Watch(span) => Stage::Holding(now + *span),
            Action::Ramp { .. } => Stage::Ramping,
            Action::Approve(_) => Stage::Asking,
            Action::Retire => Stage::Quieting,
            Action::Conclude => Stage::Settling,
        };
        // What the hold before was passed on is what a person is asked about.
        let is_asked_of =
            |before: &Action| matches!(before, Action::Hold(_) | Action::Ramp { .. } | Action::Approve(_));
        let before = step.checked_sub(1).and_then(|before| self.plan.steps.get(before));
        let asks = matches!(action, Action::Approve(_)) && before.is_some_and(|before| is_asked_of(&before.action));
        self.state = State::Forward { step, began: now, stage };
        if self.plan.rules == 0 || !asks {
            self.memory.judged.step_since = now;
        }
        if let Action::Watch(span) = &action {
            self.begin_watch(*span);
        }
        match action {
            Action::Register => self.register(out),
            Action::Secure => self.secure(out),
            Action::Prepare(count) => self.prepare(count, out),
            Action::Probe(gate) => self.ask(Effect::Probe(gate), out),
            Action::Shift(_) | Action::Ramp { .. } | Action::Commit => self.look(true, None, out),
            Action::Hold(span) | Action::Watch(span) => {
                let pace = self.pace();
                self.ask_after(pace.min(span), Effect::Look(self.view(span <= pace, None)));
            }
            Action::Approve(message) => {
                let until = self.deadline();
                out.notices.push(Notice::AwaitingApproval { message, until });
                self.ask_after(POLL, Effect::Look(self.view(false, None)));
            }
            Action::Retire => {
                if !self.leave_spared(out) {
                    self.ask_after(POLL, Effect::Look(self.view(false, None)));
                }
            }
            Action::Conclude => self.look_again(BRISK_POLL),
            Action::Settle => {
                self.memory.safeguard.begin_anew();
                self.settle(out);
            }
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
            Action::Secure => self.secure(out),
            Action::Settle => {
                // It may have been counting already.
                self.state = at(Stage::Acting);
                self.settle(out);
            }
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
            Action::Hold(_) | Action::Watch(_) | Action::Ramp { .. } | Action::Approve(_) | Action::Conclude => {
                self.state = at(stage);
                self.look(true, None, out);
            }
        }
    }

    /// An answer on the way forward.
    pub(super) fn forward(&mut self, issued: &Issued, answer: Answer, out: &mut Reaction) {
        let State::Forward { step, stage, .. } = self.state else { return };
        match answer {
            Answer::Seen(seen) => self.seen(&seen, issued.at, out),
            Answer::Probed(reading) => self.probed(step, &reading, out),
            Answer::Failed(fault) if issued.effect.is_safeguard() => self.safeguard_failed(issued, fault, out),
            Answer::Failed(fault) => self.failed(issued, stage, fault, out),
            done => {
                self.let_in();
                self.done(issued, done, out);
            }
        }
    }

    /// What was asked for is done, or was not to be done.
    fn done(&mut self, issued: &Issued, answer: Answer, out: &mut Reaction) {
        match answer {
            Answer::Registered(arn) => {
                self.memory.slots.task_definition = Some(arn.clone());
                out.notices.push(Notice::Registered(arn));
                self.pass_unless_paused(out);
            }
            Answer::Scaled => self.scaled(out),
            Answer::Routed(seen) | Answer::Unsettled(seen) => self.routed(issued, &seen, out),
            Answer::Moving(seen) => self.moving(issued, &seen, out),
            Answer::Foreign(seen) => self.found_foreign(&seen, out),
            Answer::Counted(served) => {
                self.memory.slots.served = Some(served);
                out.notices.push(Notice::Counted(served));
                self.finish(Outcome::Promoted, out);
            }
            Answer::Concluded => self.commit(out),
            Answer::Gone => self.switch_is_gone(out),
            Answer::Marked
            | Answer::ScalingHeld
            | Answer::ScalingFreed
            | Answer::Armed
            | Answer::Disarmed
            | Answer::CommitIntended => {
                self.safeguarded(out);
            }
            Answer::Seen(_) | Answer::Probed(_) | Answer::Failed(_) => {}
        }
    }

    fn seen(&mut self, seen: &Observation, asked: Timestamp, out: &mut Reaction) {
        let State::Forward { step: before, .. } = self.state else { return };
        if !self.examine(seen, asked, out) {
            return;
        }
        if self.is_expired() {
            return self.look_again(POLL);
        }
        let State::Forward { step, stage, .. } = self.state else { return };
        if step != before || self.skip(out) {
            return;
        }
        let Some(action) = self.plan.steps.get(step).map(|step| step.action.clone()) else { return };
        match (action, stage) {
            (_, Stage::Counting(_)) => {}
            (Action::Register, _) => self.pass_unless_paused(out),
            (Action::Secure, _) => self.secure(out),
            (Action::Settle, _) => self.settle(out),
            (Action::Prepare(count), _) => self.settle_prepare(count, seen, out),
            (Action::Shift(share), _) => self.check_shift(share, seen, asked, out),
            (Action::Commit, _) => self.check_commit(seen, out),
            (Action::Ramp { gate, rule }, _) => self.check_ramp(gate, &rule, (seen, asked), out),
            (Action::Hold(_) | Action::Watch(_), Stage::Holding(until)) => self.check_hold(until, seen, out),
            (Action::Retire, _) => self.check_quiet(seen, out),
            (Action::Conclude, _) => self.check_concluded(seen, out),
            (Action::Approve(_), _) if self.out_of_time(out) => {}
            (Action::Approve(_), _) => self.wait_for_person(out),
            (Action::Probe(gate), _) if !self.is_paused() => self.ask(Effect::Probe(gate), out),
            _ => self.next_look(),
        }
    }

    fn failed(&mut self, issued: &Issued, stage: Stage, fault: Fault, out: &mut Reaction) {
        self.tell_fault(&fault, out);
        let refused = fault.kind.is_lasting();
        let retire = matches!(&issued.effect, Effect::Scale { role: Role::Stable, .. });
        match &issued.effect {
            Effect::Count { .. } => self.count_failed(stage, out),
            _ if self.is_unsent(issued, &fault) => self.ask_when_written(issued, out),
            effect if is_expired(&fault) && !self.memory.committed && !matches!(effect, Effect::Look(_)) => {
                self.ask_when_let_in(issued, out);
            }
            _ if retire && (refused || self.memory.now >= self.deadline()) => {
                out.notices.push(Notice::LeftUndone { what: Undone::OldSlot(Kept::Refused(fault)) });
                self.leave_step(out);
            }
            effect if effect.is_write() && refused => self.retreat(Reason::Refused(fault), out),
            Effect::Route(_) => {
                if fault.kind == FaultKind::Unknown {
                    self.unsettle(issued);
                }
                self.read_back();
                self.look_again(RETRY);
            }
            Effect::Conclude => {
                self.set_stage(Stage::Checking);
                self.look_again(RETRY);
            }
            Effect::Scale { role: Role::Candidate, .. } if fault.kind == FaultKind::Unknown => {
                if self.is_preparing() {
                    self.set_stage(Stage::Settling);
                }
                self.look_again(BRISK_POLL);
            }
            Effect::Look(_) => {
                // A look that saw nothing still lets limits run out.
                let nothing = Observation { faults: vec![fault], ..Observation::default() };
                self.seen(&nothing, issued.at, out);
                self.look_sooner(BRISK_POLL);
            }
            _ if self.out_of_time(out) => {}
            // The commit is not asked for blindly: the rule and the gates are looked at before the word for it goes
            // out again.
            Effect::IntendCommit => {
                self.set_stage(Stage::Checking);
                self.look_again(RETRY);
            }
            // A stable slot whose retirement is unknown: the proof of quiet is taken again first.
            _ if retire => {
                self.set_stage(Stage::Quieting);
                self.ask_after(RETRY, Effect::Look(self.view(false, Some(Role::Stable))));
            }
            effect => self.ask_after(RETRY, effect.clone()),
        }
    }

    pub(super) fn pass_step(&mut self, out: &mut Reaction) {
        let State::Forward { step, began, .. } = self.state else { return };
        let (took, undecided) = (self.memory.now.since(began), self.passed_undecided(step));
        out.notices.push(Notice::StepPassed { step, took, undecided });
        self.enter_step(step + 1, out);
    }

    /// Goes on with the next step although this one did not pass: past the commit there is only on.
    pub(super) fn leave_step(&mut self, out: &mut Reaction) {
        let State::Forward { step, .. } = self.state else { return };
        self.enter_step(step + 1, out);
    }

    /// A person approves: what they name, or, where they name nothing, whatever waits for it.
    pub(super) fn told_to_pass(
        &mut self,
        by: &str,
        approves: Option<Approval>,
        out: &mut Reaction,
    ) -> Option<Objection> {
        let State::Forward { stage: Stage::Asking, step, .. } = self.state else {
            return Some(Objection::NothingToApprove);
        };
        let undecided = approves.as_ref().map(|approves| approves.undecided.clone()).unwrap_or_default();
        let waits = Approval { step, release: self.plan.release.name().to_owned(), undecided: undecided.clone() };
        if let Some(approves) = approves.filter(|approves| *approves != waits) {
            return Some(Objection::OtherApproval { approves, waits });
        }
        if let Some(paused) = &self.memory.pauses.paused {
            return Some(Objection::Paused(paused.why.clone()));
        }
        let unnamed: Vec<_> = self.undecided().into_iter().filter(|(gate, _)| !undecided.contains(gate)).collect();
        if !unnamed.is_empty() {
            return Some(Objection::Undecided(unnamed));
        }
        out.notices.push(Notice::Approved { by: by.to_owned() });
        self.pass_step(out);
        None
    }

    pub(super) fn set_stage(&mut self, to: Stage) {
        if let State::Forward { stage, .. } = &mut self.state {
            // Held where this crate is tested. An old or edited journal may hold any answer, and must end no program.
            debug_assert!(!cfg!(test) || stage.leads_to(to), "{stage:?} does not lead to {to:?}");
            *stage = to;
        }
    }

    /// Whether no step is taken: somebody or something paused it, or its journal is behind.
    pub(super) fn is_paused(&self) -> bool {
        self.memory.pauses.paused.is_some() || self.memory.pauses.behind.is_some()
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

    /// When a gate may say that it passes unproven: before the step's time is over, so that a read which fails
    /// in the last moment does not decide.
    pub(super) fn last_call(&self) -> Timestamp {
        self.deadline().before(LAST_CALL)
    }

    /// Goes back when the present step has lasted as long as it may; a pause stops its clock, and so do credentials
    /// that have ended and a hook of the service's own. Each has a limit of its own.
    pub(super) fn out_of_time(&mut self, out: &mut Reaction) -> bool {
        self.examine_pause(out);
        self.examine_journal(out);
        let State::Forward { step, stage, .. } = self.state else { return true };
        if matches!(stage, Stage::Counting(_)) {
            return true;
        }
        let holds = self.is_paused() || self.is_expired() || self.memory.pauses.held.is_some();
        if self.memory.now < self.deadline() || holds || self.memory.committed {
            return false;
        }
        let Some(step) = self.plan.steps.get(step) else { return false };
        let lacked = match &self.memory.told.waiting {
            Some(Awaited::Lack(lack)) => Some(lack.clone()),
            _ => None,
        };
        let overdue = Overdue::Step { title: step.title(&self.plan.gates), within: step.within, lacked };
        self.retreat(Reason::TimeLimit(overdue), out);
        true
    }

    pub(super) fn wait_for(&mut self, on: Awaited, out: &mut Reaction) {
        if self.memory.told.waiting.as_ref() != Some(&on) {
            self.memory.told.waiting = Some(on.clone());
            out.notices.push(Notice::Waiting { on });
        }
    }
}
