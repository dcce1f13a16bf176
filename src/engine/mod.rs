//! The one loop: take an event, write it down, apply it, tell what came of it, perform what it asks.
//!
//! Nothing is performed before its event is on the tape, with one exception: the way back. Until the traffic is
//! back, its events are written down while it goes on, and it goes on when they cannot be. Which event comes
//! first when several are there: that somebody else decides now, then a person's word, then the answer to the
//! effect in flight, then the alarm.

mod event_loop;
mod in_flight;
mod inbox;
mod journal_writer;
mod lease_keeper;
mod notifier;
mod perform;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

pub use inbox::{Inbound, carry_words, is_taped};
pub use lease_keeper::Keeper;
pub use notifier::Teller;

use crate::cloud::Cloud;
use crate::domain::clock::{Clock, Timestamp};
use crate::journal::{Journal, JournalError};
use crate::machine::{Event, Machine, Outcome, Reaction};
use crate::report::Report;
use event_loop::{Desk, Next, Turn};
use in_flight::{Flight, land, launch};
use journal_writer::Scribe;

/// How many events one run may take in: at a look every five seconds, more than a year of them.
const TURN_LIMIT: u32 = 10_000_000;

/// Where events are written before they count: the journal, or a list in a test.
pub trait TapeWriter: Send + 'static {
    /// Writes an event down, durably.
    ///
    /// # Errors
    /// When it is not written; then nothing may be done because of it but go back.
    fn append(&mut self, at: Timestamp, event: &Event) -> impl Future<Output = Result<(), JournalError>> + Send;
}

impl TapeWriter for Journal {
    async fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        Journal::append(self, at, event).await
    }
}

/// Drives one rollout from where its machine stands to its end.
pub struct Engine<C, T, R> {
    /// The rollout: new, or replayed from its tape.
    pub machine: Machine,
    /// What happens first: `Started`, or `Recovered` after a replay.
    pub first: First,
    /// What the rollout moves.
    pub cloud: C,
    /// What time it is.
    pub clock: Clock,
    /// Where events are written down.
    pub tape: T,
    /// Who is told.
    pub report: R,
    /// Words of people, and signals.
    pub inbox: mpsc::Receiver<Inbound>,
    /// Who keeps the lease; none where nobody else can come.
    pub keeper: Option<Arc<Keeper>>,
}

/// The first event of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum First {
    /// Still to be written down.
    New(Event),
    /// On the tape already: with these the tape was taken over. Only what the last of them leads to is performed.
    Taped(Vec<(Timestamp, Event)>),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// How the rollout ended, if it did.
    pub outcome: Option<Outcome>,
    /// Why the runner left before the rollout ended.
    pub handed_over: Option<String>,
    /// Who decides instead of this runner, when somebody took over.
    pub fenced: Option<String>,
    /// Whether the tape ends before this.
    pub is_untold: bool,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The rollout could not begin: nothing has been done.
    #[error("cannot begin: {0}")]
    Tape(#[from] JournalError),
    /// The machine waits for nothing that could happen; a bug.
    #[error("the rollout waits for nothing")]
    Stuck,
    /// The machine keeps asking without end; a bug.
    #[error("the rollout took {TURN_LIMIT} turns without an end")]
    Endless,
}

impl<C: Cloud, T: TapeWriter, R: Report> Engine<C, T, R> {
    /// Runs until the rollout ends, is handed over, or somebody else takes it over.
    ///
    /// # Errors
    /// When the first event cannot be written down, or on a bug of the machine.
    pub async fn run(self) -> Result<Ending, EngineError> {
        let Engine { machine, first, cloud, clock, tape, report, inbox, keeper } = self;
        let plan = machine.plan().clone();
        let scribe = Scribe::new(tape);
        let clock_here = clock.clone();
        // What is on the tape already happened when the tape says, however long ago: a replay must lead here too.
        let at = machine.now();
        let mut desk = Desk {
            machine,
            clock: clock_here,
            scribe,
            report,
            inbox,
            keeper: keeper.clone(),
            early: VecDeque::new(),
            withheld: None,
            lost: None,
            at,
            tick_at: clock.now(),
        };
        let mut flight: Option<Flight<'_>> = None;
        let mut turn = match first {
            First::New(event) => desk.turn(event.into()).await?,
            First::Taped(events) => Turn::Took(desk.taken(events)),
        };
        for _ in 0..TURN_LIMIT {
            let reaction = match turn {
                Turn::Took(reaction) => reaction,
                Turn::Fenced(by) => {
                    land(&mut flight).await;
                    return Ok(desk.fenced(by));
                }
            };
            if desk.machine.is_draining() {
                cloud.make_way();
            }
            if let Some(ending) = desk.ending(&reaction) {
                land(&mut flight).await;
                return Ok(desk.close(ending).await);
            }
            if let Some(issued) = reaction.effect {
                land(&mut flight).await;
                flight = Some(launch(&cloud, &clock, (&plan, keeper.as_deref()), issued));
            }
            turn = match desk.next(&mut flight).await? {
                Next::Event(inbound) => desk.turn(inbound).await?,
                Next::Perform(issued) => Turn::Took(Reaction { effect: Some(issued), notices: Vec::new() }),
                Next::Fenced(by) => Turn::Fenced(by),
                Next::Lost(error) => Turn::Took(desk.lose(&error, None)),
            };
        }
        Err(EngineError::Endless)
    }
}
