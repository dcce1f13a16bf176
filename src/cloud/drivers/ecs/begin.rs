//! What a deployment is begun with: the service's own configuration, with the plan's timetable and our two pauses.

use std::time::Duration;

use aws_sdk_ecs::types::{
    CanaryConfiguration, DeploymentAlarms, DeploymentConfiguration, DeploymentLifecycleHook,
    DeploymentLifecycleHookAction, DeploymentLifecycleHookStage, DeploymentLifecycleHookTargetType,
    DeploymentLifecycleHookTimeoutConfiguration, DeploymentStrategy, LinearConfiguration,
};

use crate::domain::driver::{EcsDeployment, Timetable};
use crate::domain::traffic::Share;

/// Where ours pause: before each shift of production traffic, and after the last.
const PAUSES: [DeploymentLifecycleHookStage; 2] =
    [DeploymentLifecycleHookStage::PreProductionTrafficShift, DeploymentLifecycleHookStage::PostProductionTrafficShift];

/// The configuration of a deployment that goes as `asked`, of a service with configuration `own`. Its alarms, its
/// breaker and its own hooks stay.
pub(super) fn configuration(own: Option<&DeploymentConfiguration>, asked: &EcsDeployment) -> DeploymentConfiguration {
    let mut hooks = others(own);
    hooks.push(ours(asked.pause));
    let watched = own.and_then(DeploymentConfiguration::alarms).is_some_and(DeploymentAlarms::enable);
    // Alarms of the service may need time with all traffic moved; without any, tidegate's own holds are that time.
    let bake = if watched { own.and_then(DeploymentConfiguration::bake_time_in_minutes).unwrap_or(0) } else { 0 };
    let plain = base(own).bake_time_in_minutes(bake).set_lifecycle_hooks(Some(hooks));
    match asked.timetable {
        Timetable::AllAtOnce => plain.strategy(DeploymentStrategy::BlueGreen),
        Timetable::Canary { first, every } => plain.strategy(DeploymentStrategy::Canary).canary_configuration(
            CanaryConfiguration::builder()
                .canary_percent(percent(first))
                .canary_bake_time_in_minutes(minutes(every))
                .build(),
        ),
        Timetable::Linear { step, every } => plain.strategy(DeploymentStrategy::Linear).linear_configuration(
            LinearConfiguration::builder()
                .step_percent(percent(step))
                .step_bake_time_in_minutes(minutes(every))
                .build(),
        ),
    }
    .build()
}

/// What a service's configuration is to be after the rollout: as `now`, without our pauses, and with the strategy of
/// `before`. `None` where nothing of ours is in it.
pub(super) fn restored(
    now: &DeploymentConfiguration,
    before: Option<&DeploymentConfiguration>,
) -> Option<DeploymentConfiguration> {
    if !now.lifecycle_hooks().iter().any(is_pause_of_ours) {
        return None;
    }
    let from = before.unwrap_or(now);
    let restored = base(Some(now))
        .set_strategy(from.strategy().cloned())
        .set_bake_time_in_minutes(from.bake_time_in_minutes())
        .set_linear_configuration(from.linear_configuration().cloned())
        .set_canary_configuration(from.canary_configuration().cloned())
        .set_lifecycle_hooks(Some(others(Some(now))));
    Some(restored.build())
}

/// Whether a hook is one of ours: a pause at just the two stages.
pub(super) fn is_pause_of_ours(hook: &DeploymentLifecycleHook) -> bool {
    hook.target_type() == Some(&DeploymentLifecycleHookTargetType::Pause)
        && !hook.lifecycle_stages().is_empty()
        && hook.lifecycle_stages().iter().all(|stage| PAUSES.contains(stage))
}

/// What has nothing to do with how traffic moves.
fn base(own: Option<&DeploymentConfiguration>) -> aws_sdk_ecs::types::builders::DeploymentConfigurationBuilder {
    let own = own.cloned().unwrap_or_else(|| DeploymentConfiguration::builder().build());
    DeploymentConfiguration::builder()
        .set_deployment_circuit_breaker(own.deployment_circuit_breaker)
        .set_maximum_percent(own.maximum_percent)
        .set_minimum_healthy_percent(own.minimum_healthy_percent)
        .set_alarms(own.alarms)
        .set_early_success_criteria(own.early_success_criteria)
}

/// The service's own hooks. A pause of its own where ours is gives way to ours.
fn others(own: Option<&DeploymentConfiguration>) -> Vec<DeploymentLifecycleHook> {
    let hooks = own.map(DeploymentConfiguration::lifecycle_hooks).unwrap_or_default();
    let kept = hooks.iter().filter(|hook| !is_pause_of_ours(hook)).cloned().map(|mut hook| {
        if let (Some(DeploymentLifecycleHookTargetType::Pause), Some(stages)) =
            (&hook.target_type, &mut hook.lifecycle_stages)
        {
            stages.retain(|stage| !PAUSES.contains(stage));
        }
        hook
    });
    kept.collect()
}

/// One pause for both stages; when nobody answers it, ECS goes back.
fn ours(pause: Duration) -> DeploymentLifecycleHook {
    let timeout = DeploymentLifecycleHookTimeoutConfiguration::builder()
        .timeout_in_minutes(minutes(pause).max(1))
        .action(DeploymentLifecycleHookAction::Rollback)
        .build();
    DeploymentLifecycleHook::builder()
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .set_lifecycle_stages(Some(PAUSES.to_vec()))
        .timeout_configuration(timeout)
        .build()
}

fn percent(share: Share) -> f64 {
    f64::from(share.permille()) / 10.0
}

fn minutes(span: Duration) -> i32 {
    i32::try_from(span.as_secs().div_ceil(60)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
