//! The target of a first spec, once it is chosen.

use crate::cloud::alb::scout::{GroupFound, RuleFound, Seen};
use crate::domain::name::RolloutName;

/// What a spec's target is made of.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) rule: RuleFound,
    /// Service and target group's ARN of the first slot.
    pub(super) blue: (String, String),
    /// The same of the second.
    pub(super) green: (String, String),
}

impl Chosen {
    /// The dimensions by which metrics and alarms name what is moved.
    pub(super) fn dimensions<'a>(&'a self, seen: &'a Seen) -> Vec<&'a str> {
        let groups = [&self.blue.1, &self.green.1].into_iter().filter_map(|arn| seen.groups.get(arn));
        let groups = groups.map(|group| group.dimension.as_str());
        groups.chain([self.rule.load_balancer_dimension.as_str()]).collect()
    }

    /// The paths that the slots' health checks ask for, blue first.
    pub(super) fn checked_at(&self, seen: &Seen) -> [String; 2] {
        [&self.blue.1, &self.green.1]
            .map(|arn| seen.groups.get(arn).map_or_else(|| "/".to_owned(), GroupFound::health_path))
    }

    /// The port of another listener of the load balancer that leads to a slot.
    pub(super) fn test_port(&self, seen: &Seen) -> Option<u16> {
        let slots = [&self.blue.1, &self.green.1];
        let leads = |rule: &&RuleFound| {
            rule.load_balancer == self.rule.load_balancer
                && rule.port != self.rule.port
                && rule.groups.iter().any(|(arn, _)| slots.contains(&arn))
        };
        seen.rules.iter().find(leads).map(|rule| rule.port)
    }

    /// What the rollouts are called: what both services' names begin with. `None` when that is no name.
    pub(super) fn name(&self) -> Option<RolloutName> {
        let (blue, green) = (&self.blue.0, &self.green.0);
        let alike = blue.chars().zip(green.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one);
        let alike: String = if blue == green { blue.clone() } else { alike.collect() };
        named(&alike).or_else(|| named(blue))
    }
}

/// A name made of `text` as far as that goes.
fn named(text: &str) -> Option<RolloutName> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    let text = text.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let text: String = text.chars().take(RolloutName::MAX).collect();
    RolloutName::parse(text.trim_matches('-')).ok()
}
