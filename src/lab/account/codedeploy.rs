//! What CodeDeploy keeps: applications, deployment groups and configurations, and deployments on their way.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::routing::{Config, MINUTE_MS, Routing, predefined};
use crate::codedeploy::Revision;
use crate::names::hex_id;
use crate::value::{flag, list, text, texts, whole};

/// Everything CodeDeploy keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct CodeDeploy {
    /// Applications.
    pub applications: Vec<Application>,
    /// Deployment groups of all applications.
    pub groups: Vec<Group>,
    /// Deployment configurations that were made, beside those that CodeDeploy brings.
    pub configs: Vec<Config>,
    /// Deployments, the newest last.
    pub deployments: Vec<Deployment>,
}

/// An application.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: u64,
}

/// A deployment group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Its id.
    pub id: String,
    /// The name of its application.
    pub application: String,
    /// Its name.
    pub name: String,
    /// What it was made of, as the API tells it.
    pub body: Map<String, Value>,
    /// The service it deploys.
    pub target: Target,
    /// The target groups and listeners it shifts traffic with.
    pub pair: Pair,
}

/// The ECS service that is deployed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// The name of its cluster.
    pub cluster: String,
    /// Its name.
    pub service: String,
    /// Its ARN.
    pub arn: String,
}

impl Group {
    /// A group that is made of nothing yet.
    pub(crate) fn named(application: &str, name: &str, id: &str) -> Group {
        Group {
            id: id.to_owned(),
            application: application.to_owned(),
            name: name.to_owned(),
            body: Map::new(),
            target: Target::default(),
            pair: Pair::default(),
        }
    }
}

impl Target {
    /// The id of the deployment target: `<clustername>:<servicename>`.
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", self.cluster, self.service)
    }
}

/// Two target groups, and the listeners that lead to them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pair {
    /// The ARNs of the target groups.
    pub groups: [String; 2],
    /// The ARN of the production listener.
    pub production: String,
    /// The ARN of the test listener.
    pub test: Option<String>,
}

/// The lifecycle events of a deployment to ECS, in order.
pub(crate) const EVENTS: [&str; 8] = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
];

/// How far a lifecycle event is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Event {
    /// `Pending`, `InProgress`, `Succeeded`, `Failed` or `Skipped`; none is `Pending`.
    pub status: Option<&'static str>,
    /// When it began.
    pub started_at: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
}

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Not begun.
    Created,
    /// On its way.
    InProgress,
    /// Waits until somebody lets it shift traffic.
    Ready,
    /// Over, and the replacement serves.
    Succeeded,
    /// Over by itself.
    Failed,
    /// Over because of an alarm, a time-out or a person.
    Stopped,
}

impl Status {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Created => "Created",
            Status::InProgress => "InProgress",
            Status::Ready => "Ready",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
        }
    }

    /// Whether nothing more happens.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Stopped)
    }
}

/// Where a deployment is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not begun.
    Created,
    /// The replacement task set comes up.
    Installing,
    /// Waits for leave to shift, until a moment.
    Ready {
        /// When it gives up.
        until: u64,
    },
    /// Production traffic is shifted.
    Shifting {
        /// When that began.
        since: u64,
    },
    /// The original task set is kept, until a moment.
    Terminating {
        /// When it is deleted.
        until: u64,
    },
    /// A rollback says that it is done at a moment.
    RollingBack {
        /// When it says so.
        until: u64,
    },
}

/// A deployment.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    /// Its id, `d-XXXXXXXXX`.
    pub id: String,
    /// The name of its application.
    pub application: String,
    /// The name of its group.
    pub group: String,
    /// `user` or `codeDeployRollback`.
    pub creator: &'static str,
    /// What somebody said about it.
    pub description: Option<String>,
    /// The name of its configuration.
    pub config: String,
    /// How it shifts traffic.
    pub routing: Routing,
    /// What it installs.
    pub revision: Revision,
    /// Where.
    pub target: Target,
    /// Behind what.
    pub pair: Pair,
    /// What it took over from its group, as the API tells it.
    pub body: Map<String, Value>,
    /// What is to be done when.
    pub rules: Rules,
    /// How it is.
    pub status: Status,
    /// Where it is.
    pub stage: Stage,
    /// How far each of [`EVENTS`] is.
    pub events: [Event; 8],
    /// The id of the original task set.
    pub blue: Option<String>,
    /// The id of the replacement task set.
    pub green: Option<String>,
    /// The percentage of production traffic that the replacement was given.
    pub percent: u32,
    /// Why it did not succeed.
    pub error: Option<(&'static str, String)>,
    /// What it has to do with a rollback.
    pub rollback: Option<Rollback>,
    /// Whether somebody let it go on.
    pub is_let_on: bool,
    /// Whether somebody stopped it, and then whether it is to roll back.
    pub stop: Option<bool>,
    /// When it was created.
    pub created_at: u64,
    /// When it began.
    pub started_at: Option<u64>,
    /// When it was over.
    pub completed_at: Option<u64>,
    /// When it last changed.
    pub updated_at: u64,
}

/// What a deployment has to do with a rollback.
#[derive(Debug, Clone)]
pub(crate) struct Rollback {
    /// `rollbackDeploymentId`, or `rollbackTriggeringDeploymentId` for the rollback itself.
    pub other: String,
    /// Whether this is the rollback itself.
    pub is_it: bool,
    /// A sentence.
    pub message: String,
}

/// What a deployment does when, read from its group and its own overrides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// How long it waits for leave to shift; none does not wait.
    pub ready_wait_ms: Option<u64>,
    /// How long the original task set is kept.
    pub termination_wait_ms: u64,
    /// Names of the alarms that stop it.
    pub alarms: Vec<String>,
    /// Whether a failure rolls back.
    pub on_failure: bool,
    /// Whether an alarm does.
    pub on_alarm: bool,
    /// Whether a person who stops it does.
    pub on_request: bool,
}

impl Rules {
    /// Reads the rules of a deployment.
    pub(crate) fn read(body: &Map<String, Value>) -> Rules {
        let body = Value::Object(body.clone());
        let part = |path: &str| body.pointer(path).cloned().unwrap_or_default();
        let minutes = |of: &Value, key: &str| whole(of, key).unwrap_or(0).max(0) as u64 * MINUTE_MS;
        let ready = part("/blueGreenDeploymentConfiguration/deploymentReadyOption");
        let end = part("/blueGreenDeploymentConfiguration/terminateBlueInstancesOnDeploymentSuccess");
        let (alarms, rollback) = (alarms_of(&body), part("/autoRollbackConfiguration"));
        let events = texts(&rollback, "events");
        let is_on = |event: &str| flag(&rollback, "enabled").unwrap_or(false) && events.contains(&event);
        Rules {
            ready_wait_ms: (text(&ready, "actionOnTimeout") == Some("STOP_DEPLOYMENT"))
                .then(|| minutes(&ready, "waitTimeInMinutes")),
            termination_wait_ms: minutes(&end, "terminationWaitTimeInMinutes"),
            alarms,
            on_failure: is_on("DEPLOYMENT_FAILURE"),
            on_alarm: is_on("DEPLOYMENT_STOP_ON_ALARM"),
            on_request: is_on("DEPLOYMENT_STOP_ON_REQUEST"),
        }
    }
}

/// The alarms that stop a deployment: its own, where it overrides those of its group.
fn alarms_of(body: &Value) -> Vec<String> {
    let own = body.get("overrideAlarmConfiguration").filter(|own| !own.is_null());
    let Some(alarms) = own.or(body.get("alarmConfiguration")) else { return Vec::new() };
    if !flag(alarms, "enabled").unwrap_or(false) {
        return Vec::new();
    }
    list(alarms, "alarms").iter().filter_map(|alarm| text(alarm, "name")).map(str::to_owned).collect()
}

impl CodeDeploy {
    /// Finds an application by name.
    pub(crate) fn application(&self, name: &str) -> Option<&Application> {
        self.applications.iter().find(|one| one.name == name)
    }

    /// Finds a deployment group of an application by name.
    pub(crate) fn group(&self, application: &str, name: &str) -> Option<&Group> {
        self.groups.iter().find(|one| one.application == application && one.name == name)
    }

    /// Finds a deployment by id.
    pub(crate) fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|one| one.id == id)
    }

    /// All configurations: those that CodeDeploy brings, and those that were made.
    pub(crate) fn all_configs(&self) -> Vec<Config> {
        predefined().into_iter().chain(self.configs.iter().cloned()).collect()
    }

    /// The deployments of a group, the newest first.
    pub(crate) fn deployments_of<'a>(
        &'a self,
        application: &'a str,
        group: &'a str,
    ) -> impl Iterator<Item = &'a Deployment> {
        self.deployments.iter().rev().filter(move |one| one.application == application && one.group == group)
    }
}

impl Deployment {
    /// A deployment that has not begun.
    pub(crate) fn new(group: &Group, config: &Config, revision: Revision, number: u64, now: u64) -> Deployment {
        Deployment {
            id: deployment_id(&format!("{} {number}", group.id)),
            application: group.application.clone(),
            group: group.name.clone(),
            creator: "user",
            description: None,
            config: config.name.clone(),
            routing: config.routing,
            revision,
            target: group.target.clone(),
            pair: group.pair.clone(),
            rules: Rules::read(&group.body),
            body: group.body.clone(),
            status: Status::Created,
            stage: Stage::Created,
            events: [Event::default(); 8],
            blue: None,
            green: None,
            percent: 0,
            error: None,
            rollback: None,
            is_let_on: false,
            stop: None,
            created_at: now,
            started_at: None,
            completed_at: None,
            updated_at: now,
        }
    }
}

/// The id of a deployment, made of what it stands for.
pub(crate) fn deployment_id(of: &str) -> String {
    let mut id = "d-".to_owned();
    let number = u64::from_str_radix(&hex_id(of, 15), 16).unwrap_or_default();
    for place in 0..9 {
        let digit = char::from_digit((number / 36_u64.pow(place) % 36) as u32, 36).unwrap_or('0');
        let _ = write!(id, "{}", digit.to_ascii_uppercase());
    }
    id
}
