//! ECS: service deployments and service revisions, and a person's word to them.
//!
//! Shapes and errors are those of the ECS API reference, version 2014-11-13. What it leaves open, and is guessed
//! here: the sentences of errors and reasons; that `currentServiceDeployment` still names a deployment that has
//! ended; that `lifecycleHookDetails` holds the hooks of the stage a deployment is or ended in, and no earlier ones.
//! ECS has service deployments of rolling updates too, the lab only those that shift traffic.

use serde_json::{Map, Value, json};

use super::ecs_attachments;
use super::ecs_common::{cluster_of, invalid};
use super::operation::{Call, OperationResult, Paging, Refusal, with_token};
use crate::account::{
    Account, DeploymentStatus, HookRun, HookStatus, RevisionSummary, Service, ServiceDeployment, ServiceRevision,
    TaskDefinition,
};
use crate::scheduler::requested;
use crate::value::{flag, moment, seconds, text, texts};

/// How service deployments are listed: 20 on a page, unless 1 to 100 are asked for.
const PAGING: Paging = Paging { token: "nextToken", size: "maxResults", limit: 100, code: "InvalidParameterException" };
/// A page that nobody gave a size.
const USUAL_PAGE: i64 = 20;
/// ARNs in one DescribeServiceDeployments or DescribeServiceRevisions.
const DESCRIBED_LIMIT: usize = 20;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "ListServiceDeployments" => list_deployments(call),
        "DescribeServiceDeployments" => describe_deployments(call),
        "DescribeServiceRevisions" => describe_revisions(call),
        "StopServiceDeployment" => stop_deployment(call),
        "ContinueServiceDeployment" => continue_deployment(call),
        _ => return None,
    })
}

fn list_deployments(call: &Call<'_>) -> OperationResult {
    let cluster = &cluster_of(call)?.arn;
    let name = text(call.input, "service").unwrap_or_default();
    let service = call.account.service(cluster, name);
    let service = service.ok_or_else(|| Refusal::new("ServiceNotFoundException", "Service not found."))?;
    let statuses = texts(call.input, "status");
    let is_known = |word: &&str| DeploymentStatus::ALL.iter().any(|status| status.word() == *word);
    if let Some(unknown) = statuses.iter().find(|word| !is_known(word)) {
        return Err(invalid(format!("Invalid service deployment status {unknown}.")));
    }
    let bounds = call.input.get("createdAt").cloned().unwrap_or_default();
    let (after, before) = (moment(&bounds, "after"), moment(&bounds, "before"));
    let is_wanted = |one: &&ServiceDeployment| {
        one.service == service.arn
            && (statuses.is_empty() || statuses.contains(&one.status.word()))
            && after.is_none_or(|after| one.created_at > after)
            && before.is_none_or(|before| one.created_at < before)
    };
    let found: Vec<Value> = call.account.service_deployments.iter().rev().filter(is_wanted).map(show_brief).collect();
    let mut input = call.input.clone();
    if input.get("maxResults").is_none_or(Value::is_null) {
        input["maxResults"] = json!(USUAL_PAGE);
    }
    let (page, next) = PAGING.cut(&input, found)?;
    Ok(with_token(json!({"serviceDeployments": page}), "nextToken", next))
}

/// The ARNs that an input names, of which there must be some and not too many.
fn named<'a>(call: &'a Call<'_>, key: &str) -> Result<Vec<&'a str>, Refusal> {
    let arns = texts(call.input, key);
    match arns.len() {
        0 => Err(invalid(format!("{key} cannot be empty."))),
        1..=DESCRIBED_LIMIT => Ok(arns),
        _ => Err(invalid(format!("{key} cannot have more than {DESCRIBED_LIMIT} elements."))),
    }
}

fn describe_deployments(call: &Call<'_>) -> OperationResult {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in named(call, "serviceDeploymentArns")? {
        match call.account.service_deployments.iter().find(|one| one.arn == arn) {
            Some(deployment) => found.push(show(call.account, deployment, call.now)),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceDeployments": found, "failures": failures}))
}

fn describe_revisions(call: &Call<'_>) -> OperationResult {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in named(call, "serviceRevisionArns")? {
        match call.account.revisions.iter().find(|one| one.arn == arn) {
            Some(revision) => found.push(show_revision(call.account, revision)),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceRevisions": found, "failures": failures}))
}

/// The service deployment an input names, to change it.
fn named_deployment<'a>(call: &'a mut Call<'_>) -> Result<&'a mut ServiceDeployment, Refusal> {
    let arn = text(call.input, "serviceDeploymentArn").unwrap_or_default();
    let found = call.account.service_deployments.iter_mut().find(|one| one.arn == arn);
    found.ok_or_else(|| Refusal::new("ServiceDeploymentNotFoundException", "Service deployment not found."))
}

/// `Stopping Amazon ECS service deployments` in the developer guide says what each state becomes.
fn stop_deployment(call: &mut Call<'_>) -> OperationResult {
    let (now, word) = (call.now, text(call.input, "stopType").unwrap_or("ROLLBACK").to_owned());
    let deployment = named_deployment(call)?;
    let rolls_back = match word.as_str() {
        "ROLLBACK" => true,
        "ABORT" => false,
        other => return Err(invalid(format!("Invalid stop type {other}: valid values are ABORT and ROLLBACK."))),
    };
    if deployment.status.is_over() {
        let message =
            format!("The service deployment is in the {} state and cannot be stopped.", deployment.status.word());
        return Err(Refusal::new("ConflictException", message));
    }
    if rolls_back && deployment.sources.is_empty() {
        return Err(invalid("There is no service revision that the service deployment could be rolled back to."));
    }
    let answer = json!({"serviceDeploymentArn": deployment.arn});
    if matches!(deployment.status, DeploymentStatus::Pending | DeploymentStatus::InProgress) {
        let how = if rolls_back { "rolled back" } else { "stopped" };
        deployment.fail(format!("Service deployment {how} because a user requested it."), rolls_back, now);
    }
    Ok(answer)
}

/// `Continuing service deployments` in the developer guide: the hook awaits an action, and the deployment is in
/// progress.
fn continue_deployment(call: &mut Call<'_>) -> OperationResult {
    let (now, input) = (call.now, call.input);
    let hook = text(input, "hookId").filter(|hook| !hook.is_empty());
    let hook = hook.ok_or_else(|| invalid("hookId cannot be empty."))?;
    let goes_on = match text(input, "action").unwrap_or("CONTINUE") {
        "CONTINUE" => true,
        "ROLLBACK" => false,
        other => return Err(invalid(format!("Invalid action {other}: valid values are CONTINUE and ROLLBACK."))),
    };
    let deployment = named_deployment(call)?;
    if deployment.status != DeploymentStatus::InProgress {
        let word = deployment.status.word();
        return Err(invalid(format!("The service deployment is in the {word} state and cannot be continued.")));
    }
    let stage = deployment.stage.map_or("", |stage| stage.word());
    let run = deployment.hooks.iter_mut().find(|run| run.id == hook);
    let run =
        run.ok_or_else(|| invalid(format!("The lifecycle hook {hook} is not active in the service deployment.")))?;
    if run.status != HookStatus::AwaitingAction {
        return Err(invalid(format!("The lifecycle hook {hook} is in the {} status.", run.status.word())));
    }
    if goes_on {
        run.status = HookStatus::Succeeded;
        deployment.updated_at = now;
    } else {
        run.status = HookStatus::Failed;
        let reason =
            format!("Service deployment rolled back because the lifecycle hook {hook} failed at the {stage} stage.");
        deployment.fail(reason, true, now);
    }
    Ok(json!({"serviceDeploymentArn": deployment.arn}))
}

/// Adds what a service tells of its own deployments.
pub(super) fn add_current(account: &Account, service: &Service, now: u64, members: &mut Map<String, Value>) {
    if !service.shifts_traffic() {
        return;
    }
    if let Some(current) = account.current_deployment(&service.arn) {
        members.insert("currentServiceDeployment".to_owned(), json!(current.arn));
    }
    let revisions = service.deployments.iter().filter_map(|one| {
        let revision = account.revision_of(&one.id)?;
        let (running, pending) = account.tasks_of(&one.id);
        Some(json!({"arn": revision.arn, "requestedTaskCount": requested(account, service, &one.id, now),
            "runningTaskCount": running, "pendingTaskCount": pending}))
    });
    members.insert("currentServiceRevisions".to_owned(), revisions.collect());
}

fn show_brief(deployment: &ServiceDeployment) -> Value {
    let mut shown = json!({
        "serviceDeploymentArn": deployment.arn, "serviceArn": deployment.service,
        "clusterArn": deployment.cluster, "createdAt": seconds(deployment.created_at),
        "targetServiceRevisionArn": deployment.target.revision, "status": deployment.status.word(),
    });
    put(&mut shown, "startedAt", deployment.started_at.map(seconds));
    put(&mut shown, "finishedAt", deployment.finished_at.map(seconds));
    put(&mut shown, "statusReason", deployment.reason.as_ref().map(|reason| json!(reason)));
    shown
}

fn put(shown: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        shown[key] = value;
    }
}

fn show(account: &Account, deployment: &ServiceDeployment, now: u64) -> Value {
    let summary = |of: &RevisionSummary| show_summary(account, deployment, of, now);
    let mut shown = json!({
        "serviceDeploymentArn": deployment.arn, "serviceArn": deployment.service,
        "clusterArn": deployment.cluster, "createdAt": seconds(deployment.created_at),
        "updatedAt": seconds(deployment.updated_at), "status": deployment.status.word(),
        "sourceServiceRevisions": deployment.sources.iter().map(summary).collect::<Vec<_>>(),
        "targetServiceRevision": summary(&deployment.target),
        "lifecycleHookDetails": deployment.hooks.iter().map(show_hook).collect::<Vec<_>>(),
        "deploymentConfiguration": show_configuration(&deployment.configuration),
        "deploymentCircuitBreaker": show_breaker(account, deployment),
        "alarms": show_alarms(deployment),
    });
    put(&mut shown, "startedAt", deployment.started_at.map(seconds));
    put(&mut shown, "finishedAt", deployment.finished_at.map(seconds));
    put(&mut shown, "stoppedAt", deployment.stopped_at.map(seconds));
    put(&mut shown, "statusReason", deployment.reason.as_ref().map(|reason| json!(reason)));
    put(&mut shown, "lifecycleStage", deployment.stage.map(|stage| json!(stage.word())));
    let rollback = deployment.rollback.as_ref().map(|rollback| {
        json!({"reason": rollback.reason, "startedAt": seconds(rollback.started_at),
            "serviceRevisionArn": rollback.revision})
    });
    put(&mut shown, "rollback", rollback);
    shown
}

fn show_summary(account: &Account, deployment: &ServiceDeployment, of: &RevisionSummary, now: u64) -> Value {
    let service = account.services.iter().find(|one| one.arn == deployment.service);
    let (asked, running, pending) = match service {
        Some(service) if !deployment.status.is_over() => {
            let (running, pending) = account.tasks_of(&of.deployment);
            (requested(account, service, &of.deployment, now), running, pending)
        }
        _ => of.tasks,
    };
    json!({
        "arn": of.revision, "requestedTaskCount": asked, "runningTaskCount": running, "pendingTaskCount": pending,
        "requestedTestTrafficWeight": f64::from(of.test) / 10.0,
        "requestedProductionTrafficWeight": f64::from(of.production) / 10.0,
    })
}

fn show_hook(hook: &HookRun) -> Value {
    let action = if hook.goes_on { "CONTINUE" } else { "ROLLBACK" };
    json!({"hookId": hook.id, "targetType": "PAUSE", "status": hook.status.word(),
        "expiresAt": seconds(hook.expires_at), "timeoutAction": action})
}

/// What watches over a deployment is off, has struck, watches, or has watched to the end.
fn monitor(deployment: &ServiceDeployment, is_on: bool, has_struck: bool) -> &'static str {
    match (is_on, has_struck, deployment.status) {
        (_, true, _) => "TRIGGERED",
        (false, _, _) => "DISABLED",
        (_, _, DeploymentStatus::Pending | DeploymentStatus::InProgress) => "MONITORING",
        _ => "MONITORING_COMPLETE",
    }
}

fn show_breaker(account: &Account, deployment: &ServiceDeployment) -> Value {
    let service = account.services.iter().find(|one| one.arn == deployment.service);
    let breaker = deployment.settings.breaker.as_ref();
    let of_target = service.and_then(|one| one.deployments.iter().find(|it| it.id == deployment.target.deployment));
    let threshold = breaker.zip(service).map_or(0, |(breaker, service)| breaker.threshold(service.desired));
    json!({"status": monitor(deployment, breaker.is_some(), deployment.is_broken),
        "failureCount": of_target.map_or(0, |one| one.failed_tasks), "threshold": threshold})
}

fn show_alarms(deployment: &ServiceDeployment) -> Value {
    let is_on = match deployment.status {
        DeploymentStatus::Pending => deployment.settings.alarms.is_some(),
        _ => deployment.heeds_alarms,
    };
    let names = deployment.settings.alarms.as_ref().map_or(&[][..], |alarms| &alarms.names);
    json!({"status": monitor(deployment, is_on, !deployment.triggered.is_empty()), "alarmNames": names,
        "triggeredAlarmNames": deployment.triggered})
}

/// A deployment configuration, completed with the defaults ECS fills in.
pub(super) fn show_configuration(given: &Map<String, Value>) -> Map<String, Value> {
    let breaker = given.get("deploymentCircuitBreaker").cloned().unwrap_or_default();
    let is_set = |key: &str| flag(&breaker, key).unwrap_or(false);
    let mut shown = Map::from_iter([
        ("deploymentCircuitBreaker".to_owned(), json!({"enable": is_set("enable"), "rollback": is_set("rollback")})),
        ("maximumPercent".to_owned(), json!(200)),
        ("minimumHealthyPercent".to_owned(), json!(100)),
        ("strategy".to_owned(), json!("ROLLING")),
    ]);
    shown.extend(given.clone());
    shown
}

fn show_revision(account: &Account, revision: &ServiceRevision) -> Value {
    let containers = account.definition(&revision.definition).map(TaskDefinition::containers).unwrap_or_default();
    let images = containers.iter().map(|(name, image)| json!({"containerName": name, "image": image}));
    let resolved = revision.places.iter().map(|place| {
        let rule = place.advanced.as_ref().map(|advanced| advanced.production_rule.as_str());
        json!({"targetGroupArn": place.group, "productionListenerRule": rule})
    });
    let mut shown = json!({
        "serviceRevisionArn": revision.arn, "serviceArn": revision.service, "clusterArn": revision.cluster,
        "taskDefinition": revision.definition, "loadBalancers": ecs_attachments::show(&revision.given),
        "serviceRegistries": [], "containerImages": images.collect::<Vec<_>>(), "guardDutyEnabled": false,
        "createdAt": seconds(revision.created_at),
        "resolvedConfiguration": {"loadBalancers": resolved.collect::<Vec<_>>()},
    });
    for key in ["launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"] {
        put(&mut shown, key, revision.extra.get(key).cloned());
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::operation::Output;
    use super::super::undergo;
    use super::super::wire_call::{ApiRequest, Protocol, Service as Api};
    use super::*;
    use crate::account::Stage;
    use crate::config::{LabConfig, ServiceSeed};
    use crate::lock::lock;
    use crate::world::World;

    /// A lab whose service is held by a hook, and the ARN of its deployment.
    fn held(fault: &str) -> (Arc<World>, String) {
        let mut config = LabConfig { faults: vec![fault.parse().expect("it is a fault")], ..LabConfig::default() };
        config.world.services = ServiceSeed::Ecs;
        let lab = World::new(config);
        let arn = {
            let mut account = lock(&lab.account);
            let deployment = account.service_deployments.last_mut().expect("it is seeded");
            deployment.status = DeploymentStatus::InProgress;
            deployment.stage = Some(Stage::PostScaleUp);
            deployment.sources = vec![deployment.target.clone()];
            let status = HookStatus::AwaitingAction;
            deployment.hooks = vec![HookRun { id: "hook".to_owned(), status, expires_at: 0, goes_on: false }];
            deployment.arn.clone()
        };
        (lab, arn)
    }

    async fn ask(lab: &World, operation: &str, input: Value) -> Option<Result<Value, &'static str>> {
        let asked = ApiRequest::new(Api::Ecs, Protocol::Json11, operation, input);
        Some(match undergo(lab, &asked).await? {
            Ok(Output::Members(members)) => Ok(members),
            Ok(Output::Reply(_)) => panic!("ECS answers in members"),
            Err(refusal) => Err(refusal.code),
        })
    }

    #[tokio::test]
    async fn faults_strike_the_calls_of_deployments_as_any_other() {
        let (lab, arn) = held("lost-answer=100%@ContinueServiceDeployment");
        let word = json!({"serviceDeploymentArn": arn, "hookId": "hook"});
        assert_eq!(ask(&lab, "ContinueServiceDeployment", word.clone()).await, None);
        let described = ask(&lab, "DescribeServiceDeployments", json!({"serviceDeploymentArns": [arn]})).await;
        let described = described.expect("it is answered").expect("it is allowed");
        let hook = described.pointer("/serviceDeployments/0/lifecycleHookDetails/0/status");
        assert_eq!(hook, Some(&json!("SUCCEEDED")), "the word counts, though nobody heard so");
        let (lab, _) = held("throttle=100%@ecs.ContinueServiceDeployment");
        assert_eq!(ask(&lab, "ContinueServiceDeployment", word).await, Some(Err("ThrottlingException")));
    }

    #[tokio::test]
    async fn a_hook_is_answered_once_and_only_while_the_deployment_is_in_progress() {
        let (lab, arn) = held("error=0%");
        let word = |action: &str| json!({"serviceDeploymentArn": arn, "hookId": "hook", "action": action});
        let refused = Some(Err("InvalidParameterException"));
        assert_eq!(ask(&lab, "ContinueServiceDeployment", word("WAIT")).await, refused);
        assert!(ask(&lab, "ContinueServiceDeployment", word("ROLLBACK")).await.is_some_and(|done| done.is_ok()));
        let status = lock(&lab.account).service_deployments[0].status;
        assert_eq!(status, DeploymentStatus::RollbackRequested);
        assert_eq!(ask(&lab, "ContinueServiceDeployment", word("CONTINUE")).await, refused);
        let stop = json!({"serviceDeploymentArn": arn, "stopType": "ROLLBACK"});
        assert!(ask(&lab, "StopServiceDeployment", stop).await.is_some_and(|done| done.is_ok()), "it goes on");
    }
}
