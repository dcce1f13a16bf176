//! Goes on with a rollout under a lease that was just taken: forward, or, when asked, back.

use std::time::Duration;

use super::journal::{Opened, write};
use super::{Drivers, JournalOrNone, Request, Runner, Taken, Takeover, TakeoverError};
use crate::cloud::Fence;
use crate::domain::clock::{Clock, Timestamp};
use crate::engine::{Driven, First, LeaseKeeper};
use crate::journal::{self, JournalError};
use crate::lease::Phase;
use crate::machine::{Event, Machine, Outcome};
use crate::report::TakeoverNotice;
use crate::store::Lease;

/// How often a journal is opened anew because the runner before wrote another line meanwhile. One that was
/// preempted writes a few more at most before it notices.
const TRIES: u32 = 20;

/// How often the rule's tags are read that may say that a rollout is committed, and how long between two tries.
const TAG_TRIES: u32 = 3;
const TAG_PAUSE: Duration = Duration::from_secs(1);

/// What stands after a rollout was taken over.
#[derive(Debug)]
pub enum Going<C> {
    /// It is over already, and its lease is given back.
    Over(Outcome),
    /// It is to be driven on.
    On(Box<Driven<C>>),
}

/// A journal that was taken over, and the driver for what follows.
struct Joined<C> {
    machine: Machine,
    opened: Opened,
    events: Vec<(Timestamp, Event)>,
    cloud: C,
    clock: Clock,
}

enum Join<C> {
    Over(Outcome),
    On(Box<Joined<C>>),
}

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// Goes on with the rollout. `back` takes it back; `then` is said to it as soon as it has begun.
    ///
    /// # Errors
    /// When its journal cannot be taken over; the lease is given back then, because somebody else may be able to go on.
    pub async fn go_on(
        &self,
        taken: Taken,
        back: Option<Request>,
        then: Option<Event>,
    ) -> Result<Going<D::Driver>, TakeoverError<D::Refusal>> {
        let Taken { lease, tidies, .. } = taken;
        let is_told = back.is_some() && self.is_committed_by_tag(&lease).await;
        let keeper = LeaseKeeper::new(lease, Fence::new(self.clock.clone()), self.clock.clone());
        match self.join(&keeper, back.as_ref(), is_told, tidies).await {
            Ok(Join::Over(outcome)) => {
                let _ = keeper.release(true).await;
                Ok(Going::Over(outcome))
            }
            Ok(Join::On(joined)) => {
                let Joined { machine, opened, events, cloud, clock } = *joined;
                Ok(Going::On(Box::new(Driven {
                    store: self.store.clone(),
                    id: self.id.clone(),
                    trace: opened.recorded.header.trace,
                    machine,
                    first: First::Journaled(events),
                    records: opened.recorded.records,
                    journal: opened.journal,
                    cloud,
                    clock,
                    keeper,
                    then,
                })))
            }
            Err(error) => {
                let _ = keeper.release(false).await;
                Err(error)
            }
        }
    }

    /// Whether the rule's tag says that it is committed. The journal may not: its store failed the owner before, who was
    /// about to commit by the document, right then. What others were told is finished, and not taken back.
    async fn is_committed_by_tag(&self, lease: &Lease) -> bool {
        if lease.held().control().phase != Phase::Committing {
            return false;
        }
        for _ in 0..TAG_TRIES {
            if let Some(mark) = self.drivers.mark(self.plan).await {
                return self.commits(&mark);
            }
            self.clock.sleep_until(self.clock.now() + TAG_PAUSE).await;
        }
        false
    }

    async fn join(
        &self,
        keeper: &LeaseKeeper,
        back: Option<&Request>,
        is_told: bool,
        tidies: bool,
    ) -> Result<Join<D::Driver>, TakeoverError<D::Refusal>> {
        let epoch = keeper.epoch();
        for _ in 0..TRIES {
            let mut opened = self.open(back.is_some()).await?;
            if is_told {
                self.refuse_forward_from_damage(&opened.recorded).await?;
            }
            let machine = journal::replay(self.plan.clone(), &opened.recorded.records);
            // Where the journal says it too, whoever asked is told that it is too late.
            let back = back.filter(|_| !is_told || machine.is_committed());
            // The runner before may have had a clock that was ahead of ours: time in the journal never goes back.
            let clock = self.clock.not_before(machine.now());
            let runner = |clock| Runner { id: self.id, epoch, clock, fence: keeper.fence().clone() };
            if let Some(outcome) = over(&machine, back.is_some()).filter(|_| !(tidies && machine.has_left())) {
                // Where cookies of the candidate last, it was left off, and stays so.
                let unbound = machine.cookies_last_until() <= clock.now();
                if back.is_some() && matches!(outcome, Outcome::RolledBack(_)) && unbound {
                    self.mend(runner(self.clock.clone())).await;
                }
                return Ok(Join::Over(outcome));
            }
            let forward = match back {
                Some(_) => None,
                None => {
                    let forward = self.drivers.forward(&opened.recorded, &machine, runner(clock.clone())).await;
                    Some(forward.map_err(TakeoverError::Refused)?)
                }
            };
            let events = self.first_events(epoch, &machine, &opened, back);
            let events: Vec<_> = events.into_iter().map(|event| (clock.now(), event)).collect();
            match write(&mut opened.journal, &events).await {
                Ok(()) => {}
                Err(JournalError::Taken(_)) => continue,
                // Past the commit the request changes nothing, and nothing goes forward without a journal.
                Err(error) if back.is_some() && !machine.is_committed() => {
                    self.tell(&TakeoverNotice::GoesUnwritten(error.to_string()));
                    opened.journal = JournalOrNone::None;
                }
                Err(error) => return Err(error.into()),
            }
            let cloud = match forward {
                Some(cloud) => cloud,
                None => self.drivers.back(self.plan, runner(clock.clone())).await,
            };
            return Ok(Join::On(Box::new(Joined { machine, opened, events, cloud, clock })));
        }
        Err(TakeoverError::Restless(self.id.clone()))
    }
}

fn over(machine: &Machine, goes_back: bool) -> Option<Outcome> {
    let outcome = machine.outcome()?;
    let again = goes_back && matches!(outcome, Outcome::Stranded { .. });
    (!again).then(|| outcome.clone())
}
