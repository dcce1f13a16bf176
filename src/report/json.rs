//! The event stream for programs: JSON Lines, one object a line, in the order things happened.
#![doc = include_str!("json/events.md")]

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::evidence::{evidence, measured};
use super::fields::{fault_fields, moment, outcome_word, percent, seconds, served_fields, verdict_word};
use super::reasons::{self, reason_fields};
use super::{Closed, Output, Report, about, rescue, sentence, undone};
use crate::domain::clock::Timestamp;
use crate::domain::fleet::{Capacity, Place, Role, Served};
use crate::domain::text::escape_json;
use crate::gate::Verdict;
use crate::machine::{Foreign, Glass, Machine, Notice, Outcome};
use crate::plan::Plan;

/// The stream as its readers know it.
pub const EVENTS: &str = include_str!("json/events.md");
/// The version of the stream's format.
pub const FORMAT: u32 = 1;

/// Tells every notice as a line of JSON.
pub struct Stream {
    out: Output,
    served: Option<Served>,
}

impl Stream {
    /// Writes to `out`, beginning at once with the version line.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        let mut out = Output::new(out);
        out.write(&line(&json!({"type": "version", "format": FORMAT, "tidegate": env!("CARGO_PKG_VERSION")})));
        Self { out, served: None }
    }

    /// Tells whether the reader is gone.
    pub fn closed(&self) -> Closed {
        self.out.closed.clone()
    }

    /// Writes one notice of a rollout that follows `plan`, live or from its journal.
    pub fn write(&mut self, at: Timestamp, notice: &Notice, plan: &Plan) {
        if let Notice::Counted(served) = notice {
            self.served = Some(*served);
        }
        self.out.write(&line(&object(at, notice, plan, self.served)));
    }
}

impl Report for Stream {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        self.write(at, notice, machine.plan());
    }
}

/// A value as one line. Characters that a terminal would obey or hide are written as `\u` escapes, so the line is
/// safe to print and still means exactly the same.
pub(super) fn line(value: &Value) -> String {
    escape_json(&value.to_string()) + "\n"
}

/// One notice as an object with `type` and `at`.
pub(super) fn object(at: Timestamp, notice: &Notice, plan: &Plan, served: Option<Served>) -> Value {
    let (kind, fields) = fields(notice, plan, served);
    let mut object = json!({"type": kind, "at": moment(at)});
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

fn fields(notice: &Notice, plan: &Plan, served: Option<Served>) -> (&'static str, Value) {
    match notice {
        Notice::Started { by } => ("started", started(by, plan)),
        Notice::Recovered { by, epoch } => ("recovered", json!({"by": by, "epoch": epoch})),
        Notice::StepStarted(step) => ("step_started", step_fields(*step, plan)),
        Notice::StepPassed { step, took, undecided } => ("step_passed", passed(*step, plan, *took, undecided)),
        Notice::Registered(arn) => ("registered", json!({"task_definition": arn})),
        Notice::CapacityChanged { role, seen, wanted } => ("capacity", capacity(*role, seen, *wanted)),
        Notice::Shifted { share, took } => {
            ("shifted", json!({"share_percent": percent(*share), "took_seconds": seconds(*took)}))
        }
        Notice::CarriedOn { share } => ("carried_on", json!({"share_percent": percent(*share)})),
        Notice::Judged { gate, verdict } => ("judged", judged(gate, verdict, plan)),
        Notice::Probed { gate, right, text } => ("probed", json!({"gate": gate, "right": right, "text": text})),
        Notice::Waiting { on } => ("waiting", json!({"why": reasons::awaited(on), "on": reasons::awaited_fields(on)})),
        Notice::AwaitingApproval { message, until } => {
            ("awaiting_approval", json!({"message": message, "until": moment(*until)}))
        }
        Notice::Approved { by } => ("approved", json!({"by": by})),
        Notice::Promoting { by, reason } => ("promoting", json!({"by": by, "said": reason})),
        Notice::Skipped { step, by } => {
            let mut fields = step_fields(*step, plan);
            fields["by"] = json!(by);
            ("skipped", fields)
        }
        Notice::Paused { why, until } => (
            "paused",
            json!({"why": reasons::paused(why), "for": reasons::paused_fields(why), "until": moment(*until)}),
        ),
        Notice::Continued { by } => ("continued", json!({"by": by})),
        Notice::BrokeGlass(Glass { by, reason }) => ("broke_glass", json!({"by": by, "said": reason})),
        Notice::Refused { request, by, why } => {
            ("refused", json!({"word": request.as_str(), "by": by, "why": reasons::objection(why)}))
        }
        Notice::ForeignWrite { to, found, expected } => {
            let to = match to {
                Foreign::Rule => "rule",
                Foreign::Service(Role::Stable) => "stable_service",
                Foreign::Service(Role::Candidate) => "candidate_service",
            };
            ("foreign_write", json!({"to": to, "found": found, "expected_percent": percent(*expected)}))
        }
        Notice::Trouble(fault) => ("trouble", json!({"fault": fault_fields(fault)})),
        Notice::Retreating { reason } => ("retreating", json!({"reason": reason_fields(reason)})),
        Notice::TrafficBack { took } => ("traffic_back", json!({"took_seconds": seconds(*took)})),
        Notice::Quiet { role } => ("quiet", json!({"role": role.to_string()})),
        Notice::Scaled { role, count } => ("scaled", json!({"role": role.to_string(), "count": count})),
        Notice::ScalingHeld => ("scaling_held", json!({})),
        Notice::ScalingFreed => ("scaling_freed", json!({})),
        Notice::Armed { at } => ("armed", json!({"fires": moment(*at)})),
        Notice::Disarmed => ("disarmed", json!({})),
        Notice::Committed => ("committed", json!({})),
        Notice::Counted(served) => ("counted", json!({"served": served_fields(*served)})),
        Notice::LeftUndone { what } => {
            ("left_undone", json!({"kind": undone::kind(what), "what": undone::undone(what)}))
        }
        Notice::StillLed { until } => {
            ("still_led", json!({"to": plan.target.candidate.target_group_name, "until": moment(*until)}))
        }
        Notice::BackDenied { fault, until } => {
            ("back_denied", json!({"fault": fault_fields(fault), "until": moment(*until)}))
        }
        Notice::RuleDiffers { found, instead } => ("rule_differs", json!({"found": found, "instead": instead})),
        Notice::StickinessOff { why } => (
            "left_undone",
            json!({"kind": "stickiness", "what": undone::unstuck(why), "call": rescue::stick(plan).one_line()}),
        ),
        Notice::HandedOver { why } => ("handed_over", reasons::leaving_fields(why)),
        Notice::Finished(outcome) => ("finished", finished(outcome, served)),
    }
}

fn started(by: &str, plan: &Plan) -> Value {
    let titles: Vec<String> = plan.steps.iter().map(|step| step.title(&plan.gates)).collect();
    let gates: Vec<&str> = plan.gates.iter().map(|gate| gate.name.as_str()).collect();
    json!({
        "by": by,
        "name": plan.name.as_str(),
        "region": plan.target.region,
        "account": plan.target.account,
        "cluster": plan.target.cluster,
        "stable": place(&plan.target.stable),
        "candidate": place(&plan.target.candidate),
        "release": about::release_json(plan, None),
        "steps": titles,
        "gates": gates,
    })
}

/// A slot, for programs.
pub(super) fn place(place: &Place) -> Value {
    json!({
        "slot": place.slot.to_string(),
        "service": place.service,
        "target_group": place.target_group_name,
    })
}

fn step_fields(step: usize, plan: &Plan) -> Value {
    let title = plan.steps.get(step).map(|step| step.title(&plan.gates));
    json!({"step": step + 1, "of": plan.steps.len(), "title": title})
}

fn passed(step: usize, plan: &Plan, took: Duration, undecided: &[String]) -> Value {
    let mut fields = step_fields(step, plan);
    fields["took_seconds"] = seconds(took);
    fields["undecided"] = json!(undecided);
    fields
}

fn capacity(role: Role, seen: &Capacity, wanted: u32) -> Value {
    let stopped =
        seen.stopped.iter().map(|stop| json!({"task": stop.task, "at": moment(stop.at), "reason": stop.reason}));
    json!({
        "role": role.to_string(),
        "wanted": wanted,
        "desired": seen.desired,
        "running": seen.running,
        "healthy": seen.healthy,
        "failed": seen.failed,
        "stopped": stopped.collect::<Vec<_>>(),
    })
}

fn judged(gate: &str, verdict: &Verdict, plan: &Plan) -> Value {
    json!({
        "gate": gate,
        "watch": sentence::watches(gate, plan),
        "verdict": verdict_word(verdict.outcome),
        "evidence": evidence(&verdict.evidence),
        "measured": measured(&verdict.evidence),
        "data_from": verdict.data_from.map(moment),
    })
}

/// An outcome, for programs: its word, its reason and, of `stranded`, why it did not end.
pub(super) fn outcome_fields(outcome: &Outcome) -> Value {
    let (reason, why) = match outcome {
        Outcome::Promoted => (None, None),
        Outcome::RolledBack(reason) => (Some(reason), None),
        Outcome::Stranded { reason, why } => (reason.as_ref(), Some(reasons::stranding(why))),
    };
    json!({"outcome": outcome_word(outcome), "reason": reason.map(reason_fields), "why": why})
}

fn finished(outcome: &Outcome, served: Option<Served>) -> Value {
    let mut fields = outcome_fields(outcome);
    fields["served"] = json!(served.map(served_fields));
    fields
}

#[cfg(test)]
mod tests;
