//! What ECS keeps: clusters, services with their deployments, task definitions, tasks.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::{Attachment, Controller, TaskSet};
use crate::behaviour::Behaviour;

/// A cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
}

/// A service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The ARN of its cluster.
    pub cluster: String,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: ServiceStatus,
    /// Who deploys it.
    pub controller: Controller,
    /// Tasks wanted.
    pub desired: u32,
    /// The ARN of the task definition of the primary deployment or task set; empty while there is none.
    pub definition: String,
    /// The target groups its tasks register with.
    pub attachments: Vec<Attachment>,
    /// Seconds after a start in which failed load balancer checks are forgiven.
    pub grace_seconds: u64,
    /// How many tasks may exist during a deployment.
    pub limits: DeploymentLimits,
    /// Deployments, the primary one first; none when ECS does not deploy it.
    pub deployments: Vec<Deployment>,
    /// The last of them that completed: its id and the ARN of its task definition. A failed one goes back to it, long
    /// after its tasks are gone.
    pub completed: Option<(String, String)>,
    /// Task sets, in the order they were made; none when ECS deploys it.
    pub sets: Vec<TaskSet>,
    /// The id of the task set that was made primary.
    pub primary_set: Option<String>,
    /// Events, newest first.
    pub events: VecDeque<Event>,
    /// When it was created, in milliseconds.
    pub created_at: u64,
    /// Whether the last event about it was a steady state.
    pub is_steady: bool,
    /// What was given at creation and is only handed back.
    pub extra: Map<String, Value>,
}

/// The state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceStatus {
    /// Kept at its desired count.
    Active,
    /// Deleted; its tasks are going.
    Draining,
    /// Deleted, and its tasks are gone.
    Inactive,
}

impl ServiceStatus {
    /// The word in answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ServiceStatus::Active => "ACTIVE",
            ServiceStatus::Draining => "DRAINING",
            ServiceStatus::Inactive => "INACTIVE",
        }
    }
}

/// How a deployment may go.
#[derive(Debug, Clone)]
pub(crate) struct DeploymentLimits {
    /// Percent of the desired count that may exist at once.
    pub maximum_percent: u32,
    /// Percent of the desired count that stays healthy.
    pub minimum_healthy_percent: u32,
    /// As it was given.
    pub raw: Map<String, Value>,
}

impl Default for DeploymentLimits {
    fn default() -> DeploymentLimits {
        DeploymentLimits { maximum_percent: 200, minimum_healthy_percent: 100, raw: Map::new() }
    }
}

/// One deployment of a service.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    /// Its id, `ecs-svc/…`.
    pub id: String,
    /// The ARN of its task definition.
    pub definition: String,
    /// The target groups its tasks register with, where they are not simply the service's.
    pub places: Option<Vec<Attachment>>,
    /// IN_PROGRESS, COMPLETED or FAILED.
    pub rollout: Rollout,
    /// Why the rollout is where it is.
    pub rollout_reason: String,
    /// Tasks that failed.
    pub failed_tasks: u32,
    /// Failures since a task was last well; they decide the pause before the next start.
    pub failures_in_a_row: u32,
    /// No task starts before this moment.
    pub next_launch_at: u64,
    /// Since when it has had all that it needs, while the service's alarms are watched for some time more.
    pub bakes_since: Option<u64>,
    /// When it was created.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    /// Not all tasks are there and well.
    InProgress,
    /// All tasks are there and well, and no earlier task is left.
    Completed,
    /// Given up by the circuit breaker, or at an alarm.
    Failed,
}

impl Rollout {
    /// The word in answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Rollout::InProgress => "IN_PROGRESS",
            Rollout::Completed => "COMPLETED",
            Rollout::Failed => "FAILED",
        }
    }
}

/// A service event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Its id.
    pub id: String,
    /// When it happened.
    pub at: u64,
    /// What happened.
    pub message: String,
}

/// Events kept for each service, as many as ECS shows.
pub(crate) const EVENTS_LIMIT: usize = 100;

impl Service {
    /// Notes an event.
    pub(crate) fn tell(&mut self, at: u64, message: String) {
        let id = super::uuid(&format!("{} {at} {} {message}", self.arn, self.events.len()));
        self.events.push_front(Event { id, at, message });
        self.events.truncate(EVENTS_LIMIT);
    }

    /// Starts a new primary deployment; earlier ones become ACTIVE and drain.
    pub(crate) fn deploy(&mut self, definition: &str, now: u64, number: u64) {
        let digits: String = super::hex_id(&format!("{} {number}", self.arn), 16)
            .chars()
            .map(|c| char::from(b'0' + (c as u8) % 10))
            .collect();
        let deployment = Deployment {
            id: format!("ecs-svc/9{digits}"),
            definition: definition.to_owned(),
            places: None,
            rollout: Rollout::InProgress,
            rollout_reason: String::new(),
            failed_tasks: 0,
            failures_in_a_row: 0,
            next_launch_at: 0,
            bakes_since: None,
            created_at: now,
            updated_at: now,
        };
        definition.clone_into(&mut self.definition);
        self.is_steady = false;
        self.deployments.insert(0, deployment);
    }
}

/// A revision of a task definition.
#[derive(Debug, Clone)]
pub(crate) struct TaskDefinition {
    /// Its ARN.
    pub arn: String,
    /// Its family.
    pub family: String,
    /// Its revision in the family.
    pub revision: u32,
    /// Whether it can be deployed.
    pub is_active: bool,
    /// As it was registered, completed with the defaults ECS fills in.
    pub body: Map<String, Value>,
    /// How its tasks behave.
    pub behaviour: Behaviour,
    /// When it was registered.
    pub registered_at: u64,
    /// When it was deregistered.
    pub deregistered_at: Option<u64>,
}

impl TaskDefinition {
    /// Names and images of its containers.
    pub(crate) fn containers(&self) -> Vec<(String, String)> {
        let text =
            |container: &Value, key: &str| container.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let containers = self.body.get("containerDefinitions").and_then(Value::as_array);
        let named = |container| (text(container, "name"), text(container, "image"));
        containers.map(|list| list.iter().map(named).collect()).unwrap_or_default()
    }

    /// Whether a container declares a health check of its own.
    pub(crate) fn has_health_check(&self) -> bool {
        let containers = self.body.get("containerDefinitions").and_then(Value::as_array);
        containers.is_some_and(|list| list.iter().any(|one| one.get("healthCheck").is_some()))
    }
}

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Its id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The ARN of its cluster.
    pub cluster: String,
    /// The ARN of its service.
    pub service: String,
    /// The id of its deployment.
    pub deployment: String,
    /// The ARN of its task definition.
    pub definition: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// When the phase ends by itself.
    pub phase_until: u64,
    /// Whether it is to run.
    pub is_wanted: bool,
    /// Its private address, as the API tells it.
    pub address: String,
    /// Where it really listens.
    pub loopback: Option<SocketAddr>,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// Moments of its life.
    pub times: TaskTimes,
    /// Why and how it stopped.
    pub stop: Option<StopCause>,
}

/// Moments in the life of a task.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskTimes {
    /// When it was created.
    pub created: u64,
    /// When its containers ran.
    pub started: Option<u64>,
    /// When it was told to stop.
    pub stopping: Option<u64>,
    /// When it was gone.
    pub stopped: Option<u64>,
}

/// Why a task stopped.
#[derive(Debug, Clone)]
pub(crate) struct StopCause {
    /// `EssentialContainerExited`, `ServiceSchedulerInitiated`, `UserInitiated`.
    pub code: &'static str,
    /// The sentence in `stoppedReason`.
    pub reason: String,
    /// The exit code of the container.
    pub exit_code: i32,
}

/// Where a task is in its life, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Network and capacity are found.
    Provisioning,
    /// The image is pulled.
    Pending,
    /// The containers run.
    Running,
    /// Leaving its target groups.
    Deactivating,
    /// The containers were told to stop.
    Stopping,
    /// Network and capacity are given back.
    Deprovisioning,
    /// Gone.
    Stopped,
}

impl Phase {
    /// The word in answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Phase::Provisioning => "PROVISIONING",
            Phase::Pending => "PENDING",
            Phase::Running => "RUNNING",
            Phase::Deactivating => "DEACTIVATING",
            Phase::Stopping => "STOPPING",
            Phase::Deprovisioning => "DEPROVISIONING",
            Phase::Stopped => "STOPPED",
        }
    }
}
