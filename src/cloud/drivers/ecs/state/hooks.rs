//! Tells our hook from the service's own by how long it waits: none of the service's own waits as long at the same
//! stages.

use aws_sdk_ecs::types::{
    DeploymentConfiguration, DeploymentLifecycleHook, DeploymentLifecycleHookDetail, DeploymentLifecycleHookStatus,
    DeploymentLifecycleHookTargetType, DeploymentLifecycleHookTimeoutConfiguration, ServiceDeployment,
};

use super::super::begin::{PAUSES, USUAL};
use crate::cloud::aws::timestamp;
use crate::domain::clock::Timestamp;

/// By what our pauses are known.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud::drivers::ecs) struct Pauses {
    /// How long ours waits, in minutes.
    pub minutes: i32,
    /// The present moment.
    pub now: Timestamp,
}

/// The hooks at which a deployment waits for somebody's word.
pub(super) fn awaiting(deployment: &ServiceDeployment) -> impl Iterator<Item = &DeploymentLifecycleHookDetail> {
    let waits = |hook: &&DeploymentLifecycleHookDetail| {
        hook.status() == Some(&DeploymentLifecycleHookStatus::AwaitingAction) && hook.hook_id().is_some()
    };
    deployment.lifecycle_hook_details().iter().filter(waits)
}

/// The hook of ours that a deployment waits at in this stage.
pub(super) fn ours<'a>(
    deployment: &'a ServiceDeployment,
    stage: &str,
    pauses: Pauses,
) -> Option<&'a DeploymentLifecycleHookDetail> {
    awaiting(deployment).next()?;
    let all = deployment.deployment_configuration().map(DeploymentConfiguration::lifecycle_hooks).unwrap_or_default();
    let all: Vec<&DeploymentLifecycleHook> = all.iter().filter(|hook| is_pause(hook)).collect();
    let at_stage = |hook: &&&DeploymentLifecycleHook| hook.lifecycle_stages().iter().any(|one| one.as_str() == stage);
    let mut here: Vec<&DeploymentLifecycleHook> = all.iter().filter(at_stage).copied().collect();
    if here.is_empty() {
        // A stage that ECS tells otherwise than it takes it.
        here.clone_from(&all);
    }
    // A deployment that somebody else began, and that was adopted, has none of ours: its pauses are answered.
    let begun = all.iter().any(|hook| is_ours(hook) && waits(hook) == pauses.minutes);
    let mine = |hook: &&DeploymentLifecycleHook| is_ours(hook) && (!begun || waits(hook) == pauses.minutes);
    if here.iter().all(mine) {
        return awaiting(deployment).next();
    }
    here.sort_by_key(|hook| waits(hook));
    let mut details: Vec<&DeploymentLifecycleHookDetail> = deployment.lifecycle_hook_details().iter().collect();
    details.retain(|hook| hook.target_type().is_none_or(|kind| *kind == DeploymentLifecycleHookTargetType::Pause));
    details.sort_by_key(|hook| hook.expires_at().map(timestamp));
    if details.len() == here.len() {
        // They were raised together, so they end in the order of how long they wait.
        let pairs = details.into_iter().zip(&here).filter(|(_, hook)| mine(hook)).map(|(detail, _)| detail);
        return pairs.into_iter().find(|detail| awaiting(deployment).any(|one| one == *detail));
    }
    awaiting(deployment).find(|detail| nearest(detail, &here, pauses.now).is_some_and(|hook| mine(&hook)))
}

/// The hook that a detail is of, where they are raised one after the other: that which waits least of those that can still
/// wait for so long.
fn nearest<'a>(
    detail: &DeploymentLifecycleHookDetail,
    hooks: &[&'a DeploymentLifecycleHook],
    now: Timestamp,
) -> Option<&'a DeploymentLifecycleHook> {
    let left = timestamp(detail.expires_at()?).since(now).as_secs();
    hooks.iter().copied().find(|hook| u64::try_from(waits(hook)).unwrap_or_default() * 60 >= left)
}

fn is_pause(hook: &DeploymentLifecycleHook) -> bool {
    hook.target_type() == Some(&DeploymentLifecycleHookTargetType::Pause)
}

/// Whether a pause is at our stages alone.
fn is_ours(hook: &DeploymentLifecycleHook) -> bool {
    let stages = hook.lifecycle_stages();
    !stages.is_empty() && stages.iter().all(|stage| PAUSES.contains(&stage.as_str()))
}

fn waits(hook: &DeploymentLifecycleHook) -> i32 {
    hook.timeout_configuration()
        .and_then(DeploymentLifecycleHookTimeoutConfiguration::timeout_in_minutes)
        .unwrap_or(USUAL)
}
