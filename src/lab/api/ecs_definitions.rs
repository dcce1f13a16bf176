//! ECS: task definitions.

use serde_json::{Map, Value, json};

use super::ecs_common::PAGING;
use super::ecs_tags;
use super::operation::{Call, OperationResult, Refusal, with_token};
use crate::account::{TaskDefinition, behaviour_word};
use crate::behaviour::Behaviour;
use crate::value::{flag, list, seconds, text, texts};

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "RegisterTaskDefinition" => register(call),
        "DeregisterTaskDefinition" => deregister(call),
        "DescribeTaskDefinition" => describe(call),
        "ListTaskDefinitions" => list_definitions(call),
        _ => return None,
    })
}

fn client(message: impl Into<String>) -> Refusal {
    Refusal::new("ClientException", message)
}

fn register(call: &mut Call<'_>) -> OperationResult {
    check(call.input)?;
    let mut body: Map<String, Value> = call.input.as_object().cloned().unwrap_or_default();
    let tags = body.shift_remove("tags").unwrap_or_default();
    if let Some(word) = behaviour_word(&body) {
        word.parse::<Behaviour>().map_err(|error| client(error.to_string()))?;
    }
    let arn = call.account.register(body, None, call.now);
    ecs_tags::put(call.account, &arn, tags.as_array().map_or(&[], Vec::as_slice));
    let shown = call.account.definition(&arn).map(show);
    Ok(json!({"taskDefinition": shown, "tags": ecs_tags::show(call.account, &arn)}))
}

/// Refuses what ECS refuses.
fn check(input: &Value) -> Result<(), Refusal> {
    let family = text(input, "family").unwrap_or_default();
    if family.is_empty() {
        return Err(client("Family should not be null or empty."));
    }
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if family.len() > 255 || !family.chars().all(is_fine) {
        return Err(client("Family contains invalid characters."));
    }
    let containers = list(input, "containerDefinitions");
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    let mut names: Vec<&str> = Vec::new();
    for container in containers {
        let name = text(container, "name").unwrap_or_default();
        if name.is_empty() {
            return Err(client("Container.name should not be null or empty."));
        }
        if text(container, "image").is_none_or(str::is_empty) {
            return Err(client("Container.image should not be null or empty."));
        }
        if names.contains(&name) {
            return Err(client(format!("Container names must be unique: {name}.")));
        }
        names.push(name);
        let has_memory = ["memory", "memoryReservation"].iter().any(|key| container.get(*key).is_some());
        if !has_memory && text(input, "memory").is_none() {
            return Err(client(format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or \
                 'memoryReservation' must be specified."
            )));
        }
    }
    if !containers.iter().any(|container| flag(container, "essential").unwrap_or(true)) {
        return Err(client("Task definition must have at least one essential container."));
    }
    check_fargate(input)
}

fn check_fargate(input: &Value) -> Result<(), Refusal> {
    if !texts(input, "requiresCompatibilities").contains(&"FARGATE") {
        return Ok(());
    }
    if text(input, "networkMode") != Some("awsvpc") {
        return Err(client("Fargate only supports network mode 'awsvpc'."));
    }
    for key in ["cpu", "memory"] {
        if text(input, key).is_none() {
            return Err(client(format!("Fargate requires that '{key}' be defined at the task level.")));
        }
    }
    Ok(())
}

/// A task definition as ECS tells it.
fn show(definition: &TaskDefinition) -> Value {
    let mut shown = json!({
        "taskDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": if definition.is_active { "ACTIVE" } else { "INACTIVE" },
        "registeredAt": seconds(definition.registered_at),
        "registeredBy": "arn:aws:iam::123456789012:user/lab",
    });
    if let Some(members) = shown.as_object_mut() {
        members.extend(definition.body.clone());
        if let Some(at) = definition.deregistered_at {
            members.insert("deregisteredAt".to_owned(), seconds(at));
        }
    }
    shown
}

fn describe(call: &Call<'_>) -> OperationResult {
    let name = text(call.input, "taskDefinition").unwrap_or_default();
    let definition = call.account.definition(name);
    let definition = definition.ok_or_else(|| client("Unable to describe task definition."))?;
    let mut answer = json!({"taskDefinition": show(definition)});
    if texts(call.input, "include").contains(&"TAGS") {
        answer["tags"] = ecs_tags::show(call.account, &definition.arn);
    }
    Ok(answer)
}

fn deregister(call: &mut Call<'_>) -> OperationResult {
    let name = text(call.input, "taskDefinition").unwrap_or_default();
    if !name.rsplit('/').next().is_some_and(|name| name.contains(':')) {
        return Err(client("Revision is missing."));
    }
    let arn = call.account.definition(name).map(|one| one.arn.clone());
    let arn = arn.ok_or_else(|| client("The specified task definition does not exist."))?;
    let now = call.now;
    let definition = call.account.definitions.iter_mut().find(|one| one.arn == arn);
    let shown = definition.map(|one| {
        one.is_active = false;
        one.deregistered_at.get_or_insert(now);
        show(one)
    });
    Ok(json!({"taskDefinition": shown}))
}

fn list_definitions(call: &Call<'_>) -> OperationResult {
    let family = text(call.input, "familyPrefix");
    let is_active = text(call.input, "status").unwrap_or("ACTIVE") == "ACTIVE";
    let mut found: Vec<&TaskDefinition> = call
        .account
        .definitions
        .iter()
        .filter(|one| one.is_active == is_active)
        .filter(|one| family.is_none_or(|family| one.family == family))
        .collect();
    found.sort_by_key(|one| (one.family.clone(), one.revision));
    if text(call.input, "sort") == Some("DESC") {
        found.reverse();
    }
    let arns: Vec<&str> = found.iter().map(|one| one.arn.as_str()).collect();
    let (page, next) = PAGING.cut(call.input, arns)?;
    Ok(with_token(json!({"taskDefinitionArns": page}), "nextToken", next))
}
