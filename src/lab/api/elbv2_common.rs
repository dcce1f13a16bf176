//! ELBv2: what its operations have in common.

use serde_json::{Value, json};

use super::elbv2_actions::group_not_found;
use super::operation::{Call, OperationResult, Paging, Refusal, with_token};
use crate::account::Account;
use crate::value::text;

/// How ELBv2 pages its lists.
pub(super) const PAGING: Paging = Paging { token: "Marker", size: "PageSize", limit: 400, code: "ValidationError" };

/// The refusal of a load balancer that is not there.
pub(super) fn balancer_not_found() -> Refusal {
    Refusal::new("LoadBalancerNotFound", "One or more load balancers not found")
}

/// The refusal of a listener that is not there.
pub(super) fn listener_not_found() -> Refusal {
    Refusal::new("ListenerNotFound", "One or more listeners not found")
}

/// The refusal of a rule that is not there.
pub(super) fn rule_not_found() -> Refusal {
    Refusal::new("RuleNotFound", "One or more rules not found")
}

/// A page of an answer.
pub(super) fn page(call: &Call<'_>, key: &str, all: Vec<Value>) -> OperationResult {
    let (page, next) = PAGING.cut(call.input, all)?;
    let mut answer = json!({});
    answer[key] = Value::Array(page);
    Ok(with_token(answer, "NextMarker", next))
}

/// The ARN of the target group an input names.
pub(super) fn group_of(call: &Call<'_>) -> Result<String, Refusal> {
    let arn = text(call.input, "TargetGroupArn").unwrap_or_default();
    call.account.group(arn).map(|group| group.arn.clone()).ok_or_else(group_not_found)
}

/// Tags of one resource.
const TAGS_LIMIT: usize = 50;

/// Adds tags to a resource.
pub(super) fn put_tags(account: &mut Account, arn: &str, tags: &[Value]) -> Result<(), Refusal> {
    let mut after = account.tags.get(arn).cloned().unwrap_or_default();
    for tag in tags {
        let key = text(tag, "Key").unwrap_or_default();
        after.insert(key.to_owned(), text(tag, "Value").unwrap_or_default().to_owned());
    }
    if after.len() > TAGS_LIMIT {
        return Err(Refusal::new("TooManyTags", format!("The maximum is {TAGS_LIMIT} tags")));
    }
    if !after.is_empty() {
        account.tags.insert(arn.to_owned(), after);
    }
    Ok(())
}
