//! What a comparison remembers: the bins it has closed, the capital they made, and what they prove.

use super::CompareRule;
use crate::count::Bin;
use crate::gate::{Verdict, Window};

/// A comparison in progress: a fold over the bins that looks have brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Comparison {}

impl Comparison {
    /// Nothing has been seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the bins of one look, in any order, new and old.
    pub fn take(&mut self, rule: &CompareRule, bins: &[Bin], window: Window<'_>) -> Verdict {
        let _ = (rule, bins, window);
        Verdict::inconclusive("no data yet")
    }

    /// Whether the candidate may have everything: the margins are proven and nothing speaks against it.
    pub fn is_proven(&self, rule: &CompareRule) -> bool {
        let _ = rule;
        false
    }
}
