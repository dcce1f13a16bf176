//! The life of a task, from PROVISIONING to STOPPED, and its places in target groups.

use super::Host;
use crate::account::{Account, Phase, Service, StopCause, Target, TargetState, Task};

/// A container takes this long to stop, and its network as long to go.
const STOP_MS: u64 = 2_000;
/// Seconds before the next start, after so many failures in a row.
const BACK_OFF_SECONDS: [u64; 8] = [0, 5, 10, 20, 40, 80, 160, 300];
/// Failures in a row that are worth an event.
const FAILURES_TOLD: u32 = 3;

/// Moves a task on to where it is at a moment.
pub(super) fn advance(account: &mut Account, task: &mut Task, now: u64, host: &mut dyn Host) {
    if !task.is_wanted && task.phase <= Phase::Running {
        leave(account, task, now);
    }
    if task.phase == Phase::Running {
        look_after(account, task, now, host);
        return;
    }
    if task.phase == Phase::Stopped || now < task.phase_until {
        return;
    }
    match task.phase {
        Phase::Provisioning => {
            task.phase = Phase::Pending;
            task.phase_until = now + account.start_up.as_millis() as u64 * 3 / 5;
        }
        Phase::Pending => begin(account, task, now, host),
        Phase::Deactivating => {
            host.stop(&task.id);
            task.phase = Phase::Stopping;
            task.phase_until = now + STOP_MS;
        }
        Phase::Stopping => {
            task.phase = Phase::Deprovisioning;
            task.phase_until = now + STOP_MS;
        }
        Phase::Deprovisioning => {
            task.phase = Phase::Stopped;
            task.times.stopped = Some(now);
            task.loopback = None;
        }
        Phase::Running | Phase::Stopped => {}
    }
}

/// PENDING → RUNNING: the container starts and joins its target groups.
fn begin(account: &mut Account, task: &mut Task, now: u64, host: &mut dyn Host) {
    task.loopback = host.start(task);
    if task.loopback.is_none() {
        let reason = "ResourceInitializationError: no loopback port is free".to_owned();
        end(account, task, now, StopCause { code: "TaskFailedToStart", reason, exit_code: 1 });
        return;
    }
    task.phase = Phase::Running;
    task.times.started = Some(now);
    let places = places_of(account, task);
    for (group, port) in &places {
        if let Some(group) = account.group_mut(group) {
            group.register(&task.address, *port, now);
        }
    }
    if let Some(service) = account.service_mut(&task.service) {
        let called = service.called(&task.deployment);
        for (group, _) in &places {
            service.tell(now, format!("({called}) registered 1 targets in (target-group {group})"));
        }
    }
}

/// The target groups and ports a task registers with.
fn places_of(account: &Account, task: &Task) -> Vec<(String, u16)> {
    let service = account.services.iter().find(|service| service.arn == task.service);
    let places = service.map_or(&[][..], |service| service.attachments_of(&task.deployment));
    places.iter().map(|place| (place.group.clone(), place.port)).collect()
}

/// RUNNING: crashes when its life is over, is ended when its targets stay unhealthy.
fn look_after(account: &mut Account, task: &mut Task, now: u64, host: &mut dyn Host) {
    let age = now.saturating_sub(task.times.started.unwrap_or(now));
    if task.behaviour.life().is_some_and(|life| age >= life.as_millis() as u64) {
        host.kill(&task.id);
        let reason = "Essential container in task exited".to_owned();
        end(account, task, now, StopCause { code: "EssentialContainerExited", reason, exit_code: 1 });
        return;
    }
    let grace = account.services.iter().find(|service| service.arn == task.service);
    let grace = grace.map_or(0, |service| service.grace_seconds * 1_000);
    if age < grace {
        return;
    }
    let Some(group) = unhealthy_group(account, task) else { return };
    let reason = format!("Task failed ELB health checks in (target-group {group})");
    if let Some(service) = account.service_mut(&task.service) {
        let port = service.attachments_of(&task.deployment).first().map_or(0, |place| place.port);
        let message = format!(
            "({}) (port {port}) is unhealthy in (target-group {group}) due to (reason \
             Health checks failed)",
            service.called(&task.deployment)
        );
        service.tell(now, message);
        note_failure(service, &task.deployment, now);
    }
    task.is_wanted = false;
    task.stop = Some(StopCause { code: "ServiceSchedulerInitiated", reason, exit_code: 0 });
    leave(account, task, now);
}

fn unhealthy_group(account: &Account, task: &Task) -> Option<String> {
    places_of(account, task).into_iter().map(|(group, _)| group).find(|arn| {
        account.group(arn).is_some_and(|group| {
            let is_it = |target: &&_| is_target_of(task, target);
            group.targets.iter().find(is_it).is_some_and(|t| t.state == TargetState::Unhealthy)
        })
    })
}

/// Whether a target is this task's, and not draining.
pub(super) fn is_target_of(task: &Task, target: &Target) -> bool {
    target.id == task.address && target.drains_until.is_none()
}

/// Starts a clean stop: the targets drain first, then the container ends.
fn leave(account: &mut Account, task: &mut Task, now: u64) {
    task.is_wanted = false;
    task.times.stopping = Some(now);
    task.stop.get_or_insert_with(|| StopCause {
        code: "ServiceSchedulerInitiated",
        reason: format!("Scaling activity initiated by (deployment {})", task.deployment),
        exit_code: 0,
    });
    if task.phase < Phase::Running {
        task.phase = Phase::Deprovisioning;
        task.phase_until = now;
        return;
    }
    let delay = deregister(account, task, now);
    task.phase = Phase::Deactivating;
    task.phase_until = now + delay;
}

/// A task that ended by itself.
fn end(account: &mut Account, task: &mut Task, now: u64, cause: StopCause) {
    deregister(account, task, now);
    task.is_wanted = false;
    task.loopback = None;
    task.times.stopping = Some(now);
    task.stop = Some(cause);
    task.phase = Phase::Deprovisioning;
    task.phase_until = now + STOP_MS;
    if let Some(service) = account.service_mut(&task.service) {
        note_failure(service, &task.deployment, now);
    }
}

/// Lets the task's targets drain; gives how long that takes at most.
fn deregister(account: &mut Account, task: &Task, now: u64) -> u64 {
    let mut longest = 0;
    for (arn, port) in places_of(account, task) {
        let Some(group) = account.group_mut(&arn) else { continue };
        if group.deregister(&task.address, port, now) {
            longest = longest.max(group.deregistration_delay_ms());
        }
    }
    longest
}

/// Counts a failed task against its deployment; the next start waits longer.
fn note_failure(service: &mut Service, deployment: &str, now: u64) {
    let called = service.called(deployment);
    service.is_steady = false;
    if let Some(set) = service.set_mut(deployment) {
        set.failures_in_a_row += 1;
        set.next_launch_at = now + back_off(set.failures_in_a_row);
        if set.failures_in_a_row == FAILURES_TOLD {
            service.tell(now, format!("({called}) is unable to consistently start tasks successfully."));
        }
        return;
    }
    let found = service.deployments.iter_mut().find(|one| one.id == deployment);
    let Some(deployment) = found else { return };
    deployment.failed_tasks += 1;
    deployment.failures_in_a_row += 1;
    deployment.updated_at = now;
    let row = deployment.failures_in_a_row;
    deployment.next_launch_at = now + back_off(row);
    if row == FAILURES_TOLD {
        service.tell(now, format!("({called}) is unable to consistently start tasks successfully."));
    }
}

/// The pause before the next start, after so many failures in a row.
fn back_off(row: u32) -> u64 {
    let step = (row as usize).saturating_sub(1).min(BACK_OFF_SECONDS.len() - 1);
    BACK_OFF_SECONDS[step] * 1_000
}
