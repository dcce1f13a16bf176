//! Application Auto Scaling: scalable targets and the policies that track a value.

use serde_json::{Value, json};

use super::operation::{Call, OperationResult, Paging, Refusal, with_token};
use crate::account::{ScalableTarget, ScalingPolicy, Suspended, hex_id, uuid};
use crate::autoscaling::service_of;
use crate::value::{flag, number, seconds, text, texts, whole};

/// How Application Auto Scaling pages its lists.
const PAGING: Paging = Paging { token: "NextToken", size: "MaxResults", limit: 50, code: "ValidationException" };
const NAMESPACE: &str = "ecs";
const DIMENSION: &str = "ecs:service:DesiredCount";
/// Policies of one scalable target.
const POLICIES_LIMIT: usize = 50;
/// The metrics that may be tracked; the lab's tasks have no load but requests, so the first one never scales.
const METRICS: [&str; 2] = ["ECSServiceAverageCPUUtilization", "ALBRequestCountPerTarget"];

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    let perform = match operation {
        "RegisterScalableTarget" => register,
        "DescribeScalableTargets" => describe_targets,
        "DeregisterScalableTarget" => deregister,
        "PutScalingPolicy" => put_policy,
        "DescribeScalingPolicies" => describe_policies,
        "DeleteScalingPolicy" => delete_policy,
        _ => return None,
    };
    Some(check_kind(call.input, operation).and_then(|()| perform(call)))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message)
}

/// Refuses what is not about the desired count of an ECS service; lists may leave the dimension out.
fn check_kind(input: &Value, operation: &str) -> Result<(), Refusal> {
    let dimension = text(input, "ScalableDimension").unwrap_or_default();
    let is_left_out = dimension.is_empty() && operation.starts_with("Describe");
    if text(input, "ServiceNamespace") != Some(NAMESPACE) || !(is_left_out || dimension == DIMENSION) {
        return Err(Refusal::not_played(format!("the lab plays only ServiceNamespace {NAMESPACE} and {DIMENSION}")));
    }
    Ok(())
}

fn resource_of<'a>(call: &Call<'a>) -> Result<&'a str, Refusal> {
    let resource = text(call.input, "ResourceId").unwrap_or_default();
    let is_there = service_of(call.account, resource).is_some();
    if is_there { Ok(resource) } else { Err(invalid(format!("ECS service doesn't exist: {resource}"))) }
}

fn not_found(what: &str, resource: &str) -> Refusal {
    let message = format!(
        "No {what} for service namespace: {NAMESPACE}, resource ID: {resource}, scalable dimension: {DIMENSION}"
    );
    Refusal::new("ObjectNotFoundException", message)
}

fn capacity(input: &Value, member: &str) -> Result<Option<u32>, Refusal> {
    if input.get(member).is_none_or(Value::is_null) {
        return Ok(None);
    }
    let capacity = whole(input, member).and_then(|capacity| u32::try_from(capacity).ok());
    capacity.map(Some).ok_or_else(|| invalid(format!("{member} must be 0 or greater")))
}

/// Members that are absent keep what they were, those of the suspended state one by one.
fn register(call: &mut Call<'_>) -> OperationResult {
    let resource = resource_of(call)?.to_owned();
    let (input, now) = (call.input, call.now);
    let place = call.account.scalable_targets.iter().position(|one| one.resource == resource);
    let before = place.map(|place| call.account.scalable_targets[place].clone());
    let bound = |member: &str, had: Option<u32>| {
        let missing = || invalid(format!("{member} is required to register a new scalable target"));
        capacity(input, member)?.or(had).ok_or_else(missing)
    };
    let min = bound("MinCapacity", before.as_ref().map(|one| one.min))?;
    let max = bound("MaxCapacity", before.as_ref().map(|one| one.max))?;
    if min > max {
        return Err(invalid("Maximum capacity cannot be less than minimum capacity"));
    }
    let names = &call.account.names;
    let target = before.unwrap_or_else(|| ScalableTarget {
        arn: names.arn("application-autoscaling", &format!("scalable-target/{}", hex_id(&resource, 32))),
        resource,
        min,
        max,
        suspended: Suspended::default(),
        role: format!(
            "arn:aws:iam::{}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_ECSService",
            names.account
        ),
        created_at: now,
    });
    let state = input.get("SuspendedState").cloned().unwrap_or_default();
    let merged = |member: &str, had: bool| flag(&state, member).unwrap_or(had);
    let suspended = Suspended {
        scale_in: merged("DynamicScalingInSuspended", target.suspended.scale_in),
        scale_out: merged("DynamicScalingOutSuspended", target.suspended.scale_out),
        scheduled: merged("ScheduledScalingSuspended", target.suspended.scheduled),
    };
    let role = text(input, "RoleARN").map_or(target.role, str::to_owned);
    let target = ScalableTarget { min, max, suspended, role, ..target };
    let arn = target.arn.clone();
    match place {
        Some(place) => call.account.scalable_targets[place] = target,
        None => call.account.scalable_targets.push(target),
    }
    Ok(json!({"ScalableTargetARN": arn}))
}

fn describe_targets(call: &mut Call<'_>) -> OperationResult {
    let wanted = texts(call.input, "ResourceIds");
    let is_wanted = |one: &&ScalableTarget| wanted.is_empty() || wanted.contains(&one.resource.as_str());
    let all = call.account.scalable_targets.iter().filter(is_wanted);
    let (page, next) = PAGING.cut(call.input, all.collect())?;
    let shown: Vec<Value> = page.into_iter().map(show_target).collect();
    Ok(with_token(json!({"ScalableTargets": shown}), "NextToken", next))
}

fn show_target(target: &ScalableTarget) -> Value {
    json!({
        "ServiceNamespace": NAMESPACE, "ResourceId": target.resource, "ScalableDimension": DIMENSION,
        "MinCapacity": target.min, "MaxCapacity": target.max, "RoleARN": target.role,
        "CreationTime": seconds(target.created_at), "ScalableTargetARN": target.arn,
        "SuspendedState": {
            "DynamicScalingInSuspended": target.suspended.scale_in,
            "DynamicScalingOutSuspended": target.suspended.scale_out,
            "ScheduledScalingSuspended": target.suspended.scheduled,
        },
    })
}

/// Finds a scalable target, which a service that is gone may still have.
fn registered<'a>(call: &Call<'a>) -> Result<&'a str, Refusal> {
    let resource = text(call.input, "ResourceId").unwrap_or_default();
    let is_there = call.account.scalable_targets.iter().any(|one| one.resource == resource);
    if is_there { Ok(resource) } else { Err(not_found("scalable target registered", resource)) }
}

fn deregister(call: &mut Call<'_>) -> OperationResult {
    let resource = registered(call)?;
    call.account.scalable_targets.retain(|one| one.resource != resource);
    call.account.scaling_policies.retain(|one| one.resource != resource);
    Ok(json!({}))
}

fn put_policy(call: &mut Call<'_>) -> OperationResult {
    let resource = registered(call)?;
    let (input, now) = (call.input, call.now);
    let name = text(input, "PolicyName").filter(|name| (1..=256).contains(&name.len()));
    let name = name.ok_or_else(|| invalid("PolicyName must have from 1 to 256 letters"))?;
    let config = input.get("TargetTrackingScalingPolicyConfiguration").filter(|config| config.is_object());
    if text(input, "PolicyType") != Some("TargetTrackingScaling") || config.is_none() {
        return Err(Refusal::not_played("the lab plays only TargetTrackingScaling, with its configuration"));
    }
    let config = config.cloned().unwrap_or_default();
    check_config(&config)?;
    let policies = &mut call.account.scaling_policies;
    if let Some(there) = policies.iter_mut().find(|one| one.resource == resource && one.name == name) {
        there.config = config;
        return Ok(json!({"PolicyARN": there.arn, "Alarms": []}));
    }
    if policies.iter().filter(|one| one.resource == resource).count() >= POLICIES_LIMIT {
        return Err(Refusal::new("LimitExceededException", format!("The maximum is {POLICIES_LIMIT} policies")));
    }
    let id = uuid(&format!("{resource} {name}"));
    let rest = format!("scalingPolicy:{id}:resource/{NAMESPACE}/{resource}:policyName/{name}");
    let arn = call.account.names.arn("autoscaling", &rest);
    let (name, resource) = (name.to_owned(), resource.to_owned());
    call.account.scaling_policies.push(ScalingPolicy { name, resource, arn: arn.clone(), created_at: now, config });
    Ok(json!({"PolicyARN": arn, "Alarms": []}))
}

fn check_config(config: &Value) -> Result<(), Refusal> {
    number(config, "TargetValue").ok_or_else(|| invalid("TargetValue must be specified"))?;
    let metric = config.get("PredefinedMetricSpecification").cloned().unwrap_or_default();
    let kind = text(&metric, "PredefinedMetricType").filter(|kind| METRICS.contains(kind));
    let kind =
        kind.ok_or_else(|| Refusal::not_played(format!("the lab tracks only {} and {}", METRICS[0], METRICS[1])))?;
    let label = text(&metric, "ResourceLabel").unwrap_or_default();
    let names_a_group = label.starts_with("app/") && label.contains("/targetgroup/");
    if kind == METRICS[1] && !names_a_group {
        return Err(invalid("ResourceLabel must be app/NAME/ID/targetgroup/NAME/ID"));
    }
    Ok(())
}

fn describe_policies(call: &mut Call<'_>) -> OperationResult {
    let (names, resource) = (texts(call.input, "PolicyNames"), text(call.input, "ResourceId"));
    let is_wanted = |one: &&ScalingPolicy| {
        (names.is_empty() || names.contains(&one.name.as_str())) && resource.is_none_or(|it| it == one.resource)
    };
    let all = call.account.scaling_policies.iter().filter(is_wanted);
    let (page, next) = PAGING.cut(call.input, all.collect())?;
    let show = |one: &ScalingPolicy| {
        json!({"PolicyARN": one.arn, "PolicyName": one.name, "ServiceNamespace": NAMESPACE,
            "ResourceId": one.resource, "ScalableDimension": DIMENSION, "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": one.config, "Alarms": [],
            "CreationTime": seconds(one.created_at)})
    };
    let shown: Vec<Value> = page.into_iter().map(show).collect();
    Ok(with_token(json!({"ScalingPolicies": shown}), "NextToken", next))
}

fn delete_policy(call: &mut Call<'_>) -> OperationResult {
    let resource = registered(call)?;
    let name = text(call.input, "PolicyName").unwrap_or_default();
    let policies = &mut call.account.scaling_policies;
    let before = policies.len();
    policies.retain(|one| one.resource != resource || one.name != name);
    if policies.len() == before {
        return Err(not_found(&format!("scaling policy {name} found"), resource));
    }
    Ok(json!({}))
}
