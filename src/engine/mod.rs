//! The one loop: take an event, write it down, apply it, tell what came of it, perform what it asks.
//!
//! Nothing is performed before its event is in the journal, with one exception: the way back. Until the traffic is
//! back, its events are written down while it goes on, and it goes on when they cannot be. A store in trouble holds the
//! rollout: looks and the way back go on, what they come to waits in the queue, and nothing forward is sent before all of
//! it is in the journal. Which event comes
//! first when several are there: that somebody else decides now, then a person's word, then the answer to the
//! effect in flight, then the alarm.

mod begin;
mod driven;
mod event_loop;
mod guard;
mod in_flight;
mod inbox;
mod journal_writer;
mod lease_keeper;
mod notifier;
mod perform;
mod takeover;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

pub use begin::{BeginError, Begun, begin, begun, holder};
pub use driven::{Driven, Ended, Inbox};
pub use guard::{Guard, Look, Lost, StrandedRollout};
pub use inbox::{Inbound, carry_words};
pub use lease_keeper::LeaseKeeper;
pub use notifier::Notifier;
pub use takeover::{
    AskedAt, ByTags, Drivers, Going, JournalOrNone, Mark, Patience, Request, Runner, Taken, Takeover, TakeoverError,
    back_by_tags,
};

use crate::cloud::Cloud;
use crate::domain::clock::{Clock, Timestamp};
use crate::journal::{Journal, JournalError};
use crate::machine::{Event, Leaving, Machine, Outcome, Reaction};
use crate::report::Report;
use event_loop::{EventLoop, Next, Turn};
use in_flight::{InFlight, land, launch};
use journal_writer::JournalWriter;

/// How many events one run may take in: at a look every five seconds, more than a year of them.
const TURN_LIMIT: u32 = 10_000_000;

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

/// Drives one rollout from where its machine stands to its end.
pub struct Engine<C, T, R> {
    /// The rollout: new, or replayed from its journal.
    pub machine: Machine,
    /// What happens first: `Started`, or `Recovered` after a replay.
    pub first: First,
    /// What the rollout moves.
    pub cloud: C,
    /// What time it is.
    pub clock: Clock,
    /// Where events are written down.
    pub recorded: T,
    /// Who is told.
    pub report: R,
    /// Words of people, and signals.
    pub inbox: mpsc::Receiver<Inbound>,
    /// Who keeps the lease; none where nobody else can come.
    pub keeper: Option<Arc<LeaseKeeper>>,
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

impl<C: Cloud, T: JournalSink, R: Report> Engine<C, T, R> {
    /// Runs until the rollout ends, is handed over, or somebody else takes it over.
    ///
    /// # Errors
    /// When the first event cannot be written down, or on a bug of the machine.
    pub async fn run(self) -> Result<Ending, EngineError> {
        let Engine { machine, first, cloud, clock, recorded, report, inbox, keeper } = self;
        let plan = machine.plan().clone();
        let journal_writer = JournalWriter::new(recorded, clock.clone());
        let clock_here = clock.clone();
        // What is in the journal already happened when the journal says, however long ago: a replay must lead here too.
        let at = machine.now();
        let mut event_loop = EventLoop {
            machine,
            clock: clock_here,
            journal_writer,
            report,
            inbox,
            keeper: keeper.clone(),
            early: VecDeque::new(),
            withheld: None,
            lost: None,
            at,
            tick_at: clock.now(),
        };
        let mut in_flight: Option<InFlight<'_>> = None;
        let mut turn = match first {
            First::New(event) => event_loop.turn(event.into()).await?,
            First::Journaled(events) => Turn::Took(event_loop.taken(events)),
        };
        for _ in 0..TURN_LIMIT {
            let reaction = match turn {
                Turn::Took(reaction) => reaction,
                Turn::Fenced(by) => {
                    land(&mut in_flight).await;
                    return Ok(event_loop.fenced(by));
                }
            };
            if event_loop.machine.is_draining() {
                cloud.make_way();
            }
            if let Some(ending) = event_loop.ending(&reaction) {
                land(&mut in_flight).await;
                return Ok(event_loop.close(ending).await);
            }
            if let Some(issued) = reaction.effect {
                land(&mut in_flight).await;
                in_flight = Some(launch(&cloud, &clock, (&plan, keeper.as_deref()), issued));
            }
            turn = match event_loop.next(&mut in_flight).await? {
                Next::Event(inbound) => {
                    let inbound = event_loop.by_rule(&cloud, inbound).await;
                    event_loop.turn(inbound).await?
                }
                Next::Perform(issued) => Turn::Took(Reaction { effect: Some(issued), notices: Vec::new() }),
                Next::Fenced(by) => Turn::Fenced(by),
                Next::Lost(error) => Turn::Took(event_loop.lose(&error, None)),
                Next::Left(reaction) => Turn::Took(reaction),
            };
        }
        Err(EngineError::Endless)
    }
}
