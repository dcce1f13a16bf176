//! What is missing before a service can be rolled out, and the Terraform that adds it.

use super::draft::Draft;
use super::hcl::{Block, label, text};
use crate::cloud::alb::scout::{GroupFound, HealthFound, RuleFound, Seen};
use crate::domain::driver::DriverKind;
use crate::domain::name::Arn;
use crate::plan::PlanRefusal;
use crate::report::{rule_lifecycle, service_lifecycle};

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    /// What is wrong.
    pub(super) wrong: String,
    /// What would be right.
    pub(super) help: Option<String>,
    /// What adds it.
    pub(super) terraform: Option<String>,
}

impl Lack {
    /// Why a plan refuses what was written.
    pub(super) fn of(refusal: PlanRefusal, seen: &Seen, draft: &Draft) -> Self {
        let unlisted = [&draft.chosen.blue.1, &draft.chosen.green.1]
            .into_iter()
            .find(|arn| !draft.survey.rule.weights.iter().any(|(listed, _)| listed == *arn));
        let group = unlisted.map(|arn| seen.group_name(arn)).filter(|name| refusal.wrong.ends_with(*name));
        let terraform = group.map(|_| forward(&draft.chosen.rule, [&draft.chosen.blue.1, &draft.chosen.green.1]));
        Self { wrong: refusal.wrong, help: refusal.help, terraform }
    }
}

/// The service is behind no load balancer.
pub(super) fn no_group(seen: &Seen) -> Lack {
    let service = &seen.service.name;
    Lack {
        wrong: format!("service {service} registers its tasks in no target group"),
        help: Some("traffic is shifted at a load balancer: give the service a `load_balancer` block".to_owned()),
        terraform: None,
    }
}

/// What the second slot would be called, and what of it is there already.
#[derive(Clone, Debug)]
pub(super) struct Second {
    /// The name of its target group and its service.
    pub(super) name: String,
    /// The ARN of a target group of that name.
    pub(super) group: Option<String>,
    /// Whether there is a service of that name.
    pub(super) has_service: bool,
}

impl Second {
    /// Its target group as an argument names it.
    fn arn(&self) -> String {
        let new = || format!("aws_lb_target_group.{}.arn", label(&self.name));
        self.group.as_deref().map_or_else(new, text)
    }
}

/// No rule forwards to it.
pub(super) fn no_rule(seen: &Seen, second: &Second) -> Lack {
    let group = &seen.service.groups[0];
    let name = seen.group_name(group);
    Lack {
        wrong: format!("no listener rule forwards to {name}"),
        help: Some("give the service a rule of its own that forwards to both slots by weight".to_owned()),
        terraform: Some(own_rule("\"LISTENER_ARN\"", [&text(group), &second.arn()])),
    }
}

/// The rule is the listener's default one.
pub(super) fn default_rule(seen: &Seen, rule: &RuleFound, second: &Second) -> Lack {
    let listener = rule.arn.rsplit_once('/').map_or("", |(head, _)| head).replace(":listener-rule/", ":listener/");
    let group = rule.groups.first().map_or("", |(arn, _)| arn.as_str());
    let other = rule.groups.get(1).map_or_else(|| second.arn(), |(arn, _)| text(arn));
    Lack {
        wrong: format!("port {} of {} sends to it by the listener's default rule", rule.port, rule.load_balancer),
        help: Some(format!(
            "give the service a rule of its own, ahead of {}: permissions can then be scoped to it",
            seen.service.name
        )),
        terraform: Some(own_rule(&text(&listener), [&text(group), &other])),
    }
}

/// The rule has one target group.
pub(super) fn one_group(seen: &Seen, rule: &RuleFound, (own, kind): (&str, DriverKind), second: &Second) -> Lack {
    let name = seen.group_name(own);
    let new = second.arn();
    let mut terraform = String::new();
    if let (None, Some(group)) = (&second.group, seen.groups.get(own)) {
        terraform.push_str(&like(group, &second.name).write(""));
        terraform.push('\n');
    }
    terraform.push_str("# in the rule's resource; without an `ignore_changes` of its own for this one apply\n");
    terraform.push_str(&weighted([&text(own), &new]).write("  "));
    terraform.push_str(&rule_lifecycle("  "));
    let mut help = vec![match &second.group {
        Some(_) => format!("target group {} is there: forward to it with weight 0", second.name),
        None => "add a target group, and forward to it with weight 0".to_owned(),
    }];
    if kind == DriverKind::Pair {
        help.push(if second.has_service {
            format!("service {} is there: let it register its tasks in {}", second.name, second.name)
        } else {
            "put a second service behind it".to_owned()
        });
        if !second.has_service {
            terraform.push('\n');
            terraform.push_str(&service_like(seen, &second.name, &new));
        }
    }
    let forwards =
        if rule.groups.len() < 2 { "forwards to one target group only" } else { "has no second target group" };
    Lack {
        wrong: format!("the rule {forwards}, {name}: there is no second slot"),
        help: Some(help.join("; ")),
        terraform: Some(terraform),
    }
}

/// A target group of the rule is empty: nobody registers tasks there. `taken` is whether a service has its name.
pub(super) fn no_second(seen: &Seen, group: &str, taken: bool) -> Lack {
    let name = seen.group_name(group);
    let help = if taken {
        format!("service {name} is there: let it register its tasks in target group {name}")
    } else {
        format!("add a service like {} behind {name}, with no tasks", seen.service.name)
    };
    Lack {
        wrong: format!("no other service of cluster {} registers its tasks in {name}", seen.cluster),
        help: Some(help),
        terraform: (!taken).then(|| service_like(seen, name, &text(group))),
    }
}

/// The rule's action with both slots in it.
fn forward(rule: &RuleFound, groups: [&String; 2]) -> String {
    let place = match rule.priority {
        Some(priority) => format!("# in the rule with priority {priority}\n"),
        None => String::new(),
    };
    let [blue, green] = groups.map(|arn| text(arn));
    place + &weighted([&blue, &green]).write("  ") + &rule_lifecycle("  ")
}

/// A rule of its own.
fn own_rule(listener: &str, groups: [&str; 2]) -> String {
    let host = Block::new("condition").block(Block::new("host_header").raw("values", "[\"HOST\"]"));
    Block::resource("aws_lb_listener_rule", "tidegate")
        .raw("listener_arn", listener)
        .raw("priority", 10)
        .block(weighted(groups))
        .block(host)
        .block(Block::new("lifecycle").raw("ignore_changes", "[action]"))
        .write("")
}

fn weighted([serves, idle]: [&str; 2]) -> Block {
    let group = |arn: &str, weight: u16| Block::new("target_group").raw("arn", arn).raw("weight", i32::from(weight));
    let groups = Block::new("forward").block(group(serves, 100)).block(group(idle, 0));
    Block::new("action").raw("type", "\"forward\"").block(groups)
}

/// A target group that is as this one in everything but its name.
fn like(group: &GroupFound, name: &str) -> Block {
    let GroupFound { protocol, port, target_type, vpc, protocol_version, ip_address_type, health, attributes, .. } =
        group;
    let said = |key: &str| attributes.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let quoted = |value: &str| text(value);
    let plain = |value: &str| value.to_owned();
    let block = Block::resource("aws_lb_target_group", name)
        .text("name", name)
        .raw("port", *port)
        .text("protocol", protocol)
        .given("protocol_version", protocol_version.as_deref(), quoted)
        .text("target_type", target_type)
        .text("vpc_id", vpc)
        .given("ip_address_type", ip_address_type.as_deref(), quoted)
        .given("deregistration_delay", said("deregistration_delay.timeout_seconds"), plain)
        .given("slow_start", said("slow_start.duration_seconds"), plain)
        .given("load_balancing_algorithm_type", said("load_balancing.algorithm.type"), quoted)
        .given("load_balancing_anomaly_mitigation", said("load_balancing.algorithm.anomaly_mitigation"), quoted)
        .given("load_balancing_cross_zone_enabled", said("load_balancing.cross_zone.enabled"), quoted)
        .block(health_check(health));
    let sticky = said("stickiness.type").map(|kind| {
        Block::new("stickiness")
            .given("enabled", said("stickiness.enabled"), plain)
            .text("type", kind)
            .given("cookie_duration", said(&format!("stickiness.{kind}.duration_seconds")), plain)
            .given("cookie_name", said("stickiness.app_cookie.cookie_name").filter(|_| kind == "app_cookie"), quoted)
    });
    let of_health = |part: &str, quotes: fn(&str) -> String| {
        let key = |what: &str| format!("target_group_health.{part}.minimum_healthy_targets.{what}");
        Block::new(part).given("minimum_healthy_targets_count", said(&key("count")), quotes).given(
            "minimum_healthy_targets_percentage",
            said(&key("percentage")),
            text,
        )
    };
    let fails = [of_health("dns_failover", quoted), of_health("unhealthy_state_routing", plain)];
    let fails = fails.into_iter().filter(|part| !part.is_empty()).fold(Block::new("target_group_health"), Block::block);
    sticky.into_iter().chain((!fails.is_empty()).then_some(fails)).fold(block, Block::block)
}

fn health_check(health: &HealthFound) -> Block {
    let quoted = |value: &str| text(value);
    let number = |value: i32| value.to_string();
    Block::new("health_check")
        .given("enabled", health.enabled, |enabled| enabled.to_string())
        .given("protocol", health.protocol.as_deref(), quoted)
        .given("port", health.port.as_deref(), quoted)
        .given("path", health.path.as_deref(), quoted)
        .given("matcher", health.matcher.as_deref(), quoted)
        .given("interval", health.interval, number)
        .given("timeout", health.timeout, number)
        .given("healthy_threshold", health.healthy, number)
        .given("unhealthy_threshold", health.unhealthy, number)
}

/// A second service: its network settings are those of the first, which Terraform knows.
fn service_like(seen: &Seen, name: &str, group: &str) -> String {
    let service = &seen.service;
    let (container, port) = service.container.as_ref().map_or(("app", 80), |(name, port)| (name.as_str(), *port));
    let definition = Arn::parse(&service.task_definition).map_or("", |arn| arn.resource);
    let entry = Block::new("load_balancer")
        .raw("target_group_arn", group)
        .text("container_name", container)
        .raw("container_port", port);
    let block = Block::resource("aws_ecs_service", name)
        .text("name", name)
        .text("cluster", &seen.cluster)
        .text("task_definition", definition.trim_start_matches("task-definition/"))
        .raw("desired_count", 0)
        .block(entry)
        .write("");
    let rest =
        format!("  # network_configuration, launch_type or capacity providers as {} has them\n", label(&service.name));
    let body = block.strip_suffix("}\n").unwrap_or(&block).to_owned();
    body + &rest + &service_lifecycle("  ", DriverKind::Pair) + "}\n"
}

/// What the other slot is called.
pub(super) fn second_name(name: &str) -> String {
    match name.replace("blue", "green") {
        same if same == name => format!("{name}-green"),
        other => other,
    }
}

#[cfg(test)]
mod tests;
