//! The burn-rate gate: the outer net under the whole service, whichever slot fails.

use std::time::Duration;

use super::{Verdict, Window};
use crate::clock::{Timestamp, span};

/// How fast the whole service may use up its error budget. The windows and factors are those of the
/// multi-window alerts in Google's Site Reliability Workbook, chapter 5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnRule {
    /// The share of requests that must succeed: 0.999.
    pub objective: f64,
    /// How many times faster than sustainable the budget may be used: 14.4.
    pub factor: f64,
    /// The long window: an hour.
    pub long: Duration,
    /// The short window: five minutes.
    pub short: Duration,
}

/// What one window counted, over both slots.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Burnt {
    /// Requests.
    pub requests: f64,
    /// Failures.
    pub errors: f64,
}

/// Both windows as one look saw them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnReading {
    /// The end of the last closed minute that is counted.
    pub until: Timestamp,
    /// The long window.
    pub long: Burnt,
    /// The short window.
    pub short: Burnt,
}

impl BurnRule {
    pub(super) fn question(&self) -> String {
        format!("less than {} times the error budget over {} is used", self.factor, span(self.long))
    }
}

pub(super) fn judge(rule: &BurnRule, reading: &BurnReading, window: Window<'_>) -> Verdict {
    let _ = (rule, reading, window);
    Verdict::inconclusive("no data yet")
}
