//! Sends a call again while no answer comes, for calls that may arrive twice; the first success is the answer.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fault::{Fault, FaultKind};

/// How a call is sent again, in wall time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two attempts.
    pub every: Duration,
    /// How many attempts may be without an answer.
    pub most: usize,
    /// For how long new attempts are sent.
    pub lasts: Duration,
}

/// What came of a hedge.
pub(super) struct Fired<T> {
    /// The first success; without one a fault, unknown if any attempt's was.
    pub answer: Result<T, Fault>,
    /// Whether an attempt ended that may have arrived nevertheless.
    pub unknown: bool,
    /// Attempts that are not answered yet.
    pub rest: JoinSet<Result<T, Fault>>,
}

/// A hedge under way.
struct Hedge<T> {
    flying: JoinSet<Result<T, Fault>>,
    unknown: Option<Fault>,
    last: Option<Fault>,
}

/// Sends a call, and again at every beat while fewer than the most are without an answer. What fails for now is sent
/// again at the next beat; a refusal for good stops the sending while others are still out, and ends it with the
/// last of them.
pub(super) async fn hedge<T, F>(clock: &Clock, pace: Pace, call: impl Fn() -> F) -> Fired<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let (every, lasts) = (pace.every.mul_f64(clock.speed()), pace.lasts.mul_f64(clock.speed()));
    let (mut due, end) = (clock.now(), clock.now() + lasts);
    let mut hedge = Hedge { flying: JoinSet::new(), unknown: None, last: None };
    loop {
        let now = clock.now();
        let sends = now < end && !hedge.is_refused();
        if sends && now >= due && hedge.flying.len() < pace.most {
            hedge.flying.spawn(call());
            due = now + every;
        }
        if hedge.flying.is_empty() && !sends {
            return hedge.without_success();
        }
        if let Some(answer) = hedge.next(clock, (sends && hedge.flying.len() < pace.most).then_some(due)).await {
            return Fired { answer: Ok(answer), unknown: hedge.unknown.is_some(), rest: hedge.flying };
        }
    }
}

impl<T: Send + 'static> Hedge<T> {
    /// Waits for an attempt to end, or until the next is due; gives the success.
    async fn next(&mut self, clock: &Clock, due: Option<Timestamp>) -> Option<T> {
        let beat = async {
            match due {
                Some(due) => clock.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(ended) = self.flying.join_next() => match ended {
                Ok(Ok(answer)) => Some(answer),
                Ok(Err(fault)) => self.failed(fault),
                Err(error) => self.failed(Fault::new(FaultKind::Unknown, "call", error.to_string())),
            },
            () = beat => None,
        }
    }

    fn failed(&mut self, fault: Fault) -> Option<T> {
        if fault.kind == FaultKind::Unknown {
            self.unknown = Some(fault.clone());
        }
        self.last = Some(fault);
        None
    }

    /// Whether the last attempt that ended was refused for good.
    fn is_refused(&self) -> bool {
        self.last.as_ref().is_some_and(|fault| fault.kind.is_lasting())
    }

    fn without_success(self) -> Fired<T> {
        let none = || Fault::new(FaultKind::Transient, "call", "there was no time to send it");
        let unknown = self.unknown.is_some();
        Fired { answer: Err(self.unknown.or(self.last).unwrap_or_else(none)), unknown, rest: self.flying }
    }
}

impl<T: Send + 'static> Fired<T> {
    /// Waits for the attempts without an answer, but not longer than `patience` of wall time, and then lets them go
    /// on by themselves. Whether one of all attempts may still arrive.
    pub(super) async fn may_still_arrive(mut self, clock: &Clock, patience: Duration) -> bool {
        let until = clock.now() + patience.mul_f64(clock.speed());
        let ended = async {
            let mut unknown = self.unknown;
            while let Some(ended) = self.rest.join_next().await {
                unknown |=
                    !matches!(ended, Ok(Ok(_))) && !matches!(ended, Ok(Err(fault)) if fault.kind != FaultKind::Unknown);
            }
            unknown
        };
        let unknown = tokio::select! {
            biased;
            unknown = ended => unknown,
            () = clock.sleep_until(until) => true,
        };
        self.rest.detach_all();
        unknown
    }
}
