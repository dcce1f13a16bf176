//! Kayenta's judge: minutes of both releases against each other by a Mann-Whitney test, every five minutes.
//!
//! As in `NetflixACAJudge` and `MannWhitneyClassifier`: the Hodges-Lehmann estimate of the shift with its
//! 98 % interval by the normal approximation (continuity corrected, ties counted); a metric is high when
//! the interval's lower end is above a quarter of the estimate. Metrics are the share of failures and the
//! p95 of each minute, points in which more is worse; one that is high fails the judgement. Stages are 5, 25
//! and 50 % for fifteen minutes each, judged on all of a stage's minutes so far.

use rand_distr::{Beta, Distribution};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;
use tidegate::domain::count::Counts;
use tidegate::simulate::condition::Condition;
use tidegate::simulate::world::{Marks, World};

use super::super::play::{Move, Policy, Seen};
use super::percent;

/// The shares of the stages, in percent.
const STAGES: [u16; 3] = [5, 25, 50];
/// How many minutes a stage has.
const MINUTES: usize = 15;
/// How many minutes lie between judgements.
const EVERY: usize = 5;
/// The delay of the last minute's data, in minutes: each stage begins so much after the last one's end.
const DELAY: usize = 1;
/// The standard normal deviate of 0.99, for an interval of 98 %.
const DEVIATE: f64 = 2.326_347_874_040_841;
/// The part of the estimate that the interval must clear.
const TOLERANCE: f64 = 0.25;

/// One rollout judged by Kayenta.
pub struct Kayenta {
    dice: Pcg64Mcg,
    /// Per minute: failures and p95 of both releases, where there were requests.
    points: Vec<[Option<(f64, f64)>; 2]>,
}

impl Kayenta {
    pub fn new(world: &World) -> Self {
        Self { dice: Pcg64Mcg::seed_from_u64(world.seed), points: Vec::new() }
    }

    /// Both metrics' points of one release in these minutes.
    fn series(&self, minutes: std::ops::Range<usize>, release: usize) -> (Vec<f64>, Vec<f64>) {
        self.points[minutes].iter().filter_map(|point| point[release]).unzip()
    }

    fn fails(&self, minutes: std::ops::Range<usize>) -> bool {
        let control = self.series(minutes.clone(), 0);
        let experiment = self.series(minutes, 1);
        is_high(&experiment.0, &control.0) || is_high(&experiment.1, &control.1)
    }
}

impl Policy for Kayenta {
    fn marks(&self) -> Marks {
        Marks::default()
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        for (bin, truth) in seen.bins.iter().zip(seen.truth).skip(self.points.len()) {
            let stable = point(bin.stable.as_ref(), truth.0, &mut self.dice);
            let candidate = point(bin.candidate.as_ref(), truth.1, &mut self.dice);
            self.points.push([stable, candidate]);
        }
        let minute = (seen.now / 60) as usize;
        let (stage, within) = (minute / (MINUTES + DELAY), minute % (MINUTES + DELAY));
        let Some(share) = STAGES.get(stage) else {
            return if self.is_due_and_fails(minute) { Move::Back } else { Move::Finish };
        };
        if within == 0 && stage > 0 && self.is_due_and_fails(minute) {
            return Move::Back;
        }
        let start = stage * (MINUTES + DELAY);
        let known = within.saturating_sub(DELAY);
        if known > 0 && known.is_multiple_of(EVERY) && self.fails(start..start + known) {
            return Move::Back;
        }
        Move::Shift(percent(*share))
    }
}

impl Kayenta {
    /// Whether the judgement at the end of a stage, which ends at this minute, fails.
    fn is_due_and_fails(&self, minute: usize) -> bool {
        let end = minute - DELAY;
        self.fails(end - MINUTES..end)
    }
}

/// The share of failures and the p95 of one minute. The p95 is the order statistic that it is: the
/// quantile of a beta variable.
fn point(counts: Option<&Counts>, condition: Condition, dice: &mut Pcg64Mcg) -> Option<(f64, f64)> {
    let counts = counts?;
    let rank = (0.95 * counts.requests).ceil();
    let beyond = Beta::new(counts.requests - rank + 1.0, rank).ok()?.sample(dice);
    Some((counts.errors / counts.requests, condition.location + condition.sigma * deviate(beyond)))
}

/// The standard normal deviate that is exceeded with this chance, by bisection.
fn deviate(chance: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        let beyond = 0.5 * libm::erfc(middle * std::f64::consts::FRAC_1_SQRT_2);
        *(if beyond > chance { &mut low } else { &mut high }) = middle;
    }
    0.5 * (low + high)
}

/// Whether `experiment` lies above `control` by Kayenta's rule.
fn is_high(experiment: &[f64], control: &[f64]) -> bool {
    let mut shifts: Vec<f64> = experiment.iter().flat_map(|new| control.iter().map(move |old| new - old)).collect();
    if shifts.is_empty() {
        return false;
    }
    shifts.sort_by(f64::total_cmp);
    let pairs = shifts.len();
    let estimate = 0.5 * (shifts[(pairs - 1) / 2] + shifts[pairs / 2]);
    let needed = (pairs as f64 / 2.0 + 0.5 + DEVIATE * sigma(experiment, control)).ceil();
    let lower = if needed <= pairs as f64 { shifts[pairs - needed as usize] } else { return false };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    lower > TOLERANCE * estimate.abs() && mean(experiment) >= mean(control)
}

/// The standard deviation of the number of pairs in which the experiment's value is the greater one, with
/// ties counted.
fn sigma(experiment: &[f64], control: &[f64]) -> f64 {
    let (m, n) = (experiment.len() as f64, control.len() as f64);
    let mut all: Vec<f64> = experiment.iter().chain(control).copied().collect();
    all.sort_by(f64::total_cmp);
    let tied: f64 =
        all.chunk_by(|one, other| one == other).map(|group| group.len() as f64).map(|size| size.powi(3) - size).sum();
    let total = m + n;
    (m * n / 12.0 * ((total + 1.0) - tied / (total * (total - 1.0)))).max(0.0).sqrt()
}
