//! The deployment controller of a service, and a task set of a service that ECS does not deploy.

use serde_json::{Map, Value};

use super::Attachment;

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
