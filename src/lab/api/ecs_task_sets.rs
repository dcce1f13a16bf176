//! ECS: task sets, and what else is different about a service that ECS does not deploy itself.
//!
//! Shapes are those of the ECS API reference; what may be changed is the page "External deployment" of the
//! ECS developer guide. Messages that AWS does not document are in its style, not its words.

use serde_json::{Value, json};

use super::ecs_common::{KEPT, active_service, cluster_of, counts, definition_of, invalid};
use super::operation::{Call, OperationResult, Refusal};
use super::{ecs_attachments, ecs_tags};
use crate::account::{Account, Attachment, Controller, Service, ServiceStatus, TaskSet};
use crate::value::{flag, list, number, seconds, text, texts};

/// Task sets of one service, which ECS calls deployments when it says so.
const SETS_LIMIT: usize = 5;
/// Target groups of one task set (developer guide, "External deployment").
const GROUPS_LIMIT: usize = 1;
/// The greatest scale, in percent.
const SCALE_LIMIT: f64 = 100.0;
/// Characters of a `clientToken`.
const TOKEN_LIMIT: usize = 36;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateTaskSet" => create(call),
        "DescribeTaskSets" => describe(call),
        "UpdateTaskSet" => update(call),
        "UpdateServicePrimaryTaskSet" => promote(call),
        "DeleteTaskSet" => delete(call),
        _ => return None,
    })
}

/// The controller that a new service asks for; only what can be is let through.
pub(super) fn controller_of(input: &Value) -> Result<Controller, Refusal> {
    let word = input.pointer("/deploymentController/type").and_then(Value::as_str).unwrap_or("ECS");
    let controller = Controller::parse(word);
    let controller = controller.ok_or_else(|| invalid(format!("Invalid deployment controller type: {word}")))?;
    let is_full = text(input, "taskDefinition").is_some() || !list(input, "loadBalancers").is_empty();
    match controller {
        Controller::External if is_full => {
            Err(invalid("A service with an EXTERNAL deployment controller takes these from its task sets."))
        }
        Controller::CodeDeploy if list(input, "loadBalancers").is_empty() => {
            Err(invalid("A load balancer is required for services with a CODE_DEPLOY deployment controller."))
        }
        _ => Ok(controller),
    }
}

/// Refuses an UpdateService that a controller other than ECS does not leave to it (API reference, `UpdateService`).
pub(super) fn check_update(service: &Service, input: &Value) -> Result<(), Refusal> {
    let (word, instead) = match service.controller {
        Controller::Ecs => return Ok(()),
        Controller::CodeDeploy => ("CODE_DEPLOY", "Use AWS CodeDeploy to trigger a new deployment."),
        Controller::External => ("EXTERNAL", "Use CreateTaskSet to create a new task set."),
    };
    let unable =
        |what: &str| Err(invalid(format!("{what} on services with a {word} deployment controller. {instead}")));
    if text(input, "taskDefinition").is_some() {
        return unable("Unable to update task definition");
    }
    if flag(input, "forceNewDeployment").unwrap_or(false) {
        return unable("Cannot force a new deployment");
    }
    let network = ["networkConfiguration", "platformVersion", "capacityProviderStrategy"];
    if network.iter().any(|key| input.get(*key).is_some_and(|value| !value.is_null())) {
        return unable("Unable to update network parameters");
    }
    if ["loadBalancers", "serviceRegistries"].iter().any(|key| !list(input, key).is_empty()) {
        return unable("Unable to update load balancers");
    }
    let limits = input.get("deploymentConfiguration").is_some_and(|limits| !limits.is_null());
    if limits && service.controller == Controller::External {
        return unable("Unable to update deployment configuration");
    }
    Ok(())
}

/// Completes what ECS tells of a service with what its primary task set is made of, and all its sets.
pub(super) fn complete(account: &Account, service: &Service, shown: &mut Value) {
    let Some(members) = shown.as_object_mut() else { return };
    let sets: Vec<Value> = service.sets.iter().map(|set| show(account, service, set)).collect();
    members.insert("taskSets".to_owned(), Value::Array(sets));
    members.insert("deployments".to_owned(), json!([]));
    match service.primary() {
        Some(set) => members.extend(set.extra.clone()),
        None => {
            for key in ["taskDefinition", "launchType", "platformVersion", "networkConfiguration"] {
                members.remove(key);
            }
        }
    }
    if let Some(limits) = members.get_mut("deploymentConfiguration").and_then(Value::as_object_mut) {
        limits.remove("deploymentCircuitBreaker");
        limits.remove("strategy");
    }
}

/// A task set as ECS tells it.
fn show(account: &Account, service: &Service, set: &TaskSet) -> Value {
    let (running, pending) = counts(account, service, Some(&set.id));
    let mut shown = json!({
        "id": set.id, "taskSetArn": set.arn, "serviceArn": service.arn, "clusterArn": service.cluster,
        "status": service.status_of(set), "taskDefinition": set.definition,
        "computedDesiredCount": set.wanted(service.desired),
        "pendingCount": pending, "runningCount": running,
        "createdAt": seconds(set.created_at), "updatedAt": seconds(set.updated_at),
        "loadBalancers": set.attachments.iter().map(show_place).collect::<Vec<_>>(), "serviceRegistries": [],
        "scale": {"value": set.scale, "unit": "PERCENT"},
        "stabilityStatus": if set.is_steady { "STEADY_STATE" } else { "STABILIZING" },
        "stabilityStatusAt": seconds(set.steady_at), "tags": [],
    });
    if set.is_codedeploys {
        shown["startedBy"] = json!("CODE_DEPLOY");
    }
    if let Some(id) = &set.external_id {
        shown["externalId"] = json!(id);
    }
    for key in ["launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"] {
        if let Some(value) = set.extra.get(key) {
            shown[key] = value.clone();
        }
    }
    shown
}

fn show_place(place: &Attachment) -> Value {
    json!({"targetGroupArn": place.group, "containerName": place.container, "containerPort": place.port})
}

/// The answer about one task set.
fn told(call: &Call<'_>, arn: &str, id: &str) -> Value {
    let service = call.account.services.iter().find(|service| service.arn == arn);
    let shown = service.and_then(|service| Some(show(call.account, service, service.set(id)?)));
    json!({"taskSet": shown})
}

/// The ARN of the active service an input names, which must be one of task sets.
fn external_service(call: &Call<'_>) -> Result<String, Refusal> {
    let arn = active_service(call)?;
    let service = call.account.services.iter().find(|service| service.arn == arn);
    match service.map(|service| service.controller) {
        Some(Controller::External) => Ok(arn),
        other => {
            let word = other.unwrap_or_default().word();
            Err(invalid(format!("Task sets cannot be managed on services with a {word} deployment controller.")))
        }
    }
}

/// The id of the task set an input names.
fn named_set(call: &Call<'_>, arn: &str, member: &str) -> Result<String, Refusal> {
    let service = call.account.services.iter().find(|service| service.arn == arn);
    let set = service.and_then(|service| service.set(text(call.input, member).unwrap_or_default()));
    let missing = || Refusal::new("TaskSetNotFoundException", "The specified task set was not found.");
    Ok(set.ok_or_else(missing)?.id.clone())
}

/// A scale; none is nothing, as the example of `create-task-set` in the AWS CLI has it.
fn read_scale(input: &Value) -> Result<f64, Refusal> {
    let Some(scale) = input.get("scale").filter(|scale| !scale.is_null()) else { return Ok(0.0) };
    if text(scale, "unit").is_some_and(|unit| unit != "PERCENT") {
        return Err(invalid("Scale unit must be PERCENT."));
    }
    let value = number(scale, "value").unwrap_or(0.0);
    if !(0.0..=SCALE_LIMIT).contains(&value) {
        return Err(invalid("Scale value must be between 0 and 100."));
    }
    Ok(value)
}

fn create(call: &mut Call<'_>) -> OperationResult {
    let arn = external_service(call)?;
    let (input, now) = (call.input, call.now);
    let definition = definition_of(call.account, text(input, "taskDefinition").unwrap_or_default())?;
    let attachments = ecs_attachments::read(call.account, input)?;
    if attachments.len() > GROUPS_LIMIT {
        return Err(invalid("loadBalancers can have at most 1 items."));
    }
    let token = text(input, "clientToken").map(str::to_owned);
    if token.as_ref().is_some_and(|token| token.len() > TOKEN_LIMIT) {
        return Err(invalid("Client token can have at most 36 characters."));
    }
    let scale = read_scale(input)?;
    let number = call.account.next();
    let Some(service) = call.account.service_mut(&arn) else { unreachable!("the service was just found") };
    if let Some(before) = service.sets.iter().find(|set| token.is_some() && set.token == token) {
        if (&before.definition, before.external_id.as_deref()) != (&definition, text(input, "externalId")) {
            return Err(invalid("Creation of task set was not idempotent."));
        }
        let id = before.id.clone();
        return Ok(told(call, &arn, &id));
    }
    if service.sets.len() >= SETS_LIMIT {
        let message = "5 deployments exist on the service. Unable to create new TaskSet since this exceeds the \
                       maximum limit.";
        return Err(invalid(message));
    }
    let kept = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), input.get(*key)?.clone())));
    let mut set = TaskSet {
        external_id: text(input, "externalId").map(str::to_owned),
        scale,
        token,
        extra: kept.collect(),
        ..TaskSet::new(service, &definition, attachments, now)
    };
    if !set.extra.contains_key("capacityProviderStrategy") {
        set.extra.entry("launchType").or_insert_with(|| json!("EC2"));
    }
    let id = service.add_set(set, number);
    if let Some(set_arn) = service.set(&id).map(|set| set.arn.clone()) {
        ecs_tags::put(call.account, &set_arn, list(input, "tags"));
    }
    Ok(told(call, &arn, &id))
}

fn describe(call: &Call<'_>) -> OperationResult {
    let cluster = cluster_of(call)?;
    let service = call.account.service(&cluster.arn, text(call.input, "service").unwrap_or_default());
    let service = service.ok_or_else(|| Refusal::new("ServiceNotFoundException", "Service not found."))?;
    if service.status != ServiceStatus::Active {
        return Err(Refusal::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let mut names = texts(call.input, "taskSets");
    if names.is_empty() {
        names = service.sets.iter().map(|set| set.id.as_str()).collect();
    }
    let with_tags = texts(call.input, "include").contains(&"TAGS");
    let (mut sets, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let Some(set) = service.set(name) else {
            let arn = if name.starts_with("arn:") {
                name.to_owned()
            } else {
                format!("{}/{name}", service.arn.replace(":service/", ":task-set/"))
            };
            failures.push(json!({"arn": arn, "reason": "MISSING"}));
            continue;
        };
        let mut shown = show(call.account, service, set);
        if with_tags {
            shown["tags"] = ecs_tags::show(call.account, &set.arn);
        }
        sets.push(shown);
    }
    Ok(json!({"taskSets": sets, "failures": failures}))
}

fn update(call: &mut Call<'_>) -> OperationResult {
    let arn = external_service(call)?;
    let id = named_set(call, &arn, "taskSet")?;
    if call.input.get("scale").is_none_or(Value::is_null) {
        return Err(invalid("Scale cannot be empty."));
    }
    let (scale, now) = (read_scale(call.input)?, call.now);
    if let Some(set) = call.account.service_mut(&arn).and_then(|service| service.set_mut(&id)) {
        if set.is_draining {
            return Err(invalid("The specified task set is DRAINING."));
        }
        (set.scale, set.updated_at, set.is_steady, set.steady_at) = (scale, now, false, now);
    }
    Ok(told(call, &arn, &id))
}

fn promote(call: &mut Call<'_>) -> OperationResult {
    let arn = external_service(call)?;
    let id = named_set(call, &arn, "primaryTaskSet")?;
    let now = call.now;
    if let Some(service) = call.account.service_mut(&arn) {
        if service.set(&id).is_some_and(|set| set.is_draining) {
            return Err(invalid("The specified task set is DRAINING."));
        }
        service.promote(&id, now);
    }
    Ok(told(call, &arn, &id))
}

fn delete(call: &mut Call<'_>) -> OperationResult {
    let arn = external_service(call)?;
    let id = named_set(call, &arn, "taskSet")?;
    let (is_forced, now) = (flag(call.input, "force").unwrap_or(false), call.now);
    if let Some(set) = call.account.service_mut(&arn).and_then(|service| service.set_mut(&id)) {
        if set.scale > 0.0 && !is_forced {
            return Err(invalid("The task set cannot be deleted while it is scaled above 0."));
        }
        if !set.is_draining {
            set.drain(now);
        }
    }
    Ok(told(call, &arn, &id))
}

#[cfg(test)]
mod tests {
    use super::super::operation::on_account;
    use super::*;
    use crate::config::{LabConfig, ServiceSeed};

    fn seeded(services: ServiceSeed) -> Account {
        let mut config = LabConfig::default();
        config.world.services = services;
        config.world.extra_task_definitions = vec!["web:2".to_owned()];
        Account::seeded(&config, 0)
    }

    fn ask(account: &mut Account, operation: &str, more: &Value) -> OperationResult {
        let mut input = json!({"cluster": "lab", "service": "web-blue"});
        let members = input.as_object_mut().expect("it is an object");
        members.extend(more.as_object().expect("it is an object").clone());
        on_account(account, 0, &input, |call| {
            let found = perform(call, operation);
            found.or_else(|| super::super::ecs_services::perform(call, operation)).expect("it is served")
        })
    }

    fn code(outcome: OperationResult) -> Option<&'static str> {
        outcome.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_task_set_is_made_once_for_each_token_and_five_at_most() {
        let mut account = seeded(ServiceSeed::TaskSets);
        let place = json!({"targetGroupArn": account.groups[1].arn, "containerName": "web", "containerPort": 8080});
        let set = json!({"taskDefinition": "web:2", "loadBalancers": [place], "externalId": "green",
            "clientToken": "t", "scale": {"value": 50, "unit": "PERCENT"}});
        let made = ask(&mut account, "CreateTaskSet", &set).expect("it is fine")["taskSet"].clone();
        let again = ask(&mut account, "CreateTaskSet", &set).expect("it was made")["taskSet"].clone();
        assert_eq!(made, again);
        assert_eq!(made["status"], "ACTIVE");
        assert_eq!((&made["computedDesiredCount"], &made["stabilityStatus"]), (&json!(1), &json!("STABILIZING")));
        assert_eq!(account.services[0].sets.len(), 2);
        let two = json!({"taskDefinition": "web:2", "loadBalancers": [place, place]});
        assert_eq!(code(ask(&mut account, "CreateTaskSet", &two)), Some("InvalidParameterException"));
        let bare = json!({"taskDefinition": "web:2"});
        for _ in 0..3 {
            let made = ask(&mut account, "CreateTaskSet", &bare).expect("there is room")["taskSet"].clone();
            assert_eq!(made["scale"], json!({"value": 0.0, "unit": "PERCENT"}));
        }
        let refused = ask(&mut account, "CreateTaskSet", &bare).expect_err("there is no room");
        assert!(refused.message.starts_with("5 deployments exist on the service."), "{}", refused.message);
    }

    #[test]
    fn the_primary_task_set_is_what_the_service_is_made_of() {
        let mut account = seeded(ServiceSeed::TaskSets);
        let made = ask(&mut account, "CreateTaskSet", &json!({"taskDefinition": "web:2"})).expect("it is fine");
        let (id, arn) = (&made["taskSet"]["id"], &made["taskSet"]["taskSetArn"]);
        ask(&mut account, "UpdateServicePrimaryTaskSet", &json!({"primaryTaskSet": arn})).expect("it is there");
        let told = ask(&mut account, "DescribeServices", &json!({"services": ["web-blue"]})).expect("it is there");
        let service = &told["services"][0];
        assert!(service["taskDefinition"].as_str().is_some_and(|name| name.ends_with("web:2")), "{service}");
        assert_eq!(service["deploymentController"], json!({"type": "EXTERNAL"}));
        let states: Vec<&Value> =
            service["taskSets"].as_array().expect("a list").iter().map(|s| &s["status"]).collect();
        assert_eq!(states, ["ACTIVE", "PRIMARY"]);
        let first = account.services[0].sets[0].id.clone();
        assert_eq!(
            code(ask(&mut account, "DeleteTaskSet", &json!({"taskSet": first}))),
            Some("InvalidParameterException")
        );
        let gone = ask(&mut account, "DeleteTaskSet", &json!({"taskSet": first, "force": true})).expect("it is forced");
        assert_eq!(
            (&gone["taskSet"]["status"], &gone["taskSet"]["computedDesiredCount"]),
            (&json!("DRAINING"), &json!(0))
        );
        let told = ask(&mut account, "DescribeTaskSets", &json!({"taskSets": [id, "ecs-svc/0"]})).expect("it is there");
        assert_eq!((&told["taskSets"][0]["id"], &told["failures"][0]["reason"]), (id, &json!("MISSING")));
    }

    #[test]
    fn a_service_that_ecs_does_not_deploy_keeps_what_it_is_made_of() {
        for (seed, word) in [(ServiceSeed::TaskSets, "EXTERNAL"), (ServiceSeed::CodeDeploy, "CODE_DEPLOY")] {
            let mut account = seeded(seed);
            for input in [json!({"taskDefinition": "web:2"}), json!({"forceNewDeployment": true})] {
                let refused = ask(&mut account, "UpdateService", &input).expect_err("it is not for this");
                assert_eq!(refused.code, "InvalidParameterException");
                assert!(refused.message.contains(word), "{}", refused.message);
            }
            ask(&mut account, "UpdateService", &json!({"desiredCount": 3})).expect("that much is allowed");
            assert_eq!(account.services[0].desired, 3);
        }
        let mut account = seeded(ServiceSeed::CodeDeploy);
        let input = json!({"taskDefinition": "web:2"});
        assert_eq!(code(ask(&mut account, "CreateTaskSet", &input)), Some("InvalidParameterException"));
        let missing = json!({"taskSet": "ecs-svc/0", "scale": {"value": 1}});
        let mut account = seeded(ServiceSeed::TaskSets);
        assert_eq!(code(ask(&mut account, "UpdateTaskSet", &missing)), Some("TaskSetNotFoundException"));
        let wide = json!({"taskSet": account.services[0].sets[0].id, "scale": {"value": 101, "unit": "PERCENT"}});
        assert_eq!(code(ask(&mut account, "UpdateTaskSet", &wide)), Some("InvalidParameterException"));
    }
}
