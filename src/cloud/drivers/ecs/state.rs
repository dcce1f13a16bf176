//! A service deployment in our words: where it stands, what it waits for, and why it goes back.

use aws_sdk_ecs::types::{
    CanaryConfiguration, DeploymentLifecycleHookAction, DeploymentLifecycleHookStatus, DeploymentStrategy,
    LinearConfiguration, ServiceDeployment, ServiceDeploymentAlarms, ServiceDeploymentRollbackMonitorsStatus,
    ServiceDeploymentStatus, ServiceRevisionSummary,
};

mod hooks;

use crate::cloud::aws::timestamp;
use crate::domain::driver::{Deployment, DeploymentState};
use crate::domain::traffic::Share;

/// The stage after the last one.
const AFTER_SHIFT: &str = "POST_PRODUCTION_TRAFFIC_SHIFT";
/// Stages after all traffic has moved, in which a deployment ends by itself.
const ENDING: [&str; 2] = ["BAKE_TIME", "CLEAN_UP"];

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It goes forward, or waits.
    Forward,
    /// It goes back, or is stopped.
    Back,
    /// It is over, and the target is all there is.
    Done,
    /// It is over, and the source is all there is.
    Returned,
    /// It is over where it was.
    Left,
}

/// How far `deployment` is. A status that this version does not know is taken to be on the way.
pub(super) fn way(deployment: &ServiceDeployment) -> Way {
    match deployment.status() {
        Some(ServiceDeploymentStatus::Successful) => Way::Done,
        Some(ServiceDeploymentStatus::RollbackSuccessful) => Way::Returned,
        Some(ServiceDeploymentStatus::Stopped | ServiceDeploymentStatus::RollbackFailed) => Way::Left,
        Some(
            ServiceDeploymentStatus::StopRequested
            | ServiceDeploymentStatus::RollbackRequested
            | ServiceDeploymentStatus::RollbackInProgress,
        ) => Way::Back,
        _ => Way::Forward,
    }
}

pub(super) use hooks::Pauses;

/// A pause at which a deployment waits for a word of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pause<'a> {
    /// By what it is answered.
    pub hook: &'a str,
    /// Whether all production traffic has moved, so that the answer ends the deployment.
    pub last: bool,
}

/// The pause at which a deployment waits for us. A service may have pauses of its own, which somebody else answers.
pub(super) fn pause(deployment: &ServiceDeployment, pauses: Pauses) -> Option<Pause<'_>> {
    let hook = hooks::ours(deployment, stage(deployment), pauses).filter(|_| way(deployment) == Way::Forward)?;
    let last = stage(deployment) == AFTER_SHIFT || share(deployment) == Share::ALL;
    Some(Pause { hook: hook.hook_id().unwrap_or_default(), last })
}

/// The share of production traffic that ECS has asked the load balancer to give the target.
pub(super) fn share(deployment: &ServiceDeployment) -> Share {
    let target = deployment.target_service_revision();
    target.and_then(ServiceRevisionSummary::requested_production_traffic_weight).map_or(Share::NONE, permille)
}

/// A percentage as ECS says it, with one decimal.
fn permille(percent: f64) -> Share {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to 0..=1000")]
    let permille = (percent * 10.0).round().clamp(0.0, 1000.0) as u16;
    Share::from_permille(permille).unwrap_or(Share::NONE)
}

/// The share that ECS gives next. An adopted deployment keeps the steps that it was begun with.
pub(super) fn next(deployment: &ServiceDeployment) -> Share {
    let now = share(deployment);
    let Some(how) = deployment.deployment_configuration() else { return Share::ALL };
    let first = how.canary_configuration().and_then(CanaryConfiguration::canary_percent).map(permille);
    let step = how.linear_configuration().and_then(LinearConfiguration::step_percent).map(permille);
    match (how.strategy(), first, step) {
        (Some(DeploymentStrategy::Canary), Some(first), _) if now < first => first,
        (Some(DeploymentStrategy::Linear), _, Some(step)) => {
            let sum = now.permille().saturating_add(step.permille());
            Share::from_permille(sum).unwrap_or(Share::ALL)
        }
        _ => Share::ALL,
    }
}

/// Where a deployment is, in ECS's words.
pub(super) fn stage(deployment: &ServiceDeployment) -> &str {
    let status = || deployment.status().map_or("", ServiceDeploymentStatus::as_str);
    deployment.lifecycle_stage().map_or_else(status, |stage| stage.as_str())
}

/// Whether a deployment ends by itself from where it is.
pub(super) fn is_ending(deployment: &ServiceDeployment, pauses: Pauses) -> bool {
    ENDING.contains(&stage(deployment))
        || (stage(deployment) == AFTER_SHIFT
            && hooks::ours(deployment, AFTER_SHIFT, pauses).is_none()
            && share(deployment) == Share::ALL)
}

/// A deployment as one look saw it.
pub(super) fn told(deployment: &ServiceDeployment, pauses: Pauses) -> Deployment {
    let ours = hooks::ours(deployment, stage(deployment), pauses);
    let theirs = hooks::awaiting(deployment).next().filter(|_| ours.is_none() && way(deployment) == Way::Forward);
    let held_by = theirs.and_then(|hook| hook.hook_id()).map(ToOwned::to_owned);
    let state = match way(deployment) {
        Way::Done => DeploymentState::Done,
        Way::Back | Way::Returned | Way::Left => DeploymentState::Failed { why: why(deployment) },
        Way::Forward => match ours {
            Some(hook) => DeploymentState::Waiting { until: hook.expires_at().map(timestamp) },
            None => DeploymentState::Moving,
        },
    };
    let id = deployment.service_deployment_arn().unwrap_or_default().to_owned();
    Deployment { id, state, stage: stage(deployment).to_owned(), held_by }
}

/// Why a deployment goes back or ended: what watches over it by name, a pause that nobody answered, then ECS's own
/// sentence.
pub(super) fn why(deployment: &ServiceDeployment) -> String {
    let said = deployment.rollback().and_then(|rollback| rollback.reason()).or(deployment.status_reason());
    let said = said.map(|said| said.trim().trim_end_matches('.')).filter(|said| !said.is_empty());
    let cause = cause(deployment);
    let failed = (deployment.status() == Some(&ServiceDeploymentStatus::RollbackFailed))
        .then(|| "its rollback failed".to_owned());
    let parts: Vec<String> = cause.into_iter().chain(failed).chain(said.map(ToOwned::to_owned)).collect();
    if parts.is_empty() { "it was stopped, and says nothing of why".to_owned() } else { parts.join(": ") }
}

fn cause(deployment: &ServiceDeployment) -> Option<String> {
    let alarms = deployment.alarms().map(ServiceDeploymentAlarms::triggered_alarm_names).unwrap_or_default();
    match alarms {
        [] => {}
        [one] => return Some(format!("alarm {one} rang")),
        several => return Some(format!("alarms {} rang", several.join(", "))),
    }
    if let Some(breaker) = deployment.deployment_circuit_breaker()
        && breaker.status() == Some(&ServiceDeploymentRollbackMonitorsStatus::Triggered)
    {
        let (failed, limit) = (breaker.failure_count(), breaker.threshold());
        return Some(format!("the circuit breaker opened at {failed} failed tasks of {limit}"));
    }
    let timed_out = deployment.lifecycle_hook_details().iter().any(|hook| {
        hook.status() == Some(&DeploymentLifecycleHookStatus::TimedOut)
            && hook.timeout_action() != Some(&DeploymentLifecycleHookAction::Continue)
    });
    timed_out.then(|| "a pause was not answered in time".to_owned())
}

#[cfg(test)]
mod tests;
