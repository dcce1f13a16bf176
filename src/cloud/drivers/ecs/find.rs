//! Which of a service's deployments is the rollout's own: the newest that brings the release, and that was not over
//! when the rollout was planned.
//!
//! A process that knows the plan finds it, so what is kept here only spares calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{ServiceDeployment, ServiceDeploymentBrief};
use serde_json::Value;

use super::begin::our_minutes;
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::service_deployments::{self as deployments, DESCRIBED_LIMIT, UNDER_WAY};
use crate::cloud::aws::timestamp;
use crate::domain::clock::Timestamp;
use crate::domain::driver::EcsDeployment;
use crate::domain::fault::Fault;

/// How far back deployments are listed: longer than one can wait at a pause, which is 14 days.
const FURTHEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// What ECS is asked for, and what was learned of its deployments.
#[derive(Debug)]
pub(in crate::cloud) struct EcsDrive {
    pub(super) asked: EcsDeployment,
    /// How the service deployed before the rollout, where that was recorded.
    pub(super) before: Option<Value>,
    memory: Mutex<Memory>,
}

/// Facts that do not change, and what was said last.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The ARN of our deployment.
    found: Option<String>,
    /// Task definitions by the ARN of their revision.
    definitions: BTreeMap<String, String>,
    /// The pause that was answered last: its hook, and the share that the candidate had.
    pub(super) answered: Option<(String, u16)>,
    /// Since when the deployment is seen to go back while the rule does not show it.
    pub(super) back_since: Option<Timestamp>,
}

impl EcsDrive {
    /// `recorded` is how the service deployed before, in JSON.
    pub(in crate::cloud) fn new(asked: EcsDeployment, recorded: Option<&str>) -> EcsDrive {
        let before = recorded.and_then(|text| serde_json::from_str(text).ok());
        EcsDrive { asked, before, memory: Mutex::default() }
    }

    /// How long our pause waits, in minutes, by which it is told from those of the service's own.
    pub(super) fn our_minutes(&self) -> i32 {
        our_minutes(self.before.as_ref().unwrap_or(&Value::Null), &self.asked)
    }

    /// Forgets which deployment was found: another is begun.
    pub(super) fn forget(&self) {
        self.with(|memory| memory.found = None);
    }

    /// The task definition of a revision, once it was learned; empty before.
    pub(super) fn definition(&self, revision: Option<&str>) -> String {
        self.with(|memory| memory.definitions.get(revision.unwrap_or_default()).cloned()).unwrap_or_default()
    }

    pub(super) fn with<T>(&self, what: impl FnOnce(&mut Memory) -> T) -> T {
        what(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

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
