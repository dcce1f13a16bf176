//! What one runner leaves to the next: writes that are on no journal, moments told by another clock, a switch that
//! nobody has pushed on since.

use super::*;
use crate::domain::safeguard::SWITCH_LANDS_WITHIN;
use crate::lease::QUARANTINE;

/// How far the next runner's clock is ahead.
const AHEAD: Duration = Duration::from_secs(2 * 3600);

fn guarded() -> Plan {
    let steps = [Action::Secure, Action::Prepare(FULL), TENTH, HOLD, Action::Shift(Share::ALL), Action::Commit];
    let mut plan = plan(&steps);
    plan.before.stickiness = Some(MINUTE * 10);
    let (role, group) = ("arn:aws:iam::1:role/r".into(), "default".into());
    plan.dead_man = Some(DeadMan { role, after: MINUTE * 5, group });
    plan
}

/// Another runner goes on, by a clock that is ahead; the world's own time does not pass.
fn recovered_ahead(run: &mut Run) {
    run.now = run.now + AHEAD;
    run.fires = run.fires.map(|at| at + AHEAD);
    run.recovered();
}

#[test]
fn a_way_back_that_is_taken_over_is_not_over_while_other_hands_can_still_write() {
    for recovers in [true, false] {
        let mut run = if recovers { Run::of(canary()) } else { Run::not_begun(canary()) };
        if recovers {
            run.until_asked(is_scale);
            run.recovered();
        }
        let taken = run.now;
        run.told(OperatorRequest::Rollback);
        assert!(matches!(run.end(), Outcome::RolledBack(_)));
        assert!(run.now.since(taken) >= QUARANTINE, "{:?}", run.now.since(taken));
    }
}

#[test]
fn the_next_runner_gives_no_weight_before_it_has_pushed_the_switch_on() {
    let mut run = Run::of(guarded());
    run.until_step(2);
    run.asked.clear();
    run.recovered();
    run.until_asked(is_route);
    let push = run.asked.iter().position(|effect| matches!(effect, Effect::Arm { create: false, .. }));
    assert!(push.is_some(), "{:?}", run.asked);

    let mut run = Run::of(guarded());
    run.until_step(2);
    run.recovered();
    for _ in 0..10 {
        match run.pending() {
            Some(Effect::Arm { .. }) => drop(run.answer(Answer::Failed(fault(FaultKind::Transient)))),
            other => {
                assert!(!other.is_some_and(is_route), "weight is given on a switch that nobody has pushed on");
                run.go();
            }
        }
    }
}

#[test]
fn a_switch_that_has_fired_is_waited_out_by_the_next_runner_whatever_its_clock_shows() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.fires = None;
    run.until(|run| run.machine.is_retreating());
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    recovered_ahead(&mut run);
    let taken = run.now;
    assert!(matches!(run.end(), Outcome::RolledBack(Reason::DeadMan { .. })));
    assert!(run.now.since(taken) >= SWITCH_LANDS_WITHIN, "{:?}", run.now.since(taken));
}

#[test]
fn a_runner_that_must_leave_tells_that_the_switch_may_turn_stickiness_off_again() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.fires = None;
    run.until(|run| run.machine.is_retreating());
    run.interrupted();
    run.end();
    let told = |notice: &Notice| matches!(notice, Notice::StickinessOff { why: StaysOff::Switch });
    assert!(run.is_told(told), "{:?}", run.notices);
}

#[test]
fn a_beacon_that_was_given_up_and_may_be_there_does_not_outlast_the_commit() {
    let mut run = Run::of(guarded());
    while run.undone().is_empty() {
        match run.pending() {
            Some(Effect::Mark(_)) => drop(run.answer(Answer::Failed(fault(FaultKind::Unknown)))),
            _ => drop(run.go()),
        }
    }
    run.until_asked(|effect| *effect == Effect::Mark(Beacon::Committed));
    for _ in 0..ATTEMPTS + 2 {
        run.answer(Answer::Failed(fault(FaultKind::Transient)));
        run.until_asked(|effect| *effect == Effect::Mark(Beacon::Committed));
        assert!(!run.machine.is_committed());
    }
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn what_is_restored_anew_while_it_is_counted_is_asked_for_until_it_is_done() {
    let steps =
        [Action::Secure, Action::Prepare(FULL), TENTH, Action::Shift(Share::ALL), Action::Commit, Action::Settle];
    let mut run = Run::of(plan(&steps));
    let takes_off = |effect: &Effect| *effect == Effect::Mark(Beacon::Absent);
    run.until_asked(takes_off);
    while run.pending().is_none_or(|effect| !matches!(effect, Effect::Count { .. })) {
        if run.pending().is_some_and(takes_off) {
            run.answer(Answer::Failed(fault(FaultKind::Transient)));
        } else {
            run.go();
        }
    }
    run.recovered();
    assert!(run.pending().is_some_and(takes_off));
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    assert_eq!((run.end(), run.beacon), (Outcome::Promoted, Beacon::Absent));
}

#[test]
fn a_beacon_that_was_sent_late_is_outlived_from_its_answer_on() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.told(OperatorRequest::Rollback);
    run.until_asked(|effect| *effect == Effect::Mark(Beacon::Aborting));
    // It waited for the journal, and its answer is lost.
    run.now = run.now + Duration::from_secs(25);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    let answered = run.now;
    run.interrupted();
    run.until_asked(|effect| *effect == Effect::Mark(Beacon::Absent));
    assert!(run.now.since(answered) >= WRITE_LANDS_WITHIN, "{:?}", run.now.since(answered));
}

#[test]
fn a_clock_that_is_behind_the_journal_cannot_tell_whether_the_switch_has_fired_and_goes_back() {
    for (behind, goes_back) in [(true, true), (false, false)] {
        let mut run = Run::of(guarded());
        run.until_step(2);
        // An event dated before the last one counts as happening with it.
        let now = run.now;
        run.now = if behind { now.before(MINUTE) } else { now };
        run.recovered();
        run.now = now;
        assert_eq!(run.machine.is_retreating(), goes_back, "behind: {behind}");
    }
}
