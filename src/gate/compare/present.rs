//! What the rollout itself teaches: how much each slot wanders now, whether both carry like load, and whether both
//! are in trouble.

use std::time::Duration;

use libm::{exp, log as ln};

use super::evidence::{MARKS, Slow, Tail};
use super::experts::{self, Noise, harm_mark};
use super::scatter::{BothBursts, Scatter};
use super::{Baseline, CompareRule};
use crate::domain::clock::Timestamp;
use crate::domain::count::Counts;

/// With so many times the stable slot's requests the candidate carries more load than it.
const LIKE: f64 = 1.25;
/// For how long such a candidate shows what it is like under its load.
const SETTLING: Duration = Duration::from_secs(240);
/// By which factor the ratio of requests may differ from what was shown.
const SAME: f64 = 1.6;
/// How many standard errors of what it showed are tolerated.
const SURE: f64 = 2.5;
/// Noise that wanders by less than this from minute to minute is as good as none: 1 % of the times, or less.
const CALM: f64 = 0.0016;
/// So many neighbouring minutes tell how much a slot wanders; until then much is assumed.
const TELLING_PAIRS: f64 = 12.0;
/// By how many times a slot's speed may wander more than the past says, for all one knows at first.
const OWN: f64 = 3.0;
/// The most that slow wandering is taken to exceed what neighbouring minutes show.
const SLOW_MOST: f64 = 50.0;
/// So many times its usual failures or slow answers, beyond chance, are trouble of the stable slot's.
const TROUBLE: f64 = 2.0;
/// How many standard deviations are beyond chance.
const CHANCE: f64 = 5.0;
/// Over how many seconds trouble shows.
const LATELY: f64 = 60.0;
/// Over how many seconds it is averaged what is usual.
const USUAL: f64 = 1200.0;
/// By how much trouble may hit one slot harder than the other: factors on the share of failures and on the odds of
/// slow answers.
const UNEVEN: f64 = 4.0;

/// What is known by now.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Present {
    stable: Scatter,
    candidate: Scatter,
    pub(super) errors: BothBursts,
    pub(super) refused: BothBursts,
    loaded: Option<Loaded>,
    lately: Lately,
    /// The stable slot's shares of failures and of slow answers when nothing is wrong; learned before there are any.
    usual: Option<(f64, f64)>,
}

/// What the stable slot counted lately, about a minute of it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Lately {
    requests: f64,
    errors: f64,
    timed: f64,
    slow: f64,
}

/// What the slots showed since the candidate carries more load than the stable slot.
#[derive(Clone, Debug, PartialEq, Default)]
struct Loaded {
    stable: [f64; MARKS],
    candidate: [f64; MARKS],
    timed: (f64, f64),
    lasted: Duration,
}

impl Present {
    /// The marks as they are to be judged in a bin, if response times can be compared in it at all; and whether the
    /// slots carry like load.
    ///
    /// A candidate with more than 1.25 times the stable slot's requests may be slower for its load alone. In the first
    /// four minutes of that it shows by how much, and from then on may be as much slower, and two standard errors. A
    /// candidate with less load than the stable slot is compared as it is: load makes nobody faster.
    pub(super) fn tails(
        &self,
        rule: &CompareRule,
        tails: &[Tail],
        bin: (&Counts, &Counts),
    ) -> (Option<Vec<Tail>>, bool) {
        let (stable, candidate) = bin;
        let troubled = if self.troubled(rule, tails, stable) { UNEVEN } else { 1.0 };
        let eased = |tail: &Tail| Tail { odds: tail.odds * troubled, ..*tail };
        if is_like(stable.timed, candidate.timed) {
            return (Some(tails.iter().map(eased).collect()), true);
        }
        let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.shows(stable.timed, candidate.timed)) else {
            return (None, false);
        };
        let speed = self.speed(rule);
        let own = |(mark, tail): (usize, &Tail)| Tail {
            odds: tail.odds * troubled.max(loaded.odds(mark, speed[mark])),
            ..*tail
        };
        (Some(tails.iter().enumerate().map(own).collect()), false)
    }

    /// The noise that evidence is held against in a bin with these counts of the stable slot.
    pub(super) fn noise(
        &self,
        rule: &CompareRule,
        tails: &[Tail],
        at: Timestamp,
        (stable, candidate): (&Counts, &Counts),
    ) -> Noise {
        let speed = self.speed(rule);
        let ratio = if self.troubled(rule, tails, stable) { UNEVEN } else { 1.0 };
        let Baseline { error_noise, refused_noise, .. } = rule.baseline;
        let errors = self.errors.at(error_noise.max(1.0), at, experts::failed(stable), experts::failed(candidate));
        let refused =
            self.refused.at(refused_noise.max(1.0), at, experts::refused(stable), experts::refused(candidate));
        Noise { errors, refused, ratio, speed }
    }

    /// By marks, the sum over both slots of the variances of their logits: what was learned, or what shows now if that is
    /// more. While few minutes tell, each slot may be three times as noisy as the stable slot was.
    fn speed(&self, rule: &CompareRule) -> [f64; MARKS] {
        let mut speed = [0.0; MARKS];
        for (mark, (sum, at)) in speed.iter_mut().zip(&rule.baseline.thresholds).enumerate() {
            let learned = at.noise.max(0.0);
            let slowly =
                if at.jitter > 0.0 && learned > CALM { (learned / at.jitter).clamp(1.0, SLOW_MOST) } else { 1.0 };
            let now = |slot: &Scatter, own: f64| {
                let unknown = (1.0 - slot.pairs(mark) / TELLING_PAIRS).max(0.0);
                let assumed = unknown * own * own * learned;
                learned.max(slowly * slot.at(mark)).max(assumed)
            };
            *sum = now(&self.stable, OWN) + now(&self.candidate, OWN);
        }
        speed
    }

    /// Whether the stable slot itself is worse than it usually is, in this bin or lately: then trouble is about that both
    /// slots share, and it need not hit both alike.
    fn troubled(&self, rule: &CompareRule, tails: &[Tail], stable: &Counts) -> bool {
        let mark = harm_mark(&rule.baseline).filter(|mark| *mark < tails.len());
        let bin = Lately::default().with(stable, mark, 1.0);
        [bin, self.lately.with(stable, mark, 1.0)].iter().any(|lately| self.is_trouble(rule, mark, lately))
    }

    fn is_trouble(&self, rule: &CompareRule, mark: Option<usize>, lately: &Lately) -> bool {
        let beyond = |part: f64, usual: f64, noise: f64| {
            part > TROUBLE * usual && part > usual + CHANCE * (usual * noise).sqrt() + CHANCE
        };
        let (failing, slowly) = self.usual.unwrap_or_else(|| usual(rule, mark));
        let slow = mark.is_some_and(|mark| {
            let usual = lately.timed * slowly;
            let noise = rule.baseline.thresholds[mark].noise.max(self.stable.at(mark));
            beyond(lately.slow, usual, 1.0 + usual * noise)
        });
        slow || beyond(lately.errors, lately.requests * failing, rule.baseline.error_noise.max(1.0))
    }

    /// Learns from what the stable slot counted in a bin, for the bins after it.
    pub(super) fn note_stable(&mut self, rule: &CompareRule, stable: &Counts, span: Duration) {
        let mark = harm_mark(&rule.baseline);
        let bin = Lately::default().with(stable, mark, 1.0);
        let (failing, slowly) = self.usual.unwrap_or_else(|| usual(rule, mark));
        if bin.requests > 0.0 && !self.is_trouble(rule, mark, &bin) {
            let part = span.as_secs_f64() / USUAL;
            let slow = if bin.timed > 0.0 { bin.slow / bin.timed } else { slowly };
            self.usual =
                Some((failing + part * (bin.errors / bin.requests - failing), slowly + part * (slow - slowly)));
        }
        let kept = (1.0 - span.as_secs_f64() / LATELY).max(0.0);
        self.lately = self.lately.with(stable, mark, kept);
    }

    /// Learns from a bin, for the bins after it.
    pub(super) fn note(&mut self, (stable, candidate): (Slow<'_>, Slow<'_>), at: Timestamp, span: Duration) {
        self.stable.note(stable, at);
        self.candidate.note(candidate, at);
        if is_like(stable.timed, candidate.timed) {
            self.loaded = None;
            return;
        }
        let known = self.loaded.take().filter(|loaded| loaded.is_alike(stable.timed, candidate.timed));
        let mut loaded = known.unwrap_or_default();
        if loaded.lasted < SETTLING {
            loaded.add(stable, candidate, span);
        }
        self.loaded = Some(loaded);
    }
}

impl Lately {
    /// With a bin more, where what was before counts for `kept`.
    fn with(self, counts: &Counts, mark: Option<usize>, kept: f64) -> Self {
        let slow = mark.and_then(|mark| counts.slower.get(mark)).copied().unwrap_or(0.0);
        Self {
            requests: self.requests * kept + counts.requests,
            errors: self.errors * kept + counts.errors,
            timed: self.timed * kept + counts.timed,
            slow: self.slow * kept + slow,
        }
    }
}

impl Loaded {
    fn add(&mut self, stable: Slow<'_>, candidate: Slow<'_>, span: Duration) {
        let sum = |sums: &mut [f64; MARKS], slow: Slow<'_>| sums.iter_mut().zip(slow.slower).for_each(|(s, x)| *s += x);
        sum(&mut self.stable, stable);
        sum(&mut self.candidate, candidate);
        self.timed = (self.timed.0 + stable.timed, self.timed.1 + candidate.timed);
        self.lasted += span;
    }

    fn is_alike(&self, stable: f64, candidate: f64) -> bool {
        let ratio = (candidate / stable) / (self.timed.1 / self.timed.0);
        (1.0 / SAME..=SAME).contains(&ratio)
    }

    fn shows(&self, stable: f64, candidate: f64) -> bool {
        self.lasted >= SETTLING && self.is_alike(stable, candidate)
    }

    /// The factor by which the odds of a slow answer were greater in the candidate, and as much more as is uncertain.
    fn odds(&self, mark: usize, noise: f64) -> f64 {
        let side = |part: f64, whole: f64| {
            let (slow, fast) = (part + 0.5, whole - part + 0.5);
            (ln(slow / fast), 1.0 / slow + 1.0 / fast)
        };
        let (b, error_b) = side(self.stable[mark], self.timed.0);
        let (g, error_g) = side(self.candidate[mark], self.timed.1);
        let wander = noise / (self.lasted.as_secs_f64() / 60.0).max(1.0);
        exp(g - b + SURE * (error_b + error_g + wander).sqrt()).max(1.0)
    }
}

/// The stable slot's shares of failures and of slow answers, as they were learned.
fn usual(rule: &CompareRule, mark: Option<usize>) -> (f64, f64) {
    (rule.baseline.errors, mark.map_or(0.0, |mark| rule.baseline.thresholds[mark].share))
}

fn is_like(stable: f64, candidate: f64) -> bool {
    candidate <= LIKE * stable
}
