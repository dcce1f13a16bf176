//! The way back with nothing but two target groups: whatever CodeDeploy shifts between them is stopped.

use aws_sdk_codedeploy::types::{DeploymentGroupInfo, LoadBalancerInfo, TargetGroupInfo};

use super::under_way;
use super::view::of_ecs;
use crate::cloud::aws::Aws;
use crate::cloud::aws::codedeploy::{self, Of};
use crate::domain::fault::Fault;

/// How many applications are asked for their groups.
const APPLICATIONS_LIMIT: usize = 200;

/// Stops the deployment that shifts traffic between two target groups, by name, and has it taken back; gives its id,
/// or `None` when there is none on its way.
///
/// # Errors
/// When AWS refuses a read or the stop.
pub async fn stop_between(aws: &Aws, groups: [&str; 2]) -> Result<Option<String>, Fault> {
    let deploy = &aws.reading.deploy;
    for application in of_ecs(deploy, "").await?.into_iter().take(APPLICATIONS_LIMIT) {
        for group in codedeploy::groups(deploy, &application).await?.iter().filter(|group| shifts(group, groups)) {
            let of = Of { application: &application, group: group.deployment_group_name().unwrap_or_default() };
            if let Some(info) = under_way(deploy, of).await? {
                let id = info.deployment_id().unwrap_or_default();
                codedeploy::stop(&aws.writing.deploy, id).await?;
                return Ok(Some(id.to_owned()));
            }
        }
    }
    Ok(None)
}

/// Whether a deployment group shifts traffic between two target groups.
fn shifts(group: &DeploymentGroupInfo, between: [&str; 2]) -> bool {
    let pairs = group.load_balancer_info().map(LoadBalancerInfo::target_group_pair_info_list).unwrap_or_default();
    pairs.iter().any(|pair| {
        let has = |name: &&str| pair.target_groups().iter().filter_map(TargetGroupInfo::name).any(|one| one == *name);
        between.iter().all(has)
    })
}
