//! The README, the pages of `tidegate docs` and the other texts: what they show is valid, and what they point to exists.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::support::Sandbox;

/// The most lines of the README: it is read in one sitting, and everything else has a page.
const README_LINES: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn readme() -> String {
    read(&root().join("README.md"))
}

/// Texts for people: those at the top, those of the documentation, and those of some folders.
fn texts() -> Vec<PathBuf> {
    let folders = ["", "src/cli/docs", "findings", ".github/action/checksums"];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let texts = entries.map(|entry| entry.unwrap().path());
    texts.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

/// The README's spec.
fn spec() -> Mapping {
    let readme = readme();
    let block = readme.split("\n```yaml\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    serde_yaml::from_str(block).unwrap()
}

/// The parts of specs that a page shows: blocks that are set in and begin with a key of a spec.
fn parts(page: &str) -> Vec<Mapping> {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../rollout-specs/tidegate.schema.json")).unwrap();
    let is_key = |line: &str| line.split(':').next().is_some_and(|key| schema["properties"].get(key).is_some());
    let blocks = page.split("\n\n").filter(|block| block.lines().all(|line| line.starts_with("    ")));
    let blocks = blocks.map(|block| block.lines().map(|line| line[4..].to_owned() + "\n").collect::<String>());
    blocks.filter(|block| is_key(block)).map(|block| serde_yaml::from_str(&block).unwrap()).collect()
}

#[test]
fn each_spec_that_is_shown_is_valid() {
    let sandbox = Sandbox::new();
    let mut seen = 0;
    for part in texts().iter().flat_map(|path| parts(&read(path))).chain([Mapping::new()]) {
        let mut spec = spec();
        // ECS has a switch of its own, and shifts in equal steps.
        if part.contains_key("driver") {
            spec.remove("dead_man");
            spec.insert("strategy".into(), serde_yaml::from_str("linear: { step: 50%, every: 10m }").unwrap());
        }
        spec.extend(part);
        let file = sandbox.file("shown.yaml", serde_yaml::to_string(&Value::Mapping(spec)).unwrap());
        let mut command = sandbox.command(&["validate", &file]);
        command
            .env("SLACK_URL", "https://hooks.slack.com/services/T0/B0/x")
            .env("NOTIFY_SECRET", "sixteen letters at least");
        super::support::end(command).is(0);
        seen += 1;
    }
    assert!(seen > 4, "{seen} specs were found");
}

#[test]
fn the_readme_is_short() {
    let lines = readme().lines().count();
    assert!(lines <= README_LINES, "{lines} lines: give the newest subject a page of `tidegate docs`");
}

#[test]
fn links_lead_to_files_that_exist() {
    for path in texts() {
        let text = read(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let there = path.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(there.exists(), "{} links to {target}", path.display());
        }
    }
}

#[test]
fn tests_and_examples_that_are_named_exist() {
    for path in texts() {
        let text = read(&path);
        let named = |option: &str| -> Vec<String> {
            let after = text.split(option).skip(1).filter_map(|rest| rest.split_whitespace().next());
            after.map(|name| name.trim_end_matches(['`', ',', '.', ':', ';', ')']).to_owned()).collect()
        };
        for (option, folder) in
            [("--test ", "tests"), ("-p tidegate-examples --bin ", "examples"), ("--bench ", "examples/benches")]
        {
            for name in named(option) {
                let base = root().join(folder).join(&name);
                let is_there = base.join("main.rs").is_file() || base.with_extension("rs").is_file();
                assert!(is_there, "{} names {option}{name}", path.display());
            }
        }
    }
}

#[test]
fn paths_that_are_named_exist() {
    let roots = ["src/", "tests/", "examples/", "findings/", "rollout-specs/", ".ci/", ".github/"];
    let mut seen = 0;
    for path in texts() {
        let text = read(&path);
        let named = text.split('`').skip(1).step_by(2).filter(|word| !word.contains(char::is_whitespace));
        // NAME stands for whatever is new.
        let named = named.filter(|word| roots.iter().any(|root| word.starts_with(root)) && !word.contains("NAME"));
        for name in named {
            assert!(root().join(name).exists(), "{} names {name}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} paths were found");
}
