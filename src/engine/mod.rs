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
mod ending;
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
use std::sync::Arc;

use tokio::sync::mpsc;

pub use begin::{BeginError, Begun, begin, begun, holder};
pub use driven::{Driven, Ended, Inbox};
pub use ending::{Ending, EngineError, First, JournalSink};
pub use guard::{Guard, Look, Lost, StrandedRollout};
pub use inbox::{Inbound, carry_words};
pub use lease_keeper::LeaseKeeper;
pub use notifier::Notifier;
pub use takeover::{
    AskedAt, ByTags, Drivers, Going, JournalOrNone, Mark, Patience, Request, Runner, Taken, Takeover, TakeoverError,
    back_by_tags,
};

use crate::cloud::Cloud;
use crate::domain::clock::Clock;
use crate::machine::{Machine, Reaction};
use crate::report::Report;
use ending::TURN_LIMIT;
use event_loop::{EventLoop, Next, Turn};
use in_flight::{InFlight, land, launch};
use journal_writer::JournalWriter;

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
