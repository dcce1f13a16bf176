//! Thousands of rollouts in virtual time. It drives the machine, not the engine: a world with tasks,
//! weights and metrics, a die, and checkers that know the truth. In `contest.rs` several processes would each decide
//! one rollout.
//!
//! `TIDEGATE_SEEDS=100000 cargo test --release --test simulation` runs more of them;
//! `TIDEGATE_SEED=7 cargo test --test simulation one_seed -- --nocapture` repeats one.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]

mod checks;
mod contest;
mod deciders;
mod desk;
mod die;
mod flight;
mod lease;
mod mishaps;
mod oaths;
mod plans;
mod points;
mod process;
mod ramps;
mod rollout;
mod safeguard;
mod scenarios;
mod store;
mod tapes;
mod traffic;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use die::Die;
use mishaps::Mishaps;
use tidegate::machine::Outcome;

/// Seeds of an ordinary run.
const SEEDS: u64 = 5_000;

fn number(variable: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the seed is the tester's to choose")]
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn rollout_of(seed: u64) -> rollout::Ended {
    let mut die = Die::new(seed);
    let plan = plans::throw(&mut die);
    let mishaps = Mishaps::throw(&mut die);
    rollout::run(&plan, mishaps, &mut die)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Promoted => "promoted",
        Outcome::RolledBack(_) => "rolled back",
        Outcome::Stranded { .. } => "stranded",
    }
}

/// The outcomes of the seeds from `first`, every `stride`-th below `end`.
fn outcomes(first: u64, end: u64, stride: usize) -> BTreeMap<&'static str, u64> {
    let mut outcomes = BTreeMap::new();
    for seed in (first..end).step_by(stride) {
        let ended = catch_unwind(AssertUnwindSafe(|| rollout_of(seed))).unwrap_or_else(|_| {
            panic!("repeat with: TIDEGATE_SEED={seed} cargo test --test simulation one_seed -- --nocapture")
        });
        *outcomes.entry(word(&ended.outcome)).or_default() += 1;
        if ended.world.safeguard.gave_back {
            *outcomes.entry("given back by the switch").or_default() += 1;
        }
    }
    outcomes
}

#[test]
fn every_seed_keeps_the_invariants() {
    let seeds = number("TIDEGATE_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let shares: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || outcomes(thread as u64, seeds, threads))).collect();
        for share in shares {
            for (word, count) in share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                *all.entry(word).or_default() += count;
            }
        }
    });
    println!("{seeds} rollouts: {all:?}");
    assert!(all.get("promoted") > Some(&(seeds / 20)), "hardly any was promoted: {all:?}");
    assert!(all.get("given back by the switch") > Some(&(seeds / 500)), "the switch hardly ever fired: {all:?}");
    assert!(all.get("rolled back") > Some(&(seeds / 4)), "hardly any was rolled back: {all:?}");
}

#[test]
fn one_seed() {
    let Some(seed) = number("TIDEGATE_SEED") else { return };
    let mut die = Die::new(seed);
    let plan = plans::throw(&mut die);
    let mishaps = Mishaps::throw(&mut die);
    println!("{mishaps:#?}\n{:#?}", plan.steps);
    let ended = rollout::run(&plan, mishaps, &mut die);
    for notice in &ended.notices {
        println!("{notice:?}");
    }
}

#[test]
fn a_seed_gives_the_same_rollout_every_time() {
    for seed in 0..50 {
        assert_eq!(rollout_of(seed).tape, rollout_of(seed).tape, "seed {seed}");
    }
}
