//! All that a rollout can ask of the world, and what the world can answer.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::driver::Deployment;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Fleet, Role, RuleSeen, Served};
use crate::domain::safeguard::Beacon;
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{ProbeReading, Reading};

/// Names one effect within its rollout; they count up from 1.
pub type EffectId = u64;

/// An effect with its name: at any moment at most one is outstanding.
#[derive(Clone, Debug, PartialEq)]
pub struct Issued {
    /// Its name.
    pub id: EffectId,
    /// When it was asked for.
    pub at: Timestamp,
    /// What is asked.
    pub effect: Effect,
}

/// One thing asked of the world, in absolute words.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Register the release's task definition, unless this rollout has already.
    Register {
        /// The fingerprint of the document, by which an earlier registration is known again.
        digest: String,
    },
    /// Give a slot this many tasks, of this task definition if one is named.
    Scale {
        /// Which slot.
        role: Role,
        /// How many tasks.
        count: u32,
        /// An ARN, or `family:revision`.
        task_definition: Option<String>,
    },
    /// Give the candidate this share, keep everything else in the rule, and read it back.
    Route(Route),
    /// Say on the rule what the rollout is at.
    Mark(Beacon),
    /// Hold the recorded scalable targets: nothing takes tasks away.
    HoldScaling,
    /// Set the scalable targets back to what was recorded.
    FreeScaling,
    /// Let the dead-man's switch fire then and not before.
    Arm {
        /// When: as long after it is asked for as the plan says.
        at: Timestamp,
        /// Whether one is made where there is none: only before any weight.
        create: bool,
    },
    /// Remove the dead-man's switch, and see that it is gone.
    Disarm,
    /// Say in the lease that the rollout is about to commit: from then on nobody takes it over to go back.
    IntendCommit,
    /// Let AWS's own deployment end: it takes the stable slot's tasks. Absolute: one that is ending ends.
    Conclude,
    /// Read the world.
    Look(Look),
    /// Send one probe: the index in the plan's gates.
    Probe(usize),
    /// Count what the candidate served.
    Count {
        /// The start of the stretch that is counted.
        since: Timestamp,
        /// Since when it has all the weight, if it has.
        full: Option<Timestamp>,
    },
}

impl Effect {
    /// Whether it changes the world. The commit intent changes only the lease, and is not waited for: the way back depends
    /// on no store. One that lands after it was given up is overwritten by the next renewal, which says that the rollout
    /// goes back.
    pub fn is_write(&self) -> bool {
        let aws = matches!(self, Effect::Conclude);
        let ours = matches!(self, Effect::Register { .. } | Effect::Scale { .. } | Effect::Route(_));
        aws || ours || self.is_safeguard()
    }

    /// Whether it sets up or takes down what keeps the way back open. All of these are absolute, so one whose
    /// outcome nobody knows is asked for again.
    pub fn is_safeguard(&self) -> bool {
        let scaling = matches!(self, Effect::HoldScaling | Effect::FreeScaling);
        scaling || matches!(self, Effect::Mark(_) | Effect::Arm { .. } | Effect::Disarm)
    }
}

/// A write of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The candidate's share.
    pub share: Share,
    /// The share the rule must have right before, and the recorded shape: otherwise nothing is written and the
    /// answer is [`Answer::Foreign`]. `None` writes over whatever share is found: only the way back may.
    pub expected: Option<Share>,
    /// What becomes of stickiness.
    pub stickiness: Stickiness,
    /// The last moment at which it may leave, where it rests on a read, which is old then.
    pub by: Option<Timestamp>,
}

/// What a write of the rule does with target-group stickiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stickiness {
    /// Left as it is found.
    Keep,
    /// Off, so that clients bound to the candidate come back at once.
    Suspend,
    /// As it stood before the rollout.
    Restore,
}

/// Which parts of the world are read.
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the world; all combinations can be asked for")]
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Look {
    /// The rule's weights.
    pub rule: bool,
    /// Tasks and targets of both slots.
    pub fleet: bool,
    /// Readings for the gates with these indices in the plan's list (never `tasks` or `probe` gates:
    /// the machine reads those out of the fleet, or probes).
    pub gates: Vec<usize>,
    /// Since when the gates' data matter.
    pub since: Timestamp,
    /// Since when counts matter: earlier ones are left out of the readings.
    pub counted: Timestamp,
    /// What AWS's own deployment says of itself.
    pub deployment: bool,
    /// What the change calendars say.
    pub calendar: bool,
    /// The share of the requests that the candidate really gets.
    pub observed: bool,
    /// The slot whose requests are counted over the last [`crate::plan::QUIET_PERIODS`] published minutes.
    pub quiet: Option<Role>,
    /// Whether what else leads to that slot is read too.
    pub reached: bool,
    /// The way back is in a hurry: the rule and the stable slot's healthy targets are read at once, within this
    /// span of wall time. What is not read by then is among the faults.
    pub first_read: Option<Duration>,
}

/// What the world said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To `Register`: the task definition's ARN.
    Registered(String),
    /// To `Scale`: it is accepted.
    Scaled,
    /// To `Route`: it is written and read back.
    Routed(RuleSeen),
    /// To a `Route` of the way back: it is written and read back, and one more attempt of the same write may
    /// still land.
    Unsettled(RuleSeen),
    /// To `Route`: AWS is told to move the weights, and has not yet; or it goes on by itself, and will.
    Moving(RuleSeen),
    /// To `Route`: nothing is written, the rule is not as expected.
    Foreign(RuleSeen),
    /// To `Mark`: it says so.
    Marked,
    /// To `HoldScaling`.
    ScalingHeld,
    /// To `FreeScaling`.
    ScalingFreed,
    /// To `Arm`: it fires then.
    Armed,
    /// To `Arm`: there is no switch any more.
    Gone,
    /// To `Disarm`: it is gone.
    Disarmed,
    /// To `IntendCommit`: it is said.
    CommitIntended,
    /// To `Conclude`: it ends now, or has ended.
    Concluded,
    /// To `Look`.
    Seen(Box<Observation>),
    /// To `Probe`.
    Probed(ProbeReading),
    /// To `Count`.
    Counted(Served),
    /// It did not work.
    Failed(Fault),
}

/// What one look saw. What it did not ask for is absent; what it could not read is among the faults.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Observation {
    /// The rule.
    pub rule: Option<RuleSeen>,
    /// Tasks and targets.
    pub fleet: Option<Fleet>,
    /// The stable slot's healthy targets, where a first read asked for them alone.
    pub stable: Option<u32>,
    /// AWS's own deployment, where there is one.
    pub deployment: Option<Deployment>,
    /// What the change calendars say together.
    pub calendar: Option<CalendarSeen>,
    /// Readings by gate index.
    pub readings: Vec<(usize, Reading)>,
    /// Requests of the slot that should be quiet in the last minutes that are proven published, and since.
    pub requests: Option<u64>,
    /// The end of those minutes; `None` in journals of before it was read.
    pub published: Option<Timestamp>,
    /// What leads to that slot beside the rollout's rule, in words.
    pub reached: Option<Vec<String>>,
    /// The candidate's share of the requests in the last minute that had any.
    pub observed: Option<Share>,
    /// What could not be read, and why.
    pub faults: Vec<Fault>,
}
