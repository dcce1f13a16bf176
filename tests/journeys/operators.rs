//! People in a second process while a runner runs, and after.

use crate::support::{INSIDE, Lab, Place, Process};

#[test]
fn an_approval_is_given_from_another_process() {
    let place = Place::new();
    let mut runner = place.rehearse(&place.example("approval.yaml"), &INSIDE);
    runner.share(10);
    let early = place.run(["approve", &place.rehearsal()]);
    early.ends(15, &["it does not wait for an approval"]);
    runner.event("awaiting_approval");
    let status = place.run(["status"]);
    status.ends(0, &["wait for approval", "tidegate approve web-approval-"]);
    let told = place.status();
    assert_eq!((&told["runner"], &told["candidate"]["configured_percent"]), (&true.into(), &10.into()), "{told}");
    place.run(["approve", &place.rehearsal()]).ends(0, &[]);
    let by = runner.event("approved")["by"].clone();
    assert!(by.as_str().is_some_and(|by| by.starts_with("alice@")), "{by}");
    let ended = runner.end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
    place.run(["rollback", &place.rehearsal(), "--yes"]).ends(15, &["was promoted", "it was a rehearsal"]);
    place.run(["history", "--lab"]).ends(0, &["promoted", "web-approval-"]);
    let again = place.run(["history", "web-approval", "--json"]);
    assert!(again.has("approved") && again.last("finished")["outcome"] == "promoted", "{again}");
}

#[test]
fn a_rollout_is_paused_continued_and_rolled_back_from_another_process() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.run(&place, ["pause", "web", "--reason", "lunch"]).ends(0, &["lunch"]);
    runner.event("paused");
    lab.run(&place, ["pause", "web"]).ends(15, &["it is paused: paused by alice@", "lunch"]);
    lab.run(&place, ["status"]).ends(0, &["lunch", "tidegate continue web-"]);
    let status = lab.run(&place, ["status", "--json"]).events().remove(0);
    assert!(status["paused"].as_str().is_some_and(|why| why.contains("lunch")), "{status}");
    assert_eq!(lab.green_percent(), 10);
    lab.run(&place, ["continue", "web"]).ends(0, &[]);
    runner.event("continued");
    runner.share(50);
    lab.run(&place, ["rollback", "web"]).ends(2, &["--yes"]);
    lab.run(&place, ["rollback", "web", "--yes", "--reason", "checkout is slow"]).ends(0, &[]);
    lab.is_all_on("web-blue");
    // The runner did not give the traffic back: it stopped when it saw who decides now.
    let fenced = runner.end();
    fenced.ends(14, &["alice@", "took over"]);
    assert!(!fenced.has("retreating"), "{fenced}");
    lab.run(&place, ["rollback", "web", "--yes"]).ends(0, &["already on stable since", "checkout is slow"]);
    lab.run(&place, ["resume", "web"]).ends(11, &[]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_rollout_in_an_inside_lab_is_paused_and_aborted_from_another_process() {
    let place = Place::new();
    let mut runner = place.rehearse(&place.spec(""), &INSIDE);
    runner.share(10);
    let id = place.rehearsal();
    place.run(["pause"]).ends(2, &["a rehearsal in a lab is named by its whole id", &id]);
    place.run(["pause", &id]).ends(0, &[]);
    runner.event("paused");
    place.run(["continue", &id]).ends(0, &[]);
    place.run(["abort", &id, "--yes"]).ends(0, &["rolled back"]);
    let ended = runner.end();
    ended.ends(11, &[r#""outcome":"rolled_back""#]);
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
}

#[test]
fn a_rollout_is_promoted_from_another_process_and_says_who_skipped_what() {
    let place = Place::new();
    let spec = place.spec_of("shift: 10%, hold: 30m, approve: { within: 1h }, shift: 50%, hold: 30m", "");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.run(&place, ["why", "web"]).ends(0, &["why          holding", "next         step", "owner        alice@"]);
    let why = lab.run(&place, ["why", "--json"]).events().remove(0);
    assert_eq!((&why["state"], &why["step"]["title"]), (&"forward".into(), &"hold 30m".into()), "{why}");
    lab.run(&place, ["promote", "web"]).ends(2, &["cannot ask for confirmation: no terminal", "--yes"]);
    lab.run(&place, ["pause", "web"]).ends(0, &[]);
    let promoted = lab.run(&place, ["promote", "web", "--yes", "--reason", "security fix"]);
    promoted.ends(0, &["promoted by alice@", "security fix", "committed"]);
    lab.is_all_on("web-green");
    let ended = runner.end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert!(ended.has("skipped") && ended.last("promoting")["said"] == "security fix", "{ended}");
    assert_eq!(ended.events().iter().filter(|event| event["type"] == "skipped").count(), 5, "{ended}");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
    lab.run(&place, ["promote", "web", "--yes"]).ends(15, &["is over: promoted"]);
    lab.run(&place, ["why", "web"]).ends(0, &["promoted by alice@", "skipped: hold 30m, wait for approval, shift 50%"]);
}

#[test]
fn a_rollback_needs_no_runner() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    runner.kill();
    lab.run(&place, ["status"]).ends(0, &["Nobody drives it", "tidegate resume web-"]);
    lab.run(&place, ["pause"]).ends(13, &["nobody drives rollout web-"]);
    assert_eq!(lab.green_percent(), 10);
    lab.run(&place, ["rollback", "--yes"]).ends(0, &["rolled back"]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_lab_inside_a_runner_is_gone_with_it() {
    let place = Place::new();
    let mut runner = place.rehearse(&place.spec(""), &INSIDE);
    runner.event("started");
    runner.kill();
    let id = place.rehearsal();
    place.run(["resume", &id]).ends(15, &["ran in a lab inside its runner, which is gone"]);
    place.run(["rollback", &id, "--yes"]).ends(15, &["ran in a lab inside its runner, which is gone"]);
}

#[test]
fn what_a_runner_prints_works_in_a_shell_that_knows_nothing_of_its_store() {
    let place = Place::new();
    let spec = place.spec_of("shift: 50%, hold: 5m", "");
    let path = spec.to_str().expect("temporary paths are UTF-8");
    let elsewhere = place.state().with_file_name("elsewhere").display().to_string();
    for kept in [["--state-dir", &elsewhere], ["--store", &Lab::store()]] {
        let lab = Lab::start(&place, &spec);
        let bare = |arguments: &[&str]| {
            let mut command = lab.tidegate(&place, arguments);
            command.env_remove("TIDEGATE_STATE_DIR");
            Process::start(&mut command).end()
        };
        let mut runner = lab.begin(&place, ["run", path, "--yes", "--json"].iter().chain(&kept));
        runner.share(50);
        let id = bare(&["status", "web", "--json"]).events()[0]["id"].as_str().expect("it has an id").to_owned();
        bare(&["status", &id]).ends(0, &[&format!("tidegate rollback {id}")]);
        bare(&["pause", path]).ends(0, &[]);
        bare(&["rollback", &id, "--yes"]).ends(0, &[]);
        lab.is_all_on("web-blue");
        runner.end().ends(14, &[]);
    }
    place.run(["rollback", "nothing.yaml", "--yes"]).ends(2, &["cannot read the spec nothing.yaml"]);
}
