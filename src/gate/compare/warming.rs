//! When a candidate is warm: until then its response times do not count against it.
//!
//! A release that has just started is slow while it compiles, connects and fills its caches, and no count of
//! slow answers tells a slow release from a cold one before the time is over. What can be bounded is the time. A
//! candidate that is r times as slow as the stable slot has `115 s / (r - 1)`, at least two minutes and at most
//! five. Where no harm budget bounds what that costs, one that is slow then has until its first 4,000 timed answers,
//! but for 22 minutes at most, and only while its own curve may still come down by then.
//!
//! Whether a bin counts depends on earlier bins only, so that the capital stays a supermartingale from the
//! bin on that is the first to count, for a candidate that is no worse once it is warm.

use std::time::Duration;

use libm::{exp, log as ln};

use super::evidence::Slow;
use super::{Baseline, CompareRule, Threshold};

/// How long being twice as slow may last; the more it is, the shorter.
const LOSS: f64 = 115.0;
/// The least and the most that a warm-up lasts, in seconds.
const LEAST: f64 = 120.0;
pub(super) const MOST: f64 = 300.0;
/// A release that warms by use is warm after so many answers …
const USE: f64 = 4000.0;
/// … or after so many seconds.
const USE_MOST: f64 = 1320.0;
/// A candidate that is surely less slower than this, and whose curve does not come down, is not cold at all.
const SLIGHT: f64 = 0.2;
/// A candidate that is less slower than this is not cold.
const COLD: f64 = 0.04;
/// How many standard errors of the curve's fall are doubted.
const SURE: f64 = 4.0;
/// Over how many seconds the present slowness is averaged.
const RECENT: f64 = 120.0;
/// How many seconds are the last minute.
const LATELY: f64 = 60.0;
/// The variance of a logit near the median, times the answers: `1 / (p (1-p))`, and a little for the stable slot's.
const SPREAD: f64 = 5.0;
/// How steep the logit of slow answers is where marks do not tell.
const STEEP: f64 = 4.0;

/// How slow the candidate has been.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Warming {
    over: bool,
    recent: Mean,
    /// By bins, each half of the answers by itself.
    curve: Vec<Mean>,
}

/// The mean logarithm of how many times slower answers were.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Mean {
    answers: f64,
    slower: f64,
}

impl Mean {
    fn of(parts: &[Mean]) -> Self {
        parts.iter().fold(Self::default(), |sum, part| sum.with(*part))
    }

    fn with(self, other: Mean) -> Self {
        let answers = self.answers + other.answers;
        let sum = self.answers * self.slower + other.answers * other.slower;
        Self { answers, slower: if answers > 0.0 { sum / answers } else { 0.0 } }
    }
}

impl Warming {
    /// Whether response times count in a bin that lies so long after the candidate's first request.
    pub(super) fn is_over(&mut self, rule: &CompareRule, after: Duration) -> bool {
        self.over = self.over || rule.warm_up.is_zero() || self.ends(rule, after.as_secs_f64());
        self.over
    }

    fn ends(&self, rule: &CompareRule, after: f64) -> bool {
        let own = rule.warm_up.as_secs_f64();
        let spread = spread(&rule.baseline);
        let error = (spread / self.recent.answers.max(1.0)).sqrt();
        let times = |slower: f64| exp(slower) - 1.0;
        if times(self.recent.slower + 2.0 * error) < SLIGHT && !self.falls(spread) {
            return after >= own;
        }
        // Not above what is sure but for one standard error: the less is known, the more patience.
        let excess = times(self.recent.slower - error);
        let loss = if excess > 0.0 { LOSS / excess } else { MOST };
        if after < loss.clamp(LEAST, MOST).max(own) {
            return false;
        }
        rule.budget.is_some() || times(self.recent.slower + error) < COLD || after >= USE_MOST || self.stays(spread)
    }

    /// Whether the candidate was surely slower in the last minute.
    pub(super) fn is_slow(&self, rule: &CompareRule) -> bool {
        let bins = (LATELY / rule.feed.span().as_secs_f64()).ceil().max(1.0);
        let lately = self.curve.iter().rev().zip(1_u32..).take_while(|(_, n)| f64::from(*n) <= bins);
        let lately = lately.fold(Mean::default(), |sum, (bin, _)| sum.with(*bin));
        let error = (spread(&rule.baseline) / lately.answers.max(1.0)).sqrt();
        exp(lately.slower - 2.0 * error) - 1.0 > COLD
    }

    /// The first and the second half of the answers.
    fn halves(&self) -> Option<[Mean; 2]> {
        let all = Mean::of(&self.curve).answers;
        let mut half = 0.0;
        let middle = self.curve.iter().position(|part| {
            half += part.answers;
            2.0 * half >= all
        })?;
        let (early, late) = self.curve.split_at(middle + 1);
        let halves = [Mean::of(early), Mean::of(late)];
        halves.iter().all(|half| half.answers > 0.0).then_some(halves)
    }

    /// Whether the curve comes down, for all one knows.
    fn falls(&self, spread: f64) -> bool {
        self.halves().is_some_and(|[early, late]| early.slower - late.slower > 2.0 * fall_error([early, late], spread))
    }

    /// Whether the curve cannot come down by the time so many answers were given that it must have.
    fn stays(&self, spread: f64) -> bool {
        let all = Mean::of(&self.curve);
        if all.answers >= USE {
            return true;
        }
        let Some([early, late]) = self.halves() else { return false };
        let excess = (exp(all.slower) - 1.0) / (1.0 - all.answers / USE / 2.0);
        let at = |answers: f64| ln(1.0 + (excess * (1.0 - answers / USE)).max(0.0));
        let fall = at(early.answers / 2.0) - at(early.answers + late.answers / 2.0);
        early.slower - late.slower + SURE * fall_error([early, late], spread) < fall
    }

    /// Learns from a bin, for the bins after it.
    pub(super) fn note(&mut self, baseline: &Baseline, (stable, candidate): (Slow<'_>, Slow<'_>), span: Duration) {
        if self.over {
            return;
        }
        let marks = &baseline.thresholds;
        let median = |slow, at: fn(&Threshold) -> f64| median(slow, marks.iter().map(at), steepness(baseline));
        let medians = median(candidate, |mark| mark.candidate).zip(median(stable, |mark| mark.stable));
        let Some(slower) = medians.map(|(candidate, stable)| candidate - stable) else { return };
        let bin = Mean { answers: candidate.timed, slower };
        let kept = (1.0 - span.as_secs_f64() / RECENT).max(0.0);
        self.recent = Mean { answers: self.recent.answers * kept, ..self.recent }.with(bin);
        self.curve.push(bin);
    }
}

/// The standard error of how far the curve comes down from one half to the other.
fn fall_error(halves: [Mean; 2], spread: f64) -> f64 {
    halves.map(|half| spread / half.answers).iter().sum::<f64>().sqrt()
}

/// The variance of the logarithm of a median time, times the answers that it is of.
fn spread(baseline: &Baseline) -> f64 {
    SPREAD / steepness(baseline).powi(2)
}

/// The logarithm of the time that half of the answers take longer than, as the mark nearest to it tells: of answers that
/// are all twice as slow most lie beyond the first mark, which then says little.
fn median(slow: Slow<'_>, seconds: impl Iterator<Item = f64>, steep: f64) -> Option<f64> {
    let logit = |part: f64| ln((part + 0.5) / (slow.timed - part + 0.5));
    let marks = seconds.zip(slow.slower).map(|(seconds, part)| (ln(seconds), logit(*part)));
    let (at, logit) = marks.min_by(|one, other| one.1.abs().total_cmp(&other.1.abs()))?;
    Some(at + logit / steep)
}

impl CompareRule {
    /// By how much a slot's speed wanders from minute to minute, as a part of it; `None` where nothing is known of speed.
    pub fn wander(&self) -> Option<f64> {
        let mark = self.baseline.thresholds.first()?;
        Some(mark.noise.max(0.0).sqrt() / steepness(&self.baseline))
    }
}

/// How the logit of the share of slow answers falls with the logarithm of the time, at the first mark.
fn steepness(baseline: &Baseline) -> f64 {
    let [one, next, ..] = baseline.thresholds.as_slice() else { return STEEP };
    let logit = |share: f64| ln(share / (1.0 - share));
    let steep = (logit(one.share) - logit(next.share)) / ln(next.stable / one.stable);
    if steep.is_finite() && steep > 0.5 { steep } else { STEEP }
}

#[cfg(test)]
mod tests {
    use super::super::Threshold;
    use super::*;

    /// When a candidate is warm, in seconds, that is slower by what `curve` says of each minute.
    fn warm_after(rule: &CompareRule, answers: f64, curve: impl Fn(u32) -> f64) -> u32 {
        let threshold = |share, stable| {
            let (quantile, candidate) = (Some(1.0 - share), stable);
            Threshold { quantile, stable, candidate, odds: 1.0, share, noise: 0.0, jitter: 0.0 }
        };
        let baseline = Baseline { thresholds: vec![threshold(0.5, 0.1), threshold(0.25, 0.14)], ..Baseline::default() };
        let minute = Duration::from_secs(60);
        let mut warming = Warming::default();
        let beyond = |slower: f64| 1.0 / (1.0 + exp(-steepness(&baseline) * ln(slower)));
        (0..60)
            .find(|n| {
                let over = warming.is_over(rule, minute * *n + minute / 2);
                let slow = [answers * beyond(curve(*n))];
                let stable = Slow { timed: 10_000.0, slower: &[5000.0] };
                warming.note(&baseline, (stable, Slow { timed: answers, slower: &slow }), minute);
                over
            })
            .map_or(u32::MAX, |n| n * 60)
    }

    fn within_budget() -> CompareRule {
        CompareRule { budget: Some(50.0), ..CompareRule::default() }
    }

    #[test]
    fn the_slower_a_release_is_the_sooner_it_must_be_warm() {
        assert_eq!(warm_after(&within_budget(), 5000.0, |_| 2.0), 120);
        assert_eq!(warm_after(&within_budget(), 5000.0, |_| 1.3), 300);
        assert_eq!(warm_after(&within_budget(), 5000.0, |_| 1.1), 60, "that is no warm-up");
    }

    #[test]
    fn the_less_is_known_of_a_release_the_more_patience_it_gets() {
        assert_eq!(warm_after(&within_budget(), 20.0, |_| 2.0), 180);
    }

    #[test]
    fn without_a_budget_one_that_comes_down_has_until_its_first_4000_answers() {
        let rule = CompareRule::default();
        let falls = |n| 1.0 + (1.0 - f64::from(n) * 400.0 / 4000.0).max(0.0);
        assert_eq!(warm_after(&rule, 400.0, falls), 600);
        assert!(warm_after(&rule, 400.0, |_| 2.0) < 600, "its curve says that it will not be warm by then");
    }

    #[test]
    fn a_person_may_say_that_there_is_no_warm_up_or_a_longer_one() {
        let own = |seconds| CompareRule { warm_up: Duration::from_secs(seconds), ..within_budget() };
        assert_eq!(warm_after(&own(0), 5000.0, |_| 2.0), 0);
        assert_eq!(warm_after(&own(600), 5000.0, |_| 1.0), 600);
    }
}
