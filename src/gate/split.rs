//! The split gate: does the candidate get the share of the requests that its weight says?

use super::compare::Feed;
use super::{Verdict, Window};
use crate::count::Bin;

/// How far the observed share may be from the configured one.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitRule {
    /// Where the counts come from.
    pub feed: Feed,
    /// The chance, per rollout, that a split which is right is called wrong: 0.001.
    pub alpha: f64,
    /// The factor by which the odds of a request going to the candidate may be off: 1.25.
    pub odds: f64,
}

impl Default for SplitRule {
    fn default() -> Self {
        Self { feed: Feed::LoadBalancer, alpha: 0.001, odds: 1.25 }
    }
}

/// A split check in progress.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Split {}

impl Split {
    /// Takes in the bins of one look.
    pub fn take(&mut self, rule: &SplitRule, bins: &[Bin], window: Window<'_>) -> Verdict {
        let _ = (rule, bins, window);
        Verdict::inconclusive("no data yet")
    }
}

impl SplitRule {
    pub(super) fn question(&self) -> String {
        "the candidate gets the requests that its weight says".to_owned()
    }
}
