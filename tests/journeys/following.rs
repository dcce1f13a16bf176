//! A rollout followed by somebody who did not start it, and told afterwards.

use crate::support::{Lab, Place};

#[test]
fn a_bad_release_is_watched_from_elsewhere_and_reported_after_it() {
    let place = Place::new();
    let spec = place.spec("");
    let play = ["--speed", "40", "--lab-rps", "5", "--lab-candidate", "errors=50%"];
    let lab = Lab::playing(&place, &spec, &play);
    let mut runner = lab.roll_out(&place, &spec);
    runner.event("started");
    let events = lab.begin(&place, ["watch", "--json"]);
    let lines = lab.begin(&place, ["watch", "web"]);
    let (ended, watched, told) = (runner.end(), events.end(), lines.end());
    ended.ends(10, &[r#""outcome":"rolled_back""#]);
    watched.ends(10, &[r#""outcome":"rolled_back""#]);
    told.ends(10, &["going back: gate candidate errors failed", "rolled back: web is served by web-blue"]);
    // Whoever watches is told the same.
    let of_runner: Vec<_> = ended.events().into_iter().filter(|event| event["at"].is_string()).collect();
    let of_watcher: Vec<_> = watched.events().into_iter().filter(|event| event["at"].is_string()).collect();
    assert_eq!(of_watcher, of_runner);
    let page = lab.run(&place, ["report", "web"]);
    page.ends(0, &["rolled back: web is served by web-blue", "10: rolled back by a gate", "Gate candidate errors"]);
    let digest = page.text().contains("SHA-256");
    assert!(digest, "{page}");
    let markdown = lab.run(&place, ["report", "--format", "markdown"]);
    markdown.ends(0, &["## rolled back: web is served by web-blue", "| exit code | 10: "]);
    lab.run(&place, ["history", "--figures"])
        .ends(0, &["100%: 1 of 1 that had traffic", "decision to traffic read back"]);
}
