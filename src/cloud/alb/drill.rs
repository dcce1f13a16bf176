//! What can be proven of a way back without taking it: who calls, that the rule can be read, that the stable slot could
//! serve, and that the rule may be written.

use super::actions;
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
}

/// Reads what a rule forwards to.
///
/// # Errors
/// When AWS refuses a read.
pub async fn serving(aws: &Aws, rule: &str) -> Result<Vec<Serving>, Fault> {
    let found = elbv2::rule(&aws.reading.elb, rule).await?;
    let groups = actions::forward(found.actions()).map(actions::groups).unwrap_or_default();
    let mut all = Vec::new();
    for (arn, weight) in groups {
        let healthy = elbv2::healthy(&aws.reading.elb, &arn).await?;
        all.push(Serving { target_group: actions::group_name(&arn).to_owned(), weight, healthy });
    }
    Ok(all)
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
