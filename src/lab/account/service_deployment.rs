//! What ECS keeps of its own deployments: service revisions, service deployments, and where each of them stands.

use super::{Account, Attachment, Deployment, Names, Phase, Service, Settings, Stage, hex_id, last};
use crate::value::Members;

/// A service with what it runs on, as it was when a deployment of it began.
#[derive(Debug, Clone)]
pub(crate) struct ServiceRevision {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its service.
    pub service: String,
    /// The ARN of its cluster.
    pub cluster: String,
    /// The id of the deployment whose tasks are of this revision.
    pub deployment: String,
    /// The ARN of its task definition.
    pub definition: String,
    /// The load balancers of the service, as they were given.
    pub given: Vec<Attachment>,
    /// The target groups its tasks register with.
    pub places: Vec<Attachment>,
    /// What the service was created with and only hands back.
    pub extra: Members,
    /// When it was created.
    pub created_at: u64,
}

/// A deployment of a service from some revisions to another one.
#[derive(Debug, Clone)]
pub(crate) struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its service.
    pub service: String,
    /// The ARN of its cluster.
    pub cluster: String,
    /// The revisions that ran when it began; the first is the one to go back to.
    pub sources: Vec<RevisionSummary>,
    /// The revision it brings.
    pub target: RevisionSummary,
    /// How it goes.
    pub settings: Settings,
    /// The same, as it was given.
    pub configuration: Members,
    /// How far it is, or how it ended.
    pub status: DeploymentStatus,
    /// Why it is there.
    pub reason: Option<String>,
    /// The stage it is in, or was in last.
    pub stage: Option<Stage>,
    /// Since when.
    pub stage_since: u64,
    /// How many shifts of production traffic it has made.
    pub shifts: usize,
    /// The pause hooks of the stage.
    pub hooks: Vec<HookRun>,
    /// What is done about a failure, once there is one.
    pub rollback: Option<Rollback>,
    /// Whether the alarms can end it: those that were in ALARM when it began make it ignore them all.
    pub heeds_alarms: bool,
    /// The alarms that ended it.
    pub triggered: Vec<String>,
    /// Failed tasks that ended it.
    pub is_broken: bool,
    /// When it was created.
    pub created_at: u64,
    /// When it started.
    pub started_at: Option<u64>,
    /// When it ended.
    pub finished_at: Option<u64>,
    /// When it was stopped.
    pub stopped_at: Option<u64>,
    /// When it last changed.
    pub updated_at: u64,
}

/// A revision in a deployment.
#[derive(Debug, Clone, Default)]
pub(crate) struct RevisionSummary {
    /// Its ARN.
    pub revision: String,
    /// The id of the deployment whose tasks are of this revision.
    pub deployment: String,
    /// Its share of production traffic as ECS set it, in tenths of a percent.
    pub production: u32,
    /// Its share of test traffic.
    pub test: u32,
    /// Tasks wanted, running and pending, noted when the deployment ended.
    pub tasks: (usize, usize, usize),
}

/// Why and since when a deployment goes back.
#[derive(Debug, Clone)]
pub(crate) struct Rollback {
    /// Why.
    pub reason: String,
    /// Since when.
    pub started_at: u64,
    /// The ARN of the revision it goes back to.
    pub revision: String,
}

/// A pause hook at a stage.
#[derive(Debug, Clone)]
pub(crate) struct HookRun {
    /// Its id, by which it is continued.
    pub id: String,
    /// How it stands.
    pub status: HookStatus,
    /// When it times out.
    pub expires_at: u64,
    /// Whether the deployment then goes on; else it goes back.
    pub goes_on: bool,
}

/// How a pause hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookStatus {
    /// It holds the deployment.
    AwaitingAction,
    /// It was continued.
    Succeeded,
    /// It was answered with ROLLBACK, or the deployment went back for another reason.
    Failed,
    /// Nobody answered.
    TimedOut,
}

impl HookStatus {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            HookStatus::AwaitingAction => "AWAITING_ACTION",
            HookStatus::Succeeded => "SUCCEEDED",
            HookStatus::Failed => "FAILED",
            HookStatus::TimedOut => "TIMED_OUT",
        }
    }
}

/// How far a deployment is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeploymentStatus {
    /// Created, and not started.
    Pending,
    /// On its way forward.
    InProgress,
    /// All traffic is on the new revision, and the earlier ones are gone.
    Successful,
    /// To be stopped where it is.
    StopRequested,
    /// Stopped where it was.
    Stopped,
    /// To go back.
    RollbackRequested,
    /// On its way back.
    RollbackInProgress,
    /// All traffic is on the revision before, and the new one is gone.
    RollbackSuccessful,
    /// It could not go back.
    RollbackFailed,
}

impl DeploymentStatus {
    /// Every one of them.
    pub(crate) const ALL: [DeploymentStatus; 9] = [
        DeploymentStatus::Pending,
        DeploymentStatus::InProgress,
        DeploymentStatus::Successful,
        DeploymentStatus::StopRequested,
        DeploymentStatus::Stopped,
        DeploymentStatus::RollbackRequested,
        DeploymentStatus::RollbackInProgress,
        DeploymentStatus::RollbackSuccessful,
        DeploymentStatus::RollbackFailed,
    ];

    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            DeploymentStatus::Pending => "PENDING",
            DeploymentStatus::InProgress => "IN_PROGRESS",
            DeploymentStatus::Successful => "SUCCESSFUL",
            DeploymentStatus::StopRequested => "STOP_REQUESTED",
            DeploymentStatus::Stopped => "STOPPED",
            DeploymentStatus::RollbackRequested => "ROLLBACK_REQUESTED",
            DeploymentStatus::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            DeploymentStatus::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            DeploymentStatus::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// Whether it is over (`View service history using Amazon ECS service deployments` in the developer guide).
    pub(crate) fn is_over(self) -> bool {
        use DeploymentStatus::{RollbackFailed, RollbackSuccessful, Stopped, Successful};
        matches!(self, Successful | Stopped | RollbackSuccessful | RollbackFailed)
    }
}

impl ServiceDeployment {
    /// A PENDING deployment from some revisions to another one.
    pub(crate) fn new(
        names: &Names,
        service: &Service,
        (sources, target): (Vec<RevisionSummary>, RevisionSummary),
        settings: Settings,
        now: u64,
    ) -> ServiceDeployment {
        let path = format!("{}/{}", last(&service.cluster), service.name);
        let id = hex_id(&format!("{} {} service deployment", service.arn, target.deployment), 21);
        ServiceDeployment {
            arn: names.ecs(&format!("service-deployment/{path}/{id}")),
            service: service.arn.clone(),
            cluster: service.cluster.clone(),
            sources,
            target,
            settings,
            configuration: service.limits.raw.clone(),
            status: DeploymentStatus::Pending,
            reason: None,
            stage: None,
            stage_since: now,
            shifts: 0,
            hooks: Vec::new(),
            rollback: None,
            heeds_alarms: false,
            triggered: Vec::new(),
            is_broken: false,
            created_at: now,
            started_at: None,
            finished_at: None,
            stopped_at: None,
            updated_at: now,
        }
    }

    /// Whether a pause hook holds it.
    pub(crate) fn is_paused(&self) -> bool {
        self.hooks.iter().any(|hook| hook.status == HookStatus::AwaitingAction)
    }

    /// Turns it back or stops it, whichever it is to do when it fails; a turn back needs where to.
    pub(crate) fn fail(&mut self, reason: String, rolls_back: bool, now: u64) {
        for hook in self.hooks.iter_mut().filter(|hook| hook.status == HookStatus::AwaitingAction) {
            hook.status = HookStatus::Failed;
        }
        self.updated_at = now;
        self.reason = Some(reason.clone());
        match self.sources.first() {
            Some(before) if rolls_back => {
                self.status = DeploymentStatus::RollbackRequested;
                self.rollback = Some(Rollback { reason, started_at: now, revision: before.revision.clone() });
            }
            _ => self.status = DeploymentStatus::StopRequested,
        }
    }

    /// Ends it.
    pub(crate) fn end(&mut self, status: DeploymentStatus, now: u64) {
        self.status = status;
        (self.finished_at, self.updated_at) = (Some(now), now);
        if status == DeploymentStatus::Stopped {
            self.stopped_at = Some(now);
        }
    }
}

impl Service {
    /// Whether ECS deploys it by shifting traffic between two target groups.
    pub(crate) fn shifts_traffic(&self) -> bool {
        let strategy = self.limits.raw.get("strategy").and_then(serde_json::Value::as_str);
        strategy.is_some_and(|word| word != "ROLLING")
    }

    /// The target groups that the tasks of one of its deployments or task sets register with.
    pub(crate) fn attachments_of(&self, deployment: &str) -> &[Attachment] {
        if let Some(set) = self.set(deployment) {
            return &set.attachments;
        }
        let found = self.deployments.iter().find(|one| one.id == deployment);
        found.and_then(|one| one.places.as_deref()).unwrap_or(&self.attachments)
    }

    /// Lets the tasks of its deployments stay in the target groups they are in, whatever becomes of the service's.
    pub(crate) fn keep_places(&mut self) {
        for one in &mut self.deployments {
            one.places.get_or_insert_with(|| self.attachments.clone());
        }
    }

    /// One of its deployments.
    pub(crate) fn deployment_mut(&mut self, id: &str) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|one| one.id == id)
    }
}

impl Account {
    /// The deployment of a service that is under way, or else its last one.
    pub(crate) fn current_deployment(&self, service: &str) -> Option<&ServiceDeployment> {
        self.service_deployments.iter().rev().find(|one| one.service == service)
    }

    /// The revision that the tasks of a deployment are of.
    pub(crate) fn revision_of(&self, deployment: &str) -> Option<&ServiceRevision> {
        self.revisions.iter().find(|one| one.deployment == deployment)
    }

    /// Running and pending tasks of a deployment.
    pub(crate) fn tasks_of(&self, deployment: &str) -> (usize, usize) {
        let (mut running, mut pending) = (0, 0);
        for task in self.tasks.values().filter(|task| task.deployment == deployment) {
            match task.phase {
                Phase::Running => running += 1,
                Phase::Provisioning | Phase::Pending => pending += 1,
                _ => {}
            }
        }
        (running, pending)
    }

    /// Notes what a deployment of a service runs on; gives the revision's ARN.
    pub(crate) fn add_revision(&mut self, service: &Service, deployment: &str, definition: &str, now: u64) -> String {
        let path = format!("{}/{}", last(&service.cluster), service.name);
        let digits = hex_id(&format!("{} {deployment} revision", service.arn), 18);
        let digits: String = digits.bytes().map(|byte| char::from(b'0' + byte % 10)).collect();
        let arn = self.names.ecs(&format!("service-revision/{path}/1{digits}"));
        self.revisions.push(ServiceRevision {
            arn: arn.clone(),
            service: service.arn.clone(),
            cluster: service.cluster.clone(),
            deployment: deployment.to_owned(),
            definition: definition.to_owned(),
            given: service.attachments.clone(),
            places: service.attachments_of(deployment).to_vec(),
            extra: service.extra.clone(),
            created_at: now,
        });
        arn
    }
}
