//! `tidegate plan` against a lab that somebody else has changed: exit code 15, every reason and every remedy.

use serde_json::{Value, json};

use super::support::{Sandbox, Served, example};

const ECS: &str = "AmazonEC2ContainerServiceV20141113";
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

struct Scene {
    sandbox: Sandbox,
    lab: Served,
    spec: String,
    plan: Value,
}

/// A lab made of an example, and the plan for it while all is well.
fn scene(name: &str) -> Scene {
    let sandbox = Sandbox::new();
    let spec = example(name);
    let lab = Served::start(&sandbox, &spec, &["--lab-rps", "0"]);
    let said = lab.run(&sandbox, &["plan", &spec, "--json"]).is(0);
    let plan = serde_json::from_str(&said.out).unwrap();
    Scene { sandbox, lab, spec, plan }
}

impl Scene {
    #[track_caller]
    fn refuses(&self, says: &[&str]) {
        self.refuses_spec(&self.spec, says);
    }

    #[track_caller]
    fn refuses_spec(&self, spec: &str, says: &[&str]) {
        let said = self.lab.run(&self.sandbox, &["plan", spec]).is(15).harmless().says(says);
        assert_eq!(said.out, "", "nothing is planned");
        let json = self.lab.run(&self.sandbox, &["plan", spec, "--json"]).is(15).json();
        let notes = json[0]["notes"].as_array().unwrap().len();
        assert_eq!(said.err.lines().filter(|line| line.starts_with("  - ")).count(), notes, "{}", said.err);
        self.lab.run(&self.sandbox, &["run", spec, "--yes"]).is(15).says(says);
    }

    fn text(&self, pointer: &str) -> &str {
        self.plan.pointer(pointer).and_then(Value::as_str).unwrap()
    }

    fn weights(&self, blue: &str, green: &str) {
        let groups = [self.text("/target/stable/target_group_arn"), self.text("/target/candidate/target_group_arn")];
        let member = |n: usize, what: &str| format!("Actions.member.1.ForwardConfig.TargetGroups.member.{n}.{what}");
        let names =
            [member(1, "TargetGroupArn"), member(1, "Weight"), member(2, "TargetGroupArn"), member(2, "Weight")];
        let mut parameters = vec![("RuleArn", self.text("/target/rule")), ("Actions.member.1.Type", "forward")];
        parameters.extend(names.iter().map(String::as_str).zip([groups[0], blue, groups[1], green]));
        self.lab.elb("ModifyRule", &parameters);
    }
}

#[test]
fn a_folder_as_store_is_answered_with_its_own_flag() {
    let scene = scene("blue-green.yaml");
    for (store, says) in [
        ("/srv/state", "`--state-dir /srv/state`"),
        ("file:///srv/state", "`--state-dir /srv/state`"),
        ("state", "`--state-dir state`"),
        ("gs://bucket", "it is written as s3://bucket"),
    ] {
        let said = scene.lab.run(&scene.sandbox, &["iam-policy", &scene.spec, "--store", store]);
        said.is(2).says(&["invalid store URL", says]);
    }
}

#[test]
fn weights_that_leave_no_way_back_are_refused() {
    let scene = scene("blue-green.yaml");
    scene.weights("50", "50");
    scene.refuses(&["both slots carry weight: web-blue 50, web-green 50", "give one slot weight 0"]);
    scene.weights("0", "100");
    // Green serves and blue would be the candidate: but green runs nothing.
    scene.refuses(&["the stable slot web-green has no capacity to go back to", "bring web-green up first"]);
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let scene = scene("approval.yaml");
    scene.lab.json(&format!("{CLOUDWATCH}.DeleteAlarms"), &json!({"AlarmNames": ["web-5xx"]}));
    let update = json!({"cluster": "prod", "service": "web-blue", "desiredCount": 0});
    scene.lab.json(&format!("{ECS}.UpdateService"), &update);
    scene.refuses(&["there is no alarm web-5xx", "create it in this region", "web-blue has no capacity to go back to"]);
    let group = scene.text("/target/stable/target_group_arn");
    let rule = [("RuleArn", scene.text("/target/rule")), ("Actions.member.1.Type", "forward")];
    let forward = ("Actions.member.1.TargetGroupArn", group);
    scene.lab.elb("ModifyRule", &[rule[0], rule[1], forward]);
    scene.refuses(&["the rule does not forward to green's target group web-green", "there is no alarm web-5xx"]);
}

#[test]
fn an_alarm_that_rings_already_is_refused() {
    let scene = scene("approval.yaml");
    let state = json!({"AlarmName": "web-5xx", "StateValue": "ALARM", "StateReason": "a test"});
    scene.lab.json(&format!("{CLOUDWATCH}.SetAlarmState"), &state);
    scene.refuses(&["alarm web-5xx is in ALARM before the rollout starts", "at_start: wait_for_ok"]);
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    let scene = scene("canary.yaml");
    let sandbox = &scene.sandbox;
    let spec = sandbox.changed("canary.yaml", &[("priority: 10", "priority: 11")]);
    scene.refuses_spec(&spec, &["has no rule with priority 11", "10"]);
    let spec = sandbox.changed(
        "canary.yaml",
        &[("service: web-green", "service: web-gren"), ("load_balancer: web", "load_balancer: wb")],
    );
    scene.refuses_spec(&spec, &["web-gren", "web-green", "`wb`"]);
    let spec = sandbox.changed("canary.yaml", &[("cluster: prod", "cluster: prd")]);
    scene.refuses_spec(&spec, &["prd", "prod"]);
    let crossed = [
        ("target_group: web-blue", "target_group: x"),
        ("target_group: web-green", "target_group: web-blue"),
        ("target_group: x", "target_group: web-green"),
    ];
    let spec = sandbox.changed("canary.yaml", &crossed);
    let says = [
        "service web-blue does not register its tasks in web-green",
        "service web-green does not register its tasks in web-blue",
    ];
    scene.refuses_spec(&spec, &says);
}

#[test]
fn a_release_that_cannot_be_registered_is_refused() {
    let scene = scene("canary.yaml");
    let broken = scene.sandbox.file("taskdef.json", "{\"family\": 7}");
    let spec = scene.sandbox.changed("canary.yaml", &[("file: taskdef.json", &format!("file: {broken}"))]);
    scene.refuses_spec(&spec, &["taskdef.json"]);
    let spec = scene.sandbox.changed("canary.yaml", &[("file: taskdef.json", "file: nowhere.json")]);
    scene.lab.run(&scene.sandbox, &["plan", &spec]).is(2).says(&["nowhere.json", "No such file"]);
}

#[test]
fn a_release_that_the_services_load_balancer_does_not_lead_to_is_refused() {
    let scene = scene("canary.yaml");
    let text = std::fs::read_to_string(scene.sandbox.path().join("taskdef.json")).unwrap();
    assert!(text.contains("\"containerPort\": 8080,"), "{text}");
    scene.sandbox.file("taskdef.json", text.replace("8080,", "3000,"));
    let spec = scene.sandbox.changed("canary.yaml", &[]);
    let says = ["taskdef.json:9:", "the service's load balancer leads to port 8080 of container `app`"];
    scene.refuses_spec(&spec, &says);
}

#[test]
fn a_family_without_an_active_revision_is_rolled_out_from_its_newest() {
    let scene = scene("approval.yaml");
    let images = "images: { family: web, containers: { app: \"example/web:9\" } }";
    let spec = scene.sandbox.changed("approval.yaml", &[("file: taskdef.json", images)]);
    scene.lab.json(&format!("{ECS}.DeregisterTaskDefinition"), &json!({"taskDefinition": "web:1"}));
    let said = scene.lab.run(&scene.sandbox, &["plan", &spec]).is(0);
    said.says(&["web:1, the newest of a family of which none is ACTIVE"]);
}
