//! The lines of a rollout, at several widths.

use super::super::sample::{ASCII, FINE, FOUL, NARROW, Page, all, at, plan, progress, story};
use super::*;
use crate::gate::compare::{Bounds, Proof};
use crate::gate::{CompareEvidence, CompareRule, Evidence, Outcome as GateOutcome, Verdict};
use crate::machine::Leaving;

fn told(style: Style, notices: &[(Timestamp, Notice)]) -> String {
    let page = Page::default();
    let mut lines = Lines::new(Box::new(page.clone()), style, None);
    for (at, notice) in notices {
        lines.write(*at, notice, &plan());
    }
    page.text()
}

fn check(style: Style, expected: &str) {
    let text = told(style, &story());
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}

#[test]
fn a_rollout_reads_as_lines() {
    check(
        FINE,
        "
14:05:09 ● web starts, by alice@ci: 9 steps, 20m to 1h 44m; blue serves, green
           gets the release
14:05:09 ● step 2 of 9: prepare 4 candidate tasks
14:05:19 ● candidate: 2 of 4 tasks healthy, 4 running
14:05:30 ✔ step 2 of 9 passed after 21s
14:05:30 ● step 4 of 9: shift 25% to the candidate
14:05:31 ✔ 25% on the candidate, read back after 0.4s
14:05:31 ● step 5 of 9: hold 5m
14:06:31 ✔ gate candidate-errors passes: 0.2 against at most 1
14:07:31 ✖ gate candidate-errors fails: 19.8 against at most 1 at 14:06:00
14:07:31 ↩ going back: gate candidate-errors failed (19.8 against at most 1 at
           14:06:00)
14:07:32 ✔ all traffic is on the stable slot (web-blue), read back after 0.6s
14:12:32 ✔ no requests are left on the candidate slot (web-green)
14:12:33 ● the candidate served 1,204 requests, 238 of them failed (19.8%)
14:12:34 ✔ the candidate slot (web-green) is set to 0 tasks
14:12:34 ↩ rolled back: gate candidate-errors failed (19.8 against at most 1 at
           14:06:00)
",
    );
}

#[test]
fn lines_wrap_below_their_words() {
    check(
        NARROW,
        "
14:05:09 *  web starts, by alice@ci: 9
            steps, 20m to 1h 44m; blue
            serves, green gets the
            release
14:05:09 *  step 2 of 9: prepare 4
            candidate tasks
14:05:19 *  candidate: 2 of 4 tasks
            healthy, 4 running
14:05:30 ok step 2 of 9 passed after 21s
14:05:30 *  step 4 of 9: shift 25% to
            the candidate
14:05:31 ok 25% on the candidate, read
            back after 0.4s
14:05:31 *  step 5 of 9: hold 5m
14:06:31 ok gate candidate-errors
            passes: 0.2 against at most
            1
14:07:31 x  gate candidate-errors fails:
            19.8 against at most 1 at
            14:06:00
14:07:31 <- going back: gate
            candidate-errors failed
            (19.8 against at most 1 at
            14:06:00)
14:07:32 ok all traffic is on the stable
            slot (web-blue), read back
            after 0.6s
14:12:32 ok no requests are left on the
            candidate slot (web-green)
14:12:33 *  the candidate served 1,204
            requests, 238 of them failed
            (19.8%)
14:12:34 ok the candidate slot
            (web-green) is set to 0
            tasks
14:12:34 <- rolled back: gate
            candidate-errors failed
            (19.8 against at most 1 at
            14:06:00)
",
    );
}

#[test]
fn every_notice_is_told_within_the_width_and_without_steering_the_terminal() {
    for style in [ASCII, NARROW, FINE] {
        for notice in all() {
            let text = told(style, &[(at(0), notice.clone())]);
            assert!(text.ends_with('\n') && text.lines().all(|line| columns(line) <= style.width), "{text}");
            assert!(!text.replace('\n', "").contains(crate::domain::text::is_hidden), "{text:?}");
            let foul = format!("{notice:?}").contains(&format!("{FOUL:?}"));
            let one_line = text.split_whitespace().collect::<String>();
            assert_eq!(one_line.contains("<U+001B>[31m<U+000A>b<U+202E>c<U+200B>"), foul, "{text}");
        }
    }
}

#[test]
fn colour_is_given_to_the_sign_only() {
    let style = Style { color: true, ..FINE };
    let text = told(style, &[(at(0), Notice::Committed)]);
    assert!(text.starts_with("14:05:09 \u{1b}[1m\u{1b}[32m✔\u{1b}[0m committed"), "{text:?}");
}

#[test]
fn a_step_that_passes_undecided_is_never_green() {
    let style = Style { color: true, ..FINE };
    let passed = |undecided: Vec<String>| Notice::StepPassed { step: 4, took: Duration::from_secs(600), undecided };
    let bounds = Bounds { errors: Some(0.02), slow: None, tail: None };
    let found = CompareEvidence::Bounded { bounds, margins: CompareRule::default().margins, proof: Proof::Late };
    let verdict = Verdict { outcome: GateOutcome::Pass, evidence: Evidence::Compare(found), data_from: Some(at(0)) };
    let late = Notice::Judged { gate: "compare".to_owned(), verdict };
    let text = told(style, &[(at(0), late), (at(0), passed(vec!["compare".to_owned()]))]);
    assert!(!text.contains("\u{1b}[32m") && !text.contains('✔'), "{text:?}");
    let plain = told(FINE, &[(at(0), passed(vec!["compare".to_owned()]))]);
    assert_eq!(plain, "14:05:09 ! step 5 of 9 passed after 10m, undecided by compare\n");
    assert!(text.contains("lets the step pass undecided: not proven in time"), "{text:?}");
    assert!(told(style, &[(at(0), passed(Vec::new()))]).contains("\u{1b}[32m"));
}

#[test]
fn a_new_day_is_announced() {
    let text = told(ASCII, &[(at(0), Notice::Committed), (at(36_000), Notice::Committed)]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "2026-11-24 (UTC)");
}

#[test]
fn silence_is_broken_by_a_heartbeat() {
    let page = Page::default();
    let mut lines = Lines::new(Box::new(page.clone()), ASCII, Some(Duration::from_secs(60)));
    assert!(!lines.beat(at(0)));
    assert!(!lines.beat(at(59)));
    assert!(lines.beat(at(60)));
    assert!(!lines.beat(at(61)));
    lines.write(at(100), &Notice::Committed, &plan());
    assert!(!lines.beat(at(159)));
    assert!(lines.beat(at(160)));
    lines.write(at(161), &Notice::HandedOver { why: Leaving::StoppedAfterCommit("SIGINT".to_owned()) }, &plan());
    assert!(!lines.beat(at(1_000)));
    let text = Feed::new(ASCII).alive(at(94), &progress(), &plan());
    assert_eq!(text, "14:06:43 *  step 5 of 9: hold 5m: holding; 25% on the candidate; at most 4m left\n");
}

#[test]
fn a_gate_that_only_watches_says_so() {
    let mut plan = plan();
    plan.gates[2].watch = true;
    let verdict =
        |outcome, evidence: &str| Verdict { outcome, evidence: Evidence::Said(evidence.to_owned()), data_from: None };
    let page = Page::default();
    let mut lines = Lines::new(Box::new(page.clone()), FINE, None);
    for (seconds, outcome, evidence) in [(9, GateOutcome::Fail, "in ALARM"), (24, GateOutcome::Pass, "OK")] {
        let notice = Notice::Judged { gate: "web-5xx".to_owned(), verdict: verdict(outcome, evidence) };
        lines.write(at(seconds), &notice, &plan);
    }
    let expected = "14:05:18 ! gate web-5xx, which only watches, fails: in ALARM\n\
                    14:05:33 ✔ gate web-5xx, which only watches, passes: OK\n";
    assert_eq!(page.text(), expected);
}
