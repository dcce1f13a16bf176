//! The way back, and the stop: all traffic goes back at once, then the new revision's tasks go.
//!
//! `Stopping Amazon ECS service deployments` in the developer guide has the states that lead here.

use super::traffic::{self, Kind};
use super::{SHIFT_MS, STAGE_LIMIT_MS, has_tasks, well};
use crate::account::{Account, DeploymentStatus, Rollout, Service, ServiceDeployment, Stage};

/// STOP_REQUESTED → STOPPED: traffic and tasks stay as they are.
pub(super) fn stop(account: &Account, service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    let id = &deployment.target.deployment;
    if let Some(before) = deployment.sources.first()
        && !has_tasks(account, id)
    {
        put_first(service, &before.deployment);
        service.deployments.retain(|one| one.id != *id);
    }
    deployment.end(DeploymentStatus::Stopped, now);
}

/// ROLLBACK_REQUESTED → ROLLBACK_IN_PROGRESS: the revision before is the service's again.
///
/// Its tasks are still there, unless the clean-up has begun: then they come back before the traffic does.
pub(super) fn turn(account: &mut Account, service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    let Some(before) = deployment.sources.first().cloned() else {
        return deployment.end(DeploymentStatus::RollbackFailed, now);
    };
    deployment.status = DeploymentStatus::RollbackInProgress;
    put_first(service, &before.deployment);
    let (name, id) = (service.name.clone(), deployment.target.deployment.clone());
    let reason = deployment.reason.clone().unwrap_or_default();
    if let Some(target) = service.deployment_mut(&id) {
        target.rollout = Rollout::Failed;
        target.rollout_reason = reason;
        target.updated_at = now;
    }
    let before = before.deployment;
    service.tell(now, format!("(service {name}) rolling back to deployment {before} from deployment {id}."));
    service.is_steady = false;
    if deployment.stage == Some(Stage::CleanUp) {
        enter(deployment, Stage::ScaleUp, now);
    } else {
        give_back(account, service, deployment, now);
    }
}

/// ROLLBACK_IN_PROGRESS.
pub(super) fn advance(account: &mut Account, service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    let age = now - deployment.stage_since;
    let before = deployment.sources.first().map(|source| source.deployment.clone()).unwrap_or_default();
    match deployment.stage {
        Some(Stage::ScaleUp) if well(account, service, &before) >= service.desired as usize => {
            give_back(account, service, deployment, now);
        }
        Some(Stage::ScaleUp) if age >= STAGE_LIMIT_MS => {
            let reason = "Service deployment rollback failed because the SCALE_UP stage took more than 24 hours.";
            deployment.reason = Some(reason.to_owned());
            deployment.end(DeploymentStatus::RollbackFailed, now);
        }
        Some(Stage::ProductionTrafficShift) if age >= SHIFT_MS => enter(deployment, Stage::CleanUp, now),
        Some(Stage::CleanUp) if !has_tasks(account, &deployment.target.deployment) => {
            let id = deployment.target.deployment.clone();
            service.deployments.retain(|one| one.id != id);
            deployment.end(DeploymentStatus::RollbackSuccessful, now);
        }
        _ => {}
    }
}

fn enter(deployment: &mut ServiceDeployment, stage: Stage, now: u64) {
    deployment.stage = Some(stage);
    (deployment.stage_since, deployment.updated_at) = (now, now);
}

/// All traffic goes back at once, production first.
fn give_back(account: &mut Account, service: &Service, deployment: &mut ServiceDeployment, now: u64) {
    enter(deployment, Stage::ProductionTrafficShift, now);
    let moved = traffic::shift(account, service, deployment, Kind::Production, 0)
        .and_then(|()| traffic::shift(account, service, deployment, Kind::Test, 0));
    if let Err(reason) = moved {
        deployment.reason = Some(format!("Service deployment rollback failed. {reason}"));
        deployment.end(DeploymentStatus::RollbackFailed, now);
    }
}

/// Makes a deployment of a service its primary one again.
fn put_first(service: &mut Service, id: &str) {
    service.deployments.sort_by_key(|one| one.id != id);
    if let Some(first) = service.deployments.first() {
        service.definition.clone_from(&first.definition);
    }
}
