//! Where a rollout stands, and what may come next.

use super::effect::{Effect, Issued};
use super::notice::Outcome;
use super::why::Reason;
use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;

/// Where a rollout stands.
///
/// | state | leaves on | to |
/// |---|---|---|
/// | `Ready` | started, recovered | `Forward` |
/// | `Forward` | step passed | `Forward` with the next step, `Finished` after the last |
/// | `Forward` | breach, limit, foreign write, person, signal, before the commit | `Retreat`; `Draining` while a write is outstanding |
/// | `Draining` | the write's answer | `Retreat` |
/// | `Retreat` | traffic verified, slots restored | `Finished` |
/// | `Finished` | a person's rollback, when stranded | `Retreat` |
/// | `Finished` | somebody who finishes what was left undone | `Retreat`; `Forward` after the commit |
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Nothing has happened.
    Ready,
    /// On the way forward.
    Forward {
        /// Index of the step.
        step: usize,
        /// When it began; moved on by the time it was paused.
        began: Timestamp,
        /// What it is doing.
        stage: Stage,
    },
    /// Going back, but a write is outstanding: its answer comes first.
    Draining {
        /// Why it goes back.
        reason: Reason,
        /// When that was decided.
        decided: Timestamp,
    },
    /// Going back.
    Retreat {
        /// Why.
        reason: Reason,
        /// When that was decided.
        decided: Timestamp,
        /// How far it is.
        phase: Phase,
        /// How often the present phase was refused.
        refused: u32,
    },
    /// Over.
    Finished(Outcome),
}

/// What a step is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Reading the world before a write.
    Checking,
    /// The step's write is outstanding, or about to be repeated.
    Acting,
    /// Waiting until the world shows what was written.
    Settling,
    /// Probing; so many answers in a row were right.
    Probing(u32),
    /// Holding until then at least.
    Holding(Timestamp),
    /// In a ramp: comparing, and deciding the next share.
    Ramping,
    /// In a ramp: this share is asked for, since then.
    Raising {
        /// The share.
        to: Share,
        /// When it was decided.
        since: Timestamp,
    },
    /// Waiting for a person.
    Asking,
    /// Waiting for the proof that no requests are left.
    Quieting,
    /// Counting what the candidate served.
    Counting(u32),
}

/// How far the way back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Reading rule and targets.
    Checking,
    /// Giving a stable slot without tasks its tasks back.
    Reviving,
    /// The stable-only write is outstanding.
    Routing,
    /// Reading back until no earlier write can land any more.
    Verifying,
    /// Saying on the rule that the rollout goes back.
    Marking,
    /// Removing the dead-man's switch, and waiting until nothing that it sent can land any more.
    Disarming,
    /// Waiting for the proof that the candidate has no requests left.
    Quieting,
    /// Giving the candidate slot its former tasks.
    Restoring,
    /// Setting autoscaling back.
    Freeing,
    /// Giving the rule its former stickiness.
    Mending,
    /// Taking the beacon off the rule.
    Unmarking,
    /// Counting what the candidate served.
    Counting,
}

/// The one thing that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wait {
    /// Nothing: the rollout has not begun, or is over.
    Nothing,
    /// The answer to this.
    Answer(Issued),
    /// This moment, when that is asked.
    Until(Timestamp, Effect),
}
