//! What a survey asks of one service that ECS deploys by itself: that it shifts between the spec's target groups on
//! the spec's rule, and whether a deployment of it is under way.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    AdvancedConfiguration, DeploymentConfiguration, DeploymentController, DeploymentControllerType, DeploymentStrategy,
    Service,
};

use super::state::stage;
use crate::cloud::aws::service_deployments::{self as deployments, UNDER_WAY};
use crate::domain::driver::UnderWay;
use crate::domain::fault::Fault;

/// Whether ECS itself deploys the service by shifting its traffic. Of one that it deploys otherwise the plan says what
/// is wrong.
pub(in crate::cloud) fn shifts_by_ecs(service: &Service) -> bool {
    let controller = service.deployment_controller().map(DeploymentController::r#type);
    let strategy = service.deployment_configuration().and_then(DeploymentConfiguration::strategy);
    matches!(controller, None | Some(DeploymentControllerType::Ecs))
        && !matches!(strategy, None | Some(DeploymentStrategy::Rolling))
}

/// What keeps ECS from shifting the service's traffic between these target groups on this rule, one line each.
pub(in crate::cloud) fn misfits(service: &Service, rule: &str, groups: [&str; 2]) -> Vec<String> {
    let name = service.service_name().unwrap_or_default();
    let ways = service.load_balancers().iter().filter_map(|way| Some((way, way.advanced_configuration()?)));
    let ways: Vec<_> = ways.collect();
    if ways.is_empty() {
        return vec![format!(
            "service {name} names no second target group (`advancedConfiguration` of its load balancer), so ECS cannot \
             shift its traffic"
        )];
    }
    let pair = |way: &aws_sdk_ecs::types::LoadBalancer, advanced: &AdvancedConfiguration| {
        let of = [way.target_group_arn(), advanced.alternate_target_group_arn()];
        groups.iter().all(|group| of.contains(&Some(*group)))
    };
    let Some((_, advanced)) = ways.iter().find(|(way, advanced)| pair(way, advanced)) else {
        let (way, advanced) = ways[0];
        let of = [way.target_group_arn(), advanced.alternate_target_group_arn()].map(Option::unwrap_or_default);
        return vec![format!("service {name} shifts between {} and {}, and the spec names others", of[0], of[1])];
    };
    match advanced.production_listener_rule() {
        Some(shifts) if shifts == rule => Vec::new(),
        Some(shifts) => vec![format!("service {name} shifts traffic on rule {shifts}, and the spec names {rule}")],
        None => vec![format!("service {name} names no production listener rule")],
    }
}

/// The service's deployment that is under way.
pub(in crate::cloud) async fn under_way(
    ecs: &Client,
    (cluster, service): (&str, &str),
) -> Result<Option<UnderWay>, Fault> {
    let listed = deployments::list(ecs, (cluster, service), None, &UNDER_WAY).await?;
    let Some(brief) = listed.first() else { return Ok(None) };
    let id = brief.service_deployment_arn().unwrap_or_default().to_owned();
    let revision: Vec<String> = brief.target_service_revision_arn().map(ToOwned::to_owned).into_iter().collect();
    let (revisions, described) =
        tokio::try_join!(deployments::revisions(ecs, &revision), deployments::describe(ecs, &id))?;
    let task_definition = revisions.into_iter().next().and_then(|one| one.task_definition).unwrap_or_default();
    let stage = described.as_ref().map_or("", stage).to_owned();
    Ok(Some(UnderWay { id, task_definition, stage }))
}

/// Tells a service's deployment that is under way to go back; its ARN and the stage it was in. `None` where there is
/// none that goes forward.
pub(in crate::cloud) async fn stop_under_way(
    (reading, writing): (&Client, &Client),
    at: (&str, &str),
) -> Result<Option<UnderWay>, Fault> {
    let Some(found) = under_way(reading, at).await? else { return Ok(None) };
    let answer = deployments::go_back(writing, &found.id).await;
    let now = deployments::describe(reading, &found.id).await?;
    let heard = now.is_some_and(|now| super::state::way(&now) != super::state::Way::Forward);
    if heard { Ok(Some(found)) } else { answer.map(|()| Some(found)) }
}
