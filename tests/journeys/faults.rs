//! An API that throttles, is late, loses answers or reads the past: the outcome is the same.

use crate::support::{Ended, Place, SPEED};

fn rehearse(fault: &str, behaviour: &str) -> Ended {
    let place = Place::new();
    let spec = place.spec("");
    let spec = spec.to_str().expect("temporary paths are UTF-8");
    let play = ["--lab-fault", fault, "--lab-candidate", behaviour, "--lab-speed", SPEED];
    let ended = place.run(["run", spec, "--lab", "--yes", "--json"].iter().chain(&play));
    ended.traffic().fails_only_in("web-green");
    ended
}

fn changes_no_outcome(fault: &str) {
    let healthy = rehearse(fault, "healthy");
    healthy.ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(healthy.traffic().failed(), 0, "{healthy}");
    let failing = rehearse(fault, "errors=20%");
    failing.ends(10, &[r#""outcome":"rolled_back""#, "candidate errors"]);
}

#[test]
fn a_third_of_calls_throttled_changes_no_outcome() {
    changes_no_outcome("throttle=30%");
}

#[test]
fn a_fifth_of_answers_lost_changes_no_outcome() {
    changes_no_outcome("lost-answer=20%");
}

#[test]
fn a_fifth_of_calls_late_changes_no_outcome() {
    changes_no_outcome("delay=20%:20s");
}

#[test]
fn a_fifth_of_reads_old_changes_no_outcome() {
    changes_no_outcome("stale-read=20%:15s");
}
