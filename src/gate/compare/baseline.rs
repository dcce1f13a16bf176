//! What the stable slot's past teaches before a rollout: how fast it answers, and how much its counts
//! scatter beyond chance.

use std::collections::BTreeMap;
use std::time::Duration;

use libm::log as ln;

use super::evidence::MARKS;
use super::flaw_of;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Counts, Mark, Past};

/// From fewer bins than this too little is learned to trust.
const ENOUGH: usize = 60;
/// The noise of errors that is assumed then: they come in pairs.
const PAIRS: f64 = 2.0;
/// The noise of response times that is assumed then, as a part of them, from minute to minute.
const WANDER: f64 = 0.05;
/// By how much hosts of a kind usually differ in speed.
const HOSTS_DIFFER: f64 = 0.04;
/// How many standard deviations of that are tolerated.
const LUCK: f64 = 2.33;
/// How steep the logit of slow answers is where marks do not tell: a lognormal's with a deviation of 0.5.
const STEEP: f64 = 4.0;
/// A mark that a smaller share is slower than, or faster, says nothing.
const LEAST: f64 = 1e-4;
/// How many differences the assumption of pure chance is worth.
const PRIOR: f64 = 10.0;
/// The expected variance of a count below which its logit says nothing.
const TELLING: f64 = 5.0;
/// The lengths of batches in minutes, beside a bin's own.
const BATCHES: [u64; 3] = [1, 5, 20];
/// How many standard errors an estimate from long batches is taken lower.
const DOUBT: f64 = 1.0;
/// So many differences at least are cut to the next.
const OUTLIERS: usize = 2;
const MINUTE: Duration = Duration::from_secs(60);
/// Rates and shares are those of the last hour.
const HOUR: Duration = Duration::from_secs(3600);
/// Batches further apart are not compared.
const NEAR: Duration = Duration::from_secs(1200);

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// How many bins it was learned from; with fewer than 60 noise is assumed rather than learned.
    pub bins: usize,
    /// Requests a second over the last hour.
    pub rate: f64,
    /// The share that failed.
    pub errors: f64,
    /// By how much errors scatter more than chance alone would make them; at least 1.
    pub error_noise: f64,
    /// The same of refusals.
    pub refused_noise: f64,
    /// Where slow answers are counted; empty when nothing is known of response times.
    pub thresholds: Vec<Threshold>,
}

/// A time at which slow answers are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The part of the stable slot's answers that is faster, where it is known.
    pub quantile: Option<f64>,
    /// Where the stable slot's answers are slow, in seconds.
    pub stable: f64,
    /// Where the candidate's are.
    pub candidate: f64,
    /// The factor by which the odds of a slow answer may grow: 1 when `candidate` lies above `stable`.
    pub odds: f64,
    /// The share of the stable slot's answers that is slower.
    pub share: f64,
    /// The variance of the logit of that share from minute to minute beyond chance, over long stretches.
    pub noise: f64,
    /// The same as neighbouring minutes tell it: less, where speed wanders slowly. Zero when it was not learned.
    pub jitter: f64,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { bins: 0, rate: 0.0, errors: 0.0, error_noise: 1.0, refused_noise: 1.0, thresholds: Vec::new() }
    }
}

impl super::CompareRule {
    /// The rule with what `past` teaches.
    ///
    /// Bins whose counts cannot be (see [`flaw_of`]), that lie twice in the past, or that have no
    /// requests, are skipped and not counted in [`Baseline::bins`]. Marks that nothing or everything is slower
    /// than are dropped, and so are all beyond the eighth. From fewer than 60 bins too little is learned to trust: noise is then at
    /// least that of failures which come in pairs, and of response times which wander by 5 % from minute to minute.
    #[must_use]
    pub fn learned(&self, past: &Past) -> Self {
        let sound =
            |(_, counts): &&(Timestamp, Counts)| flaw_of(counts, past.marks.len()).is_none() && counts.requests > 0.0;
        let sound: BTreeMap<Timestamp, &Counts> =
            past.bins.iter().filter(sound).map(|(at, counts)| (*at, counts)).collect();
        let bins: Vec<(Timestamp, &Counts)> = sound.into_iter().collect();
        let lately = lately(&bins, past.span);
        let little = bins.len() < ENOUGH;
        let (errors, requests) = (sum(&bins, |counts| counts.errors), sum(&bins, |counts| counts.requests));
        let baseline = Baseline {
            bins: bins.len(),
            rate: rate(lately, past.span),
            errors: if requests > 0.0 { errors / requests } else { 0.0 },
            error_noise: error_noise(&bins, past.span, |counts| counts.errors).max(if little { PAIRS } else { 1.0 }),
            refused_noise: error_noise(&bins, past.span, |counts| counts.refused).max(if little { PAIRS } else { 1.0 }),
            thresholds: self.thresholds(past, &bins, lately),
        };
        Self { baseline, ..self.clone() }
    }

    fn thresholds(&self, past: &Past, bins: &[Bin<'_>], lately: &[Bin<'_>]) -> Vec<Threshold> {
        let timed = sum(lately, |counts| counts.timed);
        let shares: Vec<f64> =
            (0..past.marks.len()).map(|mark| sum(lately, |counts| slower(counts, mark)) / timed).collect();
        let little = bins.len() < ENOUGH;
        let learn = |(mark, Mark { quantile, seconds }): (usize, &Mark)| {
            let share = *shares.get(mark).filter(|share| (LEAST..=1.0 - LEAST).contains(*share))?;
            let wander = WANDER * steepness(&past.marks, &shares, mark);
            let assumed = if little { wander * wander } else { 0.0 };
            let slower = self.latency.slower.max(self.by_hosts());
            let (candidate, odds) =
                if past.resolves { (seconds * (1.0 + slower), 1.0) } else { (*seconds, self.latency.odds) };
            let lengths = || lengths(past.span);
            let noise = latency_noise(bins, past.span, mark, lengths()).max(assumed);
            let jitter = latency_noise(bins, past.span, mark, lengths().filter(|length| *length == MINUTE));
            Some(Threshold { quantile: *quantile, stable: *seconds, candidate, odds, share, noise, jitter })
        };
        past.marks.iter().enumerate().filter_map(learn).take(MARKS).collect()
    }
}

impl super::CompareRule {
    /// By how much a slot of few hosts may be slower by its hosts alone, as a part: 2.33 standard deviations, which one
    /// slot in a hundred exceeds. Zero where their number is not known.
    pub fn by_hosts(&self) -> f64 {
        self.hosts.map_or(0.0, |hosts| LUCK * HOSTS_DIFFER * (2.0 / f64::from(hosts.max(1))).sqrt())
    }
}

type Bin<'a> = (Timestamp, &'a Counts);

fn sum(bins: &[Bin<'_>], of: impl Fn(&Counts) -> f64) -> f64 {
    bins.iter().map(|(_, counts)| of(counts)).sum()
}

fn slower(counts: &Counts, mark: usize) -> f64 {
    counts.slower.get(mark).copied().unwrap_or(0.0)
}

/// The bins of the last hour that there are.
fn lately<'a, 'b>(bins: &'a [Bin<'b>], span: Duration) -> &'a [Bin<'b>] {
    let Some((last, _)) = bins.last() else { return bins };
    let from = (*last + span).before(HOUR);
    &bins[bins.partition_point(|(at, _)| *at < from)..]
}

/// Requests a second; a stretch without any counts as one.
fn rate(bins: &[Bin<'_>], span: Duration) -> f64 {
    let (Some((first, _)), Some((last, _))) = (bins.first(), bins.last()) else { return 0.0 };
    let seconds = (*last + span).since(*first).as_secs_f64();
    if seconds > 0.0 { sum(bins, |counts| counts.requests) / seconds } else { 0.0 }
}

/// How the logit of the share of slow answers changes with the logarithm of the time, near a mark.
fn steepness(marks: &[Mark], shares: &[f64], mark: usize) -> f64 {
    let (low, high) = (mark.saturating_sub(1), (mark + 1).min(marks.len() - 1));
    let logit = |share: f64| ln(share.clamp(LEAST, 1.0 - LEAST) / (1.0 - share.clamp(LEAST, 1.0 - LEAST)));
    let apart = ln(marks[high].seconds / marks[low].seconds);
    let slope = (logit(shares[low]) - logit(shares[high])) / apart;
    if slope.is_finite() && slope > 0.0 { slope } else { STEEP }
}

/// The design effect of errors: how many times greater the variance of their number is, over long stretches,
/// than a Poisson variable's.
///
/// For batches of one bin and of 1, 5 and 20 minutes, half the mean squared difference of neighbours estimates
/// the variance without seeing slow drift: with counts x of n requests the ratio is
/// `F = sum n_1 n_2 (x_1/n_1 - x_2/n_2)^2 / sum (x_1 + x_2)`, of mean 1 under Poisson. K differences are
/// weighed against 10 that say 1. The worst length of a batch counts, but a longer one than a minute only for
/// what it says beyond its own standard error `F sqrt(3/K)`: the worst of several guesses is too high. The
/// greatest differences are cut, for an outage is no noise.
fn error_noise(bins: &[Bin<'_>], span: Duration, of_errors: fn(&Counts) -> f64) -> f64 {
    let of = |length: Duration| {
        let batches = batches(bins, span, length, |counts| (of_errors(counts), counts.requests));
        let (mut squares, mut expected) = (Vec::new(), 0.0);
        for [(x, n), (y, m)] in neighbours(&batches, length) {
            let apart = x / n - y / m;
            squares.push(n * m * apart * apart);
            expected += x + y;
        }
        let pairs = squares.len() as f64;
        let ratio = if expected > 0.0 { cut_sum(squares) / expected } else { 1.0 };
        (PRIOR + pairs * ratio * sure(length, pairs)) / (PRIOR + pairs)
    };
    lengths(span).map(of).fold(1.0, f64::max)
}

/// The variance of the logit of the share beyond a mark from minute to minute, beyond chance: of batches of
/// each length, per minute, as for errors; the worst length counts.
fn latency_noise(bins: &[Bin<'_>], span: Duration, mark: usize, lengths: impl Iterator<Item = Duration>) -> f64 {
    let of = |length: Duration| {
        let batches = batches(bins, span, length, |counts| (slower(counts, mark), counts.timed));
        let (mut squares, mut chance) = (Vec::new(), 0.0);
        for [(x, n), (y, m)] in neighbours(&batches, length) {
            let p = (x + y) / (n + m);
            let spread = p * (1.0 - p);
            if n.min(m) * spread < TELLING {
                continue;
            }
            let apart = logit(x, n) - logit(y, m);
            squares.push(apart * apart);
            chance += (1.0 / n + 1.0 / m) / spread;
        }
        let pairs = squares.len() as f64;
        let beyond = (cut_sum(squares) - chance).max(0.0) / 2.0;
        if pairs > 0.0 { length.as_secs_f64() / 60.0 * beyond / pairs } else { 0.0 }
    };
    lengths.map(of).fold(0.0, f64::max)
}

/// The sum, in which the two greatest, or the greatest hundredth, count no more than the next: an outage in
/// the past is no noise, and must not make the gate blind.
fn cut_sum(mut squares: Vec<f64>) -> f64 {
    squares.sort_by(f64::total_cmp);
    let cut = OUTLIERS.max(squares.len() / 100);
    let most = squares.len().checked_sub(cut + 1).map_or(f64::INFINITY, |at| squares[at]);
    squares.into_iter().map(|square| square.min(most)).sum()
}

/// How much of an estimate from so many differences of batches of this length is more than its own error.
fn sure(length: Duration, pairs: f64) -> f64 {
    if length > MINUTE && pairs > 0.0 { (1.0 - DOUBT * (3.0 / pairs).sqrt()).max(0.0) } else { 1.0 }
}

fn lengths(span: Duration) -> impl Iterator<Item = Duration> {
    let minutes = BATCHES.map(|minutes| Duration::from_secs(60 * minutes));
    std::iter::once(span).chain(minutes.into_iter().filter(move |length| *length > span))
}

fn logit(part: f64, whole: f64) -> f64 {
    ln((part + 0.5) / (whole - part + 0.5))
}

/// A part and its whole in each stretch of `length` that has bins for at least half of it, with its number.
fn batches(
    bins: &[Bin<'_>],
    span: Duration,
    length: Duration,
    of: impl Fn(&Counts) -> (f64, f64),
) -> Vec<(u128, (f64, f64))> {
    let mut batches: Vec<(u128, (f64, f64), Duration)> = Vec::new();
    for (at, counts) in bins {
        let number = u128::from(at.as_millis()) / length.as_millis().max(1);
        let (part, whole) = of(counts);
        match batches.last_mut().filter(|(last, ..)| *last == number) {
            Some((_, sums, covered)) => {
                *sums = (sums.0 + part, sums.1 + whole);
                *covered += span;
            }
            None => batches.push((number, (part, whole), span)),
        }
    }
    let full = batches.into_iter().filter(|(_, (_, whole), covered)| *covered * 2 >= length && *whole > 0.0);
    full.map(|(number, sums, _)| (number, sums)).collect()
}

/// Batches that follow one another, at most twenty minutes apart.
fn neighbours(batches: &[(u128, (f64, f64))], length: Duration) -> impl Iterator<Item = [(f64, f64); 2]> {
    let near =
        move |pair: &&[(u128, (f64, f64))]| length * u32::try_from(pair[1].0 - pair[0].0).unwrap_or(u32::MAX) <= NEAR;
    batches.windows(2).filter(near).map(|pair| [pair[0].1, pair[1].1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::CompareRule;

    const SPAN: Duration = Duration::from_secs(60);

    /// Counts that scatter by chance alone do so about as these: a fixed pattern with a binomial's variance.
    fn past(minutes: u32, burst: f64, wander: f64) -> Past {
        let bin = |n: u32| {
            // Neighbours that are always on opposite sides of the mean differ by more than chance makes them.
            let off = if n.is_multiple_of(2) { 0.5_f64.sqrt() } else { -0.5_f64.sqrt() };
            let slow = |p: f64| {
                12_000.0 * p + off * (12_000.0 * p * (1.0 - p)).sqrt() + off * wander * 12_000.0 * p * (1.0 - p)
            };
            let errors = 12.0 + off * (12.0 * burst).sqrt();
            let slower = vec![slow(0.5), slow(0.05)];
            let counts = Counts { requests: 12_000.0, errors, timed: 12_000.0, slower, ..Counts::default() };
            (Timestamp::from_millis(60_000) + SPAN * n, counts)
        };
        let mark = |quantile, seconds| Mark { quantile: Some(quantile), seconds };
        let marks = vec![mark(0.5, 0.1), mark(0.95, 0.2276)];
        Past { span: SPAN, marks, resolves: true, bins: (0..minutes).map(bin).collect() }
    }

    fn learned(past: &Past) -> Baseline {
        CompareRule::default().learned(past).baseline
    }

    fn about(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 0.1, "{got} should be about {expected}");
    }

    #[test]
    fn rates_and_shares_are_those_of_the_last_hour() {
        let mut past = past(720, 1.0, 0.0);
        past.bins[..600].iter_mut().for_each(|(_, counts)| counts.slower[1] = 1200.0);
        let learned = learned(&past);
        assert_eq!((learned.bins, learned.rate), (720, 200.0));
        about(learned.errors, 0.001);
        about(learned.thresholds[1].share, 0.05);
    }

    #[test]
    fn a_source_that_tells_times_apart_counts_the_candidate_a_little_later() {
        let threshold = learned(&past(720, 1.0, 0.0)).thresholds[1].clone();
        assert_eq!((threshold.quantile, threshold.odds, threshold.stable), (Some(0.95), 1.0, 0.2276));
        about(threshold.candidate, 0.2276 * 1.03);
        let coarse = learned(&Past { resolves: false, ..past(720, 1.0, 0.0) }).thresholds[1].clone();
        assert_eq!((coarse.odds, coarse.candidate), (1.15, 0.2276));
    }

    #[test]
    fn chance_alone_is_no_noise() {
        let learned = learned(&past(720, 1.0, 0.0));
        about(learned.error_noise, 1.0);
        assert!(learned.thresholds.iter().all(|threshold| threshold.noise < 0.001), "{learned:?}");
    }

    #[test]
    fn bursts_and_wandering_are_learned() {
        about(learned(&past(720, 7.0, 0.0)).error_noise, 7.0);
        let noise = learned(&past(720, 1.0, 0.2)).thresholds[0].noise;
        assert!((0.04..0.05).contains(&noise), "the square of 0.2 and a little: {noise}");
    }

    #[test]
    fn an_outage_is_no_noise() {
        let mut past = past(720, 1.0, 0.0);
        for (_, counts) in &mut past.bins[400..402] {
            counts.errors = 2400.0;
            counts.slower = vec![11_000.0, 5_000.0];
        }
        let learned = learned(&past);
        assert!(learned.error_noise < 2.0, "{}", learned.error_noise);
        assert!(learned.thresholds.iter().all(|threshold| threshold.noise < 0.003), "{learned:?}");
    }

    #[test]
    fn too_little_past_is_not_trusted() {
        let learned = learned(&past(30, 0.01, 0.0));
        assert_eq!((learned.bins, learned.error_noise), (30, 2.0));
        let slope = (19.0_f64.ln()) / (2.276_f64.ln());
        about(learned.thresholds[0].noise, (0.05 * slope).powi(2));
        let none = super::super::CompareRule::default().learned(&past(0, 1.0, 0.0)).baseline;
        assert_eq!((none.bins, none.rate, none.error_noise, none.thresholds.len()), (0, 0.0, 2.0, 0));
    }

    #[test]
    fn counts_that_cannot_be_are_skipped() {
        let mut past = past(720, 1.0, 0.0);
        past.bins[3].1.requests = f64::NAN;
        past.bins[4].1.errors = -1.0;
        past.bins[5].1.errors = 20_000.0;
        past.bins[6].1.slower = vec![1.0, 2.0];
        past.bins[7].0 = past.bins[8].0;
        let learned = learned(&past);
        assert_eq!(learned.bins, 715);
        about(learned.errors, 0.001);
    }

    #[test]
    fn a_mark_that_nothing_is_slower_than_is_dropped() {
        let mut past = past(720, 1.0, 0.0);
        past.bins.iter_mut().for_each(|(_, counts)| counts.slower[1] = 0.0);
        let learned = learned(&past);
        assert_eq!(learned.thresholds.len(), 1);
        assert_eq!(learned.thresholds[0].quantile, Some(0.5));
    }

    #[test]
    fn few_hosts_may_be_slower_by_their_hosts_alone() {
        let with = |hosts| {
            let rule = CompareRule { hosts, ..CompareRule::default() };
            let threshold = rule.learned(&past(720, 1.0, 0.0)).baseline.thresholds[1].clone();
            threshold.candidate / threshold.stable
        };
        about(with(Some(2)), 1.0932);
        about(with(Some(8)), 1.0466);
        assert_eq!(with(Some(100)), with(None), "hosts that are many make up for each other");
    }

    #[test]
    fn order_does_not_matter() {
        let mut shuffled = past(720, 3.0, 0.1);
        shuffled.bins.reverse();
        assert_eq!(learned(&shuffled), learned(&past(720, 3.0, 0.1)));
    }
}
