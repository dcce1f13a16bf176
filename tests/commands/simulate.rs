//! `tidegate simulate`: tables, JSON and pictures of what a spec would do.

use super::support::{Sandbox, example, harmless};

fn words<'a>(spec: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["simulate", spec, "--runs", "4", "--rps", "20", "--regression", "none", "--regression", "errors=50%"], more]
        .concat()
}

#[test]
fn a_table_says_what_would_happen_and_what_that_is_worth() {
    let sandbox = Sandbox::new();
    let spec = example("harm-budget.yaml");
    let said = sandbox.run(&words(&spec, &[])).is(0).harmless();
    let said =
        said.says(&["2 regressions at 1 rate, 4 rollouts each, seed 1", "errors=50%", "100 % (4)", "is in truth"]);
    let said = said.says(&["not simulated", "gate tasks", "simulating 8 rollouts"]);
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    assert!(!said.out.contains("simulating"), "messages are for the other stream: {}", said.out);
}

#[test]
fn a_bad_release_goes_back_a_good_one_does_not_and_the_seed_decides_all_else() {
    let sandbox = Sandbox::new();
    let spec = example("harm-budget.yaml");
    let one = sandbox.run(&words(&spec, &["--json"])).is(0).harmless();
    let json = &one.json()[0];
    assert_eq!((&json["type"], &json["format"], &json["runs"]), (&"simulation".into(), &1.into(), &4.into()));
    let cells = json["cells"].as_array().unwrap();
    assert_eq!((&cells[0]["regression"], &cells[0]["promoted"]["of"]), (&"none".into(), &4.into()));
    assert_eq!((&cells[1]["rps"], &cells[1]["rolled_back"]["of"]), (&20.0.into(), &4.into()));
    assert!(cells[1]["harmed_requests"]["mean"].as_f64().unwrap() < 60.0, "{}", cells[1]);
    assert!(cells[1]["seconds_to_detect"]["median"].as_f64().unwrap() < 300.0, "{}", cells[1]);
    assert_eq!(one.out, sandbox.run(&words(&spec, &["--format", "json"])).is(0).out);
    assert_ne!(one.out, sandbox.run(&words(&spec, &["--json", "--seed", "2"])).is(0).out);
}

#[test]
fn every_shipped_spec_can_be_simulated() {
    let sandbox = Sandbox::new();
    for file in std::fs::read_dir(super::support::examples()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let spec = path.display().to_string();
            let words = ["simulate", &spec, "--runs", "1", "--rps", "20", "--regression", "errors=20%"];
            sandbox.run(&words).is(0).says(&["errors=20%"]);
        }
    }
}

#[test]
fn what_a_driver_does_otherwise_is_said() {
    let sandbox = Sandbox::new();
    for (spec, said) in [("ecs", "driver ecs: the weights"), ("codedeploy", "driver codedeploy: the weights")] {
        let spec = example(&format!("{spec}.yaml"));
        let words = ["simulate", &spec, "--runs", "1", "--rps", "20", "--regression", "none"];
        let ended = sandbox.run(&words).is(0).harmless();
        ended.says(&[said]);
        let json = sandbox.run(&[&words[..], &["--json"]].concat()).is(0);
        assert!(json.json()[0]["driver_not_simulated"].is_string(), "{}", json.out);
    }
    let json = sandbox.run(&words(&example("canary.yaml"), &["--json"])).is(0);
    assert!(json.json()[0]["driver_not_simulated"].is_null(), "{}", json.out);
}

#[test]
fn gates_on_metrics_are_computed_and_others_are_named() {
    let sandbox = Sandbox::new();
    let said = sandbox.run(&words(&example("canary.yaml"), &[])).is(0);
    assert!(!said.out.contains("gate candidate errors"), "{}", said.out);
    let said = said.says(&["100 % (4)"]);
    assert!(said.out.contains("gate tasks: tasks start"), "{}", said.out);
    let said = sandbox.run(&words(&example("storefront.yaml"), &[])).is(0);
    said.says(&["gate smoke: probes are answered", "gate dependencies: alarms are quiet"]);
}

#[test]
fn a_picture_goes_to_a_file_and_holds_no_foreign_marks() {
    let sandbox = Sandbox::new();
    let said = sandbox.run(&words(&example("harm-budget.yaml"), &["--format", "svg", "--out", "sim.svg"])).is(0);
    assert_eq!(said.out, "");
    let svg = std::fs::read_to_string(sandbox.path().join("sim.svg")).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("in truth"), "{svg}");
    harmless(&svg);
    let there = words(&example("harm-budget.yaml"), &["--format", "svg", "--out", "no/where.svg"]).join("\n");
    let there: Vec<&str> = there.split('\n').collect();
    sandbox.run(&there).is(2).says(&["cannot write no/where.svg"]);
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    let check = |words: &[&str], says: &[&str]| {
        sandbox.run(&[&["simulate", &spec], words].concat()).is(2).says(says);
    };
    check(&["--regression", "eror=1%"], &["`eror=1%`", "errors=1%, latency=+10%"]);
    check(&["--regression", "crash"], &["tasks are not simulated", "--lab-candidate"]);
    check(&["--regression", "errors=NaN"], &["errors=1%"]);
    check(&["--rps", "0"], &["from 0.01 to 1000000"]);
    check(&["--rps", "20,x"], &["from 0.01 to 1000000"]);
    check(&["--runs", "0"], &["1..=100000"]);
    check(&["--stable", "median=0s"], &["median=100ms"]);
    check(&["--format", "png"], &["svg"]);
    sandbox.run(&["simulate", "nowhere.yaml"]).is(2).says(&["cannot read the spec nowhere.yaml"]);
}
