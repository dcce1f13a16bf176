//! All that can happen to a rollout.

use super::effect::{Answer, EffectId};
use crate::domain::approval::Approval;
use crate::domain::fault::Fault;

/// One thing that happened. Events are what the journal holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The rollout begins.
    Started {
        /// Who started it, as `user@host`.
        by: String,
    },
    /// The world answered the outstanding effect.
    Answered {
        /// Which effect.
        id: EffectId,
        /// What it said.
        answer: Answer,
    },
    /// The moment of [`super::Machine::wake_at`] has come.
    Woken,
    /// A person gave a request.
    Requested {
        /// What to do.
        request: OperatorRequest,
        /// Who, as `user@host`.
        by: String,
        /// Why, if they said.
        reason: Option<String>,
        /// How it came, where it was left in the store.
        left: Option<Left>,
    },
    /// The runner was told to stop.
    Interrupted {
        /// By what: `SIGINT`.
        signal: String,
    },
    /// The journal cannot be written for now, or is slow: what happens from here on is written down later. Nothing
    /// goes forward until then.
    JournalBehind {
        /// What the store said.
        fault: Fault,
    },
    /// The journal holds everything again.
    JournalCaughtUp,
    /// A runner took the journal over after another ended without finishing.
    Recovered {
        /// Who, as `user@host`.
        by: String,
        /// Counts the runners of this rollout; the first is 1.
        epoch: u64,
    },
}

/// A request as it was left in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What it is called there: one that is in the journal is not said again, whatever anybody's clock says.
    pub key: String,
    /// What it approves, if that is what it does.
    pub approves: Option<Approval>,
}

/// What a person can say to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorRequest {
    /// Take the traffic back to the stable slot.
    Rollback,
    /// End the rollout; the traffic goes back too.
    Abort,
    /// Take no step until told to continue; gates stay on.
    Pause,
    /// Go on after a pause or a hold.
    Continue,
    /// Pass the approval that is waited for.
    Approve,
    /// Wait for nothing more: everything to the candidate, and commit.
    Promote,
    /// Overrule the windows.
    BreakGlass,
    /// After the commit: leave the old stable slot its tasks, because somebody goes back to it.
    Spare,
}

impl OperatorRequest {
    /// The request as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            OperatorRequest::Rollback => "rollback",
            OperatorRequest::Abort => "abort",
            OperatorRequest::Pause => "pause",
            OperatorRequest::Continue => "continue",
            OperatorRequest::Approve => "approve",
            OperatorRequest::Promote => "promote",
            OperatorRequest::BreakGlass => "break-glass",
            OperatorRequest::Spare => "spare",
        }
    }

    /// The request that is typed as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let on = [
            OperatorRequest::Pause,
            OperatorRequest::Continue,
            OperatorRequest::Approve,
            OperatorRequest::Promote,
            OperatorRequest::BreakGlass,
            OperatorRequest::Spare,
        ];
        [OperatorRequest::Rollback, OperatorRequest::Abort]
            .into_iter()
            .chain(on)
            .find(|request| request.as_str() == text)
    }
}
