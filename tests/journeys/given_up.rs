//! ECS ends a rolling deployment of the candidate's service by itself.

use serde_json::json;

use crate::support::{BESIDE, Lab, Place};

/// The gate bears more crashes than ECS does: otherwise whichever is looked at first ends the rollout.
const PATIENT_GATE: &str = "  - tasks: { crashes: 30 }\n";

/// The service's circuit breaker goes back to what ran before.
fn breaks(lab: &Lab, service: &str) {
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    let body = json!({"cluster": "prod", "service": service, "deploymentConfiguration": breaker});
    lab.ask_json("AmazonEC2ContainerServiceV20141113.UpdateService", &body);
}

#[test]
fn a_release_that_the_circuit_breaker_takes_back_is_sent_once_and_is_a_breach() {
    let place = Place::new();
    let spec = place.spec(PATIENT_GATE);
    let lab = Lab::playing(&place, &spec, &[&BESIDE[..], &["--lab-candidate", "crash"]].concat());
    breaks(&lab, "web-green");
    let before = lab.writes()["UpdateService"].as_u64().unwrap_or_default();
    let ended = lab.roll_out(&place, &spec).end();
    ended.ends(10, &[r#""kind":"deployment""#, "ECS gave up the release", "exit code 1", r#""outcome":"rolled_back""#]);
    // Once for the release, and once for the way back.
    assert_eq!(lab.writes()["UpdateService"].as_u64(), Some(before + 2), "{ended}");
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-green"), lab.traffic().of("web-green").0), (0, 0));
}

#[test]
fn an_idle_slot_whose_revision_is_deregistered_has_no_tasks_left_after_the_way_back() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::playing(&place, &spec, &[&BESIDE[..], &["--lab-candidate", "errors=20%"]].concat());
    // The only revision of the family, which both services have: Terraform deregisters what it replaced.
    let gone = json!({"taskDefinition": "web:1"});
    lab.ask_json("AmazonEC2ContainerServiceV20141113.DeregisterTaskDefinition", &gone);
    let ended = lab.roll_out(&place, &spec).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#, "web-green keeps the revision that it has"]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-green"), lab.desired("web-blue")), (0, 4));
}
