//! The gates that a spec has when it names none, with real traffic and no threshold anywhere.

use crate::support::{Ended, Place, heavy};

/// What is in force, and how often: enough requests to tell, and time to spare on a busy machine.
const PLAY: [&str; 4] = ["--lab-speed", "25", "--lab-rps", "20"];

fn rehearse(spec: &str, play: &[&str]) -> Ended {
    let _alone = heavy();
    let place = Place::new();
    place.rehearse(&place.example(spec), &[&PLAY[..], play].concat()).end()
}

#[test]
fn two_percent_of_errors_go_back_without_a_threshold() {
    let ended = rehearse("harm-budget.yaml", &["--lab-candidate", "errors=2%"]);
    ended.ends(10, &[r#""outcome":"rolled_back""#, "gate compare failed", "the candidate fails more"]);
    ended.traffic().fails_only_in("web-green");
    assert!(ended.traffic().failed() <= 60, "{ended}");
}

#[test]
fn a_quarter_more_latency_goes_back_without_a_threshold() {
    let ended = rehearse("harm-budget.yaml", &["--lab-candidate", "latency=+25%"]);
    ended.ends(10, &[r#""outcome":"rolled_back""#, "gate compare failed", "slower"]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
}

#[test]
fn a_healthy_release_is_promoted_through_an_outage_of_both_slots() {
    let ended = rehearse("compare.yaml", &["--lab-outage", "errors=20%,latency=+100%@3m:2m"]);
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert!(ended.traffic().of("web-blue").1 > 0, "the outage was felt: {ended}");
}

/// What becomes of a release that is watched for so long once it has everything.
fn watched(span: &str, behaviour: &str) -> Ended {
    let _alone = heavy();
    let place = Place::new();
    let spec = place.example("compare.yaml");
    let text = std::fs::read_to_string(&spec).expect("it was written");
    std::fs::write(&spec, format!("{text}\nwatch_for: {span}\n")).expect("a spec can be written");
    place.rehearse(&spec, &[&PLAY[..], &["--lab-candidate", behaviour]].concat()).end()
}

#[test]
fn a_leak_that_starts_twenty_minutes_after_everything_moved_goes_back_to_the_tasks_that_were_kept() {
    // Its tasks are about twelve minutes old when they have everything.
    let ended = watched("1h", "leak=32m");
    ended.ends(10, &[r#""outcome":"rolled_back""#, "gate compare failed", "than at first"]);
    assert!(!ended.has("committed"), "{ended}");
    ended.traffic().fails_only_in("web-green");
}

#[test]
fn a_healthy_release_is_watched_and_then_its_old_slot_goes() {
    let ended = watched("20m", "healthy");
    ended.ends(0, &[r#""outcome":"promoted""#, "watch 20m for drift", "committed"]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
}
