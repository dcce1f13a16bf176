//! Argo Rollouts: timed steps, with an analysis beside them that aborts after so many failed measurements.
//!
//! As documented: 20, 40, 60 and 80 % for ten minutes each, a measurement every five, success at least 95 %,
//! `failureLimit: 3`, and p95 at most 1.2 times the old release's. Tuned: 5, 25 and 50 % for five minutes
//! each, a measurement a minute, success at least 99 %, `failureLimit: 2`. One measurement asks for both.

use tidegate::domain::count::Counts;
use tidegate::simulate::world::{Marks, World};

use super::super::play::{Move, Policy, Seen};
use super::{percent, quantile};

/// One rollout by Argo.
pub struct Argo {
    /// The shares, in percent.
    steps: &'static [u16],
    /// How long each lasts, in seconds.
    pause: u64,
    /// How many minutes one measurement is over.
    interval: usize,
    /// The share of failures that is too much.
    errors: f64,
    /// The response time that 5 % may exceed.
    limit: f64,
    /// How many measurements may fail.
    failures: u32,
    failed: u32,
    measured: usize,
}

impl Argo {
    pub fn documented(world: &World) -> Self {
        let limit = 1.2 * quantile(world, 0.95);
        let steps = &[20, 40, 60, 80];
        Self { steps, pause: 600, interval: 5, errors: 0.05, limit, failures: 3, failed: 0, measured: 0 }
    }

    pub fn tuned(world: &World) -> Self {
        let steps = &[5, 25, 50];
        Self { steps, pause: 300, interval: 1, errors: 0.01, failures: 2, ..Self::documented(world) }
    }

    /// Whether the measurement over these minutes fails. One without any requests does not.
    fn fails<'a>(&self, minutes: impl Iterator<Item = &'a Counts>) -> bool {
        let (mut requests, mut errors, mut slow) = (0.0, 0.0, 0.0);
        for minute in minutes {
            requests += minute.requests;
            errors += minute.errors;
            slow += minute.slower[0];
        }
        errors > self.errors * requests || slow > 0.05 * requests
    }
}

impl Policy for Argo {
    fn marks(&self) -> Marks {
        Marks { stable: Vec::new(), candidate: vec![self.limit] }
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        let due = seen.bins.get(self.measured..self.measured + self.interval);
        if let Some(minutes) = due {
            self.measured += self.interval;
            self.failed += u32::from(self.fails(minutes.iter().filter_map(|bin| bin.candidate.as_ref())));
            if self.failed > self.failures {
                return Move::Back;
            }
        }
        let step = (seen.now / self.pause) as usize;
        match self.steps.get(step) {
            Some(share) => Move::Shift(percent(*share)),
            None => Move::Finish,
        }
    }
}
