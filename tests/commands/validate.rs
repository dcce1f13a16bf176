//! `tidegate validate`: whatever is in the file, exit code 2, every problem, no panic, and quickly.

use super::support::{Sandbox, example, examples};

/// Checks that a file with this content is refused with all of these.
#[track_caller]
fn refused(content: impl AsRef<[u8]>, says: &[&str]) {
    let sandbox = Sandbox::new();
    let name = sandbox.file("spec.yaml", content);
    let said = sandbox.run(&["validate", &name]).is(2).says(says);
    assert!(!said.err.contains('\u{1b}'), "colours without a terminal: {:?}", said.err);
    assert_eq!(said.out, "", "problems are messages");
    let json = sandbox.run(&["validate", "--json", &name]).is(2).harmless();
    let lines = json.json();
    assert_eq!((lines.len(), &lines[0]["valid"]), (1, &serde_json::json!(false)), "{}", json.out);
    assert!(!lines[0]["problems"].as_array().unwrap().is_empty());
}

/// Checks that the canary example with this change is refused.
#[track_caller]
fn changed(changes: &[(&str, &str)], says: &[&str]) {
    let mut text = std::fs::read_to_string(examples().join("canary.yaml")).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    refused(text, says);
}

#[test]
fn what_is_no_yaml_is_told_at_its_place() {
    refused("version: [1\n", &["a bracket that is not closed", "spec.yaml:1:10", "1 problem in spec.yaml"]);
    refused("version: 1\n\tname: x\n", &["not YAML", "found a tab"]);
    refused("version: 1\n  - x\n", &["spec.yaml:"]);
    refused("", &["the file holds no spec"]);
    refused("# nothing\n", &["the file holds no spec"]);
    refused("just words\n", &["spec.yaml:1:1"]);
    refused(b"version: 1\nname: \xff\xfe\n", &["byte 0xff is not UTF-8 text", "spec.yaml:2:7"]);
    refused([0_u8; 64], &["spec.yaml:1:1"]);
}

#[test]
fn a_field_is_known_and_set_once() {
    changed(&[("name: web\n", "name: web\nname: web2\n")], &["`name` is set twice", "first set here"]);
    changed(&[("cluster: prod", "clustr: prod")], &["`target` has no field `clustr`", "did you mean `cluster`?"]);
    changed(&[("cluster: prod", "cluster: prod\n  colour: red")], &["`target` has no field `colour`"]);
}

#[test]
fn every_problem_is_told_in_one_go() {
    changed(
        &[
            ("shift: 5%", "shift: 101"),
            ("shift: 25%", "shift: -1"),
            ("shift: 50%", "shift: 0.05"),
            ("cluster:", "clustr:"),
        ],
        &[
            "`101` is more than everything",
            "`-1` is less than nothing",
            "`0.05` is too fine",
            "did you mean `cluster`?",
            "4 problems in spec.yaml",
        ],
    );
}

#[test]
fn shares_go_up() {
    changed(&[("shift: 25%", "shift: 3%")], &["3% is less than the shift before it", "5% here"]);
}

#[test]
fn nothing_is_no_name() {
    changed(
        &[("cluster: prod", "cluster: ~"), ("name: web\n", "name:\n")],
        &["`cluster` has no value", "`name` has no value", "2 problems"],
    );
}

#[test]
fn a_variable_that_is_not_set_is_told_where_it_stands() {
    changed(&[("cluster: prod", "cluster: \"${CLUSTER}\"")], &["`CLUSTER` is not set", "${CLUSTER:-"]);
    let sandbox = Sandbox::new();
    let name = sandbox.changed("canary.yaml", &[("cluster: prod", "cluster: \"${CLUSTER}\"")]);
    let mut command = sandbox.command(&["validate", &name]);
    super::support::end({
        command.env("CLUSTER", "prod");
        command
    })
    .is(0)
    .says(&["valid"]);
}

#[test]
fn size_is_bounded_before_it_is_read() {
    let text = std::fs::read_to_string(example("canary.yaml")).unwrap() + &"#".repeat(1024 * 1024);
    refused(text, &["a spec has at most 131072", "is this the file you meant?"]);
    let sandbox = Sandbox::new();
    let name = sandbox.file("huge.yaml", vec![b'#'; 5 * 1024 * 1024]);
    sandbox.run(&["validate", &name]).is(2).says(&["it has more than 4096 KiB"]);
}

#[test]
fn aliases_do_not_explode() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x]\n".to_owned();
    for (this, last) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        let items = format!("*{last},").repeat(8);
        bomb.extend([this, ": &", this, " [", &items, "]\n"]);
    }
    refused(&bomb, &["a spec has no anchors", "a spec has no aliases"]);
    refused("[".repeat(100_000), &["problem"]);
    refused(format!("{{ a: {}", "[{a: ".repeat(20_000)), &["problem"]);
}

#[test]
fn characters_that_steer_a_terminal_are_shown() {
    let sandbox = Sandbox::new();
    for name in ["\"a\\e[31mb\"", "a\u{202e}b", "\"a\\u009b2Jb\"", "a\u{200b}b"] {
        let change = format!("name: {name}\n");
        let file = sandbox.changed("canary.yaml", &[("name: web\n", change.as_str())]);
        sandbox.run(&["validate", "--json", &file]).is(2).harmless();
        sandbox.run(&["validate", &file]).is(2).harmless().says(&["name: "]);
    }
    let foul = sandbox.file("raw.yaml", "version: 1\nname: \u{1b}[31mred\u{7}\n");
    sandbox.run(&["validate", &foul]).is(2).harmless();
    sandbox.run(&["plan", "--json", "--lab", &foul]).is(2).harmless();
}

#[test]
fn what_a_driver_cannot_do_is_told_with_the_nearest_that_it_can() {
    let spec = |name: &str, changes: &[(&str, &str)]| {
        let mut text = std::fs::read_to_string(examples().join(name)).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        text
    };
    let two = "\n  writer_role: \"arn:aws:iam::123456789012:role/writer\"\n  cluster: prod";
    refused(
        spec("ecs.yaml", &[("pause: 30m", "pause: 10m"), ("\n  cluster: prod", two)]),
        &["ECS writes the rule itself", "the driver is ecs", "2 problems in spec.yaml"],
    );
    refused(
        spec("ecs.yaml", &[("pause: 30m", "pause: 10m")]),
        &["may take 25m, and ECS goes back by itself after a pause of 10m", "pause: 26m"],
    );
    refused(
        spec("codedeploy.yaml", &[("step: 25%", "step: 2.5%"), ("every: 5m", "every: 90s")]),
        &["cannot take equal steps of 2.5%", "step: 3%", "1m 30s is no whole number", "`every: 2m`", "2 problems"],
    );
    refused(
        spec("canary.yaml", &[("name: web\n", "name: web\ndriver: { codedeploy: {} }\n")]),
        &["the target lacks `service`", "a slot has no service of its own", "one share and then everything"],
    );
}

/// A spec whose release is this file.
fn released(taskdef: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let text = std::fs::read_to_string(examples().join("approval.yaml")).unwrap();
    assert!(text.contains("taskdef.json"), "{text}");
    sandbox.file("taskdef.json", taskdef);
    let name = sandbox.file("spec.yaml", text);
    (sandbox, name)
}

#[test]
fn a_release_file_is_checked_with_its_places() {
    let slip = r#"{"family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": 256, "memory": "512", "containerDefinitions": [{"name": "app", "image": "web:2", "essential": "true"}]}"#;
    let (sandbox, name) = released(slip);
    let said = sandbox.run(&["validate", &name]).is(2);
    let said = said.says(&["taskdef.json:2:9: `cpu` is a number", "taskdef.json:2:", "write `true`", "2 problems"]);
    assert_eq!(said.out, "");
    let json = sandbox.run(&["validate", "--json", &name]).is(2).json();
    let first = &json[0]["problems"][0];
    assert_eq!(
        (&first["at"]["line"], &first["at"]["column"]),
        (&serde_json::json!(2), &serde_json::json!(9)),
        "{first}"
    );
    assert!(first["file"].as_str().unwrap().ends_with("taskdef.json"), "{first}");
}

#[test]
fn what_is_newer_than_this_version_passes_with_a_notice() {
    let newer = "\u{feff}{\"$schema\": \"https://example.com\", \"family\": \"web\", \"quantumEntanglement\": {},
        \"containerDefinitions\": [{\"name\": \"app\", \"image\": \"web:2\", \"memory\": 64}]}";
    let (sandbox, name) = released(newer);
    sandbox.run(&["validate", &name]).is(0).says(&["field `quantumEntanglement` is unknown to this version"]);
    let json = sandbox.run(&["validate", "--json", &name]).is(0).json();
    assert_eq!((&json[0]["valid"], json[0]["notices"].as_array().unwrap().len()), (&serde_json::json!(true), 1));
}

#[test]
fn a_release_file_that_is_made_later_keeps_no_spec_from_being_valid() {
    let (sandbox, name) = released("{}");
    std::fs::remove_file(sandbox.path().join("taskdef.json")).unwrap();
    sandbox.run(&["validate", &name]).is(0);
}
