//! What would have been scraped before the lab began; made when it is first asked for.

use std::sync::OnceLock;
use std::time::Duration;

use crate::account::last;
use crate::chance::count;
use crate::config::LabConfig;
use crate::past::{LONGEST_SECONDS, OVERHEAD};
use crate::telemetry::{Counters, EDGES, SCRAPE_EVERY_MS, Sample};
use crate::usual;

/// The label `task` of the series that stand for all tasks of the past.
const TASK: &str = "past";

/// The counters of the serving slot before the lab began.
pub(crate) struct Past {
    service: String,
    rps: f64,
    errors: f64,
    seed: u64,
    span: Duration,
    until_ms: u64,
    samples: OnceLock<Vec<Sample>>,
}

impl Past {
    /// The past of a lab that starts at a moment.
    pub(crate) fn new(config: &LabConfig, until_ms: u64) -> Past {
        let slots = &config.world.slots;
        let serving = &slots[usize::from(slots[1].weight > slots[0].weight)];
        Past {
            service: last(&serving.service).to_owned(),
            rps: config.rps,
            errors: config.errors,
            seed: config.seed ^ 4,
            span: config.past.min(Duration::from_secs(LONGEST_SECONDS)),
            until_ms,
            samples: OnceLock::new(),
        }
    }

    /// Looks at it, if any of it lies at or after a moment.
    pub(crate) fn look(&self, from_ms: u64, at: &mut dyn FnMut(&str, &str, &[Sample])) {
        if from_ms < self.until_ms && self.rps > 0.0 && !self.span.is_zero() {
            at(&self.service, TASK, self.samples.get_or_init(|| self.draw()));
        }
    }

    fn draw(&self) -> Vec<Sample> {
        let mut die = fastrand::Rng::with_seed(self.seed);
        let mean = self.rps * SCRAPE_EVERY_MS as f64 / 1e3;
        let within = |edge: usize| EDGES.get(edge).map_or(1.0, |edge| usual::share_within(edge - OVERHEAD));
        let share = |edge: usize| within(edge) - if edge == 0 { 0.0 } else { within(edge - 1) };
        let shares: Vec<f64> = (0..=EDGES.len()).map(share).collect();
        let mut counters = Counters::default();
        let first = self.until_ms.saturating_sub(self.span.as_millis() as u64);
        let mut samples = Vec::new();
        for at in (first..self.until_ms).step_by(SCRAPE_EVERY_MS as usize) {
            let mut now = 0;
            for (edge, share) in shares.iter().enumerate() {
                now += count(&mut die, mean * share) as u32;
                if let Some(within) = counters.within.get_mut(edge) {
                    *within += now;
                }
            }
            counters.requests += now;
            counters.errors += count(&mut die, f64::from(now) * self.errors).min(f64::from(now)) as u32;
            samples.push((at, counters));
        }
        samples
    }
}
