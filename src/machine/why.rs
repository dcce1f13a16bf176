//! Why a rollout goes back, waits, is paused, or cannot do what a person asks: as data, which `report` makes words of.

use std::time::Duration;

use super::event::OperatorRequest;
use crate::domain::approval::Approval;
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Role, Stopped};
use crate::domain::traffic::Share;
use crate::domain::window::Closed;
use crate::gate::{Evidence, Outcome as GateOutcome};

/// Why a rollout goes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// A gate failed.
    Breach {
        /// The gate's name.
        gate: String,
        /// Its evidence.
        evidence: Evidence,
        /// What the verdict was: a fail, or inconclusive for too long.
        outcome: GateOutcome,
    },
    /// The candidate lost the capacity its share needs.
    Capacity(Shortage),
    /// A step took longer than it may.
    TimeLimit(Overdue),
    /// A person said so.
    Operator {
        /// Which word.
        request: OperatorRequest,
        /// Who.
        by: String,
        /// Why, if they said.
        reason: Option<String>,
    },
    /// The runner was told to stop.
    Signal(String),
    /// Somebody else wrote the rule, or deployed to a slot.
    ForeignWrite {
        /// What was found.
        found: String,
    },
    /// The dead-man's switch gave the traffic back, or is about to.
    DeadMan(SwitchSeen),
    /// AWS's own deployment went back, or was ended.
    Deployment(Box<DeploymentEnd>),
    /// AWS refused what the plan needs.
    Refused(Fault),
    /// The world could not be read for too long.
    Blind(Fault),
    /// The journal could not be written for too long, or cannot be for good.
    Store(Fault),
}

/// What somebody else can write while a rollout runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The listener rule.
    Rule,
    /// The service of a slot.
    Service(Role),
}

/// What lasted longer than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// A step.
    Step {
        /// Its title.
        title: String,
        /// How long it may last.
        within: Duration,
        /// What a slot lacked last, of what the step needs.
        lacked: Option<Lack>,
    },
    /// A pause, in which nobody said how to go on.
    Pause(Duration),
    /// Credentials that had ended, and that nobody renewed.
    Credentials(Duration),
    /// A lifecycle hook of the service's own, which nobody answered.
    Hook {
        /// The hook's id.
        hook: String,
        /// The stage of the deployment that it holds.
        stage: String,
        /// How long somebody had.
        within: Duration,
    },
}

/// What shows that the dead-man's switch gives the traffic back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchSeen {
    /// Nobody pushed it on before this moment.
    Due(Timestamp),
    /// Its schedule is gone.
    Gone,
    /// The rule is as the switch writes it: what was found.
    Wrote(String),
}

/// Why a rollout that needs a person does not end.
#[derive(Clone, Debug, PartialEq)]
pub enum Stranding {
    /// Somebody else changed the target after the commit.
    ChangedAfterCommit {
        /// What was found.
        found: String,
    },
    /// The traffic could not be taken back within the limit.
    Late {
        /// The last refusal, if there was one.
        last: Option<Fault>,
    },
    /// AWS refused what gives the traffic back.
    Refused(Fault),
    /// Another rule stands in the place of one that was deleted.
    Replaced {
        /// The ARN of the one that is there.
        by: String,
        /// What it says.
        found: String,
    },
    /// Somebody else keeps writing the rule.
    Overwritten {
        /// What was found last.
        found: String,
    },
}

/// How AWS's own deployment of the release ended before the rollout did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentEnd {
    /// What shows it.
    pub seen: EndSeen,
    /// The task of the release that stopped last, if one is known.
    pub last_stop: Option<Stopped>,
}

/// What shows that AWS's own deployment has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndSeen {
    /// AWS's words for it.
    Said(String),
    /// ECS gave the release up.
    GivenUp {
        /// On this service.
        service: String,
        /// Why, in ECS's words.
        why: String,
    },
    /// The service has no tasks of the release, and the rollout did not take them.
    NoTasks {
        /// The service.
        service: String,
    },
    /// The service runs another revision, and the rollout did not send it.
    Reverted {
        /// The service.
        service: String,
        /// What it runs: family and revision.
        runs: String,
    },
}

/// Why a runner leaves a rollout that is not finished.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaving {
    /// Somebody else decides: there is nothing to go on with.
    TakenOver {
        /// Who.
        by: String,
    },
    /// It was told to stop by this signal, after the commit.
    StoppedAfterCommit(String),
    /// It was told to stop, and the rollout holds.
    Stopped {
        /// By which signal.
        signal: String,
        /// What the candidate keeps.
        share: Share,
        /// When the dead-man's switch fires, while there is one.
        fires: Option<Timestamp>,
    },
    /// The journal cannot be written: what the store said.
    Journal(String),
}

/// What a rollout waits for beyond the time of its step.
#[derive(Clone, Debug, PartialEq)]
pub enum Awaited {
    /// A gate that has not let the step pass.
    Gate {
        /// Its name.
        gate: String,
        /// What it found last.
        evidence: Evidence,
    },
    /// What the candidate or the stable slot lacks before the candidate gets more.
    Lack(Lack),
    /// A journal that can be written: until then the candidate keeps this share.
    Journal(Share),
    /// Credentials that have ended and are renewed.
    Credentials {
        /// The share that the candidate keeps until then.
        share: Share,
        /// When the dead-man's switch takes it back all the same, while there is one.
        fires: Option<Timestamp>,
    },
    /// A healthy target of the stable slot, which has none.
    StableTarget {
        /// How many of its tasks run.
        running: u32,
        /// How many it had before the rollout.
        wanted: u32,
    },
    /// The proof that the old stable slot has no requests left.
    OldSlotQuiet,
    /// The end of what leads to the old stable slot beside the rollout's rule.
    OldSlotAlone {
        /// What that is.
        entrances: Vec<String>,
    },
    /// The dead-man's switch, which could fire before the write.
    Switch,
    /// The moment from which on the dead-man's switch can write no more.
    SwitchLanded,
    /// Somebody else's word at a lifecycle hook of the service's own.
    Hook(HookWait),
}

/// A lifecycle hook of the service's own, at which ECS waits for whoever it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookWait {
    /// The deployment's ARN.
    pub deployment: String,
    /// Where it is, in ECS's words.
    pub stage: String,
    /// The hook's id.
    pub hook: String,
    /// The region.
    pub region: String,
}

/// What keeps the candidate from more weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The candidate's service runs something else than the release.
    Release {
        /// What it runs.
        runs: String,
    },
    /// The stable slot's service runs something else than it should, which a second look has to show too.
    SecondLook {
        /// What it runs.
        runs: String,
    },
    /// A slot has fewer healthy tasks than its share needs.
    Tasks(Role, Shortage),
    /// The same of the candidate, because the stable slot has grown.
    Grown {
        /// To how many tasks.
        stable: u32,
        /// What the candidate lacks of its share of them.
        shortage: Shortage,
    },
}

/// Fewer healthy tasks than a share needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// How many are healthy.
    pub healthy: u32,
    /// How many are needed.
    pub need: u32,
    /// For which share.
    pub share: Share,
}

/// Why no step is taken.
#[derive(Clone, Debug, PartialEq)]
pub enum PausedFor {
    /// A person said so.
    Person {
        /// Who.
        by: String,
        /// Why, if they said.
        reason: Option<String>,
    },
    /// The runner was stopped by this signal.
    Signal(String),
    /// A breach, which a person may overrule.
    Breach(Box<Reason>),
    /// Somebody else's write.
    ForeignWrite {
        /// What they wrote.
        to: Foreign,
        /// What was found.
        found: String,
    },
    /// Neither slot has the tasks that its share needs.
    Capacity {
        /// The candidate's lack.
        candidate: Shortage,
        /// The stable slot's lack.
        stable: Shortage,
    },
    /// A window that is closed.
    Window(Closed),
}

/// What a pause came of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A person's word. Breaches and foreign writes still count.
    Person,
    /// The end of a runner; the next one ends the pause.
    Interrupt,
    /// A breach, which a person may overrule.
    Breach,
    /// Somebody else's write, which is not written over.
    ForeignWrite,
    /// Neither slot has the tasks its share needs. Breaches still count.
    Capacity,
    /// A window that is closed; it ends when that opens.
    Window,
}

impl Cause {
    /// Whether something is wrong with the release or its target.
    pub(super) fn is_trouble(self) -> bool {
        matches!(self, Cause::Breach | Cause::ForeignWrite | Cause::Capacity)
    }
}

impl PausedFor {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Person { .. } => Cause::Person,
            Self::Signal(_) => Cause::Interrupt,
            Self::Breach(_) => Cause::Breach,
            Self::ForeignWrite { .. } => Cause::ForeignWrite,
            Self::Capacity { .. } => Cause::Capacity,
            Self::Window(_) => Cause::Window,
        }
    }
}

/// Why a person's request changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Objection {
    /// It has not begun.
    NotBegun,
    /// It goes back already.
    GoesBack,
    /// It is committed.
    Committed,
    /// It is committed, and going back is a new rollout.
    BackAfterCommit,
    /// It is over.
    Over,
    /// It is not on its way forward.
    NotForward,
    /// It is not paused.
    NotPaused,
    /// It is paused, for this.
    Paused(PausedFor),
    /// A window keeps it.
    Closed(Closed),
    /// No approval is waited for.
    NothingToApprove,
    /// Another approval is waited for.
    OtherApproval {
        /// What the request approves.
        approves: Approval,
        /// What is waited for.
        waits: Approval,
    },
    /// These gates have not decided, and it does not name them.
    Undecided(Vec<(String, Evidence)>),
    /// It has to say why.
    NoReason,
    /// It has no windows.
    NoWindows,
    /// This person has overruled its windows already.
    GlassBroken(String),
    /// Nothing is closed that could be overruled.
    NothingClosed,
    /// This person has promoted it already.
    Promoted(String),
    /// A known breach, which is overruled only with a reason.
    Breach(KnownBreach),
    /// No step is left that could be skipped.
    NothingToSkip,
    /// It takes no tasks away now.
    NothingToSpare,
    /// It is not committed: a rollback takes the traffic back.
    NotCommitted,
    /// It takes the old tasks away already.
    TakesTasks,
    /// The old tasks are not its to spare.
    TasksNotOurs,
}

/// A breach that is known while a person asks to go on.
#[derive(Clone, Debug, PartialEq)]
pub enum KnownBreach {
    /// The rollout is held for it.
    Held(PausedFor),
    /// A gate fails at this moment.
    Gate {
        /// Its name.
        gate: String,
        /// What it found.
        evidence: Evidence,
    },
}
