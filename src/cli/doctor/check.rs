//! The result of a check, and how all results are shown.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};
use serde_json::{Value, json};

use crate::cli::{Exit, Failure};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::text::{escape, hang, many, pad};
use crate::report::Style;
use crate::spec::Spec;

/// How wide the names of checks are.
const NAME: usize = 18;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As a rollout needs it.
    Ok,
    /// A rollout can do with it, and somebody should know.
    Warn,
    /// A rollout would be refused, or would fail.
    Fail,
    /// Nobody knows.
    Unknown,
}

/// One thing that a rollout needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) state: State,
    /// What was found.
    pub(super) reason: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
    /// Whether credentials or permissions are what is missing.
    pub(super) denied: bool,
}

/// Checks that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) checks: Vec<Check>,
}

impl Section {
    pub(super) fn new(name: &'static str, checks: Vec<Check>) -> Self {
        Self { name, checks }
    }
}

impl Check {
    fn new(name: &str, state: State, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, reason: reason.into(), remedy: None, denied: false }
    }

    pub(super) fn ok(name: &str, reason: impl Into<String>) -> Self {
        Self::new(name, State::Ok, reason)
    }

    pub(super) fn warn(name: &str, reason: impl Into<String>) -> Self {
        Self::new(name, State::Warn, reason)
    }

    pub(super) fn fail(name: &str, reason: impl Into<String>) -> Self {
        Self::new(name, State::Fail, reason)
    }

    pub(super) fn unknown(name: &str, reason: impl Into<String>) -> Self {
        Self::new(name, State::Unknown, reason)
    }

    /// A call that AWS did not answer as it should: a denial fails, what may pass leaves the thing unknown.
    pub(super) fn fault(name: &str, fault: &Fault, policy: &str) -> Self {
        let denied = matches!(fault.kind, FaultKind::Denied | FaultKind::Expired);
        let state = if fault.kind == FaultKind::Transient { State::Unknown } else { State::Fail };
        let check = Self { denied, ..Self::new(name, state, fault.to_string()) };
        match fault.kind {
            FaultKind::Denied => check.remedy(policy),
            FaultKind::Expired => check.remedy("renew the credentials"),
            FaultKind::Transient => check.remedy("try again"),
            _ => check,
        }
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// What a command's failure says, a check for each of its lines.
pub(super) fn of_failure(name: &str, failure: &Failure) -> Vec<Check> {
    let denied = failure.exit == Exit::Denied;
    let remedy = (!failure.hints.is_empty()).then(|| failure.hints.join("; "));
    let lines = if denied || failure.notes.is_empty() { vec![failure.wrong.clone()] } else { failure.notes.clone() };
    let check = |line: String| Check { remedy: remedy.clone(), denied, ..Check::fail(name, line) };
    lines.into_iter().map(check).collect()
}

/// The exit code: permissions before all else, because what they hide is not known.
pub(super) fn exit(sections: &[Section]) -> Exit {
    let failed = |check: &&Check| check.state == State::Fail;
    let failed: Vec<&Check> = sections.iter().flat_map(|one| &one.checks).filter(failed).collect();
    match failed.as_slice() {
        [] => Exit::Done,
        some if some.iter().any(|check| check.denied) => Exit::Denied,
        _ => Exit::Refused,
    }
}

/// The page for people.
pub(super) fn page(path: &str, spec: &Spec, sections: &[Section], style: Style) -> String {
    let mut text = hang("", 0, &format!("Doctor for {} ({})", spec.name, escape(path)), style.width);
    for section in sections.iter().filter(|section| !section.checks.is_empty()) {
        let _ = writeln!(text, "\n  {}", section.name);
        let mut before = "";
        for check in &section.checks {
            let name = if check.name == before { "" } else { check.name.as_str() };
            before = &check.name;
            text.push_str(&line(check, name, style));
        }
    }
    text.push('\n');
    text.push_str(&hang("", 0, &closing(sections), style.width));
    text
}

fn line(check: &Check, name: &str, style: Style) -> String {
    let (sign, plain, paint) = match check.state {
        State::Ok => ("✔", "ok", AnsiColor::Green),
        State::Warn => ("!", "!", AnsiColor::Yellow),
        State::Fail => ("✖", "x", AnsiColor::Red),
        State::Unknown => ("?", "?", AnsiColor::Cyan),
    };
    let sign = pad(if style.unicode { sign } else { plain }, 2);
    let paint = Paint::new().fg_color(Some(paint.into()));
    let sign = if style.color { format!("{paint}{sign}{paint:#}") } else { sign };
    let reason = escape(&check.reason);
    // On a narrow screen the reason begins behind the name, not in a column of its own.
    let narrow = style.width < 60;
    let indent = if narrow { 7 } else { 7 + NAME + 1 };
    let mut text = if narrow {
        hang(&format!("    {sign} "), indent, &format!("{}: {reason}", escape(&check.name)), style.width)
    } else {
        hang(&format!("    {sign} {}", pad(&escape(name), NAME + 1)), indent, &reason, style.width)
    };
    if let Some(remedy) = check.remedy.as_ref().filter(|_| check.state != State::Ok) {
        let arrow = if style.unicode { "→ " } else { "-> " };
        let columns = crate::domain::text::columns(arrow);
        text.push_str(&hang(&format!("{}{arrow}", " ".repeat(indent)), indent + columns, &escape(remedy), style.width));
    }
    text
}

fn closing(sections: &[Section]) -> String {
    let count = |state| sections.iter().flat_map(|one| &one.checks).filter(|check| check.state == state).count() as u64;
    let (failed, warned) = (count(State::Fail), count(State::Warn));
    let (open, ok) = (count(State::Unknown), count(State::Ok));
    let failed = if failed == 0 { "nothing fails".to_owned() } else { format!("{} failed", many(failed, "check")) };
    format!("{failed}; {}, {open} open, {ok} as they should be", many(warned, "warning"))
}

/// The same for programs.
pub(super) fn value(path: &str, spec: &Spec, sections: &[Section], exit: Exit) -> Value {
    let word = |state| match state {
        State::Ok => "ok",
        State::Warn => "warn",
        State::Fail => "fail",
        State::Unknown => "unknown",
    };
    let check = |check: &Check| {
        json!({
            "name": check.name,
            "state": word(check.state),
            "reason": check.reason,
            "remedy": check.remedy,
            "denied": check.denied,
        })
    };
    let sections = sections
        .iter()
        .filter(|section| !section.checks.is_empty())
        .map(|section| json!({"name": section.name, "checks": section.checks.iter().map(check).collect::<Vec<_>>()}));
    json!({
        "type": "doctor",
        "exit": exit as u8,
        "name": spec.name.as_str(),
        "spec": path,
        "driver": spec.driver.kind().word(),
        "sections": sections.collect::<Vec<_>>(),
    })
}
