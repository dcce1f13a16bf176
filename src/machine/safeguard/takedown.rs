//! What kept the way back open is taken down: on the way back, and after the commit.
//!
//! On the way back traffic comes first. Then the switch goes, because what it writes would turn stickiness off
//! again, and because a switch that is late would write into the next rollout. Autoscaling is set free when the
//! candidate is quiet: by then the stable slot's metrics show all of its traffic, and nothing takes its tasks for
//! what it looked like before. The beacon goes last: as long as it is there, something is not yet as it was.

use std::time::Duration;

use super::super::effect::{Effect, Issued};
use super::super::limits::{ATTEMPTS, HURRIED_ATTEMPTS, RETRY};
use super::super::notice::Notice;
use super::super::state::Phase;
use super::super::undone::{StaysOff, Undone};
use super::super::{Machine, Reaction};
use super::known::Safeguard;
use crate::domain::fault::Fault;
use crate::domain::safeguard::Beacon;

impl Machine {
    /// After the commit. Nothing is taken down while a call could still set it up behind that.
    pub(in crate::machine) fn settle(&mut self, out: &mut Reaction) {
        let Some(effect) = self.memory.safeguard.left() else { return self.pass_step(out) };
        let wait = self.memory.safeguard.settled.since(self.memory.now);
        if wait > Duration::ZERO { self.ask_after(wait, effect) } else { self.ask(effect, out) }
    }

    /// What a phase of the way back asks.
    pub(in crate::machine) fn takes_down(&self, phase: Phase) -> Option<Effect> {
        let Safeguard { said, marked, touched, switch, abandoned, .. } = &self.memory.safeguard;
        let hurry = self.state.hurries();
        let asks = match phase {
            Phase::Marking => *marked && *said != Some(Beacon::Aborting) && !hurry,
            Phase::Disarming => {
                let lands = self.memory.now < switch.quiet_from && !hurry;
                (switch.there || lands) && !abandoned.switch
            }
            Phase::Freeing => *touched && !abandoned.scaling,
            _ => *marked && !abandoned.beacon,
        };
        asks.then_some(match phase {
            Phase::Marking => Effect::Mark(Beacon::Aborting),
            Phase::Disarming => Effect::Disarm,
            Phase::Freeing => Effect::FreeScaling,
            _ => Effect::Mark(Beacon::Absent),
        })
    }

    /// How long a phase waits before it asks: nothing is taken down while a call could still set it up behind that,
    /// and stickiness is put back when nobody is bound to the candidate any more.
    pub(in crate::machine) fn holds_off(&self, phase: Phase) -> Option<Duration> {
        let Safeguard { switch, settled, .. } = &self.memory.safeguard;
        let from = match phase {
            Phase::Disarming if !switch.there => switch.quiet_from,
            Phase::Disarming | Phase::Freeing | Phase::Unmarking => *settled,
            Phase::Mending => self.bound_until(),
            _ => return None,
        };
        let wait = from.since(self.memory.now);
        (wait > Duration::ZERO).then_some(wait)
    }

    pub(in crate::machine) fn taken_down(&mut self, phase: Phase, out: &mut Reaction) {
        match phase {
            // A switch that may have fired is looked for again when nothing that it sent can land any more.
            Phase::Disarming => self.go(Phase::Disarming, out),
            Phase::Marking | Phase::Freeing | Phase::Unmarking => self.after(phase, out),
            _ => self.go(Phase::Checking, out),
        }
    }

    pub(in crate::machine) fn not_taken_down(
        &mut self,
        phase: Phase,
        issued: &Issued,
        (fault, tries): (&Fault, u32),
        out: &mut Reaction,
    ) {
        let most = if self.state.hurries() { HURRIED_ATTEMPTS } else { ATTEMPTS * 3 };
        let over = tries >= most || fault.kind.is_lasting();
        let abandoned = &mut self.memory.safeguard.abandoned;
        match phase {
            // It says less than the traffic does, and is removed in the end.
            Phase::Marking => return self.after(phase, out),
            _ if !over => return self.ask_after(RETRY, issued.effect.clone()),
            Phase::Disarming => abandoned.switch = true,
            Phase::Freeing => abandoned.scaling = true,
            _ => abandoned.beacon = true,
        }
        let fault = Some(fault.clone());
        let what = match phase {
            Phase::Disarming => Undone::Switch { fires: self.memory.safeguard.fires(), fault },
            Phase::Freeing => Undone::Scaling(fault),
            _ => Undone::Beacon(Beacon::Absent, fault),
        };
        self.leave_undone(phase, what, out);
    }

    /// At the end: what is still not as it was, and not told yet.
    pub(in crate::machine) fn tell_left(&self, out: &mut Reaction) {
        let Safeguard { marked, touched, switch, abandoned, .. } = &self.memory.safeguard;
        // One who must leave does not wait until a switch that has fired can write no more.
        let lands = self.memory.now < switch.quiet_from && self.plan.before.stickiness.is_some();
        if lands {
            out.notices.push(Notice::StickinessOff { why: StaysOff::Switch });
        }
        let left = [
            (switch.there && !abandoned.switch, Undone::Switch { fires: self.memory.safeguard.fires(), fault: None }),
            (*touched && !abandoned.scaling, Undone::Scaling(None)),
            (*marked && !abandoned.beacon, Undone::Beacon(Beacon::Absent, None)),
        ];
        let told = left.into_iter().filter(|(is_left, _)| *is_left);
        out.notices.extend(told.map(|(_, what)| Notice::LeftUndone { what }));
    }
}
