//! What a comparison's verdict rests on.

use std::time::Duration;

use super::evidence::Part;
use super::experts::{self, Suspicion, harm_mark};
use super::margins::Bounds;
use super::tally::{Tally, Totals};
use super::{CompareRule, Margins};
use crate::domain::count::Counts;
use crate::gate::{Bound, Measure, Unit};

/// What a comparison's verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub enum CompareEvidence {
    /// No closed bin has requests in both slots yet.
    NoRequests,
    /// Everything is proven, and nothing of it lies after the step began.
    NothingFresh,
    /// The candidate got no requests.
    Unreachable {
        /// About how many it should have had.
        missed: f64,
        /// For how long.
        silence: Duration,
    },
    /// The candidate is worse.
    Worse {
        /// In what.
        cause: Cause,
        /// Chance alone shows this at most once in so many times.
        odds: f64,
        /// Whether that is enough for a breach.
        is_sure: bool,
    },
    /// How much worse the candidate can be at most.
    Bounded {
        /// What is known.
        bounds: Bounds,
        /// What is to be proven.
        margins: Margins,
        /// Whether it is.
        proof: Proof,
    },
}

/// Whether the margins are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// They are.
    Given,
    /// Not yet.
    Open,
    /// They are not, and the time is over.
    Late,
}

/// In what the candidate is worse.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// More of its requests fail.
    Failing {
        /// The stable slot's failures.
        stable: Part,
        /// The candidate's.
        candidate: Part,
    },
    /// More of its requests are refused: answered with a 4XX.
    Refused {
        /// The stable slot's refusals.
        stable: Part,
        /// The candidate's.
        candidate: Part,
    },
    /// More of its answers are slow.
    Slower {
        /// Which part of the stable slot's answers is faster, where it is known.
        quantile: Option<f64>,
        /// From which time on an answer is slow, in seconds.
        seconds: f64,
        /// The stable slot's slow answers.
        stable: Part,
        /// The candidate's.
        candidate: Part,
    },
}

impl CompareEvidence {
    pub(in crate::gate) fn measure(&self) -> Option<Measure> {
        match self {
            Self::NoRequests | Self::NothingFresh => None,
            Self::Unreachable { missed, .. } => {
                let (value, bound) = (Some(0.0), Some(Bound::Below(*missed)));
                Some(Measure { value, bound, stable: None, samples: None, unit: Unit::Requests })
            }
            Self::Worse {
                cause:
                    Cause::Failing { stable, candidate }
                    | Cause::Refused { stable, candidate }
                    | Cause::Slower { stable, candidate, .. },
                ..
            } => {
                let (value, samples) = (candidate.share(), Some(candidate.whole));
                Some(Measure { value, bound: None, stable: stable.share(), samples, unit: Unit::Share })
            }
            Self::Bounded { bounds, margins, .. } => {
                let errors = bounds.errors.map(|errors| (errors, margins.errors));
                let slow = bounds.slow.map(|slow| (slow, margins.slow));
                let missed = |pair: &(f64, f64)| pair.0 > pair.1;
                let (value, margin) =
                    slow.filter(missed).filter(|_| !errors.is_some_and(|pair| missed(&pair))).or(errors).or(slow)?;
                let (value, bound) = (Some(value), Some(Bound::Above(margin)));
                Some(Measure { value, bound, stable: None, samples: None, unit: Unit::Share })
            }
        }
    }
}

/// That the candidate goes back.
pub(super) fn breach(rule: &CompareRule, tally: &Tally, suspicion: Option<Suspicion>) -> CompareEvidence {
    CompareEvidence::Worse { cause: cause(rule, tally, suspicion), odds: 1.0 / rule.alpha, is_sure: true }
}

/// That nothing passes although it is not yet sure that the candidate is worse.
pub(super) fn doubt(rule: &CompareRule, tally: &Tally, suspicion: Option<Suspicion>) -> CompareEvidence {
    let odds = tally.capital.amount().floor();
    CompareEvidence::Worse { cause: cause(rule, tally, suspicion), odds, is_sure: false }
}

fn cause(rule: &CompareRule, tally: &Tally, suspicion: Option<Suspicion>) -> Cause {
    match suspicion {
        Some(Suspicion::Slower(mark)) => slower(rule, telling(tally, |counts| counts.timed), mark),
        Some(Suspicion::Refused) => {
            let Totals { stable, candidate } = telling(tally, |counts| counts.requests);
            Cause::Refused { stable: experts::refused(stable), candidate: experts::refused(candidate) }
        }
        Some(Suspicion::Errors) | None => {
            let Totals { stable, candidate } = telling(tally, |counts| counts.requests);
            Cause::Failing { stable: experts::failed(stable), candidate: experts::failed(candidate) }
        }
    }
}

/// What was counted since the capital last rose from below 1, unless that is nothing.
fn telling(tally: &Tally, of: fn(&Counts) -> f64) -> &Totals {
    let told = of(&tally.since.candidate) > 0.0 && of(&tally.since.stable) > 0.0;
    if told { &tally.since } else { &tally.total }
}

fn slower(rule: &CompareRule, Totals { stable, candidate }: &Totals, mark: Option<usize>) -> Cause {
    let mark = mark.or_else(|| most_telling(stable, candidate)).or_else(|| harm_mark(&rule.baseline)).unwrap_or(0);
    let slow = |counts: &Counts| Part { part: counts.slower.get(mark).copied().unwrap_or(0.0), whole: counts.timed };
    let threshold = rule.baseline.thresholds.get(mark);
    Cause::Slower {
        quantile: threshold.and_then(|threshold| threshold.quantile),
        seconds: threshold.map_or(0.0, |threshold| threshold.candidate),
        stable: slow(stable),
        candidate: slow(candidate),
    }
}

/// The mark at which two slots differ most, in standard errors.
fn most_telling(stable: &Counts, candidate: &Counts) -> Option<usize> {
    let score = |mark: usize| {
        let (b, g) = (stable.slower[mark] / stable.timed, candidate.slower[mark] / candidate.timed);
        let p = ((stable.slower[mark] + candidate.slower[mark]) / (stable.timed + candidate.timed)).clamp(1e-9, 0.999);
        (g - b) / (p * (1.0 - p)).sqrt()
    };
    let marks = stable.slower.len().min(candidate.slower.len());
    (0..marks).reduce(|best, mark| if score(mark) > score(best) { mark } else { best })
}
