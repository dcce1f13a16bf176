//! Writes events down in their order, while the loop goes on. What the store fails to take is written again, with
//! growing pauses, for as long as the loop lives: there is never a later line without the ones before it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;

use super::ending::JournalSink;
use crate::domain::clock::{Clock, Timestamp};
use crate::journal::JournalError;
use crate::machine::Event;
use crate::store::StoreError;

/// Before a line that the store did not take is written again, in wall time; it doubles with each time in a row.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause: a store that answers again is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// One event to be written down.
struct Line {
    at: Timestamp,
    event: Event,
    /// Told once it is in the journal.
    journaled: Option<oneshot::Sender<()>>,
}

/// A write under way: it comes back with how that went.
type Writing<T> = Pin<Box<dyn Future<Output = (T, Result<(), JournalError>)> + Send>>;

/// What became of a try to write the next line.
#[derive(Debug)]
pub(super) enum Tried {
    /// It is in the journal.
    Written,
    /// The store did not take it, or did not say so; it is tried again.
    Failed(StoreError),
}

/// The journal, and what is still to be written on it. The queue is bounded by what one way back needs until
/// the traffic is back, and by what happens while a rollout may hold for its journal: otherwise the loop waits for it
/// to be empty.
pub(super) struct JournalWriter<T> {
    recorded: Option<T>,
    clock: Clock,
    /// The first is being written, if any is.
    queue: VecDeque<Line>,
    writing: Option<Writing<T>>,
    /// How often in a row the store failed, and when the next try is due.
    failures: u32,
    due: Timestamp,
}

impl<T: JournalSink> JournalWriter<T> {
    pub(super) fn new(recorded: T, clock: Clock) -> Self {
        let due = Timestamp::default();
        Self { recorded: Some(recorded), clock, queue: VecDeque::new(), writing: None, failures: 0, due }
    }

    /// Takes an event in; it is written by [`JournalWriter::next`].
    pub(super) fn write(&mut self, at: Timestamp, event: Event, journaled: Option<oneshot::Sender<()>>) {
        self.queue.push_back(Line { at, event, journaled });
    }

    /// Whether everything is in the journal.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Tries to write the next event down; it may be dropped at any time, and goes on when called again. Never returns
    /// when there is nothing to write.
    ///
    /// # Errors
    /// When the event is not in the journal, and never will be.
    pub(super) async fn next(&mut self) -> Result<Tried, JournalError> {
        if self.writing.is_none() {
            let Some(Line { at, event, .. }) = self.queue.front() else { return std::future::pending().await };
            let (at, event) = (*at, event.clone());
            self.clock.sleep_until(self.due).await;
            let Some(mut recorded) = self.recorded.take() else { return std::future::pending().await };
            self.writing = Some(Box::pin(async move {
                let written = recorded.append(at, &event).await;
                (recorded, written)
            }));
        }
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let (recorded, written) = writing.as_mut().await;
        self.writing = None;
        self.recorded = Some(recorded);
        match written {
            Ok(()) => {
                self.failures = 0;
                if let Some(journaled) = self.queue.pop_front().and_then(|line| line.journaled) {
                    let _ = journaled.send(());
                }
                Ok(Tried::Written)
            }
            Err(JournalError::Store(error)) => {
                let pause = PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
                self.failures += 1;
                self.due = self.clock.now() + pause.mul_f64(self.clock.speed());
                Ok(Tried::Failed(error))
            }
            Err(error) => Err(error),
        }
    }
}
