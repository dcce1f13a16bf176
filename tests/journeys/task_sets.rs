//! Two task sets of one service, between which tidegate moves the weights.

use serde_json::{Value, json};

use crate::support::{BESIDE, Lab, Place, Process};

const DRIVER: &str = "{ task_sets: {} }";
/// A tenth, and then everything.
const TENTH: &str = "shift: 10%, hold: 1m";
/// A tenth that stays for a while.
const LONG: &str = "shift: 10%, hold: 10m";

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
    let lab = Lab::start(place, &spec);
    let mut runner = lab.roll_out(place, &spec);
    runner.share(10);
    (lab, runner)
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
    let spec = place.spec_of_one(DRIVER, LONG, "");
    let lab = Lab::playing(&place, &spec, &[&BESIDE[..], &["--lab-candidate", "errors=20%"]].concat());
    let ended = lab.roll_out(&place, &spec).end();
    ended.ends(10, &[r#""kind":"breach""#, r#""outcome":"rolled_back""#]);
    is_as_before(&lab);
    lab.traffic().fails_only_in("web-green");
}

#[test]
fn a_person_takes_it_back_from_another_process() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, LONG);
    lab.run(&place, ["rollback", "web", "--yes", "--reason", "slow"]).ends(0, &["slow", "rolled back"]);
    is_as_before(&lab);
    runner.end().ends(14, &["took over"]);
    assert_eq!(lab.traffic().failed(), 0, "{:?}", lab.traffic());
}

#[test]
fn who_resumes_goes_on_with_the_task_set_that_is_there() {
    let place = Place::new();
    let (lab, runner) = tenth(&place, TENTH);
    runner.kill();
    lab.run(&place, ["resume", "--json"]).ends(0, &[r#""outcome":"promoted""#]);
    is_promoted(&lab);
}
