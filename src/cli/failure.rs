//! The error of a command: one line, the reasons, and what to do next.

use super::exit::Exit;
use crate::cloud::SurveyError;
use crate::domain::code::Code;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::text::{escape, hang};
use crate::engine::{BeginError, EngineError};
use crate::journal::JournalError;
use crate::lease::{LeaseRefusal, Phase};
use crate::plan::Refused;
use crate::store::{LeaseError, StoreError};

/// A command's failure, as it is shown and as the exit code says it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// Which kind of failure it is.
    pub code: Code,
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
        Self { exit, code: usual(exit), wrong: wrong.into(), notes: Vec::new(), hints: Vec::new() }
    }

    /// Says which kind of failure it is, where the exit code does not.
    pub fn code(self, code: Code) -> Self {
        Self { code, ..self }
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

    /// The failure as text, `width` columns wide. Foreign words in it are escaped here, once.
    pub fn text(&self, width: usize) -> String {
        let mut text = hang(&format!("error[{}]: ", self.code), 7, &escape(&self.wrong), width);
        for note in &self.notes {
            text.push_str(&hang("  - ", 4, &escape(note), width));
        }
        for hint in &self.hints {
            text.push_str(&hang("help: ", 6, &escape(hint), width));
        }
        text
    }
}

/// The kind of most failures that end with this exit code.
fn usual(exit: Exit) -> Code {
    match exit {
        Exit::Usage => Code::Usage,
        Exit::Held => Code::Held,
        Exit::HandedOver => Code::HandedOver,
        Exit::Refused => Code::Refused,
        Exit::Denied => Code::Denied,
        Exit::Done | Exit::Unexpected => Code::Unexpected,
        Exit::RolledBack | Exit::Stopped | Exit::Stranded | Exit::TimeLimit => Code::Outcome,
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let denied = matches!(fault.kind, FaultKind::Denied | FaultKind::Expired);
        let failure = Failure::new(if denied { Exit::Denied } else { Exit::Unexpected }, fault.to_string());
        match fault.kind {
            FaultKind::Denied => failure
                .hint("`aws sts get-caller-identity` says whether AWS knows you; `--profile` or AWS_PROFILE names who you are"),
            FaultKind::Expired => failure.code(Code::Expired).hint("the credentials have ended: renew them, for instance with `aws sso login`"),
            FaultKind::Transient => failure.code(Code::Transient).hint("nothing was changed; try again"),
            FaultKind::Unknown | FaultKind::Missing | FaultKind::Permanent => failure,
        }
    }
}

impl From<SurveyError> for Failure {
    fn from(error: SurveyError) -> Self {
        match error {
            SurveyError::Fault(fault) => fault.into(),
            SurveyError::NotFound(lines) => {
                let mut failure =
                    Failure::new(Exit::Refused, "the target is not as the spec names it").code(Code::Absent);
                failure.notes = lines;
                failure
            }
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let mut failure = Failure::new(Exit::Refused, "this target cannot be rolled out to").code(Code::Unfit);
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
        let text = error.to_string();
        match error {
            StoreError::Unknown(_) | StoreError::Ambiguous { .. } => Failure::new(Exit::Usage, text)
                .code(Code::UnknownRollout)
                .hint("`tidegate history` lists the rollouts of this store"),
            StoreError::Io { .. } => Failure::new(Exit::Unexpected, text)
                .code(Code::Store)
                .hint("rollouts are kept where `--state-dir` or TIDEGATE_STATE_DIR says, or `--store`"),
            StoreError::Bucket { fault, .. } => {
                let exit = if matches!(fault.kind, FaultKind::Denied | FaultKind::Expired) {
                    Exit::Denied
                } else {
                    Exit::Unexpected
                };
                Failure::new(exit, text)
                    .code(if exit == Exit::Denied { Code::Denied } else { Code::Store })
                    .hint("the way back needs no store: `tidegate rollback --rule ARN`, or `--cluster C --service S`")
            }
            StoreError::Strange { .. } => Failure::new(Exit::Refused, text).code(Code::Recorded),
        }
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        let text = error.to_string();
        match error {
            LeaseError::Refused { refusal, .. } => {
                let asks = matches!(*refusal, LeaseRefusal::Committing(_));
                let (LeaseRefusal::UnderWay(control)
                | LeaseRefusal::Owned(control)
                | LeaseRefusal::Committing(control)
                | LeaseRefusal::Over(control)
                | LeaseRefusal::Another(control)) = *refusal;
                let id = control.rollout;
                let failure = Failure::new(Exit::Held, text);
                if control.phase == Phase::Over {
                    return failure.hint(format!("`tidegate status {id}` says how it ended"));
                }
                if asks {
                    return failure.hint(format!(
                        "its runner was asked to take it back: `tidegate watch {id}` shows whether it does"
                    ));
                }
                failure.hint(format!("`tidegate status {id}` shows it, `tidegate rollback {id}` ends it"))
            }
            LeaseError::Fenced(_) => Failure::new(Exit::Held, text),
            LeaseError::TooNew { .. } => Failure::new(Exit::Refused, text).hint("use that version to go on"),
            LeaseError::Store(error) => error.into(),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        if let JournalError::Store(error) = error {
            return error.into();
        }
        let exit = match error {
            JournalError::Taken(_) => Exit::Held,
            JournalError::Damaged { .. } | JournalError::TooNew { .. } | JournalError::Strange { .. } => Exit::Refused,
            _ => Exit::Unexpected,
        };
        let failure = Failure::new(exit, error.to_string());
        if exit == Exit::Refused { failure.code(Code::Recorded) } else { failure }
    }
}

impl From<BeginError> for Failure {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Lease(error) => error.into(),
            BeginError::Journal(error) => error.into(),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::new(Exit::Unexpected, error.to_string())
    }
}
