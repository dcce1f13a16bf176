//! ELBv2: load balancers, listeners and rules, as they are made and changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::elbv2_actions::{invalid, read_actions, read_conditions};
use super::elbv2_common::{balancer_not_found, listener_not_found, put_tags, rule_not_found};
use super::elbv2_read::{show_balancer, show_listener, show_rule};
use super::operation::{Call, OperationResult, Refusal};
use crate::account::{
    LoadBalancer, Rule, Security, TLS_POLICY, default_balancer_attributes, hex_id, listener_arn, rule_arn,
};
use crate::value::{flag, list, text, whole};

/// Rules of one listener.
const RULES_LIMIT: usize = 100;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateRule" => create_rule(call),
        "ModifyRule" => modify_rule(call),
        "DeleteRule" => delete_rule(call),
        "SetRulePriorities" => set_priorities(call),
        "CreateListener" => create_listener(call),
        "ModifyListener" => modify_listener(call),
        "DeleteListener" => delete_listener(call),
        "CreateLoadBalancer" => create_load_balancer(call),
        "DeleteLoadBalancer" => Ok(delete_load_balancer(call)),
        _ => return None,
    })
}

fn priority_of(input: &Value) -> Result<u32, Refusal> {
    let priority = whole(input, "Priority").filter(|priority| (1..=50_000).contains(priority));
    priority
        .map(|priority| priority as u32)
        .ok_or_else(|| invalid("The priority must be between 1 and 50000, inclusive"))
}

fn create_rule(call: &mut Call<'_>) -> OperationResult {
    let listener = text(call.input, "ListenerArn").unwrap_or_default().to_owned();
    call.account.listener(&listener).ok_or_else(listener_not_found)?;
    let priority = priority_of(call.input)?;
    let here = call.account.rules.iter().filter(|rule| rule.listener == listener);
    if here.clone().any(|rule| rule.priority == Some(priority)) {
        return Err(Refusal::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
    }
    if here.count() > RULES_LIMIT {
        return Err(Refusal::new("TooManyRules", "The listener has too many rules"));
    }
    let conditions = read_conditions(list(call.input, "Conditions"))?;
    if conditions.is_empty() {
        return Err(invalid("A condition must be specified"));
    }
    let actions = read_actions(call.account, list(call.input, "Actions"), &[])?;
    let number = call.account.next();
    let rule = Rule {
        arn: rule_arn(&listener, &format!("{priority} {number}")),
        listener,
        priority: Some(priority),
        conditions,
        actions,
        transforms: list(call.input, "Transforms").to_vec(),
    };
    let shown = show_rule(&rule);
    put_tags(call.account, &rule.arn, list(call.input, "Tags"))?;
    call.account.rules.push(rule);
    call.account.routes_changed();
    Ok(json!({"Rules": [shown]}))
}

/// Actions and conditions replace the whole list; what is not given stays.
fn modify_rule(call: &mut Call<'_>) -> OperationResult {
    let arn = text(call.input, "RuleArn").unwrap_or_default();
    let place = call.account.rules.iter().position(|rule| rule.arn == arn);
    let place = place.ok_or_else(rule_not_found)?;
    let rule = &call.account.rules[place];
    if rule.priority.is_none() {
        return Err(Refusal::new("OperationNotPermitted", format!("Default rule '{arn}' cannot be modified")));
    }
    let input = call.input;
    let actions = match list(input, "Actions") {
        [] => rule.actions.clone(),
        given => read_actions(call.account, given, &rule.actions)?,
    };
    let conditions = match list(input, "Conditions") {
        [] => rule.conditions.clone(),
        given => read_conditions(given)?,
    };
    let resets = flag(input, "ResetTransforms").unwrap_or(false);
    let transforms = match list(input, "Transforms") {
        [] if resets => Vec::new(),
        [] => rule.transforms.clone(),
        given => given.to_vec(),
    };
    let rule = &mut call.account.rules[place];
    (rule.actions, rule.conditions, rule.transforms) = (actions, conditions, transforms);
    let shown = show_rule(rule);
    call.account.routes_changed();
    Ok(json!({"Rules": [shown]}))
}

fn delete_rule(call: &mut Call<'_>) -> OperationResult {
    let arn = text(call.input, "RuleArn").unwrap_or_default();
    let rule = call.account.rules.iter().find(|rule| rule.arn == arn);
    if rule.ok_or_else(rule_not_found)?.priority.is_none() {
        return Err(Refusal::new("OperationNotPermitted", format!("Default rule '{arn}' cannot be deleted")));
    }
    call.account.rules.retain(|rule| rule.arn != arn);
    call.account.tags.remove(arn);
    call.account.routes_changed();
    Ok(json!({}))
}

fn set_priorities(call: &mut Call<'_>) -> OperationResult {
    let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
    for pair in list(call.input, "RulePriorities") {
        let arn = text(pair, "RuleArn").unwrap_or_default();
        let rule = call.account.rules.iter().find(|rule| rule.arn == arn);
        if rule.ok_or_else(rule_not_found)?.priority.is_none() {
            let message = format!("Default rule '{arn}' has no priority to set");
            return Err(Refusal::new("OperationNotPermitted", message));
        }
        wanted.insert(arn.to_owned(), priority_of(pair)?);
    }
    let after = |rule: &Rule| wanted.get(&rule.arn).copied().or(rule.priority);
    let rules = &call.account.rules;
    for rule in rules.iter().filter(|rule| wanted.contains_key(&rule.arn)) {
        let is_taken = rules
            .iter()
            .any(|other| other.arn != rule.arn && other.listener == rule.listener && after(other) == after(rule));
        if is_taken {
            return Err(Refusal::new("PriorityInUse", "A specified priority is in use"));
        }
    }
    let mut shown = Vec::new();
    for rule in &mut call.account.rules {
        if let Some(priority) = wanted.get(&rule.arn) {
            rule.priority = Some(*priority);
            shown.push(show_rule(rule));
        }
    }
    call.account.routes_changed();
    Ok(json!({"Rules": shown}))
}

fn create_listener(call: &mut Call<'_>) -> OperationResult {
    let balancer = text(call.input, "LoadBalancerArn").unwrap_or_default().to_owned();
    call.account.load_balancer(&balancer).ok_or_else(balancer_not_found)?;
    let port = whole(call.input, "Port").and_then(|port| u16::try_from(port).ok());
    let port = port.filter(|port| *port > 0).ok_or_else(|| invalid("A port must be specified"))?;
    let listeners = &call.account.listeners;
    if listeners.iter().any(|one| one.load_balancer == balancer && one.port == port) {
        return Err(Refusal::new("DuplicateListener", "A listener already exists on this port for this load balancer"));
    }
    let actions = read_actions(call.account, list(call.input, "DefaultActions"), &[])?;
    let arn = listener_arn(&balancer, port);
    call.account.add_listener(&balancer, &arn, port, actions);
    let security = security(call.input, None);
    if let (Some(protocol), Some(listener)) = (text(call.input, "Protocol"), call.account.listeners.last_mut()) {
        protocol.clone_into(&mut listener.protocol);
        listener.security = (protocol == "HTTPS").then_some(security);
    }
    put_tags(call.account, &arn, list(call.input, "Tags"))?;
    shown_listener(call, &arn)
}

/// The policy and the certificates that a call gives a listener, over those it had.
fn security(input: &Value, before: Option<Security>) -> Security {
    let usual = || Security { policy: TLS_POLICY.to_owned(), certificates: Vec::new() };
    let Security { policy, certificates } = before.unwrap_or_else(usual);
    let given = list(input, "Certificates").iter().filter_map(|one| text(one, "CertificateArn"));
    let given: Vec<String> = given.map(str::to_owned).collect();
    Security {
        policy: text(input, "SslPolicy").map_or(policy, str::to_owned),
        certificates: if given.is_empty() { certificates } else { given },
    }
}

fn shown_listener(call: &Call<'_>, arn: &str) -> OperationResult {
    let listener = call.account.listener(arn).ok_or_else(listener_not_found)?;
    Ok(json!({"Listeners": [show_listener(call.account, listener)]}))
}

fn modify_listener(call: &mut Call<'_>) -> OperationResult {
    let arn = text(call.input, "ListenerArn").unwrap_or_default().to_owned();
    call.account.listener(&arn).ok_or_else(listener_not_found)?;
    let is_default = |rule: &Rule| rule.listener == arn && rule.priority.is_none();
    let Some(place) = call.account.rules.iter().position(is_default) else {
        return Err(rule_not_found());
    };
    if let given @ [_, ..] = list(call.input, "DefaultActions") {
        let before = &call.account.rules[place].actions;
        let actions = read_actions(call.account, given, before)?;
        call.account.rules[place].actions = actions;
    }
    if let Some(listener) = call.account.listeners.iter_mut().find(|listener| listener.arn == arn)
        && listener.security.is_some()
    {
        listener.security = Some(security(call.input, listener.security.take()));
    }
    call.account.routes_changed();
    shown_listener(call, &arn)
}

fn delete_listener(call: &mut Call<'_>) -> OperationResult {
    let arn = text(call.input, "ListenerArn").unwrap_or_default();
    call.account.listener(arn).ok_or_else(listener_not_found)?;
    call.account.listeners.retain(|listener| listener.arn != arn);
    call.account.rules.retain(|rule| rule.listener != arn);
    call.account.tags.remove(arn);
    call.account.routes_changed();
    Ok(json!({}))
}

fn create_load_balancer(call: &mut Call<'_>) -> OperationResult {
    let name = text(call.input, "Name").unwrap_or_default().to_owned();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(is_fine) {
        return Err(invalid(format!("The load balancer name '{name}' is not valid")));
    }
    if call.account.load_balancers.iter().any(|one| one.name == name) {
        return Err(Refusal::new(
            "DuplicateLoadBalancerName",
            format!("A load balancer with the same name '{name}' exists"),
        ));
    }
    let (id, region) = (hex_id(&name, 16), call.account.names.region.clone());
    let number: u64 = u64::from_str_radix(&id[..8], 16).unwrap_or(0);
    let balancer = LoadBalancer {
        arn: call.account.names.elb(&format!("loadbalancer/app/{name}/{id}")),
        dns: format!("{name}-{number}.{region}.elb.amazonaws.com"),
        name,
        scheme: text(call.input, "Scheme").unwrap_or("internet-facing").to_owned(),
        created_at: call.now,
        attributes: default_balancer_attributes(),
    };
    let shown = show_balancer(&balancer, &region);
    put_tags(call.account, &balancer.arn, list(call.input, "Tags"))?;
    call.account.load_balancers.push(balancer);
    Ok(json!({"LoadBalancers": [shown]}))
}

fn delete_load_balancer(call: &mut Call<'_>) -> Value {
    let arn = text(call.input, "LoadBalancerArn").unwrap_or_default();
    let gone: Vec<String> = call
        .account
        .listeners
        .iter()
        .filter(|listener| listener.load_balancer == arn)
        .map(|listener| listener.arn.clone())
        .collect();
    call.account.rules.retain(|rule| !gone.contains(&rule.listener));
    call.account.listeners.retain(|listener| listener.load_balancer != arn);
    call.account.load_balancers.retain(|balancer| balancer.arn != arn);
    call.account.tags.retain(|tagged, _| tagged != arn && !gone.contains(tagged));
    call.account.routes_changed();
    json!({})
}
