//! Requests as both slots of the world count them, minute by minute, and the past that a plan learns from.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::count::{Bin, Counts, Mark, Past};
use tidegate::domain::fleet::Role;
use tidegate::domain::traffic::Share;
use tidegate::gate::{Check, CompareRule, Gate};
use tidegate::machine::Look;

use super::die::Die;
use super::mishaps::Candidate;
use super::points::Point;
use super::world::World;

const MINUTE: u64 = 60_000;
/// The share of the stable slot's requests that fails.
const ERRORS: f64 = 0.002;
/// The same of a failing candidate.
pub const FAILING: f64 = 0.2;
/// The parts of the answers that are faster than each mark.
const FASTER: [f64; 5] = [0.5, 0.75, 0.9, 0.95, 0.99];

/// The rule that has learned from a day at `rate` requests a second; learned once for all rollouts.
pub fn learned(rate: f64) -> CompareRule {
    static LEARNED: Mutex<BTreeMap<u64, CompareRule>> = Mutex::new(BTreeMap::new());
    let mut learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    learned.entry(rate.to_bits()).or_insert_with(|| CompareRule::default().learned(&past(rate))).clone()
}

fn past(rate: f64) -> Past {
    let marks = (1..).zip(FASTER).map(|(n, part)| Mark { quantile: Some(part), seconds: 0.1 * f64::from(n) });
    let minute = |n: u64| {
        let at = Timestamp::from_millis(1_700_000_000_000 / MINUTE * MINUTE + n * MINUTE);
        (at, counts(rate * 60.0, ERRORS, at, Role::Stable))
    };
    Past {
        span: Duration::from_millis(MINUTE),
        marks: marks.collect(),
        resolves: true,
        bins: (0..1440).map(minute).collect(),
    }
}

/// The rate that the gates have learned, or some.
pub fn rate(gates: &[Gate]) -> f64 {
    let learned = gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some(rule.baseline.rate),
        _ => None,
    });
    learned.filter(|rate| *rate > 0.0).unwrap_or(20.0)
}

/// A count that is `mean` on average and scatters by chance; the same place and time give the same.
fn scattered(mean: f64, dice: &mut fastrand::Rng) -> f64 {
    // The sum of twelve throws is as good as normal here.
    let normal = (0..12).map(|_| dice.f64()).sum::<f64>() - 6.0;
    (mean + mean.sqrt() * normal).round().max(0.0)
}

fn counts(requests: f64, errors: f64, at: Timestamp, role: Role) -> Counts {
    let mut dice = fastrand::Rng::with_seed(at.as_millis() * 2 + u64::from(role == Role::Candidate));
    let requests = scattered(requests, &mut dice);
    // The candidate's are counted at slightly longer times than the stable slot's.
    let part = (1.0 - FASTER[0]) * if role == Role::Candidate { 0.92 } else { 1.0 };
    let slow = scattered(requests * part, &mut dice).min(requests);
    Counts {
        requests,
        errors: scattered(requests * errors, &mut dice).min(requests),
        refused: 0.0,
        timed: requests,
        slower: FASTER.iter().map(|part| (slow * (1.0 - part) / (1.0 - FASTER[0])).round()).collect(),
    }
}

/// How many seconds' worth of all requests a slot gets between two moments.
fn gets(world: &World, role: Role, from: u64, to: u64) -> f64 {
    let mut changes: Vec<(u64, Share)> = world.shares.iter().map(|(at, share)| (at.as_millis(), *share)).collect();
    changes.push((u64::MAX, Share::NONE));
    let stretch = |pair: &[(u64, Share)]| {
        let share = if role == Role::Candidate { pair[0].1 } else { pair[0].1.rest() };
        let span = to.min(pair[1].0).saturating_sub(from.max(pair[0].0));
        Duration::from_millis(span).as_secs_f64() * share.percent() / 100.0
    };
    changes.windows(2).map(stretch).sum()
}

/// The minutes that a look asks for, the last one as far as it is published.
pub fn counted(world: &mut World, look: &Look, die: &mut Die) -> Vec<Bin> {
    let published = world.mishaps.publishes.until(world.now).as_millis();
    let (mut bins, mut missing) = (Vec::new(), 0_u32);
    let mut start = look.since.as_millis() / MINUTE * MINUTE;
    while start < published {
        let at = Timestamp::from_millis(start);
        let errors = if world.mishaps.candidate == Candidate::Failing { FAILING } else { ERRORS };
        let mut slot = |role, errors| {
            let requests = world.rate * gets(world, role, start, published.min(start + MINUTE));
            let silent = requests >= 0.5 && die.chance(world.mishaps.silence);
            missing += u32::from(silent);
            (requests >= 0.5 && !silent).then(|| counts(requests, errors, at, role))
        };
        let (stable, candidate) = (slot(Role::Stable, ERRORS), slot(Role::Candidate, errors));
        if at >= look.counted && (stable.is_some() || candidate.is_some()) {
            bins.push(Bin { at, stable, candidate });
        }
        start += MINUTE;
    }
    if missing > 0 {
        world.hits.hit(Point::CountsMissing);
    }
    bins
}

/// What both slots counted in a whole minute.
pub fn both(world: &World, at: Timestamp) -> Vec<Counts> {
    let errors = if world.mishaps.candidate == Candidate::Failing { FAILING } else { ERRORS };
    let slots = [(Role::Stable, ERRORS), (Role::Candidate, errors)];
    let counted = slots.map(|(role, errors)| {
        let requests = world.rate * gets(world, role, at.as_millis(), at.as_millis() + MINUTE);
        (requests >= 0.5).then(|| counts(requests, errors, at, role))
    });
    counted.into_iter().flatten().collect()
}

/// How many requests a failing candidate harmed.
pub fn harmed(world: &World) -> f64 {
    let all = gets(world, Role::Candidate, 0, world.now.as_millis());
    all * world.rate * FAILING
}
