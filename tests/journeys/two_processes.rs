//! `tidegate lab` in one process, the runner in another.

use std::time::Duration;

use crate::support::{BESIDE, Lab, Place, Process, until};

#[test]
fn a_healthy_release_has_everything_at_the_end() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    lab.is_all_on("web-blue");
    lab.roll_out(&place, &spec).end().ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (0, 4));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_release_with_errors_leaves_everything_as_it_was() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::playing(&place, &spec, &[&BESIDE[..], &["--lab-candidate", "errors=20%"]].concat());
    let ended = lab.roll_out(&place, &spec).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    let traffic = lab.traffic();
    traffic.fails_only_in("web-green");
    let served = &ended.last("finished")["served"];
    assert_eq!(served["failed"].as_u64(), Some(traffic.of("web-green").1), "{ended}");
}

#[test]
fn the_next_rollout_goes_the_other_way() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    lab.roll_out(&place, &spec).end().ends(0, &[]);
    let spec_text = spec.to_str().expect("temporary paths are UTF-8");
    let mut again = lab.tidegate(&place, ["run", spec_text, "--yes", "--json"]);
    Process::start(again.env("VERSION", "3")).end().ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_lab_that_is_late_slows_down_says_so_once_and_its_runner_follows() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.event("started");
    for _ in 0..2 {
        // So late is a process that gets no processor.
        lab.process.signal("STOP");
        runner.read_for(Duration::from_millis(300));
        lab.process.signal("CONT");
        until("the lab has slowed down", || lab.state()["speed"].as_f64().filter(|speed| *speed < 20.0));
    }
    runner.end().ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(lab.process.errors().matches("this machine keeps").count(), 1, "{}", lab.process.errors());
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}
