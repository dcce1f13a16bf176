//! What leads to the slots beside the rollout's rule: nobody who comes that way loses the tasks behind it.

use serde_json::json;

use crate::support::{Lab, Place};

impl Lab {
    /// The first ARN in what the load balancing API answers.
    fn arn(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let answer = self.elb(action, parameters);
        let start = answer.find("arn:").unwrap_or_else(|| panic!("{action} names nothing: {answer}"));
        answer[start..].split('<').next().expect("it is an element").to_owned()
    }

    /// The listener of the rollout's rule.
    fn listener(&self) -> String {
        let (head, _) = self.rule().rsplit_once('/').expect("it is a rule's ARN");
        head.replace(":listener-rule/", ":listener/")
    }

    /// Somebody's rule that forwards to a slot.
    fn add_rule(&self, slot: &str) -> String {
        let group = self.arn("DescribeTargetGroups", &[("Names.member.1", slot)]);
        let action = [("Actions.member.1.Type", "forward"), ("Actions.member.1.TargetGroupArn", group.as_str())];
        self.create_rule("/admin", &action)
    }

    /// Somebody's rule that answers everything by itself.
    fn take_everything(&self) -> String {
        let status = "Actions.member.1.FixedResponseConfig.StatusCode";
        self.create_rule("/*", &[("Actions.member.1.Type", "fixed-response"), (status, "200")])
    }

    /// A rule before the rollout's.
    fn create_rule(&self, path: &str, action: &[(&str, &str)]) -> String {
        let listener = self.listener();
        let mut parameters = vec![
            ("ListenerArn", listener.as_str()),
            ("Priority", "7"),
            ("Conditions.member.1.Field", "path-pattern"),
            ("Conditions.member.1.PathPatternConfig.Values.member.1", path),
        ];
        parameters.extend(action);
        self.arn("CreateRule", &parameters)
    }

    /// Registers a service's tasks behind an internal balancer too.
    fn put_behind_inner(&self, service: &str) {
        let balancer = self.arn("CreateLoadBalancer", &[("Name", "inner"), ("Scheme", "internal")]);
        let inner =
            [("Name", "inner"), ("Protocol", "HTTP"), ("Port", "80"), ("VpcId", "vpc-0lab"), ("TargetType", "ip")];
        let group = self.arn("CreateTargetGroup", &inner);
        let listener = [
            ("LoadBalancerArn", balancer.as_str()),
            ("Protocol", "HTTP"),
            ("Port", "90"),
            ("DefaultActions.member.1.Type", "forward"),
            ("DefaultActions.member.1.TargetGroupArn", &group),
        ];
        self.elb("CreateListener", &listener);
        let own = self.arn("DescribeTargetGroups", &[("Names.member.1", service)]);
        let entry = |group: &str| json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
        let body = json!({"cluster": "prod", "service": service, "loadBalancers": [entry(&own), entry(&group)]});
        self.ask_json("AmazonEC2ContainerServiceV20141113.UpdateService", &body);
    }
}

#[test]
fn a_service_behind_a_second_balancer_and_a_rule_beside_the_rollouts_are_refused_with_their_places() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    lab.put_behind_inner("web-blue");
    lab.add_rule("web-green");
    let planned = lab.run(&place, ["plan", spec.to_str().expect("it is UTF-8")]);
    planned.ends(
        15,
        &[
            "service web-blue registers its tasks in inner too, to which",
            "(port 90, everything no other rule matches) forwards",
            "(port 443, path /admin) forwards to web-green too",
            "give what comes there a service of its own",
        ],
    );
}

#[test]
fn a_rule_that_takes_everything_before_the_rollouts_is_named_and_nobody_is_said_to_be_served() {
    let place = Place::new();
    // A gate that decides would not pass without data.
    let spec = place.spec("      watch: true\n");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(50);
    lab.take_everything();
    runner.end().ends(0, &[r#""outcome":"promoted""#]);
    let words = "promoted: the rule gives web-green everything, and no request is counted there since";
    lab.run(&place, ["status", "web"]).ends(0, &[words]);
    let planned = lab.run(&place, ["plan", spec.to_str().expect("it is UTF-8")]);
    planned.ends(0, &["rule 7 (path /*) is asked before rule 10 and takes all of its requests"]);
}

#[test]
fn a_rule_that_somebody_adds_during_the_rollout_keeps_the_old_slots_tasks() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(50);
    let rule = lab.add_rule("web-blue");
    let kept = "the old stable slot keeps its tasks: ";
    runner.end().ends(0, &[r#""outcome":"promoted""#, kept, "(port 443, path /admin) forwards to web-blue too"]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 4));
    lab.elb("DeleteRule", &[("RuleArn", &rule)]);
    lab.run(&place, ["resume", "web"]).ends(0, &[]);
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (0, 4));
}

#[test]
fn a_rule_that_leads_to_the_candidate_keeps_no_traffic_there_and_its_tasks() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(10);
    lab.add_rule("web-green");
    lab.run(&place, ["rollback", "web", "--yes"]).ends(0, &["the candidate slot keeps its tasks: "]);
    runner.end().ends(14, &["took over"]);
    lab.is_all_on("web-blue");
    assert_eq!((lab.desired("web-blue"), lab.desired("web-green")), (4, 4));
}
