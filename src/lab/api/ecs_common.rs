//! ECS: what its operations have in common.

use super::operation::{Call, Paging, Refusal};
use crate::account::{Account, Cluster, Phase, Service, ServiceStatus};
use crate::value::text;

/// How ECS pages its lists.
pub(super) const PAGING: Paging =
    Paging { token: "nextToken", size: "maxResults", limit: 100, code: "InvalidParameterException" };

/// Members of a service that are kept as they were given.
pub(super) const KEPT: [&str; 10] = [
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "schedulingStrategy",
    "propagateTags",
    "enableExecuteCommand",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "vpcLatticeConfigurations",
];

/// A client's mistake that ECS calls an invalid parameter.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterException", message)
}

/// The cluster an input names, or `default`.
pub(super) fn cluster_of<'a>(call: &'a Call<'_>) -> Result<&'a Cluster, Refusal> {
    let cluster = call.account.cluster(text(call.input, "cluster"));
    cluster.ok_or_else(|| Refusal::new("ClusterNotFoundException", "Cluster not found."))
}

/// Running and pending tasks of a deployment, or of all.
pub(super) fn counts(account: &Account, service: &Service, deployment: Option<&str>) -> (usize, usize) {
    let (mut running, mut pending) = (0, 0);
    for task in account.tasks.values().filter(|task| task.service == service.arn) {
        if deployment.is_some_and(|id| id != task.deployment) {
            continue;
        }
        match task.phase {
            Phase::Running => running += 1,
            Phase::Provisioning | Phase::Pending => pending += 1,
            _ => {}
        }
    }
    (running, pending)
}

/// The ARN of an active task definition.
pub(super) fn definition_of(account: &Account, name: &str) -> Result<String, Refusal> {
    let definition = account.definition(name);
    let definition = definition.ok_or_else(|| Refusal::new("ClientException", "TaskDefinition not found."))?;
    if !definition.is_active {
        return Err(Refusal::new("ClientException", "TaskDefinition is inactive"));
    }
    Ok(definition.arn.clone())
}

/// The ARN of the service an input names, which must be active.
pub(super) fn active_service(call: &Call<'_>) -> Result<String, Refusal> {
    let cluster = cluster_of(call)?;
    let name = text(call.input, "service").unwrap_or_default();
    let service = call.account.service(&cluster.arn, name);
    let service = service.ok_or_else(|| Refusal::new("ServiceNotFoundException", "Service not found."))?;
    if service.status != ServiceStatus::Active {
        return Err(Refusal::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    Ok(service.arn.clone())
}
