//! ECS: tasks.

use serde_json::{Value, json};

use super::ecs_common::{PAGING, cluster_of, invalid};
use super::ecs_tags;
use super::operation::{Call, OperationResult, Refusal, with_token};
use crate::account::{Account, Phase, StopCause, Task, TaskDefinition, hex_id, last, uuid};
use crate::value::{seconds, text, texts};

/// Tasks in one DescribeTasks.
const DESCRIBED_LIMIT: usize = 100;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "ListTasks" => list_tasks(call),
        "DescribeTasks" => describe_tasks(call),
        "StopTask" => stop_task(call),
        _ => return None,
    })
}

fn list_tasks(call: &Call<'_>) -> OperationResult {
    let cluster = &cluster_of(call)?.arn;
    let service = match text(call.input, "serviceName") {
        None => None,
        Some(name) => {
            let service = call.account.service(cluster, name);
            let missing = || Refusal::new("ServiceNotFoundException", "Service not found.");
            Some(service.ok_or_else(missing)?.arn.as_str())
        }
    };
    let family = text(call.input, "family");
    let is_wanted = match text(call.input, "desiredStatus").unwrap_or("RUNNING") {
        "RUNNING" => true,
        "STOPPED" => false,
        // ECS never sets a desired status of PENDING, so that finds nothing.
        "PENDING" => return Ok(json!({"taskArns": []})),
        other => return Err(invalid(format!("invalid desiredStatus {other}"))),
    };
    let family_of = |task: &Task| last(&task.definition).split(':').next().unwrap_or("").to_owned();
    let mut tasks: Vec<&Task> = call
        .account
        .tasks
        .values()
        .filter(|task| &task.cluster == cluster && task.is_wanted == is_wanted)
        .filter(|task| service.is_none_or(|service| task.service == service))
        .filter(|task| family.is_none_or(|family| family_of(task) == family))
        .collect();
    tasks.sort_by_key(|task| task.times.created);
    let arns: Vec<&str> = tasks.iter().map(|task| task.arn.as_str()).collect();
    let (page, next) = PAGING.cut(call.input, arns)?;
    Ok(with_token(json!({"taskArns": page}), "nextToken", next))
}

fn describe_tasks(call: &Call<'_>) -> OperationResult {
    let cluster = cluster_of(call)?;
    let names = texts(call.input, "tasks");
    if names.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if names.len() > DESCRIBED_LIMIT {
        return Err(invalid(format!("Tasks cannot have more than {DESCRIBED_LIMIT} elements")));
    }
    let with_tags = texts(call.input, "include").contains(&"TAGS");
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let task = call.account.tasks.get(last(name)).filter(|task| task.cluster == cluster.arn);
        let Some(task) = task else {
            let rest = format!("task/{}/{}", cluster.name, last(name));
            failures.push(json!({"arn": call.account.names.ecs(&rest), "reason": "MISSING"}));
            continue;
        };
        let mut shown = show(call.account, task);
        if with_tags {
            shown["tags"] = ecs_tags::show(call.account, &task.arn);
        }
        tasks.push(shown);
    }
    Ok(json!({"tasks": tasks, "failures": failures}))
}

fn stop_task(call: &mut Call<'_>) -> OperationResult {
    let cluster = cluster_of(call)?.arn.clone();
    let id = last(text(call.input, "task").unwrap_or_default()).to_owned();
    let reason = text(call.input, "reason").unwrap_or("Task stopped by user").to_owned();
    let task = call.account.tasks.get_mut(&id).filter(|task| task.cluster == cluster);
    let task = task.ok_or_else(|| invalid("The referenced task was not found."))?;
    if task.is_wanted {
        task.is_wanted = false;
        task.stop = Some(StopCause { code: "UserInitiated", reason, exit_code: 0 });
    }
    let shown = call.account.tasks.get(&id).map(|task| show(call.account, task));
    Ok(json!({"task": shown}))
}

/// A task as ECS tells it.
fn show(account: &Account, task: &Task) -> Value {
    let definition = account.definition(&task.definition);
    let has_check = definition.is_some_and(TaskDefinition::has_health_check);
    let is_up = task.phase == Phase::Running;
    let health = if has_check && is_up { "HEALTHY" } else { "UNKNOWN" };
    let containers = definition.map(TaskDefinition::containers).unwrap_or_default();
    let attachment = uuid(&format!("{} eni", task.id));
    let containers: Vec<Value> =
        containers.iter().map(|(name, image)| show_container(task, name, image, (health, &attachment))).collect();
    let size = |key: &str| definition.and_then(|one| one.body.get(key)).cloned();
    let mut shown = json!({
        "taskArn": task.arn, "clusterArn": task.cluster, "taskDefinitionArn": task.definition,
        "lastStatus": task.phase.word(),
        "desiredStatus": if task.is_wanted { "RUNNING" } else { "STOPPED" },
        "group": format!("service:{}", last(&task.service)), "startedBy": task.deployment,
        "launchType": "FARGATE", "platformVersion": "1.4.0", "platformFamily": "Linux", "healthStatus": health,
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": format!("{}a", account.names.region),
        "cpu": size("cpu").unwrap_or_else(|| json!("256")),
        "memory": size("memory").unwrap_or_else(|| json!("512")),
        "createdAt": seconds(task.times.created), "connectivity": "CONNECTED",
        "containers": containers, "overrides": {"containerOverrides": []}, "tags": [],
        "attachments": [show_interface(task, &attachment)], "version": task.phase as u8 + 1,
    });
    let Some(members) = shown.as_object_mut() else { return shown };
    let times = &task.times;
    let mut put = |key: &str, at: Option<u64>| {
        if let Some(at) = at {
            members.insert(key.to_owned(), seconds(at));
        }
    };
    if task.phase > Phase::Provisioning {
        put("connectivityAt", Some(times.created));
        put("pullStartedAt", Some(times.created));
    }
    put("pullStoppedAt", times.started);
    put("startedAt", times.started);
    put("stoppingAt", times.stopping);
    put("executionStoppedAt", times.stopped);
    put("stoppedAt", times.stopped);
    if let Some(provider) = &task.provider {
        members.insert("capacityProviderName".to_owned(), json!(provider));
    }
    if let Some(cause) = &task.stop {
        members.insert("stopCode".to_owned(), json!(cause.code));
        members.insert("stoppedReason".to_owned(), json!(cause.reason));
    }
    shown
}

fn show_interface(task: &Task, attachment: &str) -> Value {
    let status = if task.phase >= Phase::Deprovisioning { "DELETED" } else { "ATTACHED" };
    let interface = hex_id(&task.id, 17);
    json!({"id": attachment, "type": "ElasticNetworkInterface", "status": status, "details": [
        {"name": "subnetId", "value": "subnet-0lab0a"},
        {"name": "networkInterfaceId", "value": format!("eni-{interface}")},
        {"name": "privateIPv4Address", "value": task.address},
    ]})
}

fn show_container(task: &Task, name: &str, image: &str, (health, attachment): (&str, &str)) -> Value {
    let has_ended = task.phase >= Phase::Deprovisioning;
    let status = match task.phase {
        Phase::Provisioning | Phase::Pending => "PENDING",
        Phase::Running | Phase::Deactivating | Phase::Stopping => "RUNNING",
        Phase::Deprovisioning | Phase::Stopped => "STOPPED",
    };
    let id = uuid(&format!("{} {name}", task.id));
    let mut shown = json!({
        "containerArn": task.arn.replace(":task/", ":container/") + "/" + &id,
        "taskArn": task.arn, "name": name, "image": image, "lastStatus": status,
        "imageDigest": format!("sha256:{}", hex_id(image, 64)),
        "runtimeId": format!("{}-{}", task.id, hex_id(name, 10)),
        "healthStatus": health, "networkBindings": [], "cpu": "0",
        "networkInterfaces": [{"attachmentId": attachment, "privateIpv4Address": task.address}],
    });
    if let (true, Some(cause)) = (has_ended && task.times.started.is_some(), &task.stop) {
        shown["exitCode"] = json!(cause.exit_code);
        if cause.exit_code != 0 {
            shown["reason"] = json!("the container exited by itself");
        }
    }
    shown
}
