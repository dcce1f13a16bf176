//! What the loop does with one event, and which comes next: all of it but the effects in flight.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::in_flight::{InFlight, answer};
use super::inbox::Inbound;
use super::journal_writer::JournalWriter;
use super::lease_keeper::LeaseKeeper;
use super::{Ending, EngineError, JournalSink};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::traffic::Share;
use crate::journal::JournalError;
use crate::machine::{Answer, Event, Issued, Machine, Notice, OperatorRequest, Reaction};
use crate::report::{Report, TOOK_OVER};

/// The wall time between two ticks of the report.
const TICK: Duration = Duration::from_secs(1);

/// What one turn came to.
pub(super) enum Turn {
    /// The event is taken in.
    Took(Reaction),
    /// Somebody else decides now; this is who.
    Fenced(String),
}

/// What happens next.
pub(super) enum Next {
    Event(Inbound),
    /// An effect that was withheld is due.
    Perform(Issued),
    Fenced(String),
    /// The journal could not be written in the background.
    Lost(JournalError),
}

/// Everything of the loop but the effects in flight.
pub(super) struct EventLoop<T, R> {
    pub(super) machine: Machine,
    pub(super) clock: Clock,
    pub(super) journal_writer: JournalWriter<T>,
    pub(super) report: R,
    pub(super) inbox: mpsc::Receiver<Inbound>,
    pub(super) keeper: Option<Arc<LeaseKeeper>>,
    /// What came while the journal was waited for.
    pub(super) early: VecDeque<Inbound>,
    /// What was decided and not performed, because a word overtook it.
    pub(super) withheld: Option<Issued>,
    /// Why the journal ends here, once it cannot be written.
    pub(super) lost: Option<String>,
    /// When the latest event happened: time in the journal never goes back.
    pub(super) at: Timestamp,
    pub(super) tick_at: Timestamp,
}

impl<T: JournalSink, R: Report> EventLoop<T, R> {
    /// One turn: write down, apply, tell.
    pub(super) async fn turn(&mut self, inbound: Inbound) -> Result<Turn, EngineError> {
        let Inbound { event, journaled } = inbound;
        self.at = self.at.max(self.clock.now());
        if self.lost.is_some() {
            return Ok(Turn::Took(self.apply(event)));
        }
        let ahead = self.machine.is_urgent() || self.leads_back(&event);
        self.journal_writer.write(self.at, event.clone(), journaled);
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
            Err(error) if matches!(event, Event::Started { .. }) => Err(EngineError::Recorded(error)),
            Err(error) => Ok(Turn::Took(self.lose(&error, Some(event)))),
        }
    }

    /// Takes in events that are in the journal already, and performs what is asked after the last of them.
    pub(super) fn taken(&mut self, events: Vec<(Timestamp, Event)>) -> Reaction {
        let mut all = Reaction::default();
        for (at, event) in events {
            self.at = self.at.max(at);
            all.notices.append(&mut self.apply(event).notices);
        }
        self.withheld = self.machine.pending().cloned();
        all
    }

    /// Waits until everything is in the journal, or until a word to go back comes, which waits for no journal.
    async fn settle(&mut self) -> Result<Settled, JournalError> {
        while !self.journal_writer.is_idle() {
            tokio::select! {
                biased;
                written = self.journal_writer.next() => written?,
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
            Event::Requested { request: OperatorRequest::Rollback | OperatorRequest::Abort, .. } => {
                !self.machine.is_committed()
            }
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

    /// The journal cannot be written: from here on the only way is back. The word for it comes before the
    /// event that is not in the journal, so that nothing forward follows from that event.
    pub(super) fn lose(&mut self, error: &JournalError, event: Option<Event>) -> Reaction {
        let why = format!("the journal cannot be written: {error}");
        let fault = Fault::new(FaultKind::Permanent, "append to the journal", error.to_string());
        self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
        self.lost = Some(why.clone());
        let goes_back =
            matches!(event, Some(Event::Requested { request: OperatorRequest::Rollback | OperatorRequest::Abort, .. }));
        if self.machine.is_retreating() || goes_back {
            return event.map_or_else(Reaction::default, |event| self.apply(event));
        }
        let request =
            Event::Requested { request: OperatorRequest::Rollback, by: "tidegate".to_owned(), reason: Some(why) };
        let mut back = self.apply(request);
        let Some(event) = event else { return back };
        let mut then = self.apply(event);
        back.notices.append(&mut then.notices);
        Reaction { effect: then.effect.or(back.effect), notices: back.notices }
    }

    /// Who took over, where a look finds that the candidate has lost all weight: whoever takes over writes that first
    /// of all, and is no stranger.
    async fn overruled(&self, answer: &Answer) -> Option<String> {
        let Answer::Seen(seen) = answer else { return None };
        let is_taken = seen.rule.as_ref().is_some_and(|rule| rule.share == Some(Share::NONE));
        let gave = !self.machine.is_retreating() && self.machine.progress().configured > Some(Share::NONE);
        match self.keeper.as_ref().filter(|_| is_taken && gave) {
            Some(keeper) => keeper.overruled().await,
            None => None,
        }
    }

    /// Who writes the journal instead of us.
    async fn successor(&self, rollout: &str) -> String {
        match &self.keeper {
            Some(keeper) => keeper.successor().await.unwrap_or_else(|| format!("another runner of {rollout}")),
            None => format!("another runner of {rollout}"),
        }
    }

    /// The run ends because somebody else decides.
    pub(super) fn fenced(&mut self, by: String) -> Ending {
        let why = format!("{by} {TOOK_OVER}");
        self.report.tell(self.at, &Notice::HandedOver { why }, &self.machine);
        Ending { outcome: None, handed_over: None, fenced: Some(by), is_untold: false }
    }

    /// Writes down what is still to be written; a fenced runner's last words are not.
    pub(super) async fn close(&mut self, ending: Ending) -> Ending {
        let mut is_untold = self.lost.is_some();
        while self.lost.is_none() && !self.journal_writer.is_idle() {
            match self.journal_writer.next().await {
                Ok(()) => {}
                Err(JournalError::Taken(id)) => {
                    let by = self.successor(&id.to_string()).await;
                    return self.fenced(by);
                }
                Err(error) => {
                    let fault = Fault::new(FaultKind::Permanent, "append to the journal", error.to_string());
                    self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
                    is_untold = true;
                    break;
                }
            }
        }
        Ending { is_untold, ..ending }
    }

    /// How the run ends with this reaction, if it does.
    pub(super) fn ending(&mut self, reaction: &Reaction) -> Option<Ending> {
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
        // Past the commit there is no way back, and without a journal nothing forward is written.
        let writes = reaction.effect.as_ref().is_some_and(|issued| issued.effect.is_write());
        let why = self.lost.clone().filter(|_| writes && !self.machine.is_retreating())?;
        self.report.tell(self.at, &Notice::HandedOver { why: why.clone() }, &self.machine);
        left(None, Some(why))
    }

    /// What becomes of an effect that was withheld: one that nobody waits for any more is forgotten, a write whose
    /// answer is all that keeps the rollout from going back was not sent, and anything else is performed once what
    /// led to it is in the journal.
    fn release(&mut self) -> Option<Next> {
        let may = self.machine.is_retreating() || self.lost.is_some() || self.journal_writer.is_idle();
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
    pub(super) async fn next(&mut self, in_flight: &mut Option<InFlight<'_>>) -> Result<Next, EngineError> {
        loop {
            if let Some(inbound) = self.early.pop_front() {
                return Ok(Next::Event(inbound));
            }
            if let Some(next) = self.release() {
                return Ok(next);
            }
            let wake_at = self.machine.wake_at();
            if in_flight.is_none() && wake_at.is_none() && self.inbox.is_closed() && self.inbox.is_empty() {
                return Err(EngineError::Stuck);
            }
            tokio::select! {
                biased;
                by = fenced(self.keeper.as_deref()) => return Ok(Next::Fenced(by)),
                written = self.journal_writer.next(), if self.lost.is_none() && !self.journal_writer.is_idle() => match written {
                    Ok(()) => {}
                    Err(JournalError::Taken(id)) => return Ok(Next::Fenced(self.successor(&id.to_string()).await)),
                    Err(error) => return Ok(Next::Lost(error)),
                },
                Some(inbound) = self.inbox.recv() => return Ok(Next::Event(inbound)),
                (id, answer) = answer(in_flight) => {
                    let by = self.overruled(&answer).await;
                    return Ok(by.map_or_else(|| Next::Event(Event::Answered { id, answer }.into()), Next::Fenced));
                }
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

/// How waiting for the journal ended.
enum Settled {
    /// Everything is on it.
    Durable,
    /// A word to go back came first.
    Overtaken,
}

/// Who took over, once somebody has; never, where nobody can.
async fn fenced(keeper: Option<&LeaseKeeper>) -> String {
    match keeper {
        Some(keeper) => keeper.fenced().await,
        None => std::future::pending().await,
    }
}

/// The moment of the alarm, once it has come; never, when there is none.
async fn alarm(clock: &Clock, moment: Option<Timestamp>) -> Timestamp {
    let Some(moment) = moment else { return std::future::pending().await };
    clock.sleep_until(moment).await;
    moment
}
