//! Who moves the weights, and what AWS's own deployments say of themselves.
//!
//! With the first two drivers tidegate writes the listener rule. With the other two AWS does, in a deployment of its
//! own that tidegate starts, judges, tells to go on, and stops.

mod capability;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use capability::{Capability, DriverKind, Grain, Probes, Shares, Unattended, Waits};
pub use table::{by_row, differences, gist};

use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;

/// Who moves the weights of a rollout, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Driver {
    /// tidegate, between two services.
    #[default]
    Pair,
    /// tidegate, between two task sets of one service whose deployment controller is `EXTERNAL`.
    TaskSets,
    /// ECS, in a service deployment of its own; tidegate answers its pauses.
    Ecs(EcsDeployment),
    /// CodeDeploy; tidegate answers its waits.
    CodeDeploy(CodeDeployment),
}

/// What ECS is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsDeployment {
    /// How the production weights move.
    pub timetable: Timetable,
    /// How long a pause waits for tidegate's answer; then ECS goes back by itself. Whole minutes, 1 to 20160.
    pub pause: Duration,
}

/// What CodeDeploy is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeDeployment {
    /// The application's name.
    pub application: String,
    /// The deployment group's name.
    pub group: String,
    /// How the production weights move.
    pub timetable: Timetable,
}

/// How AWS moves the weights once it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timetable {
    /// Everything at once.
    AllAtOnce,
    /// A first share, and everything after a while.
    Canary {
        /// The first share.
        first: Share,
        /// How long it is kept; whole minutes.
        every: Duration,
    },
    /// Equal steps at equal intervals.
    Linear {
        /// How much each step adds.
        step: Share,
        /// How long each share is kept; whole minutes.
        every: Duration,
    },
}

impl Driver {
    /// Which of the four it is.
    pub fn kind(&self) -> DriverKind {
        match self {
            Driver::Pair => DriverKind::Pair,
            Driver::TaskSets => DriverKind::TaskSets,
            Driver::Ecs(_) => DriverKind::Ecs,
            Driver::CodeDeploy(_) => DriverKind::CodeDeploy,
        }
    }

    /// Whether AWS moves the weights, in a deployment of its own.
    pub fn is_aws(&self) -> bool {
        self.kind().is_aws()
    }

    /// What AWS calls who moves the weights.
    pub fn mover(&self) -> &'static str {
        self.kind().mover()
    }
}

/// A deployment of AWS's own, as one look saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its ARN or id.
    pub id: String,
    /// What it is doing.
    pub state: DeploymentState,
    /// Where it is, in AWS's words: `BAKE_TIME`, `AllowTraffic`.
    pub stage: String,
    /// The id of a lifecycle hook of the service's own that it waits at, for somebody else.
    pub held_by: Option<String>,
}

/// What a deployment of AWS's own is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// It is at work.
    Moving,
    /// It waits to be told to go on.
    Waiting {
        /// When it stops waiting, and goes back by itself.
        until: Option<Timestamp>,
    },
    /// It is over, and the candidate serves: what served before is gone.
    Done,
    /// It goes back, has gone back, or was ended.
    Failed {
        /// Why, in AWS's words.
        why: String,
    },
}

/// What CodeDeploy's deployment group says, which a deployment cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeDeployView {
    /// The application's name.
    pub application: String,
    /// The deployment group's name.
    pub group: String,
    /// How long a deployment waits to be told to give the candidate traffic; `None` when it does not wait.
    pub ready_wait: Option<Duration>,
    /// How long the old tasks are kept after all traffic has moved.
    pub termination_wait: Duration,
    /// The listeners of its test traffic, by ARN.
    pub test_listeners: Vec<String>,
    /// Alarms at which CodeDeploy itself goes back.
    pub alarms: Vec<String>,
    /// Whether CodeDeploy has the AppSpec of the group's last deployment, whose hooks the next one keeps, or there is
    /// none yet. An AppSpec in S3 or a repository is not read.
    pub keeps_app_spec: bool,
}

/// A deployment of AWS's own that is under way before the rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Its ARN or id.
    pub id: String,
    /// The task definition that it deploys, as an ARN.
    pub task_definition: String,
    /// Where it is, in AWS's words.
    pub stage: String,
}
