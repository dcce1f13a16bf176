//! The event stream, line by line.

use std::collections::{BTreeMap, BTreeSet};

use super::super::sample::{Page, all, at, plan, reasons_of, story, verdict};
use super::*;
use crate::domain::traffic::Share;
use crate::gate::Outcome as GateOutcome;

fn told(notices: &[(Timestamp, Notice)]) -> Vec<String> {
    let page = Page::default();
    let mut stream = Stream::new(Box::new(page.clone()));
    for (at, notice) in notices {
        stream.write(*at, notice, &plan());
    }
    page.text().lines().map(str::to_owned).collect()
}

fn check(notice: Notice, expected: &str) {
    let at = at(0) + Duration::from_millis(7);
    assert_eq!(told(&[(at, notice)])[1], expected);
}

#[test]
fn the_first_line_says_the_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(told(&[]), [format!(r#"{{"type":"version","format":1,"tidegate":"{version}"}}"#)]);
}

#[test]
fn a_line_has_type_time_and_named_fields() {
    check(
        Notice::StepStarted(3),
        r#"{"type":"step_started","at":"2026-11-23T14:05:09.007Z","step":4,"of":9,"title":"shift 25% to the candidate"}"#,
    );
    check(
        Notice::Shifted { share: Share::from_permille(5).unwrap(), took: Duration::from_millis(400) },
        r#"{"type":"shifted","at":"2026-11-23T14:05:09.007Z","share_percent":0.5,"took_seconds":0.4}"#,
    );
    check(
        Notice::Judged { gate: "g".to_owned(), verdict: verdict(GateOutcome::Pass, "0.2 against at most 1") },
        r#"{"type":"judged","at":"2026-11-23T14:05:09.007Z","gate":"g","watch":false,"verdict":"pass","evidence":"0.2 against at most 1","measured":{"found":"said"},"data_from":"2026-11-23T14:05:09.000Z"}"#,
    );
}

#[test]
fn every_line_parses_and_holds_nothing_hidden() {
    let notices: Vec<_> = all().into_iter().map(|notice| (at(0), notice)).collect();
    let lines = told(&notices);
    assert_eq!(lines.len(), notices.len() + 1);
    for line in lines {
        let value: Value = serde_json::from_str(&line).unwrap();
        assert!(value["type"].is_string(), "{line}");
        assert!(!line.contains(crate::domain::text::is_hidden), "{line:?}");
    }
}

/// The items of a part of the page on events: what each is about, and the fields it has. Values of fields, and words on
/// them, are in brackets.
fn items(part: &str) -> BTreeMap<String, BTreeSet<String>> {
    let coded = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let mut items = BTreeMap::new();
    for item in part.split("\n- ").skip(1) {
        let (about, said) = item.split("\n\n").next().unwrap().split_once(':').unwrap();
        let outside: String = said.split('(').filter_map(|part| part.rsplit(')').next()).collect();
        items.extend(coded(about).into_iter().map(|about| (about, coded(&outside))));
    }
    items
}

fn keys(value: &Value, but: &[&str]) -> BTreeSet<String> {
    value.as_object().unwrap().keys().filter(|key| !but.contains(&key.as_str())).cloned().collect()
}

#[test]
fn the_page_on_events_has_every_type_and_reason_with_all_of_its_fields() {
    let parts: Vec<&str> = EVENTS.split("\n## ").collect();
    let (types, reasons) = (items(parts[1]), items(parts[2]));
    let mut told_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut told_why: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut why = |reason: &Value| {
        let kind = reason["kind"].as_str().unwrap().to_owned();
        told_why.entry(kind).or_default().extend(keys(reason, &["kind", "text"]));
    };
    for notice in all() {
        let value = object(at(0), &notice, &plan(), None);
        if value["reason"].is_object() {
            why(&value["reason"]);
        }
        let kind = value["type"].as_str().unwrap().to_owned();
        told_of.entry(kind).or_default().extend(keys(&value, &["type", "at"]));
    }
    assert_eq!(types, told_of);
    assert_eq!(reasons, told_why);
}

#[test]
fn a_value_survives_the_escapes() {
    let what = "a\u{1b}\nb\u{202e}c\u{7f}\u{e0041}".to_owned();
    let line = told(&[(at(0), Notice::Registered(what.clone()))]).pop().unwrap();
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["task_definition"], what);
}

#[test]
fn the_end_says_why_and_what_was_served() {
    let line = told(&story()).pop().unwrap();
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["outcome"], "rolled_back");
    assert_eq!(value["reason"]["kind"], "breach");
    assert_eq!(value["reason"]["gate"], "candidate-errors");
    assert_eq!(value["served"], json!({"requests": 1204, "failed": 238, "since_full": null}));
}

#[test]
fn every_reason_has_its_kind() {
    let mut kinds: Vec<String> =
        reasons_of("a").iter().map(|reason| reason_fields(reason)["kind"].as_str().unwrap().to_owned()).collect();
    kinds.dedup();
    let expected = [
        "breach",
        "capacity",
        "time_limit",
        "operator",
        "signal",
        "foreign_write",
        "dead_man",
        "deployment",
        "refused",
        "blind",
        "store",
    ];
    assert_eq!(kinds, expected);
}
