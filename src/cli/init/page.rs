//! Shows the spec that was written, on a page or as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::draft::{Draft, shape};
use super::lack::Lack;
use crate::cli::context::Context;
use crate::cli::{Exit, Failure, terminal};
use crate::cloud::alb::scout::Seen;
use crate::domain::driver::{DriverKind, differences, gist};
use crate::domain::text::{escape, hang, pad};
use crate::plan::needs;
use crate::report::{Style, lifecycle};

/// How wide the labels of the page are.
const LABEL: usize = 13;
/// How wide the words of the other drivers are.
const OTHER: usize = 12;
/// Below this width they have no column of their own.
const NARROW: usize = 60;

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitPage<'a> {
    pub(super) seen: &'a Seen,
    pub(super) kind: DriverKind,
    /// The spec and its text; `None` where nothing could be written yet.
    pub(super) draft: Option<(&'a Draft, &'a str)>,
    /// Where it is; `None` for standard output.
    pub(super) file: Option<&'a Path>,
    pub(super) lacks: &'a [Lack],
    pub(super) notes: &'a [String],
}

/// Tells it: the spec on standard output when it went to no file, and the page beside it.
pub(super) fn tell(context: &Context, told: &InitPage<'_>, exit: Exit) -> Result<(), Failure> {
    if context.json() {
        return terminal::print_json(&value(told, exit));
    }
    match (told.file, told.draft) {
        (None, Some((_, text))) => {
            terminal::say(page(told, terminal::page(terminal::stderr_style(context))).trim_end());
            terminal::print(text)
        }
        _ => terminal::print(&page(told, terminal::page_style(context))),
    }
}

fn page(told: &InitPage<'_>, style: Style) -> String {
    let row =
        |label: &str, words: &str| hang(&format!("  {}", pad(label, LABEL)), 2 + LABEL, &escape(words), style.width);
    let mut text = match (told.draft, told.file) {
        (Some((draft, _)), Some(file)) => {
            format!("{} is written: {}\n\n", escape(&file.display().to_string()), draft.name)
        }
        (Some((draft, _)), None) => format!("a spec for {}\n\n", draft.name),
        (None, _) => format!("no spec yet for {}\n\n", escape(&told.seen.service.name)),
    };
    text.push_str(&row("service", &format!("{}: {}", told.seen.service.name, shape(told.seen))));
    text.push_str(&row("driver", &format!("{} fits: {}", told.kind, gist(told.kind))));
    let mut label = "or";
    for other in others(told.kind) {
        let head = format!("  {}", pad(std::mem::take(&mut label), LABEL));
        text.push_str(&if style.width < NARROW {
            hang(&head, 2 + LABEL, &format!("{other}: {}", gist(other)), style.width)
        } else {
            hang(&(head + &pad(other.word(), OTHER)), 2 + LABEL + OTHER, gist(other), style.width)
        });
    }
    text.push_str(&row("", "`tidegate docs drivers` compares them"));
    if let Some((draft, _)) = told.draft {
        let gates = draft.alarms.iter().map(|alarm| format!("alarm {}", alarm.view.name));
        let gates: Vec<String> = std::iter::once("compare".to_owned()).chain(gates).collect();
        text.push_str(&row("gates", &gates.join(", ")));
    }
    for note in told.notes {
        text.push_str(&row("note", note));
    }
    text.push_str(&missing(told, style));
    text.push_str(&lifecycle(style, told.kind));
    text.push('\n');
    let mut label = "next";
    for next in next(told) {
        text.push_str(&row(std::mem::take(&mut label), &next));
    }
    text
}

/// The drivers that do not fit as the service is.
fn others(fits: DriverKind) -> impl Iterator<Item = DriverKind> {
    DriverKind::ALL.into_iter().filter(move |other| *other != fits)
}

fn missing(told: &InitPage<'_>, style: Style) -> String {
    let mut text = String::new();
    for lack in told.lacks {
        text.push_str(&hang("\n  missing: ", 11, &escape(&lack.wrong), style.width));
        if let Some(help) = &lack.help {
            text.push_str(&hang("    ", 4, &escape(help), style.width));
        }
        for line in lack.terraform.iter().flat_map(|terraform| terraform.lines()) {
            let _ = writeln!(text, "     {}", escape(line));
        }
    }
    text
}

/// What to do next, as it is typed.
fn next(told: &InitPage<'_>) -> Vec<String> {
    let Some(file) = told.file.map(|file| file.display().to_string()) else {
        let again = "`tidegate init` again, once that is there".to_owned();
        return if told.draft.is_none() { vec![again] } else { Vec::new() };
    };
    let doctor = format!("tidegate doctor {file}");
    if !told.lacks.is_empty() {
        return vec![doctor];
    }
    vec![doctor, format!("tidegate plan {file}"), format!("tidegate iam-policy {file}"), format!("tidegate run {file}")]
}

fn value(told: &InitPage<'_>, exit: Exit) -> Value {
    let others = others(told.kind).map(|other| {
        let differs = differences(told.kind, other);
        let differs: serde_json::Map<String, Value> =
            differs.into_iter().map(|(what, theirs)| (what.replace('`', ""), theirs.replace('`', "").into())).collect();
        json!({"driver": other.word(), "gist": gist(other), "needs": needs(other), "otherwise": differs})
    });
    let service = &told.seen.service;
    json!({
        "type": "init",
        "exit": exit as u8,
        "name": told.draft.map(|(draft, _)| draft.name.as_str()),
        "file": told.file.map(|file| file.display().to_string()),
        "spec": told.draft.map(|(_, text)| text),
        "service": {"name": service.name, "controller": service.controller, "strategy": service.strategy},
        "driver": told.kind.word(),
        "other_drivers": others.collect::<Vec<_>>(),
        "alarms": told.draft.map_or_else(Vec::new, |(draft, _)| {
            draft.alarms.iter().map(|alarm| alarm.view.name.as_str()).collect::<Vec<_>>()
        }),
        "missing": told.lacks.iter().map(|lack| {
            json!({"wrong": lack.wrong, "help": lack.help, "terraform": lack.terraform})
        }).collect::<Vec<_>>(),
        "notes": told.notes,
        "next": next(told),
    })
}
