//! Following a tape that another process writes, until it says what is waited for.

use std::time::Duration;

use super::Failure;
use super::context::{Found, is_driven};
use crate::clock::{Clock, Timestamp};
use crate::journal;
use crate::machine::{Machine, Notice};

/// The wall time between two reads of the tape.
const BETWEEN_READS: Duration = Duration::from_millis(200);

/// A tape read as far as it goes.
pub(super) struct Follower<'a> {
    found: &'a Found<'a>,
    machine: Machine,
    taken: usize,
}

impl<'a> Follower<'a> {
    /// Starts behind what is on the tape already.
    pub(super) fn at_end(found: &'a Found<'a>) -> Result<Self, Failure> {
        let tape = journal::read(&found.entry.tape())?;
        let machine = journal::replay(tape.header.plan, &tape.records);
        Ok(Self { found, machine, taken: tape.records.len() })
    }

    /// The rollout as far as the tape goes.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// What has happened since.
    fn news(&mut self) -> Result<Vec<(Timestamp, Notice)>, Failure> {
        let tape = journal::read(&self.found.entry.tape())?;
        let mut news = Vec::new();
        for record in tape.records.into_iter().skip(self.taken) {
            self.taken += 1;
            let reaction = self.machine.apply(record.at, record.event);
            news.extend(reaction.notices.into_iter().map(|notice| (record.at, notice)));
        }
        Ok(news)
    }

    /// Follows until `done` says so of a notice, the runner is gone, or `within` of wall time has passed.
    /// `tell` hears of every notice on the way.
    pub(super) async fn until(
        &mut self,
        within: Duration,
        mut tell: impl FnMut(Timestamp, &Notice, &Machine),
        mut done: impl FnMut(&Notice) -> bool,
    ) -> Result<Followed, Failure> {
        let wall = Clock::wall();
        let deadline = wall.now() + within;
        loop {
            // Whether it is driven is asked before the tape is read: a runner's last words are then seen.
            let driven = is_driven(self.found);
            for (at, notice) in self.news()? {
                tell(at, &notice, &self.machine);
                if done(&notice) {
                    return Ok(Followed::Done);
                }
            }
            if !driven {
                return Ok(Followed::RunnerGone);
            }
            if wall.now() >= deadline {
                return Ok(Followed::TimedOut);
            }
            wall.sleep_until(wall.now() + BETWEEN_READS).await;
        }
    }
}

/// How following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// What was waited for is there.
    Done,
    /// Nobody writes the tape any more.
    RunnerGone,
    /// It took too long.
    TimedOut,
}
