//! What is counted of the requests a slot answered: how many, how many failed, how many were slow.
//!
//! Counts are fractions because CloudWatch may interpolate a count of slow answers. Nothing here is
//! checked: whoever judges counts says which of them make no sense.

use std::time::Duration;

use crate::domain::clock::Timestamp;

/// What one slot answered in one stretch of time.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Counts {
    /// Requests.
    pub requests: f64,
    /// Those that failed: answered with a 5XX, or never connected.
    pub errors: f64,
    /// Those that were refused: answered with a 4XX.
    pub refused: f64,
    /// Those whose time was taken; what `slower` is a part of.
    pub timed: f64,
    /// Those that took longer than each mark, in the order of the marks.
    pub slower: Vec<f64>,
}

/// One stretch of time as both slots saw it. A slot that reported no requests is absent: no data is
/// not the same as no errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Bin {
    /// Its start.
    pub at: Timestamp,
    /// The stable slot.
    pub stable: Option<Counts>,
    /// The candidate.
    pub candidate: Option<Counts>,
}

/// A time that so many of the stable slot's answers are faster than.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// The part that is faster, 0.95, where it is known.
    pub quantile: Option<f64>,
    /// The time, in seconds.
    pub seconds: f64,
}

/// The stable slot's own past, from before a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The length of a bin.
    pub span: Duration,
    /// The times that slow answers are counted at, rising.
    pub marks: Vec<Mark>,
    /// Whether the source tells a mark from one a little above it: candidates are then counted at the
    /// higher one. A source with wide buckets does not.
    pub resolves: bool,
    /// What was counted, oldest first; `slower` at `marks`. A stretch without requests is absent.
    pub bins: Vec<(Timestamp, Counts)>,
}
