//! The way back by a rule's tags alone: no lease, no plan, no journal.

use crate::cloud::{Cloud, RouteOrder, Routed};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Role, RuleSeen};
use crate::domain::safeguard::Beacon;
use crate::domain::traffic::Share;

/// What is known of a rule that goes back by its tags.
#[derive(Clone, Copy, Debug)]
pub struct ByTags<'a> {
    /// The target group that was stable.
    pub stable: &'a str,
    /// Whether the rule is sticky now.
    pub sticky: bool,
    /// Whether to go back even to a stable slot without a healthy target.
    pub accepts_unhealthy: bool,
}

/// Gives everything to the stable slot, and marks the rule so that its runner turns back
///
/// # Errors
/// When AWS refuses, or the stable slot could not take the traffic.
pub async fn back_by_tags<C: Cloud>(cloud: &C, tags: ByTags<'_>) -> Result<RuleSeen, Fault> {
    let healthy = cloud.healthy_at_once(Role::Stable).await;
    if !tags.accepts_unhealthy && healthy.as_ref().is_ok_and(|healthy| *healthy == 0) {
        let words = format!("{} has no healthy target", tags.stable);
        return Err(Fault::new(FaultKind::Permanent, "DescribeTargetHealth", words));
    }
    let order = RouteOrder { share: Share::NONE, expected: None, sticky: tags.sticky.then_some(false), by: None };
    let seen = match cloud.route(order).await? {
        Routed::Written(seen) | Routed::Unsettled(seen) | Routed::Moving(seen) | Routed::Foreign(seen) => seen,
    };
    // The traffic does not depend on it.
    let _ = cloud.mark(Beacon::Aborting).await;
    Ok(seen)
}
