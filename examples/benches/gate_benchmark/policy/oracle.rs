//! The best there could be: Wald's sequential test with every rate and the very fault known beforehand.
//!
//! It sees whole response times, where a gate sees counts at five marks. Steps are those of `steps60` and
//! `steps10`: 5, 25 and 50 % for ten minutes each. It cannot be built, and is here to measure against.

use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;
use tidegate::domain::count::Counts;
use tidegate::simulate::condition::Condition;
use tidegate::simulate::world::{Marks, World};

use super::super::play::{Move, Policy, Seen};
use super::percent;

/// The shares, in percent; the last one is kept for the holdback.
const STEPS: [u16; 4] = [5, 25, 50, 95];
/// How long a step lasts, in seconds.
const STEP: u64 = 600;
/// Response times do not count so long, in seconds.
const WARM_UP: u64 = 60;

/// One rollout watched by who knows.
pub struct Oracle {
    dice: Pcg64Mcg,
    span: u64,
    counted: usize,
    /// The logarithm of the odds that the fault is there.
    evidence: f64,
}

impl Oracle {
    pub fn new(world: &World) -> Self {
        let dice = Pcg64Mcg::seed_from_u64(world.seed);
        Self { dice, span: world.span.as_secs(), counted: 0, evidence: 0.0 }
    }

    /// Takes in what the candidate counted in one bin, in which the slots were like this.
    fn count(&mut self, counts: &Counts, (good, bad): (Condition, Condition), warm: bool) {
        let Counts { requests, errors, .. } = *counts;
        if bad.errors > good.errors {
            let fewer = ((1.0 - bad.errors) / (1.0 - good.errors)).ln();
            self.evidence += errors * (bad.errors / good.errors).ln() + (requests - errors) * fewer;
        }
        let shift = (bad.location - good.location) / bad.sigma;
        if warm && shift > 0.0 {
            let noise: f64 = StandardNormal.sample(&mut self.dice);
            self.evidence += requests * shift * shift / 2.0 + shift * requests.sqrt() * noise;
        }
    }
}

impl Policy for Oracle {
    fn marks(&self) -> Marks {
        Marks::default()
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        for at in self.counted..seen.bins.len() {
            let warm = at as u64 * self.span >= WARM_UP;
            if let Some(counts) = &seen.bins[at].candidate {
                self.count(counts, seen.truth[at], warm);
            }
        }
        self.counted = seen.bins.len();
        if self.evidence >= 100_f64.ln() {
            return Move::Back;
        }
        STEPS.get((seen.now / STEP) as usize).map_or(Move::Finish, |share| Move::Shift(percent(*share)))
    }
}
