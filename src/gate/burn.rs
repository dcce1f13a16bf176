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

use super::{Verdict, Window};
use crate::domain::clock::{Timestamp, span};
use crate::domain::text;

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
            return Verdict::inconclusive("no requests in the closed minutes");
        };
        let exceeds = Burning { long: long > rule.factor, short: short > rule.factor };
        let before = window.exposed.is_none_or(|exposed| reading.until <= exposed);
        *self = Burning { long: exceeds.long && (before || self.long), short: exceeds.short && (before || self.short) };
        let rates = format!("{} times the budget over {}", rate(short), span(rule.short));
        let rates = format!("{rates}, {} over {}", rate(long), span(rule.long));
        let failed = |burnt: Burnt| {
            format!("{} of {} failed", text::count(whole(burnt.errors)), text::many(whole(burnt.requests), "request"))
        };
        if !exceeds.short {
            let text = format!("{rates}: {} in the last {}", failed(reading.short), span(rule.short));
            return Verdict::pass(text, reading.until.before(MINUTE));
        }
        if self.long || self.short {
            return Verdict::inconclusive(format!("{rates}: so it was before the candidate had traffic"));
        }
        if !exceeds.long {
            return Verdict::inconclusive(format!("{rates}, where {} is a breach", rule.factor));
        }
        if reading.long.errors < LEAST_ERRORS {
            return Verdict::inconclusive(format!("{rates}, but only {}", failed(reading.long)));
        }
        Verdict::fail(format!("{rates}, at most {}: {}", rule.factor, failed(reading.long)))
    }
}

/// A burn with as many digits as tell something.
fn rate(burn: f64) -> String {
    if burn >= 10.0 { format!("{burn:.0}") } else { format!("{burn:.1}") }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sound counts are no less than zero")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Outcome;

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
            rules: 1,
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
        let said = "60 times the budget over 5m, 20 over 1h, at most 14.4: 1,200 of 60,000 requests failed";
        assert_eq!(verdict.evidence, said);
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
        assert!(verdict.evidence.contains("before the candidate had traffic"), "{}", verdict.evidence);
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
