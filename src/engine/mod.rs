//! The one loop: take an event, write it down, apply it, tell what came of it, perform what it asks.
//!
//! Nothing is performed before its event is on the tape, with one exception: the way back. Until the traffic is
//! back, its events are written down while it goes on, and it goes on when they cannot be. Which event comes
//! first when several are there: that somebody else decides now, then a person's word, then the answer to the
//! effect in flight, then the alarm.

mod inbox;
mod keeper;
mod perform;
mod scribe;
mod teller;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use inbox::{Inbound, carry_words, is_taped};
pub use keeper::Keeper;
pub use teller::Teller;

use crate::clock::{Clock, Timestamp};
use crate::cloud::Cloud;
use crate::fault::{Fault, FaultKind};
use crate::journal::{Journal, JournalError};
use crate::machine::{Answer, EffectId, Event, Issued, Machine, Notice, Outcome, Reaction, Word};
use crate::plan::Plan;
use crate::report::{Report, TOOK_OVER};
use scribe::Scribe;

/// How many events one run may take in: at a look every five seconds, more than a year of them.
const TURN_LIMIT: u32 = 10_000_000;
/// The wall time between two ticks of the report.
const TICK: Duration = Duration::from_secs(1);

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

/// An effect that is being performed.
struct Flight<'a> {
    id: EffectId,
    is_write: bool,
    answer: Pin<Box<dyn Future<Output = Answer> + Send + 'a>>,
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

fn launch<'a, C: Cloud>(
    cloud: &'a C,
    clock: &'a Clock,
    (plan, keeper): (&'a Plan, Option<&'a Keeper>),
    issued: Issued,
) -> Flight<'a> {
    let Issued { id, at, effect } = issued;
    if let Some(keeper) = keeper {
        // The tape may have been waited for, or the process have been frozen, since this was decided.
        keeper.fence().waited(clock.now().since(at));
    }
    let is_write = effect.is_write();
    Flight { id, is_write, answer: Box::pin(perform::perform(cloud, clock, (plan, keeper), effect)) }
}

/// Lets go of the effect in flight. A read may be dropped at any time; a write never is, so it is waited
/// for even if nobody asks for its answer any more.
async fn land(flight: &mut Option<Flight<'_>>) {
    if let Some(write) = flight.take().filter(|flight| flight.is_write) {
        let _ = write.answer.await;
    }
}

/// What one turn came to.
enum Turn {
    /// The event is taken in.
    Took(Reaction),
    /// Somebody else decides now; this is who.
    Fenced(String),
}

/// What happens next.
enum Next {
    Event(Inbound),
    /// An effect that was withheld is due.
    Perform(Issued),
    Fenced(String),
    /// The tape could not be written in the background.
    Lost(JournalError),
}

/// Everything of the loop but the effects in flight.
struct Desk<T, R> {
    machine: Machine,
    clock: Clock,
    scribe: Scribe<T>,
    report: R,
    inbox: mpsc::Receiver<Inbound>,
    keeper: Option<Arc<Keeper>>,
    /// What came while the tape was waited for.
    early: VecDeque<Inbound>,
    /// What was decided and not performed, because a word overtook it.
    withheld: Option<Issued>,
    /// Why the tape ends here, once it cannot be written.
    lost: Option<String>,
    /// When the latest event happened: time on the tape never goes back.
    at: Timestamp,
    tick_at: Timestamp,
}

impl<T: TapeWriter, R: Report> Desk<T, R> {
    /// One turn: write down, apply, tell.
    async fn turn(&mut self, inbound: Inbound) -> Result<Turn, EngineError> {
        let Inbound { event, taped } = inbound;
        self.at = self.at.max(self.clock.now());
        if self.lost.is_some() {
            return Ok(Turn::Took(self.apply(event)));
        }
        let ahead = self.machine.is_urgent() || self.leads_back(&event);
        self.scribe.write(self.at, event.clone(), taped);
        if ahead {
            return Ok(Turn::Took(self.apply(event)));
        }
        match self.settle().await {
            Ok(Settled::Durable) => Ok(Turn::Took(self.apply(event))),
            Ok(Settled::Overtaken) => {
                let mut reaction = self.apply(event);
                self.withheld = reaction.effect.take();
                Ok(Turn::Took(reaction))
            }
            Err(JournalError::Taken(id)) => Ok(Turn::Fenced(self.successor(&id.to_string()).await)),
            Err(error) if matches!(event, Event::Started { .. }) => Err(EngineError::Tape(error)),
            Err(error) => Ok(Turn::Took(self.lose(&error, Some(event)))),
        }
    }

    /// Takes in events that are on the tape already, and performs what is asked after the last of them.
    fn taken(&mut self, events: Vec<(Timestamp, Event)>) -> Reaction {
        let mut all = Reaction::default();
        for (at, event) in events {
            self.at = self.at.max(at);
            all.notices.append(&mut self.apply(event).notices);
        }
        self.withheld = self.machine.pending().cloned();
        all
    }

    /// Waits until everything is on the tape, or until a word to go back comes, which waits for no tape.
    async fn settle(&mut self) -> Result<Settled, JournalError> {
        while !self.scribe.is_idle() {
            tokio::select! {
                biased;
                written = self.scribe.next() => written?,
                Some(inbound) = self.inbox.recv() => {
                    let urgent = self.leads_back(&inbound.event);
                    self.early.push_back(inbound);
                    if urgent {
                        return Ok(Settled::Overtaken);
                    }
                }
            }
        }
        Ok(Settled::Durable)
    }

    /// Whether the machine will go back at once because of this.
    fn leads_back(&self, event: &Event) -> bool {
        match event {
            Event::Told { word: Word::Rollback | Word::Abort, .. } => !self.machine.is_committed(),
            Event::Interrupted { .. } => self.machine.goes_back_when_interrupted(),
            _ => false,
        }
    }

    fn apply(&mut self, event: Event) -> Reaction {
        self.report.hear(self.at, &event, &self.machine);
        let reaction = self.machine.apply(self.at, event);
        for notice in &reaction.notices {
            self.report.tell(self.at, notice, &self.machine);
        }
        if let Some(keeper) = self.keeper.as_ref().filter(|_| self.machine.is_retreating()) {
            keeper.goes_back();
        }
        reaction
    }

    /// The tape cannot be written: from here on the only way is back. The word for it comes before the
    /// event that is not on the tape, so that nothing forward follows from that event.
    fn lose(&mut self, error: &JournalError, event: Option<Event>) -> Reaction {
        let why = format!("the tape cannot be written: {error}");
        let fault = Fault::new(FaultKind::Permanent, "append to the tape", error.to_string());
        self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
        self.lost = Some(why.clone());
        let goes_back = matches!(event, Some(Event::Told { word: Word::Rollback | Word::Abort, .. }));
        if self.machine.is_retreating() || goes_back {
            return event.map_or_else(Reaction::default, |event| self.apply(event));
        }
        let word = Event::Told { word: Word::Rollback, by: "tidegate".to_owned(), reason: Some(why) };
        let mut back = self.apply(word);
        let Some(event) = event else { return back };
        let mut then = self.apply(event);
        back.notices.append(&mut then.notices);
        Reaction { effect: then.effect.or(back.effect), notices: back.notices }
    }

    /// Who writes the tape instead of us.
    async fn successor(&self, rollout: &str) -> String {
        match &self.keeper {
            Some(keeper) => keeper.successor().await.unwrap_or_else(|| format!("another runner of {rollout}")),
            None => format!("another runner of {rollout}"),
        }
    }

    /// The run ends because somebody else decides.
    fn fenced(&mut self, by: String) -> Ending {
        let why = format!("{by} {TOOK_OVER}");
        self.report.tell(self.at, &Notice::HandedOver { why }, &self.machine);
        Ending { outcome: None, handed_over: None, fenced: Some(by), is_untold: false }
    }

    /// Writes down what is still to be written; a fenced runner's last words are not.
    async fn close(&mut self, ending: Ending) -> Ending {
        let mut is_untold = self.lost.is_some();
        while self.lost.is_none() && !self.scribe.is_idle() {
            match self.scribe.next().await {
                Ok(()) => {}
                Err(JournalError::Taken(id)) => {
                    let by = self.successor(&id.to_string()).await;
                    return self.fenced(by);
                }
                Err(error) => {
                    let fault = Fault::new(FaultKind::Permanent, "append to the tape", error.to_string());
                    self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
                    is_untold = true;
                    break;
                }
            }
        }
        Ending { is_untold, ..ending }
    }

    /// How the run ends with this reaction, if it does.
    fn ending(&mut self, reaction: &Reaction) -> Option<Ending> {
        let left = |outcome, handed_over| Some(Ending { outcome, handed_over, fenced: None, is_untold: false });
        if let Some(outcome) = self.machine.outcome() {
            return left(Some(outcome.clone()), None);
        }
        let handed_over = reaction.notices.iter().find_map(|notice| match notice {
            Notice::HandedOver { why } => Some(why.clone()),
            _ => None,
        });
        if handed_over.is_some() {
            return left(None, handed_over);
        }
        // Past the commit there is no way back, and without a tape nothing forward is written.
        let writes = reaction.effect.as_ref().is_some_and(|issued| issued.effect.is_write());
        let why = self.lost.clone().filter(|_| writes && !self.machine.is_retreating())?;
        self.report.tell(self.at, &Notice::HandedOver { why: why.clone() }, &self.machine);
        left(None, Some(why))
    }

    /// What becomes of an effect that was withheld: one that nobody waits for any more is forgotten, a write whose
    /// answer is all that keeps the rollout from going back was not sent, and anything else is performed once what
    /// led to it is on the tape.
    fn release(&mut self) -> Option<Next> {
        let may = self.machine.is_retreating() || self.lost.is_some() || self.scribe.is_idle();
        if !may {
            return None;
        }
        let issued = self.withheld.take()?;
        self.machine.pending().filter(|pending| pending.id == issued.id)?;
        if !self.machine.is_draining() {
            return Some(Next::Perform(issued));
        }
        let fault = Fault::new(FaultKind::Transient, "write", "not sent: a word to go back came first");
        Some(Next::Event(Event::Answered { id: issued.id, answer: Answer::Failed(fault) }.into()))
    }

    /// Waits for what happens next.
    async fn next(&mut self, flight: &mut Option<Flight<'_>>) -> Result<Next, EngineError> {
        loop {
            if let Some(inbound) = self.early.pop_front() {
                return Ok(Next::Event(inbound));
            }
            if let Some(next) = self.release() {
                return Ok(next);
            }
            let wake_at = self.machine.wake_at();
            if flight.is_none() && wake_at.is_none() && self.inbox.is_closed() && self.inbox.is_empty() {
                return Err(EngineError::Stuck);
            }
            tokio::select! {
                biased;
                by = fenced(self.keeper.as_deref()) => return Ok(Next::Fenced(by)),
                written = self.scribe.next(), if self.lost.is_none() && !self.scribe.is_idle() => match written {
                    Ok(()) => {}
                    Err(JournalError::Taken(id)) => return Ok(Next::Fenced(self.successor(&id.to_string()).await)),
                    Err(error) => return Ok(Next::Lost(error)),
                },
                Some(inbound) = self.inbox.recv() => return Ok(Next::Event(inbound)),
                (id, answer) = answer(flight) => return Ok(Next::Event(Event::Answered { id, answer }.into())),
                wake_at = alarm(&self.clock, wake_at) => {
                    self.at = self.at.max(wake_at);
                    return Ok(Next::Event(Event::Woken.into()));
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

/// How waiting for the tape ended.
enum Settled {
    /// Everything is on it.
    Durable,
    /// A word to go back came first.
    Overtaken,
}

/// Who took over, once somebody has; never, where nobody can.
async fn fenced(keeper: Option<&Keeper>) -> String {
    match keeper {
        Some(keeper) => keeper.fenced().await,
        None => std::future::pending().await,
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
