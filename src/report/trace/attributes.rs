//! What is said of a rollout's span, of a step's, and in their events: the conventions' names where they have one.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::Value;

use super::super::{fields, json};
use super::Origin;
use crate::domain::telemetry::{attribute, text};
use crate::domain::traffic::Share;
use crate::machine::{Machine, Notice, Outcome};
use crate::plan::{Action, Plan, Step};

/// The most attributes of one event.
const FIELDS: usize = 32;
/// How deep objects within objects are read.
const DEEPEST: usize = 3;

/// Whether a notice is an event of the rollout (`true`) or of its present stretch (`false`); `None` where it is a
/// span's beginning or end, or where what was heard says it already.
pub(super) fn event_of_whole(notice: &Notice) -> Option<bool> {
    match notice {
        Notice::StepStarted(_) | Notice::StepPassed { .. } | Notice::Started { .. } | Notice::Finished(_) => None,
        Notice::Recovered { .. }
        | Notice::Skipped { .. }
        | Notice::Refused { .. }
        | Notice::BrokeGlass(_)
        | Notice::ForeignWrite { .. }
        | Notice::CarriedOn { .. }
        | Notice::Retreating { .. }
        | Notice::Committed
        | Notice::HandedOver { .. } => Some(true),
        _ => Some(false),
    }
}

/// The name and the attributes of an event, from what the event stream says.
pub(super) fn event(told: &Value) -> (String, Vec<KeyValue>) {
    let name = told["type"].as_str().unwrap_or_default().to_owned();
    let mut fields = Vec::new();
    if let Some(object) = told.as_object() {
        let said = object.iter().filter(|(key, _)| !["type", "at"].contains(&key.as_str()));
        said.for_each(|(key, value)| flatten(&format!("tidegate.{key}"), value, DEEPEST, &mut fields));
    }
    fields.truncate(FIELDS);
    (name, fields)
}

/// A value as attributes: an object's fields each under its own name. Lists and what is not known are left out.
fn flatten(key: &str, value: &Value, depth: usize, out: &mut Vec<KeyValue>) {
    match value {
        Value::Null | Value::Array(_) => {}
        Value::Bool(value) => out.push(attribute(key, Any::BoolValue(*value))),
        Value::Number(number) => out.push(match number.as_i64() {
            Some(whole) => attribute(key, Any::IntValue(whole)),
            None => attribute(key, Any::DoubleValue(number.as_f64().unwrap_or_default())),
        }),
        Value::String(value) => out.push(text(key, value)),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|_| depth > 0);
            fields.for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, depth - 1, out));
        }
    }
}

/// What is said of the rollout's span.
pub(super) fn rollout(origin: &Origin, outcome: &Outcome, machine: &Machine) -> Vec<KeyValue> {
    let plan = machine.plan();
    let (target, id) = (&plan.target, origin.about.id.as_str());
    let (status, result) = match outcome {
        Outcome::Promoted => ("succeeded", "success"),
        Outcome::RolledBack(reason) => ("failed", super::result(reason)),
        Outcome::Stranded { .. } => ("failed", "error"),
    };
    let mut said = vec![
        text("deployment.id", id),
        text("deployment.name", plan.name.as_str()),
        text("deployment.status", status),
        text("cicd.pipeline.task.type", "deploy"),
        text("cicd.pipeline.task.name", plan.name.as_str()),
        text("cicd.pipeline.task.run.id", id),
        text("cicd.pipeline.task.run.result", result),
        text("cloud.provider", "aws"),
        text("cloud.region", &target.region),
        text("cloud.account.id", &target.account),
        text("tidegate.cluster", &target.cluster),
        text("tidegate.rule", &target.rule),
        text("tidegate.driver", plan.driver.kind().word()),
        text("tidegate.strategy", strategy(plan)),
        text("tidegate.stable", &target.stable.target_group_name),
        text("tidegate.candidate", &target.candidate.target_group_name),
        attribute("tidegate.rehearsal", Any::BoolValue(origin.about.rehearsal)),
        attribute("tidegate.exit_code", Any::IntValue((origin.exit)(outcome).into())),
    ];
    flatten("tidegate", &json::outcome_fields(outcome), DEEPEST, &mut said);
    if let Some(served) = machine.progress().served {
        flatten("tidegate.served", &fields::served_fields(served), DEEPEST, &mut said);
    }
    said
}

/// What is said of a step's span.
pub(super) fn step(index: usize, step: &Step, plan: &Plan) -> Vec<KeyValue> {
    let number = |number: usize| Any::IntValue(i64::try_from(number).unwrap_or(i64::MAX));
    let mut said = vec![
        text("cicd.pipeline.task.name", &step.title(&plan.gates)),
        attribute("tidegate.step", number(index + 1)),
        attribute("tidegate.of", number(plan.steps.len())),
    ];
    if let Action::Shift(share) = &step.action {
        said.push(attribute("tidegate.share_percent", Any::DoubleValue(share.percent())));
    }
    said
}

/// What kind of strategy the steps are of: a plan keeps the steps and no more.
fn strategy(plan: &Plan) -> &'static str {
    let ramps = plan.steps.iter().any(|step| matches!(step.action, Action::Ramp { .. }));
    let parts = plan.steps.iter().any(|step| matches!(&step.action, Action::Shift(share) if *share < Share::ALL));
    match (ramps, parts) {
        (true, _) => "harm_budget",
        (false, true) => "steps",
        (false, false) => "all_at_once",
    }
}

/// The one word for a step.
pub(super) fn word(action: &Action) -> &'static str {
    match action {
        Action::Register => "register",
        Action::Secure => "secure",
        Action::Prepare(_) => "prepare",
        Action::Probe(_) => "probe",
        Action::Shift(_) => "shift",
        Action::Hold(_) => "hold",
        Action::Watch(_) => "watch",
        Action::Ramp { .. } => "ramp",
        Action::Approve(_) => "approve",
        Action::Commit => "commit",
        Action::Retire => "retire",
        Action::Conclude => "conclude",
        Action::Settle => "settle",
    }
}
