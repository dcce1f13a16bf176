//! How much worse the candidate can be at most: upper bounds that hold at every look at once.
//!
//! For a tilt a, with `u = 1 - e^-a`, `exp(-a X_g + sum x_b ln(1 + odds u n_g/n_b) + D u N_g)` has a mean of at
//! most 1 whenever the candidate's shares exceed `odds` times the stable slot's by D on average, whatever the
//! stable slot's are: a binomial's moments are at most a Poisson's, as in `evidence.rs`. A mixture over tilts
//! keeps that. The least D at which it reaches 1/beta is therefore, by Ville's inequality, an upper bound
//! on the true excess at all times at once, but for a chance of beta. The stable slot's own failures are
//! credited, so an outage that both slots share does not raise the bound.

use super::evidence::Part;
use libm::{exp, log as ln, log1p as ln_1p};

/// How many tilts are mixed.
const TILTS: usize = 7;
/// The tilts, each with its part of the mixture. Great ones prove the absence of frequent harm from few
/// requests, small ones that of rare harm from many.
const MIXTURE: [(f64, f64); TILTS] =
    [(0.05, 0.05), (0.12, 0.1), (0.25, 0.2), (0.6, 0.1), (1.4, 0.25), (2.5, 0.1), (6.0, 0.2)];
/// How many steps the search for a bound may take; it converges quadratically.
const STEPS: usize = 60;

/// Sums over bins that a bound is made of.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Excess {
    /// The candidate's requests, each bin's divided by its design effect.
    requests: f64,
    /// Those that were bad, likewise.
    bad: f64,
    /// What the stable slot's bad requests are credited for, by tilt.
    credit: [f64; TILTS],
}

impl Excess {
    /// Adds a bin whose evidence counts for `1/design` of what it seems; `odds` is the factor by which the
    /// candidate may be worse without exceeding anything.
    pub(super) fn add(&mut self, stable: Part, candidate: Part, odds: f64, design: f64) {
        if stable.whole <= 0.0 || candidate.whole <= 0.0 {
            return;
        }
        self.requests += candidate.whole / design;
        self.bad += candidate.part / design;
        if stable.part > 0.0 {
            let ratio = odds * candidate.whole / stable.whole;
            for (credit, (tilt, _)) in self.credit.iter_mut().zip(MIXTURE) {
                *credit += stable.part / design * ln_1p(ratio * reach(tilt));
            }
        }
    }

    /// The bound, as a share of the candidate's requests, that is wrong with a chance of at most `beta`;
    /// between 0 and 1.
    pub(super) fn upper(&self, beta: f64) -> f64 {
        let terms: [(f64, f64); TILTS] = std::array::from_fn(|at| {
            let (tilt, part) = MIXTURE[at];
            (ln(part) - tilt * self.bad + self.credit[at], reach(tilt) * self.requests)
        });
        let goal = -ln(beta);
        let mut bound = 1.0;
        // Newton's steps on a convex, rising function come down to its root from above and never pass it.
        for _ in 0..STEPS {
            let (height, slope) = height(&terms, bound);
            if bound <= 0.0 || height <= goal || slope <= 0.0 {
                break;
            }
            let step = (height - goal) / slope;
            bound -= step;
            if step < 1e-9 {
                break;
            }
        }
        bound.max(0.0)
    }
}

/// The logarithm of the mixture at `bound`, and its slope there.
fn height(terms: &[(f64, f64); TILTS], bound: f64) -> (f64, f64) {
    let exponents = terms.map(|(base, slope)| base + slope * bound);
    let greatest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut rising) = (0.0, 0.0);
    for (exponent, (_, slope)) in exponents.iter().zip(terms) {
        let weight = exp(exponent - greatest);
        sum += weight;
        rising += weight * slope;
    }
    (greatest + ln(sum), rising / sum)
}

/// `1 - e^-tilt`.
fn reach(tilt: f64) -> f64 {
    -libm::expm1(-tilt)
}
