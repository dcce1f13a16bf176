//! The ECS scheduler: tasks step through their lives, services move towards what is wanted.
//!
//! It is a function of the account and the time; what has to happen outside is asked of a [`Host`].

mod life;
mod revisions;
mod rolling;
mod service;
mod sets;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub(super) use self::revisions::{begin, requested};
use super::account::{Account, Controller, ServiceStatus, Task};

/// Runs the containers.
pub(super) trait Host {
    /// Starts a task's container; gives where it listens.
    fn start(&mut self, task: &Task) -> Option<SocketAddr>;
    /// Ends a task's container after what it has in hand.
    fn stop(&mut self, id: &str);
    /// Ends a task's container now.
    fn kill(&mut self, id: &str);
}

/// Stopped tasks are kept this long, as ECS does.
const STOPPED_KEPT_MS: u64 = 3_600_000;
/// Brings every task and service to where it is at a moment.
pub(super) fn tick(account: &mut Account, now: u64, host: &mut dyn Host) {
    let ids: Vec<String> = account.tasks.keys().cloned().collect();
    for id in ids {
        let Some(mut task) = account.tasks.remove(&id) else { continue };
        life::advance(account, &mut task, now, host);
        let is_forgotten = task.times.stopped.is_some_and(|stopped| now > stopped + STOPPED_KEPT_MS);
        if !is_forgotten {
            account.tasks.insert(id, task);
        }
    }
    let mut services = std::mem::take(&mut account.services);
    for service in &mut services {
        match (service.status, service.controller) {
            (ServiceStatus::Inactive, _) => {}
            (_, Controller::Ecs) if service.shifts_traffic() => revisions::reconcile(account, service, now),
            (_, Controller::Ecs) => service::reconcile(account, service, now),
            (_, Controller::CodeDeploy | Controller::External) => sets::reconcile(account, service, now),
        }
    }
    account.services = services;
}
