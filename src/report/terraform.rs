//! Terraform blocks, ready to paste, that keep Terraform from overwriting what a rollout moves.

use super::Style;
use crate::domain::driver::DriverKind;
use crate::domain::text::hang;

/// What a rollout moves in the listener rule's resource.
const OF_RULE: &str = "action";

/// What it moves in the service's. CodeDeploy also turns the service to its other target group.
fn of_service(kind: DriverKind) -> &'static str {
    match kind {
        DriverKind::CodeDeploy => "task_definition, desired_count, load_balancer",
        DriverKind::Pair | DriverKind::TaskSets | DriverKind::Ecs => "task_definition, desired_count",
    }
}

/// The block of a listener rule's resource, indented by so much.
pub fn rule_lifecycle(indent: &str) -> String {
    block(indent, OF_RULE)
}

/// The same of a service's.
pub fn service_lifecycle(indent: &str, kind: DriverKind) -> String {
    block(indent, of_service(kind))
}

fn block(indent: &str, moved: &str) -> String {
    format!("{indent}lifecycle {{\n{indent}  ignore_changes = [{moved}]\n{indent}}}\n")
}

/// The blocks, with the reason.
pub fn lifecycle(style: Style, kind: DriverKind) -> String {
    let why = "If Terraform wrote it: with these blocks it leaves alone what a rollout moves.";
    let blocks = [("aws_lb_listener_rule", OF_RULE), ("aws_ecs_service", of_service(kind))];
    let blocks = blocks.map(|(resource, moved)| format!("     # {resource}\n{}", block("     ", moved)));
    format!("\n{}{}", hang("  ", 2, why, style.width), blocks.concat())
}
