//! The present state, on its way, paused and ended.

use super::super::sample::{ASCII, FINE, ID, NARROW, at, paused_by, plan, progress, progress_back, story, stranded};
use super::*;
use crate::machine::{Leaving, Notice};

fn summary(count: usize) -> Summary {
    let mut summary = Summary::new();
    for (at, notice) in story().iter().take(count) {
        summary.take(*at, notice);
    }
    summary
}

fn of<'a>(plan: &'a Plan, progress: &'a Progress, summary: &'a Summary) -> Status<'a> {
    Status { id: ID, at: at(94), plan, progress, summary, store: "/state", is_lab: false }
}

fn status(progress: &Progress, summary: &Summary, style: Style) -> String {
    of(&plan(), progress, summary).text(style)
}

fn check(progress: &Progress, summary: &Summary, style: Style, expected: &str) {
    let text = status(progress, summary, style);
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}

#[test]
fn a_hold_shows_everything_on_one_screen() {
    check(
        &progress(),
        &summary(7),
        FINE,
        "
● web: step 5 of 9: hold 5m

  rollout      web-20261123-140509-0a1b
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  started      2026-11-23T14:05:09Z by alice@ci, 1m 34s ago
  where        eu-west-1, account 123456789012, cluster prod
  journal      /state
  stage        holding, until 14:10:43 at the latest (4m left)
  weights      web-blue 75%, web-green 25% (read back)
  healthy      stable 4 of 4, candidate 4 of 4 tasks
  gates        ✔ tasks             4 of 4 tasks healthy
               ● candidate-errors  inconclusive: no datapoints yet
               ✔ web-5xx           OK since 13:02:11
                 smoke             not asked yet
  next         step 6 of 9: shift 100% to the candidate

  tidegate pause web-20261123-140509-0a1b     take no further step
  tidegate rollback web-20261123-140509-0a1b  all traffic back to stable
",
    );
}

#[test]
fn a_hold_fits_40_columns() {
    check(
        &progress(),
        &summary(7),
        NARROW,
        "
*  web: step 5 of 9: hold 5m

  rollout      web-20261123-140509-0a1b
  release      family web with images
               app=registry.example.com/
               web:v2 in place of web:41
  started      2026-11-23T14:05:09Z by
               alice@ci, 1m 34s ago
  where        eu-west-1, account
               123456789012, cluster
               prod
  journal      /state
  stage        holding, until 14:10:43
               at the latest (4m left)
  weights      web-blue 75%, web-green
               25% (read back)
  healthy      stable 4 of 4, candidate
               4 of 4 tasks
  gates        ok tasks: 4 of 4 tasks
                  healthy
               *  candidate-errors:
                  inconclusive: no
                  datapoints yet
               ok web-5xx: OK since
                  13:02:11
                  smoke: not asked yet
  next         step 6 of 9: shift 100%
               to the candidate

  tidegate pause web-20261123-140509-0a1b
    take no further step
  tidegate rollback web-20261123-140509-0a1b
    all traffic back to stable
",
    );
}

#[test]
fn a_finished_rollout_says_how_it_ended() {
    let summary = summary(99);
    let text = Status {
        id: ID,
        at: at(3_600),
        plan: &plan(),
        progress: &progress_back(),
        summary: &summary,
        store: "/state",
        is_lab: false,
    }
    .text(ASCII);
    let expected = "
<- rolled back: web is served by web-blue, the release before

  rollout      web-20261123-140509-0a1b
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  started      2026-11-23T14:05:09Z by alice@ci, 1h ago
  finished     2026-11-23T14:12:34Z, 52m 35s ago
  where        eu-west-1, account 123456789012, cluster prod
  journal      /state
  why          gate candidate-errors failed (19.8 against at most 1 at 14:06:00)
  weights      web-blue 100%, web-green 0% (read back)
  healthy      stable 4 of 4, candidate 4 of 4 tasks
  candidate    served 1,204 requests, 238 of them failed (19.8%)
  gates        ok tasks             4 of 4 tasks healthy
               *  candidate-errors  inconclusive: no datapoints yet
               ok web-5xx           OK since 13:02:11
                  smoke             not asked yet

  tidegate history web-20261123-140509-0a1b  everything that happened
";
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}

#[test]
fn only_words_that_make_sense_are_offered() {
    let summary = summary(7);
    let words = |progress: &Progress, summary: &Summary| {
        let (plan, at) = (plan(), at(94));
        let status = Status { id: ID, at, plan: &plan, progress, summary, store: "/state", is_lab: false };
        status.words().iter().map(|(word, _)| *word).collect::<Vec<_>>()
    };
    let paused = Progress { paused: Some(paused_by("bob")), ..progress() };
    assert_eq!(words(&progress(), &summary), ["pause", "rollback"]);
    assert_eq!(words(&paused, &summary), ["continue", "rollback"]);
    assert_eq!(words(&progress_back(), &summary), ["history"]);
    assert_eq!(words(&Progress { committed: true, ..progress() }, &summary), ["history"]);
    let mut left = summary.clone();
    left.take(at(90), &Notice::HandedOver { why: Leaving::StoppedAfterCommit("SIGINT".to_owned()) });
    assert_eq!(words(&progress(), &left), ["resume", "rollback"]);
    left.take(at(91), &Notice::Finished(stranded()));
    assert_eq!(words(&progress_back(), &left), ["rollback", "history"]);
}

#[test]
fn a_stranded_rollout_shows_the_calls_again() {
    let mut summary = summary(10);
    summary.take(at(94), &Notice::Finished(stranded()));
    let text = status(&progress_back(), &summary, ASCII);
    assert!(text.contains("3. give all traffic to the stable slot"), "{text}");
}

#[test]
fn programs_read_the_same_state() {
    let (plan, progress, summary) = (plan(), progress(), summary(7));
    let value = Status {
        id: ID,
        at: at(94),
        plan: &plan,
        progress: &progress,
        summary: &summary,
        store: "/state",
        is_lab: false,
    }
    .json();
    assert_eq!(value["step"], serde_json::json!({"step": 5, "of": 9, "title": "hold 5m"}));
    assert_eq!(value["candidate"]["configured_percent"], 25);
    assert_eq!(value["gates"][1]["verdict"], "inconclusive");
    assert_eq!(value["gates"][3]["verdict"], Value::Null);
    assert_eq!(value["started"]["by"], "alice@ci");
    assert_eq!(value["outcome"], Value::Null);
}

#[test]
fn a_gate_that_only_watches_is_marked() {
    let (mut plan, progress, summary) = (plan(), progress(), summary(7));
    plan.gates[2].watch = true;
    let status = of(&plan, &progress, &summary);
    let text = status.text(FINE);
    assert!(text.contains("web-5xx           only watches; OK since 13:02:11\n"), "{text}");
    assert_eq!(
        (&status.json()["gates"][1]["watch"], &status.json()["gates"][2]["watch"]),
        (&false.into(), &true.into())
    );
}

#[test]
fn a_switch_says_when_it_fires() {
    let (plan, summary) = (plan(), summary(7));
    let progress = Progress { fires: Some(at(300)), ..progress() };
    let status = of(&plan, &progress, &summary);
    let text = status.text(FINE);
    assert!(text.contains("  dead man     AWS gives the traffic back at 14:10:09 unless a runner lives\n"), "{text}");
    assert_eq!(status.json()["switch_fires"], "2026-11-23T14:10:09.000Z");
}
