//! ECS moves the weights in a deployment of its own, and tidegate judges, answers its pauses and stops it.

use serde_json::{Value, json};

use crate::drivers::{
    LONG, TENTH, a_failing_release_goes_back, a_person_takes_it_back, at_a_tenth, rings, watch_the_alarm,
};
use crate::support::{BESIDE, INSIDE, Lab, Place, Process, until};

/// Thirds, of which the last is more.
const THIRDS: &str = "shift: 30%, hold: 1m, shift: 60%, hold: 1m, shift: 90%, hold: 1m";

/// Calls ECS as anybody could.
fn ecs(lab: &Lab, operation: &str, body: &Value) -> Value {
    lab.ask_json(&format!("AmazonEC2ContainerServiceV20141113.{operation}"), body)
}

/// The newest deployment of the service.
fn newest(lab: &Lab) -> Value {
    let listed = ecs(lab, "ListServiceDeployments", &json!({"cluster": "prod", "service": "web"}));
    listed["serviceDeployments"][0].clone()
}

/// What the service says of its deployments.
fn configuration(lab: &Lab) -> Value {
    let found = ecs(lab, "DescribeServices", &json!({"cluster": "prod", "services": ["web"]}));
    found["services"][0]["deploymentConfiguration"].clone()
}

/// The way back is over: in traffic, in ECS's words, and in what the service says of later deployments.
#[track_caller]
fn is_as_before(lab: &Lab) {
    lab.is_all_on("web-blue");
    assert_eq!(newest(lab)["status"], "ROLLBACK_SUCCESSFUL", "{}", newest(lab));
    assert_eq!(lab.desired("web"), 4);
    let how = configuration(lab);
    assert_eq!((&how["strategy"], &how["bakeTimeInMinutes"]), (&json!("BLUE_GREEN"), &json!(5)), "{how}");
    assert!(how["lifecycleHooks"].as_array().is_none_or(Vec::is_empty), "{how}");
}

/// A rollout at a tenth, and the lab beside it.
fn tenth(place: &Place, steps: &str, more: &str) -> (Lab, Process) {
    let spec = place.spec_of_ecs("30m", steps, more);
    at_a_tenth(place, &spec)
}

#[test]
fn a_healthy_release_is_promoted_by_ecs_and_nobody_notices() {
    let place = Place::new();
    let ended = place.rehearse(&place.spec_of_ecs("30m", TENTH, ""), &INSIDE).end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert!(!ended.has("carried_on"), "each share was asked for: {ended}");
    let traffic = ended.traffic();
    assert_eq!(traffic.failed(), 0, "{ended}");
    assert!(traffic.of("web-green").0 > 0, "{}", traffic.0);
}

#[test]
fn equal_steps_are_taken_one_by_one() {
    let place = Place::new();
    let spec = place.spec_of_ecs("30m", THIRDS, "");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    for share in [30, 60, 90, 100] {
        runner.share(share);
    }
    let ended = runner.end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert!(!ended.has("carried_on"), "{ended}");
    lab.is_all_on("web-green");
    assert_eq!((newest(&lab)["status"].as_str(), lab.desired("web")), (Some("SUCCESSFUL"), 4));
    let how = configuration(&lab);
    assert!(how["lifecycleHooks"].as_array().is_none_or(Vec::is_empty), "{how}");
    assert_eq!(how["strategy"], "BLUE_GREEN", "{how}");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn where_no_pause_holds_each_step_the_rollout_goes_along_and_says_so() {
    let place = Place::new();
    let play = [&INSIDE[..], &["--lab-shift-pauses", "first"]].concat();
    let ended = place.rehearse(&place.spec_of_ecs("30m", THIRDS, ""), &play).end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert!(ended.has("carried_on"), "{ended}");
    assert_eq!(ended.traffic().failed(), 0, "{ended}");
}

#[test]
fn a_failing_release_is_back_on_stable_and_its_tasks_are_gone() {
    let place = Place::new();
    let lab = a_failing_release_goes_back(&place, &place.spec_of_ecs("30m", LONG, ""));
    is_as_before(&lab);
}

#[test]
fn a_release_that_never_gets_healthy_never_gets_traffic() {
    let place = Place::new();
    let more = "limits: { prepare: 3m }\n";
    let spec = place.spec_of_ecs("30m", TENTH, more);
    let lab = Lab::playing(&place, &spec, &[&BESIDE[..], &["--lab-candidate", "never-healthy"]].concat());
    let ended = lab.roll_out(&place, &spec).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#]);
    is_as_before(&lab);
    assert_eq!(lab.traffic().of("web-green").0, 0, "{:?}", lab.traffic());
}

#[test]
fn a_person_takes_it_back_from_another_process() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, LONG, "");
    lab.run(&place, ["status"]).ends(0, &["10%"]);
    a_person_takes_it_back(&place, &lab, runner);
    is_as_before(&lab);
}

#[test]
fn a_person_who_knows_only_the_service_stops_ecs_too() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, LONG, "");
    runner.kill();
    let elsewhere = Place::new();
    let by_service = ["rollback", "--cluster", "prod", "--service", "web", "--yes"];
    lab.run(&elsewhere, by_service).ends(0, &["all traffic is on web-blue", "ECS is told to take its deployment"]);
    until("ECS has taken it back", || (newest(&lab)["status"] == "ROLLBACK_SUCCESSFUL").then_some(()));
    lab.is_all_on("web-blue");
}

#[test]
fn who_resumes_finds_the_deployment_and_brings_it_to_its_end() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, TENTH, "");
    runner.kill();
    lab.run(&place, ["resume", "--json"]).ends(0, &[r#""outcome":"promoted""#]);
    lab.is_all_on("web-green");
    assert_eq!(newest(&lab)["status"], "SUCCESSFUL");
    let begun = lab.writes()["UpdateService"].as_u64();
    assert_eq!(begun, Some(2), "begun once, and configured as before once: {}", lab.writes());
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn without_a_runner_the_pause_takes_the_traffic_back() {
    let place = Place::new();
    let spec = place.spec_of_ecs("5m", TENTH, "limits: { verdict: 2m }\n");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    runner.kill();
    until("ECS has taken it back", || (newest(&lab)["status"] == "ROLLBACK_SUCCESSFUL").then_some(()));
    lab.is_all_on("web-blue");
    let ended = lab.run(&place, ["resume", "--json"]);
    ended.ends(10, &["a pause was not answered in time", r#""outcome":"rolled_back""#]);
    is_as_before(&lab);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn an_alarm_of_the_service_takes_it_back_and_is_named() {
    let place = Place::new();
    let spec = place.spec_of_ecs("30m", LONG, "");
    watch_the_alarm(&spec);
    let lab = Lab::start(&place, &spec);
    let alarms = json!({"alarmNames": ["web-5xx"], "enable": true, "rollback": true});
    let body = json!({"cluster": "prod", "service": "web", "deploymentConfiguration": {"alarms": alarms}});
    ecs(&lab, "UpdateService", &body);
    rings(&place, &lab, &spec);
    is_as_before(&lab);
}

#[test]
fn somebody_elses_deployment_in_the_middle_ends_the_rollout_and_is_left_alone() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, LONG, "");
    ecs(&lab, "UpdateService", &json!({"cluster": "prod", "service": "web", "forceNewDeployment": true}));
    let theirs = newest(&lab)["serviceDeploymentArn"].clone();
    let ended = runner.end();
    assert!(ended.text().contains("a new service deployment started"), "{ended}");
    assert_ne!(ended.code, Some(0), "{ended}");
    let now = newest(&lab);
    assert_eq!(now["serviceDeploymentArn"], theirs, "{now}");
    assert!(!now["status"].as_str().is_some_and(|status| status.starts_with("ROLLBACK")), "it was stopped: {now}");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_service_with_ways_of_its_own_deploys_by_them_again_afterwards() {
    let place = Place::new();
    let spec = place.spec_of_ecs("30m", TENTH, "");
    let lab = Lab::start(&place, &spec);
    let pause = |stages: Value, minutes: u64, action: &str| {
        json!({"targetType": "PAUSE", "lifecycleStages": stages,
            "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": action}})
    };
    let own = json!({"strategy": "LINEAR", "bakeTimeInMinutes": 7,
        "linearConfiguration": {"stepPercent": 50.0, "stepBakeTimeInMinutes": 2},
        "lifecycleHooks": [pause(json!(["POST_SCALE_UP"]), 600, "ROLLBACK"),
            pause(json!(["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"]), 1, "CONTINUE")]});
    ecs(&lab, "UpdateService", &json!({"cluster": "prod", "service": "web", "deploymentConfiguration": own}));
    let before = configuration(&lab);
    let mut runner = lab.roll_out(&place, &spec);
    let is_theirs = |event: &Value| event["why"].as_str().is_some_and(|why| why.contains("of the service's own"));
    let line = runner.event_where("waiting", is_theirs);
    let why = line["why"].as_str().expect("it says why");
    let word = |flag: &str| why.split(&format!("{flag} ")).nth(1).and_then(|rest| rest.split([' ', '`']).next());
    let (arn, hook) = (word("--service-deployment-arn").expect("it is named"), word("--hook-id").expect("it is named"));
    assert!(why.contains("POST_SCALE_UP"), "{why}");
    ecs(&lab, "ContinueServiceDeployment", &json!({"serviceDeploymentArn": arn, "hookId": hook, "action": "CONTINUE"}));
    runner.end().ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(configuration(&lab), before);
}
