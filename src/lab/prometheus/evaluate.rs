//! What an expression is worth at a moment.

use super::{Counter, Expression, Past, Selector};
use crate::telemetry::{Sample, Telemetry};

/// How long before a range a series was seen that is not new in it.
const KNOWN_FOR_MS: u64 = 15 * 60_000;

/// What an expression is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Worth {
    /// A number.
    Scalar(f64),
    /// A vector of one element without labels, or of none.
    Vector(Option<f64>),
}

/// What an expression is worth at a moment, in lab milliseconds.
pub(crate) fn evaluate(expression: &Expression, past: &Past, telemetry: &Telemetry, at_ms: u64) -> Worth {
    match expression {
        Expression::Number(number) => Worth::Scalar(*number),
        Expression::Sum(selector) => Worth::Vector(selector.sum(past, telemetry, at_ms)),
        Expression::Both(sign, sides) => {
            let [left, right] = [0, 1].map(|side| evaluate(&sides[side], past, telemetry, at_ms));
            let apply = |left: f64, right: f64| match sign {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => left / right,
            };
            match (left, right) {
                (Worth::Scalar(left), Worth::Scalar(right)) => Worth::Scalar(apply(left, right)),
                (left, right) => Worth::Vector(left.value().zip(right.value()).map(|(l, r)| apply(l, r))),
            }
        }
    }
}

impl Worth {
    /// The number, if there is one.
    pub(crate) fn value(self) -> Option<f64> {
        match self {
            Worth::Scalar(number) => Some(number),
            Worth::Vector(value) => value,
        }
    }
}

impl Selector {
    fn sum(&self, past: &Past, telemetry: &Telemetry, at_ms: u64) -> Option<f64> {
        let counter = self.counter?;
        let mut sum = None;
        let mut add = |service: &str, task: &str, samples: &[Sample]| {
            let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
            if is(&self.service, service) && is(&self.task, task) {
                let from = samples.partition_point(|(at, _)| at + self.range_ms <= at_ms);
                let until = samples.partition_point(|(at, _)| *at <= at_ms);
                let within = &samples[from..until.max(from)];
                let increase = if self.is_exact {
                    within.last().map(|last| more(&samples[..from], last, counter, self.range_ms))
                } else {
                    increase(within, counter, self.range_ms, at_ms)
                };
                if let Some(increase) = increase {
                    *sum.get_or_insert(0.0) += increase;
                }
            }
        };
        let back = self.range_ms + if self.is_exact { KNOWN_FOR_MS } else { 0 };
        past.look(at_ms.saturating_sub(back), &mut add);
        telemetry.look(&mut add);
        let seconds = if self.is_rate { self.range_ms as f64 / 1e3 } else { 1.0 };
        sum.map(|sum: f64| sum / seconds)
    }
}

/// What a counter has more at a sample than at the last one before the range; all of it where there is none, or where it
/// has less.
fn more(before: &[Sample], (at, last): &Sample, counter: Counter, range_ms: u64) -> f64 {
    let known = before.last().filter(|(known, _)| known + range_ms + KNOWN_FOR_MS >= *at);
    let (now, was) = (counter.of(last), known.map_or(0.0, |(_, was)| counter.of(was)));
    if now < was { now } else { now - was }
}

/// The increase of a counter over a range that ends at a moment, from the samples that lie in it, extended
/// to the ends of the range as Prometheus does (`extrapolatedRate` in promql/functions.go): by up to 1.1
/// times the usual distance of samples, else by half of it, and never below a counter of zero.
fn increase(samples: &[Sample], counter: Counter, range_ms: u64, at_ms: u64) -> Option<f64> {
    let [(first_at, first), .., (last_at, last)] = samples else { return None };
    let (start, increase) = (counter.of(first), counter.of(last) - counter.of(first));
    let span = (last_at - first_at) as f64;
    let usual = span / (samples.len() - 1) as f64;
    let reach = |distance: f64| if distance >= 1.1 * usual { usual / 2.0 } else { distance };
    let mut to_start = reach((first_at + range_ms - at_ms) as f64);
    if increase > 0.0 {
        to_start = to_start.min(span * start / increase);
    }
    let to_end = reach((at_ms - last_at) as f64);
    Some(increase * (span + to_start + to_end) / span)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::config::LabConfig;
    use crate::metrics::store::Store;

    fn sample(at: u64, requests: u32) -> Sample {
        let mut counters = crate::telemetry::Counters::default();
        (0..requests).for_each(|_| counters.add(0.1, false));
        (at, counters)
    }

    fn check(samples: &[(u64, u32)], expected: Option<f64>) {
        let samples: Vec<Sample> = samples.iter().map(|(at, requests)| sample(*at, *requests)).collect();
        let found = increase(&samples, Counter::Requests, 10_000, 20_000);
        assert_eq!(found.map(|found| (found * 1e6).round() / 1e6), expected, "{samples:?}");
    }

    #[test]
    fn increases_reach_to_the_ends_of_their_range_as_in_prometheus() {
        check(&[(12_000, 100), (14_000, 110), (16_000, 120), (18_000, 130), (20_000, 140)], Some(50.0));
        check(&[(12_000, 0), (14_000, 10), (20_000, 40)], Some(40.0));
        check(&[(12_000, 100), (13_000, 110), (14_000, 120)], Some(30.0));
        check(&[(11_000, 7), (19_000, 7)], Some(0.0));
        check(&[(15_000, 7)], None);
        check(&[], None);
    }

    #[test]
    fn a_sum_is_over_the_tasks_that_are_meant_and_nothing_over_none() {
        let config = LabConfig { rps: 0.0, ..LabConfig::default() };
        let past = Past::new(&config, 1_000_000);
        let (telemetry, mut store) = (Telemetry::default(), Store::new(0));
        let tellers = [("web-blue", "a"), ("web-blue", "b"), ("web-green", "c")];
        let tellers = tellers.map(|(service, task)| telemetry.teller(service, task));
        for second in (1_000..1_020_u64).step_by(2) {
            for teller in &tellers {
                teller.tell(second * 1_000, 0.1, second % 4 == 0);
            }
            telemetry.turn(&mut store, second * 1_000);
        }
        let ask = |text: &str| evaluate(&parse(text).expect("it is right"), &past, &telemetry, 1_018_000);
        let both = ask("sum(increase(lab_requests_total{service=\"web-blue\"}[8s]))");
        assert_eq!(both, Worth::Vector(Some(8.0)));
        assert_eq!(ask("sum(rate(lab_requests_total[8s]))"), Worth::Vector(Some(1.5)));
        let exact = |of: &str, range: &str| {
            let now = format!("last_over_time({of}[{range}])");
            format!("((({now} - (last_over_time({of}[15m] offset {range}) or 0 * {now})) >= 0 or {now})")
        };
        let whole = format!("sum{})", exact("lab_requests_total{service=\"web-blue\"}", "30s"));
        assert_eq!(ask(&whole), Worth::Vector(Some(20.0)), "the series are born in it");
        let none = format!("sum{})", exact("lab_requests_total{service=\"web-red\"}", "8s"));
        assert_eq!(ask(&none), Worth::Vector(None));
        let rate = format!("sum(({} / 8))", &exact("lab_requests_total", "8s")[1..]);
        assert_eq!(ask(&rate), Worth::Vector(Some(1.5)));
        assert_eq!(ask("sum(increase(lab_requests_total{service=\"web-red\"}[8s]))"), Worth::Vector(None));
        let slow = "sum(increase(lab_requests_total{task=\"c\"}[8s])) - \
                    sum(increase(lab_latency_seconds_bucket{task=\"c\",le=\"0.075\"}[8s]))";
        assert_eq!(ask(slow), Worth::Vector(Some(4.0)));
        assert_eq!(ask("100 * (1 + 2) / 4"), Worth::Scalar(75.0));
        assert_eq!(ask("1 - sum(increase(up[1m]))"), Worth::Vector(None));
    }
}
