//! What a rollout must leave behind, whatever befell its runners: read from the lab, which knows the truth.

use serde_json::{Value, json};

use crate::support::{Lab, Place};

const STABLE: &str = "web-blue";
const CANDIDATE: &str = "web-green";

/// What a world had before its rollout, which it must have again.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Users stay on the slot that answered them first.
    pub is_sticky: bool,
    /// Both services can be scaled by policies.
    pub is_scaled: bool,
}

impl Before {
    /// Makes a fresh lab so.
    pub fn set_up(self, lab: &Lab) {
        if self.is_sticky {
            lab.make_sticky(600);
        }
        for service in [STABLE, CANDIDATE].iter().filter(|_| self.is_scaled) {
            lab.let_scale(service);
        }
    }
}

/// What is said of the release and its runners.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// The release is no worse than the one before.
    pub is_healthy: bool,
    /// Somebody asked for the way back, perhaps in vain: a person, a guard or a signal.
    pub is_told: bool,
}

/// Holds a lab against what `status --json` says of its only rollout, which must be over. Nothing may be unlike
/// before that `left_undone` does not name. Returns the outcome.
pub fn judge(lab: &Lab, place: &Place, before: Before, said: Said) -> String {
    let status = lab.status(place);
    let tasks = (lab.desired(STABLE), lab.desired(CANDIDATE));
    let undone = status["left_undone"].to_string();
    let outcome = status["outcome"].as_str().unwrap_or_else(|| panic!("it is not over: {status}")).to_owned();
    match &*outcome {
        "promoted" => {
            assert!(said.is_healthy, "a failing release was promoted: {status}");
            lab.is_all_on(CANDIDATE);
            assert_eq!(tasks, (0, 4), "{status}");
        }
        "rolled_back" => {
            let (kind, gate) = (status["reason"]["kind"].as_str().unwrap_or_default(), &status["reason"]["gate"]);
            // A lab that is much faster than the wall makes seconds of the limits that are minutes.
            let is_late = ["dead_man", "time_limit"].contains(&kind) || gate == "tasks";
            let excused = said.is_told && ["operator", "signal"].contains(&kind) || is_late;
            assert!(excused || !said.is_healthy, "a healthy release went back by itself: {status}");
            lab.is_all_on(STABLE);
            assert_eq!(tasks.0, 4, "{status}");
            assert!(tasks.1 == 0 || undone.contains("keeps its tasks"), "{tasks:?}: {status}");
        }
        other => panic!("{other}: {status}"),
    }
    let traffic = lab.traffic();
    if said.is_healthy {
        assert_eq!(traffic.failed(), 0, "{}\n{status}", traffic.0);
    }
    traffic.fails_only_in(CANDIDATE);
    let state = lab.state();
    let left = [
        (state["sticky"][lab.rule()] != before.is_sticky, "stickiness of the rule"),
        (state["suspended"] != json!([]), "autoscaling stays held"),
        (state["schedules"] != json!([]), "the dead-man's switch"),
        (lab.marks().contains("tidegate:"), "the rule keeps its tidegate tags"),
    ];
    for (is_left, words) in left {
        assert!(!is_left || undone.contains(words), "{words}: {state}\n{status}");
    }
    gives_back(lab, place);
    assert_eq!(status["runner"], Value::Bool(false), "{status}");
    outcome
}

/// The lease is given back: by the last runner, or where that died after its last line, by whoever comes next, who
/// writes nothing else.
fn gives_back(lab: &Lab, place: &Place) {
    if lab.phases(place) != ["over"] {
        let before = lab.writes();
        let guarded = lab.run(place, ["guard", "--once"]);
        assert_eq!((guarded.code, lab.writes()), (Some(0), before), "it is over: {guarded}");
    }
    assert_eq!(lab.phases(place), ["over"], "the lease is not given back");
}

impl Lab {
    /// What `status --json` says of the only rollout.
    pub fn status(&self, place: &Place) -> Value {
        self.run(place, ["status", "--json"]).events().remove(0)
    }

    /// Makes the rule bind clients to a target group for this long.
    pub fn make_sticky(&self, seconds: u32) {
        let rule = self.elb("DescribeRules", &[("RuleArns.member.1", self.rule())]);
        let groups = "Actions.member.1.ForwardConfig.TargetGroups.member";
        let mut parameters = vec![("RuleArn".to_owned(), self.rule().to_owned())];
        parameters.push(("Actions.member.1.Type".into(), "forward".into()));
        let weights = self.weights();
        for (number, arn) in (1..).zip(target_groups(&rule)) {
            let weight = weights[arn.split('/').nth(1).expect("it is a target group's ARN")];
            parameters.push((format!("{groups}.{number}.TargetGroupArn"), arn));
            parameters.push((format!("{groups}.{number}.Weight"), weight.to_string()));
        }
        let config = "Actions.member.1.ForwardConfig.TargetGroupStickinessConfig";
        parameters.push((format!("{config}.Enabled"), "true".into()));
        parameters.push((format!("{config}.DurationSeconds"), seconds.to_string()));
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.elb("ModifyRule", &parameters);
    }

    /// Makes both target groups sticky themselves.
    pub fn make_groups_sticky(&self) {
        let rule = self.elb("DescribeRules", &[("RuleArns.member.1", self.rule())]);
        for arn in target_groups(&rule) {
            let attribute = [("Attributes.member.1.Key", "stickiness.enabled"), ("Attributes.member.1.Value", "true")];
            self.elb("ModifyTargetGroupAttributes", &[&[("TargetGroupArn", &*arn)], &attribute[..]].concat());
        }
    }

    fn let_scale(&self, service: &str) {
        let body = json!({
            "ServiceNamespace": "ecs", "ResourceId": format!("service/prod/{service}"),
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 0, "MaxCapacity": 8,
        });
        self.ask_json("AnyScaleFrontendService.RegisterScalableTarget", &body);
    }

    /// The tags of the rule, as the API writes them.
    fn marks(&self) -> String {
        self.elb("DescribeTags", &[("ResourceArns.member.1", self.rule())])
    }

    /// The phases of all leases in the store that rollouts are kept in.
    fn phases(&self, place: &Place) -> Vec<String> {
        let bodies = if self.is_shared() { self.objects("v1/control/") } else { place.documents() };
        let documents = bodies.iter().map(|body| serde_json::from_str::<Value>(body).expect("documents are JSON"));
        documents.filter_map(|document| document["phase"].as_str().map(ToOwned::to_owned)).collect()
    }
}

/// The target groups of the first forward action, by ARN.
fn target_groups(rule: &str) -> Vec<String> {
    let config = rule.split("<ForwardConfig>").nth(1).expect("the rule forwards");
    let config = config.split("</ForwardConfig>").next().unwrap_or_default();
    config.split("<TargetGroupArn>").skip(1).filter_map(|part| Some(part.split_once('<')?.0.to_owned())).collect()
}
