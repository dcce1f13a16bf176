//! What each driver can do: the one table that the checks of a spec, the compiler and the documentation's table go by.

use std::fmt;
use std::time::Duration;

use crate::domain::traffic::Share;

/// The four drivers by their words in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriverKind {
    /// `pair`.
    Pair,
    /// `task_sets`.
    TaskSets,
    /// `ecs`.
    Ecs,
    /// `codedeploy`.
    CodeDeploy,
}

/// What one driver can do, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a row of the table, true or false of a driver")]
pub struct Capability {
    /// Whether one service fills both slots.
    pub one_service: bool,
    /// The deployment controller of the service, as ECS calls it.
    pub controller: &'static str,
    /// The deployment strategies that the service may have; empty where the controller has none.
    pub strategies: &'static [&'static str],
    /// Which lists of shares it can follow.
    pub shares: Shares,
    /// Whether holds of one rollout may differ.
    pub uneven_holds: bool,
    /// Whether a compare gate may choose every share anew.
    pub harm_budget: bool,
    /// How long the weights wait for tidegate.
    pub waits: Waits,
    /// Whether the candidate can be probed before it has traffic.
    pub probes: Probes,
    /// Whether stickiness is turned off on the way back, so that clients come back at once.
    pub unsticks: bool,
    /// Who gives the traffic back when no runner lives.
    pub unattended: Unattended,
    /// Whether forward writes of the rule can be signed as a role of their own.
    pub writer_role: bool,
    /// Whether the rule may forward to further target groups with weight.
    pub other_groups: bool,
    /// Whether scale-in is held meanwhile.
    pub holds_scaling: bool,
    /// Whether a deployment that is under way can be adopted.
    pub adopts: bool,
}

/// Which lists of shares a driver can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// Any, in tenths of a percent.
    Any,
    /// One share and then everything, or equal steps.
    Timetables {
        /// What the one share may be.
        canary: Grain,
        /// What the equal step may be.
        linear: Grain,
        /// The most time that AWS keeps a share by itself.
        every: Duration,
        /// The most time from the first share until everything has moved.
        within: Duration,
    },
}

/// Which shares AWS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grain {
    /// The least.
    pub least: Share,
    /// What it must be a multiple of.
    pub of: Share,
}

/// How long the weights wait for tidegate at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// As long as the spec's limits say.
    Limits,
    /// Until the time-out of ECS's pause.
    Pause,
    /// Not at all: the next share comes on time, unless the deployment is stopped before.
    Never,
}

/// When the candidate can be probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// Before any traffic, for as long as the probe's limit says.
    Always,
    /// Within the first pause.
    InPause,
    /// Within the wait of the deployment group before it reroutes traffic.
    InReadyWait,
}

/// Who gives the traffic back when no runner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unattended {
    /// The dead-man's switch, where the spec has one.
    Switch,
    /// ECS, when its pause times out.
    Pause,
    /// CodeDeploy, by alarms of the deployment group alone; else it goes on.
    Alarms,
}

const fn permille(permille: u16) -> Share {
    match Share::from_permille(permille) {
        Some(share) => share,
        None => Share::ALL,
    }
}

/// tidegate writes the rule: whatever a rule can say can be done.
const PAIR: Capability = Capability {
    one_service: false,
    controller: "ECS",
    strategies: &["ROLLING"],
    shares: Shares::Any,
    uneven_holds: true,
    harm_budget: true,
    waits: Waits::Limits,
    probes: Probes::Always,
    unsticks: true,
    unattended: Unattended::Switch,
    writer_role: true,
    other_groups: true,
    holds_scaling: true,
    adopts: false,
};

const TASK_SETS: Capability = Capability { one_service: true, controller: "EXTERNAL", strategies: &[], ..PAIR };

/// `CanaryConfiguration` and `LinearConfiguration` of the ECS API: tenths of a percent from 0.1 and from 3.0.
const ECS: Capability = Capability {
    one_service: true,
    controller: "ECS",
    strategies: &["BLUE_GREEN", "LINEAR", "CANARY"],
    shares: Shares::Timetables {
        canary: Grain { least: permille(1), of: permille(1) },
        linear: Grain { least: permille(30), of: permille(1) },
        every: Duration::from_secs(24 * 3600),
        within: Duration::MAX,
    },
    // A pause comes before every shift: it makes up for what a hold is longer than the shortest.
    uneven_holds: true,
    harm_budget: false,
    waits: Waits::Pause,
    probes: Probes::InPause,
    unsticks: false,
    unattended: Unattended::Pause,
    writer_role: false,
    other_groups: false,
    holds_scaling: true,
    adopts: true,
};

/// `TimeBasedCanary` and `TimeBasedLinear` of the CodeDeploy API: whole percents; five days to move the traffic by the
/// user guide's limits.
const CODE_DEPLOY: Capability = Capability {
    controller: "CODE_DEPLOY",
    strategies: &[],
    shares: Shares::Timetables {
        canary: Grain { least: permille(10), of: permille(10) },
        linear: Grain { least: permille(10), of: permille(10) },
        every: Duration::from_secs(120 * 3600),
        within: Duration::from_secs(120 * 3600),
    },
    uneven_holds: false,
    waits: Waits::Never,
    probes: Probes::InReadyWait,
    unattended: Unattended::Alarms,
    ..ECS
};

impl DriverKind {
    /// All of them, in the table's order.
    pub const ALL: [Self; 4] = [Self::Pair, Self::TaskSets, Self::Ecs, Self::CodeDeploy];

    /// Its word in a spec.
    pub fn word(self) -> &'static str {
        match self {
            DriverKind::Pair => "pair",
            DriverKind::TaskSets => "task_sets",
            DriverKind::Ecs => "ecs",
            DriverKind::CodeDeploy => "codedeploy",
        }
    }

    /// What it can do.
    pub fn can(self) -> &'static Capability {
        match self {
            DriverKind::Pair => &PAIR,
            DriverKind::TaskSets => &TASK_SETS,
            DriverKind::Ecs => &ECS,
            DriverKind::CodeDeploy => &CODE_DEPLOY,
        }
    }

    /// What AWS calls who moves the weights.
    pub fn mover(self) -> &'static str {
        match self {
            DriverKind::Pair | DriverKind::TaskSets => "tidegate",
            DriverKind::Ecs => "ECS",
            DriverKind::CodeDeploy => "CodeDeploy",
        }
    }

    /// Whether AWS moves the weights, in a deployment of its own.
    pub fn is_aws(self) -> bool {
        self.can().waits != Waits::Limits
    }

    /// The driver for a service with this deployment controller and strategy.
    pub fn of_service(controller: &str, strategy: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.can().takes(controller, strategy))
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Capability {
    /// Whether it works with a service that has this deployment controller and strategy.
    pub fn takes(&self, controller: &str, strategy: &str) -> bool {
        self.controller == controller && (self.strategies.is_empty() || self.strategies.contains(&strategy))
    }
}

impl Grain {
    /// The greatest that is less than everything.
    pub fn most(self) -> Share {
        self.of.rest()
    }

    /// Whether AWS takes `share`.
    pub fn takes(self, share: Share) -> bool {
        share >= self.least && share <= self.most() && share.permille().is_multiple_of(self.of.permille())
    }

    /// The share that AWS takes and that is nearest to `share`; of two the greater.
    pub fn nearest(self, share: Share) -> Share {
        let of = self.of.permille();
        let rounded = (share.permille() + of / 2) / of * of;
        permille(rounded.clamp(self.least.permille(), self.most().permille()))
    }
}
