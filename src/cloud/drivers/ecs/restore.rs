//! The service's own way to deploy, as it was before: who deploys next is not to wait at our pauses.

use super::begin::restored;
use super::find::EcsDrive;
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::service_deployments::{self as deployments, UNDER_WAY};
use crate::cloud::aws::{ecs, timestamp};
use crate::domain::fault::{Fault, FaultKind};

impl AlbDriver {
    /// Takes our pauses out of the service's configuration, and sets its strategy back to that of the last deployment
    /// before ours.
    pub(in crate::cloud) async fn restore_configuration(&self, drive: &EcsDrive) -> Result<(), Fault> {
        let (client, (cluster, service)) = (&self.aws.reading.ecs, self.service());
        let (found, _) = ecs::services(client, cluster, &[service]).await?;
        let Some(now) = found.first().and_then(|found| found.deployment_configuration()) else { return Ok(()) };
        if restored(now, None).is_none() {
            return Ok(());
        }
        if !deployments::list(client, self.service(), None, &UNDER_WAY).await?.is_empty() {
            let words = "its deployments are configured anew once none is under way";
            return Err(Fault::new(FaultKind::Transient, "UpdateService", words));
        }
        let before = match self.our_deployment(drive, client).await? {
            Some(ours) => {
                let began = ours.created_at().map(timestamp).unwrap_or_default();
                let listed = deployments::list(client, self.service(), None, &[]).await?;
                let earlier = listed.iter().find(|one| one.created_at().is_some_and(|at| timestamp(at) < began));
                match earlier.and_then(|one| one.service_deployment_arn()) {
                    Some(arn) => deployments::describe(client, arn).await?,
                    None => None,
                }
            }
            None => None,
        };
        // One that was ours too knows no better.
        let before = before.and_then(|before| before.deployment_configuration);
        let before = before.filter(|before| restored(before, None).is_none());
        let Some(configuration) = restored(now, before.as_ref()) else { return Ok(()) };
        self.fence.decide(false);
        deployments::configure(&self.aws.writing.ecs, self.service(), configuration).await
    }
}
