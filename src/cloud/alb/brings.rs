//! Tells whether a task definition is the rollout's release, by its name or by the tag that it was registered with.

use aws_sdk_ecs::Client;

use super::{AlbDriver, is_release};
use crate::cloud::ReleaseKnown;
use crate::cloud::aws::ecs;
use crate::domain::fault::Fault;
use crate::domain::name::same_definition;

impl AlbDriver {
    /// Whether a task definition is the rollout's release.
    pub(in crate::cloud) async fn is_our_release(&self, ecs: &Client, definition: &str) -> Result<bool, Fault> {
        match &self.ours.release {
            _ if definition.is_empty() => Ok(false),
            ReleaseKnown::Unknown => Ok(false),
            ReleaseKnown::Named(name) => Ok(same_definition(name, definition)),
            // What served before was registered before.
            ReleaseKnown::Tagged(_) if definition == self.ours.stable => Ok(false),
            ReleaseKnown::Tagged(digest) => {
                if let Some(known) = self.releases.known(definition) {
                    return Ok(known);
                }
                let described = ecs::task_definition(ecs, definition).await?;
                let is_it = described.is_some_and(|described| is_release(&described, digest));
                self.releases.learn(definition, is_it);
                Ok(is_it)
            }
        }
    }
}
