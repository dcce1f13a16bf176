//! Values that lie close together, taken as one.

/// Values that lie between two bounds, and how many; where both are the same it is that value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    /// None of them is less.
    pub low: f64,
    /// None of them is greater.
    pub high: f64,
    /// How many.
    pub times: f64,
}

impl Cell {
    /// What its values are taken for.
    pub(crate) fn middle(&self) -> f64 {
        f64::midpoint(self.low, self.high)
    }

    /// How many of its values are greater than a bound, taking them as evenly spread.
    pub(crate) fn above(&self, bound: f64) -> f64 {
        if bound < self.low {
            self.times
        } else if bound >= self.high {
            0.0
        } else {
            self.times * (self.high - bound) / (self.high - self.low)
        }
    }
}
