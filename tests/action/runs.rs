//! Steps that run to their end.

use super::step::{Step, commands, count, node};
use super::support::{BESIDE, Lab, Place};
use super::{fetch, support};

fn run(play: &[&str]) -> (Step, support::Ended) {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::playing(&place, &spec, &[&BESIDE[..], play].concat());
    let step = Step::new("alice", &[("spec", spec.to_str().expect("it is UTF-8"))]);
    let ended = step.begin(&place, Some(&lab)).end();
    // Whatever came of it, there is nothing to clean up.
    let after = step.clean_up(&place, Some(&lab));
    assert!(after.code == Some(0) && after.text().trim().is_empty(), "{after}");
    (step, ended)
}

/// Every group ends before the next begins, and the log's last line stands outside.
#[track_caller]
fn is_folded(log: &[String]) {
    let marks = commands(log).into_iter().filter(|line| line.contains("group::"));
    let opens: Vec<bool> = marks.map(|line| line.starts_with("::group::")).collect();
    assert!(opens.len() > 4 && opens.len().is_multiple_of(2), "{log:?}");
    assert!(opens.chunks(2).all(|pair| pair == [true, false]), "{log:?}");
}

#[test]
fn a_healthy_release_is_promoted_and_the_outputs_say_so() {
    let (step, ended) = run(&[]);
    ended.ends(0, &[": promoted (exit 0)"]);
    is_folded(&ended.lines);
    assert!(ended.lines.last().is_some_and(|line| line.ends_with(": promoted (exit 0)")), "{ended}");
    let outputs = step.outputs();
    for (name, value) in [("outcome", "promoted"), ("weight", "100"), ("exit-code", "0")] {
        assert_eq!(outputs.get(name).map(String::as_str), Some(value), "{outputs:?}");
    }
    assert!(outputs["run-id"].starts_with("web-"), "{outputs:?}");
    assert!(outputs["stable-task-definition"].ends_with("task-definition/web:1"), "{outputs:?}");
    assert!(outputs["candidate-task-definition"].ends_with("task-definition/web:2"), "{outputs:?}");
    let page = std::fs::read_to_string(&outputs["report-path"]).expect("it is there");
    assert!(outputs["report-path"].contains(".html") && page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(page.contains("promoted: web is served by web-green") && page.contains("<svg"), "{page}");
    assert!(step.summary().starts_with("<h3>✔ promoted: web is served by web-green"), "{}", step.summary());
    assert_eq!((count(&ended.lines, "error"), count(&ended.lines, "notice")), (0, 1), "{ended}");
}

#[test]
fn a_bad_release_fails_the_step_with_its_code_and_one_error() {
    let (step, ended) = run(&["--lab-candidate", "errors=30%"]);
    ended.ends(10, &["::error title=rolled back", "gate candidate errors failed"]);
    is_folded(&ended.lines);
    assert!(ended.lines.last().is_some_and(|line| line.contains(": rolled back (exit 10): gate candidate")), "{ended}");
    assert_eq!(count(&ended.lines, "error"), 1, "{ended}");
    let outputs = step.outputs();
    for (name, value) in [("outcome", "rolled_back"), ("weight", "0"), ("exit-code", "10")] {
        assert_eq!(outputs.get(name).map(String::as_str), Some(value), "{outputs:?}");
    }
    assert!(outputs["reason"].starts_with("gate candidate errors failed"), "{outputs:?}");
    let path = std::fs::read_to_string(step.file("path")).expect("it is there");
    assert!(env!("CARGO_BIN_EXE_tidegate").starts_with(path.trim()) && !path.trim().is_empty(), "{path}");
    let summary = step.summary();
    assert!(summary.starts_with("<h3>↩ rolled back") && summary.contains("gate candidate errors failed"), "{summary}");
}

#[test]
fn only_a_binary_whose_checksum_is_known_is_fetched() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/action/fetch.mjs");
    let text = fetch::run("the tests of fetching", std::process::Command::new(node()).arg("--test").arg(script));
    let text = text.unwrap_or_else(|why| panic!("{why}"));
    assert!(text.contains("fail 0") && !text.contains("pass 0"), "{text}");
}

#[test]
fn a_step_without_a_binary_fails_and_says_what_to_do() {
    let step = Step::new("alice", &[("path", ""), ("version", "9.9.9"), ("command", "schema")]);
    let ended = step.begin(&Place::new(), None).end();
    ended.ends(1, &["::error title=tidegate action::this action holds no checksums of version 9.9.9"]);
    assert_eq!(step.outputs()["outcome"], "failed");
}
