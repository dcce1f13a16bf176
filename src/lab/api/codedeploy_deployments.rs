//! CodeDeploy: deployments, from the one that is created to the one that is stopped.

use serde_json::{Value, json};

use super::codedeploy_common::{PAGING, application_of, show_revision};
use super::codedeploy_configs;
use super::codedeploy_groups::{check_alarms, check_rollback, group_of};
use super::operation::{Call, OperationResult, Refusal, with_token};
use crate::account::codedeploy::{Deployment, Group, Rules, Stage, Status};
use crate::codedeploy::Revision;
use crate::value::{flag, moment, seconds, text, texts};

/// Characters of a description (CodeDeploy quotas).
const DESCRIPTION_LIMIT: usize = 256;
/// Deployments in one BatchGetDeployments.
const BATCH_LIMIT: usize = 25;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateDeployment" => create(call),
        "GetDeployment" => deployment_of(call).map(|one| json!({"deploymentInfo": show(call, one)})),
        "BatchGetDeployments" => get_many(call),
        "ListDeployments" => list_all(call),
        "StopDeployment" => stop(call),
        "ContinueDeployment" => go_on(call),
        "GetApplicationRevision" => get_revision(call),
        _ => return None,
    })
}

/// The deployment an input names, which must be there.
pub(super) fn deployment_of<'a>(call: &'a Call<'_>) -> Result<&'a Deployment, Refusal> {
    let missing = || Refusal::new("DeploymentIdRequiredException", "Must provide a deployment id.");
    let id = text(call.input, "deploymentId").ok_or_else(missing)?;
    if !id.starts_with("d-") {
        return Err(Refusal::new("InvalidDeploymentIdException", "The deployment id is not valid."));
    }
    call.account.deploy.deployment(id).ok_or_else(|| {
        let message = format!("The deployment {id} could not be found");
        Refusal::new("DeploymentDoesNotExistException", message)
    })
}

fn read_revision(input: &Value) -> Result<Revision, Refusal> {
    let wrong = |message: String| Refusal::new("InvalidRevisionException", message);
    let given = input.get("revision").filter(|given| !given.is_null());
    let given = given.ok_or_else(|| Refusal::new("RevisionRequiredException", "A revision must be specified."))?;
    match text(given, "revisionType") {
        Some("AppSpecContent") => {}
        other => {
            let message =
                format!("the lab reads revisions of type AppSpecContent only, not {}", other.unwrap_or("none"));
            return Err(Refusal::not_played(message));
        }
    }
    let content = given.pointer("/appSpecContent/content").and_then(Value::as_str).unwrap_or_default();
    let revision = Revision::parse(content).map_err(wrong)?;
    let sha256 = given.pointer("/appSpecContent/sha256").and_then(Value::as_str);
    if sha256.is_some_and(|sha256| sha256 != revision.sha256) {
        return Err(wrong("The SHA256 hash of the content does not match.".to_owned()));
    }
    Ok(revision)
}

fn create(call: &mut Call<'_>) -> OperationResult {
    let group = group_of(call, "deploymentGroupName")?.clone();
    let input = call.input;
    let revision = read_revision(input)?;
    let usual = group.body.get("deploymentConfigName").and_then(Value::as_str).unwrap_or_default();
    let config = codedeploy_configs::named(call, text(input, "deploymentConfigName").unwrap_or(usual))?;
    let description = text(input, "description").map(str::to_owned);
    if description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_LIMIT) {
        return Err(Refusal::new("DescriptionTooLongException", "The description is too long."));
    }
    let mut body = group.body.clone();
    for (key, check) in [
        ("autoRollbackConfiguration", check_rollback as fn(&Value) -> Result<(), Refusal>),
        ("overrideAlarmConfiguration", check_alarms),
    ] {
        if let Some(own) = input.get(key).filter(|own| !own.is_null()) {
            check(own)?;
            body.insert(key.to_owned(), own.clone());
        }
    }
    if let Some(id) = active_of(call, &group) {
        let message = format!("Deployment Group '{}' is already deploying deployment '{id}'.", group.name);
        return Err(Refusal::new("DeploymentLimitExceededException", message));
    }
    let number = call.account.next();
    let mut made = Deployment::new(&group, &config, revision, number, call.now);
    made.rules = Rules::read(&body);
    (made.body, made.description) = (body, description);
    let id = made.id.clone();
    call.account.deploy.deployments.push(made);
    Ok(json!({"deploymentId": id}))
}

/// The id of the deployment that a group has under way.
fn active_of(call: &Call<'_>, group: &Group) -> Option<String> {
    let mut deployments = call.account.deploy.deployments_of(&group.application, &group.name);
    deployments.find(|one| !one.status.is_over()).map(|one| one.id.clone())
}

/// A deployment as CodeDeploy tells it. One on its way has no overview, and
/// `instanceTerminationWaitTimeStarted` stays false for ECS: both are how accounts were seen to answer.
fn show(call: &Call<'_>, deployment: &Deployment) -> Value {
    let mut shown = json!({
        "applicationName": deployment.application, "deploymentGroupName": deployment.group,
        "deploymentConfigName": deployment.config, "deploymentId": deployment.id,
        "revision": show_revision(&deployment.revision, false), "status": deployment.status.word(),
        "createTime": seconds(deployment.created_at), "creator": deployment.creator,
        "ignoreApplicationStopFailures": false, "updateOutdatedInstancesOnly": false,
        "instanceTerminationWaitTimeStarted": false, "fileExistsBehavior": "DISALLOW",
        "deploymentStatusMessages": [], "computePlatform": "ECS",
    });
    let kept = [
        "autoRollbackConfiguration",
        "deploymentStyle",
        "blueGreenDeploymentConfiguration",
        "loadBalancerInfo",
        "overrideAlarmConfiguration",
    ];
    for key in kept {
        if let Some(value) = deployment.body.get(key) {
            shown[key] = value.clone();
        }
    }
    for (key, at) in [("startTime", deployment.started_at), ("completeTime", deployment.completed_at)] {
        if let Some(at) = at {
            shown[key] = seconds(at);
        }
    }
    if deployment.status.is_over() {
        let failed = deployment.status != Status::Succeeded;
        shown["deploymentOverview"] = json!({"Pending": 0, "InProgress": 0, "Succeeded": u8::from(!failed),
            "Failed": u8::from(failed), "Skipped": 0, "Ready": 0});
    }
    if let Some(description) = &deployment.description {
        shown["description"] = json!(description);
    }
    if let Some((code, message)) = &deployment.error {
        shown["errorInformation"] = json!({"code": code, "message": message});
    }
    shown["rollbackInfo"] = match &deployment.rollback {
        Some(info) if info.is_it => {
            json!({"rollbackTriggeringDeploymentId": info.other, "rollbackMessage": info.message})
        }
        Some(info) => json!({"rollbackDeploymentId": info.other, "rollbackMessage": info.message}),
        None => json!({}),
    };
    let earlier = call.account.deploy.deployments_of(&deployment.application, &deployment.group);
    let mut earlier = earlier.skip_while(|one| one.id != deployment.id).skip(1);
    if let Some(before) = earlier.find(|one| one.status == Status::Succeeded) {
        shown["previousRevision"] = show_revision(&before.revision, false);
    }
    shown
}

fn get_many(call: &Call<'_>) -> OperationResult {
    let ids = texts(call.input, "deploymentIds");
    if ids.is_empty() {
        return Err(Refusal::new("DeploymentIdRequiredException", "Must provide a deployment id."));
    }
    if ids.len() > BATCH_LIMIT {
        return Err(Refusal::new("BatchLimitExceededException", "The maximum number of deployments is 25."));
    }
    let found = ids.iter().filter_map(|id| call.account.deploy.deployment(id));
    Ok(json!({"deploymentsInfo": found.map(|one| show(call, one)).collect::<Vec<_>>()}))
}

fn list_all(call: &Call<'_>) -> OperationResult {
    let input = call.input;
    let group = match (text(input, "applicationName"), text(input, "deploymentGroupName")) {
        (None, None) => None,
        (Some(_), None) => {
            let message = "Must provide a deployment group name.";
            return Err(Refusal::new("DeploymentGroupNameRequiredException", message));
        }
        _ => Some(group_of(call, "deploymentGroupName")?),
    };
    let statuses = texts(input, "includeOnlyStatuses");
    let range = input.get("createTimeRange").unwrap_or(&Value::Null);
    let (start, end) = (moment(range, "start").unwrap_or(0), moment(range, "end").unwrap_or(u64::MAX));
    let of_group = |one: &&Deployment| {
        group.is_none_or(|group| (&one.application, &one.group) == (&group.application, &group.name))
    };
    let newest_first = call.account.deploy.deployments.iter().rev().filter(of_group);
    let wanted = newest_first
        .filter(|one| statuses.is_empty() || statuses.contains(&one.status.word()))
        .filter(|one| (start..=end).contains(&one.created_at));
    let (page, next) = PAGING.cut(input, wanted.map(|one| one.id.clone()).collect())?;
    Ok(with_token(json!({"deployments": page}), "nextToken", next))
}

/// The deployment an input names, to change it; one that is over cannot be.
fn active<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Deployment, Refusal> {
    let id = deployment_of(call)?.id.clone();
    let found = call.account.deploy.deployments.iter_mut().find(|one| one.id == id);
    found.filter(|one| !one.status.is_over()).ok_or_else(|| {
        let message = format!("Deployment {id} is already completed.");
        Refusal::new("DeploymentAlreadyCompletedException", message)
    })
}

/// Stops a deployment at the next turn, so the answer is that it is pending.
fn stop(call: &mut Call<'_>) -> OperationResult {
    let asked = flag(call.input, "autoRollbackEnabled");
    let deployment = active(call)?;
    deployment.stop = Some(asked.unwrap_or(deployment.rules.on_request));
    let message = "Some deployment lifecycle events might still be running.";
    Ok(json!({"status": "Pending", "statusMessage": message}))
}

fn go_on(call: &mut Call<'_>) -> OperationResult {
    let wait = text(call.input, "deploymentWaitType").unwrap_or("READY_WAIT");
    let deployment = active(call)?;
    match (wait, deployment.stage) {
        ("READY_WAIT", Stage::Ready { .. }) | ("TERMINATION_WAIT", Stage::Terminating { .. }) => {
            deployment.is_let_on = true;
            Ok(json!({}))
        }
        ("READY_WAIT", _) => {
            let message = format!("Deployment {} is not in Ready state.", deployment.id);
            Err(Refusal::new("DeploymentIsNotInReadyStateException", message))
        }
        ("TERMINATION_WAIT", _) => {
            let message = format!("Deployment {} does not wait for the termination.", deployment.id);
            Err(Refusal::new("InvalidDeploymentStatusException", message))
        }
        _ => {
            let message = "The wait type must be READY_WAIT or TERMINATION_WAIT.";
            Err(Refusal::new("InvalidDeploymentWaitTypeException", message))
        }
    }
}

/// The revision with a hash, with its content.
fn get_revision(call: &Call<'_>) -> OperationResult {
    let application = application_of(call)?;
    let sha256 = call.input.pointer("/revision/appSpecContent/sha256").and_then(Value::as_str);
    let mut deployments = call.account.deploy.deployments.iter().filter(|one| one.application == application);
    let found = deployments.find(|one| Some(one.revision.sha256.as_str()) == sha256);
    let missing = || Refusal::new("RevisionDoesNotExistException", "The revision does not exist.");
    let found = found.ok_or_else(missing)?;
    let groups = [&found.group];
    Ok(json!({"applicationName": application, "revision": show_revision(&found.revision, true),
        "revisionInfo": {"deploymentGroups": groups, "firstUsedTime": seconds(found.created_at)}}))
}
