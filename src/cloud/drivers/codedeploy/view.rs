//! The survey: which application and deployment group deploy a service, and what they have on its way.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{
    Alarm, AlarmConfiguration, ComputePlatform, DeploymentGroupInfo, DeploymentReadyAction, LoadBalancerInfo,
    TrafficRoute,
};
use aws_sdk_ecs::types::Service;

use super::status::{minutes, told};
use super::under_way;
use crate::cloud::CodeDeployNamed;
use crate::cloud::aws::codedeploy::{self, Of};
use crate::domain::driver::{CodeDeployView, UnderWay};
use crate::domain::fault::{Fault, FaultKind};

/// How many applications are asked for their groups; more than that, and the spec has to name one.
const APPLICATIONS_LIMIT: usize = 200;

/// The deployment group of a service: the named one, or the one that is found to deploy it. `None` when there is none.
pub(in crate::cloud) async fn view(
    deploy: &Client,
    (cluster, service): (&str, &Service),
    named: &CodeDeployNamed,
) -> Result<Option<CodeDeployView>, Fault> {
    let service = service.service_name().unwrap_or_default();
    let deploys = |group: &DeploymentGroupInfo| {
        let is = |of: &aws_sdk_codedeploy::types::EcsService| {
            of.service_name() == Some(service) && of.cluster_name().is_some_and(|name| last(name) == cluster)
        };
        group.ecs_services().iter().any(is)
    };
    let applications = match &named.application {
        Some(name) => vec![name.clone()],
        None => of_ecs(deploy, &format!("AppECS-{cluster}-{service}")).await?,
    };
    for application in applications.into_iter().take(APPLICATIONS_LIMIT) {
        let groups = codedeploy::groups(deploy, &application).await?;
        let is_named = |group: &&DeploymentGroupInfo| {
            named.group.as_deref().is_none_or(|name| group.deployment_group_name() == Some(name))
        };
        if let Some(group) = groups.iter().filter(is_named).find(|group| deploys(group)) {
            return Ok(Some(read(&application, group)));
        }
    }
    Ok(None)
}

/// The applications for ECS, first the one that the ECS console would have made.
pub(super) async fn of_ecs(deploy: &Client, first: &str) -> Result<Vec<String>, Fault> {
    let names = codedeploy::application_names(deploy).await?;
    if names.iter().any(|name| name == first) {
        return Ok(vec![first.to_owned()]);
    }
    let all = codedeploy::applications(deploy, &names).await?;
    let ecs = all.into_iter().filter(|one| one.compute_platform() == Some(&ComputePlatform::Ecs));
    Ok(ecs.filter_map(|one| one.application_name).collect())
}

/// What the group has on its way.
pub(in crate::cloud) async fn on_its_way(
    deploy: &Client,
    view: &CodeDeployView,
    (cluster, service): (&str, &Service),
) -> Result<Option<UnderWay>, Fault> {
    let of = Of { application: &view.application, group: &view.group };
    let Some(info) = under_way(deploy, of).await? else { return Ok(None) };
    let id = info.deployment_id().unwrap_or_default();
    let target = format!("{cluster}:{}", service.service_name().unwrap_or_default());
    let target = match codedeploy::target(deploy, id, &target).await {
        Err(fault) if fault.kind == FaultKind::Missing => None,
        found => found?,
    };
    let made = service.task_sets().iter().find(|set| set.external_id() == Some(id));
    Ok(Some(UnderWay {
        id: id.to_owned(),
        task_definition: made.and_then(|set| set.task_definition()).unwrap_or_default().to_owned(),
        stage: told(&info, target.as_ref()).stage,
    }))
}

fn read(application: &str, group: &DeploymentGroupInfo) -> CodeDeployView {
    let config = group.blue_green_deployment_configuration();
    let ready = config.and_then(|config| config.deployment_ready_option());
    let ready = ready.filter(|ready| ready.action_on_timeout() == Some(&DeploymentReadyAction::StopDeployment));
    let end = config.and_then(|config| config.terminate_blue_instances_on_deployment_success());
    let alarms = group.alarm_configuration().filter(|alarms| alarms.enabled);
    let alarms = alarms.map(AlarmConfiguration::alarms).unwrap_or_default();
    let pairs = group.load_balancer_info().map(LoadBalancerInfo::target_group_pair_info_list).unwrap_or_default();
    let tests = pairs.iter().filter_map(|pair| pair.test_traffic_route()).flat_map(TrafficRoute::listener_arns);
    CodeDeployView {
        test_listeners: tests.map(ToOwned::to_owned).collect(),
        application: application.to_owned(),
        group: group.deployment_group_name().unwrap_or_default().to_owned(),
        ready_wait: ready.map(|ready| minutes(ready.wait_time_in_minutes)),
        termination_wait: minutes(end.map_or(0, |end| end.termination_wait_time_in_minutes)),
        alarms: alarms.iter().filter_map(Alarm::name).map(ToOwned::to_owned).collect(),
        keeps_app_spec: group.target_revision().is_none_or(|last| last.app_spec_content().is_some()),
    }
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
