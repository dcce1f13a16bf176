//! `tidegate validate` over several files, and files that are none.

use super::support::{Sandbox, example};

#[test]
fn the_examples_are_valid() {
    let sandbox = Sandbox::new();
    let names =
        ["approval", "blue-green", "canary", "codedeploy", "ecs", "images", "linear", "storefront", "task-sets"];
    let specs = names.map(|name| example(&format!("{name}.yaml")));
    let mut words = vec!["validate"];
    words.extend(specs.iter().map(String::as_str));
    let said = sandbox.run(&words).is(0);
    assert_eq!(said.out.lines().count(), names.len());
    assert!(said.err.is_empty() && said.out.lines().all(|line| line.ends_with(": valid")), "{}", said.out);
}

#[test]
fn each_file_is_told_of_and_the_worst_decides() {
    let sandbox = Sandbox::new();
    let good = example("canary.yaml");
    let bad = sandbox.changed("canary.yaml", &[("shift: 5%", "shift: 101")]);
    let words = ["validate", &good, &bad, "missing.yaml", "."];
    let said = sandbox.run(&words).is(2);
    assert_eq!(said.out, format!("{good}: valid\n"));
    let said = said.says(&["`101` is more than everything", "cannot read the spec missing.yaml", "it is a folder"]);
    assert!(said.err.contains("1 problem in changed-canary.yaml"), "{}", said.err);
    let json = sandbox.run(&["validate", &good, &bad, "missing.yaml", ".", "--json"]).is(2).harmless();
    let lines = json.json();
    assert_eq!(lines.iter().map(|line| line["valid"] == true).collect::<Vec<_>>(), [true, false, false, false]);
    let at = &lines[1]["problems"][0]["at"];
    assert!(at["line"].as_u64().unwrap() > 1 && at["length"] == 3, "{at}");
    assert_eq!(lines[2]["problems"][0]["at"], serde_json::Value::Null);
    assert_eq!(json.err, "");
}

#[test]
fn a_path_that_steers_the_terminal_is_shown() {
    let sandbox = Sandbox::new();
    sandbox.run(&["validate", "\u{1b}[2Jx.yaml"]).is(2).harmless();
    sandbox.run(&["validate", "--json", "\u{9b}2Jx.yaml"]).is(2).harmless();
    let name = sandbox.file("\u{1b}[2Jy.yaml", "version: [1\n");
    sandbox.run(&["validate", &name]).is(2).harmless();
    sandbox.run(&["plan", &name]).is(2).harmless();
}

#[test]
fn a_wrong_spec_costs_little() {
    let sandbox = Sandbox::new();
    let bad = sandbox.changed("canary.yaml", &[("shift: 5%", "shift: 101")]);
    let took = (0..5).map(|_| sandbox.processor_time(&["validate", &bad])).min().unwrap();
    // Under 100 ms; the guard is against a second, which a person would notice.
    assert!(took.as_millis() < 1000, "{took:?}");
}
