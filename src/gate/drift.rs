//! Drift: a release that has everything, against itself a while before.
//!
//! Nothing is left to compare with once the candidate has all requests, and what starts late (a leak, a table that
//! grows) shows only then. So its minutes are compared with its own first ones, by the comparison that judged it
//! beside the stable slot: the bin that lies so long after a pass began is held against the one that lies as long
//! after the watch began. The passes double until the first half hour is full, so that what starts in it is found too,
//! and then repeat against it:
//!
//! | pass | judges | against |
//! |---|---|---|
//! | 1 | minutes 5 to 10 | 0 to 5 |
//! | 2 | 10 to 20 | 0 to 10 |
//! | 3 | 20 to 30 | 0 to 10 |
//! | 4, 5 … | each further half hour | 0 to 30 |
//!
//! Within a pass no bin is used twice, so each is an e-process of its own for a release whose rates stay what they
//! were, and goes wrong with a chance of at most the part of alpha that it has: alpha by the number of passes. The
//! chance that a release which does not drift goes back is at most alpha over the whole watch, by the union bound.
//!
//! Days have hours: what a service does by itself in two hours is no drift of the release. So more is tolerated
//! than beside a stable slot: twice the failures and 0.2 percentage points, twice the refusals and 2 points, and 2.5 times the odds of a slow answer,
//! which is a quarter slower at p95 where the logarithms of response times have a standard deviation of 0.5.

use std::collections::BTreeMap;
use std::time::Duration;

use super::compare::{CompareEvidence, CompareRule, Comparison, ErrorTolerance, flaw_of};
use super::drifted::DriftEvidence;
use super::{Evidence, Outcome, Verdict, Window};
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::traffic::Share;

/// What is compared with, at most.
const REFERENCE: Duration = Duration::from_secs(30 * 60);
/// When the first pass begins.
const FIRST: Duration = Duration::from_secs(5 * 60);
/// How many times as many failures are no drift, and how many more.
const FAILURES: (f64, f64) = (2.0, 0.002);
/// How many more refusals are no drift, beside as many times as failures.
const REFUSALS: f64 = 0.02;
/// By what factor the odds of a slow answer may grow.
const ODDS: f64 = 2.5;
/// What a bin and its reference are to the comparison: neither has more of the traffic.
const EACH: Share = match Share::from_permille(500) {
    Some(share) => share,
    None => Share::ALL,
};
/// How old the data of the last verdict may be for the watch to pass: a bin, its delay, and a read that failed.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// A watch in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    rule: CompareRule,
    since: Timestamp,
    passes: Vec<Pass>,
    /// What was counted in the time that is compared with, as last read.
    reference: BTreeMap<Timestamp, Counts>,
    /// The last bin that was judged.
    judged: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
struct Pass {
    from: Duration,
    until: Duration,
    comparison: Comparison,
}

impl Drift {
    /// A watch of `length` of a release that has everything since `since`, with the alpha of `rule`.
    pub fn new(rule: &CompareRule, since: Timestamp, length: Duration) -> Self {
        let passes = passes(length);
        let mut rule = rule.clone();
        rule.alpha /= passes.len().max(1) as f64;
        // It is warm, and its hosts are those that it had.
        (rule.warm_up, rule.budget, rule.hosts) = (Duration::ZERO, None, None);
        rule.errors = ErrorTolerance { ratio: FAILURES.0, excess: FAILURES.1, ..rule.errors };
        rule.refused = ErrorTolerance { ratio: FAILURES.0, excess: REFUSALS, ..rule.refused };
        for threshold in &mut rule.baseline.thresholds {
            threshold.odds = ODDS;
        }
        let pass = |(from, until)| Pass { from, until, comparison: Comparison::new() };
        Self { rule, since, passes: passes.into_iter().map(pass).collect(), reference: BTreeMap::new(), judged: None }
    }

    /// Takes in the bins of one look; only the candidate's counts are looked at.
    pub fn take(&mut self, bins: &[Bin], window: Window<'_>) -> Verdict {
        let first = bins.iter().map(|bin| bin.at).filter(|at| *at >= self.since).min();
        let grid = *self.reference.first_key_value().map(|(at, _)| at).or(first.as_ref()).unwrap_or(&self.since);
        let marks = self.rule.baseline.thresholds.len();
        let whole = |bin: &&Bin| bin.at >= self.since;
        let counted = bins.iter().filter(whole).filter_map(|bin| Some((bin.at, bin.candidate.clone()?)));
        let sound = counted.filter(|(_, counts)| flaw_of(counts, marks).is_none() && counts.requests > 0.0);
        let seen: Vec<(Timestamp, Counts)> = sound.collect();
        // What came late from before the first bin would move all that is compared.
        let recent = seen.iter().filter(|(at, _)| *at >= grid && at.since(grid) < REFERENCE).cloned();
        self.reference.extend(recent);
        let course = [(self.since, EACH)];
        let rollout = window.rollout.max(self.since);
        let window = Window { rollout, exposed: Some(self.since), course: &course, unseen: &[], ..window };
        let mut worse = None;
        for pass in &mut self.passes {
            let paired: Vec<Bin> = seen
                .iter()
                .filter(|(at, _)| (pass.from..pass.until).contains(&at.since(grid)))
                .filter_map(|(at, counts)| {
                    let stable = self.reference.get(&(grid + at.since(grid + pass.from)))?.clone();
                    Some(Bin { at: *at, stable: Some(stable), candidate: Some(counts.clone()) })
                })
                .collect();
            let Some(last) = paired.last().map(|bin| bin.at) else { continue };
            let verdict = pass.comparison.take(&self.rule, &paired, window);
            self.judged = self.judged.max(Some(last));
            if verdict.outcome == Outcome::Fail {
                worse = Some(verdict.evidence);
            }
        }
        self.verdict(worse, window)
    }

    fn verdict(&self, worse: Option<Evidence>, window: Window<'_>) -> Verdict {
        if let Some(Evidence::Compare(CompareEvidence::Worse { cause, odds, .. })) = worse {
            return Verdict::fail(DriftEvidence::Worse { cause, odds });
        }
        let span = self.rule.feed.span();
        match self.judged.filter(|at| window.now.since(*at + span) <= FRESH + self.rule.feed.delay()) {
            Some(at) => Verdict::pass(DriftEvidence::Same { watched: window.now.since(self.since) }, at),
            None => Verdict::inconclusive(DriftEvidence::NoBin),
        }
    }
}

/// From when until when each pass judges, for a watch of `length`.
fn passes(length: Duration) -> Vec<(Duration, Duration)> {
    let reference = REFERENCE.min(length / 2);
    let mut passes = Vec::new();
    let (mut from, mut against) = (FIRST.min(reference), FIRST.min(reference));
    while from < length && !against.is_zero() {
        let until = (from + against).min(length.max(from));
        // What is compared with must be over before the pass begins.
        let until = if from < reference { until.min(reference) } else { until };
        passes.push((from, until));
        from = until;
        against = if from < reference { from } else { reference };
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::compare::{Baseline, Threshold};

    const MINUTE: Duration = Duration::from_secs(60);
    const HOURS: Duration = Duration::from_secs(2 * 3600);
    const SINCE: Timestamp = Timestamp::from_millis(60_000_000);

    fn rule() -> CompareRule {
        let threshold = |quantile, stable| Threshold {
            quantile: Some(quantile),
            stable,
            candidate: stable,
            odds: 1.0,
            share: 1.0 - quantile,
            noise: 0.001,
            jitter: 0.0,
        };
        let thresholds = vec![threshold(0.5, 0.1), threshold(0.95, 0.2)];
        let baseline = Baseline { bins: 720, rate: 30.0, errors: 0.001, thresholds, ..Baseline::default() };
        CompareRule { baseline, ..CompareRule::default() }
    }

    /// What a look at `now` knows of the rollout.
    fn window(now: Timestamp) -> Window<'static> {
        Window {
            rules: 1,
            rollout: SINCE,
            exposed: Some(SINCE),
            step: SINCE,
            deadline: SINCE + HOURS,
            course: &[],
            unseen: &[],
            now,
        }
    }

    /// What is said of minutes that the candidate fills with these failures and slow answers of 1,800 requests.
    fn watched(minutes: u32, of: impl Fn(u32) -> (f64, f64)) -> Vec<Verdict> {
        let mut drift = Drift::new(&rule(), SINCE, HOURS);
        let bins: Vec<Bin> = (0..minutes)
            .map(|minute| {
                let (errors, slow) = of(minute);
                // Counts scatter as chance makes them.
                let off = if minute.is_multiple_of(2) { 1.0 } else { -1.0 };
                let slower = vec![900.0 + 20.0 * off, slow + off * 8.0];
                let counts =
                    Counts { requests: 1800.0, errors: errors + off, timed: 1800.0, slower, ..Counts::default() };
                Bin { at: SINCE + MINUTE * minute, stable: None, candidate: Some(counts) }
            })
            .collect();
        (1..=minutes)
            .flat_map(|minute| [(minute, 70), (minute, 100)])
            .map(|(minute, after)| {
                let now = SINCE + MINUTE * (minute - 1) + MINUTE + Duration::from_secs(after);
                let from = (minute as usize).saturating_sub(10);
                drift.take(&bins[from..minute as usize], window(now))
            })
            .collect()
    }

    fn failed_in(verdicts: &[Verdict]) -> Option<usize> {
        verdicts.iter().position(|verdict| verdict.outcome == Outcome::Fail).map(|look| look / 2)
    }

    #[test]
    fn passes_cover_the_watch_and_end_before_they_are_compared_with() {
        let minutes = |length: u64| -> Vec<(u64, u64)> {
            let spans = passes(MINUTE * u32::try_from(length).expect("a few"));
            spans.into_iter().map(|(from, until)| (from.as_secs() / 60, until.as_secs() / 60)).collect()
        };
        assert_eq!(minutes(120), [(5, 10), (10, 20), (20, 30), (30, 60), (60, 90), (90, 120)]);
        assert_eq!(minutes(10), [(5, 10)]);
        assert_eq!(minutes(45), [(5, 10), (10, 20), (20, 22), (22, 45)]);
        assert!(minutes(24 * 60).len() <= 50);
    }

    #[test]
    fn a_release_that_stays_as_it_was_passes_on_its_last_minutes() {
        let verdicts = watched(120, |_| (2.0, 90.0));
        assert_eq!(failed_in(&verdicts), None);
        assert_eq!(verdicts[3].outcome, Outcome::Inconclusive, "the first minutes say nothing");
        let last = verdicts.last().expect("there are some");
        assert!(last.passes(SINCE), "{last:?}");
    }

    #[test]
    fn a_leak_that_starts_after_a_quarter_of_an_hour_is_found_within_ten_minutes() {
        let leak = |minute: u32| f64::from(minute.saturating_sub(15));
        let found = failed_in(&watched(120, |minute| (2.0, 90.0 + 30.0 * leak(minute))));
        assert!(found.is_some_and(|minute| (16..=27).contains(&minute)), "{found:?}");
        let found = failed_in(&watched(120, |minute| (2.0 + 2.0 * leak(minute), 90.0)));
        assert!(found.is_some_and(|minute| (16..=27).contains(&minute)), "{found:?}");
    }

    #[test]
    fn what_a_day_brings_is_no_drift() {
        let by_hour = |minute: u32| 1.0 + f64::from(minute) / 240.0;
        assert_eq!(failed_in(&watched(120, |minute| (2.0 * by_hour(minute), 90.0 * by_hour(minute)))), None);
    }

    #[test]
    fn minutes_without_requests_are_no_pass() {
        let mut verdicts = watched(60, |_| (2.0, 90.0));
        assert!(verdicts.pop().is_some_and(|verdict| verdict.outcome == Outcome::Pass));
        let mut drift = Drift::new(&rule(), SINCE, HOURS);
        assert_eq!(drift.take(&[], window(SINCE + HOURS)), Verdict::inconclusive(DriftEvidence::NoBin));
    }
}
