//! All that can happen to a rollout.

use super::effect::{Answer, EffectId};

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
    /// A person gave a word.
    Told {
        /// What to do.
        word: Word,
        /// Who, as `user@host`.
        by: String,
        /// Why, if they said.
        reason: Option<String>,
    },
    /// The runner was told to stop.
    Interrupted {
        /// By what: `SIGINT`.
        signal: String,
    },
    /// A runner took the journal over after another ended without finishing.
    Recovered {
        /// Who, as `user@host`.
        by: String,
        /// Counts the runners of this rollout; the first is 1.
        epoch: u64,
    },
}

/// What a person can say to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
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
}

impl Word {
    /// The word as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Rollback => "rollback",
            Word::Abort => "abort",
            Word::Pause => "pause",
            Word::Continue => "continue",
            Word::Approve => "approve",
            Word::Promote => "promote",
            Word::BreakGlass => "break-glass",
        }
    }

    /// The word that is typed as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let on = [Word::Pause, Word::Continue, Word::Approve, Word::Promote, Word::BreakGlass];
        [Word::Rollback, Word::Abort].into_iter().chain(on).find(|word| word.as_str() == text)
    }
}
