//! Finds the rollout's own deployment among those of a service: the newest that brings the release, and that was not
//! over when the rollout was planned.
//!
//! A process that knows the plan finds it, so what is kept here only spares calls.

use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{ServiceDeployment, ServiceDeploymentBrief};

use super::drive::EcsDrive;
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::service_deployments::{self as deployments, DESCRIBED_LIMIT, UNDER_WAY};
use crate::cloud::aws::timestamp;
use crate::domain::fault::Fault;

/// How far back deployments are listed: longer than one can wait at a pause, which is 14 days.
const FURTHEST: Duration = Duration::from_secs(31 * 24 * 3600);

impl AlbDriver {
    /// The cluster and the one service.
    pub(super) fn service(&self) -> (&str, &str) {
        (&self.target.cluster, &self.target.stable.service)
    }

    /// Our deployment as it stands; `None` where none was begun.
    pub(super) async fn our_deployment(
        &self,
        drive: &EcsDrive,
        ecs: &Client,
    ) -> Result<Option<ServiceDeployment>, Fault> {
        if let Some(arn) = drive.with(|memory| memory.found.clone()) {
            return deployments::describe(ecs, &arn).await;
        }
        let listed = deployments::list(ecs, self.service(), Some(self.ours.since.before(FURTHEST)), &[]).await?;
        let over = |brief: &ServiceDeploymentBrief| {
            brief.finished_at().is_some_and(|finished| timestamp(finished) < self.ours.since)
        };
        let fresh: Vec<ServiceDeploymentBrief> =
            listed.into_iter().filter(|brief| !over(brief)).take(DESCRIBED_LIMIT).collect();
        self.learn_definitions(drive, ecs, fresh.iter().filter_map(|one| one.target_service_revision_arn())).await?;
        for brief in fresh {
            let (Some(arn), Some(revision)) = (brief.service_deployment_arn(), brief.target_service_revision_arn())
            else {
                continue;
            };
            let definition = drive.definition(Some(revision));
            if self.is_our_release(ecs, &definition).await? {
                drive.with(|memory| memory.found = Some(arn.to_owned()));
                return deployments::describe(ecs, arn).await;
            }
        }
        Ok(None)
    }

    /// The service's deployment that is under way, whoever began it, and the task definition that it brings.
    pub(super) async fn under_way(
        &self,
        drive: &EcsDrive,
        ecs: &Client,
    ) -> Result<Option<(ServiceDeploymentBrief, String)>, Fault> {
        let listed = deployments::list(ecs, self.service(), None, &UNDER_WAY).await?;
        let Some(brief) = listed.into_iter().next() else { return Ok(None) };
        let revision = brief.target_service_revision_arn().unwrap_or_default().to_owned();
        self.learn_definitions(drive, ecs, [revision.as_str()].into_iter()).await?;
        Ok(Some((brief, drive.definition(Some(&revision)))))
    }

    /// Reads the task definitions of revisions that are not known yet.
    pub(super) async fn learn_definitions<'a>(
        &self,
        drive: &EcsDrive,
        ecs: &Client,
        revisions: impl Iterator<Item = &'a str>,
    ) -> Result<(), Fault> {
        let unknown = drive.with(|memory| {
            let new = revisions.filter(|arn| !arn.is_empty() && !memory.definitions.contains_key(*arn));
            new.take(DESCRIBED_LIMIT).map(ToOwned::to_owned).collect::<Vec<_>>()
        });
        if unknown.is_empty() {
            return Ok(());
        }
        let found = deployments::revisions(ecs, &unknown).await?;
        drive.with(|memory| {
            for revision in found {
                if let (Some(arn), Some(definition)) = (revision.service_revision_arn, revision.task_definition) {
                    memory.definitions.insert(arn, definition);
                }
            }
        });
        Ok(())
    }
}
