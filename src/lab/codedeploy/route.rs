//! How CodeDeploy shifts traffic: it rewrites the rules of a listener that lead to its two target groups.
//!
//! It names a listener, not a rule, and both groups stay in what it writes, with percentages as weights (as accounts
//! show it: one group at weight 1 becomes the two at 100 and 0).

use serde_json::{Value, json};

use crate::account::{Account, Rule};
use crate::value::{list, text};

/// Two target groups and the percentage of the second one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split<'a> {
    /// The ARN of the original's target group.
    pub blue: &'a str,
    /// The ARN of the replacement's target group.
    pub green: &'a str,
    /// The replacement's percentage.
    pub percent: u32,
}

impl Split<'_> {
    fn is_about(&self, rule: &Rule) -> bool {
        rule.groups().any(|group| group == self.blue || group == self.green)
    }
}

/// Whether every rule of the listener that leads to the pair, and one at least, leads to the original.
pub(super) fn is_behind(account: &Account, listener: &str, split: &Split<'_>) -> bool {
    let mut rules = account.rules.iter().filter(|rule| rule.listener == listener && split.is_about(rule)).peekable();
    rules.peek().is_some() && rules.all(|rule| rule.groups().any(|group| group == split.blue))
}

/// Writes the weights into the rules of a listener that lead to the pair.
pub(super) fn write(account: &mut Account, listener: &str, split: &Split<'_>) {
    let rules = account.rules.iter_mut().filter(|rule| rule.listener == listener && split.is_about(rule));
    for action in rules.flat_map(|rule| &mut rule.actions) {
        if text(action, "Type") == Some("forward") {
            rewrite(action, split);
        }
    }
    account.routes_changed();
}

/// Sets the weights of the two groups and keeps the rest: other groups, stickiness, and the order of all.
fn rewrite(action: &mut Value, split: &Split<'_>) {
    let config = action.get("ForwardConfig").cloned().unwrap_or_default();
    let mut tuples = list(&config, "TargetGroups").to_vec();
    for (group, weight) in [(split.blue, 100 - split.percent.min(100)), (split.green, split.percent)] {
        match tuples.iter_mut().find(|tuple| text(tuple, "TargetGroupArn") == Some(group)) {
            Some(tuple) => tuple["Weight"] = json!(weight),
            None => tuples.push(json!({"TargetGroupArn": group, "Weight": weight})),
        }
    }
    action["ForwardConfig"]["TargetGroups"] = Value::Array(tuples);
    if let Some(members) = action.as_object_mut() {
        members.remove("TargetGroupArn");
    }
}
