//! The rules that a deployment shifts traffic with: their weights, as ECS writes them.
//!
//! ECS does not look at what a rule says before it writes (aws/containers-roadmap#2853): whatever weights somebody
//! else has set are gone with the next shift. Stickiness and the actions before the forward are kept.

use serde_json::{Value, json};

use crate::account::{ALL, Account, Service, ServiceDeployment};
use crate::value::text;

/// Whose traffic is shifted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// That of the production rule.
    Production,
    /// That of the test rule, if there is one.
    Test,
}

/// Gives the new revision a share of the traffic, in tenths of a percent, and the one before it the rest; an error
/// says which rule could not be written.
pub(super) fn shift(
    account: &mut Account,
    service: &Service,
    deployment: &mut ServiceDeployment,
    kind: Kind,
    share: u32,
) -> Result<(), String> {
    for place in service.attachments_of(&deployment.target.deployment).to_vec() {
        let Some(advanced) = place.advanced else { continue };
        let rule = match kind {
            Kind::Production => Some(advanced.production_rule),
            Kind::Test => advanced.test_rule,
        };
        let Some(rule) = rule else { continue };
        write(account, &rule, (&place.group, &advanced.alternate), share)?;
    }
    match kind {
        Kind::Test => deployment.target.test = share,
        Kind::Production => {
            deployment.target.production = share;
            if let Some(before) = deployment.sources.first_mut() {
                before.production = ALL - share;
            }
        }
    }
    Ok(())
}

/// Writes the weights of two target groups into a rule.
fn write(account: &mut Account, rule: &str, (to, from): (&str, &str), share: u32) -> Result<(), String> {
    let found = account.rules.iter_mut().find(|one| one.arn == rule);
    let found = found.ok_or_else(|| format!("The listener rule {rule} was not found."))?;
    let forward = found.actions.iter_mut().find(|action| text(action, "Type") == Some("forward"));
    let forward = forward.and_then(Value::as_object_mut);
    let forward = forward.ok_or_else(|| format!("The listener rule {rule} has no forward action."))?;
    let stickiness = forward.get("ForwardConfig").and_then(|config| config.get("TargetGroupStickinessConfig"));
    let stickiness = stickiness.cloned().unwrap_or_else(|| json!({"Enabled": false}));
    let (to_weight, from_weight) = weights(share);
    let mut groups = [(to, to_weight), (from, from_weight)];
    groups.sort_unstable();
    let groups = groups.map(|(arn, weight)| json!({"TargetGroupArn": arn, "Weight": weight}));
    forward.remove("TargetGroupArn");
    forward
        .insert("ForwardConfig".to_owned(), json!({"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}));
    account.routes_changed();
    Ok(())
}

/// Weights for a share in tenths of a percent: hundredths where that is exact, else thousandths.
fn weights(share: u32) -> (u32, u32) {
    if share.is_multiple_of(10) { (share / 10, (ALL - share) / 10) } else { (share, ALL - share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_exact_and_what_a_rule_can_hold() {
        for (share, expected) in [(0, (0, 100)), (1, (1, 999)), (50, (5, 95)), (55, (55, 945)), (ALL, (100, 0))] {
            assert_eq!(weights(share), expected);
        }
    }
}
