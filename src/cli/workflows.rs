//! The example workflows: they are YAML, each command line in them parses as the binary parses it, and none asks for
//! more permission than it needs.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_yaml::Value;

use super::Cli;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn workflows() -> Vec<(PathBuf, Value)> {
    let folder = std::fs::read_dir(root().join("examples/workflows")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), yaml(&path))).collect()
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Sequence(all) => all.iter().for_each(|one| texts(one, found)),
        Value::Mapping(all) => all.values().for_each(|one| texts(one, found)),
        _ => {}
    }
}

/// Every mapping in a value that has this key.
fn with<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Sequence(all) => all.iter().for_each(|one| with(one, key, found)),
        Value::Mapping(all) => {
            if value.get(key).is_some() {
                found.push(value);
            }
            all.values().for_each(|one| with(one, key, found));
        }
        _ => {}
    }
}

#[track_caller]
fn parses(words: &[String]) {
    let words = std::iter::once("tidegate").chain(words.iter().map(String::as_str));
    let words: Vec<&str> = words.collect();
    if let Err(error) = Cli::try_parse_from(&words) {
        panic!("{words:?}: {error}");
    }
}

/// A line's words as the action takes them apart, without what these examples do not use.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(|(n, part)| match n % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}

#[test]
fn every_command_line_of_the_examples_is_one() {
    let mut lines = 0;
    for (path, workflow) in workflows() {
        let mut all = Vec::new();
        texts(&workflow, &mut all);
        let commands = all.into_iter().flat_map(str::lines).filter_map(|line| {
            let line = line.trim().trim_start_matches("exec ");
            line.strip_prefix("tidegate ").map(|rest| rest.split(" > ").next().unwrap_or(rest))
        });
        for line in commands {
            parses(&words(line));
            lines += 1;
        }
        let mut steps = Vec::new();
        with(&workflow, "uses", &mut steps);
        for step in steps.iter().filter(|step| step["uses"] == "./") {
            let input = |name: &str| step["with"].get(name).and_then(Value::as_str).unwrap_or_default();
            let mut line = vec![input("command"), input("spec")];
            if line[0].is_empty() {
                line[0] = "run";
            }
            let mut line: Vec<String> = line.into_iter().filter(|it| !it.is_empty()).map(str::to_owned).collect();
            line.extend(words(input("args")));
            for (flag, name) in [("--store", "store"), ("--region", "region"), ("--github-oidc-role", "role")] {
                line.push(format!("{flag}={}", input(name)));
            }
            parses(&line);
            lines += 1;
        }
        assert!(lines > 0, "{} runs nothing", path.display());
    }
    assert!(lines > 7, "only {lines} lines were found");
}

#[test]
fn no_example_takes_more_than_it_needs_or_cancels_a_rollout() {
    for (path, workflow) in workflows().into_iter().filter(|(_, workflow)| workflow.get("jobs").is_some()) {
        let permissions = workflow["permissions"].as_mapping().unwrap();
        for (name, right) in permissions {
            let pair = (name.as_str().unwrap(), right.as_str().unwrap());
            let known = [("id-token", "write"), ("contents", "read"), ("pull-requests", "write")];
            assert!(known.contains(&pair), "{}: {pair:?}", path.display());
        }
        if let Some(concurrency) = workflow.get("concurrency") {
            assert_eq!(concurrency["cancel-in-progress"], Value::Bool(false), "{}", path.display());
        }
        let mut scripts = Vec::new();
        with(&workflow, "run", &mut scripts);
        for script in scripts {
            assert!(!script["run"].as_str().unwrap().contains("${{"), "{}: a script takes in text", path.display());
        }
    }
}

#[test]
fn the_steps_of_the_examples_use_inputs_and_outputs_that_the_action_has() {
    let action = yaml(&root().join("action.yml"));
    assert_eq!(action["runs"]["post-if"], "always()");
    for phase in ["main", "post"] {
        assert!(root().join(action["runs"][phase].as_str().unwrap()).is_file(), "{phase}");
    }
    let has = |part: &str, name: &str| action[part].get(name).is_some();
    for (path, workflow) in workflows() {
        let mut steps = Vec::new();
        with(&workflow, "uses", &mut steps);
        for step in steps.iter().filter(|step| step["uses"] == "./") {
            for (name, _) in step["with"].as_mapping().unwrap() {
                assert!(has("inputs", name.as_str().unwrap()), "{}: {name:?}", path.display());
            }
        }
        let mut all = Vec::new();
        texts(&workflow, &mut all);
        for output in all.iter().flat_map(|text| text.split(".outputs.").skip(1)) {
            let name = output.split([' ', '}']).next().unwrap_or_default();
            assert!(has("outputs", name), "{}: {name}", path.display());
        }
    }
}
