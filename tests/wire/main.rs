//! The lab against clients that we did not write: boto3 and the AWS CLI, at the versions that
//! `requirements.txt` names. Python fetches them once, into the target folder.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]

mod fetch;

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a file of tests in Python; each of them starts a lab of its own.
fn hold(script: &str) {
    let folder = fetch::packages("wire-clients", "tests/wire/requirements.txt");
    let home = Path::new(ROOT).join("tests/wire");
    let path = std::env::join_paths([folder.clone(), home.clone()]).expect("they have no colons");
    let mut python = Command::new("python3");
    python.arg(home.join(script)).env("PYTHONPATH", path).env("AWS_CLI", folder.join("bin/aws"));
    python.env("TIDEGATE_BIN", env!("CARGO_BIN_EXE_tidegate"));
    python.env("TIDEGATE_SPEC", Path::new(ROOT).join("rollout-specs/canary.yaml"));
    let text = fetch::run(script, &mut python);
    println!("{text}");
    assert!(text.contains("\nOK"), "{text}");
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
fn boto3_publishes_and_reads_calendars() {
    hold("notices.py");
}
