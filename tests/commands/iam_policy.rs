//! `tidegate iam-policy`: documents with the ARNs of the account, for everybody or for one; and a rollout whose
//! forward writes are a role's.

use serde_json::{Value, json};

use super::support::{Ended, Sandbox, Served};

const ACCOUNT: &str = "123456789012";
const WHO: [&str; 7] = ["runner", "on-call", "guard", "dead-man", "writer", "plan", "doctor"];

/// A spec with a store, a switch and a writer's role.
fn spec(sandbox: &Sandbox) -> String {
    let extra =
        format!("store: s3://releases/tidegate\ndead_man: {{ role: \"arn:aws:iam::{ACCOUNT}:role/dead-man\" }}\n");
    let slots = "  slots:\n";
    let writer = format!("  writer_role: arn:aws:iam::{ACCOUNT}:role/writer\n{slots}");
    let quick = sandbox.quick(&extra);
    let text = std::fs::read_to_string(sandbox.path().join(quick)).unwrap();
    sandbox.file("full.yaml", text.replace(slots, &writer))
}

fn document(said: &Ended) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

/// The resources of the statement with this name.
fn resources(policy: &Value, sid: &str) -> Vec<String> {
    let statements = policy["Statement"].as_array().unwrap();
    let found = statements.iter().find(|statement| statement["Sid"] == sid);
    let found = found.unwrap_or_else(|| panic!("no {sid} in {policy:#}"))["Resource"].as_array().unwrap();
    found.iter().map(|resource| resource.as_str().unwrap().to_owned()).collect()
}

#[test]
fn everybody_gets_a_document_with_the_accounts_own_arns() {
    let sandbox = Sandbox::new();
    let spec = spec(&sandbox);
    let lab = Served::start(&sandbox, &spec, &[]);
    let said = lab.run(&sandbox, &["iam-policy", &spec]).is(0).harmless();
    let all = document(&said);
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), WHO);
    let ecs = |rest: &str| format!("arn:aws:ecs:eu-west-1:{ACCOUNT}:{rest}");
    let runner = &all["runner"];
    assert_eq!(resources(runner, "Services"), [ecs("service/prod/web-blue"), ecs("service/prod/web-green")]);
    assert_eq!(resources(runner, "TagsOfTheRegistration"), [ecs("task-definition/web:*")]);
    assert_eq!(resources(runner, "Alarms"), [format!("arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:web-5xx")]);
    let schedules = format!("arn:aws:scheduler:eu-west-1:{ACCOUNT}:schedule/default/web-*");
    assert_eq!(resources(runner, "Schedules"), [schedules]);
    assert_eq!(resources(runner, "StoreObjects"), ["arn:aws:s3:::releases/tidegate/v1/*"]);
    let rule = resources(runner, "Rule");
    assert!(rule[0].starts_with(&format!("arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:listener-rule/app/web/")));
    for role in ["dead-man", "writer"] {
        assert_eq!(resources(&all[role]["policy"], "Rule"), rule, "{role}");
        assert_eq!(all[role]["trust"]["Statement"][0]["Action"], "sts:AssumeRole", "{role}");
    }
    let again = lab.run(&sandbox, &["iam-policy", &spec]).is(0);
    assert_eq!(said.out, again.out, "it is not the same twice");
}

#[test]
fn one_gets_the_document_alone() {
    let sandbox = Sandbox::new();
    let full = spec(&sandbox);
    let lab = Served::start(&sandbox, &full, &[]);
    let all = document(&lab.run(&sandbox, &["iam-policy", &full]).is(0));
    for who in WHO {
        let one = document(&lab.run(&sandbox, &["iam-policy", &full, "--for", who]).is(0));
        assert_eq!(one, all[who], "{who}");
    }
    let runner = &all["runner"];
    assert_eq!((&runner["Version"], runner.as_object().unwrap().len()), (&json!("2012-10-17"), 2));
    // A role that the spec does not name has no policy.
    let plain = sandbox.quick("");
    for (who, field) in [("writer", "target.writer_role"), ("dead-man", "dead_man")] {
        lab.run(&sandbox, &["iam-policy", &plain, "--for", who]).is(2).says(&["the spec has no", field]);
    }
    let all = document(&lab.run(&sandbox, &["iam-policy", &plain]).is(0));
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["runner", "on-call", "guard", "plan", "doctor"]);
    let stored = document(&lab.run(&sandbox, &["iam-policy", &plain, "--for", "guard", "--store", "s3://other"]).is(0));
    assert_eq!(resources(&stored, "StoreObjects"), ["arn:aws:s3:::other/v1/*"]);
}

#[test]
fn a_release_without_its_file_has_no_policy() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("");
    let lab = Served::start(&sandbox, &spec, &[]);
    std::fs::write(sandbox.path().join("taskdef.json"), "{}").unwrap();
    lab.run(&sandbox, &["iam-policy", &spec]).is(15).says(&["the release is not as the spec names it"]);
}

#[test]
fn a_rollout_whose_forward_writes_are_a_roles_is_promoted_and_can_go_back() {
    let sandbox = Sandbox::new();
    let slots = "  slots:\n";
    let quick = std::fs::read_to_string(sandbox.path().join(sandbox.quick(""))).unwrap();
    let text = quick.replace(slots, &format!("  writer_role: arn:aws:iam::{ACCOUNT}:role/writer\n{slots}"));
    let spec = sandbox.file("writer.yaml", text);
    let page = sandbox.run(&["plan", &spec, "--lab"]).is(0).harmless();
    page.says(&["AWS refuses a forward write that comes late: it is signed as role/writer"]);
    sandbox.run(&["run", &spec, "--lab", "--yes", "--lab-speed", "60"]).is(0).says(&["promoted"]);
    let crash = ["run", &spec, "--lab", "--yes", "--lab-speed", "60", "--lab-candidate", "errors=100%"];
    let with_gate = std::fs::read_to_string(sandbox.path().join(&spec)).unwrap() + "  - compare: {}\n";
    std::fs::write(sandbox.path().join(&spec), with_gate).unwrap();
    sandbox.run(&crash).is(10).says(&["rolled back"]);
}

#[test]
fn a_plan_says_that_its_credentials_may_end_too_early() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("");
    let lab = Served::start(&sandbox, &spec, &[]);
    let plan = |token: Option<&str>, ends: Option<&str>| {
        let mut command = lab.command(&sandbox, &["plan", &spec]);
        for (name, value) in [("AWS_SESSION_TOKEN", token), ("AWS_CREDENTIAL_EXPIRATION", ends)] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        super::support::end(command).is(0).harmless().out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(!plan(None, None).contains("credentials"));
    let unknown = plan(Some("token"), None);
    assert!(
        unknown.contains("! these credentials are temporary") && unknown.contains("holds where it is"),
        "{unknown}"
    );
    let known = plan(Some("token"), Some("2020-01-01T00:00:00Z"));
    assert!(known.contains("these credentials end at 2020-01-01T00:00:00Z, and the plan takes at most"), "{known}");
    assert!(!plan(Some("token"), Some("2999-01-01T00:00:00Z")).contains("credentials"));
}
