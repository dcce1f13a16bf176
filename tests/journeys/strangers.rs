//! Somebody else writes the rule, or takes tasks, in the middle of a rollout.

use serde_json::{Value, json};

use crate::support::{Lab, Place, RPS, until};

impl Lab {
    /// Deploys to a service what another runs, as somebody who knows nothing of tidegate.
    fn deploy_what_runs_on(&self, other: &str, service: &str) {
        let runs = self.state()["services"][other]["task_definition"].clone();
        let body = json!({"cluster": "prod", "service": service, "taskDefinition": runs});
        self.ask_json("AmazonEC2ContainerServiceV20141113.UpdateService", &body);
    }
}

#[test]
fn a_foreign_write_ends_the_rollout_on_stable() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.write_weights(30, 70);
    runner.event("foreign_write");
    runner.end().ends(15, &[r#""kind":"foreign_write""#, r#""outcome":"rolled_back""#]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_stable_slot_in_the_middle_of_a_deployment_is_refused() {
    let place = Place::new();
    let spec = place.spec("");
    // At its own pace, so that the deployment is under way for longer than a plan takes.
    let lab = Lab::playing(&place, &spec, &["--lab-speed", "1"]);
    let body = json!({"cluster": "prod", "service": "web-blue", "forceNewDeployment": true});
    lab.ask_json("AmazonEC2ContainerServiceV20141113.UpdateService", &body);
    let planned = lab.run(&place, ["plan", spec.to_str().expect("it is UTF-8")]);
    planned.ends(15, &["the stable slot web-blue does not hold one proven release", "is under way"]);
}

#[test]
fn spot_tasks_that_aws_takes_back_are_no_crash_of_the_release() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let spot = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let body = json!({"cluster": "prod", "service": "web-green", "capacityProviderStrategy": spot,
        "forceNewDeployment": true});
    lab.ask_json("AmazonEC2ContainerServiceV20141113.UpdateService", &body);
    let mut runner = lab.roll_out(&place, &spec);
    runner.event("scaled");
    // More than the gate on tasks lets crash.
    let mut taken = 0;
    until("tasks were taken back often enough", || {
        let answer = lab.ask("POST /_lab/interrupt", "");
        taken += serde_json::from_str::<Value>(&answer).expect("it is JSON")["interrupted"].as_array()?.len();
        (taken >= 8).then_some(())
    });
    let ended = runner.end();
    ended.ends(0, &[r#""outcome":"promoted""#]);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_deployment_to_the_stable_slot_ends_the_rollout() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.deploy_what_runs_on("web-green", "web-blue");
    let told = runner.event("foreign_write");
    assert_eq!(told["to"], "stable_service", "{told}");
    runner.end().ends(15, &[r#""outcome":"rolled_back""#, "the stable slot's service web-blue runs"]);
    lab.is_all_on("web-blue");
    assert_eq!(lab.desired("web-green"), 0);
}

#[test]
fn a_foreign_write_is_left_alone_where_the_spec_says_hold() {
    let place = Place::new();
    let spec = place.spec("policies: { on_foreign_write: hold }\n");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.write_weights(30, 70);
    let paused = runner.event("paused");
    assert!(paused["why"].as_str().is_some_and(|why| why.contains("somebody else wrote the rule")), "{paused}");
    // For two more lab minutes, through all looks that come, nobody touches it.
    let later = lab.traffic().requests() + RPS * 120;
    until("two lab minutes have passed", || {
        let weights = lab.weights();
        assert_eq!(weights["web-green"], 70, "{weights:?}");
        (lab.traffic().requests() > later).then_some(())
    });
    lab.run(&place, ["rollback", "--yes"]).ends(0, &[]);
    lab.is_all_on("web-blue");
    runner.end().ends(14, &["took over"]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 0));
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn a_rule_that_was_moved_after_a_rollback_is_not_called_stable() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.run(&place, ["rollback", "web", "--yes"]).ends(0, &[]);
    runner.end().ends(14, &["took over"]);
    lab.write_weights(0, 100);
    let by_service = ["rollback", "--cluster", "prod", "--service", "web-green", "--yes"];
    for words in [&["rollback", "web", "--yes"][..], &by_service] {
        let back = lab.run(&place, words);
        back.ends(15, &["the rule was moved since", "by hand: aws elbv2 modify-rule"]);
        assert!(!back.text().contains("already"), "{back}");
    }
    assert_eq!(lab.weights()["web-green"], 100);
}

#[test]
fn a_finished_journal_here_does_not_speak_for_a_rollout_from_elsewhere() {
    let (here, elsewhere) = (Place::new(), Place::new());
    let spec = here.spec("");
    let lab = Lab::start(&here, &spec);
    let mut first = lab.roll_out(&here, &spec);
    first.share(10);
    lab.run(&here, ["rollback", "web", "--yes"]).ends(0, &[]);
    first.end().ends(14, &["took over"]);
    let mut second = lab.roll_out(&elsewhere, &elsewhere.spec(""));
    second.share(10);
    let by_service = ["rollback", "--cluster", "prod", "--service", "web-green", "--yes"];
    let back = lab.run(&here, by_service);
    back.ends(0, &["going by the rule's tags", "all traffic is on web-blue"]);
    assert!(!back.text().contains("already"), "{back}");
    lab.is_all_on("web-blue");
    second.end();
    lab.is_all_on("web-blue");
}
