//! Numbers that verdicts turn on, and what they are held against.

use std::fmt;

/// What a value must not do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Exceed this.
    Above(f64),
    /// Fall below this.
    Below(f64),
}

impl Bound {
    pub(super) fn is_broken_by(self, value: f64) -> bool {
        match self {
            Bound::Above(limit) => value > limit,
            Bound::Below(limit) => value < limit,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Above(limit) => write!(f, "at most {limit}"),
            Bound::Below(limit) => write!(f, "at least {limit}"),
        }
    }
}

/// The number that a verdict turns on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// What was measured; absent while nothing was.
    pub value: Option<f64>,
    /// What it was held against, where there is a bound.
    pub bound: Option<Bound>,
    /// What the stable slot has, where both are compared.
    pub stable: Option<f64>,
    /// How many samples it was measured on, where they were counted.
    pub samples: Option<f64>,
    /// What `value` and `bound` count.
    pub unit: Unit,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whatever the metric or the query counts.
    Metric,
    /// Datapoints.
    Datapoints,
    /// What the rule counts as samples.
    Samples,
    /// Tasks.
    Tasks,
    /// Requests.
    Requests,
    /// A part of a whole, from 0 to 1.
    Share,
    /// How many times faster than sustainable an error budget is used up.
    BudgetRate,
}

/// A count as it was read: one that is no number still equals itself, so that a rollout which is replayed equals the
/// one that ran.
#[derive(Clone, Copy, Debug)]
pub struct ReadCount(pub f64);

impl PartialEq for ReadCount {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
