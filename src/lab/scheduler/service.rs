//! A service on its way to what is wanted: starting, stopping, completing, giving up.

use super::life::is_target_of;
use super::rolling;
use crate::account::{Account, Deployment, Phase, Rollout, Service, ServiceStatus, TargetState, Task};

/// The wanted tasks of a service.
struct Muster {
    /// Wanted tasks of the primary deployment: id and whether it is well; the unwell and young last.
    primary: Vec<(String, bool)>,
    /// Wanted tasks of earlier deployments.
    earlier: Vec<(String, bool)>,
}

impl Muster {
    fn take(account: &Account, service: &Service) -> Muster {
        let mut muster = Muster { primary: Vec::new(), earlier: Vec::new() };
        let primary = service.deployments.first().map(|one| one.id.as_str()).unwrap_or_default();
        let mut tasks: Vec<&Task> =
            account.tasks.values().filter(|task| task.service == service.arn && task.is_wanted).collect();
        tasks.sort_by_key(|task| task.times.created);
        for task in tasks {
            let entry = (task.id.clone(), is_well(account, service, task));
            let is_primary = task.deployment == primary;
            let side = if is_primary { &mut muster.primary } else { &mut muster.earlier };
            side.push(entry);
        }
        muster.primary.sort_by_key(|(_, well)| !*well);
        muster
    }

    fn well(&self) -> usize {
        self.primary.iter().chain(&self.earlier).filter(|(_, well)| *well).count()
    }
}

/// Runs, and every target group says healthy (or does not look).
pub(super) fn is_well(account: &Account, service: &Service, task: &Task) -> bool {
    task.phase == Phase::Running
        && service.attachments_of(&task.deployment).iter().all(|place| {
            account.group(&place.group).is_none_or(|group| {
                let targets = group.targets.iter();
                targets
                    .filter(|target| is_target_of(task, target))
                    .all(|target| matches!(target.state, TargetState::Healthy | TargetState::Unused))
            })
        })
}

/// Starts and stops tasks of a service, and concludes its deployments.
pub(super) fn reconcile(account: &mut Account, service: &mut Service, now: u64) {
    let desired = if service.status == ServiceStatus::Active { service.desired as usize } else { 0 };
    let muster = Muster::take(account, service);
    launch(account, service, &muster, desired, now);
    let mut stopping: Vec<String> = muster.primary.iter().skip(desired).map(|(id, _)| id.clone()).collect();
    let floor = percent(desired, service.limits.minimum_healthy_percent);
    let mut well = muster.well() - muster.primary.iter().skip(desired).filter(|(_, w)| *w).count();
    let is_given_up = service.deployments.first().is_some_and(|d| d.rollout == Rollout::Failed);
    for (id, is_well) in &muster.earlier {
        if is_given_up && desired > 0 {
            break;
        }
        if !is_well || well > floor {
            well -= usize::from(*is_well);
            stopping.push(id.clone());
        }
    }
    stop_tasks(account, service, &stopping, now);
    let is_stuck = stopping.is_empty() && !muster.earlier.is_empty() && missing(service, &muster, desired) == 0;
    if is_stuck && muster.primary.len() < desired && muster.earlier.iter().all(|(_, well)| *well) {
        tell_stuck(service, now);
    }
    conclude(account, service, &muster, desired, now);
}

/// Nothing may stop and nothing may start: rounding leaves no room. ECS says so and waits (ECS developer guide,
/// "Service event messages").
fn tell_stuck(service: &mut Service, now: u64) {
    let name = &service.name;
    let message = format!(
        "(service {name}) was unable to stop or start tasks during a deployment because of the service deployment \
         configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    );
    if service.events.front().is_none_or(|event| event.message != message) {
        service.tell(now, message);
    }
}

fn percent(of: usize, percent: u32) -> usize {
    (of * percent as usize).div_ceil(100)
}

/// How many tasks of the primary deployment are missing and have room.
fn missing(service: &Service, muster: &Muster, desired: usize) -> usize {
    let ceiling = (desired * service.limits.maximum_percent as usize / 100).max(1);
    let room = ceiling.saturating_sub(muster.primary.len() + muster.earlier.len());
    desired.saturating_sub(muster.primary.len()).min(room)
}

fn launch(account: &mut Account, service: &mut Service, muster: &Muster, desired: usize, now: u64) {
    let Some(primary) = service.deployments.first() else { return };
    if primary.rollout == Rollout::Failed || now < primary.next_launch_at {
        return;
    }
    let missing = missing(service, muster, desired);
    let started: Vec<String> = (0..missing).filter_map(|_| account.add_task(service, now)).collect();
    if missing > 0 {
        let started = told(&started);
        service.is_steady = false;
        let name = &service.name;
        service.tell(now, format!("(service {name}) has started {missing} tasks:{started}."));
    }
}

/// Tasks as events name them.
pub(super) fn told(ids: &[String]) -> String {
    ids.iter().flat_map(|id| [" (task ", id, ")"]).collect()
}

pub(super) fn stop_tasks(account: &mut Account, service: &mut Service, ids: &[String], now: u64) {
    if ids.is_empty() {
        return;
    }
    let stopped = told(ids);
    for id in ids {
        let Some(task) = account.tasks.get_mut(id) else { continue };
        task.is_wanted = false;
    }
    service.is_steady = false;
    let (name, count) = (&service.name, ids.len());
    service.tell(now, format!("(service {name}) has stopped {count} running tasks:{stopped}."));
    let name = &service.name;
    service.tell(now, format!("(service {name}) has begun draining connections on {count} tasks."));
}

/// Forgets deployments without tasks, completes or gives up the primary one, tells a steady state.
fn conclude(account: &mut Account, service: &mut Service, muster: &Muster, desired: usize, now: u64) {
    let arn = service.arn.clone();
    let has_tasks = |deployment: &Deployment| {
        account
            .tasks
            .values()
            .any(|task| task.service == arn && task.deployment == deployment.id && task.phase <= Phase::Running)
    };
    let mut index = 0;
    service.deployments.retain(|deployment| {
        index += 1;
        index == 1 || has_tasks(deployment)
    });
    if service.status == ServiceStatus::Draining {
        if !account.tasks.values().any(|task| task.service == arn && task.phase < Phase::Stopped) {
            service.status = ServiceStatus::Inactive;
            service.deployments.clear();
        }
        return;
    }
    let well = muster.primary.iter().filter(|(_, well)| *well).count();
    rolling::watch(account, service, well, now);
    let is_there = muster.primary.len() == desired && well == desired;
    let is_alone = service.deployments.len() == 1;
    let Some(primary) = service.deployments.first_mut() else { return };
    if is_there && desired > 0 {
        primary.failures_in_a_row = 0;
    }
    let failed = primary.rollout == Rollout::Failed;
    let is_whole = is_alone && is_there;
    let is_early = rolling::ends_early(service, well, is_alone);
    if failed || !(is_whole || is_early) {
        return;
    }
    let Some(primary) = service.deployments.first_mut() else { return };
    if primary.rollout == Rollout::InProgress && !rolling::complete(account, service, now) {
        return;
    }
    if !is_whole {
        // What is left of before goes in the background, and is no deployment any more.
        service.deployments.truncate(1);
        return;
    }
    if !service.is_steady {
        service.is_steady = true;
        let name = &service.name;
        service.tell(now, format!("(service {name}) has reached a steady state."));
    }
}
