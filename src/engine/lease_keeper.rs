//! Keeps the lease while a rollout is driven: renews it, says how far the rollout is, and notices when
//! somebody else decides.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::cloud::Fence;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fault::{Fault, FaultKind};
use crate::lease::{Control, HEARTBEAT, LEASE, Phase};
use crate::store::{Lease, LeaseError};

/// Before a renewal that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long a renewal is waited for that was asked for out of turn: what waits for it is a way back.
const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// The lease keeper of one rollout's lease.
#[derive(Debug)]
pub struct LeaseKeeper {
    lease: tokio::sync::Mutex<Lease>,
    fence: Fence,
    epoch: u64,
    clock: Clock,
    back: AtomicBool,
    phase: Mutex<Phase>,
    fenced: watch::Sender<Option<Control>>,
    /// Asks for a renewal before its time.
    hurry: Notify,
    /// How many renewals were answered, or failed.
    renewals: watch::Sender<u64>,
}

impl LeaseKeeper {
    /// The lease keeper of a lease that was just taken; what may be sent because of it is told to `fence`.
    pub fn new(lease: Lease, fence: Fence, clock: Clock) -> Self {
        let (phase, epoch) = (lease.held().control().phase, lease.held().control().epoch);
        let (fenced, _) = watch::channel(None);
        let keeper = Self {
            lease: tokio::sync::Mutex::new(lease),
            fence,
            epoch,
            clock,
            back: AtomicBool::new(phase == Phase::Aborting),
            phase: Mutex::new(phase),
            fenced,
            hurry: Notify::new(),
            renewals: watch::channel(0).0,
        };
        if let Ok(lease) = keeper.lease.try_lock() {
            keeper.extend(&lease);
        }
        keeper
    }

    /// What the lease lets be sent.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Which owner of the rule this one is.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    fn extend(&self, lease: &Lease) {
        let until = lease.held().send_until();
        self.fence.renewed(until, lease.held().sure_until());
    }

    /// Renews the lease for as long as it is polled; returns once somebody else decides.
    pub async fn keep(&self) {
        let mut pause = HEARTBEAT;
        // Bounded by the rollout: whoever polls it lets go of it at the end.
        loop {
            tokio::select! {
                biased;
                () = self.hurry.notified() => {}
                () = self.clock.sleep_until(self.clock.now() + pause) => {}
            }
            match self.renew(None).await {
                Ok(()) => pause = HEARTBEAT,
                Err(LeaseError::Fenced(_)) => return,
                Err(_) => pause = RETRY,
            }
        }
    }

    async fn renew(&self, wanted: Option<Phase>) -> Result<(), LeaseError> {
        let mut lease = self.lease.lock().await;
        let phase = self.phase(wanted);
        let asked = self.clock.now();
        let renewed = lease.renew(phase).await;
        self.heard(&lease, &renewed, asked);
        renewed
    }

    /// What a renewal came to, for the fence and for the loop.
    fn heard(&self, lease: &Lease, renewed: &Result<(), LeaseError>, asked: Timestamp) {
        match renewed {
            Ok(()) => self.extend(lease),
            Err(LeaseError::Fenced(control)) => {
                self.fence.close();
                self.fenced.send_replace(Some((**control).clone()));
            }
            Err(_) => self.fence.is_blind(asked),
        }
        self.renewals.send_modify(|count| *count += 1);
    }

    fn phase(&self, wanted: Option<Phase>) -> Phase {
        let mut phase = self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.back.load(Ordering::SeqCst) {
            *phase = Phase::Aborting;
        }
        if let Some(wanted) = wanted {
            *phase = wanted;
        }
        *phase
    }

    /// The rollout goes back; the next renewal says so. It is due at once where nobody may take the rollout back before
    /// the document says so.
    pub fn goes_back(&self) {
        let is_news = !self.back.swap(true, Ordering::SeqCst);
        let phase = *self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if is_news && phase == Phase::Committing {
            self.hurry.notify_one();
        }
    }

    /// Says in the document that the rollout is about to commit: from then on nobody preempts it.
    ///
    /// # Errors
    /// When that is not written: then it must not commit.
    pub async fn commits(&self) -> Result<(), Fault> {
        match self.renew(Some(Phase::Committing)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.phase(Some(Phase::Active));
                Err(Fault::new(FaultKind::Transient, "renew the lease", error.to_string()))
            }
        }
    }

    /// Gives the lease back: the rollout is over, or somebody else may go on with it.
    ///
    /// # Errors
    /// When the store does not take it; it runs out by itself then.
    pub async fn release(&self, over: bool) -> Result<(), LeaseError> {
        if over {
            return self.renew(Some(Phase::Over)).await;
        }
        let mut lease = self.lease.lock().await;
        lease.hand_over().await
    }

    /// Who decides instead of us, as `user@host (epoch 2)`; returns once somebody does.
    pub async fn fenced(&self) -> String {
        let mut fenced = self.fenced.subscribe();
        match fenced.wait_for(Option::is_some).await {
            Ok(found) => found.as_ref().map(named).unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Who decides instead of us by now, as far as the store says it soon: the lease is renewed before its time.
    pub async fn overruled(&self) -> Option<String> {
        let mut renewals = self.renewals.subscribe();
        let late = self.clock.now() + ASKED_WITHIN;
        self.hurry.notify_one();
        tokio::select! {
            biased;
            _ = renewals.changed() => self.fenced.borrow().as_ref().map(named),
            () = self.clock.sleep_until(late) => None,
        }
    }

    /// Somebody else writes the journal: nothing is sent any more. Who decides instead of us, if the store tells it
    /// within a lease's time.
    pub async fn successor(&self) -> Option<String> {
        self.fence.close();
        let late = self.clock.now() + LEASE;
        tokio::select! {
            biased;
            renewed = self.renew(None) => match renewed {
                Err(LeaseError::Fenced(control)) => Some(named(&control)),
                _ => None,
            },
            () = self.clock.sleep_until(late) => None,
        }
    }
}

fn named(control: &Control) -> String {
    let by = control.owner.as_ref().map_or("somebody", |owner| &owner.by);
    format!("{by} (epoch {})", control.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::RolloutId;
    use crate::lease::{Owner, Watch};
    use crate::store::{Claim, Store};

    const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);
    const RULE: &str = "arn:rule";

    fn owner(by: &str) -> Owner {
        Owner { by: by.into(), process: String::new(), since: START }
    }

    #[tokio::test(start_paused = true)]
    async fn who_took_over_is_known_as_soon_as_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().join("tidegate")).unwrap();
        let (clock, web) = (Clock::starting_at(START, 1.0), RolloutId::parse("web-1").unwrap());
        let lease = store.begin(RULE, &[], Claim { rollout: &web, owner: &owner("ana") }, &clock).await.unwrap();
        let keeper = LeaseKeeper::new(lease, Fence::new(clock.clone()), clock.clone());
        let asked = async {
            assert_eq!(keeper.overruled().await, None, "nobody has taken over");
            store
                .preempt(RULE, Claim { rollout: &web, owner: &owner("ben") }, &mut Watch::default(), &clock)
                .await
                .unwrap();
            let since = clock.now();
            (keeper.overruled().await, clock.now().since(since))
        };
        let (by, took) = tokio::select! {
            // It ends when it is fenced, and the answer may be a moment behind.
            biased;
            answer = asked => answer,
            () = async { keeper.keep().await; std::future::pending().await } => unreachable!("it never ends"),
        };
        assert_eq!(by.as_deref(), Some("ben (epoch 2)"));
        assert!(took < ASKED_WITHIN, "it took {took:?}");
    }
}
