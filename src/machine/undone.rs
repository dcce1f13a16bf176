//! What a rollout leaves undone at its end, as data, which `report` makes words of.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::safeguard::Beacon;

/// Something that was left undone and does not touch the traffic.
#[derive(Clone, Debug, PartialEq)]
pub enum Undone {
    /// The old stable slot keeps its tasks.
    OldSlot(Kept),
    /// The candidate slot keeps its tasks.
    Candidate(Kept),
    /// The candidate slot could not be restored within the limit.
    CandidateLate,
    /// The stable slot, which serves with fewer tasks than before, gets no more.
    StableTasks(Fault),
    /// AWS has not ended its deployment in time: who moves the weights.
    Deployment(&'static str),
    /// A service keeps the revision that it has, because the recorded one is refused.
    Revision {
        /// The service.
        service: String,
        /// What is refused.
        refused: String,
        /// In AWS's words.
        fault: Fault,
    },
    /// The dead-man's switch stays armed.
    Switch {
        /// When it fires, as far as is known.
        fires: Option<Timestamp>,
        /// What was refused, if it was.
        fault: Option<Fault>,
    },
    /// Autoscaling stays held.
    Scaling(Option<Fault>),
    /// The rule's beacon does not say this.
    Beacon(Beacon, Option<Fault>),
    /// Everything else, because somebody else moved the traffic meanwhile.
    Rest,
}

/// Why a slot keeps its tasks.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Nobody said how to go on within this time.
    Unanswered(Duration),
    /// No proof that its requests have ended.
    Unproven,
    /// This leads to it beside the rollout's rule.
    Entrances(Vec<String>),
    /// No proof of what leads to it beside the rollout's rule.
    EntrancesUnread,
    /// Clients may hold cookies of it until then.
    Cookies(Timestamp),
    /// AWS refused to take them.
    Refused(Fault),
    /// The runner was told to stop.
    RunnerStopped,
    /// This person goes back to them.
    SparedFor(String),
}

/// Why the rule's stickiness, which the way back turned off, stays off.
#[derive(Clone, Debug, PartialEq)]
pub enum StaysOff {
    /// Clients may hold cookies of the candidate until then.
    Cookies(Timestamp),
    /// Somebody else changed the rule.
    Foreign {
        /// What was found.
        found: String,
    },
    /// AWS refused to put it back.
    Refused(Fault),
    /// The dead-man's switch may turn it off once more.
    Switch,
    /// The way back had no time left.
    NoTime,
}
