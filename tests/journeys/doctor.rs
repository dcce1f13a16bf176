//! `doctor` on a target that is well, on one that is not, and on one that somebody holds.

use std::path::Path;

use serde_json::{Value, json};

use crate::drivers::{LONG, at_a_tenth};
use crate::support::{BESIDE, Ended, Lab, Place, Process};

const ALARM: &str = "gates: [ { alarm: { name: web-5xx } } ]\n";
const ECS: &str = "AmazonEC2ContainerServiceV20141113";

/// The short canary with other gates.
fn spec_with(place: &Place, gates: &str, more: &str) -> std::path::PathBuf {
    let path = place.spec("");
    let text = std::fs::read_to_string(&path).expect("it was written");
    let (head, _) = text.split_once("gates:\n").expect("it has gates");
    std::fs::write(&path, format!("{head}{gates}{more}")).expect("it can be written");
    path
}

fn doctor(place: &Place, lab: &Lab, spec: &Path, words: &[&str]) -> Ended {
    let spec = spec.to_str().expect("paths are UTF-8 here");
    lab.run(place, [&["doctor", spec], words].concat())
}

/// The check of this name, with its state.
#[track_caller]
fn state(ended: &Ended, name: &str) -> String {
    let told = ended.last("doctor");
    let sections = told["sections"].as_array().expect("there are some");
    let mut checks = sections.iter().flat_map(|section| section["checks"].as_array().expect("it has checks"));
    let found: Option<&Value> = checks.find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {told:#}"))["state"].as_str().expect("it is a word").to_owned()
}

#[test]
fn a_wrong_clock_is_told_and_nothing_fails_for_it() {
    let place = Place::new();
    let spec = spec_with(&place, ALARM, "");
    let mut lab = Lab::playing(&place, &spec, &[&BESIDE[..], &["--lab-fault", "skew=-20m"]].concat());
    lab.share_store();
    let ended = doctor(&place, &lab, &spec, &["--json"]);
    ended.ends(0, &["this machine's clock is 20m ahead of AWS's"]);
    assert_eq!((state(&ended, "clock").as_str(), state(&ended, "caller").as_str()), ("warn", "ok"));
}

#[test]
fn all_is_proven_on_a_target_that_is_well_and_nothing_is_changed() {
    let place = Place::new();
    let roles = "dead_man: { role: \"arn:aws:iam::123456789012:role/switch\" }\n";
    let spec = spec_with(&place, "gates:\n  - compare: {}\n  - alarm: { name: web-5xx }\n", roles);
    let text = std::fs::read_to_string(&spec).expect("it was written");
    let signed = "  writer_role: arn:aws:iam::123456789012:role/writer\n  slots:\n";
    std::fs::write(&spec, text.replace("  slots:\n", signed)).expect("it can be written");
    let mut lab = Lab::start(&place, &spec);
    lab.share_store();
    let rule = || {
        let answer = lab.elb("DescribeRules", &[("RuleArns.member.1", lab.rule())]);
        answer.split_once("</Rules>").expect("it tells rules").0.to_owned()
    };
    let before = rule();
    let ended = doctor(&place, &lab, &spec, &["--json"]);
    ended.ends(0, &[]);
    for name in [
        "caller",
        "rule write",
        "other writes",
        "writer role",
        "lease",
        "compare and swap",
        "web-5xx",
        "compare",
        "dead_man",
    ] {
        assert_eq!(state(&ended, name), "ok", "{name}: {ended}");
    }
    assert_eq!(rule(), before, "the rule is another");
    let writes = lab.writes();
    assert_eq!(
        (&writes["ModifyRule"], &writes["CreateSchedule"], &writes["DeleteSchedule"]),
        (&json!(2), &json!(1), &json!(1)),
        "{writes}"
    );
    let read = doctor(&place, &lab, &spec, &["--json", "--read-only"]);
    read.ends(0, &[]);
    for name in ["rule write", "writer role", "compare and swap", "dead_man"] {
        assert_eq!(state(&read, name), "unknown", "{name}: {read}");
    }
    assert_eq!(state(&read, "other writes"), "ok", "to ask IAM is a read: {read}");
    assert_eq!(lab.writes(), writes, "--read-only has written");
}

#[test]
fn a_permission_that_is_missing_is_named_and_ends_16() {
    let place = Place::new();
    let spec = spec_with(&place, ALARM, "");
    let lab = Lab::start(&place, &spec);
    let as_one = |denied: &str| {
        let mut command = lab.tidegate(&place, ["doctor", spec.to_str().expect("paths are UTF-8 here"), "--json"]);
        command.envs(lab.all_but(&[denied]));
        Process::start(&mut command).end()
    };
    let ended = as_one("elasticloadbalancing:ModifyRule");
    ended.ends(16, &["not authorized to perform: elasticloadbalancing:ModifyRule", "tidegate iam-policy"]);
    assert_eq!((state(&ended, "rule write"), state(&ended, "web-5xx")), ("fail".to_owned(), "ok".to_owned()));
    assert_eq!(state(&ended, "other writes"), "fail", "{ended}");
    as_one("cloudwatch:DescribeAlarms").ends(16, &["DescribeAlarms"]);
    // What only a rollout would call is asked of IAM, about the role that was assumed.
    let ended = as_one("ecs:RegisterTaskDefinition");
    let said = "ecs:RegisterTaskDefinition on arn:aws:ecs:eu-west-1:123456789012:task-definition/web:0: a policy denies it, \
                IAM says of arn:aws:iam::123456789012:role/team/narrow";
    ended.ends(16, &[said, "tidegate iam-policy"]);
    assert_eq!((state(&ended, "other writes"), state(&ended, "rule write")), ("fail".to_owned(), "ok".to_owned()));
    for question in ["iam:SimulatePrincipalPolicy", "iam:GetRole"] {
        let ended = as_one(question);
        assert_eq!(state(&ended, "other writes"), "unknown", "{ended}");
        ended.ends(0, &["not proven: the caller may not ask IAM", "--for doctor"]);
    }
    let ended = as_one("application-autoscaling:DescribeScalableTargets");
    assert_eq!(state(&ended, "autoscaling"), "warn");
    ended.ends(0, &["autoscaling cannot be read"]);
}

#[test]
fn what_is_broken_is_named_and_ends_15() {
    let place = Place::new();
    let typo = "gates:\n  - metric:\n      name: typo\n      inputs: { m: { metric: NoSuchMetric, statistic: Sum, of: candidate } }\n      above: 1\n";
    let spec = spec_with(&place, typo, "");
    let lab = Lab::start(&place, &spec);
    doctor(&place, &lab, &spec, &["--json"]).ends(15, &["no data of the slot that serves", "dimensions"]);
    let spec = spec_with(&place, "gates: [ { alarm: { name: not-there } } ]\n", "");
    let ended = doctor(&place, &lab, &spec, &["--json"]);
    ended.ends(15, &["there is no such alarm", "there is no alarm not-there"]);
    assert_eq!(state(&ended, "not-there"), "fail");
    // The stable slot has nothing to go back to.
    let spec = spec_with(&place, "gates: [ { compare: {} } ]\n", "");
    let body = json!({"cluster": "prod", "service": "web-blue", "desiredCount": 0});
    lab.ask_json(&format!("{ECS}.UpdateService"), &body);
    let ended = doctor(&place, &lab, &spec, &["--json"]);
    ended.ends(15, &["there is nothing to go back to"]);
    // A store that is not there.
    let ended = doctor(&place, &lab, &spec, &["--json", "--store", "s3://no-such-bucket/x"]);
    assert_eq!(
        (state(&ended, "compare and swap"), state(&ended, "rule write")),
        ("fail".to_owned(), "unknown".to_owned())
    );
}

#[test]
fn a_rule_that_a_rollout_holds_is_not_written() {
    let place = Place::new();
    let spec = place.spec_of(LONG, "");
    let (lab, runner) = at_a_tenth(&place, &spec);
    let before = lab.writes()["ModifyRule"].clone();
    let ended = doctor(&place, &lab, &spec, &["--json"]);
    ended.ends(15, &["holds the rule"]);
    assert_eq!((state(&ended, "lease"), state(&ended, "rule write")), ("fail".to_owned(), "unknown".to_owned()));
    // A store that knows nothing of the rollout: the rule's own tags do.
    let elsewhere = place.state().with_file_name("elsewhere").display().to_string();
    let ended = doctor(&place, &lab, &spec, &["--json", "--state-dir", &elsewhere]);
    ended.ends(15, &["the rule is marked by rollout web-"]);
    assert_eq!(state(&ended, "rule write"), "unknown");
    assert_eq!(lab.writes()["ModifyRule"], before, "the rule was written under a rollout");
    runner.kill();
}
