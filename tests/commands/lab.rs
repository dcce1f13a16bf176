//! `tidegate lab`: the ready line, and what it refuses.

use std::net::TcpListener;

use super::support::{self, Sandbox, Served, example};

#[test]
fn the_ready_line_is_all_that_a_client_needs() {
    let sandbox = Sandbox::new();
    let spec = example("blue-green.yaml");
    let lab = Served::start(&sandbox, &spec, &["--lab-speed", "10"]);
    let ready = &lab.ready;
    assert!(ready["endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{ready}");
    assert_eq!(ready["environment"]["AWS_ENDPOINT_URL"], ready["endpoint"]);
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TIDEGATE_CLOCK", "TIDEGATE_CONNECT_TO"] {
        assert!(ready["environment"][name].as_str().is_some_and(|value| !value.is_empty()), "{name}: {ready}");
    }
    lab.run(&sandbox, &["plan", &spec]).is(0).says(&["Plan for web-blue-green"]);
}

#[test]
fn a_labs_clock_that_is_left_in_a_shell_is_ignored_without_the_lab() {
    let sandbox = Sandbox::new();
    let mut status = sandbox.command(&["status"]);
    status.env("TIDEGATE_CLOCK", "/nowhere/tidegate-lab.clock");
    support::end(status).is(2).says(&["note: TIDEGATE_CLOCK is set", "there is no rollout in this store yet"]);
    let mut status = sandbox.command(&["--endpoint-url", "http://127.0.0.1:9", "status"]);
    status.env("TIDEGATE_CLOCK", "/nowhere/tidegate-lab.clock");
    support::end(status).is(2).says(&["is the clock of no lab", "unset it"]);
}

#[test]
fn a_command_beside_a_lab_reaches_it_and_its_code_is_the_labs() {
    let sandbox = Sandbox::new();
    let spec = example("approval.yaml");
    let beside = |words: &[&str]| sandbox.run(&[&["lab", "--spec", &spec, "--"], words].concat());
    let tidegate = env!("CARGO_BIN_EXE_tidegate");
    beside(&[tidegate, "plan", &spec]).is(0).says(&["Plan for web-approval"]);
    beside(&["sh", "-c", "exit 7"]).is(7);
    beside(&["sh", "-c", "kill -TERM $$"]).is(143);
    beside(&["nowhere-to-be-found"]).is(2).says(&["cannot run nowhere-to-be-found"]);
    let left = std::fs::read_dir(sandbox.path()).unwrap().flatten().map(|entry| entry.file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().ends_with(".clock")).count(), 0);
}

#[test]
fn a_shell_reaches_a_lab_until_it_is_told_to_forget_it() {
    let sandbox = Sandbox::new();
    let script = r#"
        set -eu
        trap 'test -z "${TIDEGATE_LAB_PID:-}" || kill "$TIDEGATE_LAB_PID"' EXIT
        eval "$("$TIDEGATE" lab up --spec "$SPEC")"
        test -e "$TIDEGATE_CLOCK"
        clock=$TIDEGATE_CLOCK
        "$TIDEGATE" plan "$SPEC"
        "$TIDEGATE" lab up --spec "$SPEC" || echo "again: $?"
        eval "$("$TIDEGATE" lab down)"
        test -z "${AWS_ENDPOINT_URL:-}${TIDEGATE_CLOCK:-}${TIDEGATE_LAB_PID:-}"
        while test -e "$clock"; do :; done
        "$TIDEGATE" lab down || echo "down: $?"
        "$TIDEGATE" lab up --spec nowhere.yaml || echo "up: $?"
    "#;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).env_clear().env("PATH", std::env::var("PATH").unwrap()).env("TMPDIR", sandbox.path());
    shell.env("TIDEGATE", env!("CARGO_BIN_EXE_tidegate")).env("SPEC", example("approval.yaml"));
    shell.env("HOME", sandbox.path());
    let said = support::end(shell).is(0);
    said.says(&[
        "Plan for web-approval",
        "has a lab already",
        "again: 2",
        "this shell has no lab",
        "down: 2",
        "cannot read the spec nowhere.yaml",
        "up: 2",
    ]);
}

#[test]
fn it_serves_this_machine_only() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let words = ["lab", "--spec", &spec, "--listen", address];
        sandbox.run(&words).is(2).says(&["is not a loopback address", "127.0.0.1"]);
    }
    sandbox.run(&["lab", "--spec", &spec, "--listen", "localhost"]).is(2).says(&["--listen <ADDRESS:PORT>"]);
    sandbox.run(&["lab"]).is(2).says(&["--spec <SPEC>"]);
    sandbox.run(&["lab", "--spec", "nowhere.yaml"]).is(2).says(&["cannot read the spec nowhere.yaml"]);
}

#[test]
fn a_port_in_use_is_told() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = ["lab", "--spec", &example("canary.yaml"), "--listen", &address];
    sandbox.run(&words).is(1).says(&[&address, "Address already in use", "port 0 takes any"]);
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    let sandbox = Sandbox::new();
    let spec = example("canary.yaml");
    let behaviours = [
        "healthy",
        "errors=5%",
        "latency=+300ms",
        "latency=+25%",
        "slow-start=60s",
        "crash",
        "never-healthy",
        "leak",
        "leak=20m",
    ];
    sandbox.run(&["lab", "--spec", &spec, "--lab-candidate", "eror=5%"]).is(2).says(&behaviours);
    sandbox.run(&["run", "--lab", &spec, "--lab-candidate", "errors=200%"]).is(2).says(&behaviours);
    let faults = [
        "throttle=30%",
        "error=5%",
        "delay=10%:2s",
        "lost-answer=2%",
        "stale-read=20%:5s",
        "@Operation",
        "late-data=10%",
        "skew=+10m",
    ];
    sandbox.run(&["lab", "--spec", &spec, "--lab-fault", "throtle=5%"]).is(2).says(&faults);
    sandbox.run(&["lab", "--spec", &spec, "--lab-rps", "-1"]).is(2);
    sandbox.run(&["lab", "--spec", &spec, "--lab-tasks", "0"]).is(2).says(&["1..=64"]);
    for outage in ["errors=20%", "crash@5m:2m", "errors=20%@5m"] {
        let said = sandbox.run(&["lab", "--spec", &spec, "--lab-outage", outage]).is(2);
        said.says(&[outage, "errors=20%,latency=+100%@5m:2m"]);
    }
    sandbox.run(&["lab", "--spec", &spec, "--lab-past", "16h"]).is(2).says(&["at most 15h"]);
    sandbox.run(&["lab", "--spec", &spec, "--lab-delay", "20"]).is(2).says(&["at most 10m"]);
    sandbox.run(&["lab", "--spec", &spec, "--lab-errors", "two"]).is(2).says(&["0.1%"]);
    sandbox.run(&["run", &spec, "--lab-past", "1h"]).is(2).says(&["--lab"]);
}
