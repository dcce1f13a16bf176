//! Credentials that end on the way: held, not gone back, and gone on with on new evidence.

use super::*;

fn expired() -> Fault {
    fault(FaultKind::Expired)
}

/// A canary whose credentials end in its first hold.
fn locked() -> Run {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.pass(Duration::from_secs(20));
    run.rule_fault = Some(expired());
    run
}

fn waits_for_credentials(notice: &Notice) -> bool {
    matches!(notice, Notice::Waiting { on: Awaited::Credentials { .. } })
}

/// Answers what is asked with this fault for a while.
fn refuse_all(run: &mut Run, fault: &Fault, span: Duration) {
    let until = run.now + span;
    while run.now < until {
        match run.pending() {
            Some(_) => drop(run.answer(Answer::Failed(fault.clone()))),
            None => drop(run.go()),
        }
        assert_eq!(run.machine.outcome(), None);
    }
}

#[test]
fn a_rollout_whose_credentials_end_holds_and_says_so_once() {
    let mut run = locked();
    run.pass(MINUTE * 50);
    assert!(!run.machine.is_retreating());
    assert_eq!((run.share, run.routes()), (tenth(), vec![tenth()]));
    assert_eq!(run.notices.iter().filter(|notice| waits_for_credentials(notice)).count(), 1);
    let troubles = run.notices.iter().filter(|notice| **notice == Notice::Trouble(expired()));
    assert_eq!(troubles.count(), 1);
}

#[test]
fn credentials_that_come_back_go_on_on_evidence_from_after_that() {
    let mut run = locked();
    run.pass(MINUTE * 20);
    let back = run.now;
    run.rule_fault = None;
    run.until_step(3);
    assert!(run.now.since(back) > MINUTE, "it passed on old verdicts: {:?}", run.now.since(back));
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_release_that_is_found_bad_when_credentials_come_back_goes_back() {
    let mut run = locked();
    run.pass(MINUTE * 20);
    run.errors = Some(30.0);
    run.rule_fault = None;
    assert!(matches!(reason(run.end()), Reason::Breach { .. }));
}

#[test]
fn a_write_that_comes_after_the_end_of_the_credentials_is_asked_for_again() {
    for (name, what) in [("scale", is_scale as fn(&Effect) -> bool), ("route", is_route)] {
        let mut run = Run::of(canary());
        run.until_asked(what);
        refuse_all(&mut run, &expired(), MINUTE * 30);
        assert!(!run.machine.is_retreating(), "{name}");
        assert_eq!(run.end(), Outcome::Promoted, "{name}");
    }
}

#[test]
fn a_person_has_as_long_to_renew_credentials_as_for_a_pause() {
    let mut run = locked();
    run.until(|run| run.machine.is_retreating());
    let limit = run.machine.plan().limits.pause;
    let held = run.now.since(START);
    assert!(held > limit && held < limit + MINUTE * 10, "{held:?}");
    run.rule_fault = None;
    assert!(matches!(reason(run.end()), Reason::TimeLimit { what } if what.contains("credentials")));
}

#[test]
fn a_rule_that_cannot_be_read_for_other_reasons_still_goes_back() {
    let mut run = locked();
    run.pass(MINUTE * 10);
    run.rule_fault = Some(fault(FaultKind::Transient));
    run.pass(MINUTE * 5);
    assert!(run.machine.is_retreating());
}

#[test]
fn a_person_can_take_it_back_without_credentials_and_it_is_tried_until_there_are_some() {
    let mut run = locked();
    run.told(OperatorRequest::Rollback);
    refuse_all(&mut run, &expired(), MINUTE * 20);
    run.rule_fault = None;
    assert!(matches!(reason(run.end()), Reason::Operator { .. }));
    assert_eq!((run.share, run.candidate.desired, run.undone()), (Share::NONE, 1, vec![]));
}

#[test]
fn the_way_back_calls_a_person_when_credentials_stay_away() {
    let mut run = locked();
    run.told(OperatorRequest::Rollback);
    let limit = run.machine.plan().limits.retreat;
    refuse_all(&mut run, &expired(), limit.saturating_sub(MINUTE));
    while run.machine.outcome().is_none() {
        match run.pending() {
            Some(_) => drop(run.answer(Answer::Failed(expired()))),
            None => drop(run.go()),
        }
    }
    assert!(stranded(run.machine.outcome().unwrap().clone()).contains("within the limit"));
}

#[test]
fn what_comes_after_the_traffic_waits_for_credentials_too() {
    let mut run = locked();
    run.rule_fault = None;
    run.told(OperatorRequest::Rollback);
    run.until_asked(is_scale);
    run.rule_fault = Some(expired());
    refuse_all(&mut run, &expired(), MINUTE * 10);
    run.rule_fault = None;
    run.end();
    assert_eq!((run.candidate.desired, run.undone()), (1, vec![]));
}

#[test]
fn a_new_runner_brings_credentials_of_its_own() {
    let mut run = locked();
    run.pass(MINUTE * 50);
    run.rule_fault = None;
    run.recovered();
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn past_the_commit_credentials_hold_nothing_up() {
    let mut run = Run::of(canary());
    run.until_step(6);
    run.rule_fault = Some(expired());
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(run.stable.desired, FULL);
}
