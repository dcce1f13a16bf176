//! ECS: the load balancers of a service, and what a shift of traffic between two target groups works with.

use serde_json::{Map, Value, json};

use super::ecs_common::invalid;
use super::operation::Refusal;
use crate::account::{Account, Advanced, Attachment, Service, Settings, Strategy};
use crate::value::{list, text, whole};

/// Reads `loadBalancers`.
pub(super) fn read(account: &Account, input: &Value) -> Result<Vec<Attachment>, Refusal> {
    list(input, "loadBalancers").iter().map(|place| read_one(account, place)).collect()
}

fn read_one(account: &Account, place: &Value) -> Result<Attachment, Refusal> {
    let group = text(place, "targetGroupArn").unwrap_or_default();
    if account.group(group).is_none() || account.balancers_of(group).is_empty() {
        return Err(invalid(format!(
            "The target group with targetGroupArn {group} does not have an associated load balancer."
        )));
    }
    let advanced = place.get("advancedConfiguration").filter(|value| !value.is_null());
    Ok(Attachment {
        group: group.to_owned(),
        container: text(place, "containerName").unwrap_or_default().to_owned(),
        port: whole(place, "containerPort").unwrap_or(80) as u16,
        advanced: advanced.map(|advanced| read_advanced(account, advanced, group)).transpose()?,
    })
}

/// `AdvancedConfiguration` in the ECS API reference; the other group needs no rule yet, ECS puts it into one.
fn read_advanced(account: &Account, given: &Value, group: &str) -> Result<Advanced, Refusal> {
    let needed = |key: &str| {
        let found = text(given, key).filter(|value| !value.is_empty());
        found.ok_or_else(|| invalid(format!("{key} must be provided in advancedConfiguration.")))
    };
    let alternate = needed("alternateTargetGroupArn")?;
    if account.group(alternate).is_none() {
        return Err(invalid(format!("The target group with alternateTargetGroupArn {alternate} was not found.")));
    }
    if alternate == group {
        return Err(invalid("alternateTargetGroupArn and targetGroupArn must be different target groups."));
    }
    let rule = |key: &str, arn: &str| {
        let found = account.rules.iter().find(|rule| rule.arn == arn);
        let found = found.ok_or_else(|| invalid(format!("The {key} {arn} was not found.")))?;
        let forwards = found.actions.iter().any(|action| text(action, "Type") == Some("forward"));
        if forwards { Ok(arn.to_owned()) } else { Err(invalid(format!("The {key} {arn} has no forward action."))) }
    };
    Ok(Advanced {
        alternate: alternate.to_owned(),
        production_rule: rule("productionListenerRule", needed("productionListenerRule")?)?,
        test_rule: text(given, "testListenerRule").map(|arn| rule("testListenerRule", arn)).transpose()?,
        role: needed("roleArn")?.to_owned(),
    })
}

/// The load balancers of a service, as ECS tells them.
pub(super) fn show(places: &[Attachment]) -> Vec<Value> {
    let one = |place: &Attachment| {
        let mut shown = json!({"targetGroupArn": place.group, "containerName": place.container,
            "containerPort": place.port});
        if let Some(advanced) = &place.advanced {
            let mut told = json!({"alternateTargetGroupArn": advanced.alternate,
                "productionListenerRule": advanced.production_rule, "roleArn": advanced.role});
            if let Some(rule) = &advanced.test_rule {
                told["testListenerRule"] = json!(rule);
            }
            shown["advancedConfiguration"] = told;
        }
        shown
    };
    places.iter().map(one).collect()
}

/// Refuses what cannot be deployed as the service's `deploymentConfiguration` says.
pub(super) fn check(service: &Service, did_shift: bool) -> Result<(), Refusal> {
    let given = &service.limits.raw;
    let hooks = given.get("lifecycleHooks").and_then(Value::as_array);
    let is_lambda = |hook: &Value| text(hook, "targetType").unwrap_or("AWS_LAMBDA") == "AWS_LAMBDA";
    if hooks.into_iter().flatten().any(is_lambda) {
        let message = "The lab has no Lambda: of lifecycle hooks it plays those of target type PAUSE.";
        return Err(Refusal::not_played(message));
    }
    let settings = Settings::read(given).map_err(invalid)?;
    if settings.strategy == Strategy::Rolling {
        let message = "The lab does not take a service that shifts traffic back to the ROLLING strategy.";
        let refused = Refusal::not_played(message);
        return if did_shift { Err(refused) } else { Ok(()) };
    }
    if service.attachments.is_empty() {
        return Err(invalid(
            "A load balancer is needed for this deployment strategy: the lab plays no Service Connect.",
        ));
    }
    if service.attachments.iter().any(|place| place.advanced.is_none()) {
        return Err(invalid(
            "advancedConfiguration must be provided for each load balancer of this deployment strategy.",
        ));
    }
    Ok(())
}

/// What a configuration leaves of the one before it: a strategy's own settings go with the strategy.
pub(super) fn outlived(before: &mut Map<String, Value>, given: &Map<String, Value>) {
    if given.contains_key("strategy") {
        before.shift_remove("canaryConfiguration");
        before.shift_remove("linearConfiguration");
    }
}
