//! The short way to the write that gives the traffic back, and what may still land after it.

use super::*;

/// A rollout that holds a tenth, whose tasks were not read lately, and whose runner is told to stop.
fn stopped(plan: Plan) -> Run {
    let mut run = Run::of(plan);
    run.until_step(2);
    run.pass(Duration::from_secs(30));
    run.interrupted();
    run
}

/// A sticky rule whose cookies end at once.
fn sticky() -> Plan {
    let mut plan = canary();
    plan.before.stickiness = Some(Duration::ZERO);
    plan
}

fn is_first_read(effect: &Effect) -> bool {
    matches!(effect, Effect::Look(look) if look.first_read == Some(FIRST_READ_WITHIN) && look.rule && !look.fleet)
}

/// An answer to the way back's write: it is written, and one more attempt may land.
fn unsettled(run: &mut Run) {
    let effect = run.pending().cloned().unwrap();
    let Answer::Routed(seen) = run.perform(&effect) else { panic!("not a write: {effect:?}") };
    run.answer(Answer::Unsettled(seen));
}

#[test]
fn the_way_back_begins_with_a_first_read() {
    let mut run = stopped(canary());
    assert!(run.pending().is_some_and(is_first_read), "{:?}", run.pending());
    run.go();
    assert!(run.pending().is_some_and(is_route));
}

#[test]
fn tasks_that_were_just_read_spare_the_first_read() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.interrupted();
    assert!(run.pending().is_some_and(is_route));
}

#[test]
fn tasks_that_were_just_read_as_gone_do_not() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.stable.healthy = 0;
    run.until_asked(|effect| matches!(effect, Effect::Look(look) if look.fleet));
    run.go();
    run.interrupted();
    assert!(run.pending().is_some_and(is_first_read));
}

#[test]
fn a_first_read_that_saw_nothing_does_not_stop_the_write() {
    let mut run = stopped(canary());
    run.answer(Answer::Seen(Box::default()));
    assert!(run.pending().is_some_and(is_route));
}

#[test]
fn a_slot_seen_without_targets_gets_no_traffic_before_it_is_seen_with_some() {
    let mut run = stopped(canary());
    run.stable.healthy = 0;
    run.go();
    for _ in 0..2 {
        assert!(run.pending().is_some_and(|effect| matches!(effect, Effect::Look(look) if look.fleet)));
        run.answer(Answer::Failed(fault(FaultKind::Transient)));
        run.until_asked(is_first_read);
        run.answer(Answer::Seen(Box::default()));
        run.until_asked(is_first_read);
        run.go();
    }
    assert_eq!(run.routes(), [tenth()]);
    run.stable.healthy = FULL;
    run.end();
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_refused_write_is_asked_for_again_soon_and_then_less_soon() {
    let mut run = stopped(canary());
    run.until_asked(is_route);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = run.now;
        run.answer(Answer::Failed(fault(FaultKind::Transient)));
        run.until_asked(is_route);
        waits.push(run.now.since(before).as_millis());
    }
    assert_eq!(waits, [250, 500, 1000, 2000, 2000, 2000]);
}

#[test]
fn the_rollout_does_not_end_before_the_last_attempt_of_the_write_can_land() {
    let mut run = stopped(sticky());
    run.until_asked(is_route);
    let asked = run.now;
    unsettled(&mut run);
    assert!(run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })), "it is told at once");
    run.until_asked(is_route);
    assert!(run.now.since(asked) >= WRITE_LANDS_WITHIN, "stickiness is put back too early");
    run.end();
    assert!(run.sticky && run.now.since(asked) < WRITE_LANDS_WITHIN + MINUTE);
}

#[test]
fn a_settled_write_is_not_waited_out() {
    let mut run = stopped(sticky());
    run.until_asked(is_route);
    let asked = run.now;
    run.end();
    assert!(run.sticky && run.now.since(asked) < Duration::from_secs(1));
}

#[test]
fn a_write_of_the_way_back_with_an_unknown_outcome_is_waited_out() {
    let mut run = stopped(canary());
    run.until_asked(is_route);
    let asked = run.now;
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.end();
    assert!(run.now.since(asked) >= WRITE_LANDS_WITHIN);
}

#[test]
fn stickiness_put_back_by_a_write_with_an_unknown_outcome_is_waited_out() {
    let mut run = stopped(sticky());
    run.until_asked(|effect| matches!(effect, Effect::Route(route) if route.stickiness == Stickiness::Restore));
    let asked = run.now;
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.end();
    assert!(run.now.since(asked) >= WRITE_LANDS_WITHIN);
}

#[test]
fn a_runner_lost_during_the_write_leaves_it_to_be_waited_out() {
    let mut run = stopped(canary());
    run.until_asked(is_route);
    let asked = run.now;
    run.recovered();
    run.interrupted();
    run.end();
    assert!(run.now.since(asked) >= WRITE_LANDS_WITHIN);
}

#[test]
fn a_late_write_of_the_way_forward_stays_known_for_ours() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    run.told(OperatorRequest::Rollback);
    assert!(run.machine.is_draining());
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    assert!(!run.machine.is_draining());
    unsettled(&mut run);
    run.share = tenth();
    run.end();
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_write_that_made_way_unsent_is_not_waited_out() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    let asked = run.now;
    run.interrupted();
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    run.end();
    assert_eq!(run.routes(), [tenth()], "the candidate never had weight");
    assert!(run.now.since(asked) < WRITE_LANDS_WITHIN);
}
