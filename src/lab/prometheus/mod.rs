//! A little PromQL over the counters that tasks tell, and no more: sums of rates and increases of one
//! metric, and numbers, with `+ - * /` between them.
//!
//! What it answers it answers as Prometheus 3 does, extrapolation of `rate` and `increase` included; all
//! else it refuses, but one form of `last_over_time`, whose increases add up. The metrics are `lab_requests_total`, `lab_errors_total`,
//! `lab_latency_seconds_bucket{le}` and `lab_latency_seconds_count`, with the labels `service` and `task`.

mod evaluate;
mod parse;
mod past;

pub(super) use self::evaluate::{Worth, evaluate};
pub(super) use self::parse::{duration_ms, parse};
pub(super) use self::past::Past;

use super::telemetry::Counters;

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A number.
    Number(f64),
    /// `sum(increase(…))`, or `sum(rate(…))`.
    Sum(Selector),
    /// One of `+ - * /` between two.
    Both(char, Box<[Expression; 2]>),
}

/// Which series, and how far back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    /// Which of a task's counters; none when there is no such series.
    counter: Option<Counter>,
    service: Option<String>,
    task: Option<String>,
    range_ms: u64,
    /// Whether the increase is divided by the seconds of the range.
    is_rate: bool,
    /// Whether it is what each series has more than at the end of the range before, from zero on where it is new.
    is_exact: bool,
}

/// One of a task's counters.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Counter {
    Requests,
    Errors,
    /// Requests that took no longer than an edge, by its place among the edges.
    Within(usize),
}

impl Counter {
    fn of(self, counters: &Counters) -> f64 {
        f64::from(match self {
            Counter::Requests => counters.requests,
            Counter::Errors => counters.errors,
            Counter::Within(edge) => counters.within[edge],
        })
    }
}
