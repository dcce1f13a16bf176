//! Pages of rollouts, whole, running and long, and what they draw.

use std::time::Duration;

use super::super::sample::{ID, at, plan, progress, progress_back, share, story, waits};
use super::super::{Status, Summary};
use super::chart::{Chart, Line, Look, figure};
use super::*;
use crate::domain::count::{Bin, Counts};
use crate::gate::compare::{CompareRule, Threshold};
use crate::gate::{Check, Gate, Reading};
use crate::machine::{Answer, Event, Machine, Notice, Observation, OperatorRequest, Progress};
use crate::plan::Plan;

fn told(notices: &[(Timestamp, Notice)], plan: &Plan) -> (Story, Summary) {
    let (mut page, mut summary) = (Story::default(), Summary::new());
    let machine = Machine::new(plan.clone());
    let ana = |request| Event::Requested {
        request,
        by: "ana@ci".to_owned(),
        reason: Some("checkout is slow".to_owned()),
        left: None,
    };
    page.take(at(30), &ana(OperatorRequest::Pause), &[], &machine);
    for (at, notice) in notices {
        page.take(*at, &Event::Woken, std::slice::from_ref(notice), &machine);
        summary.take(*at, notice);
    }
    (page, summary)
}

/// What `draw` makes of a page about the first so many notices of the story.
fn drawn<T>(count: usize, progress: &Progress, flaws: &[String], draw: impl Fn(Page<'_>) -> T) -> T {
    let plan = plan();
    let notices: Vec<_> = story().into_iter().take(count).collect();
    let (story, summary) = told(&notices, &plan);
    let status =
        Status { id: ID, at: at(500), plan: &plan, progress, summary: &summary, store: "/state", is_lab: false };
    let exit = summary.finished.as_ref().map(|_| (10, "rolled back by a gate, traffic verified on stable"));
    let origin = Origin { spec: "web.yaml", digest: Some("c0ffee"), program: "0.1.0", begun: at(0) };
    draw(Page { why: Why { status, driver: None, last: at(445) }, origin, story: &story, exit, flaws })
}

/// The parts in the order they must stand in.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is not behind the ones before it in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

const WHOLE: [&str; 9] = [
    "rolled back: web is served by web-blue",
    "gate candidate-errors failed (19.8 against at most 1 at 14:06:00)",
    "5: hold 5m",
    "turned back here",
    "not reached",
    "ana@ci",
    "pause",
    "checkout is slow",
    "19.8 against at most 1",
];

#[test]
fn a_page_begins_with_how_it_ended_and_why() {
    let parts = WHOLE.map(|part| part.trim_start_matches("5: "));
    in_order(&drawn(15, &progress_back(), &[], |page| page.html()), &parts);
    let markdown = drawn(15, &progress_back(), &[], |page| page.markdown()).replace('\\', "").replace("&#8203;", "");
    in_order(&markdown, &parts);
    for text in [markdown, drawn(15, &progress_back(), &[], |page| page.html())] {
        for fact in
            ["10: rolled back by a gate", "SHA-256 c0ffee", "task-definition/web:41", "1,204 requests", "web.yaml"]
        {
            assert!(text.contains(fact), "{fact} is not in\n{text}");
        }
    }
}

#[test]
fn a_page_of_a_running_rollout_says_what_comes_next() {
    for text in [drawn(7, &progress(), &[], |page| page.html()), drawn(7, &progress(), &[], |page| page.markdown())] {
        for part in ["step 5 of 9", "under way", "holding", "nobody drives it"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("exit code"), "{text}");
    }
}

#[test]
fn a_page_says_where_its_journal_ends_and_what_it_lacks() {
    let flaws = ["line 7 of the journal is damaged: its checksum is wrong".to_owned()];
    for text in
        [drawn(7, &progress(), &flaws, |page| page.html()), drawn(7, &progress(), &flaws, |page| page.markdown())]
    {
        assert!(text.contains("as far as the journal can be read: line 7"), "{text}");
        assert!(text.contains("no counts of what the slots answered"), "{text}");
    }
}

#[test]
fn a_page_of_nothing_is_a_page() {
    for text in [drawn(0, &progress(), &[], |page| page.html()), drawn(0, &progress(), &[], |page| page.markdown())] {
        assert!(
            text.contains("Traffic to the candidate") && text.contains("ana@ci") | text.contains("@&#8203;ci"),
            "{text}"
        );
    }
}

#[test]
fn markdown_keeps_its_bound_and_says_what_is_left_out() {
    let plan = plan();
    let many: Vec<_> = (0..20_000)
        .map(|n| (at(n), waits(&format!("{n}: <{}>", "*".repeat(200)))))
        .chain([(at(20_000), Notice::Retreating { reason: super::super::sample::breach() })])
        .collect();
    let (story, summary) = told(&many, &plan);
    let back = progress_back();
    let status =
        Status { id: ID, at: at(500), plan: &plan, progress: &back, summary: &summary, store: "/state", is_lab: false };
    let origin = Origin { spec: "web.yaml", digest: None, program: "0.1.0", begun: at(0) };
    let page = Page { why: Why { status, driver: None, last: at(445) }, origin, story: &story, exit: None, flaws: &[] };
    let text = page.markdown();
    assert!(text.len() <= MARKDOWN_BYTES, "{}", text.len());
    assert!(text.contains("rows are left out.") && text.contains("### Steps"), "{text}");
    let end = text.rfind("going back").expect("the end is told, not the beginning");
    assert!(end > text.len() / 2);
    assert!(page.html().contains("The first 18,001 rows are left out."));
}

fn counts(requests: f64, errors: f64, slow: f64) -> Counts {
    Counts { requests, errors, timed: requests, slower: vec![0.0, slow], ..Counts::default() }
}

#[test]
fn both_slots_are_drawn_from_what_a_comparing_gate_read() {
    let mut plan = plan();
    let mut rule = CompareRule::default();
    let mark = |quantile, stable| Threshold {
        quantile: Some(quantile),
        stable,
        candidate: stable,
        odds: 1.15,
        share: 1.0 - quantile,
        noise: 0.0,
        jitter: 0.0,
    };
    rule.baseline.thresholds = vec![mark(0.5, 0.1), mark(0.95, 0.24)];
    plan.gates.push(Gate { name: "compare".to_owned(), check: Check::Compare(Box::new(rule)), watch: false });
    let (mut story, summary) = told(&super::super::sample::story(), &plan);
    let machine = Machine::new(plan.clone());
    let bins = vec![
        Bin { at: at(0), stable: Some(counts(200.0, 1.0, 10.0)), candidate: None },
        Bin { at: at(60), stable: Some(counts(100.0, 0.0, 5.0)), candidate: Some(counts(50.0, 10.0, 25.0)) },
    ];
    let seen = Observation { readings: vec![(4, Reading::Counts(bins))], ..Observation::default() };
    let event = Event::Answered { id: 9, answer: Answer::Seen(Box::new(seen)) };
    story.take(at(140), &event, &[], &machine);
    let back = progress_back();
    let status =
        Status { id: ID, at: at(500), plan: &plan, progress: &back, summary: &summary, store: "/state", is_lab: false };
    let origin = Origin { spec: "web.yaml", digest: None, program: "0.1.0", begun: at(0) };
    let page = Page { why: Why { status, driver: None, last: at(445) }, origin, story: &story, exit: None, flaws: &[] };
    assert!(page.lacks().is_empty(), "{:?}", page.lacks());
    let charts = page.charts();
    let rows = |title: &str| charts.iter().find(|chart| chart.title == title).map(Chart::rows).expect("it is drawn");
    assert_eq!(rows("Errors"), [["14:06:09", "0.5%", ""], ["14:07:09", "0%", "20%"]]);
    assert_eq!(rows("Slow answers"), [["14:06:09", "5%", ""], ["14:07:09", "5%", "50%"]]);
    let slow = charts.iter().find(|chart| chart.title == "Slow answers").unwrap();
    assert!(slow.about.contains("longer than 0.240 s, the stable slot's p95"), "{}", slow.about);
    assert!(slow.words().contains("candidate slot: from 50% to 50%, at the end 50%."), "{}", slow.words());
}

fn chart(points: Vec<(Timestamp, f64)>, apart: Option<Duration>) -> Chart {
    Chart {
        title: "t".to_owned(),
        about: "about.".to_owned(),
        unit: "%",
        from: at(0),
        to: at(3600),
        lines: vec![Line { name: "line", look: Look::Candidate, points, apart }],
        bound: None,
        moments: Vec::new(),
    }
}

#[test]
fn what_is_not_known_is_not_joined() {
    let points = vec![(at(0), 1.0), (at(60), 1.0), (at(600), 1.0)];
    let svg = chart(points.clone(), Some(Duration::from_secs(180))).svg(0);
    assert_eq!(svg.matches("class=\"line candidate\" d=\"M78.0 30.0L87.0 30.0M168.0 30.0\"").count(), 1, "{svg}");
    assert_eq!(chart(points, None).svg(0).matches('L').count(), 2);
}

#[test]
fn a_long_line_keeps_its_peak() {
    let mut points: Vec<_> = (0..3600).map(|second| (at(second), 1.0)).collect();
    points[1234].1 = 40.0;
    let svg = chart(points, None).svg(0);
    assert!(svg.matches("<circle").count() <= 300);
    assert!(svg.contains("cy=\"76.0\""), "the peak is 40 of 50: {svg}");
}

#[test]
fn figures_have_three_telling_digits() {
    let check = |value, said: &str| assert_eq!(figure(value), said);
    check(0.0, "0");
    check(0.1234, "0.123");
    check(27.64, "27.6");
    check(1.5, "1.5");
    check(1204.4, "1204");
    check(20.0, "20");
    check(0.000_012, "1.2e-5");
    check(-2.5, "-2.5");
    assert_eq!(share(25).percent(), 25.0);
}
