//! Windows: a start that is refused, a rollout that holds, and a person who overrules both.

use crate::support::{Lab, Place};

impl Lab {
    /// Sets a change calendar: `open`, `closed`, or `closed:2h` in lab time.
    fn calendar(&self, name: &str, state: &str) {
        self.ask(&format!("POST /_lab/calendar?name={name}&value={state}"), "");
    }
}

#[test]
fn a_closed_calendar_refuses_and_holds_and_a_broken_glass_goes_on() {
    let place = Place::new();
    let spec = place.spec("windows: { calendars: [freeze] }\n");
    let lab = Lab::start(&place, &spec);
    let path = spec.to_str().expect("temporary paths are UTF-8");
    lab.calendar("freeze", "closed:2h");
    let refused = lab.run(&place, ["run", path, "--yes"]);
    refused.ends(15, &["not now: a change calendar is closed; opens at 20", "--break-glass REASON"]);
    lab.calendar("freeze", "open");
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.calendar("freeze", "closed");
    let paused = runner.event("paused");
    assert!(paused["why"].as_str().is_some_and(|why| why.starts_with("a change calendar is closed")), "{paused}");
    assert_eq!(lab.green_percent(), 10);
    lab.run(&place, ["status"]).ends(0, &["a change calendar is closed"]);
    lab.run(&place, ["continue", "web"]).ends(15, &["only `--break-glass REASON` overrules that"]);
    lab.run(&place, ["continue", "web", "--break-glass", "a fix"]).ends(0, &["windows overruled by alice@", "(a fix)"]);
    runner.share(50);
    lab.run(&place, ["why", "web"]).ends(0, &["windows overruled by alice@"]);
    let ended = runner.end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(ended.last("broke_glass")["said"], "a fix", "{ended}");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_freeze_refuses_the_start_unless_a_person_says_why() {
    let place = Place::new();
    let spec = place.spec("windows: { freeze: [{ from: 2020-01-01, to: 2099-12-31, reason: no more }] }\n");
    let lab = Lab::start(&place, &spec);
    let path = spec.to_str().expect("temporary paths are UTF-8");
    lab.run(&place, ["run", path, "--yes"]).ends(15, &["not now: frozen until 2100-01-01T00:00:00Z: no more"]);
    let mut runner = lab.begin(&place, ["run", path, "--yes", "--json", "--break-glass", "a fix"]);
    let broke = runner.event("broke_glass");
    assert_eq!(broke["said"], "a fix", "{broke}");
    runner.share(10);
    lab.run(&place, ["rollback", "web", "--yes"]).ends(0, &["rolled back"]);
    lab.is_all_on("web-blue");
}
