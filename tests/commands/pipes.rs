//! Readers that go away: quiet, and never the end of a rollout.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::support::{Sandbox, example, wait};

/// Runs a command whose standard output is read for so many lines, then closed: its exit code and its messages.
fn head(mut command: Command, lines: usize) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..lines {
        out.read_line(&mut String::new()).unwrap();
    }
    drop(out);
    let mut stderr = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let status = wait(&mut child);
    (status.code(), errors.join().unwrap())
}

/// Checks that a command ends well and says nothing when its reader leaves after so many lines.
#[track_caller]
fn quiet(sandbox: &Sandbox, words: &[&str], lines: usize) {
    let (code, errors) = head(sandbox.command(words), lines);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{words:?}");
}

#[test]
fn a_reader_that_leaves_ends_nothing_badly() {
    let sandbox = Sandbox::new();
    for n in 0..40 {
        sandbox.rollout(&format!("web-20261123-1405{n:02}-beef"), 23);
    }
    let spec = example("canary.yaml");
    for lines in [0, 1, 2] {
        quiet(&sandbox, &["history", "--limit", "40"], lines);
        quiet(&sandbox, &["history", "--json"], lines);
        quiet(&sandbox, &["history", "web"], lines);
        quiet(&sandbox, &["status"], lines);
        quiet(&sandbox, &["schema"], lines);
        quiet(&sandbox, &["--help"], lines);
        quiet(&sandbox, &["validate", &spec, &spec, &spec], lines);
        quiet(&sandbox, &["plan", &spec, "--lab"], lines);
        quiet(&sandbox, &["plan", &spec, "--lab", "--json"], lines);
    }
}

#[test]
fn a_rollout_goes_on_without_its_reader() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("");
    let words = ["run", &spec, "--lab", "--yes", "--json", "--lab-speed", "60"];
    let (code, errors) = head(sandbox.command(&words), 3);
    let said: Vec<&str> = errors.lines().filter(|line| !line.starts_with("this machine keeps")).collect();
    assert_eq!((code, said), (Some(0), Vec::new()));
    sandbox.run(&["status"]).is(0).says(&["promoted: web is served by web-green"]);
}

#[test]
fn a_shell_s_pipeline_sees_no_failure() {
    let sandbox = Sandbox::new();
    let mut shell = Command::new("bash");
    let script = "set -o pipefail; \"$0\" schema | head -1; echo \"${PIPESTATUS[0]}\"";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tidegate")]).current_dir(sandbox.path());
    let said = super::support::end(shell);
    assert_eq!((said.out.lines().last(), said.err.as_str()), (Some("0"), ""));
}
