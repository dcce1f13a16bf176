//! Why a target is refused: every reason, and what would be right.

use std::fmt;

/// One reason, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRefusal {
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub help: Option<String>,
}

/// All reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused(pub Vec<PlanRefusal>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.0.iter().map(|refusal| refusal.wrong.as_str()).collect();
        f.write_str(&lines.join("; "))
    }
}

/// A reason with what would be right.
pub(super) fn refusal(wrong: impl Into<String>, help: impl Into<String>) -> PlanRefusal {
    PlanRefusal { wrong: wrong.into(), help: Some(help.into()) }
}
