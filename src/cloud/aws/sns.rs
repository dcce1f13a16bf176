//! SNS: `Publish`, in the query protocol of its API reference (version 2010-03-31).

use super::Aws;
use super::signed::{BODY, Call, refused};
use crate::domain::fault::Fault;
use crate::domain::name::Arn;
use crate::domain::notify::Message;

/// What the name of a topic ends in that keeps the order.
const FIFO: &str = "fifo";
/// The version of the API.
const VERSION: &str = "2010-03-31";

/// Publishes a letter: its JSON to programs, its text to people who read mail or a phone.
pub(in crate::cloud) async fn publish(aws: &Aws, topic: &str, notification: &Message) -> Result<(), Fault> {
    let arn = Arn::parse(topic);
    let message = serde_json::json!({
        "default": notification.json,
        "email": notification.text,
        "sms": notification.subject,
    });
    let message = message.to_string();
    let mut fields = vec![
        ("Action", "Publish"),
        ("Version", VERSION),
        ("TopicArn", topic),
        ("Subject", &notification.subject),
        ("MessageStructure", "json"),
        ("Message", &message),
        // For subscriptions that filter.
        ("MessageAttributes.entry.1.Name", "on"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", notification.on.as_str()),
    ];
    if topic.rsplit_once('.').is_some_and(|(_, kind)| kind == FIFO) {
        fields.extend([
            ("MessageGroupId", notification.name.as_str()),
            ("MessageDeduplicationId", notification.id.as_str()),
        ]);
    }
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let call = Call {
        id: "SNS",
        service: "sns",
        operation: "Publish",
        region: arn.map(|arn| arn.region),
        host: None,
        headers: &[(BODY, "application/x-www-form-urlencoded".to_owned())],
        body,
    };
    let answered = aws.call(call).await?;
    refused(&answered, "Publish").map_or(Ok(()), Err)
}
