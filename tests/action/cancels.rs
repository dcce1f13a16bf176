//! Jobs that are cancelled, and steps that are killed.

use std::process::Command;
use std::time::Duration;

use super::step::{Step, count};
use super::support::{BESIDE, Lab, Place, Process, until};

/// How long the runner waits behind its first signal, in the time of a lab that is ten times faster.
const FIRST_WAIT: Duration = Duration::from_secs(75);

/// A rollout that is at half of the traffic.
struct Half {
    place: Place,
    lab: Lab,
    step: Step,
    process: Process,
}

impl Half {
    fn new(more: &str, play: &[&str]) -> Self {
        let place = Place::new();
        let spec = place.spec_of("shift: 50%, hold: 10m", more);
        let lab = Lab::playing(&place, &spec, play);
        let step = Step::new("alice", &[("spec", spec.to_str().expect("it is UTF-8"))]);
        let mut process = step.begin(&place, Some(&lab));
        step.share("50", &mut process);
        Self { place, lab, step, process }
    }

    /// `kill -9` of everything that the step started.
    fn killed(self) -> (Place, Lab, Step) {
        let Self { place, lab, step, process } = self;
        let child = &step.saved()["pid"];
        assert!(Command::new("kill").args(["-9", child]).status().expect("there is a `kill`").success());
        process.kill();
        assert_eq!(lab.green_percent(), 50);
        (place, lab, step)
    }
}

#[test]
fn a_cancelled_job_gives_the_traffic_back_before_the_second_signal() {
    let Half { place, lab, step, process } = Half::new("", &["--speed", "10"]);
    let since = lab.now();
    process.signal("INT");
    until("it has heard", || process.errors().contains("SIGINT: giving the traffic back").then_some(()));
    // What the runner sends next must not cut the rest short.
    process.signal("TERM");
    let back = lab.is_back_since(since);
    let ended = process.end();
    let left = lab.since(since);
    println!("back after {back:?} of the lab, gone after {left:?}");
    assert!(left < FIRST_WAIT, "{left:?}: {ended}");
    ended.ends(11, &["SIGINT: giving the traffic back", ": rolled back (exit 11)"]);
    assert_eq!(step.outputs()["outcome"], "rolled_back");
    assert!(!ended.text().contains("left at once"), "{ended}");
    let after = step.clean_up(&place, Some(&lab));
    assert!(after.code == Some(0) && after.text().trim().is_empty(), "{after}");
}

#[test]
fn a_job_killed_while_it_gives_the_traffic_back_is_cleaned_up_behind() {
    // No write of the rule is answered in the time that a runner has.
    let half = Half::new("", &["--speed", "10"]);
    half.lab.dial("delay=100%:600s@ModifyRule");
    half.process.signal("INT");
    until("it goes back", || half.step.summary().contains("going back").then_some(()));
    half.process.signal("TERM");
    let (place, lab, step) = half.killed();
    lab.dial("none");
    let after = step.clean_up(&place, Some(&lab));
    after.ends(0, &["taking the traffic back", "is rolled back"]);
    lab.is_all_on("web-blue");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_step_killed_with_all_its_processes_is_rolled_back_by_the_clean_up() {
    let (place, lab, step) = Half::new("", &BESIDE).killed();
    assert!(step.summary().contains("50% to the candidate"), "a killed step has a summary: {}", step.summary());
    let after = step.clean_up(&place, Some(&lab));
    after.ends(0, &["nobody else drives it: taking the traffic back", "::warning title=tidegate::rollout web-"]);
    lab.is_all_on("web-blue");
    let told = lab.run(&place, ["history", &step.outputs()["run-id"]]);
    told.ends(0, &["the job that drove it was cancelled or killed"]);
    // A second clean-up finds nothing left.
    step.clean_up(&place, Some(&lab)).ends(0, &["is over: rolled_back"]);
}

#[test]
fn the_clean_up_leaves_alone_what_somebody_else_drives() {
    let (place, lab, step) = Half::new("", &BESIDE).killed();
    let mut bob = lab.tidegate(&place, ["resume", "--json"]);
    let mut bob = Process::start(bob.env("USER", "bob"));
    bob.event("recovered");
    let after = step.clean_up(&place, Some(&lab));
    after.ends(0, &["::warning title=tidegate::rollout web-", "bob@", "drives it now"]);
    assert_eq!(lab.green_percent(), 50);
    assert_eq!(count(&after.lines, "error"), 0, "{after}");
}

#[test]
fn the_clean_up_holds_where_the_spec_holds() {
    let (place, lab, step) = Half::new("policies: { on_interrupt: hold }\n", &BESIDE).killed();
    let after = step.clean_up(&place, Some(&lab));
    after.ends(0, &["To go on: tidegate resume web-", "to go back: tidegate rollback web-"]);
    assert_eq!(lab.green_percent(), 50);
}
