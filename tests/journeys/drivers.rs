//! What the journeys of all drivers of one service have in common.

use std::path::Path;

use serde_json::json;

use crate::support::{BESIDE, Lab, Place, Process};

/// A tenth, and then everything.
pub const TENTH: &str = "shift: 10%, hold: 1m";
/// A tenth that stays for a while.
pub const LONG: &str = "shift: 10%, hold: 10m";

/// A rollout at a tenth, and the lab beside it.
pub fn at_a_tenth(place: &Place, spec: &Path) -> (Lab, Process) {
    let lab = Lab::start(place, spec);
    let mut runner = lab.roll_out(place, spec);
    runner.share(10);
    (lab, runner)
}

/// Rolls out a release of which every fifth answer is an error, to the end.
#[track_caller]
pub fn a_failing_release_goes_back(place: &Place, spec: &Path) -> Lab {
    let lab = Lab::playing(place, spec, &[&BESIDE[..], &["--lab-candidate", "errors=20%"]].concat());
    lab.roll_out(place, spec).end().ends(10, &[r#""kind":"breach""#, r#""outcome":"rolled_back""#]);
    lab.traffic().fails_only_in("web-green");
    lab
}

/// A person takes it back from another process, and the runner finds that out.
#[track_caller]
pub fn a_person_takes_it_back(place: &Place, lab: &Lab, runner: Process) {
    lab.run(place, ["rollback", "web", "--yes", "--reason", "slow"]).ends(0, &["slow", "rolled back"]);
    runner.end().ends(14, &["took over"]);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

/// Lets a spec's rollout watch the alarm that [`rings`] rings.
pub fn watch_the_alarm(spec: &Path) {
    let text = std::fs::read_to_string(spec).expect("it was written");
    let gate = "  - alarm: { name: web-5xx, watch: true }\n";
    std::fs::write(spec, text.replace("driver:", &format!("{gate}driver:"))).expect("it can be written");
}

/// Rings the alarm at a tenth; AWS itself goes back over it, which is explained and nobody's foreign write.
#[track_caller]
pub fn rings(place: &Place, lab: &Lab, spec: &Path) {
    let mut runner = lab.roll_out(place, spec);
    runner.share(10);
    let ring = json!({"AlarmName": "web-5xx", "StateValue": "ALARM", "StateReason": "rehearsed"});
    lab.ask_json("GraniteServiceVersion20100801.SetAlarmState", &ring);
    let ended = runner.end();
    ended.ends(10, &["alarm web-5xx rang", r#""kind":"deployment""#, r#""outcome":"rolled_back""#]);
    assert!(!ended.has("foreign_write"), "{ended}");
}
