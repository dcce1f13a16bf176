//! The way back: traffic first, everything else after, and a person when it does not work.

use super::*;

/// A rollout that holds a tenth, whose tasks were not read lately, and that is told to go back.
fn told_back(plan: Plan) -> Run {
    let mut run = Run::of(plan);
    run.until_step(2);
    run.pass(Duration::from_secs(30));
    run.told(OperatorRequest::Rollback);
    run
}

/// A plan that prepares, and asks a person for half an hour before there is any weight.
fn asking() -> Plan {
    let mut plan = plan(&[Action::Prepare(FULL), Action::Approve("go on?".into()), TENTH]);
    plan.steps[1].within = MINUTE * 30;
    plan
}

fn sticky() -> Plan {
    lasting(MINUTE * 10)
}

/// A rule whose cookies last as long.
fn lasting(cookies: Duration) -> Plan {
    let mut plan = canary();
    plan.before.stickiness = Some(cookies);
    plan
}

/// Answers what is outstanding with a refusal as long as it is like this; everything else is done.
fn refuse(run: &mut Run, kind: FaultKind, what: impl Fn(&Effect) -> bool) {
    while run.machine.outcome().is_none() {
        if run.pending().is_some_and(&what) {
            run.answer(Answer::Failed(fault(kind)));
        } else {
            run.go();
        }
    }
}

#[test]
fn the_slots_are_left_as_they_were() {
    let mut run = told_back(canary());
    assert!(matches!(reason(run.end()), Reason::Operator { request: OperatorRequest::Rollback, .. }));
    assert_eq!((run.share, &run.stable, &run.candidate), (Share::NONE, &capacity(4, BEFORE), &capacity(1, BEFORE)));
    assert!(run.machine.progress().served.is_some());
}

#[test]
fn a_write_in_flight_is_answered_first() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    let write = run.machine.pending().cloned();
    run.told(OperatorRequest::Rollback);
    assert_eq!(run.machine.pending().cloned(), write);
    run.go();
    assert!(run.pending().is_some_and(is_route), "its tasks were read before the write");
    run.end();
    assert_eq!((run.routes(), run.share), (vec![tenth(), Share::NONE], Share::NONE));
}

#[test]
fn an_old_read_does_not_spare_the_write() {
    for stop in [Run::interrupted, |run: &mut Run| run.told(OperatorRequest::Rollback)] {
        let mut run = Run::of(canary());
        run.until_step(2);
        run.pass(Duration::from_secs(30));
        stop(&mut run);
        run.share = Share::NONE;
        run.go();
        run.share = tenth();
        assert!(run.pending().is_some_and(is_route));
        run.end();
        assert_eq!(run.share, Share::NONE);
    }
}

#[test]
fn a_rollout_that_never_had_weight_goes_back_without_a_write() {
    let mut run = Run::of(canary());
    run.until_step(1);
    run.told(OperatorRequest::Rollback);
    run.end();
    assert_eq!(run.routes(), []);
}

#[test]
fn a_rollout_that_never_began_goes_back_without_beginning() {
    let mut run = Run::not_begun(canary());
    run.told(OperatorRequest::Rollback);
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert!(!run.asked.iter().any(Effect::is_write), "{:?}", run.asked);
    assert_eq!(run.machine.started(), START);
}

#[test]
fn a_write_whose_answer_was_lost_is_waited_out() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    let asked = run.now;
    run.told(OperatorRequest::Rollback);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    run.share = tenth();
    run.end();
    assert!(run.now.since(asked) >= WRITE_LANDS_WITHIN);
    assert_eq!(run.share, Share::NONE);
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })), "it was our own");
}

#[test]
fn a_rule_that_cannot_be_read_is_written_all_the_same() {
    let mut run = told_back(canary());
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    assert!(run.pending().is_some_and(is_route));
}

#[test]
fn a_stable_slot_without_tasks_gets_them_back_before_its_traffic() {
    let mut run = told_back(canary());
    run.stable = capacity(0, BEFORE);
    run.until_asked(is_scale);
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    run.until_asked(is_scale);
    assert_eq!(run.share, tenth());
    run.go();
    assert_eq!(run.stable, capacity(FULL, BEFORE));
    run.end();
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_stable_slot_that_stays_without_targets_is_waited_for_and_then_a_person_called() {
    let mut run = told_back(canary());
    run.stable.healthy = 0;
    run.pass(MINUTE * 20);
    assert_eq!((run.routes(), run.asked.iter().filter(|effect| is_scale(effect)).count()), (vec![tenth()], 1));
    let why = stranded(run.end());
    assert!(matches!(why, Stranding::Late { .. }), "{why:?}");
}

#[test]
fn a_foreign_write_is_answered_five_times_and_then_a_person_called() {
    let mut run = told_back(canary());
    while run.machine.outcome().is_none() {
        let notices = run.go();
        if notices.iter().any(|notice| matches!(notice, Notice::TrafficBack { .. })) {
            run.share = Share::from_permille(370).unwrap();
        }
    }
    assert_eq!(run.routes().len(), 2 + REASSERTIONS as usize);
    let why = stranded(run.machine.outcome().unwrap().clone());
    assert!(matches!(why, Stranding::Overwritten { .. }), "{why:?}");
}

#[test]
fn a_foreign_write_that_is_faster_than_our_reading_back_counts_too() {
    let mut run = told_back(canary());
    run.share = Share::from_permille(370).unwrap();
    while run.machine.outcome().is_none() {
        if run.pending().is_some_and(is_route) {
            run.answer(Answer::Routed(run.rule()));
        } else {
            run.go();
        }
    }
    assert_eq!(run.routes().len(), 2 + REASSERTIONS as usize);
    stranded(run.machine.outcome().unwrap().clone());
}

#[test]
fn stickiness_is_off_on_the_way_back_and_on_again_at_the_end() {
    let mut run = told_back(sticky());
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    assert!(!run.sticky);
    run.end();
    assert!(run.sticky);
    assert_eq!(run.undone(), Vec::<&Undone>::new());
}

#[test]
fn stickiness_is_put_back_when_no_client_holds_a_cookie_of_the_candidate_any_more() {
    let mut run = told_back(sticky());
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    let back = run.now;
    run.until_asked(|effect| matches!(effect, Effect::Route(route) if route.stickiness == Stickiness::Restore));
    assert!(run.now.since(back) >= MINUTE * 10, "{:?}", run.now.since(back));
}

#[test]
fn stickiness_stays_off_where_cookies_outlast_the_patience_and_that_is_said() {
    let mut plan = sticky();
    plan.before.stickiness = Some(plan.limits.drain + MINUTE);
    let mut run = told_back(plan);
    run.end();
    assert!(!run.sticky);
    assert!(matches!(run.unstuck()[0], StaysOff::Cookies(_)), "{:?}", run.unstuck());
}

#[test]
fn stickiness_that_a_first_write_turned_off_before_any_weight_is_put_back() {
    let mut run = Run::of(sticky());
    run.until_asked(is_scale);
    run.sticky = false;
    run.told(OperatorRequest::Rollback);
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert!(run.sticky);
}

#[test]
fn stickiness_that_cannot_be_put_back_is_said() {
    let mut run = told_back(sticky());
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::Quiet { .. })));
    run.shape = "theirs";
    run.end();
    assert!(!run.sticky);
    let theirs = |notice: &Notice| matches!(notice, Notice::StickinessOff { why: StaysOff::Foreign { .. } });
    assert_eq!(run.notices.iter().filter(|notice| theirs(notice)).count(), 1, "{:?}", run.notices);
}

#[test]
fn a_runner_in_a_hurry_leaves_the_tasks_and_no_cookie_leads_there() {
    for cookies in [MINUTE * 10, MINUTE * 60 * 24] {
        let mut run = told_back(lasting(cookies));
        run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
        run.pass(Duration::from_secs(30));
        let before = run.now;
        run.interrupted();
        run.end();
        assert!(!run.sticky && run.now.since(before) < Duration::from_secs(10));
        assert!(run.machine.cookies_last_until() > run.now, "who comes after leaves it off");
        assert_eq!((run.candidate.desired, run.undone().len()), (FULL, 1));
        assert!(matches!(run.unstuck()[0], StaysOff::Cookies(_)), "{:?}", run.unstuck());
    }
}

#[test]
fn a_runner_in_a_hurry_turns_stickiness_on_again_when_every_cookie_has_ended() {
    let mut run = told_back(lasting(Duration::from_secs(10)));
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    run.pass(Duration::from_secs(30));
    run.interrupted();
    run.end();
    assert!(run.sticky && run.unstuck().is_empty(), "{:?}", run.unstuck());
}

/// A rule with cookies that last as long, behind groups that are sticky themselves.
fn bound(cookies: Duration, before: u32) -> Plan {
    let mut plan = lasting(cookies);
    plan.before.sticky_groups = vec!["arn:tg/green".into()];
    plan.before.candidate_desired = before;
    plan
}

fn led(run: &Run) -> Vec<Timestamp> {
    let until = |notice: &Notice| if let Notice::StillLed { until } = notice { Some(*until) } else { None };
    run.notices.iter().filter_map(until).collect()
}

#[test]
fn who_is_still_led_to_the_candidate_is_told_with_the_traffic_and_its_tasks_stay_as_long() {
    let mut run = told_back(bound(MINUTE * 10, 0));
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    let until = run.now + MINUTE * 10;
    assert_eq!(led(&run), [until]);
    run.until(|run| run.candidate.desired == 0);
    assert!(run.now >= until, "a cookie leads to no task");
    run.end();
    assert!(run.sticky && !run.brief);
    assert_eq!((run.undone(), run.unstuck(), led(&run).len()), (Vec::new(), Vec::new(), 1));
}

#[test]
fn a_candidate_that_cookies_lead_to_for_too_long_keeps_its_tasks_and_that_is_said() {
    let mut run = told_back(bound(MINUTE * 60 * 24, 0));
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert_eq!((run.candidate.desired, run.sticky, run.brief), (FULL, false, true));
    assert!(matches!(run.undone()[0], Undone::Candidate(Kept::Cookies(_))), "{:?}", run.undone());
    assert!(matches!(run.unstuck()[0], StaysOff::Cookies(_)), "{:?}", run.unstuck());
}

#[test]
fn who_is_led_to_a_candidate_that_runs_what_it_ran_before_is_not_waited_for() {
    let mut run = told_back(bound(MINUTE * 60 * 24, 1));
    run.end();
    assert_eq!(run.candidate, capacity(1, BEFORE));
}

#[test]
fn a_candidate_that_somebody_may_have_given_weight_unseen_keeps_its_tasks_until_cookies_have_ended() {
    for is_behind in [true, false] {
        let mut run = Run::of(bound(MINUTE * 10, 0));
        run.until(|run| run.candidate.desired == FULL);
        run.now = if is_behind { run.now.before(MINUTE) } else { run.now + MINUTE / 2 };
        run.recovered();
        let since = run.now;
        run.told(OperatorRequest::Rollback);
        run.until(|run| run.candidate.desired == 0);
        assert!(run.now >= since + MINUTE * 10, "a cookie leads to no task after {:?}", run.now.since(since));
    }
}

#[test]
fn nobody_is_led_to_a_candidate_that_never_had_weight() {
    let mut run = Run::of(bound(MINUTE * 10, 0));
    run.until_step(1);
    run.told(OperatorRequest::Rollback);
    run.end();
    assert_eq!(led(&run), []);
}

#[test]
fn a_runner_that_must_leave_when_the_tasks_are_gone_leads_nobody_there() {
    let mut run = told_back(sticky());
    run.until(|run| run.candidate.desired == 1);
    run.interrupted();
    run.end();
    assert!(!run.sticky);
    assert_eq!((run.undone(), run.unstuck().len()), (Vec::new(), 1));
}

#[test]
fn a_runner_in_a_hurry_does_not_say_it_left_what_it_put_back() {
    let mut run = told_back(canary());
    run.until_asked(is_scale);
    run.interrupted();
    run.end();
    assert_eq!((run.candidate.desired, run.undone()), (1, vec![]));
}

#[test]
fn a_refusal_for_good_strands() {
    let mut run = told_back(canary());
    refuse(&mut run, FaultKind::Permanent, is_route);
    assert!(matches!(stranded(run.machine.outcome().unwrap().clone()), Stranding::Refused(_)));
    assert_eq!(run.routes().len(), 1 + ATTEMPTS as usize);
}

#[test]
fn a_denied_write_is_told_at_once_and_tried_as_long_as_the_way_back_may_last() {
    let mut run = told_back(canary());
    let (decided, limit) = (run.now, run.machine.plan().limits.retreat);
    run.until_asked(is_route);
    let told = run.answer(Answer::Failed(fault(FaultKind::Denied)));
    let until = decided + limit;
    assert!(told.contains(&Notice::BackDenied { fault: fault(FaultKind::Denied), until }), "{told:?}");
    refuse(&mut run, FaultKind::Denied, is_route);
    let why = stranded(run.machine.outcome().unwrap().clone());
    assert_eq!(why, Stranding::Late { last: Some(fault(FaultKind::Denied)) });
    let (spent, tries) = (run.now.since(decided), run.routes().len() - 1);
    assert!(spent > limit && spent < limit + MINUTE, "{spent:?}");
    assert!(tries < 10 + (limit.as_secs() / 30) as usize, "the pauses grow: {tries}");
    assert_eq!(run.notices.iter().filter(|notice| matches!(notice, Notice::BackDenied { .. })).count(), 1);
}

#[test]
fn a_write_that_somebody_allows_at_last_takes_the_traffic_back() {
    let mut run = told_back(canary());
    let allowed = run.now + MINUTE * 5;
    while run.now < allowed {
        if run.pending().is_some_and(is_route) {
            run.answer(Answer::Failed(fault(FaultKind::Denied)));
        } else {
            run.go();
        }
    }
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    assert!(run.now.since(allowed) <= Duration::from_secs(31), "{:?}", run.now.since(allowed));
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
}

#[test]
fn a_runner_that_must_leave_is_not_kept_by_a_denial() {
    let mut run = told_back(canary());
    run.interrupted();
    let since = run.now;
    refuse(&mut run, FaultKind::Denied, is_route);
    assert!(matches!(stranded(run.machine.outcome().unwrap().clone()), Stranding::Refused(_)));
    assert!(run.now.since(since) < Duration::from_secs(10));
}

#[test]
fn a_write_that_succeeds_after_the_limit_is_a_success() {
    let mut run = told_back(canary());
    run.until_asked(is_route);
    run.now = run.now + MINUTE * 31;
    run.go();
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
}

#[test]
fn a_stranded_rollout_can_be_told_to_go_back_again() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.interrupted();
    refuse(&mut run, FaultKind::Denied, is_route);
    assert_eq!(refusal(&run.told(OperatorRequest::Rollback)), None);
    assert!(matches!(reason(run.end()), Reason::Operator { .. }));
    assert_eq!((run.share, run.candidate.desired, run.undone()), (Share::NONE, 1, vec![]));
}

#[test]
fn tasks_that_cannot_be_put_back_are_said_and_do_not_strand() {
    let mut run = told_back(canary());
    refuse(&mut run, FaultKind::Denied, is_scale);
    assert!(matches!(run.machine.outcome(), Some(Outcome::RolledBack(_))));
    assert!(matches!(run.undone()[..], [Undone::Candidate(Kept::Refused(_))]), "{:?}", run.undone());
}

#[test]
fn a_slot_is_proven_quiet_again_before_its_tasks_are_asked_for_again() {
    let mut run = told_back(canary());
    run.until_asked(is_scale);
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    run.share = Share::from_permille(370).unwrap();
    run.go();
    assert!(run.pending().is_some_and(is_look));
    run.until(|run| run.share == Share::NONE);
    assert_eq!(run.candidate.desired, FULL);
    run.end();
    assert_eq!((run.share, run.candidate.desired), (Share::NONE, 1));
}

#[test]
fn weight_that_somebody_else_gives_begins_the_wait_for_quiet_anew() {
    let mut run = told_back(canary());
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::TrafficBack { .. })));
    run.pass(MINUTE * 4);
    run.share = tenth();
    run.until_asked(|effect| matches!(effect, Effect::Look(look) if look.first_read.is_some()));
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    run.until(|run| run.share == Share::NONE);
    let back = run.now;
    run.until_asked(is_scale);
    assert!(run.now.since(back) >= crate::plan::QUIET_LEAST);
}

#[test]
fn weight_that_nobody_saw_is_waited_out_before_tasks_are_taken() {
    let mut run = Run::of(canary());
    run.until_step(1);
    run.told(OperatorRequest::Rollback);
    // A stranger's, which the write of the way back ends before any read has shown it.
    run.share = tenth();
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    assert!(run.pending().is_some_and(is_route));
    run.until(|run| run.share == Share::NONE);
    let back = run.now;
    run.until_asked(is_scale);
    assert!(run.now.since(back) >= crate::plan::QUIET_LEAST, "{:?}", run.now.since(back));
}

#[test]
fn a_candidate_that_was_watched_without_weight_loses_its_tasks_at_once() {
    let mut run = Run::of(asking());
    run.until_step(1);
    run.pass(MINUTE * 6);
    run.told(OperatorRequest::Rollback);
    let told = run.now;
    run.until_asked(is_scale);
    assert_eq!(run.now, told);
}

#[test]
fn a_gap_between_two_looks_begins_the_wait_for_quiet_anew() {
    let mut run = Run::of(asking());
    run.until_step(1);
    run.pass(MINUTE * 6);
    run.dead_for(MINUTE * 2);
    let back = run.now;
    run.told(OperatorRequest::Rollback);
    run.until_asked(is_scale);
    assert!(run.now.since(back) >= crate::plan::QUIET_LEAST, "{:?}", run.now.since(back));
}

/// CloudWatch is this many minutes late: what it shows of the candidate was, for so long, before it had traffic.
#[test]
fn no_requests_in_minutes_from_before_the_traffic_prove_nothing() {
    for late in [0, 1, 2, 6, 9] {
        let mut run = Run::of(asking());
        run.late = MINUTE * late;
        run.until_step(1);
        run.pass(MINUTE * 15);
        run.told(OperatorRequest::Approve);
        run.until(|run| run.share == tenth());
        run.told(OperatorRequest::Rollback);
        run.until(|run| run.share == Share::NONE);
        let back = run.now;
        run.until_asked(is_scale);
        let (took, least) = (run.now.since(back), MINUTE * (late + 5));
        assert!(took >= least && took <= least + MINUTE * 2, "{late} minutes late: {took:?}");
    }
}

#[test]
fn the_traffic_is_back_at_once_and_a_candidate_to_which_something_else_leads_keeps_its_tasks() {
    let mut run = told_back(canary());
    run.entrances = vec!["rule 7 forwards to web-green too".into()];
    let told = run.now;
    run.until(|run| run.share == Share::NONE);
    assert!(run.now.since(told) < Duration::from_secs(5));
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert_eq!(run.candidate, capacity(FULL, RELEASE));
    let there = vec!["rule 7 forwards to web-green too".to_owned()];
    assert_eq!(run.undone(), [&Undone::Candidate(Kept::Entrances(there))]);
}

#[test]
fn a_new_runner_goes_on_going_back() {
    let mut run = told_back(canary());
    run.until_asked(is_route);
    run.recovered();
    assert!(run.machine.is_retreating() && run.pending().is_some_and(is_look));
    run.end();
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_new_runner_that_comes_late_still_takes_the_traffic_back() {
    let mut run = told_back(canary());
    run.until_asked(is_route);
    run.now = run.now + MINUTE * 90;
    run.recovered();
    assert!(matches!(reason(run.end()), Reason::Operator { .. }));
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_runner_that_was_frozen_on_its_way_back_still_takes_the_traffic_back() {
    for asked in [is_look as fn(&Effect) -> bool, is_route] {
        let mut run = told_back(canary());
        run.until_asked(asked);
        run.now = run.now + MINUTE * 90;
        assert!(matches!(reason(run.end()), Reason::Operator { .. }));
        assert_eq!(run.share, Share::NONE);
    }
}
