//! E-values: how many times likelier one bin's counts are if the candidate is worse than if it is not.
//!
//! An e-value is a number whose mean is at most 1 whenever the candidate is no worse, whatever the stable
//! slot's own rates are, which may differ from bin to bin. Here are their natural logarithms.

use super::ErrorTolerance;
use libm::{log as ln, log1p as ln_1p};

/// The most marks that are judged together.
pub(super) const MARKS: usize = 8;

/// A count of a part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Part {
    /// The part.
    pub part: f64,
    /// The whole.
    pub whole: f64,
}

impl Part {
    /// The part of the whole; none of nothing.
    pub fn share(self) -> Option<f64> {
        (self.whole > 0.0).then_some(self.part / self.whole)
    }
}

/// Evidence that the candidate's failures are about `psi` times what is tolerated.
///
/// The null is `p_g <= ratio p_b + excess`. With `h = (psi-1) n_b / (psi ratio n_g + n_b)` and
/// `g = (n_b + ratio n_g) / (psi ratio n_g + n_b)` the logarithm is
/// `x_g ln(1+h) + x_b ln g - n_g excess h`. Since `E exp(sX) <= exp(np(e^s - 1))` for a binomial X, its
/// mean is at most `exp(h n_g (p_g - ratio p_b - excess)) <= 1`. Nothing is approximated, and zero counts
/// need no care. Lindon and Malek (NeurIPS 2022, arXiv 2011.03567) have the same conditional test with a
/// prior in place of a point and without tolerance.
pub(super) fn errors(tolerance: ErrorTolerance, psi: f64, stable: Part, candidate: Part) -> f64 {
    if stable.whole <= 0.0 || candidate.whole <= 0.0 {
        return 0.0;
    }
    let ErrorTolerance { ratio, excess, .. } = tolerance;
    let base = psi * ratio * candidate.whole + stable.whole;
    let h = (psi - 1.0) * stable.whole / base;
    let shrunk = ln((stable.whole + ratio * candidate.whole) / base);
    candidate.part * ln_1p(h) + stable.part * shrunk - candidate.whole * excess * h
}

/// What is known of a mark before a bin is seen: the share of the stable slot's answers that is slower,
/// and the factor by which the odds may grow.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Tail {
    pub(super) share: f64,
    pub(super) odds: f64,
}

/// How many were timed, and how many of them were slower than each mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow<'a> {
    pub(super) timed: f64,
    pub(super) slower: &'a [f64],
}

/// Evidence that at all of these marks the odds of a slow answer are `psi` times what is tolerated.
///
/// The null is `G_j <= f(B_j)` for every mark j, where B and G are the shares of the stable slot's and the
/// candidate's answers slower than the mark, and `f(p) = dp / (1 - p + dp)` lets the odds grow by d. The
/// marks cut answers into cells 0 to m. The e-value multiplies `r_g(cell)` over the candidate's answers and
/// `r_b(cell)` over the stable slot's, where `r_g` never falls from cell to cell, so that
/// `E_G r_g = r_g(0) + sum_j D_j G_j` with steps `D_j >= 0`. Under the null the logarithm of the mean is thus
/// at most `n_g ln(r_g(0) + sum D_j f(B_j)) + n_b ln(r_b(0) - sum d_j B_j)`, concave in B because f is.
/// It is greatest where its slopes vanish: at a point B* of our choice, when `n_b d_j = n_g D_j f'(B*_j)` and
/// both means are 1 there. So the mean is at most 1 everywhere in the null.
///
/// B* is the point on the curve nearest to the alternative: `n_b b + n_g f(b) = n_b p + n_g q` at each mark,
/// where p is the stable slot's share as predicted and q its odds grown by `d psi`. With one mark or with
/// d = 1 this is the two-sample e-value of Turner, Ly and Grünwald (JSPI 230, 2024). A wrong p costs power,
/// never validity.
pub(super) fn slower(tails: &[Tail], psi: f64, stable: Slow<'_>, candidate: Slow<'_>) -> f64 {
    let (n_b, n_g) = (stable.timed, candidate.timed);
    if n_b <= 0.0 || n_g <= 0.0 || tails.is_empty() || tails.len() > MARKS {
        return 0.0;
    }
    let Bets { candidate: r_g, stable: r_b } = bets(tails, psi, n_b, n_g);
    let m = tails.len();
    if r_b[..=m].iter().any(|r| *r <= 0.0) {
        return 0.0;
    }
    (0..=m).map(|cell| in_cell(candidate, cell) * ln(r_g[cell]) + in_cell(stable, cell) * ln(r_b[cell])).sum()
}

/// What is paid for an answer in each cell.
struct Bets {
    candidate: [f64; MARKS + 1],
    stable: [f64; MARKS + 1],
}

fn bets(tails: &[Tail], psi: f64, n_b: f64, n_g: f64) -> Bets {
    let m = tails.len();
    let (mut b, mut g, mut q) = ([0.0; MARKS + 2], [0.0; MARKS + 2], [0.0; MARKS + 2]);
    (b[0], g[0], q[0]) = (1.0, 1.0, 1.0);
    for (j, tail) in tails.iter().enumerate() {
        q[j + 1] = grown(tail.share, tail.odds * psi);
        b[j + 1] = nearest(n_b * tail.share + n_g * q[j + 1], tail.odds, n_b, n_g);
        g[j + 1] = grown(b[j + 1], tail.odds);
    }
    let (mut r_g, mut r_b) = ([1.0; MARKS + 1], [1.0; MARKS + 1]);
    let (mut mean_g, mut mean_b) = (0.0, 0.0);
    for cell in 0..=m {
        let weight = g[cell] - g[cell + 1];
        let below = if cell == 0 { 0.0 } else { r_g[cell - 1] };
        r_g[cell] = if weight > 1e-12 { ((q[cell] - q[cell + 1]) / weight).max(below) } else { below.max(1e-12) };
        mean_g += weight * r_g[cell];
    }
    for cell in 1..=m {
        let slope = slope(b[cell], tails[cell - 1].odds);
        r_b[cell] = r_b[cell - 1] - n_g / n_b * slope * (r_g[cell] - r_g[cell - 1]) / mean_g;
    }
    for cell in 0..=m {
        r_g[cell] /= mean_g;
        mean_b += (b[cell] - b[cell + 1]) * r_b[cell];
    }
    Bets { candidate: r_g, stable: r_b.map(|r| r + 1.0 - mean_b) }
}

/// `p` with its odds grown by `odds`.
pub(super) fn grown(p: f64, odds: f64) -> f64 {
    odds * p / (1.0 - p + odds * p)
}

/// How fast [`grown`] grows with `p`.
fn slope(p: f64, odds: f64) -> f64 {
    let whole = 1.0 - p + odds * p;
    odds / (whole * whole)
}

/// The share b with `n_b b + n_g grown(b, odds) = sum`: the root of a quadratic, without cancellation.
fn nearest(sum: f64, odds: f64, n_b: f64, n_g: f64) -> f64 {
    let square = n_b * (odds - 1.0);
    let linear = n_b + n_g * odds - sum * (odds - 1.0);
    2.0 * sum / (linear + (linear * linear + 4.0 * square * sum).sqrt())
}

/// How many answers lie between mark `cell - 1` and mark `cell`.
fn in_cell(slow: Slow<'_>, cell: usize) -> f64 {
    let from = if cell == 0 { slow.timed } else { slow.slower[cell - 1] };
    let to = slow.slower.get(cell).copied().unwrap_or(0.0);
    (from - to).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::compare::CompareRule;

    /// The chance of each way that `n` answers fall into cells of these chances.
    fn multinomial(n: u32, cells: &[f64]) -> Vec<(Vec<f64>, f64)> {
        let Some((first, rest)) = cells.split_first() else {
            return if n == 0 { vec![(Vec::new(), 1.0)] } else { Vec::new() };
        };
        let mut ways = Vec::new();
        for x in 0..=n {
            let here =
                (0..x).fold(1.0, |c, k| c * f64::from(n - k) / f64::from(k + 1)) * first.powi(x.try_into().unwrap());
            for (counts, chance) in multinomial(n - x, rest) {
                ways.push(([vec![f64::from(x)], counts].concat(), chance * here));
            }
        }
        ways
    }

    fn cells(tails: &[f64]) -> Vec<f64> {
        let edges: Vec<f64> = [&[1.0], tails, &[0.0]].concat();
        edges.windows(2).map(|pair| pair[0] - pair[1]).collect()
    }

    /// How many of the answers in these cells are slower than each mark.
    fn slower_than(cells: &[f64]) -> Vec<f64> {
        (1..cells.len()).map(|mark| cells[mark..].iter().sum()).collect()
    }

    #[test]
    fn evidence_of_errors_is_at_most_1_on_average_when_no_more_fail_than_tolerated() {
        let tolerance = CompareRule::default().errors;
        for p in [0.0, 0.001, 0.05, 0.4] {
            let q = tolerance.ratio * p + tolerance.excess;
            for (n_b, n_g, psi) in [(6, 4, 2.0), (3, 9, 5.0), (12, 1, 20.0), (5, 5, 200.0)] {
                let mut mean = 0.0;
                for (b, chance_b) in multinomial(n_b, &[1.0 - p, p]) {
                    for (g, chance_g) in multinomial(n_g, &[1.0 - q, q]) {
                        let stable = Part { part: b[1], whole: n_b.into() };
                        let candidate = Part { part: g[1], whole: n_g.into() };
                        mean += chance_b * chance_g * errors(tolerance, psi, stable, candidate).exp();
                    }
                }
                assert!(mean <= 1.0 + 1e-9, "p {p}, n {n_b}/{n_g}, psi {psi}: {mean}");
            }
        }
    }

    /// The mean of the e-value of [`slower`] when the true shares are these.
    fn mean_of_slower(predicted: &[f64], odds: f64, psi: f64, (n_b, b): (u32, &[f64]), (n_g, g): (u32, &[f64])) -> f64 {
        let tails: Vec<Tail> = predicted.iter().map(|share| Tail { share: *share, odds }).collect();
        let mut mean = 0.0;
        for (in_b, chance_b) in multinomial(n_b, &cells(b)) {
            for (in_g, chance_g) in multinomial(n_g, &cells(g)) {
                let (slow_b, slow_g) = (slower_than(&in_b), slower_than(&in_g));
                let stable = Slow { timed: n_b.into(), slower: &slow_b };
                let candidate = Slow { timed: n_g.into(), slower: &slow_g };
                mean += chance_b * chance_g * slower(&tails, psi, stable, candidate).exp();
            }
        }
        mean
    }

    #[test]
    fn evidence_of_slow_answers_is_at_most_1_on_average_at_the_edge_of_what_is_tolerated() {
        let truths: [&[f64]; 6] = [&[0.5], &[0.05], &[0.9], &[0.5, 0.1], &[0.3, 0.25], &[0.6, 0.2, 0.05]];
        for truth in truths {
            for odds in [1.0, 1.15, 1.6] {
                let edge: Vec<f64> = truth.iter().map(|p| grown(*p, odds)).collect();
                for (n_b, n_g) in [(4, 3), (6, 1), (1, 5)] {
                    for (psi, off) in [(1.25, 1.0), (3.0, 1.0), (12.0, 0.5), (1.6, 1.1)] {
                        let predicted: Vec<f64> = truth.iter().map(|p| p * off).collect();
                        let mean = mean_of_slower(&predicted, odds, psi, (n_b, truth), (n_g, &edge));
                        assert!(mean <= 1.0 + 1e-9, "{truth:?}, odds {odds}, n {n_b}/{n_g}, psi {psi}: {mean}");
                    }
                }
            }
        }
    }

    #[test]
    fn evidence_of_slow_answers_is_at_most_1_on_average_within_what_is_tolerated() {
        for (b, g) in [([0.5, 0.1], [0.5, 0.05]), ([0.5, 0.1], [0.2, 0.1]), ([0.9, 0.8], [0.1, 0.0])] {
            for odds in [1.0, 1.15] {
                let mean = mean_of_slower(&[0.5, 0.1], odds, 3.0, (4, &b), (3, &g));
                assert!(mean <= 1.0 + 1e-9, "{b:?} {g:?}: {mean}");
            }
        }
    }

    #[test]
    fn one_mark_without_tolerance_is_the_two_sample_e_value() {
        let (p, n_b, n_g, x_b, x_g) = (0.1, 900.0, 100.0, 80.0, 25.0);
        let q = grown(p, 3.0);
        let pooled = (n_b * p + n_g * q) / (n_b + n_g);
        let exact = x_g * (q / pooled).ln()
            + (n_g - x_g) * ((1.0 - q) / (1.0 - pooled)).ln()
            + x_b * (p / pooled).ln()
            + (n_b - x_b) * ((1.0 - p) / (1.0 - pooled)).ln();
        let tails = [Tail { share: p, odds: 1.0 }];
        let got = slower(&tails, 3.0, Slow { timed: n_b, slower: &[x_b] }, Slow { timed: n_g, slower: &[x_g] });
        assert!((got - exact).abs() < 1e-9, "{got} {exact}");
    }

    #[test]
    fn a_slot_without_answers_says_nothing() {
        let part = |whole| Part { part: 0.0, whole };
        assert_eq!(errors(CompareRule::default().errors, 5.0, part(0.0), part(10.0)), 0.0);
        let (none, some) = (Slow { timed: 0.0, slower: &[0.0] }, Slow { timed: 9.0, slower: &[3.0] });
        assert_eq!(slower(&[Tail { share: 0.5, odds: 1.0 }], 3.0, some, none), 0.0);
    }
}
