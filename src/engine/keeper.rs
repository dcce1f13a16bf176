//! Keeps the lease while a rollout is driven: renews it, says how far the rollout is, and notices when
//! somebody else decides.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::cloud::Fence;
use crate::fault::{Fault, FaultKind};
use crate::lease::{Control, HEARTBEAT, LEASE, Phase};
use crate::store::{Lease, LeaseError};

/// Before a renewal that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// The keeper of one rollout's lease.
#[derive(Debug)]
pub struct Keeper {
    lease: tokio::sync::Mutex<Lease>,
    fence: Fence,
    epoch: u64,
    clock: Clock,
    back: AtomicBool,
    phase: Mutex<Phase>,
    fenced: watch::Sender<Option<Control>>,
}

impl Keeper {
    /// The keeper of a lease that was just taken; what may be sent because of it is told to `fence`.
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
            self.clock.sleep_until(self.clock.now() + pause).await;
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

    /// The rollout goes back; the next renewal says so.
    pub fn goes_back(&self) {
        self.back.store(true, Ordering::SeqCst);
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

    /// Somebody else writes the tape: nothing is sent any more. Who decides instead of us, if the store tells it
    /// within a lease's time.
    pub async fn successor(&self) -> Option<String> {
        self.fence.close();
        let late = self.clock.now() + LEASE;
        tokio::select! {
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
