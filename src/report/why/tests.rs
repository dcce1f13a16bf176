//! The answer on its way, paused, going back and over.

use std::sync::LazyLock;

use super::super::sample::{ASCII, FINE, ID, at, plan, progress, progress_back, story, stranded};
use super::super::summary::Summary;
use super::*;
use crate::machine::{Doing, Notice, PausedFor, Phase, Progress};
use crate::plan::Plan;

fn summary(count: usize) -> Summary {
    let mut summary = Summary::new();
    for (at, notice) in story().iter().take(count) {
        summary.take(*at, notice);
    }
    summary
}

static PLAN: LazyLock<Plan> = LazyLock::new(plan);

fn answer<'a>(progress: &'a Progress, summary: &'a Summary) -> Why<'a> {
    let status = Status { id: ID, at: at(94), plan: &PLAN, progress, summary, store: "/state", is_lab: false };
    Why { status, driver: Some(("alice@ci", at(0))), last: at(82) }
}

fn check(progress: &Progress, summary: &Summary, expected: &str) {
    let text = answer(progress, summary).text(FINE);
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80) && text.lines().count() <= 24, "{text}");
}

#[test]
fn a_hold_names_the_gate_its_question_and_what_comes_next() {
    check(
        &progress(),
        &summary(7),
        "
● web: step 5 of 9: hold 5m

  why          holding; gate candidate-errors has not let it pass yet
  expected     candidate-errors: 100 * errors / requests is at most 1 in 2 of 3
               per 1m
  found        inconclusive: no datapoints yet, on data from 14:05:09
  other gates  passing: tasks, web-5xx
  since        2026-11-23T14:05:31Z, 1m 12s ago, in step 5 of 9: hold 5m
  next         step 6 of 9: shift 100% to the candidate, at 14:10:43 at the
               earliest, once every gate passes; it goes back if that is not so
               by 14:25:31
  owner        alice@ci, since 2026-11-23T14:05:09Z; the journal last grew 12s
               ago
  rollout      web-20261123-140509-0a1b
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  where        eu-west-1, account 123456789012, cluster prod
  journal      /state

  tidegate pause web-20261123-140509-0a1b     take no further step
  tidegate rollback web-20261123-140509-0a1b  all traffic back to stable
",
    );
}

#[test]
fn a_finished_rollout_says_why_it_ended_as_it_did() {
    check(
        &progress_back(),
        &summary(99),
        "
↩ rolled back: web is served by web-blue, the release before

  why          gate candidate-errors failed (19.8 against at most 1 at 14:06:00)
  expected     candidate-errors: 100 * errors / requests is at most 1 in 2 of 3
               per 1m
  found        fail: 19.8 against at most 1 at 14:06:00, since 14:07:31, 0s ago
  other gates  passing: tasks, web-5xx
  since        2026-11-23T14:07:31Z, 0s ago, in step 5 of 9: hold 5m
  traffic      all on web-blue since 14:07:32, 0.6s after the decision
  next         nothing: it is over
  owner        nobody any more; started by alice@ci
  rollout      web-20261123-140509-0a1b
  release      family web with images app=registry.example.com/web:v2 in place
               of web:41
  where        eu-west-1, account 123456789012, cluster prod
  journal      /state

  tidegate history web-20261123-140509-0a1b  everything that happened
",
    );
}

#[test]
fn a_pause_says_since_when_and_what_ends_it() {
    let mut summary = summary(7);
    let why = PausedFor::Person { by: "bob".to_owned(), reason: Some("lunch".to_owned()) };
    summary.take(at(60), &Notice::Paused { why: why.clone(), until: at(3_660) });
    let paused = Progress { paused: Some(why), goes_back: Some(at(3_660)), unproven: None, ..progress() };
    let text = answer(&paused, &summary).text(ASCII);
    for row in [
        "|| web is paused at step 5 of 9: hold 5m\n",
        "  why          paused by bob: lunch\n",
        "  since        2026-11-23T14:06:09Z, 34s ago, in step 5 of 9: hold 5m\n",
        "  next         it goes back at 15:06:09, unless somebody continues it before\n",
        "tidegate continue web-20261123-140509-0a1b",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    assert!(!text.contains("expected"), "no gate is the cause: {text}");
}

#[test]
fn the_way_back_says_what_is_left_of_it() {
    let back = Progress { doing: Doing::Back(Phase::Verifying), until: Some(at(400)), ..progress_back() };
    let next = |count| answer(&back, &summary(count)).next();
    assert_eq!(next(10), "all traffic to web-blue; if that has not worked by 14:11:49, a person is needed");
    assert_eq!(next(11), "going back: reading back; then it is over");
}

#[test]
fn without_a_runner_nothing_comes_by_itself_but_the_switch() {
    let summary = summary(7);
    let progress = Progress { fires: Some(at(300)), ..progress() };
    let why = Why { driver: None, last: at(30), ..answer(&progress, &summary) };
    let switch = "the dead-man's switch gives the traffic back at 14:10:09";
    assert_eq!(why.next(), format!("nothing before somebody takes it over; {switch}"));
    assert_eq!(why.owner(), "nobody drives it; started by alice@ci, and the journal last grew 1m 4s ago");
}

#[test]
fn a_promotion_and_an_approval_are_told() {
    let mut summary = summary(7);
    let message = "look well?".to_owned();
    summary.take(at(30), &Notice::AwaitingApproval { message, until: at(1_222) });
    let progress = Progress { unproven: None, ..progress() };
    let why = answer(&progress, &summary);
    let texts = [why.because(), why.next()];
    let next = "step 6 of 9: shift 100% to the candidate, once approved; without that it goes back at 14:25:31";
    assert_eq!(texts, ["a person is asked: look well?", next]);
    summary.take(at(40), &Notice::Promoting { by: "bob".to_owned(), reason: Some("urgent".to_owned()) });
    summary.take(at(40), &Notice::Skipped { step: 4, by: "bob".to_owned() });
    summary.take(at(90), &Notice::Finished(Outcome::Promoted));
    assert_eq!(answer(&progress, &summary).because(), "promoted by bob (urgent); skipped: hold 5m");
}

#[test]
fn programs_read_the_same_answer() {
    let value = answer(&progress(), &summary(7)).json();
    assert_eq!((&value["state"], &value["gate"]["name"]), (&"forward".into(), &"candidate-errors".into()));
    assert_eq!(value["gate"]["evidence"], "no datapoints yet");
    assert_eq!((&value["next_at"], &value["goes_back"]), (&moment(at(334)).into(), &moment(at(1_222)).into()));
    assert_eq!(value["owner"]["by"], "alice@ci");
    let value = answer(&progress_back(), &summary(99)).json();
    assert_eq!((&value["state"], &value["reason"]["kind"]), (&"rolled_back".into(), &"breach".into()));
    assert_eq!(value["since"], moment(at(142)));
    let mut left = summary(10);
    left.take(at(94), &Notice::Finished(stranded()));
    let value = answer(&progress_back(), &left).json();
    assert!(value["next"].as_str().is_some_and(|next| next.contains("tidegate status")), "{value}");
}
