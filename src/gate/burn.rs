//! The burn-rate gate: the outer net under the whole service, whichever slot fails.
//!
//! The burn of a window is its share of failed requests over the share that may fail, so 1 uses the budget up
//! exactly in its own time. Nothing passes while the short window exceeds the factor; a breach needs more:
//!
//! * The long window exceeds it too, so that a short blip ends no rollout.
//! * Each window has been within the factor at least once since the candidate was given traffic, or was when
//!   that happened. A service that burned before is not burning for the candidate's sake; the step waits until
//!   it stops, within its own limit.
//! * At least [`LEAST_ERRORS`] requests failed in the long window. Of few requests one is easily too large a
//!   share; either it leaves the short window and the gate passes, or more failures come. So low traffic
//!   neither breaches by chance nor blocks for ever.
//!
//! A short window without a request says nothing.

use std::time::Duration;

use super::{Bound, Measure, Unit, Verdict, Window};
use crate::domain::clock::{Timestamp, span};

/// How many requests must have failed in the long window before it is a breach.
const LEAST_ERRORS: f64 = 5.0;

/// The length of one datapoint of the load balancer's counts.
const MINUTE: Duration = Duration::from_secs(60);

/// How fast the whole service may use up its error budget. The windows and factors are those of the
/// multi-window alerts in Google's Site Reliability Workbook, chapter 5: 14.4 over an hour is two percent
/// of a 30-day budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnRule {
    /// The share of requests that must succeed: 0.999.
    pub objective: f64,
    /// How many times faster than sustainable the budget may be used: 14.4.
    pub factor: f64,
    /// The long window: an hour. Whole minutes.
    pub long: Duration,
    /// The short window: five minutes. Whole minutes.
    pub short: Duration,
}

/// What one window counted, over both slots.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Burnt {
    /// Requests.
    pub requests: f64,
    /// Failures.
    pub errors: f64,
}

/// Both windows as one look saw them; each ends at `until`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnReading {
    /// The end of the last closed minute that has requests.
    pub until: Timestamp,
    /// The long window.
    pub long: Burnt,
    /// The short window.
    pub short: Burnt,
}

/// What a verdict on the burn rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BurnEvidence {
    /// No window can be judged: the closed minutes have no requests, or counts that make no sense.
    NoRequests,
    /// How fast both windows burn.
    Rates {
        /// The short window.
        short: BurnRate,
        /// The long window.
        long: BurnRate,
        /// How fast each may.
        factor: f64,
        /// What that says.
        says: BurnSays,
    },
}

/// How fast one window uses up the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnRate {
    /// How many times faster than sustainable.
    pub rate: f64,
    /// The window's length.
    pub over: Duration,
    /// What it counted.
    pub burnt: Burnt,
}

/// What the rates of both windows say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BurnSays {
    /// The short window keeps within the factor.
    Within,
    /// A window has exceeded it since before the candidate had traffic.
    BeforeCandidate,
    /// Only the short window exceeds it.
    ShortAlone,
    /// Both do, on too few failures.
    FewErrors,
    /// Both do.
    Both,
}

impl BurnEvidence {
    /// The short window's: nothing passes while it exceeds the factor.
    pub(super) fn measure(&self) -> Option<Measure> {
        let Self::Rates { short, factor, .. } = self else { return None };
        let (value, samples) = (Some(short.rate), Some(short.burnt.requests));
        Some(Measure { value, bound: Some(Bound::Above(*factor)), stable: None, samples, unit: Unit::BudgetRate })
    }
}

/// What is remembered between two looks: which window has exceeded the factor ever since the candidate was
/// given traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Burning {
    long: bool,
    short: bool,
}

impl BurnRule {
    pub(super) fn question(&self) -> String {
        let (long, short) = (span(self.long), span(self.short));
        let Self { factor, .. } = self;
        format!("the whole service uses its error budget at most {factor} times too fast over {short} and {long}")
    }

    /// How many times faster than sustainable; `None` without a request, and of counts that make no sense.
    /// A connection that failed may not be counted among the requests, so no share exceeds everything.
    fn burn(&self, burnt: Burnt) -> Option<f64> {
        let Burnt { requests, errors } = burnt;
        let sound = requests.is_finite() && errors.is_finite() && requests >= 0.0 && errors >= 0.0;
        let all = requests.max(errors);
        (sound && all > 0.0).then(|| errors / all / (1.0 - self.objective))
    }
}

impl Burning {
    /// Takes in one look.
    pub(super) fn take(&mut self, rule: &BurnRule, reading: &BurnReading, window: Window<'_>) -> Verdict {
        let (Some(long), Some(short)) = (rule.burn(reading.long), rule.burn(reading.short)) else {
            return Verdict::inconclusive(BurnEvidence::NoRequests);
        };
        let exceeds = Burning { long: long > rule.factor, short: short > rule.factor };
        let before = window.exposed.is_none_or(|exposed| reading.until <= exposed);
        *self = Burning { long: exceeds.long && (before || self.long), short: exceeds.short && (before || self.short) };
        let rate = |rate, over, burnt| BurnRate { rate, over, burnt };
        let (short, long) = (rate(short, rule.short, reading.short), rate(long, rule.long, reading.long));
        let rates = |says| BurnEvidence::Rates { short, long, factor: rule.factor, says };
        if !exceeds.short {
            return Verdict::pass(rates(BurnSays::Within), reading.until.before(MINUTE));
        }
        if self.long || self.short {
            return Verdict::inconclusive(rates(BurnSays::BeforeCandidate));
        }
        if !exceeds.long {
            return Verdict::inconclusive(rates(BurnSays::ShortAlone));
        }
        if reading.long.errors < LEAST_ERRORS {
            return Verdict::inconclusive(rates(BurnSays::FewErrors));
        }
        Verdict::fail(rates(BurnSays::Both))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Evidence, Outcome};

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(6_000_000 + minute * 60_000)
    }

    const RULE: BurnRule =
        BurnRule { objective: 0.999, factor: 14.4, long: Duration::from_secs(3600), short: Duration::from_secs(300) };

    /// What is said of windows that end at `until`; the candidate has had traffic since minute 100, the step
    /// took hold at minute 105.
    fn take(burning: &mut Burning, until: u64, long: (f64, f64), short: (f64, f64)) -> Verdict {
        let burnt = |(requests, errors)| Burnt { requests, errors };
        let reading = BurnReading { until: at(until), long: burnt(long), short: burnt(short) };
        let window = Window {
            rollout: at(90),
            exposed: (until > 100).then_some(at(100)),
            step: at(105),
            deadline: at(200),
            course: &[],
            now: at(until + 1),
        };
        burning.take(&RULE, &reading, window)
    }

    fn once(long: (f64, f64), short: (f64, f64)) -> Verdict {
        take(&mut Burning::default(), 110, long, short)
    }

    #[test]
    fn both_windows_must_burn_for_a_breach() {
        let check = |long, short, outcome| assert_eq!(once(long, short).outcome, outcome, "{long:?} {short:?}");
        check((60_000.0, 1_200.0), (5_000.0, 300.0), Outcome::Fail);
        check((60_000.0, 300.0), (5_000.0, 300.0), Outcome::Inconclusive);
        check((60_000.0, 1_200.0), (5_000.0, 5.0), Outcome::Pass);
        check((60_000.0, 0.0), (5_000.0, 0.0), Outcome::Pass);
        let verdict = once((60_000.0, 1_200.0), (5_000.0, 300.0));
        let measure = verdict.evidence.measure().unwrap();
        assert!(measure.value.is_some_and(|rate| (rate - 60.0).abs() < 1e-6), "{measure:?}");
        assert_eq!((measure.bound, measure.samples), (Some(Bound::Above(14.4)), Some(5_000.0)));
    }

    #[test]
    fn a_pass_rests_on_the_last_closed_minute() {
        let verdict = |until| take(&mut Burning::default(), until, (600.0, 0.0), (50.0, 0.0));
        assert!(verdict(106).passes(at(105)));
        assert!(!verdict(105).passes(at(105)));
    }

    #[test]
    fn a_service_that_burned_before_the_candidate_is_not_blamed_on_it() {
        let mut burning = Burning::default();
        let (bad, good) = (((60_000.0, 1_200.0), (5_000.0, 300.0)), ((60_000.0, 600.0), (5_000.0, 0.0)));
        assert_eq!(take(&mut burning, 99, bad.0, bad.1).outcome, Outcome::Inconclusive);
        let verdict = take(&mut burning, 108, bad.0, bad.1);
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        let Evidence::Burn(BurnEvidence::Rates { says, .. }) = verdict.evidence else { panic!("{verdict:?}") };
        assert_eq!(says, BurnSays::BeforeCandidate);
        assert_eq!(take(&mut burning, 112, bad.0, good.1).outcome, Outcome::Pass);
        assert_eq!(take(&mut burning, 113, bad.0, bad.1).outcome, Outcome::Inconclusive);
        assert_eq!(take(&mut burning, 150, good.0, good.1).outcome, Outcome::Pass);
        assert_eq!(take(&mut burning, 151, bad.0, bad.1).outcome, Outcome::Fail);
    }

    #[test]
    fn few_requests_neither_breach_by_chance_nor_block_for_ever() {
        assert_eq!(once((40.0, 1.0), (4.0, 1.0)).outcome, Outcome::Inconclusive);
        assert_eq!(once((44.0, 1.0), (4.0, 0.0)).outcome, Outcome::Pass);
        assert_eq!(once((44.0, 5.0), (4.0, 2.0)).outcome, Outcome::Fail);
        assert_eq!(once((44.0, 5.0), (0.0, 2.0)).outcome, Outcome::Fail);
    }

    #[test]
    fn no_data_is_never_a_pass() {
        let check = |long, short| assert_eq!(once(long, short).outcome, Outcome::Inconclusive, "{long:?} {short:?}");
        check((0.0, 0.0), (0.0, 0.0));
        check((600.0, 0.0), (0.0, 0.0));
        check((f64::NAN, 0.0), (50.0, 0.0));
        check((600.0, 0.0), (f64::INFINITY, 0.0));
        check((600.0, -1.0), (50.0, 0.0));
    }
}
