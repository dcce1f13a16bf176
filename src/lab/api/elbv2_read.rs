//! ELBv2: load balancers, listeners and rules, as they are described.

use serde_json::{Value, json};

use super::elbv2_common::{balancer_not_found, listener_not_found, page, rule_not_found};
use super::elbv2_groups;
use super::operation::{Call, OperationResult, Refusal};
use crate::account::{Account, Listener, LoadBalancer, Rule, Security};
use crate::value::{date, text, texts};

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "DescribeLoadBalancers" => describe_load_balancers(call),
        "DescribeLoadBalancerAttributes" => describe_attributes(call),
        "DescribeListeners" => describe_listeners(call),
        "DescribeRules" => describe_rules(call),
        "DescribeTargetGroups" => elbv2_groups::describe(call),
        _ => return None,
    })
}

fn describe_load_balancers(call: &Call<'_>) -> OperationResult {
    let (arns, names) = (texts(call.input, "LoadBalancerArns"), texts(call.input, "Names"));
    let account = &call.account;
    let mut found: Vec<&LoadBalancer> = Vec::new();
    for arn in &arns {
        found.push(account.load_balancer(arn).ok_or_else(balancer_not_found)?);
    }
    for name in &names {
        let balancer = account.load_balancers.iter().find(|one| one.name == *name);
        let message = format!("Load balancers '[{name}]' not found");
        found.push(balancer.ok_or_else(|| Refusal::new("LoadBalancerNotFound", message))?);
    }
    if arns.is_empty() && names.is_empty() {
        found.extend(&account.load_balancers);
    }
    let region = &account.names.region;
    page(call, "LoadBalancers", found.into_iter().map(|one| show_balancer(one, region)).collect())
}

/// A load balancer as ELBv2 tells it.
pub(super) fn show_balancer(balancer: &LoadBalancer, region: &str) -> Value {
    let zone = |letter: char| {
        json!({"ZoneName": format!("{region}{letter}"), "SubnetId": format!("subnet-0lab0{letter}"),
            "LoadBalancerAddresses": []})
    };
    json!({
        "LoadBalancerArn": balancer.arn, "LoadBalancerName": balancer.name,
        "DNSName": balancer.dns, "CanonicalHostedZoneId": "Z0LAB0LAB0LAB",
        "CreatedTime": date(balancer.created_at), "Scheme": balancer.scheme,
        "VpcId": "vpc-0lab", "State": {"Code": "active"}, "Type": "application",
        "AvailabilityZones": [zone('a'), zone('b')], "SecurityGroups": ["sg-0lab"],
        "IpAddressType": "ipv4",
    })
}

fn describe_attributes(call: &Call<'_>) -> OperationResult {
    let arn = text(call.input, "LoadBalancerArn").unwrap_or_default();
    let balancer = call.account.load_balancer(arn).ok_or_else(balancer_not_found)?;
    let attributes = balancer.attributes.iter();
    let attributes: Vec<Value> = attributes.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    Ok(json!({"Attributes": attributes}))
}

fn describe_listeners(call: &Call<'_>) -> OperationResult {
    let arns = texts(call.input, "ListenerArns");
    let account = &call.account;
    let mut found: Vec<&Listener> = Vec::new();
    for arn in &arns {
        found.push(account.listener(arn).ok_or_else(listener_not_found)?);
    }
    if arns.is_empty() {
        let balancer = text(call.input, "LoadBalancerArn").ok_or_else(|| {
            Refusal::new("ValidationError", "Either listener ARNs or a load balancer ARN must be specified")
        })?;
        account.load_balancer(balancer).ok_or_else(balancer_not_found)?;
        found.extend(account.listeners.iter().filter(|one| one.load_balancer == balancer));
    }
    let shown = found.into_iter().map(|listener| show_listener(account, listener)).collect();
    page(call, "Listeners", shown)
}

/// A listener as ELBv2 tells it; its default rule's actions are its own.
pub(super) fn show_listener(account: &Account, listener: &Listener) -> Value {
    let default = account.rules.iter().find(|rule| rule.listener == listener.arn && rule.priority.is_none());
    let mut shown = json!({
        "ListenerArn": listener.arn, "LoadBalancerArn": listener.load_balancer,
        "Port": listener.port, "Protocol": listener.protocol,
        "DefaultActions": default.map(|rule| rule.actions.clone()).unwrap_or_default(),
    });
    if let Some(Security { policy, certificates }) = &listener.security {
        shown["SslPolicy"] = json!(policy);
        shown["Certificates"] = certificates.iter().map(|arn| json!({"CertificateArn": arn})).collect();
    }
    shown
}

fn describe_rules(call: &Call<'_>) -> OperationResult {
    let arns = texts(call.input, "RuleArns");
    let account = &call.account;
    let mut found: Vec<&Rule> = Vec::new();
    for arn in &arns {
        let rule = account.rules.iter().find(|rule| rule.arn == *arn);
        found.push(rule.ok_or_else(rule_not_found)?);
    }
    if arns.is_empty() {
        let listener = text(call.input, "ListenerArn")
            .ok_or_else(|| Refusal::new("ValidationError", "Either rule ARNs or a listener ARN must be specified"))?;
        account.listener(listener).ok_or_else(listener_not_found)?;
        found.extend(account.rules.iter().filter(|rule| rule.listener == listener));
    }
    found.sort_by_key(|rule| rule.priority.unwrap_or(u32::MAX));
    page(call, "Rules", found.into_iter().map(show_rule).collect())
}

/// A rule as ELBv2 tells it.
pub(super) fn show_rule(rule: &Rule) -> Value {
    let priority = rule.priority.map_or("default".to_owned(), |priority| priority.to_string());
    let mut shown = json!({
        "RuleArn": rule.arn, "Priority": priority, "Conditions": rule.conditions,
        "Actions": rule.actions, "IsDefault": rule.priority.is_none(),
    });
    if !rule.transforms.is_empty() {
        shown["Transforms"] = Value::Array(rule.transforms.clone());
    }
    shown
}
