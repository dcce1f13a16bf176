//! The lab against clients that we did not write: boto3 and the AWS CLI, at the versions that
//! `requirements.txt` names. Python fetches them once, into the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command to its end and gives what it printed; what it was for is said when it fails.
fn run(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{what}:\n{text}");
    text
}

/// A folder with the clients in it, made anew when `requirements.txt` has changed.
fn clients() -> PathBuf {
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FETCHING.lock();
    let requirements = std::fs::read_to_string(Path::new(ROOT).join("tests/wire/requirements.txt")).expect("a list");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire-clients");
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == requirements) {
        return folder;
    }
    let _ = std::fs::remove_dir_all(&folder);
    let wanted: Vec<&str> = requirements.split_whitespace().collect();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&folder).args(wanted);
    run("installing boto3 and the AWS CLI with pip", &mut pip);
    std::fs::write(&stamp, requirements).expect("the folder is there");
    folder
}

/// Runs a file of tests in Python; each of them starts a lab of its own.
fn hold(script: &str) {
    let folder = clients();
    let home = Path::new(ROOT).join("tests/wire");
    let path = std::env::join_paths([folder.clone(), home.clone()]).expect("they have no colons");
    let mut python = Command::new("python3");
    python.arg(home.join(script)).env("PYTHONPATH", path).env("AWS_CLI", folder.join("bin/aws"));
    python.env("TIDEGATE_BIN", env!("CARGO_BIN_EXE_tidegate"));
    python.env("TIDEGATE_SPEC", Path::new(ROOT).join("rollout-specs/canary.yaml"));
    let text = run(script, &mut python);
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
