//! One event in, one reaction out: the machine is a pure function of the tape.

mod effect;
mod event;
mod notice;

pub use effect::{Answer, Effect, EffectId, Issued, Look, Observation, Route, Stickiness};
pub use event::{Event, Word};
pub use notice::{Notice, Outcome, Progress, Reason};

use crate::clock::Timestamp;
use crate::plan::Plan;

/// What one event led to.
#[must_use = "effects must be performed and notices told"]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// What to ask of the world now. It takes the place of an outstanding read; an outstanding
    /// write is always answered first.
    pub effect: Option<Issued>,
    /// What to tell people.
    pub notices: Vec<Notice>,
}

/// A rollout in progress. One verb, [`Machine::apply`], and questions about where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    plan: Plan,
}

impl Machine {
    /// A rollout that has not begun.
    pub fn new(plan: Plan) -> Self {
        Self { plan }
    }

    /// Takes in one event. Never fails, never waits: what makes no sense now changes nothing.
    pub fn apply(&mut self, at: Timestamp, event: Event) -> Reaction {
        let _ = (at, event);
        Reaction::default()
    }

    /// The effect whose answer is outstanding.
    pub fn pending(&self) -> Option<&Issued> {
        None
    }

    /// When [`Event::Woken`] is due.
    pub fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        None
    }

    /// The plan it follows.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where it stands.
    pub fn progress(&self) -> Progress {
        unimplemented!()
    }
}
