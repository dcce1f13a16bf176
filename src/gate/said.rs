//! Gates that somebody else answers: a webhook, or a command on the runner's machine.

use std::time::Duration;

use super::{Outcome, Verdict, Window};
use crate::clock::Timestamp;

/// A question sent to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRule {
    /// Where to: `https://…`.
    pub url: String,
    /// Headers to send. Values may hold `${VAR}`, filled in when they are sent and never written down.
    pub headers: Vec<(String, String)>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How often it is asked.
    pub every: Duration,
}

/// A question put to a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How often it is asked.
    pub every: Duration,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidReading {
    /// When it was asked: what is said is about the world as it was then.
    pub asked: Timestamp,
    /// The verdict.
    pub outcome: Outcome,
    /// Why, in one line.
    pub text: String,
}

pub(super) fn judge(reading: &SaidReading, window: Window<'_>) -> Verdict {
    let _ = window;
    let data_from = (reading.outcome == Outcome::Pass).then_some(reading.asked);
    Verdict { outcome: reading.outcome, evidence: reading.text.clone(), data_from }
}
