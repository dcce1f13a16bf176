//! ECS: tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ecs_common::invalid;
use super::operation::{Call, OperationResult, Refusal};
use crate::account::Account;
use crate::value::{list, text, texts};

/// Tags of one resource.
const TAGS_LIMIT: usize = 50;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "TagResource" => tag(call),
        "UntagResource" => untag(call),
        "ListTagsForResource" => resource(call).map(|arn| json!({"tags": show(call.account, &arn)})),
        _ => return None,
    })
}

/// Adds tags to a resource.
pub(super) fn put(account: &mut Account, arn: &str, tags: &[Value]) {
    for tag in tags {
        let Some(key) = text(tag, "key") else { continue };
        let value = text(tag, "value").unwrap_or_default();
        let tags = account.tags.entry(arn.to_owned()).or_default();
        tags.insert(key.to_owned(), value.to_owned());
    }
}

/// The tags of a resource as ECS tells them.
pub(super) fn show(account: &Account, arn: &str) -> Value {
    let tags = account.tags.get(arn).into_iter().flatten();
    tags.map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// The resource an input names.
fn resource(call: &Call<'_>) -> Result<String, Refusal> {
    let arn = text(call.input, "resourceArn").unwrap_or_default();
    if !arn.starts_with("arn:") {
        return Err(invalid("Invalid resourceArn."));
    }
    let account = &call.account;
    let is_there = account.clusters.iter().any(|one| one.arn == arn)
        || account.services.iter().any(|one| one.arn == arn || one.sets.iter().any(|set| set.arn == arn))
        || account.definitions.iter().any(|one| one.arn == arn)
        || account.tasks.values().any(|one| one.arn == arn);
    if !is_there {
        return Err(invalid("The specified resource was not found."));
    }
    Ok(arn.to_owned())
}

fn tag(call: &mut Call<'_>) -> OperationResult {
    let arn = resource(call)?;
    let tags = list(call.input, "tags");
    let before = call.account.tags.get(&arn);
    let is_new = |tag: &&Value| {
        let key = text(tag, "key").unwrap_or_default();
        before.is_none_or(|before| !before.contains_key(key))
    };
    let count = before.map_or(0, BTreeMap::len) + tags.iter().filter(is_new).count();
    if count > TAGS_LIMIT {
        return Err(invalid("Tags can not have more than 50 elements."));
    }
    put(call.account, &arn, tags);
    Ok(json!({}))
}

fn untag(call: &mut Call<'_>) -> OperationResult {
    let arn = resource(call)?;
    let keys = texts(call.input, "tagKeys");
    if let Some(tags) = call.account.tags.get_mut(&arn) {
        tags.retain(|key, _| !keys.contains(&key.as_str()));
    }
    Ok(json!({}))
}
