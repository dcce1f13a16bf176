//! Ctrl-C and SIGTERM in the middle of a rollout.

use std::time::Duration;

use crate::support::{Lab, Place};

/// How soon a runner is gone after a signal, in the lab's time: less than the candidate's last requests would be
/// waited for, if they were.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The lab is slow, so that what the machine takes counts for little in it.
fn gives_the_traffic_back(signal: &str) {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::playing(&place, &spec, &["--speed", "5"]);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    let (since, before) = (lab.now(), lab.writes());
    runner.signal(signal);
    let took = lab.is_back_since(since);
    assert_eq!(lab.serving(), ["web-blue"]);
    let ended = runner.end();
    let left = lab.since(since);
    println!("SIG{signal}: traffic back after {took:?} of the lab, gone after {left:?}");
    ended.ends(11, &[r#""outcome":"rolled_back""#, "giving the traffic back"]);
    assert!(left < GONE_WITHIN, "{left:?}: {ended}");
    assert_eq!(lab.writes()["UpdateService"], before["UpdateService"], "it stayed for tasks: {ended}");
    // In a hurry the candidate's tasks are left behind, and said to be; the next rollout takes the slot as it is.
    ended.ends(11, &["the candidate slot keeps its tasks"]);
    assert_eq!(lab.desired("web-green"), 4);
    lab.roll_out(&place, &spec).share(10);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn what_a_stopped_runner_left_undone_is_finished_by_resume() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::playing(&place, &spec, &["--speed", "60"]);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    runner.signal("TERM");
    runner.end().ends(11, &["the candidate slot keeps its tasks"]);
    lab.run(&place, ["status", "web"]).ends(0, &["left undone", "tidegate resume web"]);
    let writes = lab.writes()["ModifyRule"].clone();
    lab.run(&place, ["resume", "web"]).ends(0, &["finishing what it left undone"]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.writes()["ModifyRule"], writes, "it moves no traffic");
    lab.run(&place, ["resume", "web"]).ends(11, &["there is nothing to go on with"]);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn sigint_gives_the_traffic_back_and_waits_for_no_tasks() {
    gives_the_traffic_back("INT");
}

#[test]
fn sigterm_gives_the_traffic_back_and_waits_for_no_tasks() {
    gives_the_traffic_back("TERM");
}

#[test]
fn a_second_signal_leaves_at_once_and_prints_the_command() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::playing(&place, &spec, &["--speed", "30"]);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    let before = lab.writes();
    lab.dial("delay=100%:1h@ModifyRule");
    runner.signal("INT");
    runner.event("retreating");
    runner.signal("INT");
    let ended = runner.end();
    ended.ends(13, &["left at once", "tidegate rollback web-"]);
    assert_eq!(lab.writes()["ModifyRule"], before["ModifyRule"], "it waited for its write: {ended}");
    assert_eq!(lab.green_percent(), 10);
    lab.dial("none");
    let words = ended.errors.split_once("tidegate rollback ").expect("it is printed").1;
    let id = words.split_whitespace().next().expect("an id follows");
    lab.run(&place, ["rollback", id, "--yes"]).ends(0, &["rolled back"]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_signal_holds_the_weights_where_the_spec_says_so_and_resume_goes_on() {
    let place = Place::new();
    let spec = place.spec("policies: { on_interrupt: hold }\n");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    runner.signal("TERM");
    let ended = runner.end();
    ended.ends(13, &[r#""type":"handed_over""#]);
    assert_eq!(lab.green_percent(), 10);
    lab.run(&place, ["status"]).ends(0, &["Nobody drives it"]);
    assert_eq!(lab.green_percent(), 10);
    lab.run(&place, ["resume", "--json"]).ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}
