//! CodeDeploy's deployment of one service: made, let on, followed, stopped and taken back.
//!
//! CodeDeploy writes the rule's weights by its own timetable. It waits for an answer at two places: before the first
//! share, where its deployment group says so, and before it takes the old tasks.

mod appspec;
mod back;
pub(in crate::cloud) mod begun;
mod config;
mod start;
pub(in crate::cloud::drivers::codedeploy) mod status;
pub mod unattended;
pub(in crate::cloud) mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{DeploymentCreator, DeploymentInfo, DeploymentStatus, DeploymentWaitType};

use super::task_sets::behind::set_behind;
use crate::cloud::alb::AlbDriver;
use crate::cloud::alb::release::is_release;
use crate::cloud::aws::codedeploy;
use crate::cloud::aws::codedeploy::Of;
use crate::cloud::aws::ecs;
use crate::cloud::{ReleaseKnown, RouteOrder, Routed};
use crate::domain::driver::Deployment;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::domain::name::{RolloutId, same_definition};
use begun::Begun;

/// States of a deployment that is on its way.
pub(in crate::cloud) const ON_ITS_WAY: [DeploymentStatus; 5] = [
    DeploymentStatus::Created,
    DeploymentStatus::Queued,
    DeploymentStatus::InProgress,
    DeploymentStatus::Ready,
    DeploymentStatus::Baking,
];
/// By how much this machine's clock may run ahead of AWS's, so that a deployment of ours is still looked for.
const SKEW: Duration = Duration::from_secs(600);

impl AlbDriver {
    /// What CodeDeploy says of the rollout's deployment.
    pub(in crate::cloud) async fn look_at_codedeploy(&self, begun: &Begun) -> Result<Option<Deployment>, Fault> {
        let deploy = &self.aws.polling.deploy;
        let Some(info) = self.find_deployment(deploy, begun).await? else { return Ok(None) };
        let id = info.deployment_id().unwrap_or_default();
        let target =
            if is_on_its_way(&info) { codedeploy::target(deploy, id, &self.deployment_target()).await? } else { None };
        Ok(Some(status::told(&info, target.as_ref())))
    }

    pub(in crate::cloud) async fn scale_by_codedeploy(
        &self,
        begun: &Begun,
        (role, count): (Role, u32),
        definition: Option<&str>,
    ) -> Result<(), Fault> {
        match (role, count, definition) {
            (Role::Candidate, 1.., Some(definition)) => self.start(begun, definition).await,
            (Role::Candidate, _, _) => self.until_taken_back(begun).await,
            (Role::Stable, _, _) => self.set_desired(count).await,
        }
    }

    pub(in crate::cloud) async fn route_by_codedeploy(
        &self,
        begun: &Begun,
        order: RouteOrder,
    ) -> Result<Routed, Fault> {
        match order.expected {
            Some(_) => self.let_on(begun, order).await,
            None => self.take_back(begun, order).await,
        }
    }

    /// Lets the deployment go on if it waits. Later shares come by its own timetable.
    async fn let_on(&self, begun: &Begun, order: RouteOrder) -> Result<Routed, Fault> {
        self.fence.decide_by(true, order.by, self.clock.now());
        let seen = self.unless_way("DescribeRules", self.rule_before_write()).await?;
        let ours = seen.shape == self.recorded.shape;
        if ours && seen.share == Some(order.share) {
            return Ok(Routed::Written(seen));
        }
        if seen.share > Some(order.share) {
            return Ok(Routed::Moving(seen));
        }
        let deploy = &self.aws.reading.deploy;
        let Some(info) = self.unless_way("GetDeployment", self.find_deployment(deploy, begun)).await? else {
            let words = "CodeDeploy does not show the rollout's deployment yet";
            return Err(Fault::new(FaultKind::Transient, "ListDeployments", words));
        };
        if info.status() == Some(&DeploymentStatus::Ready) {
            let id = info.deployment_id().unwrap_or_default();
            codedeploy::go_on(&self.aws.writing.deploy, id, DeploymentWaitType::ReadyWait).await?;
        }
        Ok(Routed::Moving(seen))
    }

    /// Lets the deployment take the old tasks now, where it would keep them for a while.
    pub(in crate::cloud) async fn end_by_codedeploy(&self, begun: &Begun) -> Result<(), Fault> {
        const OPERATION: &str = "ContinueDeployment";
        let deploy = &self.aws.reading.deploy;
        let found = self.unless_way("GetDeployment", self.find_deployment(deploy, begun)).await?;
        let none = || Fault::new(FaultKind::Transient, OPERATION, "CodeDeploy has no deployment of the release");
        let info = found.ok_or_else(none)?;
        let id = info.deployment_id().unwrap_or_default();
        if info.status() == Some(&DeploymentStatus::Succeeded) {
            return Ok(());
        }
        if !is_on_its_way(&info) {
            // The next look says why.
            return Err(Fault::new(FaultKind::Transient, OPERATION, format!("deployment {id} goes back")));
        }
        let name = self.deployment_target();
        let target = codedeploy::target(deploy, id, &name);
        let target = self.unless_way("BatchGetDeploymentTargets", target).await?;
        if !target.as_ref().is_some_and(status::is_all_done) {
            let words = format!("deployment {id} is not done with the traffic yet");
            return Err(Fault::new(FaultKind::Transient, OPERATION, words));
        }
        self.fence.decide(true);
        codedeploy::go_on(&self.aws.writing.deploy, id, DeploymentWaitType::TerminationWait).await
    }

    /// The rollout's deployment: the one whose description names it, or, where there is none, one on its way that
    /// deploys the same release.
    async fn find_deployment(&self, deploy: &Client, begun: &Begun) -> Result<Option<DeploymentInfo>, Fault> {
        if let Some(id) = begun.id() {
            return codedeploy::deployment(deploy, &id).await.map(Some);
        }
        let since = self.ours.since.before(SKEW);
        let ids = codedeploy::list(deploy, begun.group(), (Some(since), &[])).await?;
        let found = codedeploy::deployments(deploy, ids).await?;
        let ours = |info: &&DeploymentInfo| !is_rollback(info) && self.names_rollout(info);
        let found = match found.iter().find(ours) {
            Some(info) => Some(info.clone()),
            None => self.adopted(deploy, begun).await?,
        };
        if let Some(id) = found.as_ref().and_then(DeploymentInfo::deployment_id) {
            begun.is(id);
        }
        Ok(found)
    }

    /// A deployment on its way that somebody else made for the same release.
    async fn adopted(&self, deploy: &Client, begun: &Begun) -> Result<Option<DeploymentInfo>, Fault> {
        let Some(info) = under_way(deploy, begun.group()).await? else { return Ok(None) };
        let service = self.one_service(&self.aws.reading).await?;
        let made = service.task_sets().iter().find(|set| set.external_id() == info.deployment_id());
        let made = made.or_else(|| set_behind(&service, &self.target.candidate.target_group));
        let Some(definition) = made.and_then(|set| set.task_definition()) else { return Ok(None) };
        Ok(self.is_of_release(definition).await?.then_some(info))
    }

    /// Whether a task definition is the rollout's release.
    async fn is_of_release(&self, definition: &str) -> Result<bool, Fault> {
        match &self.ours.release {
            ReleaseKnown::Unknown => Ok(false),
            ReleaseKnown::Named(name) => Ok(same_definition(name, definition)),
            ReleaseKnown::Tagged(digest) => {
                let described = ecs::task_definition(&self.aws.reading.ecs, definition).await?;
                Ok(described.is_some_and(|described| is_release(&described, digest)))
            }
        }
    }

    /// Whether a deployment's description names this rollout.
    fn names_rollout(&self, info: &DeploymentInfo) -> bool {
        let Some(id) = self.rollout_id() else { return false };
        info.description().is_some_and(|text| text == mark(id) || text.starts_with(&format!("{}:", mark(id))))
    }

    /// The service as CodeDeploy names its target.
    fn deployment_target(&self) -> String {
        format!("{}:{}", self.target.cluster, self.target.stable.service)
    }
}

/// How the description of a rollout's deployment begins.
fn mark(id: &RolloutId) -> String {
    format!("tidegate {id}")
}

/// The group's deployment on its way: there is one at most (CodeDeploy quotas).
pub(in crate::cloud) async fn under_way(deploy: &Client, of: Of<'_>) -> Result<Option<DeploymentInfo>, Fault> {
    let ids = codedeploy::list(deploy, of, (None, &ON_ITS_WAY)).await?;
    let found = codedeploy::deployments(deploy, ids).await?;
    Ok(found.into_iter().find(|info| is_on_its_way(info) && !is_rollback(info)))
}

fn is_on_its_way(info: &DeploymentInfo) -> bool {
    info.status().is_some_and(|status| ON_ITS_WAY.contains(status))
}

/// Whether CodeDeploy made it to roll another one back.
fn is_rollback(info: &DeploymentInfo) -> bool {
    let triggered = info.rollback_info().is_some_and(|rollback| rollback.rollback_triggering_deployment_id().is_some());
    triggered || info.creator() == Some(&DeploymentCreator::CodeDeployRollback)
}
