//! The policies that are measured, by the names they have in tables.

mod argo;
mod ecs;
mod flagger;
pub mod gate;
mod kayenta;
mod oracle;

use tidegate::domain::count::{Counts, Mark};
use tidegate::domain::traffic::Share;
use tidegate::simulate::world::World;

use super::play::{Policy, Timing};

/// A policy's name, what it is, and how it starts.
pub struct Entry {
    /// In tables and options.
    pub name: &'static str,
    /// In a few words.
    pub about: &'static str,
    /// How it gets its data.
    pub timing: Timing,
    /// Made for one run.
    pub start: fn(&World) -> Box<dyn Policy>,
    /// Whether it needs to know the fault, and so has nothing to say of good releases.
    pub knows_the_fault: bool,
}

/// CloudWatch: by the minute, a minute late.
const CLOUDWATCH: Timing = Timing { span: 60, delay: 60, look: 60 };
/// Prometheus, asked for the last minute.
const PROMETHEUS: Timing = Timing { span: 60, delay: 10, look: 10 };

/// All of them.
pub static ALL: [Entry; 13] = [
    entry("ecs_1of1", "ECS canary, alarm on 1 of 1 datapoints", CLOUDWATCH, |world| Box::new(ecs::Ecs::new(world, 1))),
    entry("ecs_2of2", "ECS canary, alarm on 2 of 2 datapoints", CLOUDWATCH, |world| Box::new(ecs::Ecs::new(world, 2))),
    entry("flagger_docs", "Flagger as documented", PROMETHEUS, |_| Box::new(flagger::Flagger::documented())),
    entry("flagger_tuned", "Flagger, p99 limit tuned to the service", PROMETHEUS, |world| {
        Box::new(flagger::Flagger::tuned(world))
    }),
    entry("argo_docs", "Argo Rollouts as documented", PROMETHEUS, |world| Box::new(argo::Argo::documented(world))),
    entry("argo_tuned", "Argo Rollouts, tuned", PROMETHEUS, |world| Box::new(argo::Argo::tuned(world))),
    entry("kayenta", "Kayenta's judge", CLOUDWATCH, |world| Box::new(kayenta::Kayenta::new(world))),
    entry("steps60", "tidegate, fixed steps, 60 s feed", gate::MINUTES, |world| Box::new(gate::Steps::new(world))),
    entry("steps10", "tidegate, fixed steps, 10 s feed", gate::TENS, |world| Box::new(gate::Steps::new(world))),
    entry("ramp60", "tidegate, harm budget, 60 s feed", gate::MINUTES, |world| Box::new(gate::Ramp::new(world))),
    entry("ramp10", "tidegate, harm budget, 10 s feed", gate::TENS, |world| Box::new(gate::Ramp::new(world))),
    oracle("oracle60", "knows every rate and the fault, 60 s feed", CLOUDWATCH),
    oracle("oracle10", "the same, 10 s feed", Timing { span: 10, delay: 10, look: 10 }),
];

impl Entry {
    /// Whether it is tidegate's own.
    pub fn is_ours(&self) -> bool {
        self.about.starts_with("tidegate")
    }
}

const fn entry(name: &'static str, about: &'static str, timing: Timing, start: fn(&World) -> Box<dyn Policy>) -> Entry {
    Entry { name, about, timing, start, knows_the_fault: false }
}

const fn oracle(name: &'static str, about: &'static str, timing: Timing) -> Entry {
    Entry { name, about, timing, start: |world| Box::new(oracle::Oracle::new(world)), knows_the_fault: true }
}

/// A share in percent.
const fn percent(percent: u16) -> Share {
    match Share::from_permille(percent * 10) {
        Some(share) => share,
        None => Share::ALL,
    }
}

/// The response time that this part of the stable slot's answers is faster than, when nothing is wrong.
fn quantile(world: &World, quantile: f64) -> f64 {
    let is = |mark: &&Mark| mark.quantile == Some(quantile);
    world.marks().iter().find(is).map_or(f64::NAN, |mark| mark.seconds)
}

/// The share of these requests that failed.
fn failed(counts: &Counts) -> f64 {
    counts.errors / counts.requests
}

/// The share of these answers that was slower than the `at`th mark.
fn slow(counts: &Counts, at: usize) -> f64 {
    counts.slower.get(at).map_or(0.0, |slower| slower / counts.timed)
}
