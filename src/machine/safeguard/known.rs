//! What a rollout knows of the beacon, the hold on autoscaling and the dead-man's switch.

use crate::domain::clock::Timestamp;
use crate::domain::safeguard::{Beacon, SWITCH_FAR, SWITCH_LANDS_WITHIN};
use crate::lease::QUARANTINE;
use crate::machine::effect::{Effect, Issued};
use crate::machine::limits::WRITE_LANDS_WITHIN;

/// What is known of the beacon, the hold and the switch.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Default)]
pub(in crate::machine) struct Safeguard {
    /// What the beacon says, as far as an answer said so.
    pub(super) said: Option<Beacon>,
    /// Whether the rule may carry a beacon of ours.
    pub(super) marked: bool,
    /// Whether autoscaling may be held; whether an answer said that all of it is.
    pub(super) touched: bool,
    pub(super) held: bool,
    pub(super) switch: Switch,
    /// From then on no call can take effect that sets one of these up and whose outcome nobody knows.
    pub(super) settled: Timestamp,
    /// Whether the lease says that the rollout is about to commit, by this runner's own word.
    pub(super) commit_intended: bool,
    pub(super) abandoned: Abandoned,
    /// How often the present write failed.
    pub(super) tries: u32,
    /// What was to be asked when a push came first.
    pub(super) after_push: Option<Effect>,
}

/// What is not tried any more, and told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Abandoned {
    pub(super) beacon: bool,
    pub(super) scaling: bool,
    pub(super) switch: bool,
}

/// What is known of the dead-man's switch.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Switch {
    /// Whether it may be there; whether an answer said so.
    pub(super) there: bool,
    pub(super) armed: bool,
    /// Whether it was asked to be removed: then it is not pushed any more.
    pub(super) going: bool,
    /// When it fires at the earliest, as far as that is known.
    pub(super) fires: Option<Timestamp>,
    /// When the last push that was answered was asked for.
    pub(super) pushed: Timestamp,
    /// Whether it was armed by the runner before, and not pushed on since.
    pub(super) inherited: bool,
    /// Whether a push that failed is told.
    pub(super) told: bool,
    /// From then on nothing that it sent can land.
    pub(super) quiet_from: Timestamp,
}

impl Switch {
    /// It fires then. A push that came too late, or one before it that may still land, does not make it later.
    pub(super) fn is_armed(&mut self, at: Timestamp, asked: Timestamp, (settled, now): (Timestamp, Timestamp)) {
        let keeps = |before: &Timestamp| now < settled || *before <= now;
        let before = self.fires.filter(keeps);
        self.fires = Some(before.map_or(at, |before| before.min(at)));
        (self.there, self.armed, self.told, self.pushed) = (true, true, false, asked);
        self.inherited = false;
    }

    /// It is not there any more. Whether it may have fired before.
    pub(super) fn is_gone(&mut self, fired: bool, now: Timestamp) -> bool {
        let near = self.there && self.fires.is_some_and(|at| at <= now + SWITCH_FAR);
        if fired || near {
            self.quiet_from = now + SWITCH_LANDS_WITHIN;
        }
        (self.there, self.armed) = (false, false);
        fired || near
    }
}

impl Safeguard {
    /// When the switch fires unless it is pushed on, while there may be one.
    pub(in crate::machine) fn fires(&self) -> Option<Timestamp> {
        self.switch.fires.filter(|_| self.switch.there)
    }

    /// Another way, or another runner: what was given up is tried again.
    pub(in crate::machine) fn begin_anew(&mut self) {
        self.abandoned = Abandoned::default();
        self.commit_intended = false;
        self.tries = 0;
        self.after_push = None;
    }

    /// Another runner, with a clock of its own: what was to be waited for is waited for anew, and the switch is not
    /// trusted before it is pushed on. A hold of the one before, whose last moment is `before`, may land yet, and so may
    /// a switch that it made and could not tell of: where the plan has one, it is looked for.
    pub(in crate::machine) fn inherit(&mut self, before: Timestamp, now: Timestamp, (scales, arms): (bool, bool)) {
        self.begin_anew();
        if self.settled > before {
            self.settled = self.settled.max(now + QUARANTINE);
        }
        let switch = &mut self.switch;
        switch.there |= arms && switch.fires.is_none();
        if switch.quiet_from > before {
            switch.quiet_from = switch.quiet_from.max(now + SWITCH_LANDS_WITHIN);
        }
        if now == before {
            // A clock that is behind the journal's cannot tell how far: the switch's time may have come.
            switch.fires = switch.fires.map(|at| at.min(now));
        }
        (switch.pushed, switch.inherited, self.touched) = (Timestamp::default(), true, self.touched || scales);
    }

    /// The push that comes before `effect`.
    pub(in crate::machine) fn push_before(&mut self, effect: Effect) -> Effect {
        self.after_push = Some(effect);
        Effect::Arm { at: Timestamp::default(), create: false }
    }

    /// Nobody knows at `now` what a write did. It may have been sent long after it was asked for, because it waits for
    /// the journal.
    pub(in crate::machine) fn unsettle(&mut self, issued: &Issued, now: Timestamp) {
        let sets_up = match issued.effect {
            Effect::Mark(beacon) => beacon != Beacon::Absent,
            Effect::HoldScaling | Effect::Arm { .. } => true,
            _ => false,
        };
        if sets_up {
            self.settled = now + WRITE_LANDS_WITHIN;
        }
        match issued.effect {
            Effect::Mark(beacon) => {
                self.said = None;
                self.marked |= beacon != Beacon::Absent;
            }
            Effect::HoldScaling => self.touched = true,
            Effect::FreeScaling => self.held = false,
            Effect::Arm { at, .. } => {
                let switch = &mut self.switch;
                switch.there = true;
                switch.fires = Some(switch.fires.map_or(at, |before| before.min(at)));
            }
            _ => {}
        }
    }

    /// What is left to be taken down after the commit.
    pub(super) fn left(&self) -> Option<Effect> {
        if self.touched && !self.abandoned.scaling {
            return Some(Effect::FreeScaling);
        }
        (self.marked && !self.abandoned.beacon).then_some(Effect::Mark(Beacon::Absent))
    }
}
