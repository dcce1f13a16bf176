//! Application Auto Scaling: the scalable targets of ECS services, read and set whole. Its calls in JSON 1.1 are those of
//! the API reference of version 2016-02-06.

use serde_json::{Value, json};

use super::fault;
use super::service::{Api, Paths, Request, Service, json_refusal};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::safeguard::Scaling;

/// What the service is called.
pub(super) const API: Api = Api {
    id: "Application Auto Scaling",
    signing: "application-autoscaling",
    paths: Paths::Normalized,
    refusal: json_refusal,
};
/// What the names of its operations begin with in a request.
const TARGET: &str = "AnyScaleFrontendService";
/// Whose scalable targets these are.
const NAMESPACE: &str = "ecs";
/// What of a service is scaled.
const DIMENSION: &str = "ecs:service:DesiredCount";

/// A service as Application Auto Scaling names it.
fn resource(cluster: &str, service: &str) -> String {
    format!("service/{cluster}/{service}")
}

fn request(operation: &'static str, body: &Value) -> Request {
    let headers = vec![
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("x-amz-target", format!("{TARGET}.{operation}")),
    ];
    Request { operation, method: "POST", path: "/".to_owned(), headers, body: Some(body.to_string().into_bytes()) }
}

/// Reads the scalable targets of these services, in their order; `None` for one that has none.
pub(in crate::cloud) async fn targets(
    client: &Service,
    cluster: &str,
    services: &[&str],
) -> Result<Vec<Option<Scaling>>, Fault> {
    const OPERATION: &str = "DescribeScalableTargets";
    let ids: Vec<String> = services.iter().map(|service| resource(cluster, service)).collect();
    let body = json!({ "ServiceNamespace": NAMESPACE, "ResourceIds": ids, "ScalableDimension": DIMENSION });
    let answer = client.call(request(OPERATION, &body)).await.map_err(|error| fault::read(OPERATION, &error))?;
    let unread = |error: serde_json::Error| Fault::new(FaultKind::Permanent, OPERATION, format!("status 200: {error}"));
    let answer: Value = serde_json::from_slice(&answer.body).map_err(unread)?;
    let found = answer["ScalableTargets"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(ids.iter().map(|id| found.iter().find(|target| target["ResourceId"] == **id).map(scaling)).collect())
}

fn scaling(target: &Value) -> Scaling {
    let number = |name: &str| target[name].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let suspended = |name: &str| target["SuspendedState"][name].as_bool().unwrap_or(false);
    Scaling {
        min: number("MinCapacity"),
        max: number("MaxCapacity"),
        no_scale_in: suspended("DynamicScalingInSuspended"),
        no_scale_out: suspended("DynamicScalingOutSuspended"),
        no_schedule: suspended("ScheduledScalingSuspended"),
    }
}

/// Sets a service's scalable target: bounds and all three of what can be suspended.
pub(in crate::cloud) async fn set(
    client: &Service,
    cluster: &str,
    service: &str,
    scaling: Scaling,
) -> Result<(), Fault> {
    const OPERATION: &str = "RegisterScalableTarget";
    let body = json!({
        "ServiceNamespace": NAMESPACE,
        "ResourceId": resource(cluster, service),
        "ScalableDimension": DIMENSION,
        "MinCapacity": scaling.min,
        "MaxCapacity": scaling.max,
        "SuspendedState": {
            "DynamicScalingInSuspended": scaling.no_scale_in,
            "DynamicScalingOutSuspended": scaling.no_scale_out,
            "ScheduledScalingSuspended": scaling.no_schedule,
        },
    });
    client.call(request(OPERATION, &body)).await.map(drop).map_err(|error| fault::write(OPERATION, &error))
}
