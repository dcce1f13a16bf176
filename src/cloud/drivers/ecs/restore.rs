//! Restores the service's own deployment configuration, so that the next deployment does not wait at our pauses.

use super::begin::restored;
use super::drive::EcsDrive;
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::ecs;
use crate::cloud::aws::service_deployments::{self as deployments, UNDER_WAY};
use crate::domain::fault::{Fault, FaultKind};

impl AlbDriver {
    /// Takes our pause out of the service's configuration, and puts back what our deployment changed in it.
    pub(in crate::cloud) async fn restore_configuration(&self, drive: &EcsDrive) -> Result<(), Fault> {
        let client = &self.aws.reading.ecs;
        let Some(found) = ecs::service(client, self.service()).await? else { return Ok(()) };
        let now = &found["deploymentConfiguration"];
        let Some(configuration) = restored(now, drive.before.as_ref(), &drive.asked) else { return Ok(()) };
        if !deployments::list(client, self.service(), None, &UNDER_WAY).await?.is_empty() {
            let words = "its deployments are configured anew once none is under way";
            return Err(Fault::new(FaultKind::Transient, "UpdateService", words));
        }
        self.fence.decide(false);
        deployments::configure(&self.aws.writing.ecs, self.service(), configuration).await
    }
}
