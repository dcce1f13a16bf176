//! Follows a journal that another process writes, until an awaited event is in it.

use std::time::Duration;

use super::Failure;
use super::context::Found;
use crate::domain::clock::{Clock, Timestamp};
use crate::journal::{self, Tail};
use crate::lease::{Life, Looked, Owner, Watch};
use crate::machine::{Machine, Notice};
use crate::store::LeaseError;

/// A journal read as far as it goes.
pub(super) struct Follower<'a> {
    found: &'a Found,
    machine: Machine,
    tail: Tail,
}

impl<'a> Follower<'a> {
    /// Starts behind what is in the journal already.
    pub(super) async fn at_end(found: &'a Found) -> Result<Self, Failure> {
        let (tail, recorded) = Tail::open(&found.store, &found.id).await?;
        let machine = journal::replay(recorded.header.plan, &recorded.records);
        Ok(Self { found, machine, tail })
    }

    /// The rollout as far as the journal goes.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What has happened since.
    async fn news(&mut self) -> Result<Vec<(Timestamp, Notice)>, Failure> {
        let mut news = Vec::new();
        for record in self.tail.news(&self.found.store, &self.found.id).await? {
            let reaction = self.machine.apply(record.at, record.event);
            news.extend(reaction.notices.into_iter().map(|notice| (record.at, notice)));
        }
        Ok(news)
    }

    /// Follows until `done` says so of a notice, the runner is gone, or `within` of wall time has passed.
    /// `tell` hears of every notice on the way. `clock` is the runner's own, by which its lease is measured.
    pub(super) async fn until(
        &mut self,
        (within, clock): (Duration, &Clock),
        mut tell: impl FnMut(Timestamp, &Notice, &Machine),
        mut done: impl FnMut(&Notice) -> bool,
    ) -> Result<Followed, Failure> {
        let wall = Clock::wall();
        let deadline = wall.now() + within;
        let mut watch = Watch::default();
        loop {
            // Whether it is driven is asked before the journal is read: a runner's last words are then seen.
            let driven = self.is_driven(&mut watch, clock).await;
            // All that was read is told: the machine has taken it in, so nobody would hear of the rest.
            let mut is_done = false;
            for (at, notice) in self.news().await? {
                tell(at, &notice, &self.machine);
                is_done |= done(&notice);
            }
            if is_done {
                return Ok(Followed::Done);
            }
            if !driven {
                return Ok(Followed::RunnerGone);
            }
            if wall.now() >= deadline {
                return Ok(Followed::TimedOut);
            }
            wall.sleep_until(wall.now() + self.found.store.between_looks()).await;
        }
    }

    /// Whether the runner may still live.
    async fn is_driven(&self, watch: &mut Watch, clock: &Clock) -> bool {
        let owner = owner(self.found, &self.machine.plan().target.rule, (watch, clock)).await;
        owner.map_or(true, |owner| owner.is_some())
    }
}

/// Who drives a rollout that moves `rule`, as far as one who has `watch`ed it for a while can tell: an owner that
/// was silent for a lease's time on `clock` is none.
pub(super) async fn owner(
    found: &Found,
    rule: &str,
    (watch, clock): (&mut Watch, &Clock),
) -> Result<Option<Owner>, LeaseError> {
    let asked = clock.now();
    let Some(standing) = found.store.standing(rule).await? else { return Ok(None) };
    let (control, looked) = (standing.control, Looked { asked, answered: clock.now() });
    let lives = control.rollout == found.id
        && control.owner.as_ref().is_some_and(|owner| !owner.is_gone())
        && watch.look(&control, looked) == Life::Possible;
    Ok(control.owner.filter(|_| lives))
}

/// How following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// What was waited for is there.
    Done,
    /// Nobody writes the journal any more.
    RunnerGone,
    /// It took too long.
    TimedOut,
}
