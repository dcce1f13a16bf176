//! Keeping the way back open: the rule's beacon, the hold on autoscaling and the dead-man's switch are set up
//! before any traffic, kept up on the way, and taken down at either end.

pub(in crate::machine) mod known;
mod takedown;

use std::time::Duration;

use super::effect::{Answer, Effect, Issued};
use super::limits::{ATTEMPTS, POLL, PUSH_EVERY, RETRY, WRITE_LANDS_WITHIN};
use super::notice::Notice;
use super::observe::expired::is_expired;
use super::state::{Stage, State};
use super::undone::Undone;
use super::why::{Awaited, Reason, SwitchSeen};
use super::{Machine, Reaction};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::RuleSeen;
use crate::domain::safeguard::{Beacon, CLOCKS_DIFFER, SWITCH_FAR};
use crate::domain::traffic::Share;
use crate::plan::Action;
use known::{Abandoned, Safeguard};

/// Setting up, and keeping up.
impl Machine {
    /// Takes in what an answer says of beacon, hold and switch, wherever the rollout is.
    pub(super) fn learn(&mut self, issued: &Issued, answer: &Answer, out: &mut Reaction) {
        let now = self.memory.now;
        let several = self.plan.before.scaling.len() > 1;
        let safeguard = &mut self.memory.safeguard;
        let mut fired = false;
        match (&issued.effect, answer) {
            (Effect::Mark(beacon), Answer::Marked) => {
                (safeguard.said, safeguard.marked) = (Some(*beacon), *beacon != Beacon::Absent);
            }
            (Effect::HoldScaling, Answer::ScalingHeld) => {
                (safeguard.touched, safeguard.held) = (true, true);
                out.notices.push(Notice::ScalingHeld);
            }
            (Effect::FreeScaling, Answer::ScalingFreed) => {
                (safeguard.touched, safeguard.held) = (false, false);
                out.notices.push(Notice::ScalingFreed);
            }
            (Effect::Arm { at, .. }, Answer::Armed) => {
                if !safeguard.switch.armed {
                    out.notices.push(Notice::Armed { at: *at });
                }
                safeguard.switch.is_armed(*at, issued.at, (safeguard.settled, now));
            }
            // A beacon that was given up may be there all the same: from here on it must not say that there is a
            // way back.
            (Effect::IntendCommit, Answer::CommitIntended) => {
                (safeguard.commit_intended, safeguard.abandoned.beacon) = (true, false);
            }
            (Effect::Arm { .. }, Answer::Gone) => fired = safeguard.switch.is_gone(true, now),
            (Effect::Disarm, Answer::Disarmed) => {
                if safeguard.switch.there {
                    out.notices.push(Notice::Disarmed);
                }
                fired = safeguard.switch.is_gone(false, now);
            }
            (Effect::HoldScaling, Answer::Failed(_)) if several => safeguard.touched = true,
            _ => {}
        }
        match answer {
            Answer::Failed(fault) if fault.kind == FaultKind::Unknown => safeguard.unsettle(issued, now),
            Answer::Failed(_) => {}
            _ => safeguard.tries = 0,
        }
        // What it writes turns stickiness off.
        self.memory.rule.sticky_suspended |= fired && self.plan.before.stickiness.is_some();
    }

    /// Sets up what is not set up yet, and then passes.
    pub(super) fn secure(&mut self, out: &mut Reaction) {
        if self.switch_is_up(out) {
            return;
        }
        match self.unsecured() {
            Some(effect) => self.ask(effect, out),
            None => self.pass_unless_paused(out),
        }
    }

    /// The switch comes last, so that its time begins when everything else is done.
    fn unsecured(&self) -> Option<Effect> {
        let safeguard = &self.memory.safeguard;
        if safeguard.said != Some(Beacon::Active) && !safeguard.abandoned.beacon {
            return Some(Effect::Mark(Beacon::Active));
        }
        if !safeguard.held && !self.plan.before.scaling.is_empty() {
            return Some(Effect::HoldScaling);
        }
        let unarmed = self.plan.dead_man.is_some() && !safeguard.switch.armed;
        unarmed.then_some(Effect::Arm { at: Timestamp::default(), create: true })
    }

    /// When a switch fires that is armed now.
    pub(super) fn fires_next(&self) -> Timestamp {
        self.memory.now + self.plan.dead_man.as_ref().map(|switch| switch.after).unwrap_or_default()
    }

    pub(super) fn is_push_due(&self) -> bool {
        let switch = &self.memory.safeguard.switch;
        let forward = matches!(self.state, State::Forward { .. }) && !self.memory.committed;
        forward && switch.armed && !switch.going && self.memory.now.since(switch.pushed) >= PUSH_EVERY
    }

    /// Whether a weight may be written: what could land until then cannot land after the switch has fired.
    pub(super) fn is_safeguarded(&self) -> bool {
        let Safeguard { switch, .. } = &self.memory.safeguard;
        let lands = self.memory.now + WRITE_LANDS_WITHIN;
        let armed = switch.armed && !switch.inherited;
        self.plan.dead_man.is_none() || (armed && switch.fires.is_some_and(|at| at > lands))
    }

    /// A switch whose time has come fires, if it has not fired yet: what it gives back is not taken forward again.
    pub(super) fn switch_is_up(&mut self, out: &mut Reaction) -> bool {
        let (safeguard, forward) = (&self.memory.safeguard, self.is_forward() && !self.memory.committed);
        let soon = self.memory.now + if safeguard.switch.inherited { CLOCKS_DIFFER } else { Duration::ZERO };
        let Some(at) = safeguard.fires().filter(|at| *at <= soon && forward) else { return false };
        self.retreat(Reason::DeadMan(SwitchSeen::Due(at)), out);
        true
    }

    /// A push found nothing.
    pub(super) fn switch_is_gone(&mut self, out: &mut Reaction) {
        if !self.memory.committed {
            self.retreat(Reason::DeadMan(SwitchSeen::Gone), out);
        }
    }

    /// Whether this is what the switch writes, when it can have: then the rollout goes back.
    pub(super) fn switch_wrote(&mut self, rule: &RuleSeen, out: &mut Reaction) -> bool {
        let (switch, now) = (&self.memory.safeguard.switch, self.memory.now);
        let may_fire = switch.there || now < switch.quiet_from;
        let near = switch.fires.is_some_and(|at| at <= now + SWITCH_FAR);
        let ours = rule.share == Some(Share::NONE) && rule.shape == self.plan.before.shape;
        let wrote = may_fire && near && ours && !self.memory.committed;
        if wrote {
            self.retreat(Reason::DeadMan(SwitchSeen::Wrote(rule.text.clone())), out);
        }
        wrote
    }

    /// Something was set up, pushed on or taken down on the way forward, or given up: goes on where it was.
    pub(super) fn safeguarded(&mut self, out: &mut Reaction) {
        if self.switch_is_up(out) {
            return;
        }
        if let Some(effect) = self.memory.safeguard.after_push.take() {
            return self.issue(effect, out);
        }
        let State::Forward { step, .. } = self.state else { return };
        match self.plan.steps.get(step).map(|step| &step.action) {
            Some(Action::Secure) => self.secure(out),
            Some(Action::Settle) => self.settle(out),
            _ => {
                self.set_stage(Stage::Checking);
                self.look(true, None, out);
            }
        }
    }

    /// A push that failed is asked for again before the next look. Without a hold or a switch there is no way
    /// forward; without a beacon only a rollback that finds nothing else is worse off.
    pub(super) fn safeguard_failed(&mut self, issued: &Issued, fault: Fault, out: &mut Reaction) {
        if self.memory.safeguard.after_push.is_some() {
            if !std::mem::replace(&mut self.memory.safeguard.switch.told, true) {
                out.notices.push(Notice::Trouble(fault));
            }
            return self.safeguarded(out);
        }
        self.tell_fault(&fault, out);
        if self.is_unsent(issued, &fault) {
            return self.ask_when_written(issued, out);
        }
        if is_expired(&fault) && !self.memory.committed {
            return self.ask_when_let_in(issued, out);
        }
        self.memory.safeguard.tries += 1;
        let refused = fault.kind.is_lasting();
        let over = refused || self.memory.safeguard.tries >= ATTEMPTS;
        match issued.effect.clone() {
            Effect::Mark(beacon) if over && (beacon != Beacon::Committed || refused) => {
                self.abandon(|all| all.beacon = true, Undone::Beacon(beacon, Some(fault)), out);
            }
            Effect::FreeScaling if refused || self.memory.now >= self.deadline() => {
                self.abandon(|all| all.scaling = true, Undone::Scaling(Some(fault)), out);
            }
            Effect::HoldScaling | Effect::Arm { .. } | Effect::Disarm if refused => {
                self.retreat(Reason::Refused(fault), out);
            }
            _ if self.out_of_time(out) => {}
            Effect::Disarm | Effect::Mark(Beacon::Committed) => {
                self.set_stage(Stage::Checking);
                self.look_again(RETRY);
            }
            effect => self.ask_after(RETRY, effect),
        }
    }

    fn abandon(&mut self, of: fn(&mut Abandoned), what: Undone, out: &mut Reaction) {
        let safeguard = &mut self.memory.safeguard;
        of(&mut safeguard.abandoned);
        safeguard.tries = 0;
        out.notices.push(Notice::LeftUndone { what });
        self.safeguarded(out);
    }

    /// While the commit is held there is a way back, and the rule must not say otherwise. True when that is asked for.
    pub(super) fn reopens(&mut self, out: &mut Reaction) -> bool {
        let Safeguard { said, marked, commit_intended, abandoned, .. } = &self.memory.safeguard;
        let closed = *commit_intended && *marked && !abandoned.beacon && *said != Some(Beacon::Active);
        if closed {
            self.set_stage(Stage::Acting);
            self.ask(Effect::Mark(Beacon::Active), out);
        }
        closed
    }

    /// Whether nothing is left that could give the traffic back. Otherwise what is left is removed, or waited out,
    /// and the rule read again.
    pub(super) fn cleared_to_commit(&mut self, out: &mut Reaction) -> bool {
        let now = self.memory.now;
        let safeguard = &mut self.memory.safeguard;
        let switch = &mut safeguard.switch;
        let waits = if switch.there { safeguard.settled } else { switch.quiet_from };
        if now < waits {
            self.wait_for(Awaited::SwitchLanded, out);
            self.look_again(waits.since(now).min(POLL));
            return false;
        }
        let undone = if switch.there {
            switch.going = true;
            Some(Effect::Disarm)
        } else {
            let says = safeguard.said == Some(Beacon::Committed) || safeguard.abandoned.beacon;
            let mark = (safeguard.marked && !says).then_some(Effect::Mark(Beacon::Committed));
            if safeguard.commit_intended { mark } else { Some(Effect::IntendCommit) }
        };
        // What AWS does of its own is ended last: nothing can be taken back from then on.
        let conclude = self.plan.driver.is_aws().then_some(Effect::Conclude);
        let Some(effect) = undone.or(conclude) else { return true };
        self.set_stage(Stage::Acting);
        self.ask(effect, out);
        false
    }
}
