//! What a deployment is begun with, and what the service's configuration is afterwards.

use aws_sdk_ecs::types::DeploymentCircuitBreaker;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn asked(timetable: Timetable) -> EcsDeployment {
    EcsDeployment { timetable, pause: MINUTE * 30 }
}

fn lambda() -> DeploymentLifecycleHook {
    DeploymentLifecycleHook::builder()
        .hook_target_arn("arn:aws:lambda:eu-west-1:1:function:smoke")
        .role_arn("arn:aws:iam::1:role/hooks")
        .lifecycle_stages(DeploymentLifecycleHookStage::PreProductionTrafficShift)
        .build()
}

/// Somebody's own pauses at two stages.
fn theirs() -> DeploymentLifecycleHook {
    DeploymentLifecycleHook::builder()
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .lifecycle_stages(DeploymentLifecycleHookStage::PostScaleUp)
        .lifecycle_stages(DeploymentLifecycleHookStage::PostProductionTrafficShift)
        .build()
}

fn own(alarms: bool) -> DeploymentConfiguration {
    let alarms = DeploymentAlarms::builder().alarm_names("web-5xx").enable(alarms).rollback(true).build().unwrap();
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    DeploymentConfiguration::builder()
        .strategy(DeploymentStrategy::BlueGreen)
        .bake_time_in_minutes(5)
        .alarms(alarms)
        .deployment_circuit_breaker(breaker)
        .maximum_percent(150)
        .lifecycle_hooks(lambda())
        .lifecycle_hooks(theirs())
        .build()
}

#[test]
fn the_services_alarms_breaker_and_hooks_are_kept_and_ours_pause_beside_them() {
    let built = configuration(Some(&own(true)), &asked(Timetable::AllAtOnce));
    assert_eq!(built.strategy(), Some(&DeploymentStrategy::BlueGreen));
    assert_eq!(
        (built.alarms(), built.deployment_circuit_breaker()),
        (own(true).alarms(), own(true).deployment_circuit_breaker())
    );
    assert_eq!(built.maximum_percent(), Some(150));
    let [first, second, third] = built.lifecycle_hooks() else { panic!("{built:?}") };
    assert_eq!(first, &lambda());
    assert_eq!(second.lifecycle_stages(), [DeploymentLifecycleHookStage::PostScaleUp]);
    assert!(is_pause_of_ours(third) && !is_pause_of_ours(first) && !is_pause_of_ours(second));
    let timeout = third.timeout_configuration().unwrap();
    assert_eq!(
        (timeout.timeout_in_minutes(), timeout.action()),
        (Some(30), Some(&DeploymentLifecycleHookAction::Rollback))
    );
}

#[test]
fn a_bake_is_kept_only_where_alarms_use_it() {
    let bake =
        |own: Option<&DeploymentConfiguration>| configuration(own, &asked(Timetable::AllAtOnce)).bake_time_in_minutes();
    assert_eq!((bake(Some(&own(true))), bake(Some(&own(false))), bake(None)), (Some(5), Some(0), Some(0)));
}

#[test]
fn shares_and_times_are_said_in_percents_and_minutes() {
    let share = |permille| Share::from_permille(permille).unwrap();
    let canary = configuration(None, &asked(Timetable::Canary { first: share(55), every: MINUTE * 7 }));
    let said = canary.canary_configuration().unwrap();
    assert_eq!((said.canary_percent(), said.canary_bake_time_in_minutes()), (Some(5.5), Some(7)));
    assert_eq!((canary.strategy(), canary.linear_configuration()), (Some(&DeploymentStrategy::Canary), None));
    let linear = configuration(None, &asked(Timetable::Linear { step: share(250), every: MINUTE }));
    let said = linear.linear_configuration().unwrap();
    assert_eq!((said.step_percent(), said.step_bake_time_in_minutes()), (Some(25.0), Some(1)));
    assert_eq!((linear.strategy(), linear.canary_configuration()), (Some(&DeploymentStrategy::Linear), None));
}

#[test]
fn afterwards_the_pauses_are_gone_and_the_strategy_is_the_one_before() {
    let share = Share::from_permille(100).unwrap();
    let during = configuration(Some(&own(true)), &asked(Timetable::Canary { first: share, every: MINUTE }));
    let after = restored(&during, Some(&own(true))).unwrap();
    assert_eq!((after.strategy(), after.bake_time_in_minutes()), (Some(&DeploymentStrategy::BlueGreen), Some(5)));
    assert!(!after.lifecycle_hooks().iter().any(is_pause_of_ours) && after.lifecycle_hooks().len() == 2);
    assert_eq!(after.canary_configuration(), None);
    let unknown = restored(&during, None).unwrap();
    assert_eq!(unknown.strategy(), Some(&DeploymentStrategy::Canary));
    assert_eq!(restored(&own(true), None), None);
}
