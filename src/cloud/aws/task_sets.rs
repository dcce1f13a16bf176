//! ECS's task sets: tasks of one service that come and go together.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{LoadBalancer, Scale, ScaleUnit, TaskSet};

use super::fault;
use crate::domain::fault::Fault;

/// A service, as every call about its task sets names it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Of<'a> {
    pub cluster: &'a str,
    pub service: &'a str,
}

/// A task set to be made: another one with other tasks behind another target group.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct New<'a> {
    /// What it is like: network, capacity, platform, container and port.
    pub like: &'a TaskSet,
    /// The ARN of the target group that its tasks register with.
    pub target_group: &'a str,
    /// What its tasks run.
    pub task_definition: &'a str,
    /// Percent of the service's desired count, from 0 to 100.
    pub percent: f64,
    /// What makes a repeated call the same call; at most 36 characters.
    pub token: &'a str,
}

/// Makes a task set. The same token makes it once (CreateTaskSet, `clientToken`).
pub(in crate::cloud) async fn create(ecs: &Client, of: Of<'_>, new: New<'_>) -> Result<(), Fault> {
    let like = new.like;
    let place = like.load_balancers().first();
    let entry = LoadBalancer::builder()
        .target_group_arn(new.target_group)
        .set_container_name(place.and_then(LoadBalancer::container_name).map(ToOwned::to_owned))
        .set_container_port(place.and_then(LoadBalancer::container_port))
        .build();
    let strategy = like.capacity_provider_strategy.clone().filter(|items| !items.is_empty());
    // A launch type and a strategy exclude each other.
    let launch_type = like.launch_type.clone().filter(|_| strategy.is_none());
    let call = ecs
        .create_task_set()
        .cluster(of.cluster)
        .service(of.service)
        .task_definition(new.task_definition)
        .load_balancers(entry)
        .set_network_configuration(like.network_configuration.clone())
        .set_service_registries(like.service_registries.clone().filter(|items| !items.is_empty()))
        .set_launch_type(launch_type)
        .set_capacity_provider_strategy(strategy)
        .set_platform_version(like.platform_version.clone())
        .scale(scale(new.percent))
        .client_token(new.token);
    call.send().await.map(drop).map_err(|error| fault::write("CreateTaskSet", &error))
}

/// Sets a task set's scale, in percent of the service's desired count.
pub(in crate::cloud) async fn set_scale(ecs: &Client, of: Of<'_>, id: &str, percent: f64) -> Result<(), Fault> {
    let call = ecs.update_task_set().cluster(of.cluster).service(of.service).task_set(id).scale(scale(percent));
    call.send().await.map(drop).map_err(|error| fault::write("UpdateTaskSet", &error))
}

/// Makes a task set the one that its service is told by.
pub(in crate::cloud) async fn promote(ecs: &Client, of: Of<'_>, id: &str) -> Result<(), Fault> {
    let call = ecs.update_service_primary_task_set().cluster(of.cluster).service(of.service).primary_task_set(id);
    call.send().await.map(drop).map_err(|error| fault::write("UpdateServicePrimaryTaskSet", &error))
}

/// Lets a task set and its tasks go; `force` where it is scaled above nothing.
pub(in crate::cloud) async fn delete(ecs: &Client, of: Of<'_>, id: &str, force: bool) -> Result<(), Fault> {
    let call = ecs.delete_task_set().cluster(of.cluster).service(of.service).task_set(id).force(force);
    call.send().await.map(drop).map_err(|error| fault::write("DeleteTaskSet", &error))
}

fn scale(percent: f64) -> Scale {
    Scale::builder().value(percent).unit(ScaleUnit::Percent).build()
}
