//! The Terraform that is proposed, against what the provider itself knows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::cloud::alb::scout::ServiceSeen;

/// The arguments of the provider's resources: `tests/aws/terraform.py` makes it.
const PROVIDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/terraform.json");
const BLUE: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web-blue/01";

fn group() -> GroupFound {
    let attributes = [
        ("deregistration_delay.timeout_seconds", "30"),
        ("slow_start.duration_seconds", "45"),
        ("stickiness.enabled", "true"),
        ("stickiness.type", "app_cookie"),
        ("stickiness.app_cookie.cookie_name", "sid"),
        ("stickiness.app_cookie.duration_seconds", "600"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("load_balancing.algorithm.type", "least_outstanding_requests"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ];
    GroupFound {
        name: "web-blue".into(),
        dimension: String::new(),
        protocol: "HTTP".into(),
        port: 8080,
        target_type: "ip".into(),
        vpc: "vpc-1".into(),
        protocol_version: Some("GRPC".into()),
        ip_address_type: Some("ipv4".into()),
        health: HealthFound {
            enabled: Some(true),
            protocol: Some("HTTP".into()),
            port: Some("traffic-port".into()),
            path: Some("/grpc.health.v1.Health/Check".into()),
            matcher: Some("0-5".into()),
            interval: Some(11),
            timeout: Some(7),
            healthy: Some(3),
            unhealthy: Some(4),
        },
        attributes: attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

fn seen() -> Seen {
    let service = ServiceSeen {
        name: "web-blue".into(),
        controller: "ECS".into(),
        strategy: "ROLLING".into(),
        task_definition: "arn:aws:ecs:eu-west-1:1:task-definition/web:7".into(),
        container: Some(("app".into(), 8080)),
        groups: vec![BLUE.into()],
        production_rule: None,
    };
    let groups = BTreeMap::from([(BLUE.to_owned(), group())]);
    Seen { region: "eu-west-1".into(), account: "1".into(), cluster: "prod".into(), service, rules: Vec::new(), groups }
}

fn rule() -> RuleFound {
    RuleFound {
        arn: "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/03/04/05".into(),
        load_balancer: "web".into(),
        load_balancer_dimension: "app/web/03".into(),
        port: 443,
        priority: Some(10),
        conditions: String::new(),
        groups: vec![(BLUE.into(), 1)],
    }
}

fn absent() -> Second {
    Second { name: "web-green".into(), group: None, has_service: false }
}

/// Every argument and block of a text, by the path that leads to it, below its resource.
fn paths(terraform: &str) -> Vec<(String, String)> {
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for line in terraform.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "}" {
            open.pop();
        } else if let Some(head) = line.strip_suffix(" {") {
            let name = head.strip_prefix("resource \"").and_then(|rest| rest.split('"').next()).unwrap_or(head);
            open.push(name.to_owned());
        } else {
            let (name, value) =
                line.split_once('=').unwrap_or_else(|| panic!("neither a block nor an argument: {line}"));
            let path = [&open[..], &[name.trim().to_owned()]].concat().join(".");
            found.push((path, value.trim().to_owned()));
        }
    }
    assert!(open.is_empty(), "{terraform}");
    found
}

#[test]
fn the_provider_knows_every_argument_that_is_proposed() {
    let provider: Value = serde_json::from_str(&std::fs::read_to_string(PROVIDER).unwrap()).unwrap();
    let texts = [
        one_group(&seen(), &rule(), (BLUE, DriverKind::Pair), &absent()),
        no_rule(&seen(), &absent()),
        default_rule(&seen(), &RuleFound { priority: None, ..rule() }, &absent()),
        no_second(&seen(), BLUE, false),
    ];
    for lack in texts {
        for (path, value) in paths(&lack.terraform.unwrap()) {
            if path.contains("lifecycle.") || path.starts_with("lifecycle") {
                continue;
            }
            // A part for a rule's resource stands alone.
            let full = if path.starts_with("aws_") { path.clone() } else { format!("aws_lb_listener_rule.{path}") };
            let known = full.split('.').fold(&provider["resources"], |at, name| &at[name]);
            let kind = known.as_str().unwrap_or_else(|| panic!("the provider knows no argument {full}"));
            let is_text = value.starts_with('"') || value.contains(".arn");
            let fits = match kind {
                "number" | "boolean" => !is_text,
                "string" => true,
                _ => value.starts_with('['),
            };
            assert!(fits, "{full} is a {kind}: {value}");
        }
    }
}

#[test]
fn a_copied_target_group_is_as_the_first_in_everything() {
    let text = one_group(&seen(), &rule(), (BLUE, DriverKind::Ecs), &absent()).terraform.unwrap();
    let copied: BTreeMap<String, String> = paths(&text).into_iter().collect();
    let of = |path: &str| copied.get(&format!("aws_lb_target_group.{path}")).map(String::as_str);
    let expected = [
        ("protocol_version", "\"GRPC\""),
        ("deregistration_delay", "30"),
        ("slow_start", "45"),
        ("load_balancing_algorithm_type", "\"least_outstanding_requests\""),
        ("health_check.matcher", "\"0-5\""),
        ("health_check.interval", "11"),
        ("health_check.timeout", "7"),
        ("health_check.healthy_threshold", "3"),
        ("health_check.unhealthy_threshold", "4"),
        ("stickiness.enabled", "true"),
        ("stickiness.type", "\"app_cookie\""),
        ("stickiness.cookie_name", "\"sid\""),
        ("stickiness.cookie_duration", "600"),
        ("target_group_health.dns_failover.minimum_healthy_targets_count", "\"1\""),
    ];
    for (path, value) in expected {
        assert_eq!(of(path), Some(value), "{path}\n{text}");
    }
}

#[test]
fn what_is_there_already_is_not_proposed() {
    let green = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web-green/02";
    let second = Second { group: Some(green.into()), has_service: true, ..absent() };
    let lack = one_group(&seen(), &rule(), (BLUE, DriverKind::Pair), &second);
    let text = lack.terraform.unwrap();
    assert!(!text.contains("resource ") && text.contains(green), "{text}");
    assert!(lack.help.unwrap().contains("service web-green is there"));
    let lack = no_second(&seen(), green, true);
    assert_eq!(lack.terraform, None);
    assert!(lack.help.unwrap().starts_with("service web-green is there"));
}

#[test]
fn what_a_rollout_moves_is_ignored_in_each_resource() {
    let text = one_group(&seen(), &rule(), (BLUE, DriverKind::Pair), &absent()).terraform.unwrap();
    let ignored: Vec<String> =
        paths(&text).into_iter().filter(|(path, _)| path.ends_with("ignore_changes")).map(|(_, value)| value).collect();
    assert_eq!(ignored, ["[action]", "[task_definition, desired_count]"]);
    let codedeploy = service_lifecycle("", DriverKind::CodeDeploy);
    assert!(codedeploy.contains("[task_definition, desired_count, load_balancer]"), "{codedeploy}");
    assert!(no_rule(&seen(), &absent()).terraform.unwrap().contains("ignore_changes = [action]"));
}

#[test]
fn the_second_slot_is_green_of_blue() {
    assert_eq!(second_name("web-blue"), "web-green");
    assert_eq!(second_name("web"), "web-green");
}
