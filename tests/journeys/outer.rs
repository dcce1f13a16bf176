//! Gates outside of the candidate's own metrics: the whole service, programs of one's own, and those that watch.

use crate::support::{INSIDE, Place};

/// Lets the short canary's own gate watch, so that others decide.
const WATCH: &str = "      watch: true\n";

#[test]
fn a_programs_no_sends_the_rollout_back() {
    let place = Place::new();
    let gate = r#"  - command: { name: judge, command: ["ls", "/nonexistent"], watch: true }
  - command: { name: verdict, command: ["echo", '{"verdict": "fail", "reason": "not today"}'] }
"#;
    let ended = place.rehearse(&place.spec(gate), &INSIDE).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#, "gate verdict failed (not today)"]);
    assert_eq!(ended.traffic().of("web-green").0, 0, "{ended}");
}

#[test]
fn gates_that_only_watch_stop_nothing() {
    let place = Place::new();
    let gates = format!(
        "{WATCH}{}",
        r#"  - command: { name: no, command: ["false"], watch: true }
  - webhook: { name: nobody, url: "http://127.0.0.1:9/", watch: true }
"#
    );
    let play = [&INSIDE[..], &["--lab-candidate", "errors=20%"]].concat();
    let ended = place.rehearse(&place.spec(&gates), &play).end();
    let watched = r#""gate":"no","watch":true,"verdict":"fail""#;
    ended.ends(0, &[r#""outcome":"promoted""#, watched, r#""gate":"candidate errors","watch":true,"verdict":"fail""#]);
}

#[test]
fn a_service_that_burns_its_budget_sends_the_rollout_back() {
    let place = Place::new();
    let gate = format!("{WATCH}  - burn_rate: {{ name: error budget, objective: 99.9% }}\n");
    // Enough to burn an hour's budget within the first hold, whether or not it passes once before.
    let play = [&INSIDE[..], &["--lab-candidate", "errors=90%"]].concat();
    let ended = place.rehearse(&place.spec(&gate), &play).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#, "gate error budget failed", "times the budget over 5m"]);
}

#[test]
fn an_alarm_that_was_quiet_before_the_step_passes_no_bad_release_while_metrics_are_late() {
    let place = Place::new();
    let gate = format!("{WATCH}  - alarm: {{ name: web-5xx }}\n");
    let play = [&INSIDE[..], &["--lab-delay", "5m", "--lab-candidate", "errors=60%"]].concat();
    let ended = place.rehearse(&place.spec(&gate), &play).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#, "gate web-5xx"]);
}
