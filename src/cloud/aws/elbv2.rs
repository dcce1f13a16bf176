//! Elastic Load Balancing: rules and their weights, target groups and their targets.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::config::{Builder, Credentials};
use aws_sdk_elasticloadbalancingv2::error::ProvideErrorMetadata;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, Listener, LoadBalancer, Rule, Tag, TagDescription, TargetGroup, TargetGroupAttribute, TargetHealthStateEnum,
};

use super::{PAGES_LIMIT, fault, whole};
use crate::domain::fault::{Fault, FaultKind};

/// Reads one rule.
pub(in crate::cloud) async fn rule(elb: &Client, arn: &str) -> Result<Rule, Fault> {
    let call = elb.describe_rules().rule_arns(arn).send().await;
    let answer = call.map_err(|error| fault::read("DescribeRules", &error))?;
    let rule = answer.rules.unwrap_or_default().into_iter().next();
    rule.ok_or_else(|| Fault::new(FaultKind::Missing, "DescribeRules", format!("{arn} is not there")))
}

/// Reads all rules of a listener, its default rule too.
pub(in crate::cloud) async fn rules(elb: &Client, listener: &str) -> Result<Vec<Rule>, Fault> {
    let mut rules = Vec::new();
    let mut marker = None;
    for _ in 0..PAGES_LIMIT {
        let call = elb.describe_rules().listener_arn(listener).set_marker(marker).send().await;
        let page = call.map_err(|error| fault::read("DescribeRules", &error))?;
        rules.extend(page.rules.unwrap_or_default());
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    whole("DescribeRules", marker.is_some())?;
    Ok(rules)
}

/// Writes a rule's actions, all of them: what is not listed is gone.
pub(in crate::cloud) async fn modify_rule(elb: &Client, arn: &str, actions: Vec<Action>) -> Result<(), Fault> {
    modify_rule_as(elb, arn, actions, None).await
}

/// The same, signed with other credentials where there are some.
pub(in crate::cloud) async fn modify_rule_as(
    elb: &Client,
    arn: &str,
    actions: Vec<Action>,
    signer: Option<Credentials>,
) -> Result<(), Fault> {
    let call = elb.modify_rule().rule_arn(arn).set_actions(Some(actions));
    let call = match signer {
        Some(signer) => call.customize().config_override(Builder::new().credentials_provider(signer)).send().await,
        None => call.send().await,
    };
    call.map(drop).map_err(|error| fault::write("ModifyRule", &error))
}

/// Writes a rule, and nothing in it: every part that a write does not name stays.
pub(in crate::cloud) async fn touch(elb: &Client, arn: &str) -> Result<(), Fault> {
    let call = elb.modify_rule().rule_arn(arn).send().await;
    call.map(drop).map_err(|error| fault::write("ModifyRule", &error))
}

/// Sets tags, whatever values they had.
pub(in crate::cloud) async fn tag(
    elb: &Client,
    arn: &str,
    tags: impl Iterator<Item = (&str, String)>,
) -> Result<(), Fault> {
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let call = elb.add_tags().resource_arns(arn).set_tags(Some(tags.collect())).send().await;
    call.map(drop).map_err(|error| fault::write("AddTags", &error))
}

/// Reads the tags of one resource.
pub(in crate::cloud) async fn tags(elb: &Client, arn: &str) -> Result<Vec<(String, String)>, Fault> {
    let call = elb.describe_tags().resource_arns(arn).send().await;
    let answer = call.map_err(|error| fault::read("DescribeTags", &error))?;
    let tags = answer.tag_descriptions().iter().flat_map(TagDescription::tags);
    Ok(tags.map(|tag| (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned())).collect())
}

/// Takes tags away; those that are not there are none.
pub(in crate::cloud) async fn untag(elb: &Client, arn: &str, keys: &[&str]) -> Result<(), Fault> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let call = elb.remove_tags().resource_arns(arn).set_tag_keys(Some(keys)).send().await;
    call.map(drop).map_err(|error| fault::write("RemoveTags", &error))
}

/// Counts the healthy targets of a group.
pub(in crate::cloud) async fn healthy(elb: &Client, group: &str) -> Result<u32, Fault> {
    let call = elb.describe_target_health().target_group_arn(group).send().await;
    let answer = call.map_err(|error| fault::read("DescribeTargetHealth", &error))?;
    let targets = answer.target_health_descriptions.unwrap_or_default();
    let is_healthy = |state| state == Some(&TargetHealthStateEnum::Healthy);
    let healthy = targets.iter().filter(|t| is_healthy(t.target_health().and_then(|health| health.state())));
    Ok(u32::try_from(healthy.count()).unwrap_or(u32::MAX))
}

/// Finds load balancers by name or ARN; all of them when `name` is none.
pub(in crate::cloud) async fn load_balancers(elb: &Client, name: Option<&str>) -> Result<Vec<LoadBalancer>, Fault> {
    let mut found = Vec::new();
    let mut marker = None;
    for _ in 0..PAGES_LIMIT {
        let call = elb.describe_load_balancers().set_marker(marker);
        let call = match name {
            Some(arn) if arn.starts_with("arn:") => call.load_balancer_arns(arn),
            Some(name) => call.names(name),
            None => call,
        };
        let page = match call.send().await {
            Err(error) if error.code() == Some("LoadBalancerNotFound") => return Ok(Vec::new()),
            answer => answer.map_err(|error| fault::read("DescribeLoadBalancers", &error))?,
        };
        found.extend(page.load_balancers.unwrap_or_default());
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    whole("DescribeLoadBalancers", marker.is_some())?;
    Ok(found)
}

/// Reads all listeners of a load balancer.
pub(in crate::cloud) async fn listeners(elb: &Client, load_balancer: &str) -> Result<Vec<Listener>, Fault> {
    let mut found = Vec::new();
    let mut marker = None;
    for _ in 0..PAGES_LIMIT {
        let call = elb.describe_listeners().load_balancer_arn(load_balancer).set_marker(marker).send().await;
        let page = call.map_err(|error| fault::read("DescribeListeners", &error))?;
        found.extend(page.listeners.unwrap_or_default());
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    whole("DescribeListeners", marker.is_some())?;
    Ok(found)
}

/// Finds target groups by name or ARN; all of them when `name` is none.
pub(in crate::cloud) async fn target_groups(elb: &Client, name: Option<&str>) -> Result<Vec<TargetGroup>, Fault> {
    let mut found = Vec::new();
    let mut marker = None;
    for _ in 0..PAGES_LIMIT {
        let call = elb.describe_target_groups().set_marker(marker);
        let call = match name {
            Some(arn) if arn.starts_with("arn:") => call.target_group_arns(arn),
            Some(name) => call.names(name),
            None => call,
        };
        let page = match call.send().await {
            Err(error) if error.code() == Some("TargetGroupNotFound") => return Ok(Vec::new()),
            answer => answer.map_err(|error| fault::read("DescribeTargetGroups", &error))?,
        };
        found.extend(page.target_groups.unwrap_or_default());
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    whole("DescribeTargetGroups", marker.is_some())?;
    Ok(found)
}

/// Reads the attributes of a target group.
pub(in crate::cloud) async fn attributes(elb: &Client, group: &str) -> Result<Vec<TargetGroupAttribute>, Fault> {
    let call = elb.describe_target_group_attributes().target_group_arn(group).send().await;
    let answer = call.map_err(|error| fault::read("DescribeTargetGroupAttributes", &error))?;
    Ok(answer.attributes.unwrap_or_default())
}
