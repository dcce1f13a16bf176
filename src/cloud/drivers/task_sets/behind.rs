//! Finds the task set behind a target group.

use aws_sdk_ecs::types::{Service, TaskSet};

/// The task set behind a target group: one that is going only where there is no other.
pub(in crate::cloud) fn set_behind<'a>(service: &'a Service, group: &str) -> Option<&'a TaskSet> {
    let rank = |set: &&TaskSet| match set.status() {
        Some("PRIMARY") => 0,
        Some("DRAINING") => 2,
        _ => 1,
    };
    service.task_sets().iter().filter(|set| is_behind(set, group)).min_by_key(rank)
}

pub(in crate::cloud) fn is_behind(set: &TaskSet, group: &str) -> bool {
    set.load_balancers().iter().any(|place| place.target_group_arn() == Some(group))
}
