//! One process of a contested rollout: its clock, its lease, and what it is doing.

use std::collections::VecDeque;
use std::time::Duration;

use tidegate::cloud::Pass;
use tidegate::domain::clock::Timestamp;
use tidegate::lease::{Control, Held, Phase, Watch};
use tidegate::machine::{Event, Issued, Machine};

use super::checks::Checks;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Runner,
    Resumer,
    Operator,
    Guard,
    /// A rollback that goes by the rule's beacon alone.
    Blind,
}

/// How a document is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Begin,
    TakeOver,
    Preempt,
    Rescue(u64),
}

/// What it is doing.
#[derive(Debug)]
pub enum Doing {
    /// Reading the document to take it, or swapping it.
    Taking {
        how: How,
        gone: bool,
        tries: u32,
        asked: Timestamp,
        body: Option<Control>,
    },
    /// Watching the owner, to take the document once it is gone.
    Watching {
        how: How,
        watch: Watch,
        first: Option<u64>,
        asked: Timestamp,
    },
    /// Watching everybody.
    Guarding {
        watch: Watch,
        asked: Timestamp,
    },
    /// The stable-only weights are on their way, straight after the lease; or instead of one.
    FirstWrite {
        has_lease: bool,
    },
    Opening {
        tries: u32,
    },
    /// Writing the events with which the journal is taken over.
    TakingJournal {
        tries: u32,
        length: usize,
        events: Vec<(Timestamp, Event)>,
        next: usize,
        committed: bool,
    },
    Driving,
    /// Somebody else decides; a write in flight is waited for.
    Landing,
    /// The last lines are written, and then the lease given back: as over, or not.
    Closing {
        over: bool,
        late: Timestamp,
    },
    Releasing,
    Over,
}

/// A renewal under way.
#[derive(Debug)]
pub struct Renewal {
    pub job: Job,
    pub body: Control,
    pub asked: Timestamp,
    pub tries: u32,
}

/// What a renewal is for.
#[derive(Clone, Debug)]
pub enum Job {
    Beat,
    IntendCommit(Issued),
    Release { over: bool },
}

/// The lease keeper of its lease.
#[derive(Debug)]
pub struct LeaseKeeper {
    pub held: Held,
    pub version: u64,
    pub phase: Phase,
    pub back: bool,
    pub renewal: Option<Renewal>,
    pub waiting: VecDeque<Job>,
    /// Counts calls: the answer to one that was given up is not heard.
    pub turn: u64,
}

/// The effect in flight.
#[derive(Debug)]
pub struct InFlight {
    pub issued: Issued,
    pub is_sent: bool,
}

/// The engine's loop.
pub struct EventLoop {
    pub machine: Machine,
    pub checks: Checks,
    pub journal_writer: VecDeque<(Timestamp, Event)>,
    pub is_writing: bool,
    /// Where in the journal the next line goes; nowhere, for a way back without a journal.
    pub place: Option<usize>,
    /// The event that waits until it is in the journal.
    pub settling: Option<Event>,
    pub early: VecDeque<Event>,
    /// What was decided and not performed, because a word overtook it.
    pub withheld: Option<Issued>,
    /// Counts the events that waited for the journal.
    pub settled: u64,
    /// How often in a row a line was not taken.
    pub failures: u32,
    /// Whether it left before its journal said how it ended.
    pub is_untold: bool,
    pub at: Timestamp,
    pub in_flight: Option<InFlight>,
    pub alarm: u64,
    /// Since when it goes back, can call, and the traffic is not back.
    pub calm_since: Option<Timestamp>,
}

/// A process.
pub struct Process {
    pub kind: Kind,
    /// How far its clock is ahead of the world's, in milliseconds.
    pub skew: i64,
    /// How much further its rollout's clock was set forward.
    pub ahead: Duration,
    pub alive: bool,
    pub frozen_until: Timestamp,
    pub doing: Doing,
    pub keeper: Option<LeaseKeeper>,
    pub pass: Pass,
    pub event_loop: Option<EventLoop>,
    /// Since when it knows that somebody else decides.
    pub fenced: bool,
    pub was_interrupted: bool,
}

impl Process {
    pub fn new(kind: Kind, skew: i64, doing: Doing) -> Self {
        let zero = Timestamp::default();
        Self {
            kind,
            skew,
            ahead: Duration::ZERO,
            alive: true,
            frozen_until: zero,
            doing,
            keeper: None,
            pass: Pass::default(),
            event_loop: None,
            fenced: false,
            was_interrupted: false,
        }
    }

    /// Whether it is still there and has not ended.
    pub fn is_busy(&self) -> bool {
        self.alive && !matches!(self.doing, Doing::Over | Doing::Guarding { .. })
    }

    /// Whether it may decide something yet.
    pub fn is_driving(&self) -> bool {
        self.alive && matches!(self.doing, Doing::Driving)
    }

    /// What its clock shows when it is `now`.
    pub fn clock(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_add_signed(self.skew))
    }

    /// What its rollout's clock shows.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        self.clock(now) + self.ahead
    }

    /// What the world's clock shows when its rollout's shows `at`.
    pub fn world_time(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.before(self.ahead).as_millis().saturating_add_signed(-self.skew))
    }

    pub fn epoch(&self) -> u64 {
        self.keeper.as_ref().map_or(0, |keeper| keeper.held.control().epoch)
    }

    /// What a renewal changes for writes.
    pub fn extend(&mut self) {
        let Some(keeper) = &self.keeper else { return };
        self.pass.forward_until = keeper.held.send_until();
        self.pass.sure_until = keeper.held.sure_until();
        self.pass.blind_until = Timestamp::default();
    }
}
