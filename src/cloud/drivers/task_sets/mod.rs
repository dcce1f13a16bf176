//! Two task sets of one service, each behind the target group of its slot: how many tasks they have, and the writes
//! that change it.
//!
//! A task set's scale is a percentage of the service's desired count. The service's primary task set is the stable
//! slot's until the rollout is committed, and the candidate's from then on; it is never deleted.

pub(in crate::cloud) mod behind;
mod fleet;
mod write;

#[cfg(test)]
mod tests;

use aws_sdk_ecs::types::{Service, TaskSet};

use crate::cloud::alb::AlbDriver;
use crate::cloud::alb::fleet::find;
use crate::cloud::aws::task_sets::Of;
use crate::cloud::aws::{Clients, ecs};
use crate::domain::fault::Fault;

pub(in crate::cloud) use fleet::survey_slot;

impl AlbDriver {
    /// The one service of both slots.
    pub(in crate::cloud) async fn one_service(&self, clients: &Clients) -> Result<Service, Fault> {
        let name = self.target.stable.service.as_str();
        let (services, missing) = ecs::services(&clients.ecs, &self.target.cluster, &[name]).await?;
        find(&services, &missing, name).cloned()
    }

    fn of(&self) -> Of<'_> {
        Of { cluster: &self.target.cluster, service: &self.target.stable.service }
    }
}

fn is_going(set: &TaskSet) -> bool {
    set.status() == Some("DRAINING")
}

fn is_primary(set: &TaskSet) -> bool {
    set.status() == Some("PRIMARY")
}
