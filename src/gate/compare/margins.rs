//! How much worse the candidate can be, held against how much worse it may be.

use super::Margins;

/// From this capital on nothing passes.
pub(super) const DOUBT: f64 = 3.0;

/// How much worse the candidate can be at most, in shares of its requests; each wrong with a chance of at
/// most 5 %, over all looks at once. 1 when nothing is known, `None` when it is not asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Errors above the stable slot's.
    pub errors: Option<f64>,
    /// Answers slower than the stable slot's p95, beyond what the rule tolerates.
    pub slow: Option<f64>,
    /// Answers slower than the highest mark, as far beyond it as few of the stable slot's are; held against the margin of
    /// errors, for who waits so long is as good as failed. `None` where no mark is so high.
    pub tail: Option<f64>,
}

impl Bounds {
    /// Whether they prove what must be proven.
    pub(super) fn are_within(self, margins: Margins) -> bool {
        let within = |bound: Option<f64>, margin| bound.is_none_or(|bound| bound <= margin);
        within(self.errors, margins.errors)
            && within(self.tail, margins.errors)
            && self.slow.is_none_or(|slow| slow <= margins.slow)
    }
}
