//! What AWS refuses that no model says: calls whose members fit their shapes, but not each other or the account.
//!
//! Each row is a kind of call. Its code is the one that the operation's model has for such a thing; where it has none, it
//! is `ClientException`, `InvalidParameterException` or a validation error, which nothing proves. Where the message was
//! seen of AWS it is AWS's; the others are in its style. `tests/wire/refusals.py` makes each of these calls.

mod cloudwatch;
mod ecs;
mod elbv2;

use serde_json::Value;

use super::operation::Refusal;
use super::wire_call::{ApiRequest, Service};
use crate::account::Account;
use crate::value::text;

/// One kind of call that AWS refuses.
struct Row {
    /// The operations that refuse it.
    operations: &'static [&'static str],
    /// The code.
    code: &'static str,
    /// The message, in which `{}` is what was found.
    message: &'static str,
    /// What is wrong, if it is.
    found: fn(&Subject<'_>) -> Option<String>,
}

/// What a row looks at.
struct Subject<'a> {
    account: &'a Account,
    input: &'a Value,
    now: u64,
}

/// Refuses a call that is in the tables.
pub(super) fn check(account: &Account, asked: &ApiRequest, now: u64) -> Result<(), Refusal> {
    let rows: &[&[Row]] = match asked.service {
        Service::Ecs => &[ecs::DEFINITIONS, ecs::SERVICES, ecs::TAGS],
        Service::Elbv2 => &[elbv2::GROUPS, elbv2::LISTENERS, elbv2::RULES, elbv2::TAGS],
        Service::CloudWatch => &[cloudwatch::ROWS],
        _ => &[],
    };
    let subject = Subject { account, input: &asked.input, now };
    let mut of_this = rows.iter().copied().flatten().filter(|row| row.operations.contains(&asked.operation.as_str()));
    let refused = of_this.find_map(|row| {
        let found = (row.found)(&subject)?;
        Some(Refusal::new(row.code, row.message.replace("{}", &found)))
    });
    refused.map_or(Ok(()), Err)
}

/// The first of these keys that AWS keeps for itself.
fn reserved(tags: &[Value], key: &str) -> Option<String> {
    let mut keys = tags.iter().filter_map(|tag| text(tag, key));
    keys.find(|key| key.to_ascii_lowercase().starts_with("aws:")).map(str::to_owned)
}

/// Something is wrong of which there is no more to say.
fn when(is_wrong: bool) -> Option<String> {
    is_wrong.then(String::new)
}
