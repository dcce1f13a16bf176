//! Synthetic traffic: what two slots would have counted, drawn bin by bin without a single request.
//!
//! Arrivals are Poisson, failures binomial, response times lognormal; slow answers at rising marks are a
//! multinomial, drawn as successive binomials. The same seed gives the same counts.

use std::time::Duration;

use rand_distr::{Binomial, Distribution, Gamma, Poisson, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::condition::{Apart, Condition, beyond};
use super::scenario::{Fault, Noise, Scenario};
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts, Mark, Past};
use crate::gate::compare::Threshold;

/// When synthetic traffic starts: 2026-01-01T00:00:00Z. The past lies before it.
pub const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// How many minutes of the past there are: twelve hours.
const PAST: u32 = 12 * 60;
/// How long the conditions that noise makes stay the same.
const NOISE_SPAN: Duration = Duration::from_secs(60);
/// Quantiles that slow answers are counted at, with their standard normal deviates.
const QUANTILES: [(f64, f64); 6] = [
    (0.50, 0.0),
    (0.75, 0.674_489_750_196_081_7),
    (0.90, 1.281_551_565_544_600_4),
    (0.95, 1.644_853_626_951_472_2),
    (0.99, 2.326_347_874_040_841),
    (0.999, 3.090_232_306_167_813_5),
];
/// The part of each slot that lies in the zone which a brown-out befalls.
const STABLE_IN_ZONE: f64 = 1.0 / 3.0;
const CANDIDATE_IN_ZONE: f64 = 0.5;
/// The standard normal deviate of the 95th percentile, beyond which an answer counts as slow.
pub(super) const P95: f64 = QUANTILES[3].1;

/// What the stable slot is like when nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Service {
    /// The share of requests that fail.
    pub errors: f64,
    /// The median response time, in seconds.
    pub median: f64,
    /// The standard deviation of the natural logarithm of response times.
    pub sigma: f64,
    /// The mean number of failures in a burst; 1 when they come one by one.
    pub burst: f64,
    /// The standard deviation of a slot's speed from minute to minute, as a part of it.
    pub wander: f64,
}

impl Default for Service {
    fn default() -> Self {
        Self { errors: 0.001, median: 0.1, sigma: 0.5, burst: 1.0, wander: 0.0 }
    }
}

/// A rollout's surroundings, all that its counts depend on but the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct World {
    /// Decides every draw.
    pub seed: u64,
    /// Requests a second, both slots together.
    pub rate: f64,
    /// The length of a bin.
    pub span: Duration,
    /// The stable slot.
    pub service: Service,
    /// What traffic and slots are like.
    pub scenario: Scenario,
    /// What is wrong with the candidate.
    pub fault: Fault,
}

/// The times, in seconds and rising, at which each slot's slow answers are counted.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Marks {
    /// In the stable slot.
    pub stable: Vec<f64>,
    /// In the candidate.
    pub candidate: Vec<f64>,
}

impl Marks {
    /// Where a compare gate counts.
    pub fn of(thresholds: &[Threshold]) -> Self {
        Self {
            stable: thresholds.iter().map(|threshold| threshold.stable).collect(),
            candidate: thresholds.iter().map(|threshold| threshold.candidate).collect(),
        }
    }
}

/// One bin, and the truth behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// What was counted.
    pub bin: Bin,
    /// How many requests the candidate is expected to have harmed: failures above the stable slot's
    /// share, and answers slower than the stable slot's p95 above 5 %. Chance and noise are not in it.
    pub harm: f64,
    /// What the stable slot was like.
    pub stable: Condition,
    /// What the candidate was like.
    pub candidate: Condition,
}

/// A rollout's traffic, from [`START`] on: the bins one after the other.
#[derive(Clone, Debug)]
pub struct Traffic {
    world: World,
    dice: Pcg64Mcg,
    /// How far the drawn bins reach.
    reached: Duration,
    /// How long the candidate has had requests.
    warm: Duration,
    /// How many requests it has had.
    served: f64,
    luck: f64,
    noise: Wander,
}

/// How far each slot's response times are off, by noise, as logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Wander {
    stable: f64,
    candidate: f64,
    redrawn: Option<u128>,
}

impl World {
    /// A world without a fault, of the service that the default is.
    pub fn new(seed: u64, rate: f64, scenario: Scenario, span: Duration) -> Self {
        Self { seed, rate, span, service: Service::default(), scenario, fault: Fault::NONE }
    }

    /// The same with a fault in the candidate.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// How many hosts each slot has, where a gate may know it.
    pub fn hosts(&self) -> Option<u32> {
        (self.scenario == Scenario::FewHosts).then_some(2)
    }

    /// The stable slot's p50, p75, p90, p95, p99 and p99.9 when nothing is wrong.
    pub fn marks(&self) -> Vec<Mark> {
        let all = self.scenario.placed(self.usual(), 1.0, 0.0, Duration::ZERO);
        let time = |deviate: f64| (all.location + self.service.sigma * deviate).exp();
        QUANTILES
            .iter()
            .map(|(quantile, deviate)| Mark { quantile: Some(*quantile), seconds: time(*deviate) })
            .collect()
    }

    /// Twelve hours of the stable slot's minutes before [`START`], with the scenario's noise.
    pub fn past(&self) -> Past {
        let mut dice = dice(self.seed, 1);
        let mut noise = Wander::default();
        let marks = self.marks();
        let seconds: Vec<f64> = marks.iter().map(|mark| mark.seconds).collect();
        let bins = (0..PAST).filter_map(|minute| {
            let from = NOISE_SPAN * minute;
            noise.step(self.rough(self.scenario.past_noise()), from, &mut dice);
            let usual = self.usual();
            let condition = Condition { location: usual.location + noise.stable, ..usual };
            let condition = self.scenario.placed(condition, 1.0, 0.0, Duration::ZERO);
            let expected = self.rate * NOISE_SPAN.as_secs_f64();
            let burst = self.rough(self.scenario.past_noise()).burst;
            let counts = count(expected, (condition, burst), &seconds, &mut dice)?;
            Some((START.before(NOISE_SPAN * PAST) + from, counts))
        });
        let bins = bins.collect();
        Past { span: NOISE_SPAN, marks, resolves: true, bins }
    }

    /// The traffic from [`START`] on.
    pub fn traffic(&self) -> Traffic {
        let mut dice = dice(self.seed, 2);
        let luck = self.scenario.luck() * normal(&mut dice);
        let nothing = Duration::ZERO;
        Traffic { world: *self, dice, reached: nothing, warm: nothing, served: 0.0, luck, noise: Wander::default() }
    }

    /// A slot when nothing is wrong and no noise is about.
    fn usual(&self) -> Condition {
        let Service { errors, sigma, .. } = self.service;
        Condition { errors, refused: 0.0, location: self.location(), sigma, apart: Apart::default() }
    }

    /// The noise of a scenario, but at least the service's own.
    fn rough(&self, noise: Noise) -> Noise {
        let Service { burst, wander, .. } = self.service;
        let (deviation, burst) = (noise.deviation.max(wander), noise.burst.max(burst).max(self.fault.burst));
        Noise { deviation, burst, ..noise }
    }

    fn location(&self) -> f64 {
        self.service.median.ln()
    }
}

/// What a slot counts of so many `expected` requests whose failures come in bursts of this size on average;
/// nothing at all when none came.
fn count(expected: f64, (condition, burst): (Condition, f64), marks: &[f64], dice: &mut Pcg64Mcg) -> Option<Counts> {
    let requests = poisson(expected, dice);
    if requests == 0.0 {
        return None;
    }
    let errors = if burst > 1.0 {
        bursts(requests, condition.errors, burst, dice)
    } else {
        binomial(requests, condition.errors, dice)
    };
    let (mut left, mut above) = (requests, 1.0);
    let slower = marks.iter().map(|mark| {
        let share = condition.slower_than(*mark);
        left = binomial(left, if above > 0.0 { share / above } else { 0.0 }, dice);
        above = share;
        left
    });
    let slower = slower.collect();
    let refused = if condition.refused > 0.0 { binomial(requests, condition.refused, dice) } else { 0.0 };
    Some(Counts { requests, errors, refused, timed: requests, slower })
}

impl Traffic {
    /// The next bin, in which the candidate's share was `share` on average, 0 to 1.
    pub fn next(&mut self, share: f64, marks: &Marks) -> Drawn {
        let world = self.world;
        let from = self.reached;
        self.reached += world.span;
        let middle = from + world.span / 2;
        let both = world.scenario.weather(world.usual(), middle);
        let new = world.scenario.candidate(both, self.warm, self.served);
        let new = world.fault.worsen(new, world.service.errors, middle);
        let arrivals = world.rate * world.scenario.traffic(middle) * world.span.as_secs_f64();
        let harm = arrivals * share * excess(both, new);
        let noise = world.rough(world.scenario.noise());
        self.noise.step(noise, from, &mut self.dice);
        let own = self.noise.candidate * world.scenario.own_noise();
        let stable = Condition { location: both.location + self.noise.stable, ..both };
        let candidate = Condition { location: new.location + own + self.luck, ..new };
        let stable = world.scenario.placed(stable, 1.0 - share, STABLE_IN_ZONE, middle);
        let candidate = world.scenario.placed(candidate, share, CANDIDATE_IN_ZONE, middle);
        let burst = noise.burst;
        let bin = Bin {
            at: START + from,
            stable: count(arrivals * (1.0 - share), (stable, burst), &marks.stable, &mut self.dice),
            candidate: count(arrivals * share, (candidate, burst), &marks.candidate, &mut self.dice),
        };
        self.served += arrivals * share;
        if share > 0.0 {
            self.warm += world.span;
        }
        Drawn { bin, harm, stable, candidate }
    }
}

impl Wander {
    /// Draws the noise of the minute that starts at `from`, if one does.
    fn step(&mut self, noise: Noise, from: Duration, dice: &mut Pcg64Mcg) {
        let minute = from.as_millis() / NOISE_SPAN.as_millis();
        if noise.deviation <= 0.0 || self.redrawn == Some(minute) {
            return;
        }
        let keep = if self.redrawn.is_some() { noise.persistence } else { 0.0 };
        let fresh = noise.deviation * (1.0 - keep * keep).sqrt();
        self.stable = keep * self.stable + fresh * normal(dice);
        self.candidate = keep * self.candidate + fresh * normal(dice);
        self.redrawn = Some(minute);
    }
}

/// The share of the candidate's requests that it harms.
fn excess(stable: Condition, candidate: Condition) -> f64 {
    let failed = (candidate.errors - stable.errors).max(0.0);
    let p95 = (stable.location + P95 * stable.sigma).exp();
    let slow = (candidate.slower_than(p95) - beyond(P95)).max(0.0);
    failed + slow + (candidate.refused - stable.refused).max(0.0)
}

/// Dice for one `purpose` of a seed.
fn dice(seed: u64, purpose: u64) -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(seed.rotate_left(8).wrapping_add(purpose))
}

fn normal(dice: &mut Pcg64Mcg) -> f64 {
    StandardNormal.sample(dice)
}

fn poisson(mean: f64, dice: &mut Pcg64Mcg) -> f64 {
    Poisson::new(mean).map_or(0.0, |counts| counts.sample(dice))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, whole and not negative")]
fn binomial(of: f64, chance: f64, dice: &mut Pcg64Mcg) -> f64 {
    Binomial::new(of as u64, chance.clamp(0.0, 1.0)).map_or(0.0, |counts| counts.sample(dice) as f64)
}

/// Failures that come in bursts of geometric size: a Poisson number of bursts, summed. So many geometric
/// sizes are their number and a negative binomial, which is a Poisson variable with a gamma mean.
fn bursts(requests: f64, chance: f64, size: f64, dice: &mut Pcg64Mcg) -> f64 {
    let number = poisson(requests * chance / size, dice);
    let more = Gamma::new(number, size - 1.0).map_or(0.0, |means| poisson(means.sample(dice), dice));
    (number + more).min(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn marks(world: &World) -> Marks {
        let seconds: Vec<f64> = world.past().marks.iter().map(|mark| mark.seconds).collect();
        Marks { stable: seconds.clone(), candidate: seconds }
    }

    fn hour(world: &World, share: f64) -> Vec<Drawn> {
        let marks = marks(world);
        let mut traffic = world.traffic();
        (0..60).map(|_| traffic.next(share, &marks)).collect()
    }

    fn candidates(drawn: &[Drawn], of: impl Fn(&Counts) -> f64) -> f64 {
        drawn.iter().filter_map(|drawn| drawn.bin.candidate.as_ref()).map(of).sum()
    }

    #[test]
    fn the_same_seed_draws_the_same_counts() {
        for (_, scenario) in Scenario::ALL {
            let world = World::new(7, 200.0, scenario, MINUTE);
            assert_eq!(hour(&world, 0.3), hour(&world, 0.3));
            assert_eq!(world.past(), world.past());
            assert_ne!(hour(&world, 0.3), hour(&World { seed: 8, ..world }, 0.3));
        }
    }

    #[test]
    fn counts_lie_where_their_conditions_say() {
        let world = World::new(1, 2000.0, Scenario::Healthy, MINUTE).with(Fault::errors(0.05));
        let drawn = hour(&world, 0.25);
        let requests = candidates(&drawn, |counts| counts.requests);
        assert!((requests / (2000.0 * 3600.0 * 0.25) - 1.0).abs() < 0.005, "{requests}");
        let errors = candidates(&drawn, |counts| counts.errors) / requests;
        assert!((errors - 0.05).abs() < 0.001, "{errors}");
        for (at, share) in [0.5, 0.25, 0.1, 0.05, 0.01].into_iter().enumerate() {
            let slower = candidates(&drawn, |counts| counts.slower[at]) / requests;
            assert!((slower / share - 1.0).abs() < 0.03, "{slower} are slower, {share} should be");
        }
    }

    #[test]
    fn bursts_keep_the_share_and_scatter_it() {
        let world = World::new(1, 2000.0, Scenario::Noisy, MINUTE);
        let past = world.past();
        let mean = past.bins.iter().map(|(_, counts)| counts.errors).sum::<f64>() / 720.0;
        assert!((mean / 120.0 - 1.0).abs() < 0.05, "{mean}");
        let squares = past.bins.iter().map(|(_, counts)| (counts.errors - mean).powi(2)).sum::<f64>();
        let fano = squares / 719.0 / mean;
        assert!((5.5..9.0).contains(&fano), "geometric bursts of 4 give 7, got {fano}");
    }

    #[test]
    fn harm_is_what_the_fault_adds() {
        let harm = |fault, share| {
            let world = World::new(1, 100.0, Scenario::Healthy, MINUTE).with(fault);
            hour(&world, share).iter().map(|drawn| drawn.harm).sum::<f64>()
        };
        assert_eq!(harm(Fault::NONE, 1.0), 0.0);
        assert_eq!(harm(Fault::errors(0.5), 0.0), 0.0);
        assert!((harm(Fault::errors(0.5), 0.1) - 100.0 * 3600.0 * 0.1 * 0.499).abs() < 1.0);
        // 1 - Phi(1.6449 - ln 1.1 / 0.5) - 0.05.
        assert!((harm(Fault::slower(0.1), 1.0) / 360_000.0 - 0.0230).abs() < 0.0002);
    }

    #[test]
    fn a_slot_without_requests_is_absent() {
        let world = World::new(1, 2000.0, Scenario::Healthy, MINUTE);
        assert!(hour(&world, 0.0).iter().all(|drawn| drawn.bin.candidate.is_none() && drawn.bin.stable.is_some()));
        assert!(hour(&world, 1.0).iter().all(|drawn| drawn.bin.stable.is_none()));
    }

    #[test]
    fn an_outage_hits_both_slots_in_its_two_minutes_only() {
        let drawn = hour(&World::new(1, 200.0, Scenario::Outage, MINUTE), 0.5);
        let hit: Vec<usize> = (0..60).filter(|at| drawn[*at].stable.errors > 0.1).collect();
        assert_eq!(hit, [5, 6]);
        assert!(drawn.iter().all(|drawn| drawn.stable.errors == drawn.candidate.errors && drawn.harm == 0.0));
    }
}
