//! Collects the stable slot's past from a recording of any length.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::count::{Counts, Mark, Past};

/// How much of the past is learned from: its end.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How close a share must be to that of a usual quantile to go by its name.
const NEAR: f64 = 0.2;
/// The quantiles that people speak of.
const USUAL: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// The last day of bins.
pub(super) struct PastBins {
    span: Duration,
    bins: BTreeMap<Timestamp, Counts>,
    all: u64,
}

impl PastBins {
    pub(super) fn new(span: Duration) -> Self {
        Self { span, bins: BTreeMap::new(), all: 0 }
    }

    pub(super) fn add(&mut self, at: Timestamp, counts: Counts) {
        self.all += u64::from(self.bins.insert(at, counts).is_none());
        let newest = self.bins.last_key_value().map(|(at, _)| *at).unwrap_or_default();
        while self.bins.first_key_value().is_some_and(|(oldest, _)| newest.since(*oldest) >= KEPT) {
            self.bins.pop_first();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// The past, slow answers at `marks`. A time has a quantile's name where the past says that it is one.
    pub(super) fn into_past(self, marks: &[f64], resolves: bool) -> Past {
        let timed: f64 = self.bins.values().map(|counts| counts.timed).sum();
        let quantile = |n: usize| {
            let slower: f64 = self.bins.values().filter_map(|counts| counts.slower.get(n)).sum();
            let faster = 1.0 - slower / timed;
            USUAL.into_iter().find(|usual| (faster - usual).abs() < (1.0 - usual) * NEAR)
        };
        let marks = marks.iter().enumerate().map(|(n, seconds)| Mark { quantile: quantile(n), seconds: *seconds });
        Past { span: self.span, marks: marks.collect(), resolves, bins: self.bins.into_iter().collect() }
    }
}
