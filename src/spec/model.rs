//! What a spec means: every field resolved to its type, defaults filled in, rules kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::DateTime;

use crate::domain::driver::DriverKind;
use crate::domain::name::RolloutName;
use crate::domain::notify::Recipient;
use crate::domain::safeguard::DeadMan;
use crate::domain::traffic::Share;
use crate::domain::window::WhenClosed;
use crate::gate::Gate;

/// A rollout as a person asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What its rollouts are called.
    pub name: RolloutName,
    /// Who moves the weights.
    pub driver: DriverSpec,
    /// What is moved.
    pub target: TargetSpec,
    /// The new release.
    pub release: Release,
    /// How traffic moves.
    pub strategy: Strategy,
    /// What is asked of the world, in the spec's order; a `tasks` gate is always among them.
    pub gates: Vec<Gate>,
    /// What happens when something does.
    pub policies: Policies,
    /// How long things may take.
    pub limits: Limits,
    /// Who gives the traffic back when no runner lives, if anybody does.
    pub dead_man: Option<DeadMan>,
    /// Where journals and leases live when not on this machine: `s3://bucket` or `s3://bucket/prefix`.
    pub store: Option<String>,
    /// What the variables were that are filled in, by name; `None` for one that was not set and has a default. With
    /// these the same text is the same spec again. What may be a secret is filled in later, and is not among them.
    pub variables: BTreeMap<String, Option<String>>,
    /// Who else is told how its rollouts go.
    pub notify: Vec<Recipient>,
    /// When its rollouts may go forward; `None` is at any time.
    pub windows: Option<WindowsSpec>,
    /// How long a release that has everything is watched for drift before the old tasks go.
    pub watch_for: Option<Duration>,
}

/// When rollouts may go forward, as clocks show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowsSpec {
    /// The IANA name of the time zone.
    pub time_zone: String,
    /// When they may; none is at any time.
    pub allow: Vec<AllowSpec>,
    /// When they may not.
    pub freeze: Vec<FreezeSpec>,
    /// The change calendars that must be open, by name or ARN.
    pub calendars: Vec<String>,
    /// What becomes of one that is under way.
    pub when_closed: WhenClosed,
}

/// A window on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowSpec {
    /// On which days it begins, Monday first.
    pub days: [bool; 7],
    /// When it begins, in minutes from midnight.
    pub from: u16,
    /// When it ends, the same; on the next day where that is not later.
    pub to: u16,
}

/// A time in which nothing goes forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeSpec {
    /// When it begins.
    pub from: DateTime,
    /// When it is over.
    pub to: DateTime,
    /// Why.
    pub reason: String,
}

/// Who moves the weights, as a person asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum DriverSpec {
    /// tidegate, between two services.
    #[default]
    Pair,
    /// tidegate, between two task sets of one service.
    TaskSets,
    /// ECS's own deployment.
    Ecs {
        /// As [`crate::domain::driver::EcsDeployment::pause`].
        pause: Duration,
    },
    /// CodeDeploy.
    CodeDeploy {
        /// The application; `None` finds the one that deploys the service.
        application: Option<String>,
        /// The deployment group; `None` finds it.
        group: Option<String>,
    },
}

impl DriverSpec {
    /// Which of the four it is.
    pub fn kind(&self) -> DriverKind {
        match self {
            DriverSpec::Pair => DriverKind::Pair,
            DriverSpec::TaskSets => DriverKind::TaskSets,
            DriverSpec::Ecs { .. } => DriverKind::Ecs,
            DriverSpec::CodeDeploy { .. } => DriverKind::CodeDeploy,
        }
    }

    /// Whether AWS moves the weights, in a deployment of its own.
    pub fn is_aws(&self) -> bool {
        self.kind().is_aws()
    }
}

/// What is moved, by name or ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// The region; `None` leaves it to the environment.
    pub region: Option<String>,
    /// The ECS cluster, by name or ARN.
    pub cluster: String,
    /// The listener rule.
    pub rule: RuleSpec,
    /// The first slot.
    pub blue: SlotSpec,
    /// The second slot.
    pub green: SlotSpec,
    /// The ARN of the IAM role that forward writes of the rule are signed as; `None` signs them as all else.
    pub writer_role: Option<String>,
}

/// Which listener rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSpec {
    /// The one with this ARN.
    Arn(String),
    /// The one with this priority on a load balancer's port.
    Place {
        /// The load balancer, by name or ARN.
        load_balancer: String,
        /// The listener's port.
        port: u16,
        /// The rule's priority.
        priority: u32,
    },
}

/// One slot, by name or ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotSpec {
    /// The ECS service.
    pub service: String,
    /// The target group.
    pub target_group: String,
}

/// Where the new task definition comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// A file as `aws ecs describe-task-definition` or `register-task-definition` print it; a
    /// relative path starts at the spec's folder.
    File(PathBuf),
    /// The newest revision of a family, with other images.
    Images {
        /// The family.
        family: String,
        /// New image by container name.
        images: Vec<(String, String)>,
    },
    /// A task definition that is registered already: its ARN, or `family:revision`.
    Registered(String),
}

/// How traffic moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// A list of steps, then everything.
    Canary {
        /// The steps, in order; the last shift is to 100 %.
        steps: Vec<StepSpec>,
        /// How long both slots are kept at full strength, judged, after everything has moved.
        warm: Duration,
    },
    /// Equal steps at equal intervals.
    Linear {
        /// How much each step adds.
        step: Share,
        /// How long each share is held.
        every: Duration,
        /// As in a canary.
        warm: Duration,
    },
    /// As fast as a number of harmed requests allows, judged by the compare gate.
    HarmBudget {
        /// How many harmed requests are acceptable.
        budget: f64,
        /// The most the candidate gets before it is proven no worse.
        ceiling: Share,
        /// How long that may take.
        within: Duration,
        /// What the stable slot keeps, for comparison, once the candidate is proven no worse.
        holdback: Share,
        /// How long it keeps that.
        bake: Duration,
        /// As in a canary.
        warm: Duration,
    },
    /// Everything at once, after the probes.
    BlueGreen {
        /// As in a canary.
        warm: Duration,
    },
}

/// One step of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepSpec {
    /// Give the candidate this share.
    Shift(Share),
    /// Keep it for this long, and judge.
    Hold(Duration),
    /// Wait for a person.
    Approve {
        /// What the person is asked.
        message: Option<String>,
        /// How long to wait; then the rollout goes back.
        within: Duration,
    },
}

/// What happens when something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policies {
    /// When a gate fails.
    pub on_breach: OnTrouble,
    /// When the runner is told to stop.
    pub on_interrupt: OnTrouble,
    /// When somebody else writes the rule, or deploys to a slot.
    pub on_foreign_write: OnTrouble,
}

/// Go back, or stay and wait for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTrouble {
    /// Traffic goes back to the stable slot. The spec calls it `rollback`, or `abort` for a foreign write.
    Rollback,
    /// The weights stay as they are until a person says what to do.
    Hold,
}

impl Default for Policies {
    fn default() -> Self {
        let back = OnTrouble::Rollback;
        Self { on_breach: back, on_interrupt: back, on_foreign_write: back }
    }
}

/// How long things may take; a limit that runs out sends the rollout back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until the candidate's tasks are all healthy.
    pub prepare: Duration,
    /// Until a new weight is accepted and read back.
    pub shift: Duration,
    /// How much longer than asked a hold may last while gates are inconclusive.
    pub verdict: Duration,
    /// How long a person may keep the rollout paused.
    pub pause: Duration,
    /// How long the world may be unreadable while the rollout goes forward.
    pub blind: Duration,
    /// Until a slot that lost its traffic has provably no requests left.
    pub drain: Duration,
    /// How long the way back is tried before a person is called.
    pub retreat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            prepare: minutes(15),
            shift: minutes(5),
            verdict: minutes(15),
            pause: minutes(24 * 60),
            blind: minutes(3),
            drain: minutes(30),
            retreat: minutes(30),
        }
    }
}
