//! Proves as much of a way back as it can without taking it: who calls, that the rule can be read, that the stable slot
//! could serve, and that the rule may be written.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::TargetGroupAttribute;

use super::{actions, slots};
use crate::cloud::aws::{Aws, elbv2};
use crate::domain::fault::{Fault, FaultKind};

/// One target group of a rule, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Its name.
    pub target_group: String,
    /// Its weight.
    pub weight: u16,
    /// Its healthy targets.
    pub healthy: u32,
    /// Whether clients stay with one of its targets: then the rule's stickiness can not be off.
    pub sticky: bool,
}

/// Reads what a rule forwards to, and for how long clients stay with a target group, when they do.
///
/// # Errors
/// When AWS refuses a read.
pub async fn serving(aws: &Aws, rule: &str) -> Result<(Vec<Serving>, Option<Duration>), Fault> {
    let found = elbv2::rule(&aws.reading.elb, rule).await?;
    let groups = actions::forward(found.actions()).map(slots::groups).unwrap_or_default();
    let mut all = Vec::new();
    for (arn, weight) in groups {
        let elb = &aws.reading.elb;
        let (healthy, attributes) = tokio::try_join!(elbv2::healthy(elb, &arn), elbv2::attributes(elb, &arn))?;
        let target_group = slots::group_name(&arn).to_owned();
        all.push(Serving { target_group, weight, healthy, sticky: is_sticky(&attributes) });
    }
    Ok((all, actions::stickiness(found.actions())))
}

/// Whether clients stay with a target of the group.
pub(super) fn is_sticky(attributes: &[TargetGroupAttribute]) -> bool {
    attributes.iter().any(|one| one.key() == Some("stickiness.enabled") && one.value() == Some("true"))
}

/// Proves that a rule may be written, by a write that names the rule and nothing to change in it: what is not named
/// keeps its value (API reference of `ModifyRule`), so nothing is raced or overwritten. Being told that such a write
/// makes no sense proves the permission, too: AWS asks who may before it asks what.
///
/// # Errors
/// When it may not, or AWS does not answer.
pub async fn may_write(aws: &Aws, rule: &str) -> Result<(), Fault> {
    match elbv2::touch(&aws.writing.elb, rule).await {
        Err(fault) if fault.kind == FaultKind::Permanent => Ok(()),
        answer => answer,
    }
}
