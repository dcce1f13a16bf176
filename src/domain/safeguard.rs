//! What a rollout sets up for its own time, so that the way back stays open, and takes down at its end: the
//! rule's beacon, the hold on autoscaling, the dead-man's switch.

use std::time::Duration;

/// By how much the clocks of two machines that keep time may differ: a switch that another runner armed is taken for
/// one that has fired so long before its time.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

/// How late after its time a switch can still write the rule: EventBridge Scheduler fires within 60 s, an event is
/// retried for at most 120 s ([`EVENT_LIVES`]), and 30 s for what AWS does after it accepted a call.
pub const SWITCH_LANDS_WITHIN: Duration = Duration::from_secs(60 + EVENT_LIVES.as_secs() + 30);
/// A switch that was removed longer than this before its time has not fired, however far two clocks are apart.
pub const SWITCH_FAR: Duration = Duration::from_secs(120);
/// How long the scheduler tries again to deliver what a switch that has fired writes.
pub const EVENT_LIVES: Duration = Duration::from_secs(120);

/// The keys of the tags that are the rule's beacon: the rollout's id, its epoch, the names of both target groups,
/// and what it is at.
pub const BEACON_TAGS: [&str; 5] =
    ["tidegate:rollout", "tidegate:epoch", "tidegate:stable", "tidegate:candidate", "tidegate:phase"];

/// The keys of the tags by which somebody who goes back with nothing but the rule tells its runner: who, and why.
pub const BACK_TAGS: [&str; 2] = ["tidegate:by", "tidegate:reason"];

/// Who took a rollout back with nothing but its rule, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Who, as `user@host`.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<String>,
}

/// What the rule's tags say of the rollout to whoever finds nothing but the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beacon {
    /// A rollout is on its way.
    Active,
    /// It goes back.
    Aborting,
    /// It is committed: going back is a new rollout.
    Committed,
    /// No tag of ours.
    Absent,
}

/// A service's scalable target as Application Auto Scaling keeps it. What is suspended is said in its own three
/// switches, see `SuspendedState` in its API reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// The least number of tasks.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// Whether scale-in by policies is suspended.
    pub no_scale_in: bool,
    /// Whether scale-out by policies is suspended.
    pub no_scale_out: bool,
    /// Whether scheduled actions are suspended.
    pub no_schedule: bool,
}

impl Scaling {
    /// The same while a rollout is on its way: nothing takes tasks away, and policies may still add some.
    #[must_use]
    pub fn held(self) -> Self {
        Self { no_scale_in: true, no_schedule: true, ..self }
    }

    /// What becomes of a target that is so now and was `before` a hold: what the hold suspended is as before, and
    /// everything else, which a hold leaves alone, as it is.
    #[must_use]
    pub fn freed(self, before: Self) -> Self {
        let of = |now: bool, before: bool| now && before;
        let no_scale_in = of(self.no_scale_in, before.no_scale_in);
        Self { no_scale_in, no_schedule: of(self.no_schedule, before.no_schedule), ..self }
    }
}

/// The dead-man's switch: a schedule that gives the traffic back unless a living runner pushes it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMan {
    /// The ARN of the IAM role as which the scheduler writes the rule.
    pub role: String,
    /// How long after the last push it fires.
    pub after: Duration,
    /// The EventBridge Scheduler group that the schedule is in.
    pub group: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_keeps_bounds_and_scale_out() {
        let scaling = Scaling { min: 2, max: 9, no_scale_in: false, no_scale_out: true, no_schedule: false };
        assert_eq!(scaling.held(), Scaling { no_scale_in: true, no_schedule: true, ..scaling });
    }
}
