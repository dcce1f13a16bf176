//! The lab against what we did not write: boto3 and the AWS CLI at the versions that `requirements.txt` names, botocore's
//! models, and moto. Python fetches them once, into the target folder.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]

mod fetch;
mod prometheus;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Python programs that run at once for one file of tests: most of their time is waiting.
const AT_ONCE: usize = 4;

/// The Python packages of a list, or nothing where they cannot be had: the test is left out then, and says so past the
/// runner, which would keep what a test prints to itself. `.ci/run` counts the line.
fn packages(name: &str, list: &str) -> Option<PathBuf> {
    left_out(fetch::packages(name, list))
}

/// What could be had; else it is said that the test is left out.
fn left_out<T>(had: Result<T, String>) -> Option<T> {
    had.inspect_err(|error| {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = writeln!(std::io::stderr(), "\nleft out: {test}: {error}");
    })
    .ok()
}

/// Runs a file of tests in Python, each of its classes in a program of its own, beside a lab of its own.
fn hold(script: &str) {
    hold_with("wire-clients", "tests/wire/requirements.txt", script);
}

/// The same with the packages of a list.
fn hold_with(name: &str, list: &str, script: &str) {
    let Some(folder) = packages(name, list) else { return };
    let text = std::fs::read_to_string(Path::new(ROOT).join("tests/wire").join(script)).expect("it is there");
    let classes = text.lines().filter_map(|line| line.strip_prefix("class ")?.strip_suffix("Case):"));
    let classes = classes.filter_map(|class| class.split('(').next()).filter(|class| *class != "Case");
    let classes = Mutex::new(classes.collect::<Vec<_>>());
    let count = classes.lock().expect("nobody panicked").len();
    assert!(count > 0, "{script} has no tests");
    let next = || classes.lock().expect("nobody panicked").pop();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(count) {
            scope.spawn(|| std::iter::from_fn(next).for_each(|class| hold_class(&folder, script, class)));
        }
    });
}

fn hold_class(folder: &Path, script: &str, class: &str) {
    let home = Path::new(ROOT).join("tests/wire");
    let path = std::env::join_paths([folder, &home]).expect("they have no colons");
    let mut python = Command::new("python3");
    python.arg(home.join(script)).arg(class).env("PYTHONPATH", path).env("AWS_CLI", folder.join("bin/aws"));
    python.env("TIDEGATE_BIN", env!("CARGO_BIN_EXE_tidegate"));
    python.env("TIDEGATE_SPEC", Path::new(ROOT).join("rollout-specs/canary.yaml"));
    let text = fetch::run(&format!("{class} of {script}"), &mut python).unwrap_or_else(|error| panic!("{error}"));
    println!("{text}");
    assert!(text.contains("\nOK") && !text.contains("Ran 0 tests"), "{text}");
}

#[test]
fn boto3_and_the_aws_cli_find_an_account_behind_the_lab() {
    hold("clients.py");
}

#[test]
fn boto3_and_the_aws_cli_drive_deployments_of_ecs() {
    hold("deployments.py");
}

#[test]
fn every_answer_and_refusal_is_one_that_botocores_models_have() {
    hold("contract.py");
}

#[test]
fn the_lab_and_moto_differ_only_where_the_table_says_who_is_right() {
    hold_with("wire-moto", "tests/wire/moto.txt", "against_moto.py");
}

#[test]
fn boto3_publishes_and_reads_calendars() {
    hold("notices.py");
}
