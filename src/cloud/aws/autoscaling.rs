//! Application Auto Scaling: the scalable targets of ECS services, read and set whole.

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState};

use super::fault;
use crate::domain::fault::Fault;
use crate::domain::safeguard::Scaling;

const DIMENSION: ScalableDimension = ScalableDimension::EcsServiceDesiredCount;

/// A service as Application Auto Scaling names it.
fn resource(cluster: &str, service: &str) -> String {
    format!("service/{cluster}/{service}")
}

/// Reads the scalable targets of these services, in their order; `None` for one that has none.
pub(in crate::cloud) async fn targets(
    client: &Client,
    cluster: &str,
    services: &[&str],
) -> Result<Vec<Option<Scaling>>, Fault> {
    let ids: Vec<String> = services.iter().map(|service| resource(cluster, service)).collect();
    let call = client
        .describe_scalable_targets()
        .service_namespace(ServiceNamespace::Ecs)
        .set_resource_ids(Some(ids.clone()))
        .scalable_dimension(DIMENSION);
    let answer = call.send().await.map_err(|error| fault::read("DescribeScalableTargets", &error))?;
    let found = answer.scalable_targets.unwrap_or_default();
    Ok(ids.iter().map(|id| found.iter().find(|target| target.resource_id() == id).map(scaling)).collect())
}

fn scaling(target: &ScalableTarget) -> Scaling {
    let number = |count: i32| u32::try_from(count).unwrap_or_default();
    let suspended = |of: fn(&SuspendedState) -> Option<bool>| target.suspended_state().and_then(of).unwrap_or(false);
    Scaling {
        min: number(target.min_capacity()),
        max: number(target.max_capacity()),
        no_scale_in: suspended(SuspendedState::dynamic_scaling_in_suspended),
        no_scale_out: suspended(SuspendedState::dynamic_scaling_out_suspended),
        no_schedule: suspended(SuspendedState::scheduled_scaling_suspended),
    }
}

/// Sets a service's scalable target: bounds and all three of what can be suspended.
pub(in crate::cloud) async fn set(
    client: &Client,
    cluster: &str,
    service: &str,
    scaling: Scaling,
) -> Result<(), Fault> {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let suspended = SuspendedState::builder()
        .dynamic_scaling_in_suspended(scaling.no_scale_in)
        .dynamic_scaling_out_suspended(scaling.no_scale_out)
        .scheduled_scaling_suspended(scaling.no_schedule)
        .build();
    let call = client
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_id(resource(cluster, service))
        .scalable_dimension(DIMENSION)
        .min_capacity(number(scaling.min))
        .max_capacity(number(scaling.max))
        .suspended_state(suspended);
    call.send().await.map(drop).map_err(|error| fault::write("RegisterScalableTarget", &error))
}
