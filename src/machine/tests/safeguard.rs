//! What keeps the way back open: set up before any traffic, kept up on the way, taken down at either end.

use super::*;
use crate::spec::OnTrouble;

const SCALING: Scaling = Scaling { min: 2, max: 9, no_scale_in: false, no_scale_out: false, no_schedule: false };
const AFTER: Duration = Duration::from_secs(300);

/// A whole canary with everything that keeps the way back open.
fn guarded() -> Plan {
    let steps = [
        Action::Secure,
        Action::Prepare(FULL),
        TENTH,
        HOLD,
        Action::Shift(Share::ALL),
        HOLD,
        Action::Commit,
        Action::Retire,
        Action::Settle,
    ];
    let mut plan = plan(&steps);
    plan.before.scaling = vec![(Role::Stable, SCALING), (Role::Candidate, SCALING)];
    plan.dead_man = Some(DeadMan { role: "arn:aws:iam::1:role/r".into(), after: AFTER, group: "default".into() });
    plan
}

fn after(span: Duration) -> Plan {
    let mut plan = guarded();
    plan.dead_man.as_mut().unwrap().after = span;
    plan
}

fn sticky() -> Plan {
    let mut plan = guarded();
    plan.before.stickiness = Some(MINUTE * 10);
    plan
}

fn is_arm(effect: &Effect) -> bool {
    matches!(effect, Effect::Arm { .. })
}

fn is_push(effect: &Effect) -> bool {
    matches!(effect, Effect::Arm { create: false, .. })
}

/// Every write that was asked for, in a word.
fn writes(run: &Run) -> Vec<String> {
    let request = |effect: &Effect| match effect {
        Effect::Mark(beacon) => Some(format!("{beacon:?}")),
        Effect::HoldScaling => Some("hold".into()),
        Effect::FreeScaling => Some("free".into()),
        Effect::Arm { create: true, .. } => Some("arm".into()),
        Effect::Disarm => Some("disarm".into()),
        Effect::Route(Route { stickiness: Stickiness::Restore, .. }) => Some("mend".into()),
        Effect::Route(route) => Some(route.share.to_string()),
        Effect::Scale { role, count, .. } => Some(format!("{role} {count}")),
        _ => None,
    };
    run.asked.iter().filter_map(request).collect()
}

fn is_clean(run: &Run) -> bool {
    run.beacon == Beacon::Absent && !run.held && run.fires.is_none()
}

/// Answers what is outstanding like this as long as it is like that; everything else is done.
fn refuse(run: &mut Run, kind: FaultKind, what: impl Fn(&Effect) -> bool) -> Outcome {
    while run.machine.outcome().is_none() {
        if run.pending().is_some_and(&what) {
            run.answer(Answer::Failed(fault(kind)));
        } else {
            run.go();
        }
    }
    run.machine.outcome().unwrap().clone()
}

fn dead_man(outcome: Outcome) -> SwitchSeen {
    match reason(outcome) {
        Reason::DeadMan(seen) => seen,
        other => panic!("another reason: {other:?}"),
    }
}

#[test]
fn everything_is_set_up_before_the_first_task_and_taken_down_after_the_last() {
    let mut run = Run::of(guarded());
    assert_eq!(run.end(), Outcome::Promoted);
    let expected =
        ["Active", "hold", "arm", "candidate 4", "10%", "100%", "disarm", "Committed", "stable 0", "free", "Absent"];
    assert_eq!(writes(&run), expected);
    assert!(is_clean(&run) && run.undone().is_empty());
}

#[test]
fn a_plan_without_autoscaling_or_switch_still_leaves_a_beacon() {
    let mut plan = guarded();
    (plan.dead_man, plan.before.scaling) = (None, Vec::new());
    let mut run = Run::of(plan);
    run.end();
    let marks: Vec<String> =
        writes(&run).into_iter().filter(|request| request.starts_with(char::is_uppercase)).collect();
    assert_eq!(
        (marks, run.asked.iter().any(is_arm)),
        (vec!["Active".into(), "Committed".into(), "Absent".into()], false)
    );
}

#[test]
fn no_weight_is_given_before_the_switch_is_known_to_be_armed() {
    let mut run = Run::of(guarded());
    run.until_asked(is_arm);
    for _ in 0..3 {
        run.answer(Answer::Failed(fault(FaultKind::Unknown)));
        run.go();
        assert!(run.pending().is_some_and(|effect| matches!(effect, Effect::Arm { create: true, .. })));
    }
    run.go();
    assert!(run.is_told(|notice| matches!(notice, Notice::Armed { .. })));
    assert!(run.pending().is_some_and(is_scale));
}

#[test]
fn an_arm_counts_from_when_it_is_asked_for() {
    let mut run = Run::of(guarded());
    run.until_asked(is_arm);
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    run.go();
    let now = run.now;
    assert!(matches!(run.pending(), Some(Effect::Arm { at, .. }) if *at == now + AFTER), "{:?}", run.pending());
}

#[test]
fn the_switch_is_pushed_on_every_minute_also_while_the_rollout_is_paused() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.told(OperatorRequest::Pause);
    let before = run.asked.iter().filter(|effect| is_push(effect)).count();
    run.pass(MINUTE * 20);
    let pushes = run.asked.iter().filter(|effect| is_push(effect)).count() - before;
    assert!((16..=20).contains(&pushes), "{pushes} pushes in 20 minutes");
    assert!(run.fires.is_some_and(|at| at.since(run.now) + PUSH_EVERY * 2 >= AFTER));
    run.told(OperatorRequest::Continue);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_push_that_fails_is_told_once_and_asked_for_again_at_the_next_look() {
    let mut run = Run::of(guarded());
    run.until_step(2);
    run.until_asked(is_push);
    run.notices.clear();
    for _ in 0..3 {
        run.answer(Answer::Failed(fault(FaultKind::Transient)));
        assert!(run.pending().is_some_and(is_look), "the look that was due comes next");
        run.until_asked(is_push);
    }
    assert_eq!(run.notices.iter().filter(|notice| matches!(notice, Notice::Trouble(_))).count(), 1);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_push_that_finds_nothing_goes_back() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.until_asked(is_push);
    run.fires = None;
    assert_eq!(dead_man(run.end()), SwitchSeen::Gone);
    assert!(is_clean(&run) && run.share == Share::NONE);
}

#[test]
fn a_runner_that_comes_back_too_late_goes_back() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.dead_for(AFTER + MINUTE);
    assert_eq!(run.share, Share::NONE, "the switch has fired");
    assert!(matches!(dead_man(run.end()), SwitchSeen::Due(_)));
    assert_eq!(run.routes().last(), Some(&Share::NONE), "what was read may be old");
    assert!(is_clean(&run));
}

#[test]
fn a_runner_that_comes_back_in_time_goes_on() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.dead_for(MINUTE * 3);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_switch_that_fired_by_another_clock_is_known_by_what_it_wrote() {
    for policy in [OnTrouble::Rollback, OnTrouble::Hold] {
        let mut plan = after(MINUTE * 2);
        plan.policies.on_foreign_write = policy;
        let mut run = Run::of(plan);
        run.until_step(3);
        run.pass(MINUTE);
        run.until_asked(is_look);
        run.share = Share::NONE;
        assert_eq!(dead_man(run.end()), SwitchSeen::Wrote("green 0%".into()));
        assert!(is_clean(&run));
    }
}

#[test]
fn a_stable_only_rule_long_before_the_switch_fires_is_somebody_elses() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.pass(MINUTE + POLL);
    run.share = Share::NONE;
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
}

#[test]
fn a_weight_is_not_written_that_could_land_after_the_switch_fires() {
    let mut run = Run::of(after(MINUTE * 2));
    run.until_step(2);
    let fires = run.fires.unwrap();
    // Tasks are missing until shortly before.
    run.candidate.healthy = 0;
    while run.machine.outcome().is_none() {
        if run.now + WRITE_LANDS_WITHIN >= fires {
            run.candidate.healthy = FULL;
        }
        if run.pending().is_some_and(is_push) {
            run.answer(Answer::Failed(fault(FaultKind::Transient)));
        } else {
            run.go();
        }
    }
    assert!(run.routes().iter().all(|share| *share == Share::NONE), "{:?}", run.routes());
    assert!(matches!(run.machine.outcome(), Some(Outcome::RolledBack(Reason::DeadMan { .. }))));
}

#[test]
fn a_hold_or_a_switch_that_is_refused_goes_back_before_any_weight() {
    for what in [|effect: &Effect| *effect == Effect::HoldScaling, is_arm] {
        let mut run = Run::of(guarded());
        assert!(matches!(reason(refuse(&mut run, FaultKind::Denied, what)), Reason::Refused(_)));
        assert_eq!((run.routes(), run.candidate.desired), (vec![], 1));
        assert!(is_clean(&run));
    }
}

#[test]
fn a_switch_that_cannot_be_armed_in_time_goes_back() {
    let mut run = Run::of(guarded());
    assert!(matches!(reason(refuse(&mut run, FaultKind::Transient, is_arm)), Reason::TimeLimit { .. }));
    assert!(is_clean(&run) && run.routes().is_empty());
}

#[test]
fn a_beacon_that_cannot_be_written_is_told_and_gone_without() {
    for kind in [FaultKind::Denied, FaultKind::Transient] {
        let mut run = Run::of(guarded());
        let marks = |effect: &Effect| matches!(effect, Effect::Mark(_));
        assert_eq!(refuse(&mut run, kind, marks), Outcome::Promoted);
        assert_eq!(run.undone(), [&Undone::Beacon(Beacon::Active, Some(fault(kind)))]);
    }
}

#[test]
fn the_switch_is_gone_before_the_commit_and_its_time_is_far() {
    let mut run = Run::of(guarded());
    run.until_asked(|effect| *effect == Effect::Disarm);
    run.go();
    let gone = run.now;
    run.until(|run| run.is_told(|notice| *notice == Notice::Committed));
    assert_eq!((run.now, run.beacon), (gone, Beacon::Committed));
}

#[test]
fn a_switch_that_was_about_to_fire_is_waited_out_before_the_commit() {
    let mut run = Run::of(after(MINUTE * 2));
    run.until_asked(|effect| *effect == Effect::Disarm);
    run.go();
    let gone = run.now;
    run.until(|run| run.is_told(|notice| *notice == Notice::Committed));
    assert!(run.now.since(gone) >= SWITCH_LANDS_WITHIN, "{:?}", run.now.since(gone));
    assert!(run.now.since(gone) <= SWITCH_LANDS_WITHIN + POLL);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_late_switch_found_before_the_commit_goes_back() {
    let mut run = Run::of(after(MINUTE * 2));
    run.until_asked(|effect| *effect == Effect::Disarm);
    run.go();
    run.pass(MINUTE);
    (run.share, run.sticky) = (Share::NONE, false);
    assert_eq!(dead_man(run.end()), SwitchSeen::Wrote("green 0%".into()));
    assert!(!run.is_told(|notice| *notice == Notice::Committed));
}

#[test]
fn a_removal_whose_answer_is_lost_is_asked_for_again_and_pushed_no_more() {
    let mut run = Run::of(guarded());
    run.until_asked(|effect| *effect == Effect::Disarm);
    let pushes = run.asked.iter().filter(|effect| is_push(effect)).count();
    run.fires = None;
    for _ in 0..20 {
        run.answer(Answer::Failed(fault(FaultKind::Unknown)));
        run.until_asked(|effect| *effect == Effect::Disarm);
    }
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(run.asked.iter().filter(|effect| is_push(effect)).count(), pushes);
}

#[test]
fn on_the_way_back_traffic_comes_first_and_the_beacon_goes_last() {
    let mut run = Run::of(sticky());
    run.until_step(3);
    run.asked.clear();
    run.told(OperatorRequest::Rollback);
    run.end();
    let expected = ["0%", "Aborting", "disarm", "candidate 1", "free", "mend", "Absent"];
    assert_eq!(writes(&run), expected);
    assert!(is_clean(&run) && run.sticky && run.undone().is_empty());
}

#[test]
fn what_is_left_in_a_hurry_is_tried_twice_and_told() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.asked.clear();
    run.interrupted();
    let down = |effect: &Effect| effect.is_safeguard();
    refuse(&mut run, FaultKind::Transient, down);
    let asked = |what: Effect| run.asked.iter().filter(|effect| **effect == what).count();
    assert_eq!((asked(Effect::Disarm), asked(Effect::FreeScaling), asked(Effect::Mark(Beacon::Absent))), (2, 2, 2));
    assert_eq!(run.undone().len(), 4, "{:?}", run.undone());
    assert!(matches!(run.undone()[0], Undone::Switch { fires: Some(_), .. }), "{:?}", run.undone());
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_hurried_runner_takes_down_what_it_can() {
    let mut run = Run::of(sticky());
    run.until_step(3);
    let before = run.now;
    run.interrupted();
    run.end();
    assert!(is_clean(&run) && !run.sticky && run.unstuck().len() == 1);
    assert_eq!(run.now, before, "it waits for nothing");
}

#[test]
fn a_call_that_could_still_make_a_switch_is_waited_out_before_it_is_removed() {
    let mut run = Run::of(guarded());
    run.until_asked(is_arm);
    let asked = run.now;
    run.told(OperatorRequest::Rollback);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.until_asked(|effect| *effect == Effect::Disarm);
    assert!(run.now.since(asked) >= WRITE_LANDS_WITHIN);
    run.end();
    assert!(is_clean(&run));
}

#[test]
fn a_crash_at_any_write_ends_with_everything_taken_down() {
    let mut plain = Run::of(sticky());
    plain.end();
    let all = plain.asked.iter().filter(|effect| effect.is_write()).count();
    for (n, is_done, back) in
        (0..all).flat_map(|n| [(n, false, false), (n, true, false), (n, false, true), (n, true, true)])
    {
        let mut run = Run::of(sticky());
        run.until(|run| run.asked.iter().filter(|effect| effect.is_write()).count() == n + 1);
        let effect = run.pending().cloned().unwrap();
        if is_done {
            let _ = run.perform(&effect);
        }
        run.dead_for(MINUTE);
        if back {
            run.told(OperatorRequest::Rollback);
        }
        run.end();
        assert!(is_clean(&run) && run.undone().is_empty(), "write {n}, {effect:?}: {:?}", run.undone());
        assert!(run.share == Share::ALL || run.sticky, "write {n}, {effect:?}");
    }
}

#[test]
fn a_switch_that_fires_on_the_way_back_leaves_stickiness_mended() {
    let mut run = Run::of(sticky());
    run.until_step(3);
    run.told(OperatorRequest::Rollback);
    run.until_asked(is_route);
    run.dead_for(AFTER + MINUTE);
    run.end();
    assert!(is_clean(&run) && run.sticky);
}

#[test]
fn a_stranded_rollout_tells_what_it_leaves_behind() {
    let mut run = Run::of(guarded());
    run.until_step(3);
    run.told(OperatorRequest::Rollback);
    stranded(refuse(&mut run, FaultKind::Denied, is_route));
    assert_eq!(run.undone().len(), 3, "{:?}", run.undone());
    run.told(OperatorRequest::Rollback);
    run.end();
    assert!(is_clean(&run));
}

#[test]
fn a_slot_that_is_not_retired_does_not_keep_autoscaling_held() {
    let mut run = Run::of(guarded());
    let retires = |effect: &Effect| matches!(effect, Effect::Scale { role: Role::Stable, .. });
    assert_eq!(refuse(&mut run, FaultKind::Denied, retires), Outcome::Promoted);
    assert!(is_clean(&run));
}

#[test]
fn autoscaling_that_cannot_be_set_back_is_told() {
    let mut run = Run::of(guarded());
    let frees = |effect: &Effect| *effect == Effect::FreeScaling;
    assert_eq!(refuse(&mut run, FaultKind::Transient, frees), Outcome::Promoted);
    assert!(matches!(run.undone()[..], [Undone::Scaling(Some(_))]), "{:?}", run.undone());
    assert_eq!(run.beacon, Beacon::Absent);
}

#[test]
fn a_runner_that_holds_says_when_the_switch_fires() {
    let mut plan = guarded();
    plan.policies.on_interrupt = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_step(3);
    let due = run.fires;
    let notices = run.interrupted();
    let says =
        |notice: &Notice| matches!(notice, Notice::HandedOver { why: Leaving::Stopped { fires, .. } } if *fires == due);
    let left = notices.iter().any(says);
    assert!(left, "{notices:?}");
}

#[test]
fn nothing_commits_before_the_lease_says_so() {
    let mut run = Run::of(guarded());
    run.until_asked(|effect| *effect == Effect::IntendCommit);
    assert_eq!(run.beacon, Beacon::Active);
    for _ in 0..5 {
        run.answer(Answer::Failed(fault(FaultKind::Transient)));
        assert!(!run.is_told(|notice| *notice == Notice::Committed));
        run.until_asked(|effect| *effect == Effect::IntendCommit);
    }
    assert_eq!((run.end(), run.beacon), (Outcome::Promoted, Beacon::Absent));
}

#[test]
fn while_the_commit_is_held_the_rule_does_not_say_that_there_is_no_way_back() {
    let person = |run: &mut Run| drop(run.told(OperatorRequest::Pause));
    let breach = |run: &mut Run| run.errors = Some(40.0);
    for hold in [person, breach] as [fn(&mut Run); 2] {
        let mut plan = guarded();
        plan.policies.on_breach = OnTrouble::Hold;
        let mut run = Run::of(plan);
        run.until(|run| run.beacon == Beacon::Committed);
        hold(&mut run);
        run.until(|run| run.machine.progress().paused.is_some());
        run.pass(MINUTE);
        assert_eq!(run.beacon, Beacon::Active);
        assert!(!run.is_told(|notice| *notice == Notice::Committed));
        run.errors = Some(0.1);
        run.told(OperatorRequest::Continue);
        run.until(|run| run.is_told(|notice| *notice == Notice::Committed));
        assert_eq!(run.beacon, Beacon::Committed, "it commits under a rule that says so");
        assert_eq!(run.end(), Outcome::Promoted);
    }
}

/// Refuses one effect, however often it is asked for, until the rollout goes back.
fn refuse_until_back(run: &mut Run, refused: &Effect) {
    while !run.machine.is_retreating() {
        match run.pending() {
            Some(effect) if effect == refused => drop(run.answer(Answer::Failed(fault(FaultKind::Transient)))),
            _ => drop(run.go()),
        }
    }
}

#[test]
fn a_lease_that_never_says_so_ends_in_going_back() {
    let mut run = Run::of(guarded());
    refuse_until_back(&mut run, &Effect::IntendCommit);
    assert!(matches!(run.end(), Outcome::RolledBack(Reason::TimeLimit { .. })));
}

#[test]
fn a_breach_is_seen_while_the_word_for_the_commit_does_not_go_out() {
    for request in [Effect::IntendCommit, Effect::Mark(Beacon::Committed)] {
        let mut run = Run::of(guarded());
        run.until_asked(|effect| *effect == request);
        run.errors = Some(40.0);
        refuse_until_back(&mut run, &request);
        assert!(matches!(reason(run.end()), Reason::Breach { .. }), "{request:?}");
    }
}

#[test]
fn what_the_runner_before_may_still_hold_is_set_free_at_the_end() {
    let mut run = Run::of(guarded());
    run.recovered();
    run.told(OperatorRequest::Rollback);
    run.end();
    assert!(run.asked.contains(&Effect::FreeScaling), "{:?}", run.asked);
}

#[test]
fn a_switch_that_another_clock_set_and_that_is_about_to_fire_is_not_pushed_on() {
    for (left, goes_on) in [(Duration::from_secs(20), false), (MINUTE, true)] {
        let mut run = Run::of(guarded());
        run.until_step(2);
        let fires = run.fires.unwrap();
        run.dead_for(fires.since(run.now + left));
        assert_eq!(run.machine.is_retreating(), !goes_on, "{left:?} left");
    }
}
