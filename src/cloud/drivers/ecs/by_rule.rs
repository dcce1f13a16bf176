//! The way back of somebody who knows a rule or a service, and no plan: ECS's deployment that is under way is told to
//! go back, or it would write its own weights over those of the way back.

use aws_sdk_ecs::types::Service;

use super::survey::stop_under_way;
use crate::cloud::aws::{Aws, ecs};
use crate::domain::driver::UnderWay;
use crate::domain::fault::Fault;

/// How many services are looked through for the one that shifts traffic on a rule.
const SERVICES_LIMIT: usize = 500;
/// How many one call describes.
const AT_ONCE: usize = 10;

/// Tells ECS's deployment of a service to go back; `None` where none is under way, or ECS does not deploy it so. The
/// service is the one that shifts traffic on `rule`, unless `at` names it by cluster and name.
///
/// # Errors
/// When AWS refuses a call; the deployment may go on then.
pub async fn stop_deployment(aws: &Aws, rule: &str, at: Option<(&str, &str)>) -> Result<Option<UnderWay>, Fault> {
    let clients = (&aws.reading.ecs, &aws.writing.ecs);
    match at {
        Some((cluster, name)) => {
            let (found, _) = ecs::services(clients.0, cluster, &[name]).await?;
            let shifts = found.first().is_some_and(|service| shifts_on(service, rule));
            if shifts { stop_under_way(clients, (cluster, name)).await } else { Ok(None) }
        }
        None => match find(aws, rule).await? {
            Some((cluster, name)) => stop_under_way(clients, (&cluster, &name)).await,
            None => Ok(None),
        },
    }
}

async fn find(aws: &Aws, rule: &str) -> Result<Option<(String, String)>, Fault> {
    let client = &aws.reading.ecs;
    let mut left = SERVICES_LIMIT;
    for cluster in ecs::list_clusters(client).await? {
        let names = ecs::list_services(client, &cluster).await?;
        for some in names.iter().take(left).collect::<Vec<_>>().chunks(AT_ONCE) {
            let names: Vec<&str> = some.iter().map(|name| name.as_str()).collect();
            let (services, _) = ecs::services(client, &cluster, &names).await?;
            if let Some(name) = services.iter().find(|one| shifts_on(one, rule)).and_then(|one| one.service_name()) {
                return Ok(Some((cluster, name.to_owned())));
            }
        }
        left = left.saturating_sub(names.len());
    }
    Ok(None)
}

fn shifts_on(service: &Service, rule: &str) -> bool {
    let ways = service.load_balancers().iter().filter_map(|way| way.advanced_configuration());
    ways.into_iter().any(|advanced| advanced.production_listener_rule() == Some(rule))
}
