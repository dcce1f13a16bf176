//! Finishes what a rollout that is over left undone: tasks, autoscaling, stickiness, tags. It moves no traffic.

use super::{Drivers, Runner, Taken, Takeover, TakeoverError};
use crate::cloud::Cloud as _;
use crate::engine::begin::resources;
use crate::lease::Phase;
use crate::machine::{Machine, Outcome};
use crate::report::TakeoverNotice;
use crate::store::Claim;

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// The lease of a rollout that is over, once more. `machine` is where its journal leads.
    ///
    /// # Errors
    /// When somebody else has moved the traffic since, has deployed to the slot, or has the rule.
    pub async fn reopen(&self, machine: &Machine) -> Result<Taken, TakeoverError<D::Refusal>> {
        let untidy = |why: String| TakeoverError::Untidy { id: self.id.clone(), why };
        if let Some(mark) = self.drivers.mark(self.plan).await.filter(|mark| mark.rollout != self.id.as_str()) {
            return Err(untidy(format!("rollout {} moves the rule now", mark.rollout)));
        }
        let cloud = self.drivers.back(self.plan, Runner::unleased(self.id, &self.clock)).await;
        let unread = |fault: crate::domain::fault::Fault| untidy(fault.to_string());
        let (rule, fleet) = (cloud.rule().await.map_err(unread)?, cloud.fleet().await.map_err(unread)?);
        if let Some(why) = machine.objection_to_tidying(&rule, &fleet) {
            return Err(untidy(why));
        }
        let promoted = machine.outcome() == Some(&Outcome::Promoted);
        let phase = if promoted { Phase::Committing } else { Phase::Aborting };
        let (rule, services) = resources(self.plan);
        let services: Vec<&str> = services.iter().map(String::as_str).collect();
        let lease = self
            .store
            .reopen(rule, &services, (Claim { rollout: self.id, owner: &self.owner() }, phase), &self.clock)
            .await?;
        Ok(Taken { lease, is_written: true, tidies: true })
    }
}
