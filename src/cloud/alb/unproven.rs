//! Whether a slot holds one release: every running task of it is of the revision that its service tells. While a
//! rolling deployment is under way it is not, nor after one that ECS calls successful while tasks of before still run
//! (`earlySuccessCriteria`).

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, Service, Task, TaskSet};

use crate::cloud::drivers::task_sets::behind::{is_behind, set_behind};
use crate::domain::name::last_part;

/// The deployment that tells what the service runs.
pub(in crate::cloud) fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// Whether ECS may call a deployment of the service successful while tasks of before still run.
pub(in crate::cloud) fn ends_early(service: &Service) -> bool {
    let configuration = service.deployment_configuration();
    configuration.and_then(|one| one.early_success_criteria()).is_some_and(|criteria| criteria.enable)
}

/// The service's running tasks that are of another revision than its primary deployment.
pub(in crate::cloud) fn strays<'a>(service: &'a Service, running: &'a [Task]) -> impl Iterator<Item = &'a Task> {
    let runs = primary(service).and_then(|primary| primary.task_definition()).or(service.task_definition());
    running.iter().filter(move |task| task.task_definition_arn() != runs)
}

/// Why what a service's tasks run is not one proven release, in words; `None` where it is.
pub(super) fn unproven(service: &Service, running: &[Task]) -> Option<String> {
    let primary = primary(service)?;
    let runs = last_part(primary.task_definition().unwrap_or_default());
    let mut found = Vec::new();
    match primary.rollout_state() {
        Some(DeploymentRolloutState::InProgress) => found.push(format!("its deployment of {runs} is under way")),
        Some(DeploymentRolloutState::Failed) => found.push(format!("its deployment of {runs} has failed")),
        _ => {}
    }
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for task in strays(service, running) {
        *others.entry(last_part(task.task_definition_arn().unwrap_or_default())).or_default() += 1;
    }
    found.extend(others.into_iter().map(|(of, count)| format!("{} of {of} still run", tasks(count))));
    let told = service.deployments().iter().filter(|one| one.id() != primary.id() && one.running_count > 0);
    if running.is_empty() {
        found.extend(told.map(|one| {
            format!("its deployment of {} still has tasks", last_part(one.task_definition().unwrap_or_default()))
        }));
    }
    (!found.is_empty()).then(|| found.join(", "))
}

/// The same of a slot that a task set fills: no other one has tasks behind its target group.
pub(in crate::cloud) fn beside_its_set(service: &Service, group: &str) -> Option<String> {
    let own = set_behind(service, group)?;
    let other = |set: &&TaskSet| set.id() != own.id() && is_behind(set, group) && set.running_count > 0;
    let other = service.task_sets().iter().find(other)?;
    let of = last_part(other.task_definition().unwrap_or_default());
    Some(format!(
        "{} of task set {} ({of}) still run",
        tasks(usize::try_from(other.running_count).unwrap_or(0)),
        other.id().unwrap_or_default()
    ))
}

fn tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types as sdk;

    use super::*;

    const NEW: &str = "arn:aws:ecs:r:1:task-definition/web:9";
    const OLD: &str = "arn:aws:ecs:r:1:task-definition/web:8";

    fn service(state: DeploymentRolloutState, earlier: i32) -> Service {
        let one = |id: &str, status: &str, of: &str, running| {
            sdk::Deployment::builder().id(id).status(status).task_definition(of).running_count(running)
        };
        let primary = one("new", "PRIMARY", NEW, 4).rollout_state(state).build();
        let service = Service::builder().deployments(primary);
        let before = (earlier > 0).then(|| one("old", "ACTIVE", OLD, earlier).build());
        before.into_iter().fold(service, sdk::builders::ServiceBuilder::deployments).build()
    }

    fn running(of: &[(&str, usize)]) -> Vec<Task> {
        let task = |of: &str| Task::builder().task_definition_arn(of).build();
        of.iter().flat_map(|(of, count)| vec![task(of); *count]).collect()
    }

    #[test]
    fn a_slot_holds_a_release_when_every_running_task_is_of_it() {
        use DeploymentRolloutState::{Completed, Failed, InProgress};
        let check = |state, earlier, tasks: &[(&str, usize)], expected: Option<&str>| {
            assert_eq!(unproven(&service(state, earlier), &running(tasks)).as_deref(), expected);
        };
        check(Completed, 0, &[(NEW, 4)], None);
        check(InProgress, 0, &[(NEW, 4)], Some("its deployment of web:9 is under way"));
        check(Failed, 0, &[(NEW, 4)], Some("its deployment of web:9 has failed"));
        let both = "its deployment of web:9 is under way, 1 task of web:8 still run";
        check(InProgress, 1, &[(NEW, 3), (OLD, 1)], Some(both));
        // Called successful, and its deployment of before is listed no more.
        check(Completed, 0, &[(NEW, 2), (OLD, 2)], Some("2 tasks of web:8 still run"));
        check(Completed, 2, &[], Some("its deployment of web:8 still has tasks"));
    }
}
