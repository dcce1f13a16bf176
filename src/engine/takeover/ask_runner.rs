//! Asks a runner that is about to commit to turn back, because only the runner itself may do that then.

use super::lease::{LOOKS, look_later, owned, owner_watched};
use super::{Drivers, Request, Takeover, TakeoverError};
use crate::journal::{self, Tail};
use crate::lease::{Control, Watch};
use crate::machine::Machine;
use crate::report::TakeoverNotice;
use crate::store::{Claim, Lease, LeaseError, LeftRequest, WaitingRequest};

/// A journal that is followed, and where it leads.
struct Followed {
    machine: Machine,
    tail: Tail,
}

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// Leaves the request for the runner of a rollout that is about to commit, and takes the lease as soon as its
    /// document says that the runner turned back, or stood still for as long as a lease lasts.
    pub(super) async fn ask_runner(&self, request: &Request) -> Result<Lease, TakeoverError<D::Refusal>> {
        let (rule, owner) = (&self.plan.target.rule, self.owner());
        let (mut watch, mut left) = (Watch::default(), None);
        let mut journal = self.follow().await;
        let mut taken =
            self.store.preempt(rule, Claim { rollout: self.id, owner: &owner }, &mut watch, &self.clock).await;
        for _ in 0..LOOKS {
            let Some(control) = owned(&taken) else { break };
            if self.has_committed(&mut journal).await {
                self.put_away(left).await;
                return Err(TakeoverError::Committed(self.id.clone()));
            }
            if left.is_none() {
                left = Some(self.leave(request, control).await?);
            }
            look_later(self.store, &watch, &self.clock).await;
            taken = self.store.preempt(rule, Claim { rollout: self.id, owner: &owner }, &mut watch, &self.clock).await;
        }
        self.put_away(left).await;
        Ok(taken?)
    }

    async fn leave(&self, request: &Request, control: &Control) -> Result<WaitingRequest, LeaseError> {
        let Request { request, reason } = request.clone();
        let (request, by, at) = (request.as_str().to_owned(), self.by.clone(), self.clock.now());
        let left = self.store.leave_word(self.id, LeftRequest { request, by, reason, at, approves: None }).await?;
        self.tell(&owner_watched(control, &self.clock, true));
        Ok(left)
    }

    /// What was left for the runner is for nobody after it. Where that fails, whoever drives the rollout hears it, and
    /// it changes nothing there.
    async fn put_away(&self, left: Option<WaitingRequest>) {
        if let Some(left) = left {
            let _ = self.store.request_is_done(&left).await;
        }
    }

    async fn follow(&self) -> Option<Followed> {
        let (tail, recorded) = Tail::open(self.store, self.id).await.ok()?;
        Some(Followed { machine: journal::replay(self.plan.clone(), &recorded.records), tail })
    }

    /// Whether the journal says that it is committed. One that cannot be read says nothing.
    async fn has_committed(&self, journal: &mut Option<Followed>) -> bool {
        let Some(Followed { machine, tail }) = journal else { return false };
        for record in tail.news(self.store, self.id).await.unwrap_or_default() {
            let _ = machine.apply(record.at, record.event);
        }
        machine.is_committed()
    }
}
