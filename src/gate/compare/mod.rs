//! The compare gate: the candidate against the stable slot, on the same minutes, without a threshold
//! that somebody guessed.

mod baseline;
mod bound;
pub(super) mod capital;
mod comparison;
mod evidence;
mod experts;
mod feed;
mod finding;
mod flaw;
pub(super) mod intake;
mod ledger;
mod margins;
mod present;
mod ramp;
mod scatter;
mod tally;
#[cfg(test)]
mod tests;
mod warming;

use std::time::Duration;

pub use baseline::{Baseline, Threshold};
pub use comparison::Comparison;
pub use evidence::Part;
pub use feed::{CustomFeed, Feed, PrometheusFeed};
pub use finding::{Cause, CompareEvidence, Proof};
pub use flaw::{BinFlaw, CountsFlaw, Flaw, flaw, flaw_of};
pub use margins::Bounds;
pub use ramp::RampRule;
pub use tally::Totals;

/// Since these rules of a plan a warm-up has an end of its own, response times are compared at like load only, and noise is
/// also that of the present.
pub const PATIENT: u32 = 2;

/// What counts as worse, and how sure the gate must be.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareRule {
    /// Where the counts come from.
    pub feed: Feed,
    /// How many more errors are no regression.
    pub errors: ErrorTolerance,
    /// How many more refusals, which are answers with a 4XX.
    pub refused: ErrorTolerance,
    /// How much slower is no regression.
    pub latency: LatencyTolerance,
    /// The chance, per rollout, that a release which is no worse is sent back: 0.01.
    pub alpha: f64,
    /// What must be proven before a step passes.
    pub margins: Margins,
    /// What a step does whose margins are not proven when its time is over, although nothing speaks
    /// against the candidate.
    pub unproven: Unproven,
    /// How long response times do not count after the candidate's first request, at least. A candidate that is slow
    /// by then has longer to become warm, see [`Comparison`]; zero is for one that needs no time.
    pub warm_up: Duration,
    /// How many harmed requests are acceptable, where the strategy says so: it bounds the warm-up too.
    pub budget: Option<f64>,
    /// How many hosts a slot has, the one with fewer of them; `None` where that is not known.
    pub hosts: Option<u32>,
    /// What the stable slot's past taught; empty until the plan is made.
    pub baseline: Baseline,
}

/// The candidate may fail `ratio` times as often as the stable slot, and `excess` more.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ErrorTolerance {
    /// A factor, at least 1.
    pub ratio: f64,
    /// A share of the requests: 0.0003 is 0.03 percentage points.
    pub excess: f64,
    /// The part of the evidence that is looked for here, 0 to 1; 0 turns it off.
    pub weight: f64,
}

/// The candidate may be this much slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyTolerance {
    /// At any quantile: 0.03 is 3 %. Used where the source tells times so close from each other.
    pub slower: f64,
    /// Otherwise: a factor on the odds of being slower than a mark; 1.15 is about the same.
    pub odds: f64,
    /// As for errors.
    pub weight: f64,
}

/// The most by which the candidate may still be worse when a step passes, in shares of its requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margins {
    /// Errors above the stable slot's: 0.003 is 0.3 percentage points.
    pub errors: f64,
    /// Answers slower than the stable slot's p95.
    pub slow: f64,
}

/// What becomes of a step whose margins are not proven in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// It passes, and says what is proven.
    Pass,
    /// It fails.
    Fail,
}

impl Default for CompareRule {
    fn default() -> Self {
        Self {
            feed: Feed::LoadBalancer,
            errors: ErrorTolerance { ratio: 1.1, excess: 0.0003, weight: 0.45 },
            refused: ErrorTolerance { ratio: 1.25, excess: 0.01, weight: 0.05 },
            latency: LatencyTolerance { slower: 0.03, odds: 1.15, weight: 0.45 },
            alpha: 0.01,
            margins: Margins { errors: 0.003, slow: 0.01 },
            unproven: Unproven::Pass,
            warm_up: Duration::from_secs(60),
            budget: None,
            hosts: None,
            baseline: Baseline::default(),
        }
    }
}

impl CompareRule {
    /// What it asks, in one line.
    pub(super) fn question(&self) -> String {
        let odds = (1.0 / self.alpha).round();
        format!("the candidate is no worse than the stable slot; of {odds} good releases at most one goes back")
    }
}
