//! Flagger: a check a minute, a step up for each that passes, and back when five have failed.
//!
//! From its documentation: an interval of 60 s, request success rate at least 99 %, p99 at most 500 ms.
//! Steps are 10 points up to 50 % and five failed checks go back (its example has steps of 5 and ten). It
//! compares with no baseline.

use tidegate::simulate::world::{Marks, World};

use super::super::play::{Move, Policy, Seen};
use super::{failed, percent, quantile, slow};

const INTERVAL: u64 = 60;
const STEP: u16 = 10;
const MOST: u16 = 50;
const FAILURES: u32 = 5;

/// One rollout by Flagger.
pub struct Flagger {
    limit: f64,
    weight: u16,
    failures: u32,
    checked: usize,
}

impl Flagger {
    pub fn documented() -> Self {
        Self { limit: 0.5, weight: STEP, failures: 0, checked: 0 }
    }

    /// The p99 limit is 1.2 times the old release's p99.
    pub fn tuned(world: &World) -> Self {
        Self { limit: 1.2 * quantile(world, 0.99), ..Self::documented() }
    }
}

impl Policy for Flagger {
    fn marks(&self) -> Marks {
        Marks { stable: Vec::new(), candidate: vec![self.limit] }
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        if seen.now == 0 {
            return Move::Shift(percent(self.weight));
        }
        let Some(bin) = seen.bins.get(self.checked).filter(|_| seen.now >= INTERVAL) else { return Move::Stay };
        self.checked += 1;
        // Without values the check fails, as Flagger has it.
        let passes = |counts| failed(counts) <= 0.01 && slow(counts, 0) <= 0.01;
        if !bin.candidate.as_ref().is_some_and(passes) {
            self.failures += 1;
            return if self.failures >= FAILURES { Move::Back } else { Move::Stay };
        }
        if self.weight >= MOST {
            return Move::Finish;
        }
        self.weight += STEP;
        Move::Shift(percent(self.weight))
    }
}
