//! Windows that close and open, calendars that are read or not, and a person who overrules both.

use super::*;
use crate::domain::window::{Interval, WhenClosed, Windows};

fn at(minutes: u32) -> Timestamp {
    START + MINUTE * minutes
}

/// A canary with windows that are open between these minutes after the start.
fn windowed(open: &[(u32, u32)], calendars: &[&str]) -> Plan {
    let open = open.iter().map(|(from, to)| Interval { from: at(*from), to: at(*to) }).collect();
    let windows = Windows {
        open,
        frozen: Vec::new(),
        calendars: calendars.iter().map(ToString::to_string).collect(),
        when_closed: WhenClosed::Hold,
        known_until: at(10_000),
    };
    let mut plan = Plan { windows: Some(windows), ..canary() };
    plan.limits.pause = MINUTE * 24 * 60;
    plan
}

fn is_continued(run: &Run) -> bool {
    run.is_told(|notice| matches!(notice, Notice::Continued { .. }))
}

/// What the windows say of a rollout that is paused for them.
fn closed(paused: &PausedFor) -> String {
    match paused {
        PausedFor::Window(closed) => closed.text(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_closed_window_holds_before_the_next_weight_and_opens_by_itself() {
    let mut run = Run::of(windowed(&[(0, 2), (120, 1_000)], &[]));
    run.until_step(3);
    run.pass(MINUTE * 60);
    assert_eq!(run.share, tenth());
    let paused = run.machine.progress().paused.unwrap();
    assert!(closed(&paused).starts_with("it is outside of its windows; opens at "), "{paused:?}");
    assert!(!is_continued(&run));
    let everything = |run: &Run| run.routes().contains(&Share::ALL);
    run.until(|run| everything(run));
    assert!(run.now >= at(120), "{}", run.now);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn nothing_is_committed_while_it_is_closed() {
    let mut run = Run::of(windowed(&[(0, 3), (60, 1_000)], &[]));
    run.until(|run| run.share == Share::ALL);
    assert!(run.now < at(3));
    run.until(|run| run.is_told(|notice| *notice == Notice::Committed));
    assert!(run.now >= at(60), "{}", run.now);
}

#[test]
fn gates_stay_on_and_the_way_back_is_open_while_it_is_closed() {
    let mut run = Run::of(windowed(&[(0, 2), (1_000, 2_000)], &[]));
    run.until_step(3);
    run.pass(MINUTE * 10);
    run.errors = Some(20.0);
    assert!(matches!(reason(run.end()), Reason::Breach { .. }));
    let mut run = Run::of(windowed(&[(0, 2), (1_000, 2_000)], &[]));
    run.until_step(3);
    run.pass(MINUTE * 10);
    run.told(OperatorRequest::Rollback);
    assert!(matches!(reason(run.end()), Reason::Operator { .. }));
}

#[test]
fn a_hold_that_outlasts_a_pause_goes_back() {
    let mut plan = windowed(&[(0, 2), (600, 2_000)], &[]);
    plan.limits.pause = MINUTE * 30;
    let mut run = Run::of(plan);
    assert!(matches!(reason(run.end()), Reason::TimeLimit { .. }));
    assert!(run.now < at(120), "{}", run.now);
}

#[test]
fn one_that_finishes_is_held_by_no_window() {
    let mut plan = windowed(&[(0, 2)], &["freeze"]);
    plan.windows.as_mut().unwrap().when_closed = WhenClosed::Finish;
    let mut run = Run::of(plan);
    assert_eq!(run.end(), Outcome::Promoted);
    assert!(!run.asked.iter().any(|effect| matches!(effect, Effect::Look(look) if look.calendar)));
}

#[test]
fn to_continue_needs_the_window_or_a_broken_glass() {
    let mut run = Run::of(windowed(&[(0, 2)], &[]));
    run.until_step(3);
    run.pass(MINUTE * 10);
    run.told(OperatorRequest::Continue);
    assert!(matches!(refusal(&run.notices), Some(Objection::Closed(_))), "{:?}", refusal(&run.notices));
    assert!(!is_continued(&run));
    run.say(OperatorRequest::BreakGlass, None);
    assert!(!is_continued(&run), "without a reason nothing is overruled");
    run.say(OperatorRequest::BreakGlass, Some("a security fix"));
    assert!(is_continued(&run));
    assert_eq!(run.machine.progress().glass.map(|glass| glass.reason), Some("a security fix".to_owned()));
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_broken_glass_ends_no_pause_but_that_of_a_window() {
    let mut run = Run::of(windowed(&[(0, 1_000)], &[]));
    run.until_step(2);
    run.told(OperatorRequest::Pause);
    run.say(OperatorRequest::BreakGlass, Some("why not"));
    assert!(run.machine.progress().paused.is_some());
}

#[test]
fn a_calendar_is_asked_once_a_minute_and_holds_while_it_is_closed() {
    let mut run = Run::of(windowed(&[(0, 10_000)], &["freeze"]));
    run.calendar = Some(CalendarSeen { open: true, next: None });
    run.until_step(2);
    run.calendar = Some(CalendarSeen { open: false, next: Some(at(90)) });
    run.until_step(3);
    run.pass(MINUTE * 30);
    let paused = run.machine.progress().paused.unwrap();
    assert!(closed(&paused).starts_with("a change calendar is closed; opens at"), "{paused:?}");
    let asked = run.asked.iter().filter(|effect| matches!(effect, Effect::Look(look) if look.calendar)).count();
    assert!(u64::try_from(asked).unwrap() <= run.now.since(START).as_secs() / 60 + 2, "{asked}");
    run.calendar = Some(CalendarSeen { open: true, next: None });
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_calendar_that_cannot_be_read_is_closed() {
    let mut run = Run::of(windowed(&[(0, 10_000)], &["freeze"]));
    run.calendar = None;
    run.until(|run| run.machine.progress().paused.is_some());
    assert_eq!(run.share, Share::NONE);
    assert!(closed(&run.machine.progress().paused.unwrap()).contains("cannot be read"));
    run.calendar = Some(CalendarSeen { open: true, next: None });
    run.until_step(2);
    // What was read is good for some minutes, and no longer.
    run.calendar = None;
    run.until(|run| run.machine.progress().paused.is_some());
    assert_eq!(run.share, tenth());
}
