//! How task definitions and tasks come into the account.

use serde_json::{Map, Value, json};

use super::{Account, Phase, Service, Task, TaskDefinition, TaskTimes, hex_id, last};
use crate::behaviour::Behaviour;
use crate::value::{text, whole};

/// The environment variable of a container that says how its release behaves.
pub(crate) const BEHAVIOUR_VARIABLE: &str = "LAB_BEHAVIOUR";

impl Account {
    /// Registers a task definition, as a revision or as the next one; gives its ARN.
    pub(crate) fn register(&mut self, mut body: Map<String, Value>, revision: Option<u32>, now: u64) -> String {
        let family = body.get("family").and_then(Value::as_str).unwrap_or_default().to_owned();
        let newest = self.definitions.iter().filter(|one| one.family == family);
        let newest = newest.map(|one| one.revision).max().unwrap_or(0);
        let revision = revision.unwrap_or(newest + 1);
        let arn = self.names.ecs(&format!("task-definition/{family}:{revision}"));
        complete(&mut body);
        let behaviour = named_behaviour(&body).unwrap_or_else(|| self.candidate.clone());
        self.definitions.push(TaskDefinition {
            arn: arn.clone(),
            family,
            revision,
            is_active: true,
            body,
            behaviour,
            registered_at: now,
            deregistered_at: None,
        });
        arn
    }

    /// Adds a task of a service's primary deployment; gives its id.
    pub(crate) fn add_task(&mut self, service: &Service, now: u64) -> Option<String> {
        let primary = service.deployments.first()?;
        Some(self.add_task_of(service, &primary.id, &primary.definition, now))
    }

    /// Adds a task of one of a service's deployments or task sets; gives its id.
    pub(crate) fn add_task_of(&mut self, service: &Service, deployment: &str, definition: &str, now: u64) -> String {
        let number = self.next();
        let id = hex_id(&format!("{} {deployment} {number}", service.arn), 32);
        let behaviour = self.definition(definition).map(|one| one.behaviour.clone());
        let (high, middle, low) = (number / 62_500 % 250, number / 250 % 250, number % 250 + 4);
        let task = Task {
            arn: self.names.ecs(&format!("task/{}/{id}", last(&service.cluster))),
            cluster: service.cluster.clone(),
            service: service.arn.clone(),
            deployment: deployment.to_owned(),
            definition: definition.to_owned(),
            provider: self.provider_of(service, deployment),
            phase: Phase::Provisioning,
            phase_until: now + self.start_up.as_millis() as u64 * 2 / 5,
            is_wanted: true,
            address: format!("10.{high}.{middle}.{low}"),
            loopback: None,
            behaviour: behaviour.unwrap_or_default(),
            times: TaskTimes { created: now, ..TaskTimes::default() },
            stop: None,
            id: id.clone(),
        };
        self.tasks.insert(id.clone(), task);
        id
    }
}

impl Account {
    /// The capacity provider for a further task: first those whose base is not met, then the one that is furthest below
    /// its weight (API reference, `CapacityProviderStrategyItem`).
    fn provider_of(&self, service: &Service, deployment: &str) -> Option<String> {
        let extra = service.set(deployment).map_or(&service.extra, |set| &set.extra);
        let strategy = extra.get("capacityProviderStrategy")?.as_array()?;
        let load = |item: &Value| {
            let name = text(item, "capacityProvider");
            let here = self.tasks.values().filter(|task| task.deployment == deployment && task.is_wanted);
            let count = here.filter(|task| task.provider.as_deref() == name).count() as i64;
            let (base, weight) = (whole(item, "base").unwrap_or(0), whole(item, "weight").unwrap_or(0));
            let above = count - base;
            match (above < 0, weight) {
                (true, _) => f64::NEG_INFINITY,
                (false, 0) => f64::INFINITY,
                (false, weight) => above as f64 / weight as f64,
            }
        };
        let least = strategy.iter().min_by(|one, other| load(one).total_cmp(&load(other)))?;
        text(least, "capacityProvider").map(str::to_owned)
    }
}

/// Fills in what ECS fills in.
fn complete(body: &mut Map<String, Value>) {
    let empty = || Value::Array(Vec::new());
    if let Some(Value::Array(containers)) = body.get_mut("containerDefinitions") {
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            container.entry("cpu").or_insert_with(|| json!(0));
            container.entry("essential").or_insert_with(|| json!(true));
            for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
                container.entry(list).or_insert_with(empty);
            }
            let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
                let number = port.get("containerPort").cloned().unwrap_or_default();
                port.entry("hostPort").or_insert(number);
                port.entry("protocol").or_insert_with(|| json!("tcp"));
            }
        }
    }
    body.entry("volumes").or_insert_with(empty);
    body.entry("placementConstraints").or_insert_with(empty);
    body.entry("compatibilities").or_insert_with(|| json!(["EC2", "FARGATE"]));
}

/// The behaviour a container's environment asks for; wrong words are refused at registration.
pub(crate) fn behaviour_word(body: &Map<String, Value>) -> Option<&str> {
    let containers = body.get("containerDefinitions").and_then(Value::as_array)?;
    let variables = containers.iter().filter_map(|one| one.get("environment")?.as_array());
    variables
        .flatten()
        .find(|pair| pair.get("name").and_then(Value::as_str) == Some(BEHAVIOUR_VARIABLE))
        .and_then(|pair| pair.get("value")?.as_str())
}

fn named_behaviour(body: &Map<String, Value>) -> Option<Behaviour> {
    behaviour_word(body)?.parse().ok()
}
