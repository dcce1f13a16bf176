//! ECS: its own deployments of a service, the revisions that they bring, and the words that can be said to them.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    CreatedAt, DeploymentLifecycleHookAction, ServiceDeployment, ServiceDeploymentBrief, ServiceDeploymentStatus,
    ServiceRevision, StopServiceDeploymentStopType,
};

use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::{PAGES_LIMIT, date, fault, whole};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;

/// How many deployments or revisions one call describes (`DescribeServiceDeployments` in the ECS API reference).
pub(in crate::cloud) const DESCRIBED_LIMIT: usize = 20;

/// Statuses of a deployment that is not over.
pub(in crate::cloud) const UNDER_WAY: [ServiceDeploymentStatus; 5] = [
    ServiceDeploymentStatus::Pending,
    ServiceDeploymentStatus::InProgress,
    ServiceDeploymentStatus::StopRequested,
    ServiceDeploymentStatus::RollbackRequested,
    ServiceDeploymentStatus::RollbackInProgress,
];

/// Lists a service's deployments that were created after a moment, or those with one of these statuses; newest first.
pub(in crate::cloud) async fn list(
    ecs: &Client,
    (cluster, service): (&str, &str),
    after: Option<Timestamp>,
    statuses: &[ServiceDeploymentStatus],
) -> Result<Vec<ServiceDeploymentBrief>, Fault> {
    let mut found = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_LIMIT {
        let mut call = ecs.list_service_deployments().cluster(cluster).service(service).max_results(100);
        if let Some(after) = after {
            call = call.created_at(CreatedAt::builder().after(date(after)).build());
        }
        for status in statuses {
            call = call.status(status.clone());
        }
        let answer = call.set_next_token(token).send().await;
        let answer = answer.map_err(|error| fault::read("ListServiceDeployments", &error))?;
        found.extend(answer.service_deployments.unwrap_or_default());
        token = answer.next_token;
        if token.is_none() {
            break;
        }
    }
    whole("ListServiceDeployments", token.is_some())?;
    found.sort_by_key(|brief| std::cmp::Reverse(brief.created_at().map(|at| at.to_millis().unwrap_or_default())));
    Ok(found)
}

/// Reads a deployment; `None` when there is none of this ARN.
pub(in crate::cloud) async fn describe(ecs: &Client, arn: &str) -> Result<Option<ServiceDeployment>, Fault> {
    let call = ecs.describe_service_deployments().service_deployment_arns(arn).send().await;
    let answer = call.map_err(|error| fault::read("DescribeServiceDeployments", &error))?;
    Ok(answer.service_deployments.unwrap_or_default().into_iter().next())
}

/// Reads up to [`DESCRIBED_LIMIT`] revisions of services.
pub(in crate::cloud) async fn revisions(ecs: &Client, arns: &[String]) -> Result<Vec<ServiceRevision>, Fault> {
    let call = ecs.describe_service_revisions().set_service_revision_arns(Some(arns.to_vec())).send().await;
    let answer = call.map_err(|error| fault::read("DescribeServiceRevisions", &error))?;
    Ok(answer.service_revisions.unwrap_or_default())
}

/// What a deployment is begun with.
#[derive(Debug)]
pub(in crate::cloud) struct Begin<'a> {
    /// How many tasks.
    pub count: u32,
    /// Of which task definition.
    pub task_definition: &'a str,
    /// How it goes, as ECS takes it.
    pub configuration: Value,
    /// Whether it begins even when the service runs that task definition already.
    pub anew: bool,
}

/// Begins a deployment of a service.
pub(in crate::cloud) async fn begin(
    ecs: &Client,
    (cluster, service): (&str, &str),
    how: Begin<'_>,
) -> Result<(), Fault> {
    let mut body = json!({
        "cluster": cluster,
        "service": service,
        "desiredCount": how.count,
        "taskDefinition": how.task_definition,
        "deploymentConfiguration": how.configuration,
    });
    if how.anew {
        body["forceNewDeployment"] = json!(true);
    }
    update(ecs, &body).await
}

/// Changes how later deployments of a service go. None begins by it.
pub(in crate::cloud) async fn configure(
    ecs: &Client,
    (cluster, service): (&str, &str),
    configuration: Value,
) -> Result<(), Fault> {
    update(ecs, &json!({ "cluster": cluster, "service": service, "deploymentConfiguration": configuration })).await
}

/// Sends an update as this JSON: the SDK's own types would drop what they do not know.
async fn update(ecs: &Client, body: &Value) -> Result<(), Fault> {
    let json = body.to_string();
    let call = ecs.update_service().service(body["service"].as_str().unwrap_or_default());
    let sent = call.customize().mutate_request(move |request| {
        request.headers_mut().insert("content-length", json.len().to_string());
        *request.body_mut() = SdkBody::from(json.clone());
    });
    sent.send().await.map(drop).map_err(|error| fault::write("UpdateService", &error))
}

/// Lets a deployment that waits at a pause go on.
pub(in crate::cloud) async fn go_on(ecs: &Client, deployment: &str, hook: &str) -> Result<(), Fault> {
    let call = ecs.continue_service_deployment().service_deployment_arn(deployment).hook_id(hook);
    let call = call.action(DeploymentLifecycleHookAction::Continue).send().await;
    call.map(drop).map_err(|error| fault::write("ContinueServiceDeployment", &error))
}

/// Makes a deployment go back to the revision that it began with.
pub(in crate::cloud) async fn go_back(ecs: &Client, deployment: &str) -> Result<(), Fault> {
    let call = ecs.stop_service_deployment().service_deployment_arn(deployment);
    let call = call.stop_type(StopServiceDeploymentStopType::Rollback).send().await;
    call.map(drop).map_err(|error| fault::write("StopServiceDeployment", &error))
}
