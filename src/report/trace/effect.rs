//! Effects as spans: what each is called, and what is said of it.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use crate::domain::fault::Fault;
use crate::domain::fleet::RuleSeen;
use crate::domain::telemetry::{attribute, text};
use crate::machine::{Answer, Effect};
use crate::plan::Plan;

/// The one word for an effect.
pub(super) fn word(effect: &Effect) -> &'static str {
    match effect {
        Effect::Register { .. } => "register",
        Effect::Scale { .. } => "scale",
        Effect::Route(_) => "route",
        Effect::Mark(_) => "mark",
        Effect::HoldScaling => "hold scaling",
        Effect::FreeScaling => "free scaling",
        Effect::Arm { .. } => "arm",
        Effect::Disarm => "disarm",
        Effect::IntendCommit => "pledge",
        Effect::Conclude => "conclude",
        Effect::Look(_) => "look",
        Effect::Probe(_) => "probe",
        Effect::Count { .. } => "count",
    }
}

/// Whether it has a span: what changes the world, and probes. A rollout looks every few seconds, and counts at its end.
pub(super) fn is_told(effect: &Effect) -> bool {
    effect.is_write() || matches!(effect, Effect::IntendCommit | Effect::Probe(_))
}

/// Why it did not work, if it did not.
pub(super) fn fault(answer: &Answer) -> Option<&Fault> {
    match answer {
        Answer::Failed(fault) => Some(fault),
        _ => None,
    }
}

/// What is said of it.
pub(super) fn attributes(effect: &Effect, answer: &Answer, plan: &Plan) -> Vec<KeyValue> {
    let number = |key: &str, number: u64| attribute(key, Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)));
    let mut said = match effect {
        Effect::Scale { role, count, task_definition } => {
            let mut said = vec![text("tidegate.role", &role.to_string()), number("tidegate.tasks", (*count).into())];
            said.extend(task_definition.as_ref().map(|named| text("tidegate.task_definition", named)));
            said
        }
        Effect::Route(route) => vec![attribute("tidegate.share_percent", Value::DoubleValue(route.share.percent()))],
        Effect::Probe(index) => {
            plan.gates.get(*index).map(|gate| text("tidegate.gate", &gate.name)).into_iter().collect()
        }
        _ => Vec::new(),
    };
    match answer {
        Answer::Registered(arn) => said.push(text("tidegate.task_definition", arn)),
        Answer::Routed(seen) => said.extend(read("written", seen)),
        Answer::Unsettled(seen) => said.extend(read("unsettled", seen)),
        Answer::Moving(seen) => said.extend(read("moving", seen)),
        Answer::Foreign(seen) => said.extend(read("foreign", seen)),
        _ => {}
    }
    said
}

/// What the rule said afterwards.
fn read(answer: &str, seen: &RuleSeen) -> Vec<KeyValue> {
    let share = seen.share.map(|share| attribute("tidegate.read_back_percent", Value::DoubleValue(share.percent())));
    [text("tidegate.answer", answer), text("tidegate.read_back", &seen.text)].into_iter().chain(share).collect()
}
