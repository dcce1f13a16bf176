//! The two slots in a rule's actions: which target groups are theirs, and what weights they have.

use aws_sdk_elasticloadbalancingv2::types::{Action, ForwardActionConfig, TargetGroupTuple};

use crate::domain::fleet::{Place, Target};

/// The target groups of the two slots, by ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cloud) struct Slots {
    pub stable: String,
    pub candidate: String,
}

impl Slots {
    pub(super) fn of(target: &Target) -> Slots {
        let group = |place: &Place| place.target_group.clone();
        Slots { stable: group(&target.stable), candidate: group(&target.candidate) }
    }

    pub(super) fn holds(&self, arn: &str) -> bool {
        arn == self.stable || arn == self.candidate
    }

    pub(super) fn pair(&self, weights: &[(String, u16)]) -> (u16, u16) {
        let of = |arn: &str| weights.iter().find(|(group, _)| group == arn).map_or(0, |(_, weight)| *weight);
        (of(&self.stable), of(&self.candidate))
    }

    pub(super) fn both_in(&self, weights: &[(String, u16)]) -> bool {
        [&self.stable, &self.candidate].iter().all(|arn| weights.iter().any(|(group, _)| group == *arn))
    }
}

/// The actions in the order in which the load balancer takes them.
pub(super) fn in_order(actions: &[Action]) -> Vec<&Action> {
    let mut sorted: Vec<&Action> = actions.iter().collect();
    sorted.sort_by_key(|action| action.order().unwrap_or_default());
    sorted
}

/// Target groups of a forward action with their weights. A group that is named without a weight has one.
pub(super) fn groups(action: &Action) -> Vec<(String, u16)> {
    let tuples = action.forward_config().map(ForwardActionConfig::target_groups).unwrap_or_default();
    if tuples.is_empty() {
        return action.target_group_arn().map(|arn| (arn.to_owned(), 1)).into_iter().collect();
    }
    let weight = |tuple: &TargetGroupTuple| tuple.weight().and_then(|weight| u16::try_from(weight).ok()).unwrap_or(1);
    tuples.iter().map(|tuple| (tuple.target_group_arn().unwrap_or_default().to_owned(), weight(tuple))).collect()
}

/// A target group's name, out of its ARN.
pub(super) fn group_name(arn: &str) -> &str {
    arn.rsplit('/').nth(1).unwrap_or(arn)
}
