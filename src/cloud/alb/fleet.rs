//! What services and stopped tasks say, for every driver.

use aws_sdk_ecs::types::{Container, Failure, Service, Task, TaskStopCode};

use crate::cloud::aws::timestamp;
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Stopped;
use crate::domain::name::last_part;

/// How many stopped tasks are told of.
pub(in crate::cloud) const STOPPED_LIMIT: usize = 20;

pub(in crate::cloud) fn find<'a>(
    services: &'a [Service],
    missing: &[Failure],
    name: &str,
) -> Result<&'a Service, Fault> {
    let found = services.iter().find(|service| service.service_name() == Some(name));
    found.filter(|service| service.status() != Some("INACTIVE")).ok_or_else(|| {
        let reason = missing.iter().find(|failure| failure.arn().is_some_and(|arn| arn.ends_with(name)));
        let reason = reason.and_then(Failure::reason).unwrap_or("MISSING");
        Fault::new(FaultKind::Missing, "DescribeServices", format!("service {name}: {reason}"))
    })
}

pub(in crate::cloud) fn number(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// Tasks of one task definition that stopped by themselves, newest first.
pub(in crate::cloud) fn stopped_of(definition: &str, tasks: &[Task]) -> Vec<Stopped> {
    told(tasks.iter().filter(|task| task.task_definition_arn() == Some(definition)))
}

/// What is told of tasks that stopped by themselves, newest first.
pub(in crate::cloud) fn told<'a>(tasks: impl Iterator<Item = &'a Task>) -> Vec<Stopped> {
    let mut told: Vec<Stopped> = tasks.filter(|task| by_itself(task)).map(tell).collect();
    told.sort_by_key(|stopped| std::cmp::Reverse(stopped.at));
    told
}

/// Whether the task failed, rather than being stopped for scaling, by a person or with its host.
pub(in crate::cloud) fn by_itself(task: &Task) -> bool {
    match task.stop_code() {
        Some(TaskStopCode::EssentialContainerExited | TaskStopCode::TaskFailedToStart) => true,
        _ => task.stopped_reason().is_some_and(|reason| reason.contains("health checks")),
    }
}

pub(in crate::cloud) fn tell(task: &Task) -> Stopped {
    let at = task.stopped_at().or(task.stopping_at()).map_or(Timestamp::default(), timestamp);
    let arn = task.task_arn().unwrap_or_default();
    let reason = task.stopped_reason().unwrap_or("stopped");
    let details: Vec<String> = task.containers().iter().filter_map(detail).collect();
    let reason = if details.is_empty() { reason.to_owned() } else { format!("{reason} ({})", details.join("; ")) };
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let task_definition = task.task_definition_arn().unwrap_or_default().to_owned();
    Stopped { task: last_part(arn).to_owned(), at, reason, task_definition }
}

fn detail(container: &Container) -> Option<String> {
    let code = container.exit_code().map(|code| format!("exit code {code}"));
    let parts: Vec<String> = code.into_iter().chain(container.reason().map(ToOwned::to_owned)).collect();
    let name = container.name().unwrap_or("container");
    (!parts.is_empty()).then(|| format!("{name}: {}", parts.join(", ")))
}
