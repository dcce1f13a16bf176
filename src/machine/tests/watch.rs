//! The watch of a release that has everything: against itself, with the old tasks kept and the way back open.

use super::*;
use crate::gate::compare::Baseline;
use crate::gate::{CompareRule, DriftEvidence, Evidence, Outcome as GateOutcome};

const HOURS: Duration = Duration::from_secs(2 * 3600);
/// The step that watches, in [`watched`].
const WATCH: usize = 5;

/// Half, everything, a watch of two hours, and the end; judged by comparison.
fn watched() -> Plan {
    let half = Action::Shift(Share::from_percent(50.0).unwrap());
    let steps = [Action::Prepare(FULL), half, HOLD, Action::Shift(Share::ALL), HOLD, Action::Watch(HOURS)];
    let mut plan = plan(&[steps.as_slice(), &[Action::Commit, Action::Retire]].concat());
    plan.steps[WATCH].within = HOURS + MINUTE * 10;
    let baseline = Baseline { bins: 1440, rate: RATE, errors: 0.001, ..Baseline::default() };
    let compare = CompareRule { baseline, ..CompareRule::default() };
    let gate = |name: &str, check| Gate { name: name.into(), check, watch: false };
    plan.gates = vec![
        gate("compare", Check::Compare(Box::new(compare))),
        gate("tasks", Check::Tasks(TasksRule { start_within: MINUTE * 10, ..TasksRule::default() })),
    ];
    plan
}

fn watching(plan: Plan) -> Run {
    let mut run = Run::of(plan);
    run.until_step(WATCH);
    run
}

/// Whether the old slot lost tasks.
fn took_old_tasks(run: &Run) -> bool {
    run.asked.iter().any(|effect| matches!(effect, Effect::Scale { role: Role::Stable, .. }))
}

#[test]
fn a_release_that_stays_as_it_was_commits_and_retires_the_old_slot_at_the_end_of_the_watch() {
    let mut run = watching(watched());
    let began = run.now;
    run.until(|run| run.machine.is_committed());
    assert!(run.now.since(began) >= HOURS, "{:?}", run.now.since(began));
    assert!(!took_old_tasks(&run), "they are kept until it is committed");
    assert_eq!(run.end(), Outcome::Promoted);
    assert!(took_old_tasks(&run));
}

#[test]
fn what_starts_late_goes_back_to_the_tasks_that_were_kept() {
    let mut run = watching(watched());
    run.pass(MINUTE * 20);
    run.errors = Some(3.0);
    let late = run.now;
    let outcome = run.end();
    let back = run.shares.last().map(|(at, _)| at.since(late)).unwrap();
    assert!(back <= MINUTE * 10, "{back:?}");
    let Reason::Breach { gate, evidence, outcome } = reason(outcome) else { panic!("{:?}", run.notices) };
    assert_eq!((gate.as_str(), outcome), ("compare", GateOutcome::Fail));
    assert!(matches!(evidence, Evidence::Drift(DriftEvidence::Worse { .. })), "{evidence:?}");
    assert_eq!((run.share, run.stable.healthy), (Share::NONE, FULL));
    assert!(!took_old_tasks(&run));
}

#[test]
fn an_old_slot_that_is_scaled_down_meanwhile_gets_its_tasks_back_before_the_release_does() {
    let mut run = watching(watched());
    run.pass(MINUTE * 20);
    run.stable = capacity(0, BEFORE);
    run.pass(MINUTE * 20);
    assert_eq!(run.share, Share::ALL, "nothing is wrong with the release: {:?}", run.notices);
    run.errors = Some(3.0);
    assert!(matches!(reason(run.end()), Reason::Breach { outcome: GateOutcome::Fail, .. }), "{:?}", run.notices);
    assert_eq!((run.share, run.stable.healthy), (Share::NONE, FULL));
}

#[test]
fn what_was_seen_before_a_takeover_still_counts_after_it() {
    let mut run = watching(watched());
    run.pass(MINUTE * 20);
    run.recovered();
    run.pass(MINUTE * 5);
    run.errors = Some(3.0);
    assert!(matches!(reason(run.end()), Reason::Breach { outcome: GateOutcome::Fail, .. }), "{:?}", run.notices);
}

#[test]
fn a_switch_that_fires_while_nobody_watches_gives_the_traffic_back() {
    let mut plan = watched();
    plan.steps.insert(0, Step { action: Action::Secure, within: MINUTE * 2 });
    plan.dead_man = Some(DeadMan { role: "arn:aws:iam::1:role/r".into(), after: MINUTE * 5, group: "default".into() });
    let mut run = Run::of(plan);
    run.until_step(WATCH + 1);
    run.pass(MINUTE * 30);
    let fires = run.fires.expect("it is armed as long as the way back is open");
    assert!(fires > run.now, "and pushed on");
    run.dead_for(MINUTE * 60);
    assert_eq!(run.share, Share::NONE);
    assert!(matches!(run.end(), Outcome::RolledBack(_)), "{:?}", run.notices);
}

#[test]
fn minutes_without_a_count_are_no_pass() {
    let mut run = watching(watched());
    run.pass(MINUTE * 90);
    run.errors = None;
    let Reason::Breach { gate, outcome, .. } = reason(run.end()) else { panic!("{:?}", run.notices) };
    assert_eq!((gate.as_str(), outcome), ("compare", GateOutcome::Inconclusive));
}

#[test]
fn a_person_goes_back_or_ends_the_watch() {
    let mut back = watching(watched());
    back.pass(MINUTE * 40);
    back.told(OperatorRequest::Rollback);
    assert!(matches!(reason(back.end()), Reason::Operator { .. }), "{:?}", back.notices);
    let mut on = watching(watched());
    on.pass(MINUTE * 40);
    on.told(OperatorRequest::Promote);
    assert_eq!(on.end(), Outcome::Promoted);
    assert!(on.is_told(|notice| matches!(notice, Notice::Skipped { step: WATCH, .. })));
}

#[test]
fn without_a_comparison_the_other_gates_watch() {
    let mut plan = watched();
    plan.gates = gates();
    let mut run = watching(plan.clone());
    run.pass(MINUTE * 60);
    run.errors = Some(5.0);
    assert!(matches!(reason(run.end()), Reason::Breach { .. }), "{:?}", run.notices);
    assert_eq!(watching(plan).end(), Outcome::Promoted);
}
