//! What a slot is like in one bin, and how many bins a span has.

use std::time::Duration;

/// What a slot is like in one bin.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Condition {
    /// The share of requests that fail.
    pub errors: f64,
    /// The share that is refused.
    pub refused: f64,
    /// The natural logarithm of the median response time in seconds.
    pub location: f64,
    /// The standard deviation around it.
    pub sigma: f64,
    /// Answers that are slower than the others.
    pub apart: Apart,
}

/// A part of the answers that is slower than the others: from a slow host, or a zone in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Apart {
    /// How large it is, 0 to 1.
    pub share: f64,
    /// The natural logarithm of how many times slower it is.
    pub slower: f64,
}

impl Condition {
    /// The share of answers that take longer than `seconds`.
    pub fn slower_than(&self, seconds: f64) -> f64 {
        let beyond = |location: f64| beyond((seconds.ln() - location) / self.sigma);
        let Apart { share, slower } = self.apart;
        let usual = beyond(self.location);
        if share > 0.0 { usual + share * (beyond(self.location + slower) - usual) } else { usual }
    }

    /// The same with another share of failures, and `factor` times slower.
    pub(super) fn with(self, errors: f64, factor: f64) -> Self {
        Self { errors, location: self.location + factor.ln(), ..self }
    }
}

/// The chance that a standard normal variable exceeds `deviate`.
pub(super) fn beyond(deviate: f64) -> f64 {
    0.5 * libm::erfc(deviate * std::f64::consts::FRAC_1_SQRT_2)
}

/// How many of one span go into another.
pub(super) fn times(long: Duration, short: Duration) -> usize {
    usize::try_from(long.as_millis() / short.as_millis().max(1)).unwrap_or(1).max(1)
}
