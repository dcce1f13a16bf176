//! Who bets on what: the kinds of wrong that are looked for, and what each makes of a bin.

use std::time::Duration;

use super::evidence::{self, MARKS, Part, Slow, Tail};
use super::{Baseline, CompareRule, ErrorTolerance};
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

/// The quantile whose slow answers count as harm.
const HARM_AT: f64 = 0.95;
/// The most answers that may lie beyond a mark which counts as the tail.
const TAIL: f64 = 0.003;

/// What an expert suspects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Failures.
    Errors,
    /// Refusals.
    Refused,
    /// Slow answers, at one mark or at all.
    Slower(Option<usize>),
}

/// The experts in their order, after cash: failures, refusals, all marks, each mark.
pub(super) fn prior(rule: &CompareRule) -> Vec<f64> {
    let marks = marks(&rule.baseline);
    let (errors, latency) = (rule.errors.weight, if marks == 0 { 0.0 } else { rule.latency.weight });
    let together = if marks > 1 { TOGETHER } else { 0.0 };
    let refused = rule.refused.weight;
    let mut prior = vec![(1.0 - errors - refused - latency).max(CASH)];
    prior.extend(ERROR_PARTS.map(|part| part * errors));
    prior.extend(ERROR_PARTS.map(|part| part * refused));
    prior.extend(SLOWER_PARTS.map(|part| part * latency * together));
    let alone = latency * (1.0 - together) / marks.max(1) as f64;
    prior.extend((0..marks).flat_map(|_| SLOWER_PARTS.map(|part| part * alone)));
    prior
}

/// What the expert at `index` suspects; `None` for cash.
pub(super) fn suspicion(index: usize) -> Option<Suspicion> {
    let index = index.checked_sub(1)?;
    let Some(index) = index.checked_sub(MORE_ERRORS.len()) else { return Some(Suspicion::Errors) };
    let Some(index) = index.checked_sub(MORE_ERRORS.len()) else { return Some(Suspicion::Refused) };
    let mark = index.checked_sub(ALL_SLOWER.len()).map(|index| index / ONE_SLOWER.len());
    Some(Suspicion::Slower(mark))
}

/// What the present teaches about noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// The design effect of failures.
    pub(super) errors: f64,
    /// The same of refusals.
    pub(super) refused: f64,
    /// How many times as many failures are tolerated while both slots are in trouble.
    pub(super) ratio: f64,
    /// At each mark, the sum over both slots of the variances of their logits from minute to minute.
    pub(super) speed: [f64; MARKS],
}

/// Of both slots' speed, as the past taught it.
pub(super) fn learned_speed(baseline: &Baseline) -> [f64; MARKS] {
    let mut speed = [0.0; MARKS];
    speed.iter_mut().zip(&baseline.thresholds).for_each(|(sum, at)| *sum = 2.0 * at.noise.max(0.0));
    speed
}

/// How many marks are judged.
pub(super) fn marks(baseline: &Baseline) -> usize {
    baseline.thresholds.len().min(MARKS)
}

/// The threshold whose slow answers count as harm: the one nearest to the 95th percentile.
pub(super) fn harm_mark(baseline: &Baseline) -> Option<usize> {
    let off = |at: usize| {
        let threshold = &baseline.thresholds[at];
        (threshold.quantile.unwrap_or(1.0 - threshold.share) - HARM_AT).abs()
    };
    (0..marks(baseline)).reduce(|best, at| if off(at) < off(best) { at } else { best })
}

/// The highest mark, if only few answers are beyond it: what hangs a few requests shows there alone.
pub(super) fn tail_mark(baseline: &Baseline) -> Option<usize> {
    let last = marks(baseline).checked_sub(1)?;
    (baseline.thresholds[last].share <= TAIL).then_some(last)
}

/// How many of the experts, counted from the first, do not look at response times.
pub(super) const TIMELESS: usize = 1 + 2 * MORE_ERRORS.len();

/// The natural logarithm of each expert's e-value for a bin, tempered by the design effects.
pub(super) fn evidence(rule: &CompareRule, tails: &[Tail], noise: &Noise, bin: (&Counts, &Counts)) -> Vec<f64> {
    let (stable, candidate) = bin;
    let mut all = vec![0.0];
    let design = rule.baseline.error_noise.max(noise.errors).max(1.0);
    let tolerance = ErrorTolerance { ratio: rule.errors.ratio.max(noise.ratio), ..rule.errors };
    all.extend(MORE_ERRORS.map(|psi| evidence::errors(tolerance, psi, failed(stable), failed(candidate)) / design));
    let tolerance = ErrorTolerance { ratio: rule.refused.ratio.max(noise.ratio), ..rule.refused };
    all.extend(
        MORE_ERRORS.map(|psi| evidence::errors(tolerance, psi, refused(stable), refused(candidate)) / noise.refused),
    );
    let Some((slow_b, slow_g)) = slow(stable, tails.len()).zip(slow(candidate, tails.len())) else {
        all.resize(TIMELESS + ALL_SLOWER.len() + tails.len() * ONE_SLOWER.len(), 0.0);
        return all;
    };
    let designs = Designs::new(rule, tails, noise.speed, (slow_b.timed, slow_g.timed));
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

/// The refusals of a slot.
pub(super) fn refused(counts: &Counts) -> Part {
    Part { part: counts.refused, whole: counts.requests }
}

/// The slow answers of a slot; `None` when their number at `marks` marks is not known.
pub(super) fn slow(counts: &Counts, marks: usize) -> Option<Slow<'_>> {
    let slower = counts.slower.get(..marks)?;
    (marks > 0 && counts.timed > 0.0).then_some(Slow { timed: counts.timed, slower })
}

/// By how much less a bin's response times say than they seem to, because each slot's speed wanders by
/// itself: at each mark, and at all together.
///
/// The difference of the slots' logits of the share beyond a mark has the variance `noise` from minute to minute
/// beyond chance, chance alone gives it `v = (1/n_g + 1/n_b) / (p(1-p))` in a minute, so the evidence counts for
/// 1 in `1 + noise / v`. All marks together estimate one shift of the logit by
/// weighing each mark's; the deviation of a weighted sum is at most the weighted sum of deviations.
pub(super) struct Designs {
    pub(super) alone: [f64; MARKS],
    pub(super) together: f64,
}

impl Designs {
    /// For a bin with so many timed answers in the stable slot and in the candidate.
    pub(super) fn new(rule: &CompareRule, tails: &[Tail], speed: [f64; MARKS], timed: (f64, f64)) -> Self {
        let minutes = rule.feed.span().max(Duration::from_secs(1)).as_secs_f64() / 60.0;
        let pairs = (timed.0 * timed.1 / (timed.0 + timed.1)) / minutes;
        let mut alone = [1.0; MARKS];
        let (mut information, mut deviation) = (0.0, 0.0);
        let (mut above, mut score) = (1.0, None);
        for (j, (tail, noise)) in tails.iter().zip(speed).enumerate() {
            let spread = tail.share * (1.0 - tail.share);
            alone[j] = 1.0 + noise * pairs * spread;
            let below = score.unwrap_or(-tail.share);
            let next = tails.get(j + 1).map_or(0.0, |next| next.share);
            let this = 1.0 - tail.share - next;
            information += (above - tail.share) * below * below;
            deviation += (this - below) * spread * noise.sqrt();
            (above, score) = (tail.share, Some(this));
        }
        let last = score.unwrap_or(0.0);
        information += above * last * last;
        let noise = if information > 0.0 { deviation / information } else { 0.0 };
        Self { alone, together: 1.0 + noise * noise * pairs * information }
    }
}
