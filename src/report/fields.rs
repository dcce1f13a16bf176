//! The words and numbers by which programs know moments, shares, faults, verdicts and outcomes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Served;
use crate::domain::traffic::Share;
use crate::gate::Outcome as GateOutcome;
use crate::machine::Outcome;

/// A moment in RFC 3339 with milliseconds.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{}.{:03}Z", at.to_string().trim_end_matches('Z'), at.as_millis() % 1000)
}

pub(super) fn seconds(span: Duration) -> Value {
    if span.subsec_millis() == 0 { json!(span.as_secs()) } else { json!(span.as_millis() as f64 / 1000.0) }
}

/// A share in percent, without a fraction when it has none.
pub(super) fn percent(share: Share) -> Value {
    if share.permille().is_multiple_of(10) { json!(share.permille() / 10) } else { json!(share.percent()) }
}

/// What was served, for programs.
pub(super) fn served_fields(served: Served) -> Value {
    json!({"requests": served.requests, "failed": served.failed, "since_full": served.since_full})
}

/// The one word programs know a kind of fault by.
pub(super) fn fault_word(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Transient => "transient",
        FaultKind::Unknown => "unknown",
        FaultKind::Missing => "missing",
        FaultKind::Denied => "denied",
        FaultKind::Expired => "expired",
        FaultKind::Permanent => "permanent",
    }
}

pub(super) fn fault_fields(fault: &Fault) -> Value {
    json!({"kind": fault_word(fault.kind), "operation": fault.operation, "message": fault.message})
}

/// The one word programs know an outcome by.
pub(super) fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Promoted => "promoted",
        Outcome::RolledBack(_) => "rolled_back",
        Outcome::Stranded { .. } => "stranded",
    }
}

/// The one word programs know a verdict by.
pub(super) fn verdict_word(outcome: GateOutcome) -> &'static str {
    match outcome {
        GateOutcome::Pass => "pass",
        GateOutcome::Fail => "fail",
        GateOutcome::Inconclusive => "inconclusive",
    }
}
