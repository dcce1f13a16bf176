//! An API that throttles, is late, loses answers or reads the past: the outcome is the same.

use crate::support::Place;

/// Waits between two tries are the wall's: the lab must not be so fast that they count for minutes.
const PLAY: [&str; 4] = ["--lab-speed", "30", "--lab-rps", "5"];

fn changes_no_outcome(fault: &str) {
    let (here, there) = (Place::new(), Place::new());
    let rehearse = |place: &Place, behaviour: &str| {
        place.rehearse(&place.spec(""), &[&PLAY[..], &["--lab-fault", fault, "--lab-candidate", behaviour]].concat())
    };
    // Both at once: most of their time is waiting.
    let (healthy, failing) = (rehearse(&here, "healthy"), rehearse(&there, "errors=20%"));
    let (healthy, failing) = (healthy.end(), failing.end());
    healthy.ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(healthy.traffic().failed(), 0, "{healthy}");
    failing.ends(10, &[r#""outcome":"rolled_back""#, "candidate errors"]);
    failing.traffic().fails_only_in("web-green");
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
fn a_wrong_clock_leaves_no_write_undone() {
    changes_no_outcome("skew=+20m");
}

#[test]
fn a_fifth_of_reads_old_changes_no_outcome() {
    changes_no_outcome("stale-read=20%:15s");
}
