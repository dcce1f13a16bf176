//! ELBv2: target groups and their attributes.

use serde_json::{Value, json};

use super::elbv2_actions::{group_not_found, invalid};
use super::elbv2_common::{balancer_not_found, group_of, page, put_tags};
use super::operation::{Call, OperationResult, Refusal};
use crate::account::{
    Account, DEREGISTRATION_DELAY, HealthCheck, STICKINESS, TargetGroup, default_group_attributes, hex_id,
};
use crate::value::{list, text, texts, whole};

/// Attributes of which the lab plays the usual values alone. Those of cookies of the target's own are kept and told back:
/// the lab plays what they forbid a rule.
const UNPLAYED: [&str; 2] = ["load_balancing.algorithm.", "target_group_health."];

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateTargetGroup" => create(call),
        "ModifyTargetGroup" => modify(call),
        "DeleteTargetGroup" => delete(call),
        "DescribeTargetGroupAttributes" => describe_attributes(call),
        "ModifyTargetGroupAttributes" => modify_attributes(call),
        _ => return None,
    })
}

/// Describes target groups by ARN, by name, by load balancer, or all.
pub(super) fn describe(call: &Call<'_>) -> OperationResult {
    let (arns, names) = (texts(call.input, "TargetGroupArns"), texts(call.input, "Names"));
    let account = &call.account;
    let mut found: Vec<&TargetGroup> = Vec::new();
    for arn in &arns {
        found.push(account.group(arn).ok_or_else(group_not_found)?);
    }
    for name in &names {
        let group = account.groups.iter().find(|group| group.name == *name);
        found.push(group.ok_or_else(group_not_found)?);
    }
    if let Some(balancer) = text(call.input, "LoadBalancerArn") {
        account.load_balancer(balancer).ok_or_else(balancer_not_found)?;
        let is_there = |group: &&TargetGroup| account.balancers_of(&group.arn).iter().any(|arn| arn == balancer);
        found.extend(account.groups.iter().filter(is_there));
    } else if arns.is_empty() && names.is_empty() {
        found.extend(&account.groups);
    }
    page(call, "TargetGroups", found.into_iter().map(|group| show(account, group)).collect())
}

/// A target group as ELBv2 tells it.
fn show(account: &Account, group: &TargetGroup) -> Value {
    let check = &group.check;
    json!({
        "TargetGroupArn": group.arn, "TargetGroupName": group.name, "Protocol": group.protocol,
        "Port": group.port, "VpcId": "vpc-0lab", "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port, "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "HealthCheckTimeoutSeconds": check.timeout_seconds,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path, "Matcher": {(if check.is_grpc { "GrpcCode" } else { "HttpCode" }): check.matcher},
        "LoadBalancerArns": account.balancers_of(&group.arn), "TargetType": group.target_type,
        "ProtocolVersion": group.version, "IpAddressType": "ipv4",
    })
}

/// Reads the members of a health check over what there is.
fn read_check(input: &Value, check: &mut HealthCheck) -> Result<(), Refusal> {
    let within = |key: &str, from: i64, to: i64| match input.get(key) {
        None => Ok(None),
        Some(_) => whole(input, key)
            .filter(|value| (from..=to).contains(value))
            .map(Some)
            .ok_or_else(|| invalid(format!("{key} must be between {from} and {to}, inclusive"))),
    };
    if let Some(seconds) = within("HealthCheckIntervalSeconds", 5, 300)? {
        check.interval_seconds = seconds as u64;
    }
    if let Some(seconds) = within("HealthCheckTimeoutSeconds", 2, 120)? {
        check.timeout_seconds = seconds as u64;
    }
    if let Some(count) = within("HealthyThresholdCount", 2, 10)? {
        check.healthy_threshold = count as u32;
    }
    if let Some(count) = within("UnhealthyThresholdCount", 2, 10)? {
        check.unhealthy_threshold = count as u32;
    }
    let texts = [
        ("HealthCheckPath", &mut check.path),
        ("HealthCheckPort", &mut check.port),
        ("HealthCheckProtocol", &mut check.protocol),
    ];
    for (key, member) in texts {
        if let Some(given) = text(input, key) {
            given.clone_into(member);
        }
    }
    let codes = |key: &str| input.get("Matcher").and_then(|matcher| text(matcher, key));
    if let Some(codes) = codes(if check.is_grpc { "GrpcCode" } else { "HttpCode" }) {
        codes.clone_into(&mut check.matcher);
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> OperationResult {
    let name = text(call.input, "Name").unwrap_or_default().to_owned();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(is_fine) {
        return Err(invalid(format!("The target group name '{name}' is not valid")));
    }
    if call.account.groups.iter().any(|group| group.name == name) {
        return Err(Refusal::new(
            "DuplicateTargetGroupName",
            format!("A target group with the same name '{name}' exists, but with different settings"),
        ));
    }
    let version = text(call.input, "ProtocolVersion").unwrap_or("HTTP1");
    if !["HTTP1", "HTTP2", "GRPC"].contains(&version) {
        return Err(invalid(format!("Protocol version '{version}' must be one of 'HTTP1, HTTP2, GRPC'")));
    }
    let is_grpc = version == "GRPC";
    let mut check = HealthCheck {
        path: if is_grpc { "/AWS.ALB/healthcheck" } else { "/" }.to_owned(),
        port: "traffic-port".to_owned(),
        interval_seconds: 30,
        timeout_seconds: 5,
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher: if is_grpc { "12" } else { "200" }.to_owned(),
        protocol: text(call.input, "Protocol").unwrap_or("HTTP").to_owned(),
        is_grpc,
    };
    read_check(call.input, &mut check)?;
    let port = whole(call.input, "Port").and_then(|port| u16::try_from(port).ok());
    let group = TargetGroup {
        arn: call.account.names.elb(&format!("targetgroup/{name}/{}", hex_id(&name, 16))),
        name,
        port: port.ok_or_else(|| invalid("A port must be specified"))?,
        protocol: text(call.input, "Protocol").unwrap_or("HTTP").to_owned(),
        version: version.to_owned(),
        target_type: text(call.input, "TargetType").unwrap_or("instance").to_owned(),
        check,
        attributes: default_group_attributes(),
        targets: Vec::new(),
    };
    put_tags(call.account, &group.arn, list(call.input, "Tags"))?;
    let shown = show(call.account, &group);
    call.account.groups.push(group);
    Ok(json!({"TargetGroups": [shown]}))
}

fn modify(call: &mut Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    let input = call.input;
    let group = call.account.group_mut(&arn).ok_or_else(group_not_found)?;
    let mut check = group.check.clone();
    read_check(input, &mut check)?;
    group.check = check;
    let shown = call.account.group(&arn).map(|group| show(call.account, group));
    Ok(json!({"TargetGroups": [shown]}))
}

fn delete(call: &mut Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    if call.account.is_in_use(&arn) {
        return Err(Refusal::new(
            "ResourceInUse",
            format!("Target group '{arn}' is currently in use by a listener or a rule"),
        ));
    }
    call.account.groups.retain(|group| group.arn != arn);
    call.account.tags.remove(&arn);
    Ok(json!({}))
}

fn show_attributes(group: &TargetGroup) -> Value {
    let attributes = group.attributes.iter();
    let attributes: Vec<Value> = attributes.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    json!({"Attributes": attributes})
}

fn describe_attributes(call: &Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    Ok(call.account.group(&arn).map(show_attributes).unwrap_or_default())
}

fn modify_attributes(call: &mut Call<'_>) -> OperationResult {
    let arn = group_of(call)?;
    let input = call.input;
    let unbound = call.account.rules.iter().find(|rule| rule.divides_unbound(&arn)).map(|rule| rule.arn.clone());
    let group = call.account.group_mut(&arn).ok_or_else(group_not_found)?;
    for pair in list(input, "Attributes") {
        let (key, value) = (text(pair, "Key").unwrap_or_default(), text(pair, "Value").unwrap_or(""));
        if !group.attributes.contains_key(key) {
            return Err(invalid(format!("Target group attribute key '{key}' is not recognized")));
        }
        let usual = default_group_attributes();
        if UNPLAYED.iter().any(|name| key.starts_with(name)) && usual.get(key).is_some_and(|usual| usual != value) {
            return Err(Refusal::not_played(format!("The lab does not play the attribute {key}={value}.")));
        }
        let seconds = value.parse::<u32>().ok().filter(|seconds| *seconds <= 3_600);
        if key == DEREGISTRATION_DELAY && seconds.is_none() {
            return Err(invalid(format!("'{key}' must be between 0 and 3600, inclusive")));
        }
        if let (STICKINESS, "true", Some(rule)) = (key, value, &unbound) {
            return Err(Refusal::new(
                "InvalidConfigurationRequest",
                format!(
                    "This target group appears behind a rule with group stickiness disabled ({rule}). You must enable \
                     group stickiness before enabling target stickiness"
                ),
            ));
        }
    }
    for pair in list(input, "Attributes") {
        let (key, value) = (text(pair, "Key").unwrap_or_default(), text(pair, "Value").unwrap_or(""));
        group.attributes.insert(key.to_owned(), value.to_owned());
    }
    Ok(show_attributes(group))
}

#[cfg(test)]
mod tests {
    use super::super::elbv2_write;
    use super::super::operation::on_account;
    use super::*;
    use crate::LabConfig;

    fn asked(account: &mut Account, operation: &str, input: &Value) -> Result<Value, String> {
        let ask = |call: &mut Call<'_>| perform(call, operation).or_else(|| elbv2_write::perform(call, operation));
        on_account(account, 0, input, ask).expect("it is known").map_err(|refusal| refusal.code.to_owned())
    }

    fn stick(arn: &str, on: bool) -> Value {
        let attribute = json!({"Key": STICKINESS, "Value": on.to_string()});
        json!({"TargetGroupArn": arn, "Attributes": [attribute]})
    }

    /// A forward to these groups, and whether it binds clients.
    fn forward(groups: &[String], on: bool) -> Value {
        let groups: Vec<Value> = groups.iter().map(|arn| json!({"TargetGroupArn": arn, "Weight": 1})).collect();
        let sticky = json!({"Enabled": on, "DurationSeconds": 60});
        json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}}])
    }

    #[test]
    fn a_sticky_group_among_several_wants_a_rule_that_is_sticky_too() {
        let mut account = Account::seeded(&LabConfig::default(), 0);
        let rule = account.rules.iter().find(|rule| rule.priority.is_some()).expect("one is seeded");
        let (arn, listener) = (rule.arn.clone(), rule.listener.clone());
        let groups: Vec<String> = rule.groups().map(str::to_owned).collect();
        assert_eq!(groups.len(), 2);
        let modify = "ModifyTargetGroupAttributes";
        let refused =
            |account: &mut Account, operation: &str, input: Value| asked(account, operation, &input).unwrap_err();
        assert_eq!(refused(&mut account, modify, stick(&groups[1], true)), "InvalidConfigurationRequest");
        asked(&mut account, modify, &stick(&groups[1], false)).expect("it was off");
        let write = |groups: &[String], on| json!({"RuleArn": arn, "Actions": forward(groups, on)});
        asked(&mut account, "ModifyRule", &write(&groups, true)).expect("no group is sticky");
        asked(&mut account, modify, &stick(&groups[1], true)).expect("the rule is sticky");
        assert_eq!(refused(&mut account, "ModifyRule", write(&groups, false)), "InvalidLoadBalancerAction");
        let default = json!({"ListenerArn": listener, "DefaultActions": forward(&groups, false)});
        assert_eq!(refused(&mut account, "ModifyListener", default), "InvalidLoadBalancerAction");
        let condition = json!([{"Field": "path-pattern", "Values": ["/x"]}]);
        let created = json!({"ListenerArn": listener, "Priority": 7, "Conditions": condition,
            "Actions": forward(&groups, false)});
        assert_eq!(refused(&mut account, "CreateRule", created), "InvalidLoadBalancerAction");
        asked(&mut account, "ModifyRule", &write(&groups[1..], false)).expect("one group needs no choice");
        asked(&mut account, "ModifyRule", &write(&groups, true)).expect("the rule is sticky again");
    }
}
