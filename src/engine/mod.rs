//! The one loop: take an event, write it down, apply it, tell what came of it, perform what it asks.
//!
//! Nothing is performed before its event is on the tape, with one exception: when the tape cannot be
//! written, the way forward is closed and the way back stays open. Which event comes first when several
//! are there: a person's word, then the answer to the effect in flight, then the alarm.

mod inbox;
mod perform;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;

pub use inbox::{Inbound, carry_words, is_taped};

use crate::clock::{Clock, Timestamp};
use crate::cloud::Cloud;
use crate::fault::{Fault, FaultKind};
use crate::journal::{Journal, JournalError};
use crate::machine::{Answer, EffectId, Event, Issued, Machine, Notice, Outcome, Reaction, Word};
use crate::plan::Plan;
use crate::report::Report;

/// How many events one run may take in: at a look every five seconds, more than a year of them.
const TURN_LIMIT: u32 = 10_000_000;
/// The wall time between two ticks of the report.
const TICK: Duration = Duration::from_secs(1);

/// Where events are written before they count: the journal, or a list in a test.
pub trait TapeWriter {
    /// Writes an event down, durably.
    ///
    /// # Errors
    /// When it is not written; then nothing may be done because of it but go back.
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError>;
}

impl TapeWriter for Journal {
    fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        Journal::append(self, at, event)
    }
}

/// Drives one rollout from where its machine stands to its end.
pub struct Engine<C, T, R> {
    /// The rollout: new, or replayed from its tape.
    pub machine: Machine,
    /// What happens first: `Started`, or `Recovered` after a replay.
    pub first: Event,
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
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// How the rollout ended, if it did.
    pub outcome: Option<Outcome>,
    /// Why the runner left before the rollout ended.
    pub handed_over: Option<String>,
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

/// An effect that is being performed.
struct Flight<'a> {
    id: EffectId,
    is_write: bool,
    answer: Pin<Box<dyn Future<Output = Answer> + Send + 'a>>,
}

impl<C: Cloud, T: TapeWriter, R: Report> Engine<C, T, R> {
    /// Runs until the rollout ends or is handed over.
    ///
    /// # Errors
    /// When the first event cannot be written down, or on a bug of the machine.
    pub async fn run(self) -> Result<Ending, EngineError> {
        let Engine { machine, first, cloud, clock, tape, report, inbox } = self;
        let plan = machine.plan().clone();
        let now = clock.now();
        let mut desk = Desk { machine, clock: clock.clone(), tape, report, inbox, lost: None, at: now, tick_at: now };
        let mut flight: Option<Flight<'_>> = None;
        let mut next = Inbound::from(first);
        for _ in 0..TURN_LIMIT {
            let reaction = desk.turn(next)?;
            if desk.machine.is_draining() {
                cloud.make_way();
            }
            if let Some(ending) = desk.ending(&reaction) {
                land(&mut flight).await;
                return Ok(ending);
            }
            if let Some(issued) = reaction.effect {
                land(&mut flight).await;
                flight = Some(launch(&cloud, &clock, &plan, issued));
            }
            next = desk.next(&mut flight).await?;
        }
        Err(EngineError::Endless)
    }
}

fn launch<'a, C: Cloud>(cloud: &'a C, clock: &'a Clock, plan: &'a Plan, issued: Issued) -> Flight<'a> {
    let Issued { id, effect, .. } = issued;
    let is_write = effect.is_write();
    Flight { id, is_write, answer: Box::pin(perform::perform(cloud, clock, plan, effect)) }
}

/// Lets go of the effect in flight. A read may be dropped at any time; a write never is, so it is waited
/// for even if nobody asks for its answer any more.
async fn land(flight: &mut Option<Flight<'_>>) {
    if let Some(write) = flight.take().filter(|flight| flight.is_write) {
        let _ = write.answer.await;
    }
}

/// Everything of the loop but the effects in flight.
struct Desk<T, R> {
    machine: Machine,
    clock: Clock,
    tape: T,
    report: R,
    inbox: mpsc::Receiver<Inbound>,
    /// Why the tape ends here, once it cannot be written.
    lost: Option<String>,
    /// When the latest event happened: time on the tape never goes back.
    at: Timestamp,
    tick_at: Timestamp,
}

impl<T: TapeWriter, R: Report> Desk<T, R> {
    /// One turn: write down, apply, tell.
    fn turn(&mut self, inbound: Inbound) -> Result<Reaction, EngineError> {
        let Inbound { event, taped } = inbound;
        self.at = self.at.max(self.clock.now());
        if self.lost.is_some() {
            return Ok(self.apply(event));
        }
        match self.tape.append(self.at, &event) {
            Ok(()) => {
                if let Some(taped) = taped {
                    let _ = taped.send(());
                }
                Ok(self.apply(event))
            }
            Err(error) if matches!(event, Event::Started { .. }) => Err(EngineError::Tape(error)),
            Err(error) => Ok(self.lose(&error, event)),
        }
    }

    fn apply(&mut self, event: Event) -> Reaction {
        let reaction = self.machine.apply(self.at, event);
        for notice in &reaction.notices {
            self.report.tell(self.at, notice, &self.machine);
        }
        reaction
    }

    /// The tape cannot be written: from here on the only way is back. The word for it comes before the
    /// event that is not on the tape, so that nothing forward follows from that event.
    fn lose(&mut self, error: &JournalError, event: Event) -> Reaction {
        let why = format!("the tape cannot be written: {error}");
        let fault = Fault::new(FaultKind::Permanent, "append to the tape", error.to_string());
        self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
        self.lost = Some(why.clone());
        let goes_back = matches!(event, Event::Told { word: Word::Rollback | Word::Abort, .. });
        if self.machine.is_retreating() || goes_back {
            return self.apply(event);
        }
        let word = Event::Told { word: Word::Rollback, by: "tidegate".to_owned(), reason: Some(why) };
        let mut back = self.apply(word);
        let mut then = self.apply(event);
        back.notices.append(&mut then.notices);
        Reaction { effect: then.effect.or(back.effect), notices: back.notices }
    }

    /// How the run ends with this reaction, if it does.
    fn ending(&mut self, reaction: &Reaction) -> Option<Ending> {
        if let Some(outcome) = self.machine.outcome() {
            return Some(Ending { outcome: Some(outcome.clone()), handed_over: None });
        }
        let handed_over = reaction.notices.iter().find_map(|notice| match notice {
            Notice::HandedOver { why } => Some(why.clone()),
            _ => None,
        });
        if handed_over.is_some() {
            return Some(Ending { outcome: None, handed_over });
        }
        // Past the commit there is no way back, and without a tape nothing forward is written.
        let writes = reaction.effect.as_ref().is_some_and(|issued| issued.effect.is_write());
        let why = self.lost.clone().filter(|_| writes && !self.machine.is_retreating())?;
        self.report.tell(self.at, &Notice::HandedOver { why: why.clone() }, &self.machine);
        Some(Ending { outcome: None, handed_over: Some(why) })
    }

    /// Waits for what happens next.
    async fn next(&mut self, flight: &mut Option<Flight<'_>>) -> Result<Inbound, EngineError> {
        loop {
            let wake_at = self.machine.wake_at();
            if flight.is_none() && wake_at.is_none() && self.inbox.is_closed() && self.inbox.is_empty() {
                return Err(EngineError::Stuck);
            }
            tokio::select! {
                biased;
                Some(inbound) = self.inbox.recv() => return Ok(inbound),
                (id, answer) = answer(flight) => return Ok(Event::Answered { id, answer }.into()),
                wake_at = alarm(&self.clock, wake_at) => {
                    self.at = self.at.max(wake_at);
                    return Ok(Event::Woken.into());
                }
                () = self.clock.sleep_until(self.tick_at) => {
                    let now = self.clock.now();
                    self.tick_at = now + TICK.mul_f64(self.clock.speed());
                    self.report.tick(now, &self.machine);
                }
            }
        }
    }
}

/// The answer of the effect in flight, which lands with it; never, when there is none.
async fn answer(flight: &mut Option<Flight<'_>>) -> (EffectId, Answer) {
    let Some(flying) = flight else { return std::future::pending().await };
    let answer = flying.answer.as_mut().await;
    let id = flying.id;
    *flight = None;
    (id, answer)
}

/// The moment of the alarm, once it has come; never, when there is none.
async fn alarm(clock: &Clock, moment: Option<Timestamp>) -> Timestamp {
    let Some(moment) = moment else { return std::future::pending().await };
    clock.sleep_until(moment).await;
    moment
}
