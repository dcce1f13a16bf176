//! Shows the plan's own warnings, or why it is refused.

use super::check::{self, Check};
use crate::cli::Failure;
use crate::domain::clock::span;
use crate::plan::Plan;

/// A check for each refusal or warning that nobody `said` before.
pub(super) fn checks(refused: Option<&Failure>, plan: Option<&Plan>, said: &[String]) -> Vec<Check> {
    if let Some(failure) = refused {
        return check::of_failure("refused", failure);
    }
    let Some(plan) = plan else { return Vec::new() };
    let (least, most) = plan.duration();
    let takes = format!("{} steps, {} to {}", plan.steps.len(), span(least), span(most));
    let mut checks = vec![Check::ok("compiles", takes)];
    let new = plan.warnings.iter().filter(|warning| !said.contains(warning));
    checks.extend(new.map(|warning| Check::warn("warning", warning.clone())));
    checks
}
