//! The moves and faults of simulated rollouts, each with a name and a count: one that no seed ever takes is a hole
//! in the simulation.

use tidegate::machine::OperatorRequest;

macro_rules! points {
    ($($(#[$doc:meta])* $group:ident: $($point:ident,)*;)*) => {
        /// One move or fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point { $($($point,)*)* }

        $($(#[$doc])* pub const $group: &[Point] = &[$(Point::$point,)*];)*

        /// All of them.
        pub const ALL: &[Point] = &[$($(Point::$point,)*)*];
    };
}

points! {
    /// What the world does, and people, in every kind of rollout.
    WORLD:
        // Calls.
        ReadThrottled,
        ReadStale,
        StableUnread,
        WriteThrottled,
        WriteAnswerLost,
        WriteLost,
        WriteLate,
        WriteLanded,
        WrittenAgain,
        HalfHeld,
        CredentialsExpired,
        MarkDenied,
        HoldDenied,
        FreeDenied,
        ArmDenied,
        PushDenied,
        DisarmDenied,
        // Tasks and metrics.
        CandidateFails,
        CandidateNeverHealthy,
        CandidateCrashes,
        CandidateLosesTasks,
        CandidateGivenUp,
        StableLosesTasks,
        StableBarren,
        MetricsMissing,
        CountsMissing,
        PublishedLate,
        // Other hands.
        ForeignWrite,
        ForeignWeight,
        ForeignDeployment,
        Entered,
        StableGrew,
        SwitchFired,
        SwitchGaveBack,
        // The runner and its people.
        Killed,
        Interrupted,
        HandedOver,
        ToldToGoBack,
        ToldToPause,
        ToldToContinue,
    ;
    /// What AWS does where it moves the weights, and what becomes of that.
    AWS:
        AwsWaited,
        PauseAnswered,
        PauseTimedOut,
        CarriedOn,
        AwsRolledBack,
        CircuitBroken,
        RollbackFailed,
        Concluded,
        AwsEnded,
        AwsExplained,
        OrderLanded,
    ;
    /// What only a rollout without rivals does.
    ALONE:
        ToldToPromote,
        ToldToSpare,
        KilledBeforeAsking,
        KilledWithWriteInFlight,
        DeadForLong,
    ;
    /// What only rivals do.
    RIVALS:
        // The store.
        CallFailed,
        AnswerLost,
        CallSlow,
        Outage,
        RenewalFailed,
        RenewalRetaken,
        AppendFailed,
        JournalBehind,
        JournalCaughtUp,
        JournalLost,
        JournalNowhere,
        JournalEdited,
        JournalHoled,
        JournalHeaderLost,
        JournalTailLost,
        JournalSalvaged,
        CommitUnwritten,
        DocumentGarbled,
        DocumentRepaired,
        Rehearsed,
        // What happens to a process.
        Frozen,
        FrozenForLong,
        FrozenBeforeSending,
        ClockAhead,
        ClockBehind,
        ClockSetForward,
        FirstReadTooSlow,
        LeftAtOnce,
        // Who takes what.
        TwoDrive,
        Resumed,
        WaitedInVain,
        WaitedOut,
        Preempted,
        PreemptionRefused,
        FirstWrite,
        Rescued,
        RescueTooLate,
        NothingToTake,
        NeverBegan,
        BlindWrite,
        BlindRefused,
        // What a fence stops.
        FencedByDocument,
        FencedByJournal,
        NotSentLate,
        NotSentUnrenewed,
        NotSentUnsure,
        NotSentFenced,
        MadeWay,
        SentWithoutStore,
        OldWriteInQuarantine,
        // The order of things.
        AheadOfTheJournal,
        WordOvertakes,
        NotReleased,
    ;
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

    /// A person said this.
    pub fn told(&mut self, request: OperatorRequest) {
        match request {
            OperatorRequest::Rollback | OperatorRequest::Abort => self.hit(Point::ToldToGoBack),
            OperatorRequest::Pause => self.hit(Point::ToldToPause),
            OperatorRequest::Continue | OperatorRequest::Approve | OperatorRequest::BreakGlass => {
                self.hit(Point::ToldToContinue);
            }
            OperatorRequest::Promote => self.hit(Point::ToldToPromote),
            OperatorRequest::Spare => self.hit(Point::ToldToSpare),
        }
    }

    /// Those of the points that were never taken.
    pub fn missing(&self, points: &[&[Point]]) -> Vec<Point> {
        points.concat().into_iter().filter(|point| self.of(*point) == 0).collect()
    }
}

impl std::fmt::Debug for Hits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let taken = ALL.iter().map(|point| (point, self.of(*point))).filter(|(_, hits)| *hits > 0);
        f.debug_map().entries(taken).finish()
    }
}
