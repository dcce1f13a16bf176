//! Amazon ECS's own canary deployment: 10 % for ten minutes, then everything, with alarms on the new target group.
//!
//! The alarms are 5xx above 1 % and p95 above 1.2 times the old release's, each on one of one or two of two
//! one-minute datapoints. Their wiring is as good as it can be: a minute without errors is a datapoint, and
//! every datapoint is there a minute after its end.

use tidegate::domain::count::Counts;
use tidegate::simulate::world::{Marks, World};

use super::super::play::{Move, Policy, Seen};
use super::{failed, percent, quantile, slow};

/// How long the canary stays at 10 %: `canaryBakeTimeInMinutes`, 10 by default.
const CANARY: u64 = 600;
/// How long alarms are heeded after everything was shifted.
const BAKE: u64 = 300;

/// One rollout by ECS.
pub struct Ecs {
    datapoints: usize,
    limit: f64,
}

impl Ecs {
    pub fn new(world: &World, datapoints: usize) -> Self {
        Self { datapoints, limit: 1.2 * quantile(world, 0.95) }
    }
}

impl Policy for Ecs {
    fn marks(&self) -> Marks {
        Marks { stable: Vec::new(), candidate: vec![self.limit] }
    }

    fn look(&mut self, seen: &Seen<'_>) -> Move {
        let recent = || seen.bins.iter().rev().take(self.datapoints).map(|bin| bin.candidate.as_ref());
        let breached = |breaches: fn(&Counts) -> bool| {
            seen.bins.len() >= self.datapoints && recent().all(|counts| counts.is_some_and(breaches))
        };
        match seen.now {
            _ if breached(|counts| failed(counts) > 0.01) || breached(|counts| slow(counts, 0) > 0.05) => Move::Back,
            0 => Move::Shift(percent(10)),
            CANARY => Move::Shift(percent(100)),
            now if now >= CANARY + BAKE => Move::Finish,
            _ => Move::Stay,
        }
    }
}
