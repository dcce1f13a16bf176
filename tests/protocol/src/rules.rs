//! The rules of the protocol, by name, so that the model can be run without any one of them.

/// One rule that the protocol keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A forward write is sent only while `Held::may_send` says so.
    LeaseBeforeSending,
    /// No write is sent later than `SEND_WITHIN` after it was decided, be it forward, back or blind.
    AgeBeforeSending,
    /// The way back ends only `QUARANTINE` after it was written into the document.
    Quarantine,
    /// Who cannot append to the journal, because somebody else did, decides nothing.
    JournalFence,
    /// A renewal that finds another epoch is no renewal.
    EpochAtRenewal,
    /// An owner's document is taken over only after it stood still for a lease.
    LeaseRunsOut,
    /// What is taken over is the body that stood still, not a later one.
    TakesWhatItWatched,
    /// The commit begins in the document, where nobody may preempt it any more.
    CommittingPhase,
    /// A rollback without the store leaves a rule alone whose tag says committed.
    CommittedTag,
    /// A switch that could have fired is waited for before the commit.
    SwitchQuiesced,
    /// After the tag is set, the commit waits until no write from before it can land.
    DrainBeforeCommit,
    /// The rule is read once more before the commit.
    LookBeforeCommit,
    /// The rule is read once more before the way back ends.
    LookBeforeBackEnds,
    /// The stable slot is taken down only after the commit.
    QuietBeforeStableDown,
    /// The candidate slot is taken down only after the way back has ended.
    QuietBeforeCandidateDown,
    /// A runner whose lease is old writes nothing, not even back, before it has asked the document.
    YoungLeaseToGoBack,
    /// No weight is given while the switch is unarmed or could fire before the write has landed.
    SwitchFarOff,
    /// The switch stays armed until the document says that the commit began.
    SwitchUntilCommitting,
    /// What goes back never goes forward again, whoever takes it over.
    BackForGood,
    /// Clocks run apart by less than `MARGIN`.
    ClocksWithinMargin,
}
