//! Reads both slots from a service's task sets.

use aws_sdk_ecs::types::{Service, StabilityStatus, Task, TaskSet};

use super::behind::set_behind;
use super::is_going;
use crate::cloud::alb::AlbDriver;
use crate::cloud::alb::fleet::{STOPPED_LIMIT, by_itself, number, tell};
use crate::cloud::alb::unproven::beside_its_set;
use crate::cloud::aws::{ecs, elbv2};
use crate::domain::fault::Fault;
use crate::domain::fleet::{Capacity, Fleet, SlotView, Stopped};

impl AlbDriver {
    /// Reads both slots of a service of task sets, whoever makes them.
    pub(in crate::cloud) async fn look_at_sets(&self) -> Result<Fleet, Fault> {
        let polling = &self.aws.polling;
        let (stable, candidate) = (&self.target.stable.target_group, &self.target.candidate.target_group);
        let (service, stable_healthy, candidate_healthy) = tokio::try_join!(
            self.one_service(polling),
            elbv2::healthy(&polling.elb, stable),
            elbv2::healthy(&polling.elb, candidate),
        )?;
        let stable = capacity(set_behind(&service, stable), stable_healthy);
        let set = set_behind(&service, candidate);
        let mut candidate = capacity(set, candidate_healthy);
        if let Some(set) = set.filter(|_| candidate.running < candidate.desired) {
            let name = &self.target.candidate.service;
            let tasks = ecs::stopped_tasks(&polling.ecs, &self.target.cluster, name).await?;
            candidate.stopped = stopped(set, &tasks);
            candidate.failed = u32::try_from(candidate.stopped.len()).unwrap_or(u32::MAX);
            candidate.stopped.truncate(STOPPED_LIMIT);
        }
        Ok(Fleet { stable, candidate })
    }
}

/// A slot's capacity; none where no task set is behind its target group.
fn capacity(set: Option<&TaskSet>, healthy: u32) -> Capacity {
    let Some(set) = set else { return Capacity { healthy, settled: true, ..Capacity::default() } };
    Capacity {
        desired: if is_going(set) { 0 } else { number(set.computed_desired_count) },
        running: number(set.running_count),
        healthy,
        task_definition: set.task_definition().unwrap_or_default().to_owned(),
        settled: set.stability_status() == Some(&StabilityStatus::SteadyState),
        ..Capacity::default()
    }
}

/// Tasks of a set that stopped by themselves, newest first. ECS counts no failed tasks of a task set.
fn stopped(set: &TaskSet, tasks: &[Task]) -> Vec<Stopped> {
    let ours = |task: &&Task| task.started_by() == set.id() && by_itself(task);
    let mut told: Vec<Stopped> = tasks.iter().filter(ours).map(tell).collect();
    told.sort_by_key(|stopped| std::cmp::Reverse(stopped.at));
    told
}

/// A slot's view, with its own task set in place of the whole service. Tasks are registered in the slot's target group
/// by whoever makes its next task set.
pub(in crate::cloud) fn survey_slot(view: SlotView, service: &Service) -> SlotView {
    let set = set_behind(service, &view.place.target_group).filter(|set| !is_going(set));
    SlotView {
        task_definition: set.and_then(TaskSet::task_definition).unwrap_or_default().to_owned(),
        desired: set.map_or(0, |set| number(set.computed_desired_count)),
        running: set.map_or(0, |set| number(set.running_count)),
        unproven: beside_its_set(service, &view.place.target_group),
        attached: service.task_sets().iter().any(|set| !set.load_balancers().is_empty()),
        ..view
    }
}
