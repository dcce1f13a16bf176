//! What a service keeps that somebody else deploys: its controller and its task sets.

use serde_json::{Map, Value};

use super::{Attachment, Service, hex_id};

/// Who deploys a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Controller {
    /// ECS itself.
    #[default]
    Ecs,
    /// CodeDeploy, with task sets that it makes.
    CodeDeploy,
    /// Whoever makes task sets.
    External,
}

impl Controller {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Controller::Ecs => "ECS",
            Controller::CodeDeploy => "CODE_DEPLOY",
            Controller::External => "EXTERNAL",
        }
    }

    /// Reads the word on the wire.
    pub(crate) fn parse(word: &str) -> Option<Controller> {
        [Controller::Ecs, Controller::CodeDeploy, Controller::External].into_iter().find(|one| one.word() == word)
    }
}

/// Tasks of a service that come and go together.
#[derive(Debug, Clone)]
pub(crate) struct TaskSet {
    /// Its id, `ecs-svc/…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// What its maker calls it; CodeDeploy, the id of its deployment.
    pub external_id: Option<String>,
    /// Whether CodeDeploy made it in a deployment.
    pub is_codedeploys: bool,
    /// The ARN of its task definition.
    pub definition: String,
    /// The target groups its tasks register with.
    pub attachments: Vec<Attachment>,
    /// Percent of the service's desired count, from 0 to 100.
    pub scale: f64,
    /// Whether it was deleted, and its tasks are going.
    pub is_draining: bool,
    /// Whether all its tasks are there and well, and no other.
    pub is_steady: bool,
    /// When that was last found to be otherwise.
    pub steady_at: u64,
    /// Failures since a task was last well; they decide the pause before the next start.
    pub failures_in_a_row: u32,
    /// No task starts before this moment.
    pub next_launch_at: u64,
    /// When it was created.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
    /// The `clientToken` it was created with.
    pub token: Option<String>,
    /// What was given at creation and is only handed back.
    pub extra: Map<String, Value>,
}

impl TaskSet {
    /// A set that wants its whole share and has no task yet.
    pub(crate) fn new(service: &Service, definition: &str, attachments: Vec<Attachment>, now: u64) -> TaskSet {
        TaskSet {
            id: String::new(),
            arn: String::new(),
            external_id: None,
            is_codedeploys: false,
            definition: definition.to_owned(),
            attachments,
            scale: 100.0,
            is_draining: false,
            is_steady: false,
            steady_at: now,
            failures_in_a_row: 0,
            next_launch_at: 0,
            created_at: now,
            updated_at: now,
            token: None,
            extra: service.extra.clone(),
        }
    }

    /// The tasks it wants of a service's desired count, rounded up (`TaskSet` in the ECS API reference).
    pub(crate) fn wanted(&self, desired: u32) -> u32 {
        if self.is_draining { 0 } else { (f64::from(desired) * self.scale / 100.0).ceil() as u32 }
    }

    /// Lets its tasks go; it is forgotten when they are gone.
    pub(crate) fn drain(&mut self, now: u64) {
        (self.is_draining, self.is_steady, self.scale) = (true, false, 0.0);
        (self.updated_at, self.steady_at) = (now, now);
    }
}

impl Service {
    /// Starts the service: with a deployment, with CodeDeploy's first task set, or with nothing.
    pub(crate) fn begin(&mut self, definition: &str, now: u64, number: u64) {
        match self.controller {
            Controller::Ecs => self.deploy(definition, now, number),
            Controller::External => {}
            Controller::CodeDeploy => {
                let first = TaskSet::new(self, definition, self.attachments.clone(), now);
                let id = self.add_set(first, number);
                self.promote(&id, now);
            }
        }
    }

    /// Adds a task set under a fresh id, which it gives.
    pub(crate) fn add_set(&mut self, mut set: TaskSet, number: u64) -> String {
        let digits: String = hex_id(&format!("{} set {number}", self.arn), 18)
            .chars()
            .map(|c| char::from(b'0' + (c as u8) % 10))
            .collect();
        set.id = format!("ecs-svc/7{digits}");
        set.arn = format!("{}/{}", self.arn.replace(":service/", ":task-set/"), set.id);
        let id = set.id.clone();
        self.sets.push(set);
        self.is_steady = false;
        id
    }

    /// Finds a task set by id or ARN.
    pub(crate) fn set(&self, name: &str) -> Option<&TaskSet> {
        self.sets.iter().find(|set| set.id == name || set.arn == name)
    }

    /// Finds a task set to change by its id or ARN.
    pub(crate) fn set_mut(&mut self, name: &str) -> Option<&mut TaskSet> {
        self.sets.iter_mut().find(|set| set.id == name || set.arn == name)
    }

    /// The set that serves, if one was made primary.
    pub(crate) fn primary(&self) -> Option<&TaskSet> {
        self.set(self.primary_set.as_deref()?)
    }

    /// The word for the state of a task set.
    pub(crate) fn status_of(&self, set: &TaskSet) -> &'static str {
        match (set.is_draining, self.primary_set.as_deref() == Some(&set.id)) {
            (true, _) => "DRAINING",
            (false, true) => "PRIMARY",
            (false, false) => "ACTIVE",
        }
    }

    /// Makes a task set the primary one: the service takes over what it is made of.
    pub(crate) fn promote(&mut self, id: &str, now: u64) {
        let Some(set) = self.set_mut(id) else { return };
        set.updated_at = now;
        let (id, definition, attachments) = (set.id.clone(), set.definition.clone(), set.attachments.clone());
        (self.primary_set, self.definition, self.attachments) = (Some(id), definition, attachments);
    }

    /// The service as events name it, with the task set if there is one.
    pub(crate) fn called(&self, deployment: &str) -> String {
        match self.set(deployment) {
            Some(set) => format!("service {}, taskSet {}", self.name, set.id),
            None => format!("service {}", self.name),
        }
    }
}
