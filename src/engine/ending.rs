//! Where a run's events go, what comes first in it, and how it ends.

use std::future::Future;

use crate::domain::clock::Timestamp;
use crate::journal::{Journal, JournalError};
use crate::machine::{Event, Leaving, Outcome};

/// How many events one run may take in: at a look every five seconds, more than a year of them.
pub(super) const TURN_LIMIT: u32 = 10_000_000;

/// Where events are written before they count: the journal, or a list in a test.
pub trait JournalSink: Send + 'static {
    /// Writes an event down, durably.
    ///
    /// # Errors
    /// When it is not written; then nothing may be done because of it but go back.
    fn append(&mut self, at: Timestamp, event: &Event) -> impl Future<Output = Result<(), JournalError>> + Send;
}

impl JournalSink for Journal {
    async fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        Journal::append(self, at, event).await
    }
}

/// The first event of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum First {
    /// Still to be written down.
    New(Event),
    /// In the journal already: with these the journal was taken over. Only what the last of them leads to is performed.
    Journaled(Vec<(Timestamp, Event)>),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// How the rollout ended, if it did.
    pub outcome: Option<Outcome>,
    /// Why the runner left before the rollout ended.
    pub handed_over: Option<Leaving>,
    /// Who decides instead of this runner, when somebody took over.
    pub fenced: Option<String>,
    /// Whether the journal ends before this.
    pub is_untold: bool,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The rollout could not begin: nothing has been done.
    #[error("cannot begin: {0}")]
    Recorded(#[from] JournalError),
    /// The machine waits for nothing that could happen; a bug.
    #[error("the rollout waits for nothing")]
    Stuck,
    /// The machine keeps asking without end; a bug.
    #[error("the rollout took {TURN_LIMIT} turns without an end")]
    Endless,
}
