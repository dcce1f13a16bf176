//! What a command says when it cannot do what it was asked: one line, the reasons, what to do next.

use std::fmt::Write as _;

use super::exit::Exit;
use crate::cloud::SurveyError;
use crate::engine::EngineError;
use crate::fault::{Fault, FaultKind};
use crate::journal::JournalError;
use crate::plan::Refused;
use crate::store::{ClaimError, StoreError};
use crate::text::escape;

/// A command's failure, as it is shown and as the exit code says it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong, in one line.
    pub wrong: String,
    /// What there is to know beside it, a line each.
    pub notes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure in one line.
    pub fn new(exit: Exit, wrong: impl Into<String>) -> Self {
        Self { exit, wrong: wrong.into(), notes: Vec::new(), hints: Vec::new() }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a line to know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The failure as text. Foreign words in it are escaped here, once.
    pub fn text(&self) -> String {
        let mut text = format!("error: {}\n", escape(&self.wrong));
        for note in &self.notes {
            let _ = writeln!(text, "  - {}", escape(note));
        }
        for hint in &self.hints {
            let _ = writeln!(text, "help: {}", escape(hint));
        }
        text
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let denied = fault.kind == FaultKind::Denied;
        let failure = Failure::new(if denied { Exit::Denied } else { Exit::Unexpected }, fault.to_string());
        if denied { failure.hint("check the credentials: `aws sts get-caller-identity`") } else { failure }
    }
}

impl From<SurveyError> for Failure {
    fn from(error: SurveyError) -> Self {
        match error {
            SurveyError::Fault(fault) => fault.into(),
            SurveyError::NotFound(lines) => {
                let mut failure = Failure::new(Exit::Refused, "the target is not as the spec names it");
                failure.notes = lines;
                failure
            }
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let mut failure = Failure::new(Exit::Refused, "this target cannot be rolled out to");
        for refusal in refused.0 {
            failure.notes.push(match refusal.help {
                Some(help) => format!("{}: {help}", refusal.wrong),
                None => refusal.wrong,
            });
        }
        failure
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::Unknown(_) | StoreError::Ambiguous { .. } => Exit::Usage,
            StoreError::Io { .. } => Exit::Unexpected,
        };
        Failure::new(exit, error.to_string()).hint("`tidegate history` lists the rollouts of this machine")
    }
}

impl From<ClaimError> for Failure {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Held { ref holder, .. } => {
                let id = holder.as_ref().map(|holder| holder.rollout.to_string());
                let failure = Failure::new(Exit::Held, error.to_string());
                match id {
                    Some(id) => {
                        failure.hint(format!("`tidegate status {id}` shows it, `tidegate rollback {id}` ends it"))
                    }
                    None => failure,
                }
            }
            ClaimError::Store(error) => error.into(),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match error {
            JournalError::Damaged { .. } | JournalError::TooNew { .. } | JournalError::Strange { .. } => Exit::Refused,
            _ => Exit::Unexpected,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::new(Exit::Unexpected, error.to_string())
    }
}
