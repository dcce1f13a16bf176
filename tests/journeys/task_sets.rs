//! Two task sets of one service, between which tidegate moves the weights.

use serde_json::{Value, json};

use crate::drivers::{LONG, TENTH, a_failing_release_goes_back, a_person_takes_it_back, at_a_tenth};
use crate::support::{Lab, Place, Process};

const DRIVER: &str = "{ task_sets: {} }";

/// The service's task sets that stay: the last part of their target group's name, and their status.
fn sets(lab: &Lab) -> Vec<(String, String)> {
    let of = json!({"cluster": "prod", "service": "web"});
    let found = lab.ask_json("AmazonEC2ContainerServiceV20141113.DescribeTaskSets", &of);
    let sets = found["taskSets"].as_array().expect("they are listed");
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let group = |set: &Value| {
        let arn = text(&set["loadBalancers"][0]["targetGroupArn"]);
        arn.rsplit('/').nth(1).expect("an ARN has a name").to_owned()
    };
    let all = sets.iter().map(|set| (group(set), text(&set["status"])));
    all.filter(|(_, status)| status != "DRAINING").collect()
}

/// The way back is over: in traffic, and in what the service is made of.
#[track_caller]
fn is_as_before(lab: &Lab) {
    lab.is_all_on("web-blue");
    assert_eq!(sets(lab), [("web-blue".to_owned(), "PRIMARY".to_owned())]);
    assert_eq!(lab.desired("web"), 4);
}

#[track_caller]
fn is_promoted(lab: &Lab) {
    lab.is_all_on("web-green");
    assert_eq!(sets(lab), [("web-green".to_owned(), "PRIMARY".to_owned())]);
    let writes = lab.writes();
    let once = ["CreateTaskSet", "UpdateServicePrimaryTaskSet", "DeleteTaskSet"];
    assert!(once.iter().all(|operation| writes[operation] == 1), "{writes}");
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

/// A rollout at a tenth, and the lab beside it.
fn tenth(place: &Place, steps: &str) -> (Lab, Process) {
    let spec = place.spec_of_one(DRIVER, steps, "");
    at_a_tenth(place, &spec)
}

#[test]
fn a_healthy_release_becomes_the_primary_task_set_and_nobody_notices() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, TENTH);
    runner.end().ends(0, &[r#""outcome":"promoted""#]);
    is_promoted(&lab);
}

#[test]
fn a_failing_release_is_back_on_stable_and_its_task_set_is_gone() {
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
fn who_resumes_goes_on_with_the_task_set_that_is_there() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, TENTH);
    runner.kill();
    lab.run(&place, ["resume", "--json"]).ends(0, &[r#""outcome":"promoted""#]);
    is_promoted(&lab);
}
