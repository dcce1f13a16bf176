//! Messages of a takeover beside the notices of its rollout: the lease, the first write, the journal, giving the lease
//! back.

use std::time::Duration;

use crate::domain::clock::span;
use crate::domain::fault::Fault;
use crate::domain::name::RolloutId;
use crate::domain::text::escape;

/// One thing that happened while a rollout was taken over or let go. Times are the wall's.
#[derive(Clone, Debug, PartialEq)]
pub enum TakeoverNotice {
    /// The owner may live, so it is watched.
    OwnerWatched {
        /// The owner, as `user@host`.
        by: String,
        /// How long at most.
        at_most: Duration,
        /// Whether the owner is about to commit: only it knows whether it has, so it is asked to take the traffic back.
        commits: bool,
    },
    /// The store is not waited for: the weights are written without a lease.
    StoreSilent,
    /// The writer of the journal was cut off within the last line.
    LastLineCut {
        /// Where the line begins, in bytes.
        at: u64,
        /// How much of it there was.
        bytes: u64,
    },
    /// The journal is damaged; what is whole leads back.
    JournalDamaged(String),
    /// The journal cannot be written, and the way back needs none.
    GoesUnwritten(String),
    /// The first write is read back.
    TrafficBack {
        /// The service that has everything now.
        stable: String,
        /// How long after the command.
        took: Duration,
    },
    /// Whoever moves the weights is told to take the traffic back.
    BackOrdered {
        /// Who moves them.
        mover: String,
        /// What the rule says until then.
        rule: String,
    },
    /// The first write failed; the rollout asks for it again.
    NotYet(Fault),
    /// The rule's stickiness could not be turned on again.
    StickinessStaysOff {
        /// Why.
        fault: Fault,
        /// The call that turns it on.
        call: String,
    },
    /// The stable slot could not be scaled up before it gets the traffic.
    NotScaled {
        /// Its service.
        service: String,
        /// Why.
        fault: Fault,
    },
    /// The stable slot is scaled up, and the traffic waits for it.
    ScaledFirst {
        /// Its service.
        service: String,
        /// How many tasks it gets.
        count: u32,
        /// How long the traffic waits at most.
        at_most: Duration,
    },
    /// The stable slot has the tasks that the traffic waited for.
    ScaledInTime {
        /// Its service.
        service: String,
        /// How many tasks are healthy.
        count: u32,
    },
    /// The stable slot has not got its tasks in time.
    ScaledTooSlowly {
        /// Its service.
        service: String,
        /// How many tasks it should have.
        count: u32,
    },
    /// The rollout is over, and its journal does not say how.
    EndsUntold(RolloutId),
    /// The lease was not given back; it runs out by itself.
    LeaseNotReturned(String),
}

impl TakeoverNotice {
    /// The notice for people; foreign words in it are escaped.
    pub fn text(&self) -> String {
        match self {
            Self::OwnerWatched { by, at_most, commits } => {
                let (by, at_most) = (escape(by), span(*at_most));
                let asked = if *commits {
                    format!("it is being committed: {by} is asked to take it back; ")
                } else {
                    String::new()
                };
                format!("{asked}waiting {at_most} at most for a sign of {by}")
            }
            Self::StoreSilent => "the store does not answer: the traffic goes back without the lease".to_owned(),
            Self::LastLineCut { at, bytes } => {
                format!("the last line of the journal was not whole: {bytes} bytes cut at {at}")
            }
            Self::JournalDamaged(why) => format!("{}; going back by what was written before it", escape(why)),
            Self::GoesUnwritten(why) => format!("{}; going back without writing it down", escape(why)),
            Self::TrafficBack { stable, took } => {
                format!("all traffic is on {stable}, read back {} after the command", span(*took))
            }
            Self::BackOrdered { mover, rule } => {
                format!("{mover} is told to take the traffic back; the rule says {}", escape(rule))
            }
            Self::NotYet(fault) => format!("not yet: {}", escape(&fault.to_string())),
            Self::StickinessStaysOff { fault, call } => {
                let fault = escape(&fault.to_string());
                format!("stickiness of the rule may stay off: {fault}\nto turn it on again: {call}")
            }
            Self::NotScaled { service, fault } => {
                format!("{} is not scaled up: {}", escape(service), escape(&fault.to_string()))
            }
            Self::ScaledFirst { service, count, at_most } => {
                let service = escape(service);
                format!("{service} is set to {count} tasks; the traffic waits {} at most", span(*at_most))
            }
            Self::ScaledInTime { service, count } => format!("{} has {count} healthy tasks", escape(service)),
            Self::ScaledTooSlowly { service, count } => {
                let service = escape(service);
                format!("{service} has not got its {count} healthy tasks: the traffic goes back all the same")
            }
            Self::EndsUntold(id) => {
                format!("the journal does not say how it ended: `tidegate rollback {id}` once it can be written")
            }
            Self::LeaseNotReturned(why) => format!("the lease was not given back: {}", escape(why)),
        }
    }
}
