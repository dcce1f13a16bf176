//! Many rollouts for every pair of a regression and a rate, on as many threads as there are.

use super::figures::Figures;
use super::regression::Regression;
use super::rollout::{Case, Course, Rehearsal};
use super::scenario::Scenario;
use super::world::Service;

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Requests a second, one column each.
    pub rates: Vec<f64>,
    /// What is wrong with the candidate, one row each.
    pub regressions: Vec<Regression>,
    /// How often each pair is rolled out.
    pub runs: u64,
    /// Where every die starts.
    pub seed: u64,
    /// What the stable slot is like.
    pub service: Service,
}

/// One pair, and what it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What is wrong with the candidate.
    pub regression: Regression,
    /// Requests a second.
    pub rate: f64,
    /// What its rollouts came to.
    pub figures: Figures,
}

impl Grid {
    /// How many rollouts that is.
    pub fn rollouts(&self) -> u64 {
        self.runs * (self.rates.len() * self.regressions.len()) as u64
    }

    /// Rolls everything out, by rows. What comes of it does not depend on `threads`.
    pub fn run(&self, rehearsal: &Rehearsal, threads: usize) -> Vec<Cell> {
        let threads = threads.clamp(1, 64);
        let mut courses: Vec<(u64, Course)> = std::thread::scope(|scope| {
            let spawn = |thread: u64| scope.spawn(move || self.part(rehearsal, thread, threads as u64));
            let parts: Vec<_> = (0..threads as u64).map(spawn).collect();
            let join = |part: std::thread::ScopedJoinHandle<'_, Vec<(u64, Course)>>| {
                part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            parts.into_iter().flat_map(join).collect()
        });
        courses.sort_unstable_by_key(|(number, _)| *number);
        let courses: Vec<Course> = courses.into_iter().map(|(_, course)| course).collect();
        let runs = usize::try_from(self.runs).unwrap_or(usize::MAX).max(1);
        let pairs =
            self.regressions.iter().flat_map(|regression| self.rates.iter().map(move |rate| (regression, *rate)));
        let cell = |((regression, rate), courses): ((&Regression, f64), &[Course])| Cell {
            regression: regression.clone(),
            rate,
            figures: Figures::of(courses),
        };
        pairs.zip(courses.chunks(runs)).map(cell).collect()
    }

    /// Every `stride`-th rollout from `first` on, with its number.
    fn part(&self, rehearsal: &Rehearsal, first: u64, stride: u64) -> Vec<(u64, Course)> {
        let numbers = (first..self.rollouts()).step_by(usize::try_from(stride).unwrap_or(1));
        numbers
            .filter_map(|number| Some((number, rehearsal.run(self.case(number / self.runs)?, self.seed_of(number)))))
            .collect()
    }

    fn case(&self, pair: u64) -> Option<Case> {
        let pair = usize::try_from(pair).ok()?;
        let fault = self.regressions.get(pair / self.rates.len())?.of(&self.service);
        let rate = *self.rates.get(pair % self.rates.len())?;
        Some(Case { rate, fault, scenario: Scenario::Healthy, service: self.service })
    }

    /// A seed of its own for every rollout, by the finaliser of SplitMix64.
    fn seed_of(&self, number: u64) -> u64 {
        let mut seed = self.seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        seed ^ (seed >> 31)
    }
}
