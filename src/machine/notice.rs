//! All that a rollout tells people. Reports see notices and progress, and nothing else, whether the
//! rollout is live or replayed from its journal.

use std::time::Duration;

use super::back::phase::Phase;
use super::event::OperatorRequest;
use super::undone::{StaysOff, Undone};
use super::why::{Awaited, Foreign, Leaving, Objection, PausedFor, Reason, Stranding};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Capacity, Role, Served};
use crate::domain::traffic::Share;
use crate::gate::Verdict;

/// One thing worth telling.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The rollout began.
    Started {
        /// Who started it.
        by: String,
    },
    /// A runner took over from one that ended without finishing.
    Recovered {
        /// Who took over.
        by: String,
        /// Counts the runners.
        epoch: u64,
    },
    /// A step began: its index in the plan.
    StepStarted(usize),
    /// A step passed.
    StepPassed {
        /// Its index in the plan.
        step: usize,
        /// How long it took.
        took: Duration,
        /// The gates that proved nothing in time and let it pass all the same, by name.
        undecided: Vec<String>,
    },
    /// The task definition is registered.
    Registered(String),
    /// A slot's tasks changed while they are waited for.
    CapacityChanged {
        /// Which slot.
        role: Role,
        /// What was seen.
        seen: Capacity,
        /// How many tasks are wanted.
        wanted: u32,
    },
    /// A weight is written and read back.
    Shifted {
        /// The candidate's share now.
        share: Share,
        /// From the decision to the read-back.
        took: Duration,
    },
    /// AWS moved the weights without being told to: its deployment did not wait.
    CarriedOn {
        /// The candidate's share now.
        share: Share,
    },
    /// A gate's verdict changed its mind, or it is the first of a step.
    Judged {
        /// The gate's name.
        gate: String,
        /// What it says now.
        verdict: Verdict,
    },
    /// A probe was answered.
    Probed {
        /// The gate's name.
        gate: String,
        /// Whether it was right.
        right: bool,
        /// What came.
        text: String,
    },
    /// The step lasts longer than asked.
    Waiting {
        /// For what.
        on: Awaited,
    },
    /// A person is waited for.
    AwaitingApproval {
        /// What they are asked.
        message: String,
        /// Until when.
        until: Timestamp,
    },
    /// A person passed the approval.
    Approved {
        /// Who.
        by: String,
    },
    /// A person wants to wait no longer: everything goes to the candidate, and is committed.
    Promoting {
        /// Who.
        by: String,
        /// Why, if they said.
        reason: Option<String>,
    },
    /// A step was left without a verdict on a person's word.
    Skipped {
        /// Its index in the plan.
        step: usize,
        /// Whose word.
        by: String,
    },
    /// No step will be taken until a person says so.
    Paused {
        /// By whom or what.
        why: PausedFor,
        /// When the rollout goes back if nobody says anything.
        until: Timestamp,
    },
    /// It goes on.
    Continued {
        /// By whom.
        by: String,
    },
    /// A person overruled the windows for the rest of the rollout.
    BrokeGlass(Glass),
    /// A word came that means nothing now.
    Refused {
        /// The word.
        request: OperatorRequest,
        /// Who gave it.
        by: String,
        /// Why it means nothing.
        why: Objection,
    },
    /// Somebody else wrote the rule, or deployed to a slot.
    ForeignWrite {
        /// What they wrote.
        to: Foreign,
        /// What was found.
        found: String,
        /// The candidate's share, which the rule should say.
        expected: Share,
    },
    /// The world refused something; the rollout copes with it.
    Trouble(Fault),
    /// The rollout goes back.
    Retreating {
        /// Why.
        reason: Reason,
    },
    /// All traffic is on the stable slot, read back.
    TrafficBack {
        /// From the decision to the read-back.
        took: Duration,
    },
    /// A slot has provably no requests left.
    Quiet {
        /// Which slot.
        role: Role,
    },
    /// A slot has been given other capacity.
    Scaled {
        /// Which slot.
        role: Role,
        /// How many tasks it will have.
        count: u32,
    },
    /// Autoscaling takes no tasks away until the end.
    ScalingHeld,
    /// Autoscaling is as it was.
    ScalingFreed,
    /// The dead-man's switch is armed; it is pushed on from here on.
    Armed {
        /// When it fires unless it is.
        at: Timestamp,
    },
    /// The dead-man's switch is gone.
    Disarmed,
    /// From here on going back is a new rollout.
    Committed,
    /// What the candidate served.
    Counted(Served),
    /// Something was left undone that does not touch the traffic.
    LeftUndone {
        /// What, and why.
        what: Undone,
    },
    /// The traffic is back but for clients that hold a cookie of the candidate, because AWS does not let the rule's
    /// stickiness be off: they are led there once more at least.
    StillLed {
        /// When the last of their cookies ends.
        until: Timestamp,
    },
    /// The write that gives the traffic back is denied. It is tried again until then; whoever can allow it is needed.
    BackDenied {
        /// In AWS's words.
        fault: Fault,
        /// When the rollout is stranded over it.
        until: Timestamp,
    },
    /// The traffic is back, and the rule is not what it was beside its weights. That is kept as it was found.
    RuleDiffers {
        /// What was found.
        found: String,
        /// The ARN of the rule that stands in its place, where it is there no more: that one is not written.
        instead: Option<String>,
    },
    /// The way back turned the rule's stickiness off, and it stays off.
    StickinessOff {
        /// Why it was not put back.
        why: StaysOff,
    },
    /// The runner leaves; the rollout is not finished.
    HandedOver {
        /// Why.
        why: Leaving,
    },
    /// It is over.
    Finished(Outcome),
}

/// A person's word that overrules windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glass {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The candidate serves everything.
    Promoted,
    /// The stable slot serves everything, read back.
    RolledBack(Reason),
    /// A person is needed.
    Stranded {
        /// Why the way back was taken, if it was.
        reason: Option<Reason>,
        /// Why it did not end.
        why: Stranding,
    },
}

/// What a rollout is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing yet.
    NotStarted,
    /// Reading the world before a write.
    Reading,
    /// Writing the weights.
    Writing,
    /// Asking AWS for something else.
    AskingAws,
    /// Waiting for healthy tasks.
    AwaitingTasks,
    /// Waiting until AWS has ended its deployment.
    AwaitingEnd,
    /// Probing the candidate.
    Probing,
    /// Holding for as long as the step asks.
    Holding,
    /// Holding for longer, until the gates have data.
    AwaitingData,
    /// Comparing, in a ramp.
    Comparing,
    /// Raising the share, in a ramp.
    Raising,
    /// Waiting for a person's approval.
    AwaitingApproval,
    /// Waiting until the old stable slot has no requests left.
    AwaitingQuiet,
    /// Counting what the candidate served.
    Counting,
    /// Going back, once a write of the way forward is answered.
    Draining,
    /// Going back.
    Back(Phase),
    /// Nothing any more: the candidate serves everything.
    Promoted,
    /// Nothing any more: the stable slot serves everything.
    RolledBack,
    /// Nothing any more: a person is needed.
    Stranded,
}

/// Where a rollout stands, for a live footer and for `status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The release's task definition, once registered.
    pub registered: Option<String>,
    /// The index of the present step; the number of steps when all are done.
    pub step: usize,
    /// What it is doing.
    pub doing: Doing,
    /// The candidate's share the plan wants now.
    pub wanted: Share,
    /// The candidate's share last read back from the rule, if it was.
    pub configured: Option<Share>,
    /// The candidate's share of the requests, as last counted by the load balancer: a minute or two old.
    pub observed: Option<Share>,
    /// When the present wait ends at the latest.
    pub until: Option<Timestamp>,
    /// The latest verdict of each gate, by the plan's order.
    pub verdicts: Vec<Option<Verdict>>,
    /// Both slots' tasks as last seen: healthy, of wanted; stable first.
    pub healthy: Option<[(u32, u32); 2]>,
    /// The gate that keeps the present step from passing, by the plan's order: the first whose verdict does not
    /// pass it, where the step waits for gates.
    pub unproven: Option<usize>,
    /// What the present step waits for beyond its time, if that was told.
    pub waiting: Option<Awaited>,
    /// When the rollout goes back by itself unless something changes, while it goes forward and can.
    pub goes_back: Option<Timestamp>,
    /// Why it is paused, if it is.
    pub paused: Option<PausedFor>,
    /// Who promoted it, if somebody has.
    pub promoted_by: Option<String>,
    /// Who overruled the windows, if somebody has.
    pub glass: Option<Glass>,
    /// Why it goes back, if it does.
    pub reason: Option<Reason>,
    /// When the dead-man's switch gives the traffic back unless it is pushed on, while there is one.
    pub fires: Option<Timestamp>,
    /// Whether it is past the point of return.
    pub committed: bool,
    /// What the candidate served, once counted.
    pub served: Option<Served>,
}
