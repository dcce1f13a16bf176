//! Where a rollout stands, and what may come next.

use std::time::Duration;

pub(super) use super::back::phase::Phase;
use super::effect::{Effect, Issued};
pub(super) use super::forward::stage::Stage;
use super::notice::Outcome;
use super::why::Reason;
use crate::domain::clock::Timestamp;

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
    Draining(Back),
    /// Going back.
    Retreat {
        /// What is known of it.
        back: Back,
        /// How far it is.
        phase: Phase,
        /// How often the present phase was refused.
        refused: u32,
    },
    /// Over.
    Finished(Outcome),
}

/// A way back: why it was taken, and what has happened on it. It is the same one whoever drives it, until it ends.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; all combinations can occur")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Back {
    /// Why.
    pub(super) reason: Reason,
    /// When that was decided.
    pub(super) decided: Timestamp,
    /// When all traffic was read back on the stable slot.
    pub(super) at: Option<Timestamp>,
    /// For how long nobody tried to take the traffic back, since that was decided.
    pub(super) slept: Duration,
    /// How often somebody else wrote over the write of the way back.
    pub(super) overwritten: u32,
    /// Whether a write of the way back was read back as something else.
    pub(super) contradicted: bool,
    /// Whether the stable slot was given its tasks back, by this runner.
    pub(super) revived: bool,
    /// The runner must leave: once the traffic is back, the rest is left undone.
    pub(super) hurry: bool,
    /// Whether what was left undone is being finished, after the end.
    pub(super) tidies: bool,
}

impl Back {
    /// A way back that begins now.
    pub(super) fn new(reason: Reason, decided: Timestamp) -> Self {
        Self {
            reason,
            decided,
            at: None,
            slept: Duration::ZERO,
            overwritten: 0,
            contradicted: false,
            revived: false,
            hurry: false,
            tidies: false,
        }
    }
}

impl State {
    /// The way back, while it is being taken.
    pub(super) fn back(&self) -> Option<&Back> {
        match self {
            Self::Draining(back) | Self::Retreat { back, .. } => Some(back),
            Self::Ready | Self::Forward { .. } | Self::Finished(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn back_mut(&mut self) -> Option<&mut Back> {
        match self {
            Self::Draining(back) | Self::Retreat { back, .. } => Some(back),
            Self::Ready | Self::Forward { .. } | Self::Finished(_) => None,
        }
    }

    /// When the way back read all traffic back on the stable slot.
    pub(super) fn back_at(&self) -> Option<Timestamp> {
        self.back()?.at
    }

    /// Whether the runner must leave once the traffic is back.
    pub(super) fn hurries(&self) -> bool {
        self.back().is_some_and(|back| back.hurry)
    }

    /// Whether what was left undone is being finished, after the end.
    pub(super) fn tidies(&self) -> bool {
        self.back().is_some_and(|back| back.tidies)
    }

    /// Whether the way back gave the stable slot its tasks.
    pub(super) fn is_revived(&self) -> bool {
        self.back().is_some_and(|back| back.revived)
    }

    pub(super) fn note_revived(&mut self, is_revived: bool) {
        if let Some(back) = self.back_mut() {
            back.revived = is_revived;
        }
    }
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
