//! The way back: traffic first, everything else after. Monotone and idempotent; every wait is bounded.

pub(in crate::machine) mod first_read;
pub(in crate::machine) mod left;
pub(in crate::machine) mod phase;
mod quiet;

use super::effect::{Answer, Effect, Issued, Observation, Route, Stickiness};
use super::limits::{ATTEMPTS, BRISK_POLL, REASSERTIONS, RETRY, STALE_WITHIN};
use super::notice::{Notice, Outcome};
use super::observe::expired::is_expired;
use super::state::{Back, Phase, State};
use super::undone::{Kept, StaysOff, Undone};
use super::why::{Foreign, Reason, Stranding};
use super::{Machine, Reaction};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Role, RuleSeen};
use crate::domain::traffic::Share;

impl Machine {
    /// Turns back. An outstanding write is answered first; an outstanding read is given up.
    pub(super) fn retreat(&mut self, reason: Reason, out: &mut Reaction) {
        self.turn_back(Back::new(reason, self.memory.now), out);
    }

    pub(super) fn turn_back(&mut self, back: Back, out: &mut Reaction) {
        out.notices.push(Notice::Retreating { reason: back.reason.clone() });
        self.memory.pauses.paused = None;
        self.memory.pauses.promoted_by = None;
        self.memory.pauses.expired_since = None;
        self.memory.safeguard.begin_anew();
        if self.has_pending_write() {
            self.state = State::Draining(back);
            return;
        }
        self.begin_back(back, out);
    }

    /// The write that was outstanding when the rollout turned back is answered.
    pub(super) fn drained(&mut self, issued: &Issued, answer: &Answer, out: &mut Reaction) {
        let State::Draining(back) = self.state.clone() else { return };
        match answer {
            Answer::Failed(fault) if fault.kind == FaultKind::Unknown => self.unsettle(issued),
            Answer::Routed(seen) | Answer::Unsettled(seen) | Answer::Moving(seen) | Answer::Foreign(seen) => {
                self.saw(seen);
            }
            _ => {}
        }
        self.begin_back(back, out);
    }

    /// An answer on the way back.
    pub(super) fn back(&mut self, issued: &Issued, answer: Answer, out: &mut Reaction) {
        let State::Retreat { phase, .. } = self.state else { return };
        let is_done = matches!(&answer, Answer::Routed(seen) | Answer::Unsettled(seen) if is_back(seen));
        if !is_done && self.out_of_patience(out) {
            return;
        }
        match answer {
            Answer::Seen(seen) => self.seen_back(phase, &seen, out),
            Answer::Routed(seen) => self.routed_back(phase, &seen, out),
            Answer::Unsettled(seen) => {
                self.outlive(issued.at);
                self.routed_back(phase, &seen, out);
            }
            Answer::Moving(seen) => self.moving_back(&seen),
            Answer::Foreign(seen) => self.foreign_back(phase, &seen, out),
            Answer::Scaled => self.scaled_back(phase, out),
            Answer::Counted(served) => {
                self.memory.slots.served = Some(served);
                out.notices.push(Notice::Counted(served));
                self.end(out);
            }
            Answer::Marked
            | Answer::ScalingHeld
            | Answer::ScalingFreed
            | Answer::Armed
            | Answer::Gone
            | Answer::Disarmed => self.taken_down(phase, out),
            Answer::Failed(fault) => self.failed_back(phase, issued, &fault, out),
            Answer::Registered(_) | Answer::Probed(_) | Answer::CommitIntended | Answer::Concluded => {
                self.go(Phase::Checking, out);
            }
        }
    }

    /// Time in which nobody tried is not time in which it could not be done: a process that heard nothing for as long
    /// as the whole limit was frozen, or its machine slept. That is forgiven once.
    pub(super) fn slept_since(&mut self, before: Timestamp) {
        let span = self.memory.now.since(before);
        let Some(back) = self.state.back_mut() else { return };
        if back.at.is_none() && back.slept.is_zero() && span > self.plan.limits.retreat {
            back.slept = span;
        }
    }

    /// The way back has its limit too: for the traffic, and for everything after it.
    fn out_of_patience(&mut self, out: &mut Reaction) -> bool {
        let State::Retreat { back, .. } = &self.state else { return false };
        let limits = self.plan.limits;
        let waited = self.memory.now.since(back.decided).saturating_sub(back.slept);
        if back.at.is_none() && waited > limits.retreat {
            let last = self.memory.told.fault.clone();
            self.strand(Stranding::Late { last }, out);
            return true;
        }
        if waited > limits.retreat + limits.drain {
            if self.memory.slots.wanted > 0 {
                out.notices.push(Notice::LeftUndone { what: Undone::CandidateLate });
            }
            self.end(out);
            return true;
        }
        false
    }

    /// When a person is called whose traffic could not be taken back until then.
    fn gives_up_at(&self) -> Timestamp {
        let State::Retreat { back, .. } = &self.state else { return self.memory.now };
        back.decided + self.plan.limits.retreat + back.slept
    }

    /// Enters a phase and asks what it asks.
    pub(super) fn go(&mut self, to: Phase, out: &mut Reaction) {
        if to == Phase::Checking && self.state.tidies() {
            return self.stop_tidying(out);
        }
        let State::Retreat { phase, refused, .. } = &mut self.state else { return };
        if *phase != to {
            *refused = 0;
        }
        self.set_phase(to);
        let effect = self.asks(to);
        match effect {
            Some(effect) => match self.holds_off(to) {
                Some(span) => self.ask_after(span, effect),
                None => self.ask(effect, out),
            },
            None => self.after(to, out),
        }
    }

    fn set_phase(&mut self, to: Phase) {
        if let State::Retreat { back, phase, .. } = &mut self.state {
            // Held where this crate is tested. An old or edited journal may hold any answer, and must end no program.
            debug_assert!(!cfg!(test) || phase.leads_to(to, back.hurry), "{phase:?} does not lead to {to:?}");
            *phase = to;
        }
    }

    /// What a phase asks, or `None` when it has nothing to do.
    fn asks(&self, phase: Phase) -> Option<Effect> {
        let before = &self.plan.before;
        let sticky = before.stickiness.is_some() && !self.plan.driver.is_aws();
        match phase {
            Phase::Checking => Some(Self::first_read()),
            Phase::Verifying => Some(Effect::Look(self.view(self.asks_for_stable(), None))),
            Phase::Reviving => {
                // One that serves is given tasks of what it runs.
                let task_definition = self.memory.slots.barren.then(|| before.stable_task_definition.clone());
                Some(Effect::Scale { role: Role::Stable, count: before.stable_desired, task_definition })
            }
            Phase::Routing => {
                let stickiness = if sticky { Stickiness::Suspend } else { Stickiness::Keep };
                Some(Effect::Route(Route { share: Share::NONE, expected: None, stickiness, by: None }))
            }
            Phase::Marking | Phase::Disarming | Phase::Freeing | Phase::Unmarking => self.takes_down(phase),
            Phase::Quieting => {
                let waits = self.memory.slots.wanted > 0 && !self.state.hurries();
                let ripe = self.is_ripe(Share::NONE, self.memory.now);
                waits.then(|| Effect::Look(self.view(false, ripe.then_some(Role::Candidate))))
            }
            Phase::Restoring => {
                let task_definition = Some(before.candidate_task_definition.clone());
                let scale = Effect::Scale { role: Role::Candidate, count: before.candidate_desired, task_definition };
                (self.memory.slots.wanted > 0 && !self.state.hurries()).then_some(scale)
            }
            Phase::Mending => {
                let stickiness = Stickiness::Restore;
                let restore = Route { share: Share::NONE, expected: Some(Share::NONE), stickiness, by: None };
                self.memory.rule.sticky_suspended.then_some(Effect::Route(restore))
            }
            Phase::Counting => {
                let since = self.memory.rule.exposed.unwrap_or(self.memory.started);
                (self.memory.rule.carried && !self.state.hurries()).then_some(Effect::Count { since, full: None })
            }
        }
    }

    /// The phase after one that is done.
    pub(super) fn after(&mut self, phase: Phase, out: &mut Reaction) {
        match phase {
            Phase::Checking | Phase::Reviving => self.go(Phase::Routing, out),
            Phase::Routing => self.go(Phase::Verifying, out),
            Phase::Verifying => self.go(Phase::Marking, out),
            Phase::Marking => self.go(Phase::Disarming, out),
            Phase::Disarming => self.go(Phase::Quieting, out),
            Phase::Quieting => self.go(Phase::Restoring, out),
            Phase::Restoring => self.go(Phase::Freeing, out),
            Phase::Freeing => self.mend(out),
            Phase::Mending => self.go(Phase::Unmarking, out),
            Phase::Unmarking => self.go(Phase::Counting, out),
            Phase::Counting => self.end(out),
        }
    }

    fn seen_back(&mut self, phase: Phase, seen: &Observation, out: &mut Reaction) {
        if let Some(fault) = seen.faults.first() {
            self.tell_fault(fault, out);
        }
        if let Some(rule) = &seen.rule {
            self.saw(rule);
            match &rule.instead {
                Some(arn) if !self.is_back_instead(rule, arn, out) => return,
                Some(_) if phase == Phase::Checking => {
                    self.traffic_is_back(out);
                    return self.go(Phase::Verifying, out);
                }
                Some(_) => {}
                // A rollback's first write is on no journal, and turns it off all the same.
                None => {
                    let off = is_back(rule) && !rule.sticky && self.plan.before.stickiness.is_some();
                    self.memory.rule.sticky_suspended |= off && phase != Phase::Mending;
                }
            }
        }
        if let Some(fleet) = &seen.fleet {
            self.memory.slots.fleet = Some((self.memory.now, fleet.clone()));
        }
        let gone = seen.faults.iter().find(|fault| is_gone(fault));
        if let Some(fault) = gone.filter(|_| self.state.back_at().is_none())
            && matches!(phase, Phase::Checking | Phase::Verifying)
        {
            return self.strand(Stranding::Refused(fault.clone()), out);
        }
        match phase {
            Phase::Checking => self.checked(seen, out),
            Phase::Verifying | Phase::Quieting => self.verified(phase, seen, out),
            _ => self.go(phase, out),
        }
    }

    /// The first read of the way back. It spares the write only where no write of weight is known or
    /// possible, because it may show the rule as it was before one. Nothing but a stable slot without
    /// healthy targets stops the write; what could not be read does not.
    fn checked(&mut self, seen: &Observation, out: &mut Reaction) {
        let on_stable = seen.rule.as_ref().is_some_and(is_back);
        if let Some(rule) = seen.rule.as_ref().filter(|_| !on_stable)
            && self.is_overwritten(rule)
            && !self.overwritten(rule, out)
        {
            return;
        }
        // A write of the way back may land, but none that gives weight.
        let only_back = self.memory.rule.unsettled.is_none_or(|unsettled| unsettled.share == Share::NONE);
        if on_stable
            && only_back
            && !self.may_move_on()
            && !self.memory.rule.weighted
            && !self.is_sticky(seen.rule.as_ref())
        {
            self.traffic_is_back(out);
            let lands = self.memory.rule.unsettled.is_some();
            return if lands { self.go(Phase::Verifying, out) } else { self.after(Phase::Verifying, out) };
        }
        self.weigh(seen, out);
    }

    fn traffic_is_back(&mut self, out: &mut Reaction) {
        let State::Retreat { back: Back { decided, at: before, .. }, .. } = self.state else { return };
        let now = self.memory.now;
        self.memory.rule.previous = self.memory.rule.accepted;
        self.memory.rule.accepted = Share::NONE;
        let weighted = std::mem::take(&mut self.memory.rule.weighted);
        if weighted || before.is_none() {
            self.memory.rule.accepted_at = now;
        }
        if before.is_none() {
            if let Some(back) = self.state.back_mut() {
                back.at = Some(now);
            }
            out.notices.push(Notice::TrafficBack { took: now.since(decided) });
            let differs = self.memory.rule.differs.clone();
            out.notices.extend(differs.map(|(found, instead)| Notice::RuleDiffers { found, instead }));
            let led = self.memory.rule.brief && self.memory.rule.carried && self.bound_until() > now;
            out.notices.extend(led.then(|| Notice::StillLed { until: self.bound_until() }));
        }
    }

    fn routed_back(&mut self, phase: Phase, seen: &RuleSeen, out: &mut Reaction) {
        self.saw(seen);
        if !is_back(seen) {
            if let Some(back) = self.state.back_mut() {
                back.contradicted = true;
            }
            return self.ask_after_phase(Phase::Verifying, RETRY);
        }
        if phase == Phase::Mending {
            return self.mended(out);
        }
        self.traffic_is_back(out);
        self.go(Phase::Verifying, out);
    }

    /// Nothing was written. With the traffic on the stable slot, what stands in the way of stickiness is
    /// somebody else's.
    fn foreign_back(&mut self, phase: Phase, seen: &RuleSeen, out: &mut Reaction) {
        self.saw(seen);
        if let Some(arn) = &seen.instead {
            if self.is_back_instead(seen, arn, out) {
                self.traffic_is_back(out);
                self.go(if phase == Phase::Mending { Phase::Unmarking } else { Phase::Verifying }, out);
            }
            return;
        }
        if phase != Phase::Mending || !is_back(seen) {
            return self.ask_after_phase(Phase::Verifying, RETRY);
        }
        out.notices.push(Notice::StickinessOff { why: StaysOff::Foreign { found: seen.text.clone() } });
        self.mended(out);
    }

    /// The rule is there no more, and another stands in its place. That one is somebody else's, and never written: it
    /// has the traffic back, or a person is needed. False when one is.
    fn is_back_instead(&mut self, rule: &RuleSeen, arn: &str, out: &mut Reaction) -> bool {
        // No write of ours can land on it, and what it says of stickiness is not ours.
        (self.memory.rule.unsettled, self.memory.rule.sticky_suspended) = (None, false);
        if is_back(rule) {
            return true;
        }
        let (found, by) = (rule.text.clone(), arn.to_owned());
        out.notices.push(Notice::RuleDiffers { found: found.clone(), instead: Some(by.clone()) });
        self.strand(Stranding::Replaced { by, found }, out);
        false
    }

    pub(super) fn ask_after_phase(&mut self, to: Phase, span: std::time::Duration) {
        self.set_phase(to);
        if let Some(effect) = self.asks(to) {
            self.ask_after(span, effect);
        }
    }

    /// A read-back after the write: good until no earlier write can land, and until the candidate is quiet.
    fn verified(&mut self, phase: Phase, seen: &Observation, out: &mut Reaction) {
        match &seen.rule {
            None => return self.ask_after_phase(phase, BRISK_POLL),
            // One read may be old; a second look decides.
            Some(rule) if !is_back(rule) => return self.go(Phase::Checking, out),
            Some(_) => {}
        }
        self.traffic_is_back(out);
        let now = self.memory.now;
        if phase == Phase::Quieting {
            return self.quiet(seen, out);
        }
        if self.is_scaled_down(seen) {
            self.state.note_revived(true);
            return self.go(Phase::Reviving, out);
        }
        match self.memory.rule.unsettled {
            Some(unsettled) if now < unsettled.until => self.ask_after_phase(Phase::Verifying, BRISK_POLL),
            _ => {
                self.memory.rule.unsettled = None;
                self.after(Phase::Verifying, out);
            }
        }
    }

    /// Whether a rule that gives the candidate weight was written over ours, and is not only an old read.
    fn is_overwritten(&self, rule: &RuleSeen) -> bool {
        let State::Retreat { back, .. } = &self.state else { return false };
        let old = rule.share == Some(self.memory.rule.accepted) && self.memory.now.since(back.decided) <= STALE_WITHIN;
        back.at.is_some() || (back.contradicted && !old)
    }

    /// Two reads say that the rule no longer says what we wrote: a late write of ours, or somebody
    /// else's. False when that has happened too often.
    fn overwritten(&mut self, rule: &RuleSeen, out: &mut Reaction) -> bool {
        let State::Retreat { back, .. } = &mut self.state else { return true };
        (back.at, back.contradicted) = (None, false);
        if self.memory.rule.unsettled.is_some_and(|unsettled| rule.share == Some(unsettled.share)) {
            return true;
        }
        back.overwritten += 1;
        let too_often = back.overwritten > REASSERTIONS;
        out.notices.push(Notice::ForeignWrite { to: Foreign::Rule, found: rule.text.clone(), expected: Share::NONE });
        if too_often {
            self.strand(Stranding::Overwritten { found: rule.text.clone() }, out);
        }
        !too_often
    }

    fn scaled_back(&mut self, phase: Phase, out: &mut Reaction) {
        let before = &self.plan.before;
        let (role, count) = match phase {
            Phase::Reviving => (Role::Stable, before.stable_desired),
            _ => (Role::Candidate, before.candidate_desired),
        };
        out.notices.push(Notice::Scaled { role, count });
        if phase == Phase::Reviving {
            return match self.state.back_at() {
                Some(_) => self.go(Phase::Verifying, out),
                None => self.ask_after_phase(Phase::Checking, BRISK_POLL),
            };
        }
        self.memory.slots.wanted = 0;
        self.after(Phase::Restoring, out);
    }

    fn failed_back(&mut self, phase: Phase, issued: &Issued, fault: &Fault, out: &mut Reaction) {
        self.tell_fault(fault, out);
        let for_good = fault.kind.is_lasting();
        let State::Retreat { back, refused, .. } = &mut self.state else { return };
        // What waits for credentials is asked for until the way back has lasted as long as it may.
        *refused += u32::from(back.hurry || !is_expired(fault));
        let tries = *refused;
        if fault.kind == FaultKind::Unknown && matches!(issued.effect, Effect::Route(_)) {
            self.outlive(issued.at);
        }
        match phase {
            Phase::Checking => self.weigh(&Observation::default(), out),
            // The adapter has looked for what stands in its place.
            Phase::Routing if is_gone(fault) => self.strand(Stranding::Refused(fault.clone()), out),
            Phase::Routing if fault.kind == FaultKind::Denied && !self.state.hurries() => {
                if tries == 1 {
                    out.notices.push(Notice::BackDenied { fault: fault.clone(), until: self.gives_up_at() });
                }
                self.ask_after(Self::patience_with_denial(tries), issued.effect.clone());
            }
            Phase::Routing if for_good && tries >= ATTEMPTS => self.strand(Stranding::Refused(fault.clone()), out),
            Phase::Routing if is_expired(fault) => self.ask_after(RETRY, issued.effect.clone()),
            Phase::Routing => self.ask_after(Self::patience(tries), issued.effect.clone()),
            Phase::Reviving | Phase::Restoring
                if fault.kind == FaultKind::Permanent && left::is_of_a_revision(issued) =>
            {
                self.count_alone(issued, fault, out);
            }
            Phase::Reviving if self.state.back_at().is_some() => {
                out.notices.push(Notice::LeftUndone { what: Undone::StableTasks(fault.clone()) });
                self.go(Phase::Verifying, out);
            }
            Phase::Reviving => {
                self.state.note_revived(false);
                self.ask_after_phase(Phase::Checking, BRISK_POLL);
            }
            Phase::Verifying | Phase::Quieting => self.ask_after_phase(phase, BRISK_POLL),
            Phase::Marking | Phase::Disarming | Phase::Freeing | Phase::Unmarking => {
                self.not_taken_down(phase, issued, (fault, tries), out);
            }
            Phase::Restoring if self.state.hurries() => self.after(phase, out),
            // Somebody may have given the slot weight since: the proof of quiet is taken again first.
            Phase::Restoring if !for_good => self.ask_after_phase(Phase::Quieting, RETRY),
            Phase::Mending if tries < ATTEMPTS * 3 && !for_good => self.ask_after(RETRY, issued.effect.clone()),
            Phase::Restoring => {
                self.leave_undone(phase, Undone::Candidate(Kept::Refused(fault.clone())), out);
            }
            Phase::Mending => {
                out.notices.push(Notice::StickinessOff { why: StaysOff::Refused(fault.clone()) });
                self.mended(out);
            }
            Phase::Counting if tries < ATTEMPTS => self.ask_after(RETRY, issued.effect.clone()),
            Phase::Counting => self.end(out),
        }
    }

    fn strand(&mut self, why: Stranding, out: &mut Reaction) {
        let State::Retreat { back: Back { reason, .. }, .. } = self.state.clone() else { return };
        self.finish(Outcome::Stranded { reason: Some(reason), why }, out);
    }

    pub(super) fn end(&mut self, out: &mut Reaction) {
        let State::Retreat { back: Back { reason, .. }, .. } = self.state.clone() else { return };
        if self.state.hurries() && self.memory.slots.wanted > 0 {
            out.notices.push(Notice::LeftUndone { what: Undone::Candidate(Kept::RunnerStopped) });
        }
        if self.memory.rule.sticky_suspended {
            out.notices.push(Notice::StickinessOff { why: StaysOff::NoTime });
        }
        self.finish(Outcome::RolledBack(reason), out);
    }
}

/// Whether the rule is there no more, and nothing in its place.
fn is_gone(fault: &Fault) -> bool {
    fault.kind == FaultKind::Missing && ["DescribeRules", "ModifyRule"].contains(&fault.operation.as_str())
}

/// Whether the rule gives the candidate nothing.
fn is_back(rule: &RuleSeen) -> bool {
    rule.share == Some(Share::NONE)
}
