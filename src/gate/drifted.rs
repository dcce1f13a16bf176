//! What a verdict on drift rests on.

use std::time::Duration;

use super::compare::{Cause, CompareEvidence};
use super::measure::Measure;

/// What a verdict on drift rests on.
#[derive(Clone, Debug, PartialEq)]
pub enum DriftEvidence {
    /// Its first minutes are not over, or no requests came.
    NoBin,
    /// It does as it did.
    Same {
        /// How long it has been watched.
        watched: Duration,
    },
    /// It does worse than it did.
    Worse {
        /// In what; the stable slot's part is the release's own at first.
        cause: Cause,
        /// Chance alone shows this at most once in so many times.
        odds: f64,
    },
}

impl DriftEvidence {
    pub(in crate::gate) fn measure(&self) -> Option<Measure> {
        match self {
            Self::NoBin | Self::Same { .. } => None,
            Self::Worse { cause, odds } => {
                CompareEvidence::Worse { cause: cause.clone(), odds: *odds, is_sure: true }.measure()
            }
        }
    }
}
