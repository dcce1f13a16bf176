//! `tidegate backtest --suite`: series whose truth is known, made by a generator that shares no code with the program.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::{Ended, Sandbox, example};

/// Writes series of these worlds into the folder `suite`.
fn generate(sandbox: &Sandbox, words: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/backtest-suite/generate.py");
    let made = Command::new("python3").arg(script).arg("suite").args(words).current_dir(sandbox.path()).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn judged(sandbox: &Sandbox, words: &[&str]) -> Ended {
    let spec = example("harm-budget.yaml");
    sandbox.run(&[&["backtest", &spec, "--suite", "suite"], words].concat())
}

fn cell<'a>(suite: &'a Value, world: &str) -> &'a Value {
    let cells = suite["cells"].as_array().unwrap();
    cells.iter().find(|cell| cell["world"] == world).unwrap_or_else(|| panic!("no {world} in {suite}"))
}

fn of(cell: &Value, what: &str) -> u64 {
    cell[what]["of"].as_u64().unwrap_or_else(|| panic!("no {what} in {cell}"))
}

#[test]
fn a_suite_is_judged_in_one_table_by_world_and_rate() {
    let sandbox = Sandbox::new();
    let worlds = "healthy,load,warm-4000,errors-1,bursts-20";
    generate(&sandbox, &["--worlds", worlds, "--rates", "300", "--runs", "3"]);
    let said = judged(&sandbox, &[]).is(0).harmless().says(&[
        "Suite for web-harm-budget: 15 series in 5 cells",
        "no worse than what serves",
        "worse than what serves",
        "at most",
        "at least",
        "95 % confidence",
    ]);
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{}", said.out);
    let json = judged(&sandbox, &["--json"]).is(0).json().remove(0);
    assert_eq!((&json["type"], &json["format"]), (&"backtest_suite".into(), &1.into()));
    let (healthy, errors) = (cell(&json, "healthy"), cell(&json, "errors-1"));
    assert_eq!((of(healthy, "rolled_back"), of(healthy, "promoted")), (0, 3));
    assert_eq!((&errors["truth"], &errors["rps"], &errors["runs"]), (&"bad".into(), &300.0.into(), &3.into()));
    assert_eq!(of(errors, "rolled_back"), 3);
    let harmed = errors["harmed_requests"]["mean"].as_f64().unwrap();
    assert!((1.0..500.0).contains(&harmed), "the ramp bounds it, and some are harmed before: {harmed}");
    assert_eq!(healthy["harmed_requests"]["mean"], 0.0);
    assert!(errors["seconds_to_detect"]["median"].as_f64().unwrap() < 1200.0, "{errors}");
}

#[test]
fn the_same_seed_gives_the_same_table_and_another_keeps_other_requests() {
    let sandbox = Sandbox::new();
    generate(&sandbox, &["--worlds", "errors-0.5", "--rates", "30", "--runs", "4"]);
    let first = judged(&sandbox, &["--json"]).is(0).out;
    assert_eq!(judged(&sandbox, &["--json"]).is(0).out, first);
    assert_ne!(judged(&sandbox, &["--json", "--seed", "2"]).is(0).out, first);
}

#[test]
fn shares_that_were_recorded_are_judged_as_one_file_is() {
    let sandbox = Sandbox::new();
    generate(&sandbox, &["--worlds", "errors-1", "--rates", "30", "--runs", "1"]);
    let path = sandbox.path().join("suite/errors-1-30.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let recorded = header.replace('}', r#","shares":"recorded"}"#);
    std::fs::write(&path, format!("{recorded}\n{lines}")).unwrap();
    let suite = judged(&sandbox, &["--json"]).is(0).json().remove(0);
    let file = sandbox.file("one.jsonl", lines);
    let one = sandbox.run(&["backtest", &example("harm-budget.yaml"), "--metrics", &file, "--json"]).is(10);
    let cell = cell(&suite, "errors-1");
    assert_eq!(of(cell, "rolled_back"), 1);
    assert_eq!(cell["seconds_to_detect"]["median"], one.json()[0]["seconds_after_first_request"]);
}

#[test]
fn a_suite_that_cannot_be_used_is_told_with_file_and_line() {
    let sandbox = Sandbox::new();
    let spec = example("harm-budget.yaml");
    let run = |words: &[&str]| sandbox.run(&[&["backtest", spec.as_str()], words].concat());
    run(&["--suite", "nowhere"]).is(2).says(&["cannot read the suite nowhere", "a folder of .jsonl files"]);
    std::fs::create_dir(sandbox.path().join("suite")).unwrap();
    run(&["--suite", "suite"]).is(2).says(&["suite holds no series"]);
    run(&[]).is(2);
    run(&["--suite", "suite", "--metrics", "one.jsonl"]).is(2);
    let wrong = |text: &str, says: &[&str]| {
        sandbox.file("suite/bad.jsonl", text);
        run(&["--suite", "suite"]).is(2).says(says);
    };
    let stable = r#"{"at": 60, "slot": "stable", "requests": 100, "errors_5xx": 0, "slower_than": {"0.2": 5}}"#;
    let header = r#"{"world": "w", "truth": "bad", "rate": 30}"#;
    wrong(stable, &["suite/bad.jsonl:1: no line says what series this is of"]);
    wrong(r#"{"world": "w", "truth": "dubious", "rate": 30}"#, &["suite/bad.jsonl:1:", "dubious"]);
    wrong(&format!("{header}\n{stable}\n"), &["suite/bad.jsonl:1: the candidate has no requests in it"]);
    let candidate = stable.replace("stable", "candidate").replace("0.2", "0.206");
    let at = |line: &str, more: &str| format!("{}, {more}}}", line.trim_end_matches('}').to_owned() + "}");
    wrong(&format!("{header}\n{stable}\n{}\n", at(&candidate, r#""load": 120"#)), &["bad.jsonl:3: load is 120"]);
    wrong(&format!("{header}\n{stable}\n{candidate}\n{candidate}\n"), &["bad.jsonl:4:", "another line"]);
    let both = [at(&candidate, r#""load": 5"#), at(&candidate, r#""served": 5"#)].join("\n");
    wrong(&format!("{header}\n{stable}\n{both}\n"), &["bad.jsonl:4:", "load and lines with served"]);
}
