//! Writes events down in their order, while the loop goes on.

use std::collections::VecDeque;
use std::pin::Pin;

use tokio::sync::oneshot;

use super::JournalSink;
use crate::domain::clock::Timestamp;
use crate::journal::JournalError;
use crate::machine::Event;

/// One event to be written down.
struct Line {
    at: Timestamp,
    event: Event,
    /// Told once it is in the journal.
    journaled: Option<oneshot::Sender<()>>,
}

/// A journal writer at work: it comes back with how that went.
type Writing<T> = Pin<Box<dyn Future<Output = (T, Result<(), JournalError>)> + Send>>;

/// The journal, and what is still to be written on it. The queue is bounded by what one way back needs until
/// the traffic is back: otherwise the loop waits for it to be empty.
pub(super) struct JournalWriter<T> {
    recorded: Option<T>,
    queue: VecDeque<Line>,
    writing: Option<(Option<oneshot::Sender<()>>, Writing<T>)>,
}

impl<T: JournalSink> JournalWriter<T> {
    pub(super) fn new(recorded: T) -> Self {
        Self { recorded: Some(recorded), queue: VecDeque::new(), writing: None }
    }

    /// Takes an event in; it is written by [`JournalWriter::next`].
    pub(super) fn write(&mut self, at: Timestamp, event: Event, journaled: Option<oneshot::Sender<()>>) {
        self.queue.push_back(Line { at, event, journaled });
    }

    /// Whether everything is in the journal.
    pub(super) fn is_idle(&self) -> bool {
        self.writing.is_none() && self.queue.is_empty()
    }

    /// Writes the next event down; it may be dropped at any time, and goes on when called again. Never returns
    /// when there is nothing to write.
    ///
    /// # Errors
    /// When the event is not in the journal.
    pub(super) async fn next(&mut self) -> Result<(), JournalError> {
        if self.writing.is_none() {
            let Some((mut recorded, line)) =
                self.recorded.take_if(|_| !self.queue.is_empty()).zip(self.queue.pop_front())
            else {
                return std::future::pending().await;
            };
            let Line { at, event, journaled } = line;
            let writing = Box::pin(async move {
                let written = recorded.append(at, &event).await;
                (recorded, written)
            });
            self.writing = Some((journaled, writing));
        }
        let Some((journaled, writing)) = &mut self.writing else { return std::future::pending().await };
        let (recorded, written) = writing.as_mut().await;
        let journaled = journaled.take();
        self.writing = None;
        self.recorded = Some(recorded);
        written?;
        if let Some(journaled) = journaled {
            let _ = journaled.send(());
        }
        Ok(())
    }
}
