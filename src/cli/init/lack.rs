//! What is missing before a service can be rolled out, and the Terraform that adds it.

use std::fmt::Write as _;

use super::draft::Draft;
use crate::cloud::alb::scout::{GroupFound, RuleFound, Seen};
use crate::domain::driver::DriverKind;
use crate::domain::name::Arn;
use crate::domain::text::is_hidden;
use crate::plan::Refusal;

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
    pub(super) fn of(refusal: Refusal, seen: &Seen, draft: &Draft) -> Self {
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

/// No rule forwards to it.
pub(super) fn no_rule(seen: &Seen) -> Lack {
    let group = &seen.service.groups[0];
    let name = seen.group_name(group);
    let second = second_name(name);
    Lack {
        wrong: format!("no listener rule forwards to {name}"),
        help: Some("give the service a rule of its own that forwards to both slots by weight".to_owned()),
        terraform: Some(format!(
            "resource \"aws_lb_listener_rule\" \"tidegate\" {{\n  listener_arn = \"LISTENER_ARN\"\n  priority     = 10\n{}{}}}\n",
            weighted([&hcl(group), &format!("aws_lb_target_group.{}.arn", label(&second))]),
            condition()
        )),
    }
}

/// The rule is the listener's default one.
pub(super) fn default_rule(seen: &Seen, rule: &RuleFound) -> Lack {
    let listener = rule.arn.rsplit_once('/').map_or("", |(head, _)| head).replace(":listener-rule/", ":listener/");
    let group = rule.groups.first().map_or("", |(arn, _)| arn.as_str());
    let second = match rule.groups.get(1) {
        Some((arn, _)) => hcl(arn),
        None => format!("aws_lb_target_group.{}.arn", label(&second_name(seen.group_name(group)))),
    };
    Lack {
        wrong: format!("port {} of {} sends to it by the listener's default rule", rule.port, rule.load_balancer),
        help: Some("give the service a rule of its own: permissions can then be scoped to it".to_owned()),
        terraform: Some(format!(
            "resource \"aws_lb_listener_rule\" \"tidegate\" {{\n  listener_arn = {}\n  priority     = 10\n{}{}}}\n",
            hcl(&listener),
            weighted([&hcl(group), &second]),
            condition()
        )),
    }
}

/// The rule has one target group.
pub(super) fn one_group(seen: &Seen, rule: &RuleFound, (own, kind): (&str, DriverKind)) -> Lack {
    let name = seen.group_name(own);
    let second = second_name(name);
    let new = format!("aws_lb_target_group.{}.arn", label(&second));
    let mut terraform = seen.groups.get(own).map(|group| like(group, &second)).unwrap_or_default();
    terraform.push_str("\n# in the rule's resource\n");
    terraform.push_str(&weighted([&hcl(own), &new]));
    if kind == DriverKind::Pair {
        terraform.push('\n');
        terraform.push_str(&service_like(seen, &second, &new));
    }
    let forwards =
        if rule.groups.len() < 2 { "forwards to one target group only" } else { "has no second target group" };
    Lack {
        wrong: format!("the rule {forwards}, {name}: there is no second slot"),
        help: Some(
            match kind {
                DriverKind::Pair => {
                    "add a target group, forward to it with weight 0, and put a second service behind it"
                }
                _ => "add a target group, and forward to it with weight 0",
            }
            .to_owned(),
        ),
        terraform: Some(terraform),
    }
}

/// A target group of the rule is empty: nobody registers tasks there.
pub(super) fn no_second(seen: &Seen, group: &str) -> Lack {
    let name = seen.group_name(group);
    Lack {
        wrong: format!("no other service of cluster {} registers its tasks in {name}", seen.cluster),
        help: Some(format!("add a service like {} behind {name}, with no tasks", seen.service.name)),
        terraform: Some(service_like(seen, name, &hcl(group))),
    }
}

/// The rule's action with both slots in it.
fn forward(rule: &RuleFound, groups: [&String; 2]) -> String {
    let place = match rule.priority {
        Some(priority) => format!("# in the rule with priority {priority}\n"),
        None => String::new(),
    };
    let [blue, green] = groups.map(|arn| hcl(arn));
    place + &weighted([&blue, &green])
}

fn weighted([serves, idle]: [&str; 2]) -> String {
    let group = |arn: &str, weight: u16| {
        format!("      target_group {{\n        arn    = {arn}\n        weight = {weight}\n      }}\n")
    };
    format!(
        "  action {{\n    type = \"forward\"\n    forward {{\n{}{}    }}\n  }}\n",
        group(serves, 100),
        group(idle, 0)
    )
}

fn condition() -> &'static str {
    "  condition {\n    host_header {\n      values = [\"HOST\"]\n    }\n  }\n"
}

fn like(group: &GroupFound, name: &str) -> String {
    let GroupFound { protocol, port, target_type, vpc, health_path, .. } = group;
    format!(
        "resource \"aws_lb_target_group\" \"{}\" {{\n  name        = {}\n  port        = {port}\n  protocol    = {}\n  \
         target_type = {}\n  vpc_id      = {}\n  health_check {{\n    path = {}\n  }}\n}}\n",
        label(name),
        hcl(name),
        hcl(protocol),
        hcl(target_type),
        hcl(vpc),
        hcl(health_path),
    )
}

/// A second service: its network settings are those of the first, which Terraform knows.
fn service_like(seen: &Seen, name: &str, group: &str) -> String {
    let service = &seen.service;
    let (container, port) = service.container.as_ref().map_or(("app", 80), |(name, port)| (name.as_str(), *port));
    let definition = Arn::parse(&service.task_definition).map_or("", |arn| arn.resource);
    format!(
        "resource \"aws_ecs_service\" \"{}\" {{\n  name            = {}\n  cluster         = {}\n  task_definition = {}\n  \
         desired_count   = 0\n  # network_configuration, launch_type or capacity providers as {} has them\n  \
         load_balancer {{\n    target_group_arn = {group}\n    container_name   = {}\n    container_port   = {port}\n  }}\n  \
         lifecycle {{\n    ignore_changes = [task_definition, desired_count]\n  }}\n}}\n",
        label(name),
        hcl(name),
        hcl(&seen.cluster),
        hcl(definition.trim_start_matches("task-definition/")),
        label(&service.name),
        hcl(container),
    )
}

/// What the other slot is called.
fn second_name(name: &str) -> String {
    match name.replace("blue", "green") {
        same if same == name => format!("{name}-green"),
        other => other,
    }
}

/// A name as Terraform calls a resource.
fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let label: String = name.chars().map(plain).collect();
    if label.starts_with(|c: char| c.is_ascii_alphabetic()) { label } else { format!("_{label}") }
}

/// A text as Terraform writes it, with nothing that it would fill in.
fn hcl(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (n, c) in text.char_indices() {
        let opens = text[n + c.len_utf8()..].starts_with('{');
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' | '%' if opens => quoted.extend([c, c]),
            c if is_hidden(c) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terraform_fills_nothing_into_a_name() {
        assert_eq!(hcl("web-blue"), "\"web-blue\"");
        assert_eq!(hcl("a\"b\\${x}%{y}$"), "\"a\\\"b\\\\$${x}%%{y}$\"");
        assert_eq!(hcl("a\nb"), "\"a\\U0000000Ab\"");
        assert_eq!(label("1 web\" {"), "_1_web___");
    }

    #[test]
    fn the_second_slot_is_green_of_blue() {
        assert_eq!(second_name("web-blue"), "web-green");
        assert_eq!(second_name("web"), "web-green");
    }
}
