//! ECS: clusters and services.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::ecs_common::{KEPT, PAGING, active_service, cluster_of, counts, definition_of, invalid};
use super::operation::{Call, OperationResult, Refusal, with_token};
use super::{ecs_attachments, ecs_deployments, ecs_tags, ecs_task_sets};
use crate::account::{
    Account, Cluster, Controller, Deployment, DeploymentLimits, Phase, Rollout, Service, ServiceStatus, last,
};
use crate::scheduler;
use crate::value::{flag, list, seconds, text, texts, whole};
/// Services in one DescribeServices.
const DESCRIBED_LIMIT: usize = 10;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateCluster" => Ok(create_cluster(call)),
        "DescribeClusters" => Ok(describe_clusters(call)),
        "ListClusters" => list_clusters(call),
        "CreateService" => create_service(call),
        "UpdateService" => update_service(call),
        "DeleteService" => delete_service(call),
        "DescribeServices" => describe_services(call),
        "ListServices" => list_services(call),
        _ => return None,
    })
}

fn create_cluster(call: &mut Call<'_>) -> Value {
    let name = text(call.input, "clusterName").unwrap_or("default").to_owned();
    let arn = call.account.names.ecs(&format!("cluster/{name}"));
    if call.account.cluster(Some(&name)).is_none() {
        call.account.clusters.push(Cluster { arn: arn.clone(), name });
    }
    ecs_tags::put(call.account, &arn, list(call.input, "tags"));
    let cluster = call.account.cluster(Some(&arn));
    json!({"cluster": cluster.map(|cluster| show_cluster(call.account, cluster))})
}

fn show_cluster(account: &Account, cluster: &Cluster) -> Value {
    let services = account.services.iter();
    let active = services.filter(|one| one.cluster == cluster.arn && one.status == ServiceStatus::Active);
    let tasks = |phases: &[Phase]| {
        let here = account.tasks.values().filter(|task| task.cluster == cluster.arn);
        here.filter(|task| phases.contains(&task.phase)).count()
    };
    json!({
        "clusterArn": cluster.arn, "clusterName": cluster.name, "status": "ACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": tasks(&[Phase::Running]),
        "pendingTasksCount": tasks(&[Phase::Provisioning, Phase::Pending]),
        "activeServicesCount": active.count(),
        "statistics": [], "tags": ecs_tags::show(account, &cluster.arn), "settings": [],
        "capacityProviders": [], "defaultCapacityProviderStrategy": [],
    })
}

fn describe_clusters(call: &Call<'_>) -> Value {
    let mut names = texts(call.input, "clusters");
    if names.is_empty() {
        names.push("default");
    }
    let (mut clusters, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        if let Some(cluster) = call.account.cluster(Some(name)) {
            clusters.push(show_cluster(call.account, cluster));
        } else {
            let arn = call.account.names.ecs(&format!("cluster/{}", last(name)));
            failures.push(json!({"arn": arn, "reason": "MISSING"}));
        }
    }
    json!({"clusters": clusters, "failures": failures})
}

fn list_clusters(call: &Call<'_>) -> OperationResult {
    let arns = call.account.clusters.iter().map(|cluster| cluster.arn.clone()).collect();
    let (page, next) = PAGING.cut(call.input, arns)?;
    Ok(with_token(json!({"clusterArns": page}), "nextToken", next))
}

fn list_services(call: &Call<'_>) -> OperationResult {
    let cluster = &cluster_of(call)?.arn;
    let is_there = |one: &&Service| &one.cluster == cluster && one.status != ServiceStatus::Inactive;
    let arns = call.account.services.iter().filter(is_there).map(|one| one.arn.clone()).collect();
    let (page, next) = PAGING.cut(call.input, arns)?;
    Ok(with_token(json!({"serviceArns": page}), "nextToken", next))
}

fn describe_services(call: &Call<'_>) -> OperationResult {
    let cluster = cluster_of(call)?;
    let names = texts(call.input, "services");
    if names.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if names.len() > DESCRIBED_LIMIT {
        return Err(invalid(format!("Services cannot have more than {DESCRIBED_LIMIT} elements")));
    }
    let with_tags = texts(call.input, "include").contains(&"TAGS");
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let Some(service) = call.account.service(&cluster.arn, name) else {
            let rest = format!("service/{}/{}", cluster.name, last(name));
            failures.push(json!({"arn": call.account.names.ecs(&rest), "reason": "MISSING"}));
            continue;
        };
        let mut shown = show(call.account, service, call.now);
        if with_tags {
            shown["tags"] = ecs_tags::show(call.account, &service.arn);
        }
        services.push(shown);
    }
    Ok(json!({"services": services, "failures": failures}))
}

/// What ECS tells of a service's deployments alone.
const OF_DEPLOYMENTS: [&str; 2] = ["serviceConnectConfiguration", "vpcLatticeConfigurations"];

/// A service as ECS tells it.
fn show(account: &Account, service: &Service, now: u64) -> Value {
    let (running, pending) = counts(account, service, None);
    let events = service
        .events
        .iter()
        .map(|event| json!({"id": event.id, "createdAt": seconds(event.at), "message": event.message}));
    let deployments = service.deployments.iter().enumerate();
    let mut shown = json!({
        "serviceArn": service.arn, "serviceName": service.name, "clusterArn": service.cluster,
        "status": service.status.word(), "desiredCount": service.desired,
        "runningCount": running, "pendingCount": pending, "taskDefinition": service.definition,
        "loadBalancers": ecs_attachments::show(&service.attachments), "serviceRegistries": [],
        "deploymentConfiguration": ecs_deployments::show_configuration(&service.limits.raw),
        "deployments": deployments.map(|(index, one)| show_deployment(account, service, index, one))
            .collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(), "createdAt": seconds(service.created_at),
        "placementConstraints": [], "placementStrategy": [],
        "healthCheckGracePeriodSeconds": service.grace_seconds,
        "schedulingStrategy": "REPLICA", "deploymentController": {"type": service.controller.word()},
        "platformFamily": "Linux", "enableECSManagedTags": false, "propagateTags": "NONE", "enableExecuteCommand": false,
        "availabilityZoneRebalancing": "DISABLED",
    });
    if let Some(members) = shown.as_object_mut() {
        let own = service.extra.iter().filter(|(key, _)| !OF_DEPLOYMENTS.contains(&key.as_str()));
        members.extend(own.map(|(key, value)| (key.clone(), value.clone())));
        ecs_deployments::add_current(account, service, now, members);
    }
    if service.controller != Controller::Ecs {
        ecs_task_sets::complete(account, service, &mut shown);
    }
    shown
}

fn show_deployment(account: &Account, service: &Service, index: usize, deployment: &Deployment) -> Value {
    let (running, pending) = counts(account, service, Some(&deployment.id));
    let desired = if index == 0 { service.desired as usize } else { running + pending };
    let mut shown = json!({
        "id": deployment.id, "status": if index == 0 { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": deployment.definition, "desiredCount": desired,
        "pendingCount": pending, "runningCount": running, "failedTasks": deployment.failed_tasks,
        "createdAt": seconds(deployment.created_at), "updatedAt": seconds(deployment.updated_at),
        "rolloutState": deployment.rollout.word(), "platformFamily": "Linux",
        "rolloutStateReason": match deployment.rollout_reason.as_str() {
            "" if deployment.rollout == Rollout::Completed => {
                format!("ECS deployment {} completed.", deployment.id)
            }
            "" => format!("ECS deployment {} in progress.", deployment.id),
            reason => reason.to_owned(),
        },
    });
    let both = ["launchType", "platformVersion", "networkConfiguration"];
    for key in both.into_iter().chain(OF_DEPLOYMENTS) {
        if let Some(value) = service.extra.get(key) {
            shown[key] = value.clone();
        }
    }
    shown
}

fn count_of(input: &Value, key: &str) -> Result<Option<u32>, Refusal> {
    match input.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => whole(input, key)
            .and_then(|count| u32::try_from(count).ok())
            .map(Some)
            .ok_or_else(|| invalid(format!("{key} must not be negative."))),
    }
}

/// Reads `deploymentConfiguration` over what there is.
fn read_limits(input: &Value, mut limits: DeploymentLimits) -> Result<DeploymentLimits, Refusal> {
    let Some(Value::Object(given)) = input.get("deploymentConfiguration") else {
        return Ok(limits);
    };
    let value = Value::Object(given.clone());
    limits.maximum_percent = count_of(&value, "maximumPercent")?.unwrap_or(limits.maximum_percent);
    let minimum = count_of(&value, "minimumHealthyPercent")?;
    limits.minimum_healthy_percent = minimum.unwrap_or(limits.minimum_healthy_percent);
    if limits.maximum_percent <= limits.minimum_healthy_percent && limits.maximum_percent < 100 {
        return Err(invalid("maximumPercent must be greater than minimumHealthyPercent."));
    }
    check_early_success(given)?;
    ecs_attachments::outlived(&mut limits.raw, given);
    limits.raw.extend(given.clone());
    Ok(limits)
}

/// What early success needs: how much is enough, and what becomes of the tasks of before.
fn check_early_success(given: &serde_json::Map<String, Value>) -> Result<(), Refusal> {
    let Some(criteria) = given.get("earlySuccessCriteria").filter(|one| flag(one, "enable") == Some(true)) else {
        return Ok(());
    };
    let percent = whole(criteria, "healthyPercent").filter(|percent| (0..=100).contains(percent));
    let cleanup = text(criteria, "sourceServiceRevisionCleanup");
    if percent.is_none() || !matches!(cleanup, Some("BLOCKING" | "DEFERRED")) {
        return Err(invalid(
            "earlySuccessCriteria needs a healthyPercent from 0 to 100 and a sourceServiceRevisionCleanup of BLOCKING or DEFERRED.",
        ));
    }
    Ok(())
}

fn create_service(call: &mut Call<'_>) -> OperationResult {
    let cluster = cluster_of(call)?.clone();
    let input = call.input;
    let name = text(input, "serviceName").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid("Service name cannot be empty."))?.to_owned();
    let before = call.account.service(&cluster.arn, &name);
    if before.is_some_and(|before| before.status != ServiceStatus::Inactive) {
        return Err(invalid("Creation of service was not idempotent."));
    }
    let controller = ecs_task_sets::controller_of(input)?;
    let definition = match (controller, text(input, "taskDefinition")) {
        (Controller::External, None) => String::new(),
        (_, name) => definition_of(call.account, name.unwrap_or_default())?,
    };
    let arn = call.account.names.ecs(&format!("service/{}/{name}", cluster.name));
    let kept = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), input.get(*key)?.clone())));
    let mut service = Service {
        arn: arn.clone(),
        name,
        cluster: cluster.arn,
        status: ServiceStatus::Active,
        controller,
        desired: count_of(input, "desiredCount")?.unwrap_or(0),
        definition: definition.clone(),
        attachments: ecs_attachments::read(call.account, input)?,
        grace_seconds: count_of(input, "healthCheckGracePeriodSeconds")?.unwrap_or(0).into(),
        limits: read_limits(input, DeploymentLimits::default())?,
        deployments: Vec::new(),
        completed: None,
        sets: Vec::new(),
        primary_set: None,
        events: VecDeque::new(),
        created_at: call.now,
        is_steady: false,
        extra: kept.collect(),
    };
    ecs_attachments::check(&service, false)?;
    let shifts_traffic = service.shifts_traffic();
    if !shifts_traffic {
        let number = call.account.next();
        service.begin(&definition, call.now, number);
    }
    call.account.services.retain(|one| one.arn != arn);
    call.account.services.push(service);
    if shifts_traffic {
        scheduler::begin(call.account, &arn, &definition, call.now).map_err(invalid)?;
    }
    ecs_tags::put(call.account, &arn, list(input, "tags"));
    let mut shown = shown_service(call, &arn);
    shown["service"]["tags"] = ecs_tags::show(call.account, &arn);
    Ok(shown)
}

fn update_service(call: &mut Call<'_>) -> OperationResult {
    let arn = active_service(call)?;
    let (input, now) = (call.input, call.now);
    let desired = count_of(input, "desiredCount")?;
    let grace = count_of(input, "healthCheckGracePeriodSeconds")?;
    let named = text(input, "taskDefinition").map(|name| definition_of(call.account, name));
    let named = named.transpose()?;
    if let Some(service) = call.account.service_mut(&arn) {
        ecs_task_sets::check_update(service, input)?;
    }
    let number = call.account.next();
    let rebuilt = rebuilt(call, &arn)?;
    let Some(service) = call.account.service_mut(&arn) else { unreachable!("the service was just found") };
    let is_moved = rebuilt.attachments != service.attachments;
    if is_moved {
        service.keep_places();
    }
    (service.limits, service.attachments) = (rebuilt.limits, rebuilt.attachments);
    service.desired = desired.unwrap_or(service.desired);
    service.grace_seconds = grace.map_or(service.grace_seconds, u64::from);
    for key in KEPT {
        if let Some(value) = input.get(key) {
            service.extra.insert(key.to_owned(), value.clone());
        }
    }
    let is_forced = flag(input, "forceNewDeployment").unwrap_or(false);
    let is_new = named.as_ref().is_some_and(|name| *name != service.definition);
    let definition = named.unwrap_or_else(|| service.definition.clone());
    if service.shifts_traffic() && (is_new || is_forced || is_moved) {
        service.is_steady = false;
        scheduler::begin(call.account, &arn, &definition, now).map_err(invalid)?;
        return Ok(shown_service(call, &arn));
    }
    if service.controller == Controller::Ecs && (is_new || is_forced || is_moved) {
        service.deploy(&definition, now, number);
    } else if let Some(primary) = service.deployments.first_mut() {
        primary.updated_at = now;
    }
    service.is_steady = false;
    Ok(shown_service(call, &arn))
}

/// The service as an update would have it, which must be one that can be deployed.
fn rebuilt(call: &Call<'_>, arn: &str) -> Result<Service, Refusal> {
    let found = call.account.services.iter().find(|one| one.arn == arn);
    let Some(mut service) = found.cloned() else { unreachable!("the service was just found") };
    let did_shift = service.shifts_traffic();
    service.limits = read_limits(call.input, service.limits)?;
    if call.input.get("loadBalancers").is_some_and(Value::is_array) {
        service.attachments = ecs_attachments::read(call.account, call.input)?;
    }
    ecs_attachments::check(&service, did_shift)?;
    Ok(service)
}

fn shown_service(call: &Call<'_>, arn: &str) -> Value {
    let shown = call.account.services.iter().find(|one| one.arn == arn);
    json!({"service": shown.map(|service| show(call.account, service, call.now))})
}

fn delete_service(call: &mut Call<'_>) -> OperationResult {
    let arn = active_service(call)?;
    let is_forced = flag(call.input, "force").unwrap_or(false);
    let Some(service) = call.account.service_mut(&arn) else { unreachable!("the service was just found") };
    if service.desired > 0 && !is_forced {
        return Err(invalid("The service cannot be stopped while it is scaled above 0."));
    }
    if service.controller == Controller::External && !service.sets.is_empty() && !is_forced {
        return Err(invalid("The service cannot be stopped while deployments are active."));
    }
    service.status = ServiceStatus::Draining;
    service.desired = 0;
    Ok(shown_service(call, &arn))
}
