//! The metric gate: any CloudWatch metric, metric math over several, or a PromQL query, against a bound.

use std::time::Duration;

use super::{Bound, Measure, ReadCount, Unit, Verdict, Window};
use crate::domain::clock::{Timestamp, span};
use crate::domain::fleet::Role;

/// A metric that must stay within a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRule {
    /// Where its value comes from.
    pub source: MetricSource,
    /// What the value must not do.
    pub bound: Bound,
    /// The length of one datapoint.
    pub period: Duration,
    /// How many of the last `of` datapoints must break the bound before it is a breach.
    pub breaching: u32,
    /// See `breaching`.
    pub of: u32,
    /// What no datapoint at all means, once the step has lasted as long as it may.
    pub missing_data: MissingData,
}

/// Where a metric's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricSource {
    /// CloudWatch.
    CloudWatch(CloudWatchMetric),
    /// A Prometheus server.
    Prometheus(PrometheusMetric),
}

/// CloudWatch metrics, and what is computed of them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CloudWatchMetric {
    /// The metrics that are read, by the id that the expression calls them.
    pub inputs: Vec<Input>,
    /// Metric math over the ids; `None` when there is one input, which is then the value.
    pub expression: Option<String>,
    /// The id of the input that counts samples, and the least sum a datapoint needs to count at all.
    pub samples: Option<(String, f64)>,
}

/// One value by PromQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusMetric {
    /// The server: `http://prometheus:9090`.
    pub url: String,
    /// Headers to send. Values may hold `${VAR}`, filled in when they are sent and never written down.
    pub headers: Vec<(String, String)>,
    /// What is asked; its answer must be one series. `<service>` and `<target_group>` stand for the
    /// candidate's, `<window>` for the rule's period.
    pub query: String,
}

/// What no datapoints mean. There is no word for "pass": no data is never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingData {
    /// Nothing yet: the step waits, within its limit.
    Inconclusive,
    /// A breach, as soon as two whole periods after the step took hold have brought nothing.
    Fail,
}

/// One metric that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// What the expression calls it: a lower-case letter, then letters, digits and `_`.
    pub id: String,
    /// The namespace: `AWS/ApplicationELB`.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// The statistic: `Sum`, `Average`, `p95`, `TC(0.2:)`.
    pub statistic: String,
    /// Whose metric it is.
    pub of: Of,
    /// Dimensions beside those that `of` gives.
    pub dimensions: Vec<(String, String)>,
    /// Whether a datapoint that is absent counts as zero: right for counts that are reported only
    /// when something happened, wrong for anything else.
    pub absent_is_zero: bool,
}

/// Whose metric an input is: what fills its dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The target group of the slot in this role, at the rollout's load balancer.
    Slot(Role),
    /// The rollout's load balancer.
    LoadBalancer,
    /// Nobody's: only the dimensions that are written out.
    Named,
}

/// One datapoint: the start of its period, and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The start of the period.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

/// Datapoints as one look saw them. Absence is a fact: a period that is not listed has no data.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MetricReading {
    /// The value, oldest first.
    pub values: Vec<Point>,
    /// The samples, oldest first; empty when the rule asks for none.
    pub samples: Vec<Point>,
}

impl MetricRule {
    /// What it asks, in one line.
    pub(super) fn question(&self) -> String {
        let value = match &self.source {
            MetricSource::Prometheus(metric) => metric.query.clone(),
            MetricSource::CloudWatch(metric) => match (&metric.expression, metric.inputs.first()) {
                (Some(expression), _) => expression.clone(),
                (None, Some(input)) => format!("{} {}", input.statistic, input.metric),
                (None, None) => String::new(),
            },
        };
        let times = if self.of > 1 { format!(" in {} of {}", self.breaching, self.of) } else { String::new() };
        format!("{value} is {}{times} per {}", self.bound, span(self.period))
    }

    /// The input that counts samples, and how many a datapoint needs.
    fn samples(&self) -> Option<&(String, f64)> {
        match &self.source {
            MetricSource::CloudWatch(metric) => metric.samples.as_ref(),
            MetricSource::Prometheus(_) => None,
        }
    }

    /// Closed datapoints with enough samples that begin at or after `from`.
    fn considered(&self, reading: &MetricReading, from: Timestamp, now: Timestamp) -> Vec<Point> {
        let enough = |point: &&Point| match self.samples() {
            None => true,
            Some((_, least)) => {
                reading.samples.iter().any(|s| s.at == point.at && s.value.is_finite() && s.value >= *least)
            }
        };
        let closed = |point: &&Point| point.at >= from && point.at + self.period <= now;
        let finite = |point: &&Point| point.value.is_finite();
        reading.values.iter().filter(closed).filter(finite).filter(enough).copied().collect()
    }

    /// The last datapoint of the first run of `of` in which `breaching` break the bound.
    fn breach(&self, points: &[Point]) -> Option<Point> {
        let broken = |p: &&Point| self.bound.is_broken_by(p.value);
        let of = self.of.max(1) as usize;
        (0..points.len()).find_map(|end| {
            let run = &points[(end + 1).saturating_sub(of)..=end];
            let count = run.iter().filter(broken).count();
            (count >= self.breaching.max(1) as usize).then_some(points[end])
        })
    }
}

/// What a metric's verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricEvidence {
    /// The datapoint with which the bound was broken often enough.
    Broken {
        /// Its value.
        value: f64,
        /// The bound.
        bound: Bound,
        /// The start of its period.
        at: Timestamp,
    },
    /// The last datapoint of those that pass.
    Within {
        /// Its value.
        value: f64,
        /// The bound.
        bound: Bound,
    },
    /// Fewer datapoints count than the rule judges.
    TooFewPoints {
        /// How many count so far.
        points: usize,
        /// How many are judged.
        of: u32,
    },
    /// No datapoint counts, because the last one rests on too few samples.
    TooFewSamples {
        /// How many it rests on.
        samples: ReadCount,
        /// What counts them.
        id: String,
        /// How many it needs.
        least: f64,
    },
    /// No datapoint at all.
    NoData {
        /// Whether the rule counts that as a breach.
        is_breach: bool,
    },
}

impl MetricEvidence {
    pub(super) fn measure(&self) -> Option<Measure> {
        let of = |value, bound, unit| {
            Some(Measure { value: Some(value), bound: Some(bound), stable: None, samples: None, unit })
        };
        match self {
            Self::Broken { value, bound, .. } | Self::Within { value, bound } => of(*value, *bound, Unit::Metric),
            Self::TooFewPoints { points, of: least } => {
                of(*points as f64, Bound::Below(f64::from(*least)), Unit::Datapoints)
            }
            Self::TooFewSamples { samples, least, .. } => of(samples.0, Bound::Below(*least), Unit::Samples),
            Self::NoData { .. } => None,
        }
    }
}

/// The values of the last look: a datapoint passes a step once two looks agree on it, because CloudWatch may revise what
/// it has just published. One that breaks the bound breaks it at first sight.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sighted {
    values: Vec<Point>,
    samples: Vec<Point>,
}

impl Sighted {
    /// Takes in one look.
    pub(super) fn take(&mut self, rule: &MetricRule, reading: &MetricReading, window: Window<'_>) -> Verdict {
        let before = std::mem::replace(self, Self { values: reading.values.clone(), samples: reading.samples.clone() });
        let same = |before: &[Point], now: &[Point], at: Timestamp| {
            let of = |points: &[Point]| points.iter().find(|point| point.at == at).map(|point| point.value);
            of(before) == of(now)
        };
        let agreed = |point: &&Point| {
            let (at, rules) = (point.at, window.rules);
            rules == 0 || same(&before.values, &reading.values, at) && same(&before.samples, &reading.samples, at)
        };
        let values = reading.values.iter().filter(agreed).copied().collect();
        judge(rule, reading, &MetricReading { values, samples: reading.samples.clone() }, window)
    }
}

fn judge(rule: &MetricRule, reading: &MetricReading, agreed: &MetricReading, window: Window<'_>) -> Verdict {
    let since = window.exposed.unwrap_or(window.step).min(window.step);
    if let Some(point) = rule.breach(&rule.considered(reading, since, window.now)) {
        return Verdict::fail(MetricEvidence::Broken { value: point.value, bound: rule.bound, at: point.at });
    }
    let points = rule.considered(agreed, window.step, window.now);
    let enough = points.len() >= rule.of.max(1) as usize;
    match (points.first(), points.last()) {
        (Some(first), Some(last)) if enough => {
            Verdict::pass(MetricEvidence::Within { value: last.value, bound: rule.bound }, first.at)
        }
        (Some(_), Some(_)) => Verdict::inconclusive(MetricEvidence::TooFewPoints { points: points.len(), of: rule.of }),
        _ => nothing(rule, reading, window),
    }
}

/// No datapoint counts: too early, too few samples, or silence.
fn nothing(rule: &MetricRule, reading: &MetricReading, window: Window<'_>) -> Verdict {
    let late = window.now.since(window.step) > rule.period * (rule.of + 2) && window.exposed.is_some();
    if late && rule.missing_data == MissingData::Fail {
        return Verdict::fail(MetricEvidence::NoData { is_breach: true });
    }
    let sparse = rule.samples().and_then(|(id, least)| {
        let last = reading.samples.iter().rev().find(|s| s.at >= window.step).filter(|last| last.value < *least)?;
        Some(MetricEvidence::TooFewSamples { samples: ReadCount(last.value), id: id.clone(), least: *least })
    });
    Verdict::inconclusive(sparse.unwrap_or(MetricEvidence::NoData { is_breach: false }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Outcome;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_200_000 + seconds * 1000)
    }

    fn source(samples: Option<(String, f64)>) -> MetricSource {
        let expression = Some("100 * e / r".into());
        MetricSource::CloudWatch(CloudWatchMetric { inputs: Vec::new(), expression, samples })
    }

    fn rule() -> MetricRule {
        MetricRule {
            source: source(None),
            bound: Bound::Above(1.0),
            period: Duration::from_secs(60),
            breaching: 1,
            of: 1,
            missing_data: MissingData::Inconclusive,
        }
    }

    fn series(points: &[(u64, f64)]) -> Vec<Point> {
        points.iter().map(|(s, value)| Point { at: at(*s), value: *value }).collect()
    }

    /// A step that took hold at 120, of a candidate that has had traffic since 60, looked at at 330.
    fn window() -> Window<'static> {
        Window {
            rules: 1,
            rollout: at(0),
            exposed: Some(at(60)),
            step: at(120),
            deadline: Timestamp::default(),
            course: &[],
            unseen: &[],
            now: at(330),
        }
    }

    fn verdict(rule: &MetricRule, values: &[(u64, f64)], samples: &[(u64, f64)]) -> Verdict {
        let reading = MetricReading { values: series(values), samples: series(samples) };
        let mut sighted = Sighted::default();
        sighted.take(rule, &reading, window());
        sighted.take(rule, &reading, window())
    }

    #[test]
    fn a_point_over_the_bound_since_exposure_fails() {
        assert_eq!(verdict(&rule(), &[(60, 2.0), (120, 0.0)], &[]).outcome, Outcome::Fail);
        assert_eq!(verdict(&rule(), &[(0, 2.0), (120, 0.0)], &[]).outcome, Outcome::Pass);
    }

    #[test]
    fn data_from_before_the_step_does_not_pass_it() {
        assert_eq!(verdict(&rule(), &[(60, 0.5)], &[]).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn an_open_period_says_nothing() {
        assert_eq!(verdict(&rule(), &[(300, 9.0)], &[]).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn values_that_are_no_numbers_are_no_data() {
        assert_eq!(verdict(&rule(), &[(120, f64::NAN), (180, f64::INFINITY)], &[]).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn m_of_n_needs_m() {
        let two_of_three = MetricRule { breaching: 2, of: 3, ..rule() };
        let values = [(120, 2.0), (180, 0.0), (240, 0.0)];
        assert_eq!(verdict(&two_of_three, &values, &[]).outcome, Outcome::Pass);
        let values = [(120, 2.0), (180, 0.0), (240, 2.0)];
        assert_eq!(verdict(&two_of_three, &values, &[]).outcome, Outcome::Fail);
    }

    #[test]
    fn too_few_samples_make_a_point_say_nothing() {
        let rule = MetricRule { source: source(Some(("r".into(), 50.0))), ..rule() };
        let sparse = verdict(&rule, &[(120, 9.0)], &[(120, 3.0)]);
        assert_eq!(sparse.outcome, Outcome::Inconclusive);
        let (samples, id) = (ReadCount(3.0), "r".to_owned());
        assert_eq!(sparse.evidence, MetricEvidence::TooFewSamples { samples, id, least: 50.0 }.into());
        assert_eq!(verdict(&rule, &[(120, 9.0)], &[(120, 50.0)]).outcome, Outcome::Fail);
        // The value is still to be published.
        assert_eq!(verdict(&rule, &[], &[(120, 50.0)]).evidence, MetricEvidence::NoData { is_breach: false }.into());
    }

    #[test]
    fn silence_fails_only_where_the_spec_says_so() {
        let strict = MetricRule { missing_data: MissingData::Fail, ..rule() };
        assert_eq!(verdict(&strict, &[], &[]).outcome, Outcome::Fail);
        assert_eq!(verdict(&rule(), &[], &[]).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn a_point_passes_once_two_looks_agree_on_it_and_fails_at_first_sight() {
        let mut sighted = Sighted::default();
        let mut look = |values: &[(u64, f64)]| {
            let reading = MetricReading { values: series(values), samples: Vec::new() };
            sighted.take(&rule(), &reading, window()).outcome
        };
        assert_eq!(look(&[(120, 0.2)]), Outcome::Inconclusive);
        assert_eq!(look(&[(120, 0.4), (180, 0.1)]), Outcome::Inconclusive);
        assert_eq!(look(&[(120, 0.4), (180, 0.1)]), Outcome::Pass);
        assert_eq!(look(&[(120, 0.4), (180, 0.1), (240, 9.0)]), Outcome::Fail);
    }
}
