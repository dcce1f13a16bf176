//! Finds the rule that stands in the place of a deleted one, and what it does.
//!
//! A rule that is deleted and made anew has another ARN. It is somebody else's until a person says otherwise: it is
//! read and told, and never written.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{ActionTypeEnum, Rule};

use super::AlbDriver;
use super::actions::{self, seen};
use super::listener::conditions;
use super::slots;
use crate::cloud::aws::elbv2;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::RuleSeen;

impl AlbDriver {
    /// What a read of the rule says; of a rule that is there no more, what is said of the rule in its place. A fault
    /// that is no such absence stays as it is.
    pub(super) async fn seen_in_place(&self, elb: &Client, read: Result<Rule, Fault>) -> Result<RuleSeen, Fault> {
        match read {
            Ok(rule) => Ok(seen(rule.actions(), &self.slots)),
            Err(fault) if fault.kind == FaultKind::Missing => self.in_its_place(elb, fault).await,
            Err(fault) => Err(fault),
        }
    }

    /// The rule that stands where the rule of this driver stood: on its listener, with its priority. The fault says in
    /// words what meets the requests where there is none.
    pub(in crate::cloud) async fn in_its_place(&self, elb: &Client, fault: Fault) -> Result<RuleSeen, Fault> {
        let Some(listener) = listener(&self.target.rule) else { return Err(fault) };
        // What stands there cannot be read: that the rule is gone is known all the same.
        let Ok(rules) = elbv2::rules(elb, &listener).await else { return Err(fault) };
        let priority = self.recorded.priority.map(|priority| priority.to_string());
        let here = |rule: &&Rule| match &priority {
            Some(priority) => rule.priority() == Some(priority),
            None => self.forwards_to_both(rule),
        };
        if let Some(rule) = rules.iter().find(here) {
            let found = seen(rule.actions(), &self.slots);
            let arn = rule.rule_arn().unwrap_or_default().to_owned();
            // Its actions may be the very same, and it is another rule.
            return Ok(RuleSeen { shape: format!("{} of {arn}", found.shape), instead: Some(arn), ..found });
        }
        let gives = |rule: &Rule| actions::forward(rule.actions()).map(slots::groups).unwrap_or_default();
        let ours = |rule: &&Rule| gives(rule).iter().any(|(group, weight)| *weight > 0 && self.slots.holds(group));
        let rest: Vec<String> = rules
            .iter()
            .filter(|rule| ours(rule) || rule.is_default() == Some(true))
            .map(|rule| self.does(rule))
            .collect();
        let at = priority.map_or_else(String::new, |priority| format!(" with priority {priority}"));
        let words = format!(
            "the rule {} was deleted, and its listener has none{at} now; what may meet its requests: {}",
            self.target.rule,
            if rest.is_empty() { "no rule".to_owned() } else { rest.join("; ") }
        );
        Err(Fault { message: words, ..fault })
    }

    fn forwards_to_both(&self, rule: &Rule) -> bool {
        let groups = actions::forward(rule.actions()).map(slots::groups).unwrap_or_default();
        [&self.slots.stable, &self.slots.candidate].iter().all(|slot| groups.iter().any(|(group, _)| group == *slot))
    }

    fn does(&self, rule: &Rule) -> String {
        let ends = rule.actions().iter().filter_map(|action| action.r#type.as_ref()).next_back();
        let does = match ends {
            Some(ActionTypeEnum::Forward) | None => seen(rule.actions(), &self.slots).text,
            Some(other) => other.as_str().to_owned(),
        };
        format!("{} ({}): {does}", rule.rule_arn().unwrap_or_default(), conditions(rule))
    }
}

/// The listener's ARN that a rule's ARN names.
fn listener(rule: &str) -> Option<String> {
    let (head, path) = rule.split_once(":listener-rule/")?;
    let (listener, _) = path.rsplit_once('/')?;
    Some(format!("{head}:listener/{listener}"))
}
