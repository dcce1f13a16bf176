//! How much worse the candidate can be at most: upper bounds that hold at every look at once.
//!
//! In a bin with the ratio `r = odds n_g / n_b` let `u = 1 - y` for some y between 0 and 1. Then
//! `y^x_g (1 + r u)^x_b e^(D u n_g)` has a mean of at most 1 when the candidate's share of bad requests is D or
//! more above `odds` times the stable slot's, whatever that is: a binomial's moments are at most a
//! Poisson's, as in `evidence.rs`. Products over bins keep that, and so does a mixture over ways to choose y. The
//! least D at which the mixture reaches 1/beta is therefore, by Ville's inequality, an upper bound on the true
//! excess at all looks at once, but for a chance of beta. Where the excess differs from bin to bin, the
//! bound is on its mean, in which requests with little to compare them with weigh less. The stable slot's
//! own bad requests are credited, so an outage that both slots share does not raise the bound.
//!
//! A way to choose y is the excess it looks for, as a multiple `l` of the stable slot's share: the y that lets
//! the product grow fastest then solves `y / (1 + r(1-y)) + l y = 1`.

use libm::{exp, log as ln, log1p as ln_1p};

use super::evidence::Part;

/// How many excesses are looked for.
const WAYS: usize = 6;
/// Excesses, as multiples of the stable slot's share, each with its part of the mixture.
type Mixture = [(f64, f64); WAYS];
/// For errors: at first their absence proves that they are not frequent, later that they are not a few times
/// as many as the stable slot's.
pub(super) const ERRORS: Mixture = [(0.3, 0.05), (1.0, 0.1), (3.0, 0.45), (8.0, 0.1), (30.0, 0.1), (400.0, 0.2)];
/// For answers slower than the p95: of 5 %, a fifth.
pub(super) const SLOW: Mixture = [(0.1, 0.03), (0.2, 0.1), (0.35, 0.5), (0.7, 0.12), (2.0, 0.1), (8.0, 0.15)];
/// How many steps the search for a bound may take; it converges quadratically.
const STEPS: usize = 60;

/// Sums over bins that a bound is made of.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Excess {
    ways: [Way; WAYS],
}

/// The logarithm of one product over bins is `fixed + D slope`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Way {
    multiple: f64,
    fixed: f64,
    slope: f64,
}

impl Excess {
    /// Of no bins.
    pub(super) fn new(mixture: Mixture) -> Self {
        Self { ways: mixture.map(|(multiple, part)| Way { multiple, fixed: ln(part), slope: 0.0 }) }
    }

    /// Adds a bin whose evidence counts for `1/design` of what it seems; `odds` is the factor by which the
    /// candidate may be worse without exceeding anything.
    pub(super) fn add(&mut self, stable: Part, candidate: Part, odds: f64, design: f64) {
        if stable.whole <= 0.0 || candidate.whole <= 0.0 {
            return;
        }
        let ratio = odds * candidate.whole / stable.whole;
        for way in &mut self.ways {
            let y = fastest(way.multiple, ratio);
            let credit = stable.part * ln_1p(ratio * (1.0 - y));
            way.fixed += (candidate.part * ln(y) + credit) / design;
            way.slope += (1.0 - y) * candidate.whole / design;
        }
    }

    /// The bound, as a share of the candidate's requests, that is wrong with a chance of at most `beta`;
    /// between 0 and 1.
    pub(super) fn upper(&self, beta: f64) -> f64 {
        let goal = -ln(beta);
        let mut bound = 1.0;
        // Newton's steps on a convex, rising function come down to its root from above and never pass it.
        for _ in 0..STEPS {
            let (height, slope) = self.height(bound);
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

    /// The logarithm of the mixture at `bound`, and its slope there.
    fn height(&self, bound: f64) -> (f64, f64) {
        let exponents = self.ways.map(|way| way.fixed + way.slope * bound);
        let greatest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut rising) = (0.0, 0.0);
        for (exponent, way) in exponents.iter().zip(&self.ways) {
            let weight = exp(exponent - greatest);
            sum += weight;
            rising += weight * way.slope;
        }
        (greatest + ln(sum), rising / sum)
    }
}

/// The y that lets the product grow fastest when the excess is `multiple` times the stable slot's share: the
/// root of `l r y^2 - (1+r)(1+l) y + (1+r) = 0` between 0 and 1, without cancellation.
fn fastest(multiple: f64, ratio: f64) -> f64 {
    let linear = (1.0 + ratio) * (1.0 + multiple);
    let root = (linear * linear - 4.0 * multiple * ratio * (1.0 + ratio)).max(0.0).sqrt();
    2.0 * (1.0 + ratio) / (linear + root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: f64, whole: f64) -> Part {
        Part { part, whole }
    }

    fn of(bins: u32, stable: Part, candidate: Part) -> f64 {
        let mut excess = Excess::new(ERRORS);
        (0..bins).for_each(|_| excess.add(stable, candidate, 1.0, 1.0));
        excess.upper(0.05)
    }

    fn binomial(n: u32, p: f64) -> Vec<(f64, f64)> {
        let ways = |x: u32| (0..x).fold(1.0, |c, k| c * f64::from(n - k) / f64::from(k + 1));
        let chance = |x: u32| ways(x) * p.powi(x.try_into().unwrap()) * (1.0 - p).powi((n - x).try_into().unwrap());
        (0..=n).map(|x| (f64::from(x), chance(x))).collect()
    }

    #[test]
    fn the_mixture_is_at_most_1_on_average_at_the_true_excess() {
        for (p, q, odds) in [(0.0, 0.2, 1.0), (0.1, 0.3, 1.0), (0.3, 0.4, 1.15), (0.5, 0.9, 1.0)] {
            for (n_b, n_g) in [(8, 3), (2, 9), (5, 5)] {
                let mut mean = 0.0;
                for (x_b, chance_b) in binomial(n_b, p) {
                    for (x_g, chance_g) in binomial(n_g, q) {
                        let mut excess = Excess::new(SLOW);
                        excess.add(part(x_b, n_b.into()), part(x_g, n_g.into()), odds, 1.0);
                        mean += chance_b * chance_g * excess.height(q - odds * p).0.exp();
                    }
                }
                assert!(mean <= 1.0 + 1e-9, "{p} {q} {odds} {n_b} {n_g}: {mean}");
            }
        }
    }

    #[test]
    fn parts_of_a_mixture_make_a_whole() {
        for mixture in [ERRORS, SLOW] {
            let sum: f64 = mixture.iter().map(|(_, part)| part).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
    }

    #[test]
    fn nothing_is_bounded_by_nothing() {
        assert_eq!(of(0, part(0.0, 0.0), part(0.0, 0.0)), 1.0);
        assert_eq!(of(1, part(0.0, 100.0), part(0.0, 0.0)), 1.0);
    }

    #[test]
    fn a_bound_falls_with_requests_and_rises_with_failures() {
        let clean = of(10, part(1.0, 900.0), part(0.0, 100.0));
        assert!((0.001..0.006).contains(&clean), "{clean}");
        assert!(of(20, part(1.0, 900.0), part(0.0, 100.0)) < clean);
        assert!(of(10, part(1.0, 900.0), part(1.0, 100.0)) > 0.009);
    }

    #[test]
    fn failures_that_both_slots_share_are_credited() {
        let shared = of(1, part(2000.0, 10_000.0), part(2000.0, 10_000.0));
        assert!(shared < 0.05, "{shared}");
        let own = of(1, part(10.0, 10_000.0), part(2000.0, 10_000.0));
        assert!((0.19..0.25).contains(&own), "{own}");
    }

    #[test]
    fn the_fastest_y_solves_its_equation() {
        for multiple in [0.1, 1.0, 400.0] {
            for r in [0.0, 0.01, 1.0, 19.0, 1e6] {
                let y = fastest(multiple, r);
                assert!((y / (1.0 + r * (1.0 - y)) + multiple * y - 1.0).abs() < 1e-6, "{multiple} {r} {y}");
            }
        }
    }
}
