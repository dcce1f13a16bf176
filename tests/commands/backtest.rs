//! `tidegate backtest`: verdicts on recorded metrics, and files that cannot be used.

use std::fmt::Write as _;

use super::support::{Ended, Sandbox, example};

/// When the candidate's first bin begins.
const FIRST: u64 = 1_795_442_700;

/// A recording: so many minutes of the stable slot's past, then both slots.
struct Recording {
    past: u64,
    minutes: u64,
    /// Of the candidate's 600 requests a minute.
    errors: u64,
    slower: u64,
}

const GOOD: Recording = Recording { past: 780, minutes: 30, errors: 1, slower: 30 };

impl Recording {
    fn text(&self) -> String {
        let mut text = String::new();
        for minute in 0..self.past + self.minutes {
            let at = FIRST + minute * 60 - self.past * 60;
            // Counts that scatter a little, as real ones do.
            let more = minute * 7919 % 13;
            let (errors, slow) = (4 + minute * 31 % 5, 280 + minute * 17 % 41);
            let requests = 6000 + 10 * more;
            let _ = writeln!(
                text,
                r#"{{"at": {at}, "slot": "stable", "requests": {requests}, "errors_5xx": {errors}, "slower_than": {{"0.1": 3000, "0.2": {slow}}}}}"#
            );
            if minute >= self.past {
                let (errors, slower) = (self.errors, self.slower - more % 3);
                let _ = writeln!(
                    text,
                    r#"{{"at": {at}, "slot": "candidate", "requests": 600, "errors_5xx": {errors}, "slower_than": {{"0.103": {}, "0.206": {slower}}}}}"#,
                    slower * 10
                );
            }
        }
        text
    }
}

fn judged(sandbox: &Sandbox, text: impl AsRef<[u8]>, words: &[&str]) -> Ended {
    let file = sandbox.file("metrics.jsonl", text);
    let spec = example("harm-budget.yaml");
    sandbox.run(&[&["backtest", &spec, "--metrics", &file], words].concat())
}

#[track_caller]
fn refused(sandbox: &Sandbox, text: impl AsRef<[u8]>, line: u64, says: &[&str]) {
    let said = judged(sandbox, text, &[]).is(2).harmless().says(says);
    assert_eq!(said.out, "");
    assert!(said.err.starts_with(&format!("error[TG0202]: metrics.jsonl:{line}: ")), "{}", said.err);
    assert!(said.err.contains("\nhelp: "), "{}", said.err);
}

#[test]
fn a_release_that_is_no_worse_is_promoted() {
    let sandbox = Sandbox::new();
    let said = judged(&sandbox, GOOD.text(), &[]).is(0).harmless();
    let said = said.says(&["✔ promote", "after the candidate's first request", "at 95 %", "780 bins", "ramp"]);
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{}", said.out);
    let json = &judged(&sandbox, GOOD.text(), &["--json"]).is(0).json()[0];
    assert_eq!((&json["type"], &json["format"], &json["verdict"]), (&"backtest".into(), &1.into(), &"promote".into()));
    assert!(json["seconds_after_first_request"].as_f64().unwrap() <= 1800.0, "{json}");
    assert!(json["proven"]["errors"].as_f64().unwrap() <= 0.003, "{json}");
    assert_eq!((&json["candidate"]["requests"], &json["candidate"]["bins"]), (&18000.0.into(), &30.into()));
    assert!(json["ramp"].as_array().is_some_and(|ramp| !ramp.is_empty()), "{json}");
}

#[test]
fn a_release_that_is_worse_goes_back_and_the_cause_is_named() {
    let sandbox = Sandbox::new();
    let failing = Recording { errors: 30, ..GOOD }.text();
    judged(&sandbox, &failing, &[]).is(10).says(&["↩ roll back", "by gate compare", "the candidate fails more: 5"]);
    let json = &judged(&sandbox, &failing, &["--json"]).is(10).json()[0];
    assert_eq!((&json["verdict"], &json["gate"]), (&"rollback".into(), &"compare".into()));
    assert!(json["seconds_after_first_request"].as_f64().unwrap() <= 240.0, "{json}");
    let slow = Recording { slower: 55, ..GOOD }.text();
    judged(&sandbox, slow, &[]).is(10).says(&["slower", "stable"]);
}

#[test]
fn too_little_data_is_never_a_pass() {
    let sandbox = Sandbox::new();
    let short = Recording { minutes: 1, ..GOOD }.text();
    judged(&sandbox, &short, &[]).is(13).says(&["undecided", "not within 1m"]);
    let json = &judged(&sandbox, &short, &["--json"]).is(13).json()[0];
    assert_eq!((&json["verdict"], &json["at"]), (&"undecided".into(), &serde_json::Value::Null));
    let thin = Recording { past: 0, ..GOOD }.text();
    judged(&sandbox, thin, &[]).says(&["response times (0.103 s, 0.206 s) are not judged", "0 bins"]);
    let some = Recording { past: 60, ..GOOD }.text();
    judged(&sandbox, some, &[]).says(&["the past is 1h long", "sent back more easily"]);
}

#[test]
fn the_past_may_be_in_a_file_of_its_own() {
    let sandbox = Sandbox::new();
    let all = GOOD.text();
    let (past, rest): (Vec<&str>, Vec<&str>) =
        all.lines().enumerate().fold(Default::default(), |mut both, (n, line)| {
            if n < 780 {
                both.0.push(line);
            } else {
                both.1.push(line);
            }
            both
        });
    let file = sandbox.file("past.jsonl", past.join("\n"));
    let apart = judged(&sandbox, rest.join("\n"), &["--past", &file]).is(0);
    assert_eq!(apart.out, judged(&sandbox, &all, &[]).is(0).out);
    let wrong = sandbox.file("past.jsonl", &all);
    judged(&sandbox, rest.join("\n"), &["--past", &wrong])
        .is(2)
        .says(&["past.jsonl: at 2026-", "the candidate has requests"]);
    let other = sandbox.file("past.jsonl", past.join("\n").replace("\"0.2\"", "\"0.25\""));
    judged(&sandbox, rest.join("\n"), &["--past", &other]).is(2).says(&[
        "metrics.jsonl:1: ",
        "0.2 s here",
        "0.25 s before",
    ]);
}

#[test]
fn lines_in_disorder_are_sorted_repeated_or_revised_and_that_is_told() {
    let sandbox = Sandbox::new();
    let text = GOOD.text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(800, 820);
    let said = judged(&sandbox, lines.join("\n"), &[]).is(0).says(&["came after a later one, and were sorted"]);
    let story = |out: &str| {
        out.lines().filter(|line| !line.contains("note") && !line.starts_with("      ")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(story(&said.out), story(&judged(&sandbox, &text, &[]).out), "order does not matter");
    let last = lines[lines.len() - 1];
    let revised = last.replace("\"errors_5xx\": 1", "\"errors_5xx\": 0");
    let text = [&lines[..], &[last, &revised]].concat().join("\n");
    judged(&sandbox, text, &[]).is(0).says(&["1 line said what an earlier one had said", "1 line said another thing"]);
}

#[test]
fn gaps_and_shares_are_told() {
    let sandbox = Sandbox::new();
    let text = GOOD.text();
    let hole = format!("\"at\": {}, \"slot\": \"candidate\"", FIRST + 600);
    let holed: Vec<&str> = text.lines().filter(|line| !line.contains(&hole)).collect();
    judged(&sandbox, holed.join("\n"), &[]).is(0).says(&["1 of 30 bins have no line of the candidate", "never a pass"]);
    judged(&sandbox, &text, &[]).says(&["gate split is not judged"]);
    let shared = text.replace("\"requests\": 600,", "\"share\": 9, \"requests\": 600,");
    let said = judged(&sandbox, shared, &[]).is(0);
    assert!(!said.out.contains("not judged"), "{}", said.out);
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_file_and_line() {
    let sandbox = Sandbox::new();
    let text = GOOD.text();
    let with = |old: &str, new: &str| text.replacen(old, new, 1);
    refused(&sandbox, "", 1, &["it holds no line", "tidegate record"]);
    refused(&sandbox, with("\"requests\": 6000", "\"requests\": NaN"), 1, &["NaN is not a number"]);
    refused(&sandbox, with("\"requests\": 6000", "\"requests\": -6000"), 1, &["requests is -6000", "from 0 on"]);
    refused(
        &sandbox,
        with("\"errors_5xx\": 4", "\"errors_5xx\": 7000"),
        1,
        &["errors_5xx is 7000, more than the 6000 requests"],
    );
    refused(&sandbox, with("\"0.1\": 3000", "\"0.1\": 6001"), 1, &["slower_than 0.1 s is 6001"]);
    refused(&sandbox, with("\"0.1\": 3000", "\"0.1\": 100"), 1, &["slower than 0.2 s, and only 100 than 0.1 s"]);
    refused(&sandbox, with("errors_5xx", "errors_5x"), 1, &["errors_5x is not a field", "did you mean errors_5xx?"]);
    refused(&sandbox, with("\"stable\"", "\"blue\""), 1, &["slot is \"blue\"", "\"stable\" or \"candidate\""]);
    refused(&sandbox, [text.as_bytes(), b"\xff\n"].concat(), 841, &["byte 1 of the line is not UTF-8"]);
    refused(&sandbox, format!("{text}{}", "x".repeat(100_000)), 841, &["longer than 65536 bytes"]);
    let first = text.lines().next().unwrap();
    refused(&sandbox, format!("{text}{first}\n"), 841, &["the clock goes back by 13h 29m", "sort the lines"]);
    let off = text.replacen(&format!("\"at\": {FIRST}"), &format!("\"at\": {}", FIRST + 10), 1);
    refused(&sandbox, off, 781, &["from the first line's", "bins of 1m"]);
    refused(&sandbox, with("\u{22}stable\u{22}", "\"\u{1b}[31m\u{22}"), 1, &["not a JSON object"]);
}

#[test]
fn a_whole_file_without_something_is_told() {
    let sandbox = Sandbox::new();
    let text = GOOD.text();
    let only = |slot: &str| text.lines().filter(|line| line.contains(slot)).collect::<Vec<_>>().join("\n");
    judged(&sandbox, only("\"stable\""), &[]).is(2).says(&["the candidate has no requests in it"]);
    judged(&sandbox, only("\"candidate\""), &[]).is(2).says(&["the stable slot has no line"]);
    let apart = text.replace("\"0.206\"", "\"0.306\"").replace("\"0.103\"", "\"0.203\"");
    judged(&sandbox, apart, &[])
        .is(2)
        .says(&["the stable slot counts at 0.1 s, 0.2 s, the candidate at 0.203 s, 0.306 s"]);
    let far = text.replace("\"0.206\"", "\"0.3\"").replace("\"0.103\"", "\"0.15\"");
    judged(&sandbox, far, &[]).is(2).says(&["lie 50.0 % above the stable slot's, and the spec tolerates 3.0 %"]);
    let near = text.replace("\"0.206\"", "\"0.201\"").replace("\"0.103\"", "\"0.1005\"");
    judged(&sandbox, near, &[]).says(&["0.5 % above the stable slot's times", "judged as the file counts"]);
    let json = &judged(&sandbox, "", &["--json"]).is(2).json()[0];
    assert_eq!((&json["type"], &json["exit"]), (&"error".into(), &2.into()));
    let spec = example("harm-budget.yaml");
    sandbox
        .run(&["backtest", &spec, "--metrics", "nowhere.jsonl"])
        .is(2)
        .says(&["cannot read the metrics nowhere.jsonl"]);
    sandbox.run(&["backtest", &spec, "--metrics", "."]).is(2).says(&["it is a folder"]);
    let canary = example("canary.yaml");
    sandbox
        .run(&["backtest", &canary, "--metrics", "metrics.jsonl"])
        .is(2)
        .says(&["no compare gate", "`- compare: {}`"]);
}

#[test]
fn a_long_file_is_streamed() {
    let sandbox = Sandbox::new();
    let said = judged(&sandbox, Recording { past: 20_000, minutes: 10_000, ..GOOD }.text(), &[]).is(0);
    assert!(said.out.contains("1440 bins") || said.out.contains("1,440 bins"), "{}", said.out);
}
