//! The screen of a watched rollout: on its way, in trouble, ended; at any width and height.

use super::super::sample::{ASCII, FINE, ID, NARROW, at, plan, progress, progress_back, story};
use super::super::{Status, Summary};
use super::*;
use crate::machine::Progress;

fn screen(progress: &Progress, count: usize, trouble: Option<&str>, (style, height): (Style, usize)) -> Vec<String> {
    let told: Vec<_> = story().into_iter().take(count).collect();
    let mut summary = Summary::new();
    for (at, notice) in &told {
        summary.take(*at, notice);
    }
    let (plan, now) = (plan(), at(94));
    let status = Status { id: ID, at: now, plan: &plan, progress, summary: &summary, store: "/state", is_lab: false };
    let why = Why { status, driver: Some(("alice@ci", at(0))), last: at(90) };
    View { why, lately: &told[told.len().saturating_sub(3)..], trouble }.lines(style, height)
}

#[track_caller]
fn check(lines: &[String], expected: &str) {
    let text = lines.join("\n");
    assert_eq!(text, expected.trim_matches('\n'), "\n{text}");
}

#[test]
fn a_hold_is_told_on_one_screen() {
    check(
        &screen(&progress(), 7, None, (FINE, 40)),
        "
● web: step 5 of 9: hold 5m
  ━━━━━━━━━━━━━━━━━┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 4 of 9 steps done, candidate 25%

  candidate    wanted 25%; configured 25%; observed not counted yet
  doing        holding; gate candidate-errors has not let it pass yet
  since        14:05:31, 1m 12s ago
  healthy      stable 4 of 4, candidate 4 of 4 tasks
  gates        ✔ tasks             4 of 4 tasks healthy
                 expected: tasks are healthy within 5m and fewer than 3 crash
               ● candidate-errors  inconclusive: no datapoints yet
                 expected: 100 * errors / requests is at most 1 in 2 of 3 per 1m
               ✔ web-5xx           OK since 13:02:11
                 expected: alarm web-5xx is quiet
                 smoke             not asked yet
                 expected: http://{load_balancer}:8080/health answers 200 3
                 times in a row
  next         step 6 of 9: shift 100% to the candidate, at 14:10:43 at the
               earliest, once every gate passes; it goes back if that is not so
               by 14:25:31
  driver       alice@ci, since 2026-11-23T14:05:09Z; the journal last grew 4s
               ago

14:05:30 ● step 4 of 9: shift 25% to the candidate
14:05:31 ✔ 25% on the candidate, read back after 0.4s
14:05:31 ● step 5 of 9: hold 5m

  Ctrl-C ends the watching, not the rollout
  All traffic back to stable:
  tidegate rollback web-20261123-140509-0a1b
",
    );
}

#[test]
fn what_matters_least_is_left_out_of_a_small_screen() {
    let (tall, small) = (screen(&progress(), 7, None, (FINE, 60)), screen(&progress(), 7, None, (FINE, 20)));
    let has = |lines: &[String], words: &str| lines.iter().any(|line| line.contains(words));
    assert!(has(&tall, "expected: ") && has(&tall, "25% on the candidate"));
    assert!(small.len() <= 20 && !has(&small, "expected: ") && has(&small, "candidate-errors"), "{small:#?}");
    assert_eq!(screen(&progress(), 7, None, (FINE, 4)).len(), 4);
    assert_eq!(screen(&progress(), 7, None, (FINE, 0)).len(), 1);
}

#[test]
fn every_line_fits_the_terminal() {
    for style in [NARROW, ASCII, FINE] {
        for (progress, count) in [(progress(), 7), (progress_back(), 15)] {
            let lines = screen(&progress, count, Some("the store has not answered for 12s"), (style, 80));
            // Half of a command could not be pasted.
            let wide = |line: &&String| columns(line) > style.width && !line.contains("tidegate ");
            assert_eq!(lines.iter().find(wide), None, "{lines:#?}");
            assert!(lines.iter().any(|line| line.contains("the store has not answered")), "{lines:#?}");
        }
    }
}

#[test]
fn the_last_picture_says_how_it_ended_and_why() {
    let lines = screen(&progress_back(), 15, None, (ASCII, 60)).join("\n");
    for words in ["<- rolled back: web is served by web-blue", "why          gate candidate-errors failed", "19.8%"] {
        assert!(lines.contains(words), "{lines}");
    }
    assert!(!lines.contains("Ctrl-C"), "there is nothing to leave: {lines}");
}
