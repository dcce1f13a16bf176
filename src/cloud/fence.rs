//! The last check before a write leaves this machine: whether it is still the one to send it.
//!
//! A process can be frozen between deciding and sending, for minutes, and thaw when somebody else has long since
//! taken over. So the question is asked again after the request is signed, right before it is sent, on a clock
//! that counts suspended time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::domain::clock::{Clock, Timestamp};
use crate::lease::SEND_WITHIN;

/// How long after the beginning of a call that failed the store is taken not to answer: longer than a call with its
/// tries takes, so that one who keeps trying may go back, and one who was frozen meanwhile asks first.
const BLIND_FOR: Duration = Duration::from_secs(90);

/// Why a write was not sent. Nothing has happened because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It was decided too long ago.
    #[error("not sent: it was decided too long ago")]
    Late,
    /// What it rests on was read too long ago.
    #[error("not sent: what it rests on was read too long ago")]
    Old,
    /// The lease was not renewed for too long to go forward.
    #[error("not sent: the lease was not renewed in time")]
    Unrenewed,
    /// Somebody else may have taken over, and nobody has looked yet.
    #[error("not sent: somebody else may have taken over")]
    Unsure,
    /// Somebody else has taken over.
    #[error("not sent: somebody else has taken over")]
    Fenced,
}

/// What was decided last, and what the lease lets be sent: the rules of the fence, for one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// When the write was decided.
    pub decided: Timestamp,
    /// Whether it goes forward.
    pub forward: bool,
    /// The last moment at which it may be sent, where it rests on a read.
    pub by: Option<Timestamp>,
    /// The last moment at which a forward write may be sent.
    pub forward_until: Timestamp,
    /// The last moment at which nobody else can believe the lease over.
    pub sure_until: Timestamp,
    /// Until when the store is taken not to answer: going back is open then without a sure lease.
    pub blind_until: Timestamp,
    /// Whether somebody else is known to decide.
    pub closed: bool,
}

impl Pass {
    /// Until when going back is open because the store failed a call that was begun at `asked`.
    pub fn blind_by(&self, asked: Timestamp) -> Option<Timestamp> {
        (asked <= self.sure_until.max(self.blind_until)).then_some(asked + BLIND_FOR)
    }

    /// Whether the write may be sent at `now`.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, now: Timestamp) -> Result<(), NotSent> {
        if self.closed {
            return Err(NotSent::Fenced);
        }
        if now > self.decided + SEND_WITHIN {
            return Err(NotSent::Late);
        }
        if self.by.is_some_and(|by| now > by) {
            return Err(NotSent::Old);
        }
        if self.forward && now > self.forward_until {
            return Err(NotSent::Unrenewed);
        }
        if !self.forward && now > self.sure_until.max(self.blind_until) {
            return Err(NotSent::Unsure);
        }
        Ok(())
    }
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
    /// How old, in milliseconds, what is decided now is already.
    waited: AtomicU64,
    decided: AtomicU64,
    /// Zero where it rests on no read.
    by: AtomicU64,
    forward: AtomicBool,
    /// The store does not answer: going back is open all the same.
    blind_until: AtomicU64,
    closed: AtomicBool,
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
        self.0.blind_until.store(0, Ordering::SeqCst);
    }

    /// The store failed a call that was begun at `asked`. That matters only as long as it has failed ever since the
    /// lease was sure: whoever was frozen in between cannot know who decides.
    pub fn is_blind(&self, asked: Timestamp) {
        if let Some(until) = self.pass().blind_by(asked) {
            self.0.blind_until.store(until.as_millis(), Ordering::SeqCst);
        }
    }

    /// Somebody else decides: nothing is sent any more, not even what was decided before.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }

    /// What is asked for next was decided so long ago: the journal was waited for.
    pub fn waited(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.0.waited.store(millis, Ordering::SeqCst);
    }

    /// A write is decided now, and one that goes forward when its reason was; `forward` unless it takes traffic back or restores what was.
    pub fn decide(&self, forward: bool) {
        self.decide_by(forward, None, Timestamp::default());
    }

    /// The same of a write that rests on a read, which is old after `by`. That is a moment of the rollout's own clock, which
    /// says `now` and may be ahead of this machine's: one who took a rollout over goes on in the time of its journal.
    pub fn decide_by(&self, forward: bool, by: Option<Timestamp>, now: Timestamp) {
        if let Some(clock) = self.0.clock.get() {
            let waited = if forward { self.0.waited.load(Ordering::SeqCst) } else { 0 };
            self.0.decided.store(clock.now().as_millis().saturating_sub(waited), Ordering::SeqCst);
            let here = by.map(|by| clock.now().before(now.since(by)) + by.since(now));
            self.0.by.store(here.map_or(0, Timestamp::as_millis), Ordering::SeqCst);
            self.0.forward.store(forward, Ordering::SeqCst);
        }
    }

    /// Whether the write that was decided last may be sent now.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self) -> Result<(), NotSent> {
        let Some(clock) = self.0.clock.get() else { return Ok(()) };
        self.pass().check(clock.now())
    }

    fn pass(&self) -> Pass {
        let at = |moment: &AtomicU64| Timestamp::from_millis(moment.load(Ordering::SeqCst));
        Pass {
            decided: at(&self.0.decided),
            forward: self.0.forward.load(Ordering::SeqCst),
            by: Some(at(&self.0.by)).filter(|by| *by > Timestamp::default()),
            forward_until: at(&self.0.forward_until),
            sure_until: at(&self.0.sure_until),
            blind_until: at(&self.0.blind_until),
            closed: self.0.closed.load(Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
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
    async fn a_write_does_not_leave_on_an_old_read() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        let soon = START + Duration::from_secs(1000);
        fence.renewed(soon, soon);
        // The rollout's clock is an hour ahead.
        let theirs = START + Duration::from_secs(3600);
        fence.decide_by(true, Some(theirs + Duration::from_secs(4)), theirs);
        pass(&clock, 4).await;
        assert_eq!(fence.check(), Ok(()));
        pass(&clock, 1).await;
        assert_eq!(fence.check(), Err(NotSent::Old));
        fence.decide(true);
        assert_eq!(fence.check(), Ok(()), "what rests on no read is only as old as its reason");
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
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_while_the_lease_is_sure_leaves_the_way_back_open() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        let may = |forward| {
            fence.decide(forward);
            fence.check()
        };
        fence.renewed(START + Duration::from_secs(15), START + Duration::from_secs(45));
        for _ in 0..30 {
            pass(&clock, 12).await;
            fence.is_blind(clock.now());
        }
        assert_eq!((may(true), may(false)), (Err(NotSent::Unrenewed), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_frozen_does_not_go_back_on_an_old_failure_of_the_store() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        fence.renewed(START, START);
        fence.is_blind(clock.now());
        pass(&clock, BLIND_FOR.as_secs()).await;
        fence.decide(false);
        assert_eq!(fence.check(), Ok(()));
        pass(&clock, 1).await;
        fence.is_blind(clock.now());
        fence.decide(false);
        assert_eq!(fence.check(), Err(NotSent::Unsure));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forward_write_is_as_old_as_its_reason() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        fence.renewed(START + Duration::from_secs(1000), START + Duration::from_secs(1000));
        let may = |forward| {
            fence.decide(forward);
            fence.check()
        };
        fence.waited(SEND_WITHIN);
        assert_eq!((may(true), may(false)), (Ok(()), Ok(())));
        fence.waited(SEND_WITHIN + Duration::from_secs(1));
        assert_eq!((may(true), may(false)), (Err(NotSent::Late), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_once_somebody_else_decides() {
        let clock = Clock::starting_at(START, 1.0);
        let fence = Fence::new(clock.clone());
        let soon = START + Duration::from_secs(1000);
        fence.renewed(soon, soon);
        for forward in [true, false] {
            fence.decide(forward);
            assert_eq!(fence.check(), Ok(()));
        }
        fence.close();
        fence.is_blind(clock.now());
        assert_eq!(fence.check(), Err(NotSent::Fenced));
        fence.decide(false);
        assert_eq!(fence.check(), Err(NotSent::Fenced));
    }

    #[test]
    fn without_a_lease_everything_is_sent() {
        let fence = Fence::default();
        fence.decide(true);
        assert_eq!(fence.check(), Ok(()));
    }
}
