//! The way back after a promotion: one command, on a release that went through every gate.

use serde_json::json;

use crate::support::{Lab, Place, Process};

/// A lab whose rollout was promoted; its id.
fn promoted(place: &Place) -> (Lab, String) {
    let spec = place.spec_of("shift: 50%, hold: 1m", "");
    let lab = Lab::start(place, &spec);
    let ended = lab.roll_out(place, &spec).end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
    let id = lab.status(place)["id"].as_str().expect("it has an id").to_owned();
    (lab, id)
}

fn revision(lab: &Lab, service: &str) -> String {
    let told = lab.ask_json(
        "AmazonEC2ContainerServiceV20141113.DescribeServices",
        &json!({"cluster": "prod", "services": [service]}),
    );
    let arn = told["services"][0]["taskDefinition"].as_str().expect("the service has one");
    arn.rsplit('/').next().expect("it is an ARN").to_owned()
}

#[test]
fn a_promoted_release_is_taken_back_by_one_command_and_only_once() {
    let place = Place::new();
    let (lab, id) = promoted(&place);
    let (before, after) = (revision(&lab, "web-blue"), revision(&lab, "web-green"));
    lab.run(&place, ["rollback", "web", "--yes"]).ends(15, &["was promoted", &format!("rollback {id} --to previous")]);
    let dry = lab.run(&place, ["rollback", "web", "--to", "previous", "--dry-run", "--json"]);
    dry.ends(0, &[r#""type":"way_back""#, r#""steps":["#]);
    assert_eq!((lab.green_percent(), lab.desired("web-blue")), (100, 0), "a dry run changes nothing");

    let reason = ["--reason", "checkout is slow"];
    let back = ["rollback", "web", "--to", "previous", "--yes", "--json"];
    lab.run(&place, back.iter().chain(&reason)).ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-blue");
    assert_eq!((revision(&lab, "web-blue"), lab.desired("web-blue"), lab.desired("web-green")), (before, 4, 0));
    lab.traffic().fails_only_in("nothing");
    assert_eq!(lab.status(&place)["undoes"], json!({"rollout": id, "said": "checkout is slow"}));

    lab.run(&place, back).ends(0, &["already on web:"]);
    lab.is_all_on("web-blue");
    let revision = after.rsplit(':').next().expect("it has a revision");
    lab.run(&place, ["rollback", "web", "--to", revision, "--yes", "--json"]).ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
}

#[test]
fn a_release_that_is_not_there_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (lab, _) = promoted(&place);
    lab.run(&place, ["rollback", "web", "--to", "97", "--yes"]).ends(15, &["there is no task definition", ":97"]);
    lab.run(&place, ["rollback", "web", "--to", "yesterday", "--yes"]).ends(2, &["`--to yesterday` names no release"]);
    lab.is_all_on("web-green");
    // Somebody deploys by hand: what was there before that is not what the rollout replaced.
    let theirs = json!({"cluster": "prod", "service": "web-green", "taskDefinition": "web:1"});
    lab.ask_json("AmazonEC2ContainerServiceV20141113.UpdateService", &theirs);
    lab.run(&place, ["rollback", "web", "--to", "previous", "--yes"]).ends(15, &["has all traffic, which rollout"]);
    lab.is_all_on("web-green");
}

#[test]
fn a_promotion_that_still_clears_up_leaves_the_old_tasks_to_who_goes_back() {
    for dies in [false, true] {
        let place = Place::new();
        let spec = place.spec_of("shift: 50%, hold: 1m", "");
        let lab = Lab::start(&place, &spec);
        let mut runner = lab.roll_out(&place, &spec);
        runner.event_where("step_started", |event| event["title"] == "retire the old stable slot");
        lab.run(&place, ["rollback", "web", "--yes"]).ends(15, &["--to previous"]);
        let dry = lab.run(&place, ["rollback", "web", "--to", "previous", "--dry-run"]);
        dry.ends(0, &["told to leave the old tasks"]);
        let runner = if dies { Err(runner.kill()) } else { Ok(runner) };
        let back = lab.run(&place, ["rollback", "web", "--to", "previous", "--yes", "--json"]);
        back.ends(0, &[r#""outcome":"promoted""#]);
        lab.is_all_on("web-blue");
        assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
        let first = runner.map_or(back, Process::end);
        assert!(first.text().contains("the old stable slot keeps its tasks: alice@"), "{first}");
        lab.traffic().fails_only_in("nothing");
    }
}
