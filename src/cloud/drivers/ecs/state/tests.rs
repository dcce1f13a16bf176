//! What a deployment's fields mean.

use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{Rollback, ServiceDeploymentCircuitBreaker, ServiceDeploymentLifecycleStage};

use super::*;
use crate::domain::clock::Timestamp;

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
        assert_eq!(pause(&waits), Some(Pause { hook: "hook-1", last }), "{stage} {weight}");
        let until = Some(Timestamp::from_millis(1_795_442_400_000));
        assert_eq!(told(&waits).state, DeploymentState::Waiting { until });
        assert!(!is_ending(&waits));
    };
    check("PRE_PRODUCTION_TRAFFIC_SHIFT", 0.0, false);
    check("PRE_PRODUCTION_TRAFFIC_SHIFT", 50.0, false);
    check("POST_PRODUCTION_TRAFFIC_SHIFT", 100.0, true);
    // The stage before a shift is in no enumeration of the API's.
    check("POST_TEST_TRAFFIC_SHIFT", 0.0, false);
    let on =
        at("PRODUCTION_TRAFFIC_SHIFT", 10.0).lifecycle_hook_details(hook(DeploymentLifecycleHookStatus::Succeeded));
    assert_eq!((pause(&on.clone().build()), told(&on.build()).state), (None, DeploymentState::Moving));
}

#[test]
fn a_pause_of_the_services_own_is_not_answered() {
    let own = aws_sdk_ecs::types::DeploymentLifecycleHook::builder()
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .lifecycle_stages(aws_sdk_ecs::types::DeploymentLifecycleHookStage::PostScaleUp)
        .build();
    let how = DeploymentConfiguration::builder().lifecycle_hooks(own).build();
    let waits = |stage| at(stage, 0.0).deployment_configuration(how.clone()).lifecycle_hook_details(awaiting()).build();
    assert_eq!(pause(&waits("POST_SCALE_UP")), None);
    assert_eq!(told(&waits("POST_SCALE_UP")).state, DeploymentState::Moving);
    assert!(pause(&waits("PRE_PRODUCTION_TRAFFIC_SHIFT")).is_some());
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
        assert!(is_ending(&at(stage, 100.0).build()), "{stage}");
    }
    let answered = at("POST_PRODUCTION_TRAFFIC_SHIFT", 100.0);
    assert!(is_ending(&answered.lifecycle_hook_details(hook(DeploymentLifecycleHookStatus::Succeeded)).build()));
    assert!(!is_ending(&at("PRODUCTION_TRAFFIC_SHIFT", 100.0).build()));
}
