//! The moves and faults of contested rollouts, each with a name and a count: one that no seed ever takes is a hole
//! in the simulation.

macro_rules! points {
    ($($point:ident,)*) => {
        /// One move or fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point { $($point,)* }

        /// All of them.
        pub const ALL: &[Point] = &[$(Point::$point,)*];
    };
}

points! {
    // The store.
    CallFailed,
    AnswerLost,
    CallSlow,
    Outage,
    RenewalFailed,
    RenewalRetaken,
    AppendFailed,
    TapeLost,
    TapeNowhere,
    // What happens to a process.
    Killed,
    Frozen,
    FrozenForLong,
    FrozenBeforeSending,
    ClockAhead,
    ClockBehind,
    ClockSetForward,
    Interrupted,
    // Who takes what.
    Resumed,
    WaitedInVain,
    WaitedOut,
    Preempted,
    PreemptionRefused,
    FirstWrite,
    Rescued,
    RescueTooLate,
    NothingToTake,
    BlindWrite,
    BlindRefused,
    ForeignWrite,
    SwitchGaveBack,
    // What a fence stops.
    FencedByDocument,
    FencedByTape,
    NotSentLate,
    NotSentUnrenewed,
    NotSentUnsure,
    NotSentFenced,
    MadeWay,
    SentWithoutStore,
    OldWriteInQuarantine,
    // The order of things.
    AheadOfTheTape,
    WordOvertakes,
    HandedOver,
    NotReleased,
}

/// How often each was taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Hits(Vec<u64>);

impl Default for Hits {
    fn default() -> Self {
        Self(vec![0; ALL.len()])
    }
}

impl Hits {
    pub fn hit(&mut self, point: Point) {
        self.0[point as usize] += 1;
    }

    pub fn of(&self, point: Point) -> u64 {
        self.0[point as usize]
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }

    /// The points that were never taken.
    pub fn missing(&self) -> Vec<Point> {
        ALL.iter().copied().filter(|point| self.of(*point) == 0).collect()
    }
}

impl std::fmt::Debug for Hits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(ALL.iter().map(|point| (point, self.of(*point)))).finish()
    }
}
