//! Writes events down in their order, while the loop goes on.

use std::collections::VecDeque;
use std::pin::Pin;

use tokio::sync::oneshot;

use super::TapeWriter;
use crate::domain::clock::Timestamp;
use crate::journal::JournalError;
use crate::machine::Event;

/// One event to be written down.
struct Line {
    at: Timestamp,
    event: Event,
    /// Told once it is on the tape.
    taped: Option<oneshot::Sender<()>>,
}

/// A tape writer at work: it comes back with how that went.
type Writing<T> = Pin<Box<dyn Future<Output = (T, Result<(), JournalError>)> + Send>>;

/// The tape, and what is still to be written on it. The queue is bounded by what one way back needs until
/// the traffic is back: otherwise the loop waits for it to be empty.
pub(super) struct Scribe<T> {
    tape: Option<T>,
    queue: VecDeque<Line>,
    writing: Option<(Option<oneshot::Sender<()>>, Writing<T>)>,
}

impl<T: TapeWriter> Scribe<T> {
    pub(super) fn new(tape: T) -> Self {
        Self { tape: Some(tape), queue: VecDeque::new(), writing: None }
    }

    /// Takes an event in; it is written by [`Scribe::next`].
    pub(super) fn write(&mut self, at: Timestamp, event: Event, taped: Option<oneshot::Sender<()>>) {
        self.queue.push_back(Line { at, event, taped });
    }

    /// Whether everything is on the tape.
    pub(super) fn is_idle(&self) -> bool {
        self.writing.is_none() && self.queue.is_empty()
    }

    /// Writes the next event down; it may be dropped at any time, and goes on when called again. Never returns
    /// when there is nothing to write.
    ///
    /// # Errors
    /// When the event is not on the tape.
    pub(super) async fn next(&mut self) -> Result<(), JournalError> {
        if self.writing.is_none() {
            let Some((mut tape, line)) = self.tape.take_if(|_| !self.queue.is_empty()).zip(self.queue.pop_front())
            else {
                return std::future::pending().await;
            };
            let Line { at, event, taped } = line;
            let writing = Box::pin(async move {
                let written = tape.append(at, &event).await;
                (tape, written)
            });
            self.writing = Some((taped, writing));
        }
        let Some((taped, writing)) = &mut self.writing else { return std::future::pending().await };
        let (tape, written) = writing.as_mut().await;
        let taped = taped.take();
        self.writing = None;
        self.tape = Some(tape);
        written?;
        if let Some(taped) = taped {
            let _ = taped.send(());
        }
        Ok(())
    }
}
