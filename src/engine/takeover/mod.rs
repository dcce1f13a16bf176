//! Takes a rollout over, from wherever one is: the lease, the traffic where it goes back, then the journal.
//!
//! The way back is short. The stable-only weights are written as soon as the lease is taken, before anything is read
//! from the journal; where the store is silent they are written without the lease. What follows asks for the same
//! again, so nothing depends on that first write. The owner before is not asked: it notices that somebody else
//! decides, and stops.

mod ask_runner;
mod first_write;
mod go_on;
mod journal;
mod lease;
mod scale_first;
mod tags;
#[cfg(test)]
mod tests;
mod tidy;

use std::future::Future;

pub use go_on::Going;
pub use journal::JournalOrNone;
pub use lease::{Patience, Taken};
pub(super) use lease::{look_later, owner_watched};
pub use tags::{ByTags, back_by_tags};

use crate::cloud::{Cloud, Fence};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::name::RolloutId;
use crate::domain::safeguard::Beacon;
use crate::journal::{JournalError, Recorded};
use crate::machine::{Machine, OperatorRequest};
use crate::plan::Plan;
use crate::report::TakeoverNotice;
use crate::store::{LeaseError, Store, StoreError};

/// Where the drivers of a takeover come from. It connects anew for each, so that no part waits for another's.
pub trait Drivers {
    /// What moves the rollout's traffic.
    type Driver: Cloud;
    /// Why a rollout cannot go forward here.
    type Refusal;

    /// A driver for the way back, which needs nothing but the plan.
    fn back(&self, plan: &Plan, runner: Runner<'_>) -> impl Future<Output = Self::Driver>;

    /// A driver for the way forward from where the journal leads, with what is still to be registered. It is asked for
    /// before the journal is written.
    fn forward(
        &self,
        recorded: &Recorded,
        machine: &Machine,
        runner: Runner<'_>,
    ) -> impl Future<Output = Result<Self::Driver, Self::Refusal>>;

    /// What the rule's tags say of who moves it; `None` where they say nothing, or cannot be read.
    fn mark(&self, plan: &Plan) -> impl Future<Output = Option<Mark>>;
}

/// For which of a rollout's runners a driver is.
#[derive(Clone, Debug)]
pub struct Runner<'a> {
    /// The rollout.
    pub id: &'a RolloutId,
    /// Which owner of the rule it is; 0 where it has no lease.
    pub epoch: u64,
    /// What time it is there.
    pub clock: Clock,
    /// What is asked before a write is sent.
    pub fence: Fence,
}

impl<'a> Runner<'a> {
    /// Somebody without a lease: who reads, or goes back although the store is silent.
    pub fn unleased(id: &'a RolloutId, clock: &Clock) -> Self {
        Self { id, epoch: 0, clock: clock.clone(), fence: Fence::default() }
    }
}

/// What a rule's tags say of the rollout that moves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The rollout's id.
    pub rollout: String,
    /// How far it is.
    pub phase: Beacon,
}

/// What is asked of a rollout as it is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request.
    pub request: OperatorRequest,
    /// Why.
    pub reason: Option<String>,
}

/// When a way back was asked for. People wait in wall time, whatever clock the rollout follows.
#[derive(Clone, Debug)]
pub struct AskedAt {
    /// The clock that people wait by.
    pub wall: Clock,
    /// When, by that clock.
    pub at: Timestamp,
}

impl AskedAt {
    /// Now.
    pub fn now() -> Self {
        let wall = Clock::wall();
        Self { at: wall.now(), wall }
    }
}

/// A rollout that somebody takes over.
#[derive(Debug)]
pub struct Takeover<'a, D, N> {
    /// Where its lease and its journal are.
    pub store: &'a Store,
    /// The rollout.
    pub id: &'a RolloutId,
    /// Its plan, as the journal's header has it.
    pub plan: &'a Plan,
    /// Who takes it over, as `user@host`.
    pub by: String,
    /// What time it is for the rollout.
    pub clock: Clock,
    /// Where its drivers come from.
    pub drivers: D,
    /// Who is told how it goes.
    pub tell: N,
}

/// Why a rollout was not taken over.
#[derive(Debug)]
pub enum TakeoverError<R> {
    /// The lease cannot be had, or was lost again.
    Lease(LeaseError),
    /// The store failed before there was a lease.
    Unleased {
        /// The rollout.
        id: RolloutId,
        /// What the store said, or what its document says that means nothing.
        error: LeaseError,
        /// Whether the weights were written all the same. By the rule's tags they must not be once the rollout is
        /// committed, or another one moves the rule.
        is_written: bool,
    },
    /// The journal cannot be read or written.
    Journal(JournalError),
    /// The journal is damaged, or was, so that it leads back only.
    OnlyBack {
        /// The rollout.
        id: RolloutId,
        /// What is wrong with it now.
        error: Option<JournalError>,
    },
    /// It is committed, and its runner lives: going back is a new rollout.
    Committed(RolloutId),
    /// It is over, and what it left undone is not to be touched any more.
    Untidy {
        /// The rollout.
        id: RolloutId,
        /// Why not.
        why: String,
    },
    /// The runner before keeps writing the journal.
    Restless(RolloutId),
    /// There is no driver for the way forward.
    Refused(R),
}

impl<R> From<LeaseError> for TakeoverError<R> {
    fn from(error: LeaseError) -> Self {
        Self::Lease(error)
    }
}

impl<R> From<JournalError> for TakeoverError<R> {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl<R> From<StoreError> for TakeoverError<R> {
    fn from(error: StoreError) -> Self {
        Self::Lease(error.into())
    }
}

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// Takes the rollout back, whoever drives it, and goes on with it. `scales` gives the stable slot its tasks before
    /// the traffic.
    ///
    /// # Errors
    /// When it cannot be taken back, or somebody else takes it over meanwhile.
    pub async fn take_back(
        &self,
        asked: &AskedAt,
        scales: bool,
        request: Request,
    ) -> Result<Going<D::Driver>, TakeoverError<D::Refusal>> {
        let mut taken = self.preempt(asked, &request).await?;
        if scales && taken.awaits_first_write() {
            self.scale_first(&mut taken.lease).await?;
        }
        self.go_back(taken, asked, request).await
    }

    /// Goes back with a rollout under a lease that was just taken: traffic first.
    ///
    /// # Errors
    /// When its journal cannot be taken over.
    pub async fn go_back(
        &self,
        taken: Taken,
        asked: &AskedAt,
        request: Request,
    ) -> Result<Going<D::Driver>, TakeoverError<D::Refusal>> {
        if taken.awaits_first_write() {
            let (epoch, fence) = (taken.lease.held().control().epoch, lease::fence(&taken.lease, &self.clock));
            self.first_write(Runner { id: self.id, epoch, clock: self.clock.clone(), fence }, asked).await;
        }
        self.go_on(taken, Some(request), None).await
    }

    fn tell(&self, notice: &TakeoverNotice) {
        (self.tell)(notice);
    }
}
