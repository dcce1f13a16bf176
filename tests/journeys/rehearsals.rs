//! `run --lab`: the lab inside the runner.

use std::path::Path;

use serde_json::json;

use crate::support::{Ended, INSIDE, Lab, Place, heavy, until};

fn rehearse(place: &Place, spec: &Path, behaviour: &str) -> Ended {
    place.rehearse(spec, &[&INSIDE[..], &["--lab-candidate", behaviour]].concat()).end()
}

fn promotes(name: &str) {
    let place = Place::new();
    let ended = rehearse(&place, &place.example(name), "healthy");
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
}

#[test]
fn a_healthy_canary_is_promoted_without_a_failed_request_at_200_a_second() {
    let _alone = heavy();
    let place = Place::new();
    let spec = place.spec_of("shift: 10%, hold: 1m, shift: 50%, approve: {}", "");
    let lab = Lab::playing(&place, &spec, &["--lab-rps", "200", "--speed", "10"]);
    let runner = lab.roll_out(&place, &spec);
    // A machine with other work sends them later, and not fewer.
    until("enough requests are answered", || {
        let traffic = lab.traffic();
        (traffic.requests() > 50_000 && traffic.of("web-green").0 > 20_000).then_some(())
    });
    lab.run(&place, ["approve", "web"]).ends(0, &[]);
    runner.end().ends(0, &[r#""outcome":"promoted""#]);
    let traffic = lab.traffic();
    println!("{} requests, {} failed", traffic.requests(), traffic.failed());
    assert_eq!(traffic.failed(), 0, "{:?}", traffic.0);
    assert!(traffic.requests() > 50_000, "{:?}", traffic.0);
    assert!(traffic.of("web-green").0 > 20_000, "{:?}", traffic.0);
}

#[test]
fn a_release_with_errors_goes_back_and_says_how_many_requests_it_failed() {
    let place = Place::new();
    let ended = rehearse(&place, &place.example("canary.yaml"), "errors=20%");
    ended.ends(10, &[r#""outcome":"rolled_back""#, "candidate errors"]);
    let traffic = ended.traffic();
    traffic.fails_only_in("web-green");
    let (requests, failed) = traffic.of("web-green");
    assert!(failed > 0, "{ended}");
    let served = &ended.last("finished")["served"];
    assert_eq!((served["requests"].as_u64(), served["failed"].as_u64()), (Some(requests), Some(failed)), "{ended}");
}

#[test]
fn a_slow_release_goes_back() {
    let place = Place::new();
    let ended = rehearse(&place, &place.example("canary.yaml"), "latency=+400ms");
    ended.ends(10, &[r#""outcome":"rolled_back""#, "candidate latency"]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
}

#[test]
fn rehearsals_of_one_spec_run_at_once_and_one_that_died_keeps_nobody_from_the_next() {
    let place = Place::new();
    let spec = place.spec("");
    let begun = || {
        let mut runner = place.rehearse(&spec, &INSIDE);
        runner.event("started");
        runner
    };
    let (one, two) = (begun(), begun());
    two.kill();
    one.signal("INT");
    until("the signal was caught", || one.errors().contains("again to leave at once").then_some(()));
    one.signal("INT");
    one.end().ends(13, &["nothing is left to finish"]);
    let next = begun();
    next.signal("INT");
    next.end().ends(11, &[r#""outcome":"rolled_back""#]);
}

#[test]
fn metrics_that_come_two_minutes_late_cost_nobody_a_request_through_a_whole_release() {
    let place = Place::new();
    let ended = place.rehearse(&place.spec(""), &[&INSIDE[..], &["--lab-delay", "125s"]].concat()).end();
    ended.ends(0, &[r#""outcome":"promoted""#, "the proof that the old stable slot has no requests left"]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
    let quiet = ended.last("quiet");
    let taken = ended.last("scaled");
    assert_eq!(
        (&quiet["role"], &taken["role"], &taken["count"]),
        (&json!("stable"), &json!("stable"), &json!(0)),
        "{ended}"
    );
}

fn is_never_given_a_request(behaviour: &str) -> Ended {
    let place = Place::new();
    let ended = rehearse(&place, &place.spec(""), behaviour);
    assert_eq!((ended.traffic().failed(), ended.traffic().of("web-green").0), (0, 0), "{ended}");
    assert!(!ended.has("shifted"), "{ended}");
    ended
}

#[test]
fn a_release_that_crashes_is_never_given_a_request() {
    is_never_given_a_request("crash").ends(10, &[r#""outcome":"rolled_back""#, r#""gate":"tasks""#]);
}

#[test]
fn a_release_that_never_gets_healthy_is_never_given_a_request() {
    let ended = is_never_given_a_request("never-healthy");
    ended.ends(10, &[r#""outcome":"rolled_back""#]);
}

#[test]
fn text_for_people_says_how_it_ended_and_how_many_requests_failed() {
    let place = Place::new();
    let spec = place.example("canary.yaml");
    let arguments = [
        "run",
        spec.to_str().expect("paths are UTF-8 here"),
        "--lab",
        "--yes",
        "--lab-delay",
        "20s",
        "--lab-speed",
        "40",
    ];
    let ended = place.run(arguments.iter().chain(&["--lab-candidate", "errors=20%"]));
    ended.ends(10, &["rolled back: web is served by web-blue", "gate candidate errors failed"]);
    assert!(!ended.lines.iter().any(|line| line.contains("before they reached a task")), "{ended}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let line = |start: &str| {
        let line = ended.lines.iter().find(|line| line.trim_start().starts_with(start));
        words(line.unwrap_or_else(|| panic!("no line starts with {start}: {ended}")))
    };
    // "candidate served 124 requests, 18 of them failed" and "web-green: 124 served, 18 failed".
    let (told, seen) = (line("candidate "), line("web-green:"));
    assert_eq!((&told[2], &told[4]), (&seen[1], &seen[3]), "{ended}");
}

#[test]
fn the_blue_green_example_is_promoted() {
    promotes("blue-green.yaml");
}

#[test]
fn the_canary_example_is_promoted() {
    promotes("canary.yaml");
}

#[test]
fn the_linear_example_is_promoted() {
    promotes("linear.yaml");
}

#[test]
fn the_images_example_is_promoted() {
    promotes("images.yaml");
}

#[test]
fn the_storefront_example_is_promoted() {
    promotes("storefront.yaml");
}
