//! Takes the lease: for a successor once the owner fell silent, for an operator at once.

use std::time::Duration;

use super::{AskedAt, Drivers, Mark, Request, Runner, Takeover, TakeoverError};
use crate::cloud::Fence;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::name::RolloutId;
use crate::domain::safeguard::Beacon;
use crate::lease::{Control, LEASE, LeaseRefusal, Owner, Phase, Watch};
use crate::report::TakeoverNotice;
use crate::store::{Claim, Lease, LeaseError, Store, this_owner};

/// How long the store is waited for where the rule is enough to go on, in wall time: all its answers before the
/// question together, and the lease after it. The first write is then out within 5 s although the store is silent.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// How many looks at a silent owner's document are taken at most: a lease lasts 45 s, and a look is at least a tenth of
/// a second.
pub(super) const LOOKS: u32 = 600;

/// Until when the store is waited for.
#[derive(Debug)]
pub struct Patience<'a> {
    wall: &'a Clock,
    until: Timestamp,
}

impl<'a> Patience<'a> {
    /// From now on.
    pub fn new(wall: &'a Clock) -> Self {
        Self { wall, until: wall.now() + STORE_WITHIN }
    }

    /// An answer of the store, if it comes soon.
    pub async fn soon<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = self.wall.sleep_until(self.until) => None,
        }
    }
}

/// A lease that was just taken.
#[derive(Debug)]
pub struct Taken {
    pub(in crate::engine) lease: Lease,
    /// Whether the traffic went back before it.
    pub(in crate::engine) is_written: bool,
    /// Whether the rollout is over, and this is to finish what it left undone.
    pub(in crate::engine) tidies: bool,
}

impl Taken {
    /// Gives the lease back although the rollout is not over: the document's nonce from then on, where it could be
    /// written.
    pub async fn leave(mut self) -> Option<u64> {
        self.lease.hand_over().await.ok()?;
        Some(self.lease.held().control().nonce)
    }

    /// Whether the owner before was going back: then there is no other way.
    pub fn goes_back(&self) -> bool {
        self.lease.held().control().goes_back()
    }

    /// Whether the traffic is to go back before anything else. Past the commit there is no way back: its owner is
    /// gone, and what is left is to finish.
    pub(super) fn awaits_first_write(&self) -> bool {
        self.lease.held().control().phase != Phase::Committing && !self.is_written
    }
}

/// What a lease that was just taken lets be sent: whoever is frozen before the first write finds, when it thaws, that
/// somebody else may decide.
pub(super) fn fence(lease: &Lease, clock: &Clock) -> Fence {
    let fence = Fence::new(clock.clone());
    fence.renewed(lease.held().send_until(), lease.held().sure_until());
    fence
}

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// The lease of a rollout whose owner is silent. An owner who may live is watched for as long as a lease lasts.
    ///
    /// # Errors
    /// When the owner lives, the rollout is over, or the store cannot be used.
    pub async fn succeed(&self) -> Result<Taken, LeaseError> {
        let (rule, owner) = (&self.plan.target.rule, self.owner());
        let (mut watch, mut first) = (Watch::default(), None);
        let mut taken =
            self.store.take_over(rule, Claim { rollout: self.id, owner: &owner }, &mut watch, &self.clock).await;
        for _ in 0..LOOKS {
            let Some(control) = owned(&taken).filter(|control| first.is_none_or(|first| first == control.nonce)) else {
                break;
            };
            if first.replace(control.nonce).is_none() {
                self.tell(&owner_watched(control, &self.clock, false));
            }
            look_later(self.store, &watch, &self.clock).await;
            taken =
                self.store.take_over(rule, Claim { rollout: self.id, owner: &owner }, &mut watch, &self.clock).await;
        }
        Ok(Taken { lease: taken?, is_written: false, tidies: false })
    }

    /// Takes the lease for the way back, whoever has it; one who is about to commit is asked to turn back first. Where
    /// the store is silent the weights are written first: the way back needs no lease, but only the rule's tags say by
    /// then whether there is a way back.
    ///
    /// # Errors
    /// When the rollout is over, is committed by an owner who lives, or the store fails.
    pub async fn preempt(&self, asked: &AskedAt, request: &Request) -> Result<Taken, TakeoverError<D::Refusal>> {
        let (rule, owner) = (&self.plan.target.rule, self.owner());
        let (mut watch, mut is_written) = (Watch::default(), false);
        let mut taking = std::pin::pin!(self.store.preempt(
            rule,
            Claim { rollout: self.id, owner: &owner },
            &mut watch,
            &self.clock
        ));
        let taken = match Patience::new(&asked.wall).soon(&mut taking).await {
            Some(taken) => taken,
            None => {
                self.tell(&TakeoverNotice::StoreSilent);
                is_written = self.write_unleased(asked).await;
                taking.await
            }
        };
        let taken = match taken {
            refused if owned(&refused).is_some() => {
                let lease = self.ask_runner(request).await?;
                return Ok(Taken { lease, is_written, tidies: false });
            }
            taken => taken,
        };
        match taken {
            Ok(lease) => Ok(Taken { lease, is_written, tidies: false }),
            Err(error) if error.is_nonsense() || matches!(error, LeaseError::Store(_)) => {
                is_written = is_written || self.write_unleased(asked).await;
                Err(TakeoverError::Unleased { id: self.id.clone(), error, is_written })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        this_owner(self.by.clone(), &self.clock)
    }

    /// Writes the weights without a lease, unless the rule's tags forbid it. True once that was tried.
    async fn write_unleased(&self, asked: &AskedAt) -> bool {
        if self.drivers.mark(self.plan).await.is_some_and(|mark| closes(&mark, self.id)) {
            return false;
        }
        self.first_write(Runner::unleased(self.id, &self.clock), asked).await;
        true
    }
}

/// That the owner is watched, for people.
pub(in crate::engine) fn owner_watched(control: &Control, clock: &Clock, commits: bool) -> TakeoverNotice {
    let by = control.owner.as_ref().map_or_else(|| "nobody".to_owned(), |owner| owner.by.clone());
    TakeoverNotice::OwnerWatched { by, at_most: LEASE.div_f64(clock.speed()), commits }
}

/// Waits until the owner's document is worth another look.
pub(in crate::engine) async fn look_later(store: &Store, watch: &Watch, clock: &Clock) {
    let now = clock.now();
    let pause = store.between_looks().mul_f64(clock.speed()).min(watch.patience(now));
    clock.sleep_until(now + pause.max(Duration::from_millis(1))).await;
}

/// The document of an owner who may live.
pub(super) fn owned(taken: &Result<Lease, LeaseError>) -> Option<&Control> {
    match taken {
        Err(LeaseError::Refused { refusal, .. }) => match &**refusal {
            LeaseRefusal::Owned(control) | LeaseRefusal::Committing(control) => Some(control),
            LeaseRefusal::UnderWay(_) | LeaseRefusal::Over(_) | LeaseRefusal::Another(_) => None,
        },
        _ => None,
    }
}

/// Whether tags forbid to take a rollout back without its lease: it is committed, or another one moves the rule by
/// now, whose candidate may be what was stable before.
fn closes(mark: &Mark, id: &RolloutId) -> bool {
    mark.phase == Beacon::Committed || mark.rollout != id.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_lease_nothing_is_written_over_another_rollout_or_a_commit() {
        let id = RolloutId::parse("web-1").unwrap();
        for (rollout, phase, forbids) in [
            ("web-1", Beacon::Active, false),
            ("web-1", Beacon::Aborting, false),
            ("web-1", Beacon::Committed, true),
            ("web-2", Beacon::Active, true),
        ] {
            assert_eq!(closes(&Mark { rollout: rollout.into(), phase }, &id), forbids, "{rollout}, {phase:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_write_is_not_sent_when_others_may_have_taken_over_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().to_owned()).unwrap();
        let start = Timestamp::from_millis(1_795_442_709_000);
        let clock = Clock::starting_at(start, 1.0);
        let owner = Owner { by: "ana@laptop".into(), process: String::new(), since: start };
        let id = RolloutId::parse("web-1").unwrap();
        let lease = store
            .preempt("arn:rule", Claim { rollout: &id, owner: &owner }, &mut Watch::default(), &clock)
            .await
            .unwrap();
        let fence = fence(&lease, &clock);
        fence.decide(false);
        assert_eq!(fence.check(), Ok(()));
        // Frozen, and thawed when a lease's time is over; what it decides then is decided now.
        clock.sleep_until(start + Duration::from_secs(46)).await;
        fence.decide(false);
        assert!(fence.check().is_err());
    }
}
