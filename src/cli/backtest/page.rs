//! The result of a trial, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::trial::{Account, End, Total};
use crate::domain::clock::span;
use crate::domain::text::{count, escape, hang, many, pad};
use crate::gate::compare::Bounds;
use crate::report::{self, Style};

/// The version of the object.
const FORMAT: u64 = 1;
/// The most shares of a ramp that are shown to people.
const SHOWN: usize = 8;

/// The account for people.
pub(super) fn text(account: &Account, style: Style) -> String {
    let mark = |unicode: &'static str, ascii: &'static str| if style.unicode { unicode } else { ascii };
    let (sign, verdict) = match &account.end {
        End::Promote(_) => (mark("✔", "+"), "promote: it is proven that the candidate is no worse"),
        End::RollBack { .. } => (mark("↩", "<"), "roll back: the candidate is worse"),
        End::Undecided => (mark("?", "?"), "undecided: neither is proven by the end of the data"),
    };
    let mut text = format!("{sign} {verdict}\n\n");
    let mut row = |label: &str, words: &str| {
        text.push_str(&hang(&format!("  {}", pad(label, 11)), 13, &escape(words), style.width));
    };
    row("when", &when(account));
    row("why", &account.why);
    let back = matches!(account.end, End::RollBack { .. });
    if let Some(proven) = account.bounds.filter(|_| back).and_then(proven) {
        row("proven", &proven);
    }
    row("stable", &counted(account.stable));
    row("candidate", &counted(account.candidate));
    row("past", &many(account.past_bins as u64, "bin"));
    if let Some(split) = &account.split {
        row("split", &report::evidence(&split.evidence));
    }
    if !account.ramp.is_empty() {
        row("ramp", &format!("would have given {}", ramp(account)));
    }
    for note in &account.notes {
        row("note", note);
    }
    text
}

fn when(account: &Account) -> String {
    let after = |at: crate::domain::clock::Timestamp| {
        format!("{at}, {} after the candidate's first request", span(at.since(account.first)))
    };
    match &account.end {
        End::Promote(at) => after(*at),
        End::RollBack { at, gate, after_proof } => {
            let late = if *after_proof { "; its margins had been proven before" } else { "" };
            format!("{}, by gate {gate}{late}", after(*at))
        }
        End::Undecided => {
            format!("not within {} from {} on", span(account.last.since(account.first)), account.first)
        }
    }
}

/// What is proven, whatever the verdict; nothing as long as nothing is.
fn proven(bounds: Bounds) -> Option<String> {
    let known = |bound: Option<f64>| bound.filter(|bound| *bound < 1.0);
    let part = |bound: Option<f64>, what: &str| {
        known(bound).map(|bound| format!("at most {:.2} points more {what}", bound * 100.0))
    };
    let parts: Vec<String> =
        [part(bounds.errors, "errors"), part(bounds.slow, "slow answers")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{} than the stable slot (95 % confidence)", parts.join(", ")))
}

fn counted(total: Total) -> String {
    let share = if total.requests > 0.0 { total.errors / total.requests * 100.0 } else { 0.0 };
    let (requests, errors) = (whole(total.requests), whole(total.errors));
    format!("{requests} requests, {errors} failed ({share:.2} %), in {}", many(total.bins, "bin"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts, none of them negative")]
fn whole(sum: f64) -> String {
    count(sum.round() as u64)
}

fn ramp(account: &Account) -> String {
    let mut words = String::new();
    let every = account.ramp.len().div_ceil(SHOWN);
    let last = account.ramp.len() - 1;
    for (_, (at, share)) in account.ramp.iter().enumerate().filter(|(n, _)| n.is_multiple_of(every) || *n == last) {
        let comma = if words.is_empty() { "" } else { ", " };
        let _ = write!(words, "{comma}{share} after {}", span(at.since(account.first)));
    }
    words
}

/// The account for programs: one versioned object, to which fields may be added.
pub(super) fn json(account: &Account) -> Value {
    let (verdict, at, gate) = match &account.end {
        End::Promote(at) => ("promote", Some(*at), None),
        End::RollBack { at, gate, .. } => ("rollback", Some(*at), Some(gate)),
        End::Undecided => ("undecided", None, None),
    };
    let total = |total: Total| json!({"requests": total.requests, "errors_5xx": total.errors, "bins": total.bins});
    let ramp = account.ramp.iter().map(|(at, share)| json!({"at": at.to_string(), "share_percent": share.percent()}));
    json!({
        "type": "backtest",
        "format": FORMAT,
        "verdict": verdict,
        "at": at.map(|at| at.to_string()),
        "seconds_after_first_request": at.map(|at| at.since(account.first).as_secs_f64()),
        "gate": gate,
        "why": account.why,
        "first": account.first.to_string(),
        "last": account.last.to_string(),
        "stable": total(account.stable),
        "candidate": total(account.candidate),
        "past_bins": account.past_bins,
        "proven": account.bounds.map(|bounds| json!({"errors": bounds.errors, "slow": bounds.slow, "confidence": 0.95})),
        "capital": account.capital,
        "split": account.split.as_ref().map(|verdict| report::evidence(&verdict.evidence)),
        "ramp": ramp.collect::<Vec<_>>(),
        "notes": account.notes,
    })
}
