//! The cells of the tables, and how they are filled: many rollouts each, on as many threads as asked for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tidegate::simulate::scenario::{Fault, Scenario};
use tidegate::simulate::world::World;

use super::play::{Ended, play};
use super::policy::Entry;

/// What befalls the rollouts of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Case {
    /// A good release.
    Good(Scenario),
    /// A bad one.
    Bad(Fault),
}

/// All cases by the names they have in tables, good releases first.
pub fn cases() -> Vec<(&'static str, Case)> {
    let good = Scenario::ALL.into_iter().map(|(name, scenario)| (name, Case::Good(scenario)));
    good.chain(Fault::ALL.into_iter().map(|(name, fault)| (name, Case::Bad(fault)))).collect()
}

/// One cell: a policy meets a case at a rate.
#[derive(Clone, Copy)]
pub struct Cell {
    /// The policy.
    pub policy: &'static Entry,
    /// The case's name.
    pub name: &'static str,
    /// The case.
    pub case: Case,
    /// Requests a second.
    pub rate: f64,
    /// How many rollouts.
    pub runs: u32,
}

/// What came of a cell's rollouts.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Figures {
    /// How many there were.
    pub runs: u32,
    /// How many were rolled back.
    pub backs: u32,
    /// Mean harmed requests.
    pub harm: f64,
    /// The median of seconds to rollback, of those rolled back.
    pub to_back: Option<u64>,
    /// The median of seconds to 95 % of the traffic, of those never rolled back.
    pub to_promotion: Option<u64>,
}

impl Figures {
    /// The percentage that was rolled back.
    pub fn back_percent(&self) -> f64 {
        100.0 * f64::from(self.backs) / f64::from(self.runs.max(1))
    }
}

impl Cell {
    /// Plays all its rollouts.
    pub fn fill(&self, seed: u64) -> Figures {
        let ends: Vec<Ended> = (0..self.runs).map(|run| self.play(seed, run)).collect();
        let backs: Vec<u64> = ends.iter().filter_map(|end| end.back).collect();
        let promotions = ends.iter().filter(|end| end.back.is_none()).filter_map(|end| end.promoted).collect();
        Figures {
            runs: self.runs,
            backs: backs.len() as u32,
            harm: ends.iter().map(|end| end.harm).sum::<f64>() / f64::from(self.runs.max(1)),
            to_back: median(backs),
            to_promotion: median(promotions),
        }
    }

    /// Plays one of its rollouts. Its seed depends on the cell's place in no list.
    pub fn play(&self, seed: u64, run: u32) -> Ended {
        let world = self.world(mixed(&[seed, tag(self.policy.name), tag(self.name), self.rate.to_bits(), run.into()]));
        play(&world, self.policy.timing, (self.policy.start)(&world).as_mut())
    }

    fn world(&self, seed: u64) -> World {
        let span = Duration::from_secs(self.policy.timing.span);
        match self.case {
            Case::Good(scenario) => World::new(seed, self.rate, scenario, span),
            Case::Bad(fault) => World::new(seed, self.rate, Scenario::Healthy, span).with(fault),
        }
    }
}

/// Fills all cells, in their order whatever the number of threads; `tell` hears how many are filled.
pub fn fill(cells: &[Cell], seed: u64, threads: usize, tell: &(dyn Fn(usize) + Sync)) -> Vec<Figures> {
    let filled: Vec<Mutex<Figures>> = cells.iter().map(|_| Mutex::default()).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some((cell, figures)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    cells.get(at).zip(filled.get(at))
                } {
                    *figures.lock().expect("nobody else fills this cell") = cell.fill(seed);
                    tell(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    filled.into_iter().map(|figures| figures.into_inner().expect("all threads are done")).collect()
}

/// The median, the lower one of two.
fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// A name as a number: FNV-1a.
fn tag(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One seed of several numbers: each is added and stirred in as `SplitMix64` does.
fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |mixed: u64, part| {
        let mut word = (mixed ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    })
}
