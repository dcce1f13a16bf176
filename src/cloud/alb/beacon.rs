//! The way back with nothing but a rule: its tags say which of its target groups is the stable one.
//!
//! For the hour in which the store cannot be reached. What is written is what any rollback writes first; everything
//! after it waits for the store.

use aws_sdk_elasticloadbalancingv2::types::{Rule, TargetGroup};

use super::actions::{self, Recorded, seen};
use super::json;
use super::slots::{self, Slots};
use crate::cloud::aws::{Aws, ecs, elbv2};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Place, RuleSeen, Slot, Target};
use crate::domain::name::Arn;
use crate::domain::safeguard::{BACK_TAGS, BEACON_TAGS, Beacon, TakenBack};

/// The longest value of a tag, in characters.
const TAG_VALUE_LONGEST: usize = 256;

/// A rule that carries the beacon of a rollout.
#[derive(Clone, Debug)]
pub struct Marked {
    /// The rollout's id, as the tag has it.
    pub rollout: String,
    /// Which of its runners wrote the tags.
    pub epoch: u64,
    /// How far it is.
    pub phase: Beacon,
    /// The rule and its two target groups; services are not known.
    pub target: Target,
    /// The rule as it was found.
    pub recorded: Recorded,
    /// What it says.
    pub seen: RuleSeen,
}

/// A service as its cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFound {
    /// Its ARN.
    pub arn: String,
    /// The rules that forward to one of its target groups.
    pub rules: Vec<String>,
}

/// Reads a rule and its beacon; `None` when it carries none.
///
/// # Errors
/// When AWS refuses a read, or the tags name target groups that the rule does not forward to.
pub async fn marked(aws: &Aws, rule: &str) -> Result<Option<Marked>, Fault> {
    let tags = elbv2::tags(&aws.reading.elb, rule).await?;
    let tag = |key: &str| tags.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str());
    let [rollout, epoch, stable, candidate, phase] = BEACON_TAGS.map(tag);
    let (Some(rollout), Some(stable), Some(candidate)) = (rollout, stable, candidate) else { return Ok(None) };
    let found = elbv2::rule(&aws.reading.elb, rule).await?;
    let groups = actions::forward(found.actions()).map(slots::groups).unwrap_or_default();
    let slot = |slot, name: &str| {
        let arn = groups.iter().map(|(arn, _)| arn).find(|arn| slots::group_name(arn) == name);
        let wrong = format!("the rule is marked by rollout {rollout}, and does not forward to {name}");
        arn.map(|arn| place(slot, name, arn)).ok_or_else(|| Fault::new(FaultKind::Permanent, "DescribeRules", wrong))
    };
    let target = target(rule, slot(Slot::Blue, stable)?, slot(Slot::Green, candidate)?);
    let slots = Slots::of(&target);
    Ok(Some(Marked {
        rollout: rollout.to_owned(),
        epoch: epoch.and_then(|epoch| epoch.parse().ok()).unwrap_or_default(),
        phase: match phase {
            Some("committed") => Beacon::Committed,
            Some("aborting") => Beacon::Aborting,
            _ => Beacon::Active,
        },
        recorded: recorded(&found, &slots),
        seen: seen(found.actions(), &slots),
        target,
    }))
}

/// Who took a rollout back with nothing but its rule, if the rule's tags say so.
///
/// # Errors
/// When AWS refuses the read.
pub(super) async fn taken_back(aws: &Aws, rule: &str, rollout: &str) -> Result<Option<TakenBack>, Fault> {
    let tags = elbv2::tags(&aws.reading.elb, rule).await?;
    let tag = |key: &str| {
        let value = tags.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    };
    let ([id, .., phase], [by, reason]) = (BEACON_TAGS.map(tag), BACK_TAGS.map(tag));
    let ours = id == Some(rollout) && phase == Some("aborting");
    Ok(by.filter(|_| ours).map(|by| TakenBack { by: by.to_owned(), reason: reason.map(str::to_owned) }))
}

/// Foreign words as AWS takes them for a tag's value: letters, digits, spaces and a few marks, 256 characters at most
/// ("Tag your Application Load Balancer" in its user guide). Anything else becomes `_`.
pub(super) fn tag_value(words: &str) -> String {
    let taken = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_alphanumeric() || "_.:/=+-@".contains(c) => c,
        _ => '_',
    };
    let value: String = words.trim().chars().map(taken).take(TAG_VALUE_LONGEST).collect();
    value.trim_end().to_owned()
}

/// Finds a service and the rules that forward to its target groups.
///
/// # Errors
/// When AWS refuses a read, or there is no such service.
pub async fn find_service(aws: &Aws, cluster: &str, name: &str) -> Result<ServiceFound, Fault> {
    let (services, _) = ecs::services(&aws.reading.ecs, cluster, &[name]).await?;
    let missing = || Fault::new(FaultKind::Missing, "DescribeServices", format!("{cluster} has no service {name}"));
    let service = services.into_iter().next().ok_or_else(missing)?;
    let elb = &aws.reading.elb;
    let mut rules = Vec::new();
    for group in service.load_balancers().iter().filter_map(|balancer| balancer.target_group_arn()) {
        for balancer in elbv2::target_groups(elb, Some(group)).await?.iter().flat_map(TargetGroup::load_balancer_arns) {
            for listener in elbv2::listeners(elb, balancer).await?.iter().filter_map(|one| one.listener_arn()) {
                let of_listener = elbv2::rules(elb, listener).await?;
                let forwards =
                    |rule: &&Rule| rule.actions().iter().flat_map(slots::groups).any(|(arn, _)| arn == group);
                rules.extend(of_listener.iter().filter(forwards).filter_map(|rule| rule.rule_arn().map(str::to_owned)));
            }
        }
    }
    rules.sort();
    rules.dedup();
    Ok(ServiceFound { arn: service.service_arn.unwrap_or_default(), rules })
}

fn place(slot: Slot, name: &str, arn: &str) -> Place {
    Place {
        slot,
        service: String::new(),
        target_group: arn.to_owned(),
        target_group_name: name.to_owned(),
        target_group_dimension: arn.rsplit_once(':').map_or(arn, |(_, dimension)| dimension).to_owned(),
    }
}

fn target(rule: &str, stable: Place, candidate: Place) -> Target {
    let arn = Arn::parse(rule);
    Target {
        region: arn.as_ref().map_or("", |arn| arn.region).to_owned(),
        account: arn.as_ref().map_or("", |arn| arn.account).to_owned(),
        cluster: String::new(),
        rule: rule.to_owned(),
        load_balancer_dimension: String::new(),
        dns_name: String::new(),
        stable,
        candidate,
    }
}

/// What a write needs to know of the rule: here it is what was found, with everything on the stable slot.
fn recorded(rule: &Rule, slots: &Slots) -> Recorded {
    let list = rule.actions();
    let found = actions::forward(list).map(slots::groups).unwrap_or_default();
    let all: u16 = found.iter().filter(|(arn, _)| slots.holds(arn)).map(|(_, weight)| weight).sum();
    let weight = |(arn, weight): (String, u16)| match &arn {
        arn if *arn == slots.stable => (arn.clone(), all.clamp(1, 999)),
        arn if *arn == slots.candidate => (arn.clone(), 0),
        _ => (arn, weight),
    };
    Recorded {
        weights: found.into_iter().map(weight).collect(),
        stickiness: actions::stickiness(list),
        sticky_groups: Vec::new(),
        priority: rule.priority().and_then(|priority| priority.parse().ok()),
        shape: json::shape(list, slots),
        actions_json: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_fit_for_a_tag() {
        for (words, value) in [
            ("checkout is slow", "checkout is slow"),
            ("p99 > 2s!\nsince 14:05 (ana's graph)", "p99 _ 2s_ since 14:05 _ana_s graph_"),
            ("langsam: \u{fc}ber 2\u{a0}s\u{202e}", "langsam: \u{fc}ber 2 s_"),
            ("", ""),
        ] {
            assert_eq!(tag_value(words), value);
        }
        assert_eq!(tag_value(&"a".repeat(400)).len(), 256);
    }
}
