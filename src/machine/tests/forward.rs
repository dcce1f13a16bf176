//! The way forward: limits, gates, other people's writes, faults, and what does not count as news.

use super::*;
use crate::gate::Outcome as GateOutcome;

#[test]
fn a_promotion_counts_what_the_candidate_served_since_it_first_had_traffic() {
    let mut run = Run::of(canary());
    run.until_step(2);
    let exposed = run.now;
    assert_eq!(run.end(), Outcome::Promoted);
    let counts = |effect: &Effect| match effect {
        Effect::Count { since, full } => Some((*since, *full)),
        _ => None,
    };
    let (since, full) = run.asked.iter().find_map(counts).unwrap();
    assert!(since == exposed && full.is_some_and(|full| full > exposed), "{since}, {full:?}");
    assert_eq!(run.machine.progress().served.map(|served| served.requests), Some(100));
    assert_eq!((run.share, run.stable.desired, run.candidate.desired), (Share::ALL, 0, FULL));
}

#[test]
fn a_count_that_fails_does_not_undo_a_promotion() {
    let mut run = Run::of(canary());
    run.until_asked(|effect| matches!(effect, Effect::Count { .. }));
    while run.machine.outcome().is_none() {
        if run.pending().is_some() {
            run.answer(Answer::Failed(fault(FaultKind::Denied)));
        } else {
            run.go();
        }
    }
    assert_eq!(run.machine.outcome(), Some(&Outcome::Promoted));
}

#[test]
fn a_weight_may_leave_only_while_the_read_it_rests_on_is_fresh() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    // This world answers at once, so the look was asked for now.
    let Some(Effect::Route(route)) = run.pending() else { panic!("a weight is asked for") };
    assert_eq!(route.by, Some(run.now + FRESH));
    run.errors = Some(99.0);
    run.end();
    let back = run.asked.iter().rfind(|effect| is_route(effect));
    assert!(matches!(back, Some(Effect::Route(Route { by: None, .. }))), "the way back waits for no read");
}

#[test]
fn a_step_that_lasts_too_long_goes_back() {
    let mut run = Run::of(canary());
    run.until_asked(is_scale);
    run.go();
    run.candidate.healthy = 2;
    let reason = reason(run.end());
    let title = "prepare 4 candidate tasks".into();
    assert_eq!(reason, Reason::TimeLimit(Overdue::Step { title, within: MINUTE * 5, lacked: None }));
    assert_eq!(run.routes(), []);
}

#[test]
fn a_share_that_is_not_given_in_time_says_what_was_lacking() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.stable.healthy = 2;
    let Reason::TimeLimit(Overdue::Step { lacked, .. }) = reason(run.end()) else { panic!("another reason") };
    let shortage = Shortage { healthy: 2, need: FULL, share: tenth().rest() };
    assert_eq!(lacked, Some(Lack::Tasks(Role::Stable, shortage)));
}

#[test]
fn a_gate_that_has_nothing_to_say_for_too_long_is_a_breach() {
    let mut run = Run::of(canary());
    run.errors = None;
    let Reason::Breach { gate, outcome, .. } = reason(run.end()) else { panic!("{:?}", run.notices) };
    assert_eq!((gate.as_str(), outcome), ("errors", GateOutcome::Inconclusive));
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn probes_must_be_right_several_times_in_a_row() {
    let mut run = Run::of(plan(&[Action::Probe(PROBE), TENTH]));
    for right in [true, true, false, true, true] {
        run.until_asked(|effect| *effect == Effect::Probe(PROBE));
        run.answer(Answer::Probed(ProbeReading { at: run.now, right, text: String::new() }));
    }
    assert!(!run.notices.contains(&Notice::StepStarted(1)));
    run.until_asked(|effect| *effect == Effect::Probe(PROBE));
    run.go();
    assert!(run.notices.contains(&Notice::StepStarted(1)));
}

#[test]
fn probes_that_stay_wrong_go_back_without_a_request() {
    let mut run = Run::of(plan(&[Action::Prepare(FULL), Action::Probe(PROBE), TENTH]));
    run.probe_is_right = false;
    assert!(matches!(reason(run.end()), Reason::Breach { gate, .. } if gate == "home"));
    assert_eq!((run.routes(), run.candidate.desired), (vec![], 1));
}

#[test]
fn a_foreign_write_goes_back_and_is_told_once() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.pass(MINUTE * 2);
    run.share = Share::from_permille(370).unwrap();
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
    assert_eq!(run.share, Share::NONE);
    assert_eq!(run.notices.iter().filter(|notice| matches!(notice, Notice::ForeignWrite { .. })).count(), 1);
}

#[test]
fn a_foreign_write_may_hold_and_is_not_written_over() {
    let mut plan = canary();
    plan.policies.on_foreign_write = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_step(2);
    run.share = Share::from_permille(370).unwrap();
    run.errors = Some(20.0);
    run.pass(MINUTE * 20);
    assert_eq!((run.share.permille(), run.routes().len()), (370, 1));
    assert_eq!(run.notices.iter().filter(|notice| matches!(notice, Notice::Paused { .. })).count(), 1);
    run.share = tenth();
    run.errors = Some(0.1);
    run.told(OperatorRequest::Continue);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_foreign_write_after_the_commit_strands_and_keeps_the_old_tasks() {
    let mut run = Run::of(canary());
    run.until_step(6);
    run.share = tenth();
    let why = stranded(run.end());
    assert!(matches!(why, Stranding::ChangedAfterCommit { .. }), "{why:?}");
    assert_eq!((run.stable.desired, run.share), (FULL, tenth()));
}

#[test]
fn an_old_read_is_no_foreign_write() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.share = Share::NONE;
    run.pass(Duration::from_secs(30));
    run.share = tenth();
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_write_that_is_denied_goes_back() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    run.answer(Answer::Failed(fault(FaultKind::Denied)));
    assert_eq!(reason(run.end()), Reason::Refused(fault(FaultKind::Denied)));
    assert_eq!(run.candidate.desired, 1);
}

#[test]
fn a_write_whose_outcome_is_unknown_is_read_back_and_not_sent_again() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    run.share = tenth();
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.until_step(2);
    assert_eq!(run.routes(), [tenth()]);
}

#[test]
fn a_rule_that_cannot_be_read_for_too_long_goes_back() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.rule_fault = Some(fault(FaultKind::Transient));
    run.pass(MINUTE * 2);
    assert!(!run.machine.is_retreating());
    run.pass(MINUTE * 2);
    assert!(run.machine.is_retreating());
    run.rule_fault = None;
    assert_eq!(reason(run.end()), Reason::Blind(fault(FaultKind::Transient)));
}

#[test]
fn a_world_that_cannot_be_read_after_the_commit_does_not_hold_the_end_up() {
    let mut run = Run::of(canary());
    run.until_step(6);
    while run.machine.outcome().is_none() {
        match run.pending() {
            Some(Effect::Look(_)) => drop(run.answer(Answer::Failed(fault(FaultKind::Transient)))),
            _ => drop(run.go()),
        }
        assert!(run.now < START + MINUTE * 120, "it never ends");
    }
    assert_eq!((run.machine.outcome(), run.stable.desired), (Some(&Outcome::Promoted), FULL));
    assert_eq!(run.undone().len(), 1);
}

#[test]
fn weight_is_given_to_the_release_and_to_nothing_else() {
    let mut run = Run::of(canary());
    run.until_step(1);
    run.candidate.task_definition = "web:7".into();
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
    assert_eq!(run.routes(), []);
}

#[test]
fn lost_capacity_counts_whatever_the_candidate_runs() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.candidate = Capacity { healthy: 0, ..capacity(FULL, "web:7") };
    let lost = run.now;
    assert!(matches!(reason(run.end()), Reason::Capacity { .. }));
    let back = run.notices.iter().find_map(|n| if let Notice::TrafficBack { took } = n { Some(*took) } else { None });
    assert!(back.is_some() && run.now.since(lost) < MINUTE * 10);
}

#[test]
fn a_late_answer_to_an_old_question_changes_nothing() {
    let mut run = Run::of(canary());
    run.until_asked(is_look);
    let old = run.machine.pending().unwrap().id;
    run.go();
    run.until_asked(is_look);
    let before = run.machine.clone();
    run.feed(Event::Answered { id: old, answer: Answer::Failed(fault(FaultKind::Denied)) });
    assert_eq!(run.machine, before);
}

#[test]
fn time_never_goes_back() {
    let mut run = Run::of(canary());
    run.until_step(2);
    let (then, wake_at) = (run.now, run.machine.wake_at());
    run.now = START;
    assert_eq!(run.feed(Event::Woken), []);
    assert_eq!((run.machine.now(), run.machine.wake_at()), (then, wake_at));
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn an_event_that_makes_no_sense_changes_nothing() {
    let mut run = Run::of(canary());
    run.until_step(2);
    let before = run.machine.clone();
    assert_eq!(run.feed(Event::Started { by: "eve".into() }), []);
    assert_eq!(run.machine, before);
}

#[test]
fn a_new_runner_looks_before_it_writes() {
    let mut run = Run::of(canary());
    run.until_asked(is_route);
    run.share = tenth();
    run.recovered();
    assert!(run.pending().is_some_and(is_look));
    run.until_step(2);
    assert_eq!(run.routes(), [tenth()]);
}

#[test]
fn the_old_slot_is_retired_on_minutes_that_are_published() {
    for late in [0, 2, 6] {
        let mut run = Run::of(canary());
        run.late = MINUTE * late;
        run.until(|run| run.share == Share::ALL);
        let all = run.now;
        run.until_asked(|effect| matches!(effect, Effect::Scale { role: Role::Stable, .. }));
        assert!(run.now.since(all) >= MINUTE * (late + 5), "{late} minutes late: {:?}", run.now.since(all));
    }
}

/// Somebody's rule, as a look tells it.
const OTHER_RULE: &str = "rule 7 forwards to web-blue too";

#[test]
fn an_old_slot_to_which_something_else_leads_keeps_its_tasks() {
    let mut run = Run::of(canary());
    run.until(|run| run.share == Share::ALL);
    run.entrances = vec![OTHER_RULE.into()];
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(run.stable, capacity(FULL, BEFORE));
    assert_eq!(run.undone(), [&Undone::OldSlot(Kept::Entrances(vec![OTHER_RULE.to_owned()]))]);
    // Once nothing leads there any more, what was left is finished.
    assert!(run.machine.has_left());
    run.entrances.clear();
    run.recovered();
    run.until(|run| run.stable.desired == 0);
}

#[test]
fn an_old_slot_keeps_its_tasks_until_it_is_read_what_else_leads_there() {
    let mut run = Run::of(canary());
    let asks = |effect: &Effect| matches!(effect, Effect::Look(look) if look.reached);
    for _ in 0..3 {
        run.until_asked(asks);
        run.answer(Answer::Failed(fault(FaultKind::Denied)));
        assert_eq!(run.stable.desired, FULL);
    }
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!((run.stable.desired, run.undone()), (0, Vec::new()));
}

fn asks_for(count: u32) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::Scale { role: Role::Candidate, count: asked, .. } if *asked == count)
}

#[test]
fn a_stable_slot_that_grew_is_matched_before_the_share_that_needs_it() {
    let mut run = Run::of(canary());
    run.until(|run| run.share == tenth());
    run.stable = capacity(10, BEFORE);
    run.until_asked(asks_for(10));
    assert_eq!(run.share, tenth());
    let waits =
        |notice: &Notice| matches!(notice, Notice::Waiting { on: Awaited::Lack(Lack::Grown { stable: 10, .. }) });
    assert!(run.is_told(waits), "{:?}", run.notices);
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!((run.candidate.healthy, run.share), (10, Share::ALL));
    assert_eq!(run.asked.iter().filter(|effect| asks_for(10)(effect)).count(), 1);
}

#[test]
fn no_share_is_given_before_the_tasks_for_it_are_there_however_the_asking_ends() {
    for kind in [FaultKind::Unknown, FaultKind::Transient] {
        let mut run = Run::of(canary());
        run.until(|run| run.share == tenth());
        run.stable = capacity(10, BEFORE);
        run.until_asked(asks_for(10));
        run.answer(Answer::Failed(fault(kind)));
        run.until_asked(asks_for(10));
        assert_eq!((run.share, run.candidate.desired), (tenth(), FULL));
        assert_eq!(run.end(), Outcome::Promoted);
    }
}

#[test]
fn a_candidate_that_cannot_grow_holds_the_share_until_the_steps_time_is_over() {
    let mut run = Run::of(canary());
    run.until(|run| run.share == tenth());
    run.stable = capacity(10, BEFORE);
    run.until_asked(asks_for(10));
    run.answer(Answer::Scaled);
    run.candidate = Capacity { desired: 10, ..capacity(FULL, RELEASE) };
    assert!(matches!(reason(run.end()), Reason::TimeLimit { .. }));
    assert_eq!(run.routes(), [tenth(), Share::NONE]);
}

#[test]
fn a_share_needs_no_more_tasks_than_when_it_was_given() {
    let mut run = Run::of(plan(&[Action::Prepare(FULL), TENTH, Action::Shift(Share::ALL), HOLD, HOLD, Action::Commit]));
    run.until(|run| run.share == Share::ALL);
    run.stable = capacity(10, BEFORE);
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(run.candidate.desired, FULL);
}
