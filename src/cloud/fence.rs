//! The last check before a write leaves this machine: whether it is still the one to send it.
//!
//! A process can be frozen between deciding and sending, for minutes, and thaw when somebody else has long since
//! taken over. So the question is asked again after the request is signed, right before it is sent, on a clock
//! that counts suspended time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::clock::{Clock, Timestamp};
use crate::lease::SEND_WITHIN;

/// Why a write was not sent. Nothing has happened because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It was decided too long ago.
    #[error("not sent: it was decided too long ago")]
    Late,
    /// The lease was not renewed for too long to go forward.
    #[error("not sent: the lease was not renewed in time")]
    Unrenewed,
    /// Somebody else may have taken over, and nobody has looked yet.
    #[error("not sent: somebody else may have taken over")]
    Unsure,
}

/// What a lease lets be sent, shared by who renews it and who writes.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Unset where there is no lease: then everything is sent.
    clock: OnceLock<Clock>,
    forward_until: AtomicU64,
    sure_until: AtomicU64,
    decided: AtomicU64,
    forward: AtomicBool,
    /// The store does not answer: going back is open all the same.
    blind: AtomicBool,
}

impl Fence {
    /// A fence for a lease that is measured on `clock`. It lets nothing forward before [`Fence::renewed`].
    pub fn new(clock: Clock) -> Self {
        let fence = Self::default();
        let _ = fence.0.clock.set(clock);
        fence
    }

    /// The lease is good: forward until then, and surely ours until then.
    pub fn renewed(&self, forward_until: Timestamp, sure_until: Timestamp) {
        self.0.forward_until.store(forward_until.as_millis(), Ordering::SeqCst);
        self.0.sure_until.store(sure_until.as_millis(), Ordering::SeqCst);
        self.0.blind.store(false, Ordering::SeqCst);
    }

    /// The store does not answer.
    pub fn is_blind(&self) {
        self.0.blind.store(true, Ordering::SeqCst);
    }

    /// A write is decided now; `forward` unless it takes traffic back or restores what was.
    pub fn decide(&self, forward: bool) {
        if let Some(clock) = self.0.clock.get() {
            self.0.decided.store(clock.now().as_millis(), Ordering::SeqCst);
            self.0.forward.store(forward, Ordering::SeqCst);
        }
    }

    /// Whether the write that was decided last may be sent now.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self) -> Result<(), NotSent> {
        let Some(clock) = self.0.clock.get() else { return Ok(()) };
        let now = clock.now();
        let at = |moment: &AtomicU64| Timestamp::from_millis(moment.load(Ordering::SeqCst));
        let forward = self.0.forward.load(Ordering::SeqCst);
        if now > at(&self.0.decided) + SEND_WITHIN {
            return Err(NotSent::Late);
        }
        if forward && now > at(&self.0.forward_until) {
            return Err(NotSent::Unrenewed);
        }
        if !forward && now > at(&self.0.sure_until) && !self.0.blind.load(Ordering::SeqCst) {
            return Err(NotSent::Unsure);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    async fn pass(clock: &Clock, seconds: u64) {
        clock.sleep_until(clock.now() + Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_waited_too_long_is_not_sent() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        let soon = START + Duration::from_secs(1000);
        fence.renewed(soon, soon);
        fence.decide(true);
        pass(&clock, 15).await;
        assert_eq!(fence.check(), Ok(()));
        pass(&clock, 1).await;
        assert_eq!(fence.check(), Err(NotSent::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_lease_closes_forward_first_and_then_back_until_somebody_looked() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        let may = |forward| {
            fence.decide(forward);
            fence.check()
        };
        assert_eq!(may(true), Err(NotSent::Unrenewed));
        fence.renewed(START + Duration::from_secs(15), START + Duration::from_secs(45));
        assert_eq!((may(true), may(false)), (Ok(()), Ok(())));
        pass(&clock, 16).await;
        assert_eq!((may(true), may(false)), (Err(NotSent::Unrenewed), Ok(())));
        pass(&clock, 30).await;
        assert_eq!(may(false), Err(NotSent::Unsure));
        fence.is_blind();
        assert_eq!((may(true), may(false)), (Err(NotSent::Unrenewed), Ok(())));
    }

    #[test]
    fn without_a_lease_everything_is_sent() {
        let fence = Fence::default();
        fence.decide(true);
        assert_eq!(fence.check(), Ok(()));
    }
}
