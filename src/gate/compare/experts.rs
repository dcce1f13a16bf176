//! Who bets on what: the kinds of wrong that are looked for, and what each makes of a bin.

use std::time::Duration;

use super::evidence::{self, MARKS, Part, Slow, Tail};
use super::{Baseline, CompareRule};
use crate::domain::count::Counts;

/// How many times more failures than tolerated are looked for.
const MORE_ERRORS: [f64; 4] = [2.0, 5.0, 20.0, 200.0];
/// The part of the weight of errors on each: what is rare is hard to find, what is frequent shows anyhow.
const ERROR_PARTS: [f64; 4] = [0.3, 0.4, 0.2, 0.1];
/// Factors on the odds of being slow that are looked for at all marks together.
const ALL_SLOWER: [f64; 4] = [1.25, 1.6, 3.0, 12.0];
/// The part of the weight on each, as for errors.
const SLOWER_PARTS: [f64; 4] = [0.5, 0.25, 0.15, 0.1];
/// Factors that are looked for at each mark by itself, in case only the tail is slower.
const ONE_SLOWER: [f64; 4] = [1.4, 2.0, 4.0, 12.0];
/// The part of the weight of response times that looks at all marks together, where there are several.
const TOGETHER: f64 = 0.5;
/// The part that bets on nothing being wrong is at least this.
const CASH: f64 = 0.01;

/// What an expert suspects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Failures.
    Errors,
    /// Slow answers, at one mark or at all.
    Slower(Option<usize>),
}

/// The experts in their order, after cash: failures, all marks, each mark.
pub(super) fn prior(rule: &CompareRule) -> Vec<f64> {
    let marks = marks(&rule.baseline);
    let (errors, latency) = (rule.errors.weight, if marks == 0 { 0.0 } else { rule.latency.weight });
    let together = if marks > 1 { TOGETHER } else { 0.0 };
    let mut prior = vec![(1.0 - errors - latency).max(CASH)];
    prior.extend(ERROR_PARTS.map(|part| part * errors));
    prior.extend(SLOWER_PARTS.map(|part| part * latency * together));
    let alone = latency * (1.0 - together) / marks.max(1) as f64;
    prior.extend((0..marks).flat_map(|_| SLOWER_PARTS.map(|part| part * alone)));
    prior
}

/// What the expert at `index` suspects; `None` for cash.
pub(super) fn suspicion(index: usize) -> Option<Suspicion> {
    let index = index.checked_sub(1)?;
    let Some(index) = index.checked_sub(MORE_ERRORS.len()) else { return Some(Suspicion::Errors) };
    let mark = index.checked_sub(ALL_SLOWER.len()).map(|index| index / ONE_SLOWER.len());
    Some(Suspicion::Slower(mark))
}

/// How many marks are judged.
pub(super) fn marks(baseline: &Baseline) -> usize {
    baseline.thresholds.len().min(MARKS)
}

/// How many of the experts, counted from the first, do not look at response times.
pub(super) const TIMELESS: usize = 1 + MORE_ERRORS.len();

/// The natural logarithm of each expert's e-value for a bin, tempered by the design effects.
pub(super) fn evidence(rule: &CompareRule, tails: &[Tail], bin: (&Counts, &Counts)) -> Vec<f64> {
    let (stable, candidate) = bin;
    let mut all = vec![0.0];
    let noise = rule.baseline.error_noise.max(1.0);
    all.extend(MORE_ERRORS.map(|psi| evidence::errors(rule.errors, psi, failed(stable), failed(candidate)) / noise));
    let Some((slow_b, slow_g)) = slow(stable, tails.len()).zip(slow(candidate, tails.len())) else {
        all.resize(TIMELESS + ALL_SLOWER.len() + tails.len() * ONE_SLOWER.len(), 0.0);
        return all;
    };
    let designs = Designs::new(rule, tails, (slow_b.timed, slow_g.timed));
    if tails.len() > 1 {
        all.extend(ALL_SLOWER.map(|psi| evidence::slower(tails, psi, slow_b, slow_g) / designs.together));
    } else {
        all.extend([0.0; ALL_SLOWER.len()]);
    }
    for (j, tail) in tails.iter().enumerate() {
        let one = |slow: Slow<'_>| [slow.slower[j]].map(|slower| (slow.timed, slower));
        let ([(n_b, x_b)], [(n_g, x_g)]) = (one(slow_b), one(slow_g));
        let (b, g) = (Slow { timed: n_b, slower: &[x_b] }, Slow { timed: n_g, slower: &[x_g] });
        all.extend(ONE_SLOWER.map(|psi| evidence::slower(&[*tail], psi, b, g) / designs.alone[j]));
    }
    all
}

/// The failures of a slot.
pub(super) fn failed(counts: &Counts) -> Part {
    Part { part: counts.errors, whole: counts.requests }
}

/// The slow answers of a slot; `None` when their number at `marks` marks is not known.
pub(super) fn slow(counts: &Counts, marks: usize) -> Option<Slow<'_>> {
    let slower = counts.slower.get(..marks)?;
    (marks > 0 && counts.timed > 0.0).then_some(Slow { timed: counts.timed, slower })
}

/// By how much less a bin's response times say than they seem to, because each slot's speed wanders by
/// itself: at each mark, and at all together.
///
/// A slot's logit of the share beyond a mark has the variance `noise` from minute to minute beyond chance,
/// chance alone gives the difference of two slots `v = (1/n_g + 1/n_b) / (p(1-p))` in a minute, so the
/// evidence counts for 1 in `1 + 2 noise / v`. All marks together estimate one shift of the logit by
/// weighing each mark's; the deviation of a weighted sum is at most the weighted sum of deviations.
pub(super) struct Designs {
    pub(super) alone: [f64; MARKS],
    pub(super) together: f64,
}

impl Designs {
    /// For a bin with so many timed answers in the stable slot and in the candidate.
    pub(super) fn new(rule: &CompareRule, tails: &[Tail], timed: (f64, f64)) -> Self {
        let minutes = rule.feed.span().max(Duration::from_secs(1)).as_secs_f64() / 60.0;
        let pairs = (timed.0 * timed.1 / (timed.0 + timed.1)) / minutes;
        let mut alone = [1.0; MARKS];
        let (mut information, mut deviation) = (0.0, 0.0);
        let (mut above, mut score) = (1.0, None);
        for (j, (tail, threshold)) in tails.iter().zip(&rule.baseline.thresholds).enumerate() {
            let spread = tail.share * (1.0 - tail.share);
            alone[j] = 1.0 + 2.0 * threshold.noise.max(0.0) * pairs * spread;
            let below = score.unwrap_or(-tail.share);
            let next = tails.get(j + 1).map_or(0.0, |next| next.share);
            let this = 1.0 - tail.share - next;
            information += (above - tail.share) * below * below;
            deviation += (this - below) * spread * threshold.noise.max(0.0).sqrt();
            (above, score) = (tail.share, Some(this));
        }
        let last = score.unwrap_or(0.0);
        information += above * last * last;
        let noise = if information > 0.0 { deviation / information } else { 0.0 };
        Self { alone, together: 1.0 + 2.0 * noise * noise * pairs * information }
    }
}
