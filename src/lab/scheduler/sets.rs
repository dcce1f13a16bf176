//! A service of task sets on its way to what is wanted: each set has its share of the desired count.

use super::service::{is_well, told};
use crate::account::{Account, Phase, Service, ServiceStatus, Task, TaskSet};

/// Starts and stops the tasks of every set, and forgets the sets that are gone.
pub(super) fn reconcile(account: &mut Account, service: &mut Service, now: u64) {
    let is_active = service.status == ServiceStatus::Active;
    let mut sets = std::mem::take(&mut service.sets);
    if !is_active {
        for set in sets.iter_mut().filter(|set| !set.is_draining) {
            set.drain(now);
        }
    }
    // The sets have to be found while their tasks are looked at and events are told.
    service.sets.clone_from(&sets);
    for set in &mut sets {
        settle(account, service, set, now);
    }
    sets.retain(|set| !set.is_draining || tasks_of(account, service, set).any(|task| task.phase < Phase::Stopped));
    service.is_steady = !sets.is_empty() && sets.iter().all(|set| set.is_steady);
    service.sets = sets;
    if service.primary_set.is_some() && service.primary().is_none() {
        (service.primary_set, service.definition, service.attachments) = (None, String::new(), Vec::new());
    }
    let is_gone = !account.tasks.values().any(|task| task.service == service.arn && task.phase < Phase::Stopped);
    if service.status == ServiceStatus::Draining && is_gone {
        service.status = ServiceStatus::Inactive;
        service.sets.clear();
    }
}

fn tasks_of<'a>(account: &'a Account, service: &Service, set: &TaskSet) -> impl Iterator<Item = &'a Task> {
    let (service, set) = (service.arn.clone(), set.id.clone());
    account.tasks.values().filter(move |task| task.service == service && task.deployment == set)
}

/// Starts what is missing, stops what is too much (the unwell and young first), and tells a steady state.
fn settle(account: &mut Account, service: &mut Service, set: &mut TaskSet, now: u64) {
    let desired = set.wanted(service.desired) as usize;
    let mut wanted: Vec<&Task> = tasks_of(account, service, set).filter(|task| task.is_wanted).collect();
    wanted.sort_by_key(|task| (!is_well(account, service, task), task.times.created));
    let well = wanted.iter().filter(|task| is_well(account, service, task)).count();
    let missing = desired.saturating_sub(wanted.len());
    let stopping: Vec<String> = wanted.iter().skip(desired).map(|task| task.id.clone()).collect();
    let is_there = wanted.len() == desired && well == desired;
    let is_alone = tasks_of(account, service, set).all(|task| task.is_wanted || task.phase > Phase::Running);
    let called = service.called(&set.id);
    if missing > 0 && now >= set.next_launch_at {
        let start = |_| account.add_task_of(service, &set.id, &set.definition, now);
        let started: Vec<String> = (0..missing).map(start).collect();
        service.tell(now, format!("({called}) has started {missing} tasks:{}.", told(&started)));
    }
    for id in &stopping {
        if let Some(task) = account.tasks.get_mut(id) {
            task.is_wanted = false;
        }
    }
    if !stopping.is_empty() {
        let (count, stopped) = (stopping.len(), told(&stopping));
        service.tell(now, format!("({called}) has stopped {count} running tasks:{stopped}."));
        service.tell(now, format!("({called}) has begun draining connections on {count} tasks."));
    }
    if well > 0 && is_there {
        set.failures_in_a_row = 0;
    }
    let is_steady = is_there && is_alone && !set.is_draining;
    if is_steady != set.is_steady {
        (set.is_steady, set.steady_at) = (is_steady, now);
        if is_steady {
            service.tell(now, format!("({called}) has reached a steady state."));
        }
    }
}
