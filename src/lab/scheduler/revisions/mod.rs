//! A service whose deployments shift traffic: its revisions have the tasks they are to have, and the deployment
//! that is under way moves on.

mod back;
mod begin;
mod forward;
#[cfg(test)]
mod tests;
mod traffic;

pub(crate) use self::begin::begin;
use super::service::{is_well, stop_tasks, told};
use crate::account::{
    Account, DeploymentStatus, Phase, Rollout, Service, ServiceDeployment, ServiceStatus, Stage, Task,
};

/// How long a deployment is PENDING, in milliseconds.
const PENDING_MS: u64 = 1_000;
/// How long a shift of traffic is given to reach the load balancer before anything else happens.
const SHIFT_MS: u64 = 5_000;
/// How long a stage may take (`Lifecycle hooks for Amazon ECS service deployments` in the developer guide).
const STAGE_LIMIT_MS: u64 = 24 * 3_600_000;

/// Moves a service and its deployment to where they are at a moment.
pub(super) fn reconcile(account: &mut Account, service: &mut Service, now: u64) {
    let is_it = |one: &ServiceDeployment| one.service == service.arn && !one.status.is_over();
    let place = account.service_deployments.iter().position(is_it);
    let mut ongoing = place.map(|place| account.service_deployments.remove(place));
    if let Some(deployment) = &mut ongoing {
        advance(account, service, deployment, now);
    }
    let under_way = ongoing.as_ref().filter(|one| !one.status.is_over());
    let ids: Vec<String> = service.deployments.iter().map(|one| one.id.clone()).collect();
    for id in &ids {
        hold(account, service, id, wanted(service, under_way, id, now), now);
    }
    forget(account, service, under_way);
    let is_alone = under_way.is_none();
    if let (Some(place), Some(deployment)) = (place, ongoing) {
        account.service_deployments.insert(place, deployment);
    }
    if service.status == ServiceStatus::Draining {
        leave(account, service);
    } else if is_alone {
        settle(account, service, now);
    }
}

fn advance(account: &mut Account, service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    if service.status == ServiceStatus::Draining {
        deployment.reason = Some("Service deployment stopped because the service was deleted.".to_owned());
        deployment.end(DeploymentStatus::Stopped, now);
        return;
    }
    match deployment.status {
        DeploymentStatus::Pending if now >= deployment.created_at + PENDING_MS => {
            forward::start(account, service, deployment, now);
        }
        DeploymentStatus::InProgress => forward::advance(account, service, deployment, now),
        DeploymentStatus::StopRequested => back::stop(account, service, deployment, now),
        DeploymentStatus::RollbackRequested => back::turn(account, service, deployment, now),
        DeploymentStatus::RollbackInProgress => back::advance(account, service, deployment, now),
        _ => {}
    }
    if deployment.status.is_over() {
        note_tasks(account, service, deployment);
    }
}

/// Notes what ran when a deployment ended.
fn note_tasks(account: &Account, service: &Service, deployment: &mut ServiceDeployment) {
    let status = deployment.status;
    let desired = service.desired as usize;
    let counted = |id: &str, is_left: bool| {
        let (running, pending) = account.tasks_of(id);
        (if is_left { desired } else { 0 }, running, pending)
    };
    let stopped = status == DeploymentStatus::Stopped;
    deployment.target.tasks = counted(&deployment.target.deployment, stopped || status == DeploymentStatus::Successful);
    for (index, source) in deployment.sources.iter_mut().enumerate() {
        source.tasks = counted(&source.deployment, index == 0 && status != DeploymentStatus::Successful);
    }
}

/// How many tasks a revision is to have.
#[derive(Clone, Copy)]
enum Wanted {
    /// So many.
    Exactly(usize),
    /// Those it has, up to so many.
    AtMost(usize),
}

fn wanted(service: &Service, under_way: Option<&ServiceDeployment>, id: &str, now: u64) -> Wanted {
    let desired = if service.status == ServiceStatus::Active { service.desired as usize } else { 0 };
    let Some(deployment) = under_way else { return Wanted::Exactly(desired) };
    let (status, stage) = (deployment.status, deployment.stage);
    let is_before = deployment.sources.first().is_some_and(|source| source.deployment == id);
    if is_before {
        let is_cleaned = status == DeploymentStatus::InProgress && stage == Some(Stage::CleanUp);
        return if is_cleaned { Wanted::AtMost(0) } else { Wanted::Exactly(desired) };
    }
    if id != deployment.target.deployment {
        // It may get requests until the load balancer has taken up that it has no weight any more.
        let is_reached = stage.is_some() && now >= deployment.stage_since + SHIFT_MS;
        let is_left = stage.is_none() || (stage == Some(Stage::ReconcileService) && !is_reached);
        return Wanted::AtMost(if is_left { desired } else { 0 });
    }
    match status {
        DeploymentStatus::RollbackInProgress if stage == Some(Stage::CleanUp) => Wanted::AtMost(0),
        DeploymentStatus::InProgress if stage >= Some(Stage::ScaleUp) => Wanted::Exactly(desired),
        DeploymentStatus::InProgress | DeploymentStatus::Pending => Wanted::AtMost(0),
        _ => Wanted::AtMost(desired),
    }
}

/// How many tasks ECS asks for of a revision, as `requestedTaskCount` tells it.
pub(crate) fn requested(account: &Account, service: &Service, id: &str, now: u64) -> usize {
    let under_way = account.current_deployment(&service.arn).filter(|one| !one.status.is_over());
    match wanted(service, under_way, id, now) {
        Wanted::Exactly(count) => count,
        Wanted::AtMost(count) => count.min(members(account, service, id).len()),
    }
}

/// The wanted tasks of a deployment of a service: those that are well first, and of those the oldest.
fn members(account: &Account, service: &Service, id: &str) -> Vec<(String, bool)> {
    let of_it = |task: &&Task| task.service == service.arn && task.deployment == id && task.is_wanted;
    let mut tasks: Vec<&Task> = account.tasks.values().filter(of_it).collect();
    tasks.sort_by_key(|task| (!is_well(account, service, task), task.times.created));
    tasks.into_iter().map(|task| (task.id.clone(), is_well(account, service, task))).collect()
}

/// How many tasks of a deployment are well.
fn well(account: &Account, service: &Service, id: &str) -> usize {
    members(account, service, id).iter().filter(|(_, well)| *well).count()
}

/// Whether any task of a deployment starts or runs.
fn has_tasks(account: &Account, id: &str) -> bool {
    account.tasks.values().any(|task| task.deployment == id && task.phase <= Phase::Running)
}

/// Starts and stops tasks of one deployment.
fn hold(account: &mut Account, service: &mut Service, id: &str, wanted: Wanted, now: u64) {
    let tasks = members(account, service, id);
    let (least, most) = match wanted {
        Wanted::Exactly(count) => (count, count),
        Wanted::AtMost(count) => (0, count),
    };
    let surplus: Vec<String> = tasks.iter().skip(most).map(|(id, _)| id.clone()).collect();
    stop_tasks(account, service, &surplus, now);
    let Some(deployment) = service.deployment_mut(id) else { return };
    let well = tasks.iter().filter(|(_, well)| *well).count();
    if well > 0 && well == least {
        deployment.failures_in_a_row = 0;
    }
    let missing = least.saturating_sub(tasks.len());
    if missing == 0 || deployment.rollout == Rollout::Failed || now < deployment.next_launch_at {
        return;
    }
    let definition = deployment.definition.clone();
    let started: Vec<String> = (0..missing).map(|_| account.add_task_of(service, id, &definition, now)).collect();
    let (started, name) = (told(&started), &service.name);
    service.tell(now, format!("(service {name}) has started {missing} tasks:{started}."));
    service.is_steady = false;
}

/// Forgets deployments that have no task and are no part of what is under way.
fn forget(account: &Account, service: &mut Service, under_way: Option<&ServiceDeployment>) {
    let is_part = |id: &str| {
        under_way.is_some_and(|one| {
            one.target.deployment == id || one.sources.first().is_some_and(|source| source.deployment == id)
        })
    };
    let mut index = 0;
    service.deployments.retain(|deployment| {
        index += 1;
        index == 1 || is_part(&deployment.id) || has_tasks(account, &deployment.id)
    });
}

/// A deleted service goes when its tasks are gone, and its deployments with it
/// (`View service history using Amazon ECS service deployments` in the developer guide).
fn leave(account: &mut Account, service: &mut Service) {
    if account.tasks.values().any(|task| task.service == service.arn && task.phase < Phase::Stopped) {
        return;
    }
    service.status = ServiceStatus::Inactive;
    service.deployments.clear();
    account.service_deployments.retain(|one| one.service != service.arn);
    account.revisions.retain(|one| one.service != service.arn);
}

/// Tells a steady state, once all that is wanted is there and well.
fn settle(account: &Account, service: &mut Service, now: u64) {
    let Some(primary) = service.deployments.first() else { return };
    let is_there = well(account, service, &primary.id) == service.desired as usize;
    if is_there && !service.is_steady && service.deployments.len() == 1 {
        service.is_steady = true;
        let name = &service.name;
        service.tell(now, format!("(service {name}) has reached a steady state."));
    }
}
