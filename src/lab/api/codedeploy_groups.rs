//! CodeDeploy: deployment groups, as those for ECS have to be.

use serde_json::{Map, Value, json};

use super::codedeploy_common::{PAGING, application_name, application_of, is_name, put_tags, show_revision};
use super::codedeploy_configs;
use super::operation::{Call, OperationResult, Refusal, with_token};
use crate::account::codedeploy::{Deployment, Group, Pair, Status, Target};
use crate::account::routing::ALL_AT_ONCE;
use crate::account::{Controller, ServiceStatus, last, uuid};
use crate::value::{flag, list, seconds, text, texts, whole};

/// Groups of one application (CodeDeploy quotas).
const GROUPS_LIMIT: usize = 1_000;
/// Groups in one BatchGetDeploymentGroups.
const BATCH_LIMIT: usize = 100;
/// Alarms of one group (`AlarmConfiguration` in the API reference).
const ALARMS_LIMIT: usize = 10;
/// Minutes that a deployment waits at most (`BlueInstanceTerminationOption`: two days).
const WAIT_LIMIT: i64 = 2_880;
/// Members of a group that are kept as they were given.
const KEPT: [&str; 9] = [
    "serviceRoleArn",
    "deploymentConfigName",
    "triggerConfigurations",
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "outdatedInstancesStrategy",
    "deploymentStyle",
    "blueGreenDeploymentConfiguration",
    "loadBalancerInfo",
];

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateDeploymentGroup" => create(call),
        "UpdateDeploymentGroup" => update(call),
        "GetDeploymentGroup" => get(call),
        "ListDeploymentGroups" => list_all(call),
        "BatchGetDeploymentGroups" => get_many(call),
        "DeleteDeploymentGroup" => delete(call),
        _ => return None,
    })
}

/// The name of a group in an input.
fn name_of<'a>(input: &'a Value, member: &str) -> Result<&'a str, Refusal> {
    let missing = || Refusal::new("DeploymentGroupNameRequiredException", "Must provide a deployment group name.");
    let name = text(input, member).ok_or_else(missing)?;
    let wrong = || Refusal::new("InvalidDeploymentGroupNameException", "The deployment group name is not valid.");
    is_name(name).then_some(name).ok_or_else(wrong)
}

/// The group an input names, which must be there.
pub(super) fn group_of<'a>(call: &'a Call<'_>, member: &str) -> Result<&'a Group, Refusal> {
    let application = application_of(call)?;
    let name = name_of(call.input, member)?;
    call.account.deploy.group(application, name).ok_or_else(|| {
        let message = format!("No Deployment Group found for name: {name}");
        Refusal::new("DeploymentGroupDoesNotExistException", message)
    })
}

fn create(call: &mut Call<'_>) -> OperationResult {
    let application = application_of(call)?.to_owned();
    let name = name_of(call.input, "deploymentGroupName")?.to_owned();
    if call.account.deploy.group(&application, &name).is_some() {
        let message = format!("Deployment group name {name} already exists");
        return Err(Refusal::new("DeploymentGroupAlreadyExistsException", message));
    }
    if call.account.deploy.groups.iter().filter(|group| group.application == application).count() >= GROUPS_LIMIT {
        return Err(Refusal::new("DeploymentGroupLimitExceededException", "There are too many deployment groups."));
    }
    if text(call.input, "serviceRoleArn").is_none() {
        return Err(Refusal::new("RoleRequiredException", "The role ARN was not specified."));
    }
    let number = call.account.next();
    let id = uuid(&format!("group {application} {name} {number}"));
    let made = read(call, Map::new(), Group::named(&application, &name, &id))?;
    put_tags(call, &format!("deploymentgroup:{application}/{name}"));
    call.account.deploy.groups.push(made);
    Ok(json!({"deploymentGroupId": id}))
}

fn update(call: &mut Call<'_>) -> OperationResult {
    let before = group_of(call, "currentDeploymentGroupName")?.clone();
    let mut next = Group::named(&before.application, &before.name, &before.id);
    if call.input.get("newDeploymentGroupName").is_some_and(|name| !name.is_null()) {
        name_of(call.input, "newDeploymentGroupName")?.clone_into(&mut next.name);
    }
    let next = read(call, before.body, next)?;
    let place = call.account.deploy.groups.iter_mut().find(|group| group.id == next.id);
    if let Some(group) = place {
        *group = next;
    }
    Ok(json!({"hooksNotCleanedUp": []}))
}

/// Reads what an input says about a group over what there is.
fn read(call: &Call<'_>, mut body: Map<String, Value>, mut group: Group) -> Result<Group, Refusal> {
    let given = KEPT.iter().chain(&["ecsServices"]).filter_map(|key| Some(((*key).to_owned(), call.input.get(*key)?)));
    body.extend(given.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, value.clone())));
    body.entry("deploymentConfigName").or_insert_with(|| json!(ALL_AT_ONCE));
    for (key, usual) in [
        ("alarmConfiguration", json!({"enabled": false, "ignorePollAlarmFailure": false, "alarms": []})),
        ("autoRollbackConfiguration", json!({"enabled": false, "events": []})),
        ("triggerConfigurations", json!([])),
    ] {
        body.entry(key).or_insert(usual);
    }
    let whole = Value::Object(body);
    codedeploy_configs::named(call, text(&whole, "deploymentConfigName").unwrap_or_default())?;
    check_style(&whole)?;
    check_waits(&whole)?;
    check_alarms(whole.get("alarmConfiguration").unwrap_or(&Value::Null))?;
    check_rollback(whole.get("autoRollbackConfiguration").unwrap_or(&Value::Null))?;
    group.target = read_target(call, &whole, &group.id)?;
    group.pair = read_pair(call, &whole)?;
    if let Value::Object(body) = whole {
        group.body = body;
    }
    Ok(group)
}

fn check_style(body: &Value) -> Result<(), Refusal> {
    let style = body.get("deploymentStyle").unwrap_or(&Value::Null);
    let (kind, option) = (text(style, "deploymentType"), text(style, "deploymentOption"));
    if (kind, option) == (Some("BLUE_GREEN"), Some("WITH_TRAFFIC_CONTROL")) {
        return Ok(());
    }
    let message = "For ECS deployment group, deploymentType must be BLUE_GREEN and deploymentOption \
                   WITH_TRAFFIC_CONTROL.";
    Err(Refusal::new("InvalidDeploymentStyleException", message))
}

/// The waits of a blue/green deployment; that `CONTINUE_DEPLOYMENT` waits for nothing is AWS's rule and message.
fn check_waits(body: &Value) -> Result<(), Refusal> {
    let wrong = |message: &str| Err(Refusal::new("InvalidBlueGreenDeploymentConfigurationException", message));
    let config = body.get("blueGreenDeploymentConfiguration").unwrap_or(&Value::Null);
    let part = |key: &str| config.get(key).unwrap_or(&Value::Null);
    let (ready, end) = (part("deploymentReadyOption"), part("terminateBlueInstancesOnDeploymentSuccess"));
    let wait = whole(ready, "waitTimeInMinutes").unwrap_or(0);
    if !(0..=WAIT_LIMIT).contains(&wait) {
        return wrong("The wait time must be from 0 to 2880 minutes.");
    }
    match text(ready, "actionOnTimeout") {
        Some("CONTINUE_DEPLOYMENT") if wait > 0 => {
            return wrong("Deployment ready action cannot be set to 'CONTINUE_DEPLOYMENT' when timeout is specified");
        }
        Some("STOP_DEPLOYMENT") if wait == 0 => {
            return wrong("Deployment ready action 'STOP_DEPLOYMENT' needs a timeout");
        }
        Some("CONTINUE_DEPLOYMENT" | "STOP_DEPLOYMENT") => {}
        _ => return wrong("A deployment ready option must be specified"),
    }
    if text(end, "action") != Some("TERMINATE") {
        return wrong("For ECS deployment group, the original task set must be set to TERMINATE");
    }
    if !(0..=WAIT_LIMIT).contains(&whole(end, "terminationWaitTimeInMinutes").unwrap_or(0)) {
        return wrong("The termination wait time must be from 0 to 2880 minutes.");
    }
    Ok(())
}

/// Refuses alarms that cannot be watched.
pub(super) fn check_alarms(config: &Value) -> Result<(), Refusal> {
    let alarms: Vec<Option<&str>> = list(config, "alarms").iter().map(|alarm| text(alarm, "name")).collect();
    if alarms.len() > ALARMS_LIMIT {
        return Err(Refusal::new("AlarmsLimitExceededException", "The maximum number of alarms is 10."));
    }
    let has_none = alarms.is_empty() && flag(config, "enabled").unwrap_or(false);
    let is_twice = alarms.iter().enumerate().any(|(place, name)| alarms[..place].contains(name));
    if has_none || is_twice || alarms.contains(&None) {
        return Err(Refusal::new("InvalidAlarmConfigException", "The alarm configuration is not valid."));
    }
    Ok(())
}

/// Refuses rollbacks on what never happens.
pub(super) fn check_rollback(config: &Value) -> Result<(), Refusal> {
    let known = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
    let events = texts(config, "events");
    let is_empty = events.is_empty() && flag(config, "enabled").unwrap_or(false);
    if is_empty || events.iter().any(|event| !known.contains(event)) {
        let message = "The automatic rollback configuration is not valid.";
        return Err(Refusal::new("InvalidAutoRollbackConfigException", message));
    }
    Ok(())
}

fn read_target(call: &Call<'_>, body: &Value, id: &str) -> Result<Target, Refusal> {
    let wrong = |message: &str| Refusal::new("InvalidECSServiceException", message);
    let [given] = list(body, "ecsServices") else {
        return Err(wrong("Exactly one ECS service must be specified."));
    };
    let cluster = call.account.cluster(text(given, "clusterName")).ok_or_else(|| wrong("Cluster not found."))?;
    let name = text(given, "serviceName").unwrap_or_default();
    let service = call.account.service(&cluster.arn, name).filter(|one| one.status == ServiceStatus::Active);
    let service = service.ok_or_else(|| wrong("Service not found."))?;
    if service.controller != Controller::CodeDeploy {
        let message = "Deployment group's ECS service must be configured for a CODE_DEPLOY deployment controller.";
        return Err(wrong(message));
    }
    if call.account.deploy.groups.iter().any(|group| group.target.arn == service.arn && group.id != id) {
        let message = "The Amazon ECS service is associated with more than one deployment groups.";
        return Err(Refusal::new("ECSServiceMappingLimitExceededException", message));
    }
    Ok(Target { cluster: cluster.name.clone(), service: service.name.clone(), arn: service.arn.clone() })
}

fn read_pair(call: &Call<'_>, body: &Value) -> Result<Pair, Refusal> {
    let wrong = |message: &str| Refusal::new("InvalidTargetGroupPairException", message);
    let pairs = body.get("loadBalancerInfo").map_or(&[][..], |info| list(info, "targetGroupPairInfoList"));
    let [pair] = pairs else {
        return Err(Refusal::new(
            "InvalidLoadBalancerInfoException",
            "Exactly one target group pair must be specified.",
        ));
    };
    let arn = |given: &Value| {
        let name = text(given, "name").unwrap_or_default();
        call.account.groups.iter().find(|group| group.name == name || group.arn == name).map(|group| group.arn.clone())
    };
    let groups: Option<Vec<String>> = list(pair, "targetGroups").iter().map(arn).collect();
    let groups = groups.ok_or_else(|| wrong("A target group was not found."))?;
    let groups: [String; 2] = groups.try_into().map_err(|_| wrong("Two target groups must be specified."))?;
    if groups[0] == groups[1] {
        return Err(wrong("The two target groups must differ."));
    }
    let route = |key: &str| match pair.get(key).map_or(Vec::new(), |route| texts(route, "listenerArns"))[..] {
        [] => Ok(None),
        [listener] if call.account.listener(listener).is_some() => Ok(Some(listener.to_owned())),
        [_] => Err(wrong("A listener was not found.")),
        _ => Err(wrong("A route has one listener.")),
    };
    let production = route("prodTrafficRoute")?.ok_or_else(|| wrong("A production listener must be specified."))?;
    Ok(Pair { groups, production, test: route("testTrafficRoute")? })
}

fn show(call: &Call<'_>, group: &Group) -> Value {
    let mut shown = group.body.clone();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("applicationName", json!(group.application));
    put("deploymentGroupId", json!(group.id));
    put("deploymentGroupName", json!(group.name));
    put("computePlatform", json!("ECS"));
    put("terminationHookEnabled", json!(false));
    put("ecsServices", json!([{"clusterName": last(&group.target.cluster), "serviceName": group.target.service}]));
    let told = |deployment: &Deployment| {
        let mut told = json!({"deploymentId": deployment.id, "status": deployment.status.word(),
            "createTime": seconds(deployment.created_at)});
        if let Some(at) = deployment.completed_at {
            told["endTime"] = seconds(at);
        }
        told
    };
    let of_group = || call.account.deploy.deployments_of(&group.application, &group.name);
    if let Some(deployment) = of_group().next() {
        put("lastAttemptedDeployment", told(deployment));
    }
    if let Some(deployment) = of_group().find(|one| one.status == Status::Succeeded) {
        put("lastSuccessfulDeployment", told(deployment));
        put("targetRevision", show_revision(&deployment.revision, false));
    }
    Value::Object(shown)
}

fn get(call: &Call<'_>) -> OperationResult {
    let group = group_of(call, "deploymentGroupName")?;
    Ok(json!({"deploymentGroupInfo": show(call, group)}))
}

fn list_all(call: &Call<'_>) -> OperationResult {
    let application = application_of(call)?;
    let groups = call.account.deploy.groups.iter().filter(|group| group.application == application);
    let (page, next) = PAGING.cut(call.input, groups.map(|group| group.name.clone()).collect())?;
    Ok(with_token(json!({"applicationName": application, "deploymentGroups": page}), "nextToken", next))
}

fn get_many(call: &Call<'_>) -> OperationResult {
    let application = application_of(call)?;
    let names = texts(call.input, "deploymentGroupNames");
    if names.len() > BATCH_LIMIT {
        return Err(Refusal::new("BatchLimitExceededException", "The maximum number of deployment groups is 100."));
    }
    let groups = names.iter().filter_map(|name| call.account.deploy.group(application, name));
    let shown: Vec<Value> = groups.map(|group| show(call, group)).collect();
    Ok(json!({"deploymentGroupsInfo": shown, "errorMessage": ""}))
}

fn delete(call: &mut Call<'_>) -> OperationResult {
    let application = application_name(call.input)?;
    let name = name_of(call.input, "deploymentGroupName")?;
    call.account.deploy.groups.retain(|group| group.application != application || group.name != name);
    Ok(json!({"hooksNotCleanedUp": []}))
}
