//! `tidegate record`: what it refuses, and a recording of a rollout in a lab, judged again.

use super::support::{Sandbox, Served, example};

const SPEC: &str = "
version: 1
name: web
target:
  cluster: prod
  rule: { load_balancer: web, port: 443, priority: 10 }
  slots:
    blue: { service: web-blue, target_group: web-blue }
    green: { service: web-green, target_group: web-green }
release: { file: taskdef.json }
strategy:
  canary: { steps: [shift: 30%, hold: 8m], warm: 1m }
limits: { prepare: 1h, shift: 1h, verdict: 1h }
gates:
  - tasks: { start_within: 1h }
  - compare: {}
";

#[test]
fn a_rollout_in_a_lab_is_recorded_and_judged_again() {
    let sandbox = Sandbox::new();
    let spec = sandbox.file("spec.yaml", SPEC);
    let words = ["--lab-speed", "60", "--lab-rps", "20", "--lab-candidate", "errors=60%"];
    let lab = Served::start(&sandbox, &spec, &words);
    lab.run(&sandbox, &["run", &spec, "--yes"]).is(10).says(&["the candidate fails more"]);
    let said = lab.run(&sandbox, &["record", &spec, "--out", "rec.jsonl"]).is(0).harmless();
    let said = said.says(&["recording web: stable web-blue, candidate web-green", "lines written"]);
    assert_eq!(said.out, "");
    let text = std::fs::read_to_string(sandbox.path().join("rec.jsonl")).unwrap();
    assert!(text.contains("\"slot\": \"candidate\"") && text.contains("slower_than"), "{text}");
    sandbox.run(&["backtest", &spec, "--metrics", "rec.jsonl"]).is(10).says(&["the candidate fails more"]);
    // Some of it, and the roles the other way round.
    let words = ["record", &spec, "--since", "30m", "--candidate", "blue"];
    let some = lab.run(&sandbox, &words).is(0).says(&["stable web-green, candidate web-blue"]);
    assert!(some.out.lines().count() < text.lines().count(), "{}", some.out);
    assert!(some.json().iter().all(|line| line["requests"].as_f64().unwrap() > 0.0), "{}", some.out);
}

#[test]
fn times_are_said_in_a_way_that_is_understood() {
    let sandbox = Sandbox::new();
    let spec = example("harm-budget.yaml");
    let check = |words: &[&str], says: &[&str]| {
        sandbox.run(&[&["record", &spec, "--region", "eu-west-1"], words].concat()).is(2).says(says);
    };
    check(&["--since", "yesterday"], &["so long ago", "2026-11-23T14:00:00Z"]);
    check(&["--since", "2"], &["so long ago"]);
    check(&["--since", "4d"], &["more than 72h ago", "--past"]);
    check(&["--since", "1h", "--until", "2h"], &["there is nothing between"]);
    check(&["--since", "1h", "--candidate", "red"], &["blue"]);
    sandbox.run(&["record", "nowhere.yaml"]).is(2).says(&["cannot read the spec nowhere.yaml"]);
    sandbox.run(&["record", &spec]).is(2).says(&["no region"]);
    sandbox.run(&["record", &spec, "--region", "eu-west-1"]).is(16).says(&["no credentials found"]);
}
