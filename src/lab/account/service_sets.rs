//! A service that somebody else deploys: how its task sets come, serve and are found.

use super::{Attachment, Controller, Service, TaskSet, hex_id};

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
