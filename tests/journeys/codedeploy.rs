//! CodeDeploy moves the weights in a deployment of its own, and tidegate judges, answers its waits and stops it.

use serde_json::{Value, json};

use crate::drivers::{
    LONG, TENTH, a_failing_release_goes_back, a_person_takes_it_back, at_a_tenth, rings, watch_the_alarm,
};
use crate::support::{Lab, Place, Process, until};

const DRIVER: &str = "{ codedeploy: {} }";

/// Calls CodeDeploy as anybody could.
fn deploy(lab: &Lab, operation: &str, more: &Value) -> Value {
    let mut body = json!({"applicationName": "AppECS-prod-web", "deploymentGroupName": "DgpECS-prod-web"});
    let members = body.as_object_mut().expect("it is an object");
    members.extend(more.as_object().expect("it is an object").clone());
    lab.ask_json(&format!("CodeDeploy_20141006.{operation}"), &body)
}

/// Changes the deployment group, as its owner would.
fn configure(lab: &Lab, what: &Value) {
    let mut body = what.clone();
    body["applicationName"] = json!("AppECS-prod-web");
    body["currentDeploymentGroupName"] = json!("DgpECS-prod-web");
    lab.ask_json("CodeDeploy_20141006.UpdateDeploymentGroup", &body);
}

/// The states of all deployments, newest first, and who made them.
fn deployments(lab: &Lab) -> Vec<(String, String)> {
    let ids = deploy(lab, "ListDeployments", &json!({}))["deployments"].clone();
    let found = lab.ask_json("CodeDeploy_20141006.BatchGetDeployments", &json!({"deploymentIds": ids}));
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let all = found["deploymentsInfo"].as_array().expect("they are listed").iter();
    all.map(|one| (text(&one["status"]), text(&one["creator"]))).collect()
}

fn made(status: &str, creator: &str) -> (String, String) {
    (status.to_owned(), creator.to_owned())
}

/// The way back is over: in traffic, and in CodeDeploy's words.
#[track_caller]
fn is_as_before(lab: &Lab) {
    lab.is_all_on("web-blue");
    assert_eq!(deployments(lab), [made("Succeeded", "codeDeployRollback"), made("Stopped", "user")]);
    assert_eq!(lab.desired("web"), 4);
}

/// CodeDeploy has ended its one deployment, and nobody noticed.
#[track_caller]
fn is_promoted(lab: &Lab) {
    lab.is_all_on("web-green");
    assert_eq!(deployments(lab), [made("Succeeded", "user")]);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

/// A rollout at a tenth, and the lab beside it.
fn tenth(place: &Place, steps: &str) -> (Lab, Process) {
    let spec = place.spec_of_one(DRIVER, steps, "");
    at_a_tenth(place, &spec)
}

#[test]
fn a_healthy_release_is_promoted_and_the_old_tasks_are_not_kept_for_an_hour() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, TENTH);
    runner.end().ends(0, &[r#""outcome":"promoted""#]);
    is_promoted(&lab);
    // Each wait of an hour was ended once: the one for leave to shift, and the one that keeps the old tasks.
    assert_eq!(lab.writes()["ContinueDeployment"], 2, "{}", lab.writes());
}

#[test]
fn a_failing_release_is_back_on_stable_and_codedeploy_says_so() {
    let place = Place::new();
    let lab = a_failing_release_goes_back(&place, &place.spec_of_one(DRIVER, LONG, ""));
    is_as_before(&lab);
}

#[test]
fn a_person_takes_it_back_from_another_process() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, LONG);
    a_person_takes_it_back(&place, &lab, runner);
    is_as_before(&lab);
}

#[test]
fn a_person_who_knows_only_the_service_stops_codedeploy_too() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, LONG);
    runner.kill();
    let elsewhere = Place::new();
    let by_service = ["rollback", "--cluster", "prod", "--service", "web", "--yes"];
    lab.run(&elsewhere, by_service).ends(0, &["all traffic is on web-blue", "CodeDeploy is told to take its"]);
    let back = [made("Succeeded", "codeDeployRollback"), made("Stopped", "user")];
    until("CodeDeploy has taken it back", || (deployments(&lab) == back).then_some(()));
    lab.is_all_on("web-blue");
}

#[test]
fn who_resumes_finds_the_deployment_and_brings_it_to_its_end() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, TENTH);
    runner.kill();
    lab.run(&place, ["resume", "--json"]).ends(0, &[r#""outcome":"promoted""#]);
    is_promoted(&lab);
    assert_eq!(lab.writes()["CreateDeployment"], 1, "{}", lab.writes());
}

#[test]
fn an_alarm_of_the_group_takes_it_back_and_is_named() {
    let place = Place::new();
    let spec = place.spec_of_one(DRIVER, LONG, "");
    watch_the_alarm(&spec);
    let lab = Lab::start(&place, &spec);
    configure(
        &lab,
        &json!({"alarmConfiguration": {"enabled": true, "alarms": [{"name": "web-5xx"}]},
            "autoRollbackConfiguration": {"enabled": true, "events": ["DEPLOYMENT_STOP_ON_ALARM"]}}),
    );
    rings(&place, &lab, &spec);
    is_as_before(&lab);
}

#[test]
fn a_group_that_gives_traffic_unasked_is_refused() {
    let place = Place::new();
    let spec = place.spec_of_one(DRIVER, TENTH, "");
    let lab = Lab::start(&place, &spec);
    configure(
        &lab,
        &json!({"blueGreenDeploymentConfiguration": {
            "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0},
            "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 60}}}),
    );
    lab.roll_out(&place, &spec).end().ends(15, &["STOP_DEPLOYMENT"]);
    assert!(lab.writes().get("CreateDeployment").is_none(), "{}", lab.writes());
}
