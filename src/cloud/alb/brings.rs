//! Whether a task definition is the rollout's release, by its name or by the tag that it was registered with.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_ecs::Client;

use super::{AlbDriver, is_release};
use crate::cloud::ReleaseKnown;
use crate::cloud::aws::ecs;
use crate::domain::fault::Fault;
use crate::domain::name::same_definition;

/// What was learned of task definitions, by their ARN: a tag of a registration does not change.
#[derive(Debug, Default)]
pub(super) struct Releases(Mutex<BTreeMap<String, bool>>);

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
                let known = |releases: &Releases| {
                    releases.0.lock().unwrap_or_else(PoisonError::into_inner).get(definition).copied()
                };
                if let Some(known) = known(&self.releases) {
                    return Ok(known);
                }
                let described = ecs::task_definition(ecs, definition).await?;
                let is_it = described.is_some_and(|described| is_release(&described, digest));
                let mut learned = self.releases.0.lock().unwrap_or_else(PoisonError::into_inner);
                learned.insert(definition.to_owned(), is_it);
                Ok(is_it)
            }
        }
    }
}
