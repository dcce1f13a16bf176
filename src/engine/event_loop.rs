//! What the loop does with one event, and which comes next: all of it but the effects in flight.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::begin::FIRST_LINE_TRIES;
use super::ending::{Ending, EngineError, JournalSink};
use super::in_flight::{InFlight, answer};
use super::inbox::Inbound;
use super::journal_writer::{JournalWriter, Tried};
use super::lease_keeper::LeaseKeeper;
use crate::cloud::Cloud;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::safeguard::TakenBack;
use crate::domain::traffic::Share;
use crate::journal::JournalError;
use crate::machine::{
    Answer, BEHIND_WITHIN, Effect, Event, Issued, Leaving, Machine, Notice, OperatorRequest, Outcome, Reaction, Reason,
};
use crate::report::Report;

/// The wall time between two ticks of the report.
const TICK: Duration = Duration::from_secs(1);
/// How long an event is waited for to be in the journal, in wall time, before the rollout holds and looks go on: a store
/// that answers late is as good as one that does not.
const SLOW: Duration = Duration::from_secs(5);
/// How long the rule's tags are waited for where they may say who took the rollout back, in wall time: the traffic is
/// back by then.
const TAGS_WITHIN: Duration = Duration::from_secs(4);
/// How long a rollout that is over stays until its journal says so, in wall time, where that was not limited before.
const LAST_LINES: Duration = Duration::from_secs(60);
/// The same for a runner that was told to stop, and where waiting cannot help.
const LAST_LINES_HURRIED: Duration = Duration::from_secs(3);

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
    /// The run ends with this, which is told.
    Left(Reaction),
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
    pub(super) lost: Option<Leaving>,
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
        let ahead = self.machine.is_urgent() || self.leads_back(&event) || self.goes_on_unwritten(&event);
        self.journal_writer.write(self.at, event.clone(), journaled);
        if ahead {
            return Ok(Turn::Took(self.apply_ahead(event)));
        }
        let begins = matches!(event, Event::Started { .. });
        match self.settle(begins).await {
            Ok(Settled::Durable) => Ok(Turn::Took(self.apply(event))),
            Ok(Settled::Overtaken) => {
                let mut reaction = self.apply(event);
                self.withheld = reaction.effect.take();
                Ok(Turn::Took(reaction))
            }
            Ok(Settled::Behind(fault)) => {
                let mut reaction = self.apply(event);
                self.withheld = reaction.effect.take();
                self.early.push_front(Event::JournalBehind { fault }.into());
                Ok(Turn::Took(reaction))
            }
            Err(JournalError::Taken(id)) => Ok(Turn::Fenced(self.successor(&id.to_string()).await)),
            Err(error) if begins => Err(EngineError::Recorded(error)),
            Err(error) => Ok(Turn::Took(self.lose(&error, Some(event)))),
        }
    }

    /// Whether this is taken in before it is written down, because the journal is behind: only that it no longer is
    /// waits for the journal.
    fn goes_on_unwritten(&self, event: &Event) -> bool {
        match event {
            Event::JournalBehind { .. } => true,
            Event::JournalCaughtUp => false,
            _ => self.machine.behind_since().is_some(),
        }
    }

    /// Takes in what is not in the journal yet. What would go forward because of it is withheld.
    fn apply_ahead(&mut self, event: Event) -> Reaction {
        let mut reaction = self.apply(event);
        if !self.machine.is_retreating() {
            let withheld = reaction.effect.take_if(|issued| goes_forward(&issued.effect));
            self.withheld = withheld.or_else(|| self.withheld.take());
        }
        reaction
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

    /// Waits until everything is in the journal, or until a word to go back comes, which waits for no journal, or until
    /// the store fails or is slow. A rollout that `begins` waits for it, and does not begin when it fails again and again.
    async fn settle(&mut self, begins: bool) -> Result<Settled, JournalError> {
        let late = self.clock.now() + SLOW.mul_f64(self.clock.speed());
        let mut times = 1;
        while !self.journal_writer.is_idle() {
            tokio::select! {
                biased;
                tried = self.journal_writer.next() => match tried? {
                    Tried::Written => {}
                    Tried::Failed(error) if begins && (times == FIRST_LINE_TRIES || error.fault().kind.is_lasting()) => {
                        return Err(error.into());
                    }
                    Tried::Failed(_) if begins => times += 1,
                    Tried::Failed(error) => return Ok(Settled::Behind(error.fault())),
                },
                () = self.clock.sleep_until(late), if !begins => {
                    let fault = Fault::new(FaultKind::Transient, "write the journal", "the store is slow to answer");
                    return Ok(Settled::Behind(fault));
                }
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

    /// The journal can never be written again: from here on the only way is back. That is said before the event that is
    /// not in the journal, so that nothing forward follows from that event. Past the commit there is no way back.
    pub(super) fn lose(&mut self, error: &JournalError, event: Option<Event>) -> Reaction {
        let fault = Fault::new(FaultKind::Permanent, "append to the journal", error.to_string());
        self.lost = Some(Leaving::Journal(error.to_string()));
        if self.machine.is_retreating() || self.machine.is_committed() {
            self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
            return event.map_or_else(Reaction::default, |event| self.apply(event));
        }
        let mut back = self.apply(Event::JournalBehind { fault });
        let Some(event) = event else { return back };
        let mut then = self.apply(event);
        back.notices.append(&mut then.notices);
        Reaction { effect: then.effect.or(back.effect), notices: back.notices }
    }

    /// The store fails. That is an event of its own, once; past the commit a limit is kept here, because nothing that
    /// the rollout could turn to is left.
    fn fails(&mut self, fault: Fault) -> Option<Next> {
        let Some(since) = self.machine.behind_since() else {
            return Some(Next::Event(Event::JournalBehind { fault }.into()));
        };
        let over = self.machine.is_committed() && self.clock.now().since(since) > BEHIND_WITHIN;
        if !over {
            return None;
        }
        // Whoever cannot write down what comes after the commit leaves it to somebody who can.
        let notice = Notice::HandedOver { why: Leaving::Journal(fault.to_string()) };
        self.report.tell(self.at, &notice, &self.machine);
        Some(Next::Left(Reaction { effect: None, notices: vec![notice] }))
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

    /// Somebody without the store took the rollout back by its rule: the rule's tags say who and why, and that is a
    /// person's request like any other. It comes before what showed it, which changes nothing after it.
    pub(super) async fn by_rule<C: Cloud>(&mut self, cloud: &C, inbound: Inbound) -> Inbound {
        let Event::Answered { answer, .. } = &inbound.event else { return inbound };
        if !self.has_lost_its_share(answer) {
            return inbound;
        }
        let late = self.clock.now() + TAGS_WITHIN.mul_f64(self.clock.speed());
        let told = tokio::select! {
            biased;
            told = cloud.taken_back() => told,
            () = self.clock.sleep_until(late) => None,
        };
        let Some(TakenBack { by, reason }) = told else { return inbound };
        self.early.push_front(inbound);
        Event::Requested { request: OperatorRequest::Rollback, by, reason, left: None }.into()
    }

    /// Whether an answer shows the rule with nothing for a candidate that had a share.
    fn has_lost_its_share(&self, answer: &Answer) -> bool {
        let rule = match answer {
            Answer::Seen(seen) => seen.rule.as_ref(),
            Answer::Foreign(rule) => Some(rule),
            _ => None,
        };
        let is_taken = rule.is_some_and(|rule| rule.share == Some(Share::NONE));
        let goes_on = !self.machine.is_retreating() && !self.machine.is_committed();
        is_taken && goes_on && self.machine.progress().configured > Some(Share::NONE)
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
        let why = Leaving::TakenOver { by: by.clone() };
        self.report.tell(self.at, &Notice::HandedOver { why }, &self.machine);
        Ending { outcome: None, handed_over: None, fenced: Some(by), is_untold: false }
    }

    /// Writes down what is still to be written, for as long as that may take; a fenced runner's last words are not.
    pub(super) async fn close(&mut self, ending: Ending) -> Ending {
        let mut is_untold = self.lost.is_some();
        let mut late = self.stays_until(&ending);
        let soon = self.clock.now() + LAST_LINES_HURRIED.mul_f64(self.clock.speed());
        let mut told = self.machine.behind_since().is_some();
        while !is_untold && !self.journal_writer.is_idle() {
            let tried = tokio::select! {
                biased;
                by = fenced(self.keeper.as_deref()) => return self.fenced(by),
                tried = self.journal_writer.next() => tried,
                () = self.clock.sleep_until(late) => {
                    is_untold = true;
                    continue;
                }
            };
            let fault = match tried {
                Ok(Tried::Written) => continue,
                Ok(Tried::Failed(error)) => error.fault(),
                Err(JournalError::Taken(id)) => {
                    let by = self.successor(&id.to_string()).await;
                    return self.fenced(by);
                }
                Err(error) => {
                    is_untold = true;
                    Fault::new(FaultKind::Permanent, "append to the journal", error.to_string())
                }
            };
            if fault.kind.is_lasting() {
                late = late.min(soon);
            }
            if !std::mem::replace(&mut told, true) {
                self.report.tell(self.at, &Notice::Trouble(fault), &self.machine);
            }
        }
        Ending { is_untold, ..ending }
    }

    /// Until when a run that is over waits for its journal: as long as a rollout may hold for it, unless the runner was
    /// told to stop, or left it to others.
    fn stays_until(&self, ending: &Ending) -> Timestamp {
        let wall = |span: Duration| self.clock.now() + span.mul_f64(self.clock.speed());
        let stopped = matches!(&ending.outcome, Some(Outcome::RolledBack(Reason::Signal(_))));
        if stopped || ending.handed_over.is_some() {
            return wall(LAST_LINES_HURRIED);
        }
        let limit = self.machine.behind_since().map(|since| since + BEHIND_WITHIN);
        wall(LAST_LINES).max(limit.unwrap_or_default())
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
    /// answer is all that keeps the rollout from going back was not sent, nor was one forward for a journal that is
    /// behind, and anything else is performed once what led to it is in the journal.
    fn release(&mut self) -> Option<Next> {
        let is_behind = self.machine.behind_since().is_some();
        let may = self.machine.is_retreating() || is_behind || self.lost.is_some() || self.journal_writer.is_idle();
        if !may {
            return None;
        }
        let issued = self.withheld.take()?;
        self.machine.pending().filter(|pending| pending.id == issued.id)?;
        let why = if self.machine.is_draining() {
            "not sent: a word to go back came first"
        } else if is_behind && !self.machine.is_retreating() && goes_forward(&issued.effect) {
            "not sent: the journal is behind"
        } else {
            return Some(Next::Perform(issued));
        };
        let fault = Fault::new(FaultKind::Transient, "write", why);
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
                tried = self.journal_writer.next(), if self.lost.is_none() && !self.journal_writer.is_idle() => match tried {
                    Ok(Tried::Written) => {
                        if self.journal_writer.is_idle() && self.machine.behind_since().is_some() {
                            return Ok(Next::Event(Event::JournalCaughtUp.into()));
                        }
                    }
                    Ok(Tried::Failed(error)) => {
                        if let Some(next) = self.fails(error.fault()) {
                            return Ok(next);
                        }
                    }
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
    /// The store fails, or is slow.
    Behind(Fault),
}

/// Whether an effect changes what a rollout that holds must leave as it is. The dead-man's switch is pushed on all the
/// same: it would end what is held, and whoever goes on from the journal pushes it too.
fn goes_forward(effect: &Effect) -> bool {
    match effect {
        Effect::Arm { create, .. } => *create,
        Effect::IntendCommit => true,
        effect => effect.is_write(),
    }
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
