//! Where AWS moves the weights in a deployment of its own: it is told to go on, followed, and believed when it went
//! on by itself or went back.
//!
//! A step that is asked for is under way until the rule shows it. AWS may not wait where the plan would have it wait:
//! then the plan is carried on to what the rule shows, and that is told. It is never carried back.

use crate::domain::driver::{Deployment, DeploymentState};
use crate::domain::fleet::{Role, RuleSeen};
use crate::domain::traffic::Share;
use crate::machine::effect::{Effect, Issued, Observation};
use crate::machine::limits::{BRISK_POLL, DRIFTS, POLL, RETRY, WRITE_LANDS_WITHIN};
use crate::machine::memory::{Held, Unsettled};
use crate::machine::notice::Notice;
use crate::machine::observe::is_close;
use crate::machine::state::{Phase, State};
use crate::machine::undone::Undone;
use crate::machine::why::{Awaited, EndSeen, HookWait, Overdue, Reason};
use crate::machine::{Machine, Reaction};
use crate::plan::{Action, Step};

impl Machine {
    /// What AWS says of its deployment: it may have gone back, or have ended, without a word of ours.
    pub(in crate::machine) fn examine_deployment(&mut self, seen: &Observation, out: &mut Reaction) {
        let Some(deployment) = &seen.deployment else { return };
        if !self.is_forward() || !self.plan.driver.is_aws() {
            return;
        }
        match &deployment.state {
            DeploymentState::Failed { why } => {
                // AWS may go back by itself even after it was told to end.
                self.memory.committed = false;
                let candidate = seen.fleet.as_ref().map(|fleet| &fleet.candidate);
                let reason = self.ended(EndSeen::Said(why.clone()), candidate);
                self.retreat(reason, out);
            }
            DeploymentState::Done if !self.memory.committed => self.ended_by_aws(seen, out),
            DeploymentState::Moving | DeploymentState::Waiting { .. } | DeploymentState::Done => {
                self.examine_hook(deployment, out);
            }
        }
    }

    /// A lifecycle hook of the service's own holds the deployment until somebody else answers it. No step's time runs
    /// out meanwhile; how long a person may be waited for is limited as in a pause.
    fn examine_hook(&mut self, deployment: &Deployment, out: &mut Reaction) {
        let now = self.memory.now;
        let Some(hook) = &deployment.held_by else {
            if self.memory.pauses.held.take().is_some() {
                self.restart_limit();
            }
            return;
        };
        let same = |held: &&Held| held.hook == *hook;
        let known = self.memory.pauses.held.as_ref().filter(same).map(|held| held.since);
        if known.is_none() {
            let Deployment { id, stage, .. } = deployment.clone();
            let region = self.plan.target.region.clone();
            let on = Awaited::Hook(HookWait { deployment: id, stage, hook: hook.clone(), region });
            out.notices.push(Notice::Waiting { on: on.clone() });
            self.memory.told.waiting = Some(on);
        }
        let since = known.unwrap_or(now);
        self.memory.pauses.held = Some(Held { hook: hook.clone(), since });
        if now.since(since) > self.plan.limits.pause && !self.memory.committed {
            let (hook, stage, within) = (hook.clone(), deployment.stage.clone(), self.plan.limits.pause);
            self.retreat(Reason::TimeLimit(Overdue::Hook { hook, stage, within }), out);
        }
    }

    /// AWS has ended the deployment and taken the old tasks: there is nothing to go back to.
    fn ended_by_aws(&mut self, seen: &Observation, out: &mut Reaction) {
        let all = seen.rule.as_ref().is_some_and(|rule| rule.share == Some(Share::ALL));
        let Some(last) = self.plan.steps.iter().position(|step| step.action == Action::Conclude) else { return };
        if !all {
            return;
        }
        self.accept(Share::ALL);
        self.memory.rule.unsettled = None;
        self.memory.pauses.paused = None;
        out.notices.push(Notice::CarriedOn { share: Share::ALL });
        self.memory.committed = true;
        out.notices.push(Notice::Committed);
        self.enter_step(last, out);
    }

    /// A share was asked for, and AWS is about to give it.
    pub(in crate::machine) fn moving(&mut self, issued: &Issued, seen: &RuleSeen, out: &mut Reaction) {
        let Effect::Route(route) = &issued.effect else { return self.look_again(RETRY) };
        self.memory.rule.unsettled = Some(Unsettled { share: route.share, until: issued.at + WRITE_LANDS_WITHIN });
        self.read_back();
        if !self.recognise(seen) && !self.may_be_stale(seen) && !self.is_moved_by_aws(seen, out) {
            self.not_ours(seen, out);
        }
        if self.is_forward() {
            self.look_again(BRISK_POLL);
        }
    }

    /// Whether a deployment of AWS's may be under way that nobody has told to go back: it may not wait to give the
    /// candidate weight, or may be answered by somebody else.
    pub(in crate::machine) fn may_move_on(&self) -> bool {
        self.plan.driver.is_aws() && self.memory.slots.wanted > 0 && self.state.back_at().is_none()
    }

    /// AWS is told to go back, and has not yet. However often it is told, it is one way back.
    pub(in crate::machine) fn moving_back(&mut self, seen: &RuleSeen) {
        self.saw(seen);
        self.ask_after_phase(Phase::Checking, RETRY);
    }

    /// Whether AWS explains a rule that is not as the plan has it: by a later share of the plan, to which the plan is
    /// then carried on, or by a write of which only half is read.
    pub(in crate::machine) fn is_moved_by_aws(&mut self, rule: &RuleSeen, out: &mut Reaction) -> bool {
        if !self.plan.driver.is_aws() || self.memory.committed || rule.shape != self.plan.before.shape {
            return false;
        }
        let (Some(share), State::Forward { step, .. }) = (rule.share, &self.state) else { return false };
        let gives = |step: &Step| matches!(step.action, Action::Shift(given) if is_close(given, share));
        let steps = self.plan.steps.iter().enumerate().skip(*step);
        let carried = steps.filter(|(_, step)| gives(step)).map(|(index, _)| index).next();
        if let Some(index) = carried.filter(|_| share > self.memory.rule.accepted) {
            self.memory.rule.unsettled = None;
            self.memory.rule.drifts = 0;
            self.accept(share);
            out.notices.push(Notice::CarriedOn { share });
            self.enter_step(index + 1, out);
            return true;
        }
        let between = share > self.memory.rule.accepted && share < self.plan.share_after(*step + 1);
        if between && self.plan.steps.iter().any(gives) {
            // On the way to what the step asks for AWS gives the shares between, asked or not: a promotion skips
            // steps, AWS does not.
            self.memory.rule.drifts = 0;
            self.accept(share);
            return true;
        }
        self.memory.rule.drifts += 1;
        let again = self.memory.rule.drifts < DRIFTS;
        if again {
            self.look_again(RETRY);
        }
        again
    }

    /// Whether the slot that served before has provably no requests left, so that AWS may take its tasks.
    pub(in crate::machine) fn is_old_slot_quiet(&mut self, seen: &Observation, out: &mut Reaction) -> bool {
        let now = self.memory.now;
        let ripe = self.is_ripe(Share::ALL, now);
        self.memory.slots.quieted &= ripe;
        if self.memory.slots.quieted {
            return true;
        }
        let mut awaited = Awaited::OldSlotQuiet;
        if self.is_quiet(Share::ALL, seen) {
            match Self::entrances(seen) {
                Some([]) => {
                    self.memory.slots.quieted = true;
                    out.notices.push(Notice::Quiet { role: Role::Stable });
                    return true;
                }
                Some(there) => awaited = Awaited::OldSlotAlone { entrances: there.to_vec() },
                None => {
                    self.look_for_entrances(Role::Stable, seen, out);
                    return false;
                }
            }
        }
        self.wait_for(awaited, out);
        let ripe = self.is_ripe(Share::ALL, now + POLL);
        self.ask_after(POLL, Effect::Look(self.view(false, ripe.then_some(Role::Stable))));
        false
    }

    /// Waits until AWS has ended its deployment; past the commit there is only on.
    pub(in crate::machine) fn check_concluded(&mut self, seen: &Observation, out: &mut Reaction) {
        let done = seen.deployment.as_ref().is_some_and(|deployment| deployment.state == DeploymentState::Done);
        if done && !self.is_paused() {
            return self.pass_step(out);
        }
        if self.memory.now >= self.deadline() && !self.is_paused() && self.memory.pauses.held.is_none() {
            out.notices.push(Notice::LeftUndone { what: Undone::Deployment(self.plan.driver.mover()) });
            return self.leave_step(out);
        }
        self.look_again(BRISK_POLL);
    }
}
