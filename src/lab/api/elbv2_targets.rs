//! ELBv2: targets and their health, and the tags of everything.

use serde_json::{Value, json};

use super::elbv2_actions::{group_not_found, invalid};
use super::elbv2_common::{balancer_not_found, group_of, listener_not_found, put_tags, rule_not_found};
use super::operation::{Call, OperationResult, Refusal};
use crate::account::{Account, Target, TargetGroup, TargetState};
use crate::value::{list, text, texts, whole};
/// Resources in one DescribeTags.
const TAGGED_LIMIT: usize = 20;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "RegisterTargets" => register(call),
        "DeregisterTargets" => deregister(call),
        "DescribeTargetHealth" => describe_health(call),
        "AddTags" => add_tags(call),
        "RemoveTags" => remove_tags(call),
        "DescribeTags" => describe_tags(call),
        _ => return None,
    })
}

/// The targets an input names, with their ports.
fn targets_of(input: &Value, group: &TargetGroup) -> Result<Vec<(String, u16)>, Refusal> {
    let read = |target: &Value| {
        let id = text(target, "Id").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| invalid("A target id must be specified"))?;
        let port = match target.get("Port") {
            None => group.port,
            Some(_) => whole(target, "Port")
                .and_then(|port| u16::try_from(port).ok())
                .ok_or_else(|| invalid("The port must be between 1 and 65535, inclusive"))?,
        };
        if group.target_type == "ip" && id.parse::<std::net::IpAddr>().is_err() {
            let message = format!("The IP address '{id}' is not valid");
            return Err(invalid(message));
        }
        Ok((id.to_owned(), port))
    };
    list(input, "Targets").iter().map(read).collect()
}

fn register(call: &mut Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    let (input, now) = (call.input, call.now);
    let group = call.account.group_mut(&arn).ok_or_else(group_not_found)?;
    for (id, port) in targets_of(input, group)? {
        let is_there = group.target_mut(&id, port).is_some_and(|one| one.drains_until.is_none());
        if !is_there {
            group.register(&id, port, now);
        }
    }
    Ok(json!({}))
}

fn deregister(call: &mut Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    let (input, now) = (call.input, call.now);
    let group = call.account.group_mut(&arn).ok_or_else(group_not_found)?;
    let targets = targets_of(input, group)?;
    for (id, port) in &targets {
        if group.target_mut(id, *port).is_none() {
            return Err(Refusal::new(
                "InvalidTarget",
                format!("The target '{id}:{port}' is not registered with the target group"),
            ));
        }
    }
    for (id, port) in &targets {
        group.deregister(id, *port, now);
    }
    Ok(json!({}))
}

fn describe_health(call: &Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    let Some(group) = call.account.group(&arn) else { return Err(group_not_found()) };
    let asked = targets_of(call.input, group)?;
    let region = &call.account.names.region;
    let shown: Vec<Value> = if asked.is_empty() {
        group.targets.iter().map(|target| show(target, region)).collect()
    } else {
        let find = |(id, port): &(String, u16)| {
            let found = group.targets.iter().find(|one| one.id == *id && one.port == *port);
            found.map_or_else(|| not_registered(id, *port), |target| show(target, region))
        };
        asked.iter().map(find).collect()
    };
    Ok(json!({"TargetHealthDescriptions": shown}))
}

fn not_registered(id: &str, port: u16) -> Value {
    json!({"Target": {"Id": id, "Port": port}, "TargetHealth": {"State": "unused",
        "Reason": "Target.NotRegistered",
        "Description": "Target is not registered to the target group"}})
}

/// A target's health as ELBv2 tells it.
fn show(target: &Target, region: &str) -> Value {
    let description = match target.reason {
        "Elb.RegistrationInProgress" => "Target registration is in progress",
        "Elb.InitialHealthChecking" => "Initial health checks in progress",
        "Target.ResponseCodeMismatch" => "Health checks failed with these codes: [503]",
        "Target.Timeout" => "Request timed out",
        "Target.NotInUse" => "Target group is not configured to receive traffic from the load balancer",
        "Target.DeregistrationInProgress" => "Target deregistration is in progress",
        _ => "",
    };
    let mut health = json!({"State": target.state.word()});
    if target.state != TargetState::Healthy {
        health["Reason"] = json!(target.reason);
        health["Description"] = json!(description);
    }
    json!({
        "Target": {"Id": target.id, "Port": target.port, "AvailabilityZone": format!("{region}a")},
        "HealthCheckPort": target.port.to_string(), "TargetHealth": health,
    })
}

/// Refuses what is not there, with the code of its kind.
fn check_resource(account: &Account, arn: &str) -> Result<(), Refusal> {
    let kind = arn.split(':').nth(5).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let missing = match kind {
        "loadbalancer" => account.load_balancer(arn).is_none().then(balancer_not_found),
        "targetgroup" => account.group(arn).is_none().then(group_not_found),
        "listener" => account.listener(arn).is_none().then(listener_not_found),
        "listener-rule" => (!account.rules.iter().any(|rule| rule.arn == arn)).then(rule_not_found),
        _ => Some(invalid(format!("'{arn}' is not a valid ARN of a resource with tags"))),
    };
    missing.map_or(Ok(()), Err)
}

fn resources(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let arns = texts(call.input, "ResourceArns");
    if arns.is_empty() || arns.len() > TAGGED_LIMIT {
        return Err(invalid(format!("From 1 to {TAGGED_LIMIT} resource ARNs must be specified")));
    }
    for arn in &arns {
        check_resource(call.account, arn)?;
    }
    Ok(arns.into_iter().map(str::to_owned).collect())
}

fn add_tags(call: &mut Call<'_>) -> OperationResult {
    for arn in resources(call)? {
        put_tags(call.account, &arn, list(call.input, "Tags"))?;
    }
    Ok(json!({}))
}

fn remove_tags(call: &mut Call<'_>) -> OperationResult {
    let keys = texts(call.input, "TagKeys");
    for arn in resources(call)? {
        if let Some(tags) = call.account.tags.get_mut(&arn) {
            tags.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }
    Ok(json!({}))
}

fn describe_tags(call: &Call<'_>) -> OperationResult {
    let show = |arn: String| {
        let tags = call.account.tags.get(&arn).into_iter().flatten();
        let tags: Vec<Value> = tags.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        json!({"ResourceArn": arn, "Tags": tags})
    };
    let shown: Vec<Value> = resources(call)?.into_iter().map(show).collect();
    Ok(json!({"TagDescriptions": shown}))
}
