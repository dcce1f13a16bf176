//! Deployments of the candidate's service that ECS ends by itself, or that somebody else ends.

use super::*;
use crate::domain::fleet::{GivenUp, Stopped};

const THEIRS: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:9";

fn stop(task_definition: &str) -> Stopped {
    let reason = "Essential container in task exited (app: exit code 1)".to_owned();
    Stopped { task: "9f".into(), at: START, reason, task_definition: task_definition.into() }
}

/// A rollout whose release has been seen to come up, with none of its tasks healthy.
fn coming_up(plan: Plan) -> Run {
    let mut run = Run::of(plan);
    run.until_asked(is_scale);
    run.go();
    run.candidate = Capacity { healthy: 0, running: 0, settled: false, ..capacity(FULL, RELEASE) };
    run.pass(MINUTE * 2);
    run
}

fn given_up() -> GivenUp {
    let why = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
    GivenUp { task_definition: RELEASE.into(), why }
}

/// The circuit breaker brings the revision before back, whose tasks are healthy.
fn goes_back(run: &mut Run) {
    run.candidate = Capacity { given_up: Some(given_up()), stopped: vec![stop(RELEASE)], ..capacity(FULL, BEFORE) };
}

fn sent(run: &Run) -> usize {
    let ours =
        |effect: &&Effect| matches!(effect, Effect::Scale { task_definition: Some(what), .. } if what == RELEASE);
    run.asked.iter().filter(ours).count()
}

fn end_of(run: &mut Run) -> DeploymentEnd {
    match reason(run.end()) {
        Reason::Deployment(end) => *end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_that_ecs_gave_up_is_a_breach_at_once_and_is_not_sent_again() {
    let mut run = coming_up(canary());
    goes_back(&mut run);
    run.until_asked(|effect| matches!(effect, Effect::Look(look) if look.fleet));
    let told = run.go();
    assert!(told.iter().any(|notice| matches!(notice, Notice::Retreating { .. })), "{told:?}");
    let why = "ECS deployment circuit breaker: tasks failed to start".to_owned();
    let seen = EndSeen::GivenUp { service: "web-green".into(), why };
    assert_eq!(end_of(&mut run), DeploymentEnd { seen, last_stop: Some(stop(RELEASE)) });
    assert_eq!((sent(&run), run.routes().iter().any(|share| *share > Share::NONE)), (1, false));
}

#[test]
fn a_deployment_that_failed_and_stays_is_a_breach_too() {
    let mut run = coming_up(canary());
    run.candidate = Capacity { given_up: Some(given_up()), failed: 2, ..capacity(FULL, RELEASE) };
    assert!(matches!(end_of(&mut run).seen, EndSeen::GivenUp { .. }));
}

#[test]
fn the_tasks_of_the_revision_before_pass_no_gate() {
    let mut run = coming_up(canary());
    let before = run.notices.len();
    goes_back(&mut run);
    run.end();
    let passes = |notice: &Notice| matches!(notice, Notice::Judged { gate, verdict } if gate == "tasks" && verdict.outcome == crate::gate::Outcome::Pass);
    assert!(!run.notices[before..].iter().any(passes));
}

#[test]
fn a_service_that_is_back_on_the_revision_before_without_a_word_was_stopped() {
    let mut run = coming_up(canary());
    run.candidate = capacity(FULL, BEFORE);
    let seen = EndSeen::Reverted { service: "web-green".into(), runs: "web:1".into() };
    assert_eq!(end_of(&mut run), DeploymentEnd { seen, last_stop: None });
    assert_eq!(sent(&run), 1);
}

#[test]
fn one_old_read_of_the_revision_before_ends_nothing() {
    let mut run = coming_up(canary());
    let comes = std::mem::replace(&mut run.candidate, capacity(1, BEFORE));
    run.until_asked(|effect| matches!(effect, Effect::Look(look) if look.fleet));
    run.go();
    run.candidate = comes;
    run.pass(MINUTE);
    run.candidate = capacity(FULL, RELEASE);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn what_somebody_else_deploys_to_the_candidate_before_any_traffic_is_not_written_over() {
    let mut run = coming_up(canary());
    run.candidate = capacity(FULL, THEIRS);
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
    assert_eq!(sent(&run), 1);
}

#[test]
fn a_write_that_was_lost_is_sent_again() {
    let mut run = Run::of(canary());
    run.until_asked(is_scale);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.pass(MINUTE * 2);
    assert!(sent(&run) > 1);
    run.candidate = capacity(FULL, RELEASE);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_failure_of_an_earlier_try_is_not_this_ones() {
    let mut run = Run::of(canary());
    run.until_asked(is_scale);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.candidate = Capacity { desired: 0, running: 0, healthy: 0, given_up: Some(given_up()), ..capacity(0, RELEASE) };
    run.pass(Duration::from_secs(50));
    run.candidate = capacity(FULL, RELEASE);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn ecs_may_give_a_release_up_that_has_traffic() {
    let mut run = Run::of(canary());
    run.until_step(2);
    goes_back(&mut run);
    assert!(matches!(end_of(&mut run).seen, EndSeen::GivenUp { .. }));
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
}

#[test]
fn a_breach_that_holds_keeps_the_release_from_being_sent_again() {
    let mut plan = canary();
    plan.policies.on_breach = OnTrouble::Hold;
    let mut run = coming_up(plan);
    goes_back(&mut run);
    run.until(|run| run.machine.progress().paused.is_some());
    run.pass(MINUTE * 10);
    assert_eq!(sent(&run), 1);
}

#[test]
fn whoever_takes_over_knows_that_the_release_came_up() {
    let mut run = coming_up(canary());
    goes_back(&mut run);
    run.dead_for(MINUTE * 5);
    assert!(matches!(end_of(&mut run).seen, EndSeen::GivenUp { .. }));
    assert_eq!(sent(&run), 1);
}

#[test]
fn a_deployment_of_awss_own_that_went_back_names_the_last_stop() {
    let mut plan = canary();
    plan.driver = Driver::Ecs(crate::domain::driver::EcsDeployment {
        timetable: crate::domain::driver::Timetable::AllAtOnce,
        pause: MINUTE * 30,
    });
    let mut run = coming_up(plan);
    run.deployment = Some(DeploymentState::Failed { why: "the circuit breaker opened".into() });
    run.candidate.stopped = vec![stop(RELEASE)];
    let seen = EndSeen::Said("the circuit breaker opened".into());
    assert_eq!(end_of(&mut run), DeploymentEnd { seen, last_stop: Some(stop(RELEASE)) });
}

/// Answers what names a revision as ECS does one that is deregistered.
fn refuse_revisions(run: &mut Run) -> Outcome {
    let inactive = Fault::new(FaultKind::Permanent, "UpdateService", "ClientException: TaskDefinition is inactive");
    while run.machine.outcome().is_none() {
        match run.pending() {
            Some(Effect::Scale { task_definition: Some(what), .. }) if what == BEFORE => {
                run.answer(Answer::Failed(inactive.clone()));
            }
            _ => {
                run.go();
            }
        }
    }
    run.machine.outcome().unwrap().clone()
}

#[test]
fn an_idle_slot_whose_revision_is_deregistered_still_gets_its_count_back() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.errors = Some(20.0);
    assert!(matches!(reason(refuse_revisions(&mut run)), Reason::Breach { .. }));
    assert_eq!(run.candidate.desired, 1);
    let is_it = |notice: &Notice| {
        matches!(notice, Notice::LeftUndone { what: Undone::Revision { service, refused, .. } }
            if service == "web-green" && refused == "web:1")
    };
    assert_eq!(run.notices.iter().filter(|notice| is_it(notice)).count(), 1, "{:#?}", run.notices);
}

#[test]
fn a_barren_stable_slot_whose_revision_is_deregistered_gets_its_tasks_back() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.stable = capacity(0, BEFORE);
    assert!(matches!(reason(refuse_revisions(&mut run)), Reason::ForeignWrite { .. }));
    assert_eq!((run.stable.desired, run.share), (FULL, Share::NONE));
}
