//! Amazon SNS: topics, and messages that are published to them. Nobody subscribes; the lab's controls read them.

use serde_json::{Value, json};

use super::operation::{OperationResult, Refusal};
use super::request_id;
use super::wire_call::ApiRequest;
use crate::lock::lock;
use crate::notices::Message;
use crate::value::text;
use crate::world::World;

/// The longest message, in bytes, and the longest subject, in characters: `Publish` in the API reference.
const LIMITS: (usize, usize) = (262_144, 100);

/// Performs an operation.
pub(super) fn perform(world: &World, asked: &ApiRequest, now: u64) -> Option<OperationResult> {
    Some(match asked.operation.as_str() {
        "CreateTopic" => create(world, &asked.input),
        "ListTopics" => Ok(list(world)),
        "Publish" => publish(world, &asked.input, now),
        _ => return None,
    })
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameter", format!("Invalid parameter: {}", message.into()))
}

fn create(world: &World, input: &Value) -> OperationResult {
    let name = text(input, "Name").unwrap_or_default();
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if plain.is_empty() || name.len() > 256 || !plain.chars().all(is_fine) {
        return Err(invalid("Topic Name"));
    }
    let arn = world.names().arn("sns", name);
    lock(&world.notices).topics.entry(arn.clone()).or_default();
    Ok(json!({"TopicArn": arn}))
}

fn list(world: &World) -> Value {
    let topics: Vec<Value> = lock(&world.notices).topics.keys().map(|arn| json!({"TopicArn": arn})).collect();
    json!({"Topics": topics})
}

fn publish(world: &World, input: &Value, now: u64) -> OperationResult {
    let topic = text(input, "TopicArn").or_else(|| text(input, "TargetArn")).unwrap_or_default();
    let message =
        text(input, "Message").filter(|message| !message.is_empty()).ok_or_else(|| invalid("Empty message"))?;
    if message.len() > LIMITS.0 {
        return Err(invalid("Message too long"));
    }
    let subject = text(input, "Subject");
    let is_subject = |subject: &str| {
        let starts = subject.starts_with(|c: char| c.is_ascii_graphic());
        starts && subject.len() <= LIMITS.1 && subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
    };
    if subject.is_some_and(|subject| !is_subject(subject)) {
        return Err(invalid("Subject"));
    }
    let text = match text(input, "MessageStructure") {
        None => message.to_owned(),
        Some("json") => {
            let parts: Value = serde_json::from_str(message).map_err(|_| invalid("Message Structure - JSON"))?;
            let default = parts["default"].as_str();
            default.ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?.to_owned()
        }
        Some(_) => return Err(invalid("MessageStructure")),
    };
    let is_fifo = topic.rsplit_once('.').is_some_and(|(_, kind)| kind == "fifo");
    if is_fifo && self::text_of(input, "MessageGroupId").is_empty() {
        return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    let id = request_id(world);
    let message = Message { id: id.clone(), at: now, subject: subject.map(str::to_owned), text };
    if !lock(&world.notices).publish(topic, message) {
        return Err(Refusal { status: 404, ..Refusal::new("NotFound", "Topic does not exist") });
    }
    Ok(json!({"MessageId": id}))
}

fn text_of<'a>(input: &'a Value, member: &str) -> &'a str {
    text(input, member).unwrap_or_default()
}
