//! What keeps Terraform from writing over what a rollout moves, ready to paste.

use super::Style;
use crate::domain::text::hang;

/// Each resource that a rollout writes, with the arguments that it moves.
const MOVED: [(&str, &str); 2] =
    [("aws_lb_listener_rule", "action"), ("aws_ecs_service", "task_definition, desired_count")];

/// The blocks, with the reason.
pub fn lifecycle(style: Style) -> String {
    let why = "If Terraform wrote it: with these blocks it leaves alone what a rollout moves.";
    let blocks = MOVED.iter().map(|(resource, moved)| {
        format!("     # {resource}\n     lifecycle {{\n       ignore_changes = [{moved}]\n     }}\n")
    });
    format!("\n{}{}", hang("  ", 2, why, style.width), blocks.collect::<String>())
}
