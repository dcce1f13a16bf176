//! What people say, and what becomes of a rollout whose runner is told to stop.

use super::*;
use crate::domain::approval::Approval;

fn on_breach_hold() -> Plan {
    let mut plan = canary();
    plan.policies.on_breach = OnTrouble::Hold;
    plan
}

#[test]
fn a_paused_rollout_takes_no_step_until_it_is_told_to() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.told(OperatorRequest::Pause);
    run.pass(MINUTE * 40);
    assert!(!run.notices.contains(&Notice::StepStarted(3)));
    run.told(OperatorRequest::Continue);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_registration_answered_during_a_pause_starts_no_tasks() {
    let mut plan = plan(&[Action::Register, Action::Prepare(FULL), TENTH]);
    plan.release = ReleasePlan::Register { source: "file taskdef.json".into(), digest: "d".into() };
    let mut run = Run::of(plan);
    run.told(OperatorRequest::Pause);
    run.pass(MINUTE * 10);
    assert!(!run.asked.iter().any(is_scale));
    run.told(OperatorRequest::Continue);
    run.until_step(2);
    assert_eq!(run.candidate, capacity(FULL, RELEASE));
}

#[test]
fn gates_stay_on_while_a_person_keeps_a_rollout_paused() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.told(OperatorRequest::Pause);
    run.pass(MINUTE * 5);
    run.errors = Some(20.0);
    assert!(matches!(reason(run.end()), Reason::Breach { gate, .. } if gate == "errors"));
}

#[test]
fn a_foreign_write_counts_while_a_person_keeps_a_rollout_paused() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.pass(MINUTE);
    run.told(OperatorRequest::Pause);
    run.share = Share::from_permille(370).unwrap();
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
}

#[test]
fn a_breach_may_hold_until_a_person_overrules_it_and_fresh_data_pass() {
    let mut run = Run::of(on_breach_hold());
    run.until_step(2);
    let exposed = run.now;
    run.errors = Some(20.0);
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::Paused { .. })));
    run.pass(MINUTE * 10);
    assert_eq!(run.notices.iter().filter(|notice| matches!(notice, Notice::Paused { .. })).count(), 1);
    assert_eq!(run.share, tenth());
    run.told(OperatorRequest::Continue);
    let overruled = run.now;
    run.errors = Some(0.1);
    run.until_step(3);
    assert!(run.now.since(overruled) >= MINUTE, "it went on without fresh data");
    assert_eq!(run.end(), Outcome::Promoted);
    let counts = |effect: &Effect| matches!(effect, Effect::Count { since, .. } if *since == exposed);
    assert!(run.asked.iter().any(counts), "requests before the pause are not counted");
}

#[test]
fn a_breach_after_it_was_overruled_holds_again() {
    let mut run = Run::of(on_breach_hold());
    run.until_step(2);
    run.errors = Some(20.0);
    run.until(|run| run.machine.progress().paused.is_some());
    run.told(OperatorRequest::Continue);
    assert_eq!(run.machine.progress().paused, None);
    run.until(|run| run.machine.progress().paused.is_some());
    assert_eq!(run.share, tenth());
}

#[test]
fn nobody_keeps_a_rollout_paused_for_ever() {
    let nobody = Reason::TimeLimit(Overdue::Pause(MINUTE * 60));
    for step in [0, 1, 2] {
        let mut run = Run::of(plan(&[Action::Probe(PROBE), TENTH, HOLD]));
        run.candidate = capacity(FULL, RELEASE);
        run.until_step(step);
        run.told(OperatorRequest::Pause);
        assert_eq!(reason(run.end()), nobody, "paused in step {step}");
        assert!(run.now < START + MINUTE * 120, "paused in step {step}");
    }
}

#[test]
fn a_pause_after_the_commit_ends_with_the_old_tasks_in_place() {
    let mut run = Run::of(canary());
    run.until_step(6);
    run.told(OperatorRequest::Pause);
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!((run.stable.desired, run.undone().len()), (FULL, 1));
}

fn paused_by_bob() -> PausedFor {
    PausedFor::Person { by: "bob".into(), reason: None }
}

#[test]
fn who_goes_back_after_the_commit_finds_the_old_tasks_in_place() {
    let mut run = Run::of(canary());
    run.until_step(6);
    run.told(OperatorRequest::Pause);
    let said = run.now;
    assert_eq!(refusal(&run.told(OperatorRequest::Spare)), None);
    assert_eq!(run.end(), Outcome::Promoted);
    let spared = Undone::OldSlot(Kept::SparedFor("bob".into()));
    assert_eq!((run.stable.desired, run.undone()), (FULL, vec![&spared]));
    assert!(run.now.since(said) < MINUTE, "it ended {:?} later", run.now.since(said));
}

#[test]
fn the_old_tasks_are_spared_only_after_the_commit_and_before_they_are_taken() {
    let mut run = Run::of(canary());
    run.until_step(2);
    let early = run.told(OperatorRequest::Spare);
    assert_eq!(refusal(&early), Some(Objection::NotCommitted));
    run.until(|run| run.asked.iter().any(|effect| matches!(effect, Effect::Scale { role: Role::Stable, .. })));
    assert!(refusal(&run.told(OperatorRequest::Spare)).is_some());
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!((run.stable.desired, run.undone().len()), (0, 0));
}

#[test]
fn words_that_mean_nothing_are_refused_with_the_reason() {
    let mut run = Run::of(canary());
    run.until_step(2);
    assert_eq!(refusal(&run.told(OperatorRequest::Continue)), Some(Objection::NotPaused));
    assert_eq!(refusal(&run.told(OperatorRequest::Approve)), Some(Objection::NothingToApprove));
    run.told(OperatorRequest::Pause);
    assert_eq!(refusal(&run.told(OperatorRequest::Pause)), Some(Objection::Paused(paused_by_bob())));
    assert_eq!(refusal(&run.told(OperatorRequest::Rollback)), None);
    assert_eq!(refusal(&run.told(OperatorRequest::Abort)), Some(Objection::GoesBack));
    assert_eq!(refusal(&run.told(OperatorRequest::Pause)), Some(Objection::NotForward));
    run.end();
    assert_eq!(refusal(&run.told(OperatorRequest::Rollback)), Some(Objection::Over));
}

#[test]
fn an_approval_is_waited_for_and_passed_by_a_person() {
    let mut run = Run::of(plan(&[Action::Approve("look well?".into()), Action::Probe(PROBE)]));
    assert!(
        run.is_told(|notice| matches!(notice, Notice::AwaitingApproval { message, .. } if message == "look well?"))
    );
    run.pass(MINUTE);
    run.told(OperatorRequest::Pause);
    assert_eq!(refusal(&run.told(OperatorRequest::Approve)), Some(Objection::Paused(paused_by_bob())));
    run.told(OperatorRequest::Continue);
    let notices = run.told(OperatorRequest::Approve);
    assert!(notices.contains(&Notice::Approved { by: "bob".into() }) && notices.contains(&Notice::StepStarted(1)));
}

#[test]
fn an_approval_passes_the_step_and_the_release_that_it_names_and_no_other() {
    let approve = |step, release: &str| {
        let approves = Some(Approval { step, release: release.into(), undecided: Vec::new() });
        let left = Some(Left { key: "1".into(), approves });
        Event::Requested { request: OperatorRequest::Approve, by: "bob".into(), reason: None, left }
    };
    let mut run = Run::of(plan(&[Action::Approve("one?".into()), Action::Approve("two?".into())]));
    let of_another = run.feed(approve(0, BEFORE));
    let named = |step, release: &str| Approval { step, release: release.into(), undecided: Vec::new() };
    let other = |approves, waits| Some(Objection::OtherApproval { approves, waits });
    assert_eq!(refusal(&of_another), other(named(0, BEFORE), named(0, RELEASE)));
    run.feed(approve(0, RELEASE));
    // Said once more, by a runner that could not put it away.
    let again = run.feed(approve(0, RELEASE));
    assert_eq!(refusal(&again), other(named(0, RELEASE), named(1, RELEASE)));
    assert!(run.machine.outcome().is_none() && run.machine.progress().step == 1);
    run.feed(approve(1, RELEASE));
    assert_eq!(run.machine.progress().step, 2);
}

#[test]
fn an_approval_leaves_no_gate_undecided_that_it_does_not_name() {
    let approve = |undecided: &[&str]| {
        let undecided = undecided.iter().map(|gate| (*gate).to_owned()).collect();
        let approves = Some(Approval { step: 1, release: RELEASE.into(), undecided });
        let left = Some(Left { key: "1".into(), approves });
        Event::Requested { request: OperatorRequest::Approve, by: "bob".into(), reason: None, left }
    };
    let steps = [Action::Shift(Share::ALL), Action::Approve("look well?".into())];
    let mut run = Run::of(plan(&steps));
    run.candidate = capacity(FULL, RELEASE);
    run.until_step(1);
    let Some(Objection::Undecided(gates)) = refusal(&run.feed(approve(&["tasks"]))) else { panic!("it passed") };
    assert!(gates.iter().any(|(gate, _)| gate == "errors"), "{gates:?}");
    assert!(run.is_told(|notice| matches!(notice, Notice::Approved { .. })).eq(&false));
    run.feed(approve(&["errors", "tasks"]));
    assert!(run.is_told(|notice| matches!(notice, Notice::Approved { .. })));
}

#[test]
fn an_approval_after_a_hold_rests_on_what_the_hold_was_passed_on() {
    let approve = Action::Approve("look well?".into());
    let steps = [Action::Prepare(FULL), Action::Shift(Share::ALL), Action::Hold(MINUTE), approve];
    let mut run = Run::of(plan(&steps));
    run.until_step(3);
    run.told(OperatorRequest::Approve);
    assert!(run.is_told(|notice| matches!(notice, Notice::Approved { .. })), "{:?}", run.notices);
}

#[test]
fn an_approval_that_nobody_gives_goes_back() {
    let mut run = Run::of(plan(&[Action::Approve("go on?".into())]));
    let title = "wait for approval".into();
    assert_eq!(reason(run.end()), Reason::TimeLimit(Overdue::Step { title, within: MINUTE * 5, lacked: None }));
}

#[test]
fn nothing_goes_back_after_the_commit() {
    let mut run = Run::of(canary());
    run.until(|run| run.notices.contains(&Notice::Committed));
    let committed = Some(Objection::BackAfterCommit);
    assert_eq!(refusal(&run.told(OperatorRequest::Rollback)), committed);
    run.errors = Some(20.0);
    run.candidate.healthy = 0;
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_runner_told_to_stop_takes_the_traffic_with_it() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.interrupted();
    assert_eq!(reason(run.end()), Reason::Signal("SIGTERM".into()));
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_runner_may_be_told_to_leave_things_as_they_are() {
    let mut plan = canary();
    plan.policies.on_interrupt = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_step(2);
    let notices = run.interrupted();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::HandedOver { .. })), "{notices:?}");
    run.now = run.now + MINUTE * 3;
    run.recovered();
    assert_eq!((run.share, run.machine.progress().paused), (tenth(), None));
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn what_happened_while_nobody_ran_the_rollout_still_counts() {
    let mut plan = canary();
    plan.policies.on_interrupt = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_step(2);
    run.interrupted();
    run.now = run.now + MINUTE * 3;
    run.errors = Some(20.0);
    run.recovered();
    run.go();
    assert!(run.machine.is_retreating());
}

#[test]
fn a_persons_pause_outlives_the_runner() {
    let mut plan = canary();
    plan.policies.on_interrupt = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_step(2);
    run.told(OperatorRequest::Pause);
    run.interrupted();
    run.recovered();
    assert_eq!(run.machine.progress().paused, Some(paused_by_bob()));
}

#[test]
fn a_runner_told_to_stop_after_the_commit_hands_over_and_another_finishes() {
    let mut run = Run::of(canary());
    run.until_step(6);
    let notices = run.interrupted();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::HandedOver { .. })), "{notices:?}");
    run.recovered();
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(run.stable.desired, 0);
}

#[test]
fn what_a_runner_in_a_hurry_left_undone_is_finished_by_the_next() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.interrupted();
    assert!(matches!(run.end(), Outcome::RolledBack(Reason::Signal(_))));
    assert!(run.machine.has_left() && run.candidate == capacity(FULL, RELEASE), "{:?}", run.candidate);
    let (before, share) = (run.shares.len(), run.share);
    run.now = run.now + MINUTE * 120;
    run.recovered();
    assert!(matches!(run.end(), Outcome::RolledBack(Reason::Signal(_))), "it ended as it had");
    assert!(!run.machine.has_left());
    assert_eq!(run.candidate, capacity(1, BEFORE));
    assert_eq!((run.shares.len(), run.share), (before, share), "no traffic moved");
}

#[test]
fn what_was_left_after_a_commit_is_finished_by_the_next() {
    let mut run = Run::of(canary());
    run.until(|run| run.is_told(|notice| *notice == Notice::Committed));
    run.told(OperatorRequest::Pause);
    assert_eq!(run.end(), Outcome::Promoted);
    assert!(run.machine.has_left() && run.stable == capacity(FULL, BEFORE));
    run.recovered();
    assert_eq!((run.end(), run.stable.desired), (Outcome::Promoted, 0));
    assert!(!run.machine.has_left());
}

#[test]
fn what_somebody_else_moved_or_deployed_since_is_left_alone() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.interrupted();
    run.end();
    let objection = |run: &Run| {
        let fleet = Fleet { stable: run.stable.clone(), candidate: run.candidate.clone() };
        run.machine.objection_to_tidying(&run.rule(), &fleet)
    };
    assert_eq!(objection(&run), None);
    run.candidate = capacity(FULL, "web:99");
    assert_eq!(objection(&run).as_deref(), Some("somebody else deployed web:99 since"));
    run.share = tenth();
    assert!(objection(&run).is_some_and(|why| why.starts_with("the traffic was moved since")));
    let writes = run.shares.len();
    run.recovered();
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert!(run.machine.has_left() && run.shares.len() == writes && run.share == tenth());
}
