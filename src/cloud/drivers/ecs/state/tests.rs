//! What a deployment's fields mean.

use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{
    DeploymentConfiguration, DeploymentLifecycleHook, DeploymentLifecycleHookDetail, DeploymentLifecycleHookStage,
    DeploymentLifecycleHookTargetType, DeploymentLifecycleHookTimeoutConfiguration, Rollback,
    ServiceDeploymentCircuitBreaker, ServiceDeploymentLifecycleStage,
};

use super::*;
use crate::domain::clock::Timestamp;

/// Ours waits for half an hour.
const PAUSES: Pauses = Pauses { minutes: 30, now: Timestamp::from_millis(1_795_442_400_000 - 1_800_000) };

fn at(stage: &str, weight: f64) -> aws_sdk_ecs::types::builders::ServiceDeploymentBuilder {
    let target = ServiceRevisionSummary::builder().requested_production_traffic_weight(weight).build();
    ServiceDeployment::builder()
        .service_deployment_arn("arn:deployment")
        .status(ServiceDeploymentStatus::InProgress)
        .lifecycle_stage(ServiceDeploymentLifecycleStage::from(stage))
        .target_service_revision(target)
}

fn hook(status: DeploymentLifecycleHookStatus) -> DeploymentLifecycleHookDetail {
    DeploymentLifecycleHookDetail::builder()
        .hook_id("hook-1")
        .status(status)
        .timeout_action(DeploymentLifecycleHookAction::Rollback)
        .expires_at(DateTime::from_millis(1_795_442_400_000))
        .build()
}

fn awaiting() -> DeploymentLifecycleHookDetail {
    hook(DeploymentLifecycleHookStatus::AwaitingAction)
}

#[test]
fn a_pause_before_a_shift_and_the_last_one_are_told_apart() {
    let check = |stage, weight, last| {
        let waits = at(stage, weight).lifecycle_hook_details(awaiting()).build();
        assert_eq!(pause(&waits, PAUSES), Some(Pause { hook: "hook-1", last }), "{stage} {weight}");
        let until = Some(Timestamp::from_millis(1_795_442_400_000));
        assert_eq!(told(&waits, PAUSES).state, DeploymentState::Waiting { until });
        assert!(!is_ending(&waits, PAUSES));
    };
    check("PRE_PRODUCTION_TRAFFIC_SHIFT", 0.0, false);
    check("PRE_PRODUCTION_TRAFFIC_SHIFT", 50.0, false);
    check("POST_PRODUCTION_TRAFFIC_SHIFT", 100.0, true);
    // The stage before a shift is in no enumeration of the API's.
    check("POST_TEST_TRAFFIC_SHIFT", 0.0, false);
    let on =
        at("PRODUCTION_TRAFFIC_SHIFT", 10.0).lifecycle_hook_details(hook(DeploymentLifecycleHookStatus::Succeeded));
    assert_eq!((pause(&on.clone().build(), PAUSES), told(&on.build(), PAUSES).state), (None, DeploymentState::Moving));
}

fn configured(stages: &[&str], minutes: i32) -> DeploymentLifecycleHook {
    let timeout = DeploymentLifecycleHookTimeoutConfiguration::builder().timeout_in_minutes(minutes).build();
    let stages = stages.iter().map(|stage| DeploymentLifecycleHookStage::from(*stage)).collect();
    DeploymentLifecycleHook::builder()
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .set_lifecycle_stages(Some(stages))
        .timeout_configuration(timeout)
        .build()
}

/// A hook that was raised now and waits for so many minutes.
fn raised(id: &str, minutes: i64, status: DeploymentLifecycleHookStatus) -> DeploymentLifecycleHookDetail {
    DeploymentLifecycleHookDetail::builder()
        .hook_id(id)
        .status(status)
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .expires_at(DateTime::from_secs(i64::try_from(PAUSES.now.as_millis()).unwrap() / 1000 + minutes * 60))
        .build()
}

#[test]
fn a_pause_of_the_services_own_is_told_and_not_answered() {
    use DeploymentLifecycleHookStatus::{AwaitingAction, Succeeded};
    let shifts = ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"];
    let ours = configured(&shifts, 30);
    let table = [
        // At a stage of their own; at one of ours, waiting longer or less; both at once; ours is answered.
        (
            "POST_SCALE_UP",
            configured(&["POST_SCALE_UP"], 1440),
            vec![raised("a", 1440, AwaitingAction)],
            (None, Some("a")),
        ),
        (shifts[0], configured(&shifts, 31), vec![raised("a", 31, AwaitingAction)], (None, Some("a"))),
        (shifts[0], configured(&shifts, 31), vec![raised("b", 30, AwaitingAction)], (Some("b"), None)),
        (
            shifts[0],
            configured(&shifts, 31),
            vec![raised("a", 31, AwaitingAction), raised("b", 30, AwaitingAction)],
            (Some("b"), None),
        ),
        (
            shifts[1],
            configured(&shifts, 5),
            vec![raised("b", 30, Succeeded), raised("a", 5, AwaitingAction)],
            (None, Some("a")),
        ),
        (shifts[0], configured(&["POST_SCALE_UP"], 1440), vec![raised("b", 30, AwaitingAction)], (Some("b"), None)),
    ];
    for (stage, theirs, details, (ours_waits, held_by)) in table {
        let how = DeploymentConfiguration::builder().lifecycle_hooks(theirs).lifecycle_hooks(ours.clone()).build();
        let one = at(stage, 0.0).deployment_configuration(how).set_lifecycle_hook_details(Some(details)).build();
        assert_eq!(pause(&one, PAUSES).map(|pause| pause.hook), ours_waits, "{stage}");
        let told = told(&one, PAUSES);
        assert_eq!(told.held_by.as_deref(), held_by, "{stage}");
        assert_eq!(told.state == DeploymentState::Moving, ours_waits.is_none(), "{stage}");
    }
}

#[test]
fn the_pauses_of_an_adopted_deployment_are_answered() {
    let theirs = configured(&["PRE_PRODUCTION_TRAFFIC_SHIFT"], 60);
    let how = DeploymentConfiguration::builder().lifecycle_hooks(theirs).build();
    let one = at("PRE_PRODUCTION_TRAFFIC_SHIFT", 0.0).deployment_configuration(how).lifecycle_hook_details(awaiting());
    assert!(pause(&one.build(), PAUSES).is_some());
}

#[test]
fn what_comes_next_is_by_the_deployments_own_steps() {
    let share = |permille| Share::from_permille(permille).unwrap();
    let check = |how: DeploymentConfiguration, weight, then| {
        let one = at("PRE_PRODUCTION_TRAFFIC_SHIFT", weight).deployment_configuration(how).build();
        assert_eq!(next(&one), share(then));
    };
    let canary = DeploymentConfiguration::builder()
        .strategy(DeploymentStrategy::Canary)
        .canary_configuration(CanaryConfiguration::builder().canary_percent(5.5).build())
        .build();
    check(canary.clone(), 0.0, 55);
    check(canary, 5.5, 1000);
    let linear = DeploymentConfiguration::builder()
        .strategy(DeploymentStrategy::Linear)
        .linear_configuration(LinearConfiguration::builder().step_percent(30.0).build())
        .build();
    check(linear.clone(), 30.0, 600);
    check(linear, 90.0, 1000);
    check(DeploymentConfiguration::builder().strategy(DeploymentStrategy::BlueGreen).build(), 0.0, 1000);
}

#[test]
fn every_status_has_one_meaning() {
    let check = |word: &str, means| {
        let one = at("CLEAN_UP", 100.0).status(ServiceDeploymentStatus::from(word)).build();
        assert_eq!(way(&one), means, "{word}");
    };
    for word in ["PENDING", "IN_PROGRESS", "SOMETHING_NEW"] {
        check(word, Way::Forward);
    }
    for word in ["STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"] {
        check(word, Way::Back);
    }
    check("SUCCESSFUL", Way::Done);
    check("ROLLBACK_SUCCESSFUL", Way::Returned);
    check("ROLLBACK_FAILED", Way::Left);
    check("STOPPED", Way::Left);
}

fn back(reason: &str) -> aws_sdk_ecs::types::builders::ServiceDeploymentBuilder {
    let rollback = Rollback::builder().reason(reason).build();
    at("PRODUCTION_TRAFFIC_SHIFT", 10.0).status(ServiceDeploymentStatus::RollbackInProgress).rollback(rollback)
}

#[test]
fn what_took_a_deployment_back_is_named() {
    let alarms = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        ServiceDeploymentAlarms::builder().set_triggered_alarm_names(Some(names)).build()
    };
    let why = |one: aws_sdk_ecs::types::builders::ServiceDeploymentBuilder| super::why(&one.build());
    assert_eq!(why(back("Alarms.").alarms(alarms(&["web-5xx"]))), "alarm web-5xx rang: Alarms");
    assert_eq!(why(back("").alarms(alarms(&["a", "b"]))), "alarms a, b rang");
    let breaker = ServiceDeploymentCircuitBreaker::builder()
        .status(ServiceDeploymentRollbackMonitorsStatus::Triggered)
        .failure_count(3)
        .threshold(3)
        .build();
    assert_eq!(
        why(back("Broken.").deployment_circuit_breaker(breaker)),
        "the circuit breaker opened at 3 failed tasks of 3: Broken"
    );
    let late = back("Late.").lifecycle_hook_details(hook(DeploymentLifecycleHookStatus::TimedOut));
    assert_eq!(why(late), "a pause was not answered in time: Late");
    assert_eq!(why(back("A user requested it.")), "A user requested it");
    assert_eq!(
        why(back("Rule gone.").status(ServiceDeploymentStatus::RollbackFailed)),
        "its rollback failed: Rule gone"
    );
    let stopped = at("SCALE_UP", 0.0).status(ServiceDeploymentStatus::Stopped);
    assert_eq!(why(stopped.clone()), "it was stopped, and says nothing of why");
    assert_eq!(why(stopped.status_reason("A new one started.")), "A new one started");
}

#[test]
fn what_ends_by_itself_needs_no_word() {
    for stage in ["BAKE_TIME", "CLEAN_UP"] {
        assert!(is_ending(&at(stage, 100.0).build(), PAUSES), "{stage}");
    }
    let answered = at("POST_PRODUCTION_TRAFFIC_SHIFT", 100.0);
    assert!(is_ending(
        &answered.lifecycle_hook_details(hook(DeploymentLifecycleHookStatus::Succeeded)).build(),
        PAUSES
    ));
    assert!(!is_ending(&at("PRODUCTION_TRAFFIC_SHIFT", 100.0).build(), PAUSES));
}
