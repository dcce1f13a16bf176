//! CodeDeploy for ECS: applications and deployment groups, and deployments on their way.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::types::{
    AppSpecContent, ApplicationInfo, ComputePlatform, DeploymentConfigInfo, DeploymentGroupInfo, DeploymentInfo,
    DeploymentStatus, DeploymentWaitType, EcsTarget, RevisionLocation, RevisionLocationType, TimeRange,
    TrafficRoutingConfig,
};

use super::{PAGES_LIMIT, date, fault, whole};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};

/// How many names one batch call takes: applications and groups.
const BATCH: usize = 100;
/// How many deployments one batch call takes (BatchGetDeployments).
const DEPLOYMENTS_BATCH: usize = 25;

/// A deployment group, as every call names it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Of<'a> {
    pub application: &'a str,
    pub group: &'a str,
}

/// What a deployment is made of.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct New<'a> {
    /// The AppSpec, as text.
    pub app_spec: &'a str,
    /// The name of the deployment configuration.
    pub config: &'a str,
    /// What is said of it.
    pub description: &'a str,
}

/// Lists the names of all applications.
pub(in crate::cloud) async fn application_names(deploy: &Client) -> Result<Vec<String>, Fault> {
    let mut pages = deploy.list_applications().into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(name) = pages.next().await {
        whole("ListApplications", names.len() >= PAGES_LIMIT * BATCH)?;
        names.push(name.map_err(|error| fault::read("ListApplications", &error))?);
    }
    Ok(names)
}

/// Reads applications by name; those that are not there are left out.
pub(in crate::cloud) async fn applications(deploy: &Client, names: &[String]) -> Result<Vec<ApplicationInfo>, Fault> {
    let mut found = Vec::new();
    for names in names.chunks(BATCH) {
        let call = deploy.batch_get_applications().set_application_names(Some(names.to_vec())).send().await;
        let answer = call.map_err(|error| fault::read("BatchGetApplications", &error))?;
        found.extend(answer.applications_info.unwrap_or_default());
    }
    Ok(found)
}

/// Reads all deployment groups of an application; none when there is no such application.
pub(in crate::cloud) async fn groups(deploy: &Client, application: &str) -> Result<Vec<DeploymentGroupInfo>, Fault> {
    let mut pages = deploy.list_deployment_groups().application_name(application).into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(name) = pages.next().await {
        match name.map_err(|error| fault::read("ListDeploymentGroups", &error)) {
            Ok(name) => names.push(name),
            Err(fault) if fault.kind == FaultKind::Missing => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        }
        whole("ListDeploymentGroups", names.len() > PAGES_LIMIT * BATCH)?;
    }
    let mut found = Vec::new();
    for names in names.chunks(BATCH) {
        let call = deploy.batch_get_deployment_groups().application_name(application);
        let call = call.set_deployment_group_names(Some(names.to_vec())).send().await;
        let answer = call.map_err(|error| fault::read("BatchGetDeploymentGroups", &error))?;
        found.extend(answer.deployment_groups_info.unwrap_or_default());
    }
    Ok(found)
}

/// Reads a deployment group.
pub(in crate::cloud) async fn group(deploy: &Client, of: Of<'_>) -> Result<DeploymentGroupInfo, Fault> {
    let call = deploy.get_deployment_group().application_name(of.application).deployment_group_name(of.group);
    let answer = call.send().await.map_err(|error| fault::read("GetDeploymentGroup", &error))?;
    let missing = || Fault::new(FaultKind::Missing, "GetDeploymentGroup", format!("{} is not there", of.group));
    answer.deployment_group_info.ok_or_else(missing)
}

/// Reads the content of a revision that has a hash: the text of an AppSpec.
pub(in crate::cloud) async fn app_spec(
    deploy: &Client,
    application: &str,
    revision: &RevisionLocation,
) -> Result<Option<String>, Fault> {
    let call = deploy.get_application_revision().application_name(application).revision(revision.clone());
    let answer = call.send().await.map_err(|error| fault::read("GetApplicationRevision", &error))?;
    Ok(answer.revision.and_then(|revision| revision.app_spec_content).and_then(|spec| spec.content))
}

/// Lists the ids of a group's deployments, newest first: all since a moment, or those on their way.
pub(in crate::cloud) async fn list(
    deploy: &Client,
    of: Of<'_>,
    (since, statuses): (Option<Timestamp>, &[DeploymentStatus]),
) -> Result<Vec<String>, Fault> {
    let range = since.map(|since| TimeRange::builder().start(date(since)).build());
    let statuses = Some(statuses.to_vec()).filter(|statuses| !statuses.is_empty());
    let call = deploy.list_deployments().application_name(of.application).deployment_group_name(of.group);
    let call = call.set_create_time_range(range).set_include_only_statuses(statuses);
    let mut pages = call.into_paginator().items().send();
    let mut ids = Vec::new();
    while let Some(id) = pages.next().await {
        ids.push(id.map_err(|error| fault::read("ListDeployments", &error))?);
        if ids.len() >= DEPLOYMENTS_BATCH {
            break;
        }
    }
    Ok(ids)
}

/// Reads deployments, at most 25.
pub(in crate::cloud) async fn deployments(deploy: &Client, ids: Vec<String>) -> Result<Vec<DeploymentInfo>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let call = deploy.batch_get_deployments().set_deployment_ids(Some(ids)).send().await;
    let answer = call.map_err(|error| fault::read("BatchGetDeployments", &error))?;
    Ok(answer.deployments_info.unwrap_or_default())
}

/// Reads a deployment.
pub(in crate::cloud) async fn deployment(deploy: &Client, id: &str) -> Result<DeploymentInfo, Fault> {
    let call = deploy.get_deployment().deployment_id(id).send().await;
    let answer = call.map_err(|error| fault::read("GetDeployment", &error))?;
    let missing = || Fault::new(FaultKind::Missing, "GetDeployment", format!("{id} is not there"));
    answer.deployment_info.ok_or_else(missing)
}

/// Reads what a deployment does with its service, named `cluster:service`; `None` before it has begun.
pub(in crate::cloud) async fn target(deploy: &Client, id: &str, service: &str) -> Result<Option<EcsTarget>, Fault> {
    let call = deploy.batch_get_deployment_targets().deployment_id(id).target_ids(service).send().await;
    match call {
        Ok(answer) => Ok(answer.deployment_targets.unwrap_or_default().into_iter().find_map(|one| one.ecs_target)),
        Err(error) if error.code() == Some("DeploymentNotStartedException") => Ok(None),
        Err(error) => Err(fault::read("BatchGetDeploymentTargets", &error)),
    }
}

/// Reads a deployment configuration; `None` when there is none of that name.
pub(in crate::cloud) async fn config(deploy: &Client, name: &str) -> Result<Option<DeploymentConfigInfo>, Fault> {
    let call = deploy.get_deployment_config().deployment_config_name(name).send().await;
    match call.map_err(|error| fault::read("GetDeploymentConfig", &error)) {
        Ok(answer) => Ok(answer.deployment_config_info),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Makes a deployment configuration for ECS.
pub(in crate::cloud) async fn create_config(
    deploy: &Client,
    name: &str,
    routing: TrafficRoutingConfig,
) -> Result<(), Fault> {
    let call = deploy.create_deployment_config().deployment_config_name(name).compute_platform(ComputePlatform::Ecs);
    match call.traffic_routing_config(routing).send().await {
        // Named by its content, so whoever made it made the same.
        Err(error) if error.code() == Some("DeploymentConfigAlreadyExistsException") => Ok(()),
        answer => answer.map(drop).map_err(|error| fault::write("CreateDeploymentConfig", &error)),
    }
}

/// Makes a deployment, and gives its id. A group has one on its way at most (CodeDeploy quotas).
pub(in crate::cloud) async fn create(deploy: &Client, of: Of<'_>, new: New<'_>) -> Result<String, Fault> {
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(new.app_spec).build())
        .build();
    let call = deploy
        .create_deployment()
        .application_name(of.application)
        .deployment_group_name(of.group)
        .deployment_config_name(new.config)
        .description(new.description)
        .revision(revision);
    let answer = call.send().await.map_err(|error| fault::write("CreateDeployment", &error))?;
    let unnamed = || Fault::new(FaultKind::Unknown, "CreateDeployment", "the answer names no deployment");
    answer.deployment_id.ok_or_else(unnamed)
}

/// Lets a deployment go on that waits; one that does not wait there is left alone.
pub(in crate::cloud) async fn go_on(deploy: &Client, id: &str, wait: DeploymentWaitType) -> Result<(), Fault> {
    let call = deploy.continue_deployment().deployment_id(id).deployment_wait_type(wait).send().await;
    let not_there = [
        "DeploymentAlreadyCompletedException",
        "DeploymentIsNotInReadyStateException",
        "InvalidDeploymentStatusException",
    ];
    match call {
        Err(error) if error.code().is_some_and(|code| not_there.contains(&code)) => Ok(()),
        answer => answer.map(drop).map_err(|error| fault::write("ContinueDeployment", &error)),
    }
}

/// Stops a deployment and has its traffic taken back; one that is over is left alone.
pub(in crate::cloud) async fn stop(deploy: &Client, id: &str) -> Result<(), Fault> {
    let call = deploy.stop_deployment().deployment_id(id).auto_rollback_enabled(true).send().await;
    match call {
        Err(error) if error.code() == Some("DeploymentAlreadyCompletedException") => Ok(()),
        answer => answer.map(drop).map_err(|error| fault::write("StopDeployment", &error)),
    }
}
