//! Slots that somebody else deploys to, and slots that are short of tasks.

use super::*;

const THEIRS: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:9";

fn is_foreign(notice: &Notice) -> bool {
    matches!(notice, Notice::ForeignWrite { to: Foreign::Service(_), .. })
}

/// Answers one look at the tasks, and moves on to the next.
fn look_at_tasks(run: &mut Run) {
    let is_fleet = |effect: &Effect| matches!(effect, Effect::Look(look) if look.fleet);
    run.until_asked(is_fleet);
    run.go();
    run.until_asked(is_fleet);
}

#[test]
fn a_deployment_to_the_stable_slot_is_noticed_when_it_is_seen_twice() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.stable.task_definition = THEIRS.into();
    look_at_tasks(&mut run);
    assert!(!run.is_told(is_foreign), "one read may be old");
    run.go();
    let Reason::ForeignWrite { found } = reason(run.end()) else { panic!("another reason") };
    assert_eq!(found, "the stable slot's service web-blue runs web:9");
    assert!(run.is_told(is_foreign));
}

#[test]
fn a_deployment_that_one_look_showed_and_the_next_did_not_is_nothing() {
    let mut run = Run::of(canary());
    run.until_step(2);
    for _ in 0..2 {
        run.stable.task_definition = THEIRS.into();
        look_at_tasks(&mut run);
        run.stable.task_definition = BEFORE.into();
        look_at_tasks(&mut run);
    }
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_deployment_to_the_stable_slot_may_hold() {
    let mut plan = canary();
    plan.policies.on_foreign_write = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_step(2);
    run.stable.task_definition = THEIRS.into();
    run.until(|run| run.machine.progress().paused.is_some());
    let why = run.machine.progress().paused.unwrap();
    assert!(matches!(why, PausedFor::ForeignWrite { to: Foreign::Service(Role::Stable), .. }), "{why:?}");
    assert_eq!(run.share, tenth());
}

#[test]
fn no_weight_is_given_while_the_stable_slot_may_have_been_deployed_to() {
    let mut run = Run::of(canary());
    run.until_step(1);
    run.stable.task_definition = THEIRS.into();
    run.end();
    assert_eq!(run.routes(), []);
}

#[test]
fn a_deployment_to_the_candidate_is_noticed_the_same_way() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.pass(MINUTE);
    run.candidate.task_definition = THEIRS.into();
    look_at_tasks(&mut run);
    assert!(!run.is_told(is_foreign));
    let Reason::ForeignWrite { found } = reason(run.end()) else { panic!("another reason") };
    assert_eq!(found, "the candidate slot's service web-green runs web:9");
}

#[test]
fn more_or_fewer_stable_tasks_are_nobodys_foreign_write() {
    for count in [FULL * 2, 3] {
        let mut run = Run::of(canary());
        run.until_step(2);
        run.stable = capacity(count, BEFORE);
        assert_eq!(run.end(), Outcome::Promoted, "{count} tasks");
        assert!(!run.is_told(is_foreign), "{count} tasks");
    }
}

#[test]
fn a_stable_slot_is_short_of_what_it_is_to_have_today() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.stable = Capacity { healthy: 1, ..capacity(2, BEFORE) };
    run.until_step(3);
    run.pass(MINUTE);
    let shortage = Shortage { healthy: 1, need: 2, share: tenth().rest() };
    let on = Awaited::Lack(Lack::Tasks(Role::Stable, shortage));
    assert!(run.is_told(|notice| *notice == Notice::Waiting { on: on.clone() }), "{:?}", run.notices);
}

#[test]
fn whoever_scales_a_service_of_both_slots_scales_what_shares_are_of() {
    let mut plan = canary();
    (plan.target.stable.service, plan.target.candidate.service) = ("web".into(), "web".into());
    for step in [2, 4] {
        let mut run = Run::of(plan.clone());
        run.until_step(step);
        (run.stable, run.candidate) = (capacity(2, BEFORE), capacity(2, RELEASE));
        assert_eq!(run.end(), Outcome::Promoted, "step {step}");
    }
    let mut run = Run::of(plan);
    run.until_step(4);
    (run.stable, run.candidate) = (capacity(2, BEFORE), Capacity { healthy: 1, ..capacity(2, RELEASE) });
    assert!(matches!(reason(run.end()), Reason::Capacity(Shortage { healthy: 1, need: 2, .. })));
}

#[test]
fn a_stable_slot_that_serves_and_is_to_have_no_tasks_gets_them_back() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.stable = capacity(0, BEFORE);
    look_at_tasks(&mut run);
    assert!(!run.is_told(is_foreign), "one read may be old");
    let Reason::ForeignWrite { found } = reason(run.end()) else { panic!("another reason") };
    assert_eq!(found, "the stable slot's service web-blue is to have no tasks any more");
    assert_eq!((run.stable.desired, run.share), (FULL, Share::NONE));
}

#[test]
fn a_stable_slot_that_serves_nobody_may_lose_its_tasks() {
    let mut run = Run::of(canary());
    run.until_step(4);
    run.stable = capacity(0, BEFORE);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn no_more_weight_is_given_while_the_stable_slot_is_short() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.stable.healthy = 3;
    run.until_step(3);
    run.pass(MINUTE);
    assert_eq!(run.routes(), [tenth()]);
    let shortage = Shortage { healthy: 3, need: 4, share: tenth().rest() };
    let on = Awaited::Lack(Lack::Tasks(Role::Stable, shortage));
    assert!(run.is_told(|notice| *notice == Notice::Waiting { on: on.clone() }));
    run.stable.healthy = FULL;
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_person_is_asked_where_both_slots_are_short() {
    let mut run = Run::of(plan(&[Action::Prepare(FULL), Action::Shift(half()), HOLD, HOLD]));
    run.until_step(2);
    (run.stable.healthy, run.candidate.healthy) = (1, 1);
    run.until(|run| run.machine.progress().paused.is_some());
    let why = run.machine.progress().paused.unwrap();
    let short = Shortage { healthy: 1, need: 2, share: half() };
    assert_eq!(why, PausedFor::Capacity { candidate: short, stable: short });
    run.pass(MINUTE * 5);
    assert_eq!(run.share, half());
    run.stable.healthy = FULL;
    assert!(matches!(reason(run.end()), Reason::Capacity { .. }), "the stable slot can take it again");
}

#[test]
fn a_breach_counts_while_both_slots_are_short() {
    let mut run = Run::of(plan(&[Action::Prepare(FULL), Action::Shift(half()), HOLD, HOLD]));
    run.until_step(2);
    (run.stable.healthy, run.candidate.healthy) = (1, 1);
    run.until(|run| run.machine.progress().paused.is_some());
    run.errors = Some(20.0);
    assert!(matches!(reason(run.end()), Reason::Breach { .. }));
}

#[test]
fn a_candidate_without_any_target_goes_back_to_a_short_slot() {
    let mut run = Run::of(plan(&[Action::Prepare(FULL), Action::Shift(half()), HOLD, HOLD]));
    run.until_step(2);
    (run.stable.healthy, run.candidate.healthy) = (1, 0);
    assert!(matches!(reason(run.end()), Reason::Capacity { .. }));
}

fn half() -> Share {
    Share::from_permille(500).unwrap()
}
