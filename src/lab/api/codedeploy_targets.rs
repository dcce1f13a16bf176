//! CodeDeploy: the target of a deployment, which for ECS is one service with its two task sets.

use serde_json::{Value, json};

use super::codedeploy_deployments::deployment_of;
use super::ecs_common::counts;
use super::operation::{Call, OperationResult, Refusal};
use crate::account::codedeploy::{Deployment, EVENTS, Event, Stage, Status};
use crate::account::{Account, Service, TaskSet};
use crate::value::{seconds, text, texts};

/// Targets in one BatchGetDeploymentTargets.
const TARGETS_LIMIT: usize = 25;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "ListDeploymentTargets" => list_all(call),
        "GetDeploymentTarget" => get(call),
        "BatchGetDeploymentTargets" => get_many(call),
        _ => return None,
    })
}

/// The deployment an input names, which must have begun.
fn begun<'a>(call: &'a Call<'_>) -> Result<&'a Deployment, Refusal> {
    let deployment = deployment_of(call)?;
    let message = "The specified deployment has not started.";
    deployment.started_at.ok_or_else(|| Refusal::new("DeploymentNotStartedException", message))?;
    Ok(deployment)
}

fn list_all(call: &Call<'_>) -> OperationResult {
    let deployment = begun(call)?;
    let wanted = call.input.pointer("/targetFilters/TargetStatus").and_then(Value::as_array);
    let is_wanted = wanted.is_none_or(|words| words.iter().any(|word| word == status(deployment)));
    let ids: Vec<String> = is_wanted.then(|| deployment.target.id()).into_iter().collect();
    Ok(json!({"targetIds": ids}))
}

fn get(call: &Call<'_>) -> OperationResult {
    let deployment = begun(call)?;
    let missing = || Refusal::new("DeploymentTargetIdRequiredException", "Must provide a target id.");
    let id = text(call.input, "targetId").ok_or_else(missing)?;
    check(deployment, id)?;
    Ok(json!({"deploymentTarget": show(call.account, deployment)}))
}

fn get_many(call: &Call<'_>) -> OperationResult {
    let deployment = begun(call)?;
    let ids = texts(call.input, "targetIds");
    if ids.is_empty() {
        return Err(Refusal::new("DeploymentTargetIdRequiredException", "Must provide a target id."));
    }
    if ids.len() > TARGETS_LIMIT {
        let message = "The maximum number of targets is 25.";
        return Err(Refusal::new("DeploymentTargetListSizeExceededException", message));
    }
    for id in &ids {
        check(deployment, id)?;
    }
    Ok(json!({"deploymentTargets": [show(call.account, deployment)]}))
}

fn check(deployment: &Deployment, id: &str) -> Result<(), Refusal> {
    if id == deployment.target.id() {
        return Ok(());
    }
    let message = format!("The target {id} does not belong to deployment {}", deployment.id);
    Err(Refusal::new("DeploymentTargetDoesNotExistException", message))
}

/// The state of the target: it has succeeded while the deployment only waits to delete the original task set.
fn status(deployment: &Deployment) -> &'static str {
    match (deployment.status, deployment.stage) {
        (Status::Created, _) => "Pending",
        (Status::Ready, _) => "Ready",
        (Status::Succeeded, _) | (Status::InProgress, Stage::Terminating { .. }) => "Succeeded",
        (Status::InProgress, _) => "InProgress",
        (Status::Failed | Status::Stopped, _) => "Failed",
    }
}

fn show(account: &Account, deployment: &Deployment) -> Value {
    let service = account.services.iter().find(|service| service.arn == deployment.target.arn);
    let side = |id: &Option<String>, label: &str, weight: u32| {
        let (service, id) = (service?, id.as_deref()?);
        Some(show_set(account, service, service.set(id)?, (label, weight)))
    };
    let sets = [
        side(&deployment.blue, "Blue", 100 - deployment.percent.min(100)),
        side(&deployment.green, "Green", deployment.percent),
    ];
    let events: Vec<Value> =
        EVENTS.iter().zip(&deployment.events).map(|(name, event)| show_event(name, event)).collect();
    json!({"deploymentTargetType": "ECSTarget", "ecsTarget": {
        "deploymentId": deployment.id, "targetId": deployment.target.id(), "targetArn": deployment.target.arn,
        "lastUpdatedAt": seconds(deployment.updated_at), "lifecycleEvents": events,
        "status": status(deployment), "taskSetsInfo": sets.into_iter().flatten().collect::<Vec<_>>()}})
}

fn show_set(account: &Account, service: &Service, set: &TaskSet, (label, weight): (&str, u32)) -> Value {
    let (running, pending) = counts(account, service, Some(&set.id));
    let group = set.attachments.first().and_then(|place| account.group(&place.group));
    json!({"identifer": set.id, "desiredCount": set.wanted(service.desired), "pendingCount": pending,
        "runningCount": running, "status": service.status_of(set), "trafficWeight": f64::from(weight),
        "targetGroup": {"name": group.map(|group| group.name.clone())}, "taskSetLabel": label})
}

fn show_event(name: &str, event: &Event) -> Value {
    let mut shown = json!({"lifecycleEventName": name, "status": event.status.unwrap_or("Pending")});
    for (key, at) in [("startTime", event.started_at), ("endTime", event.ended_at)] {
        if let Some(at) = at {
            shown[key] = seconds(at);
        }
    }
    shown
}
