//! What keeps the way back open, as AWS has it: the rule's beacon and stickiness, scalable targets, and a schedule
//! that fires within its precision and lands however late.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::safeguard::Beacon;
use tidegate::machine::{Answer, Effect, Notice, Outcome, Stickiness, Undone};
use tidegate::plan::Plan;

use super::die::Die;
use super::points::Point;

/// What the runner's role may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    Mark,
    Hold,
    Free,
    Arm,
    Push,
    Disarm,
}

impl Denied {
    pub fn throw(die: &mut Die) -> Option<Self> {
        let all = [Denied::Mark, Denied::Hold, Denied::Free, Denied::Arm, Denied::Push, Denied::Disarm];
        die.chance(0.1).then(|| die.one_of(&all))
    }

    pub fn point(self) -> Point {
        match self {
            Denied::Mark => Point::MarkDenied,
            Denied::Hold => Point::HoldDenied,
            Denied::Free => Point::FreeDenied,
            Denied::Arm => Point::ArmDenied,
            Denied::Push => Point::PushDenied,
            Denied::Disarm => Point::DisarmDenied,
        }
    }

    pub fn forbids(self, effect: &Effect) -> bool {
        match effect {
            Effect::Mark(_) => self == Denied::Mark,
            Effect::HoldScaling => self == Denied::Hold,
            Effect::FreeScaling => self == Denied::Free,
            Effect::Arm { create: true, .. } => self == Denied::Arm,
            Effect::Arm { create: false, .. } => self == Denied::Push,
            Effect::Disarm => self == Denied::Disarm,
            _ => false,
        }
    }
}

/// A schedule that is there.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    at: Timestamp,
    /// What it sends lands so long after its time.
    lands_after: Duration,
    /// Its time has come: what it sends can no longer be stopped.
    is_sent: bool,
}

/// The truth about it.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the simulated account")]
pub struct Safeguard {
    beacon: Beacon,
    /// Scalable targets that are held, of so many.
    held: usize,
    targets: usize,
    was_sticky: bool,
    pub sticky: bool,
    /// Whether a target group is sticky itself: then the rule binds clients for a second where it would not bind them.
    bound: bool,
    /// How long a cookie lasts.
    pub cookies: Duration,
    schedule: Option<Schedule>,
    /// When what schedules have sent lands.
    sent: Vec<Timestamp>,
    /// Calls that land later.
    late: Vec<(Timestamp, Effect)>,
    fires_after: Duration,
    /// Whether the switch ever took traffic from the candidate.
    pub gave_back: bool,
}

impl Safeguard {
    pub fn new(plan: &Plan) -> Self {
        let sticky = plan.before.stickiness.is_some();
        Self {
            beacon: Beacon::Absent,
            held: 0,
            targets: plan.before.scaling.len(),
            was_sticky: sticky,
            sticky,
            cookies: plan.before.stickiness.unwrap_or_default(),
            bound: !plan.before.sticky_groups.is_empty(),
            schedule: None,
            sent: Vec::new(),
            late: Vec::new(),
            fires_after: Duration::ZERO,
            gave_back: false,
        }
    }

    /// What the rule's tags say.
    pub fn beacon(&self) -> Beacon {
        self.beacon
    }

    /// When something happens next by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        let due = |one: &Schedule| if one.is_sent { one.at + one.lands_after } else { one.at };
        let late = self.late.iter().map(|(at, _)| *at);
        self.schedule.iter().map(due).chain(self.sent.iter().copied()).chain(late).min()
    }

    /// What is due at `at` happens; whether the switch writes the rule.
    pub fn happens(&mut self, at: Timestamp) -> bool {
        if let Some(one) = self.schedule.as_mut().filter(|one| one.at == at && !one.is_sent) {
            one.is_sent = true;
            self.sent.push(one.at + one.lands_after);
            return false;
        }
        if let Some(late) = self.late.iter().position(|(lands, _)| *lands == at) {
            let (_, effect) = self.late.remove(late);
            let _ = self.apply(&effect, at, self.fires_after);
            return false;
        }
        // One that has done its work is gone.
        self.schedule = self.schedule.filter(|one| !one.is_sent || one.at + one.lands_after != at);
        let Some(landed) = self.sent.iter().position(|lands| *lands == at) else { return false };
        self.sent.remove(landed);
        self.sticky = false;
        true
    }

    /// A call with an unknown answer lands later.
    pub fn lands(&mut self, at: Timestamp, effect: Effect) {
        self.late.push((at, effect));
    }

    /// A hold that failed half-way.
    pub fn hold_one(&mut self) {
        if self.targets > 1 {
            self.held = self.held.max(1);
        }
    }

    /// Whether the rule binds clients for a second.
    pub fn is_brief(&self) -> bool {
        self.bound && self.was_sticky && !self.sticky
    }

    pub fn stick(&mut self, stickiness: Stickiness) {
        match stickiness {
            Stickiness::Keep => {}
            Stickiness::Suspend => self.sticky = false,
            Stickiness::Restore => self.sticky = self.was_sticky,
        }
    }

    /// A call takes effect at `now`.
    pub fn apply(&mut self, effect: &Effect, now: Timestamp, fires_after: Duration) -> Answer {
        self.fires_after = fires_after;
        match effect {
            Effect::Mark(beacon) => {
                self.beacon = *beacon;
                Answer::Marked
            }
            Effect::HoldScaling => {
                self.held = self.targets;
                Answer::ScalingHeld
            }
            Effect::FreeScaling => {
                self.held = 0;
                Answer::ScalingFreed
            }
            Effect::Arm { create: false, .. } if self.schedule.is_none() => Answer::Gone,
            Effect::Arm { at, .. } => {
                self.schedule = Some(Schedule { at: (*at).max(now), lands_after: fires_after, is_sent: false });
                Answer::Armed
            }
            Effect::Disarm => {
                self.schedule = None;
                Answer::Disarmed
            }
            other => unreachable!("{other:?} is not kept here"),
        }
    }

    /// A weight is asked for at `now`.
    pub fn is_armed(&self, now: Timestamp) {
        assert!(!self.gave_back, "weight is given after the switch has fired");
        assert!(self.sent.is_empty(), "weight is given while the switch's write is on its way");
        let armed = self.schedule.is_some_and(|one| one.at > now);
        assert!(armed, "weight is given without an armed switch: {:?}", self.schedule);
    }

    /// Whether a switch, or what one has sent, could still give the stable slot everything.
    pub fn may_give_back(&self) -> bool {
        let makes = |effect: &Effect| matches!(effect, Effect::Arm { create: true, .. });
        self.schedule.is_some() || !self.sent.is_empty() || self.late.iter().any(|(_, effect)| makes(effect))
    }

    /// The rollout is committed.
    pub fn cannot_fire(&self) {
        assert!(!self.may_give_back(), "committed while the switch could still fire: {self:?}");
    }

    /// It is over: everything is as it was, unless it was told.
    pub fn is_taken_down(&self, outcome: &Outcome, notices: &[Notice]) {
        let told = |is: fn(&Undone) -> bool| {
            notices.iter().any(|notice| matches!(notice, Notice::LeftUndone { what } if is(what)))
        };
        let switch = told(|what| matches!(what, Undone::Switch { .. }));
        assert!(!self.may_give_back() || switch, "the switch is left: {self:?}");
        assert!(self.held == 0 || told(|what| matches!(what, Undone::Scaling(_))), "autoscaling is left held");
        let marked = self.beacon != Beacon::Absent;
        let unmarked = told(|what| matches!(what, Undone::Beacon(Beacon::Absent | Beacon::Active, _)));
        assert!(!marked || unmarked, "{:?} is left", self.beacon);
        let stuck = matches!(outcome, Outcome::RolledBack(_)) && self.sticky != self.was_sticky;
        let off = notices.iter().any(|notice| matches!(notice, Notice::StickinessOff { .. }));
        assert!(!stuck || switch || off, "stickiness is left off");
    }
}
