//! Exit codes: public, documented in `--help`, and the only place that chooses one.

use crate::domain::fault::FaultKind;
use crate::engine::Ending;
use crate::machine::{Outcome, Reason};

/// How a command ends. A rollback is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Promoted, or the command did what it says.
    Done = 0,
    /// Something unexpected: a bug, or a machine that cannot do its part.
    Unexpected = 1,
    /// The command line or the spec is wrong.
    Usage = 2,
    /// Rolled back by a gate, traffic verified on the stable slot.
    RolledBack = 10,
    /// Rolled back by a person or a signal, traffic verified on the stable slot.
    Stopped = 11,
    /// Not verified: a person is needed.
    Stranded = 12,
    /// Waiting, or handed over.
    HandedOver = 13,
    /// Somebody else holds the target, or took the rollout over.
    Held = 14,
    /// Refused: drift, a stale plan, or a target that could not be rolled back.
    Refused = 15,
    /// Credentials or permission.
    Denied = 16,
    /// Rolled back because a time limit ran out, nobody pushed the dead-man's switch on, or the journal could not be
    /// written, traffic verified on the stable slot.
    TimeLimit = 20,
}

/// The table as `--help` shows it.
pub(super) const TABLE: &str = "\
Exit codes:
   0  promoted, or the command did what it says
   1  unexpected
   2  usage, or an invalid spec
  10  rolled back by a gate, traffic verified on stable
  11  rolled back by a person or a signal, traffic verified on stable
  12  not verified: a person is needed
  13  waiting, or handed over
  14  somebody else holds the target, or took over
  15  refused: drift, a stale plan, a closed window, a failed preflight, by AWS
  16  credentials or permission
  20  rolled back by a time limit, dead-man's switch or store trouble, verified";

impl Exit {
    /// What `plan --detailed-exitcode` says of a plan that would change something: 2, as terraform does. A wrong spec
    /// is 1 then.
    pub const SOMETHING_TO_DO: Exit = Exit::Usage;

    /// The code of a failure where 2 has that meaning.
    pub(super) fn detailed(self, is_asked: bool) -> Self {
        if is_asked && self == Exit::Usage { Exit::Unexpected } else { self }
    }

    /// What it means, as the table says it.
    pub(super) fn meaning(self) -> &'static str {
        let code = (self as u8).to_string();
        let rows = TABLE.lines().filter_map(|row| row.trim_start().split_once("  "));
        rows.into_iter().find(|(known, _)| *known == code).map_or("", |(_, meaning)| meaning)
    }

    /// The code of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Promoted => Exit::Done,
            Outcome::Stranded { .. } => Exit::Stranded,
            Outcome::RolledBack(reason) => match reason {
                Reason::Refused(fault) | Reason::Blind(fault) | Reason::Store(fault)
                    if fault.kind == FaultKind::Denied =>
                {
                    Exit::Denied
                }
                Reason::Breach { .. } | Reason::Capacity { .. } | Reason::Deployment(_) => Exit::RolledBack,
                Reason::Operator { .. } | Reason::Signal(_) => Exit::Stopped,
                // Nobody judged the release: the target was not as it should be, or AWS takes no such release.
                Reason::ForeignWrite { .. } | Reason::Refused(_) => Exit::Refused,
                // Nobody judged it either: the runner's time ran out, or its journal's.
                Reason::TimeLimit { .. } | Reason::DeadMan { .. } | Reason::Blind(_) | Reason::Store(_) => {
                    Exit::TimeLimit
                }
            },
        }
    }

    /// The code of an outcome for whoever asked for this.
    pub(super) fn of_asked(outcome: &Outcome, asked: CommandAim) -> Self {
        match (asked, outcome) {
            (CommandAim::WayBack, Outcome::Promoted) => Exit::Refused,
            (CommandAim::WayBack | CommandAim::Request, Outcome::RolledBack(_)) => Exit::Done,
            (_, outcome) => Exit::of(outcome),
        }
    }

    /// The code of a run's end.
    pub(super) fn of_ending(ending: &Ending, asked: CommandAim) -> Self {
        match &ending.outcome {
            Some(outcome) => Exit::of_asked(outcome, asked),
            None if ending.fenced.is_some() => Exit::Held,
            None => Exit::HandedOver,
        }
    }
}

/// What a command asked of a rollout: an ending that was asked for is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandAim {
    /// To release; so do those who look on.
    Release,
    /// To go back.
    WayBack,
    /// Something of its runner that a rollout can end after.
    Request,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fault::Fault;
    use crate::machine::{OperatorRequest, Stranding};

    #[test]
    fn a_store_that_fails_is_neither_a_person_nor_a_gate() {
        let of = |kind| Exit::of(&Outcome::RolledBack(Reason::Store(Fault::new(kind, "PutObject", "no"))));
        assert_eq!((of(FaultKind::Transient), of(FaultKind::Permanent)), (Exit::TimeLimit, Exit::TimeLimit));
        assert_eq!(of(FaultKind::Denied), Exit::Denied);
    }

    #[test]
    fn what_nobody_judged_is_no_gates_doing() {
        let of = |reason: fn(Fault) -> Reason, kind| {
            Exit::of(&Outcome::RolledBack(reason(Fault::new(kind, "RegisterTaskDefinition", "no"))))
        };
        assert_eq!(of(Reason::Refused, FaultKind::Permanent), Exit::Refused);
        assert_eq!(of(Reason::Blind, FaultKind::Transient), Exit::TimeLimit);
        for reason in [Reason::Refused, Reason::Blind] {
            assert_eq!(of(reason, FaultKind::Denied), Exit::Denied);
        }
    }

    #[test]
    fn an_ending_that_was_asked_for_is_a_success() {
        let request = OperatorRequest::Rollback;
        let by = || Reason::Operator { request, by: "ana@laptop".into(), reason: None };
        let back = Outcome::RolledBack(by());
        let stranded = Outcome::Stranded { why: Stranding::Late { last: None }, reason: Some(by()) };
        for (asked, codes) in [
            (CommandAim::Release, [Exit::Done, Exit::Stopped, Exit::Stranded]),
            (CommandAim::WayBack, [Exit::Refused, Exit::Done, Exit::Stranded]),
            (CommandAim::Request, [Exit::Done, Exit::Done, Exit::Stranded]),
        ] {
            assert_eq!([&Outcome::Promoted, &back, &stranded].map(|outcome| Exit::of_asked(outcome, asked)), codes);
        }
    }
}
