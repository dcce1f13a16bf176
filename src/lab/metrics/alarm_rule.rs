//! The rule of a metric alarm: how M of N datapoints and missing ones decide its state.

use serde_json::{Value, json};

use super::alarm_state::State;
use super::query::{self, Query};
use super::statistic::Statistic;
use super::store::{Store, Window};
use crate::value::{list, number, text, whole};

/// Periods looked at beyond those evaluated, in search of datapoints that are there.
const RANGE_BEYOND: usize = 2;

/// A series against a threshold.
#[derive(Debug, Clone)]
pub(crate) struct MetricRule {
    queries: Vec<Query>,
    watched: usize,
    /// The threshold.
    pub threshold: f64,
    comparison: Comparison,
    /// The length of its periods in seconds.
    pub period: u64,
    evaluation_periods: usize,
    datapoints_to_alarm: usize,
    missing: Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    Greater,
    Less,
    AtMost,
}

/// What a missing datapoint counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Unknown,
    NotBreaching,
    Breaching,
    Ignore,
}

impl MetricRule {
    /// How much time one evaluation looks at, in seconds.
    pub(crate) fn window(&self) -> u64 {
        self.period * self.evaluation_periods as u64
    }

    /// Reads the rule of a metric alarm.
    ///
    /// # Errors
    /// Says what AWS would refuse.
    pub(crate) fn parse(body: &Value) -> Result<MetricRule, String> {
        let simple;
        let metrics = match list(body, "Metrics") {
            [] => {
                simple = [simple_query(body)?];
                &simple[..]
            }
            metrics => metrics,
        };
        let queries = query::parse(metrics)?;
        let mut returned = query::returned(&queries);
        let watched = returned.next().map(|(index, _)| index);
        if returned.next().is_some() || watched.is_none() {
            return Err("Exactly one element of the metrics list should return data.".to_owned());
        }
        drop(returned);
        let period = queries.iter().filter_map(|query| query.period).max().unwrap_or(60);
        let periods = whole(body, "EvaluationPeriods").filter(|n| *n >= 1);
        let periods = periods.ok_or("EvaluationPeriods must be at least 1")? as usize;
        let to_alarm = whole(body, "DatapointsToAlarm").unwrap_or(periods as i64);
        if to_alarm < 1 || to_alarm as usize > periods {
            return Err("DatapointsToAlarm must be from 1 to EvaluationPeriods".to_owned());
        }
        let day = if period < 3_600 { 86_400 } else { 7 * 86_400 };
        if period * periods as u64 > day {
            return Err(
                "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
                    .to_owned(),
            );
        }
        Ok(MetricRule {
            watched: watched.unwrap_or_default(),
            threshold: number(body, "Threshold").ok_or("Threshold is required")?,
            comparison: parse_comparison(text(body, "ComparisonOperator").unwrap_or_default())?,
            period,
            evaluation_periods: periods,
            datapoints_to_alarm: to_alarm as usize,
            missing: parse_missing(text(body, "TreatMissingData").unwrap_or("missing"))?,
            queries,
        })
    }

    /// The first second that is looked at, at a moment.
    pub(crate) fn start(&self, now: u64) -> u64 {
        let range = (self.evaluation_periods + RANGE_BEYOND) as u64;
        (now / 1_000 / self.period * self.period).saturating_sub(range * self.period)
    }

    /// The state by what can be seen at a moment, and the datapoints that decided; none keeps it.
    pub(crate) fn judge(&self, store: &Store, now: u64) -> Option<(State, Vec<f64>)> {
        let end = now / 1_000 / self.period * self.period;
        let range = self.evaluation_periods + RANGE_BEYOND;
        let start = self.start(now);
        let window = Window { start, end, seen_at_ms: now };
        let mut all = query::evaluate(&self.queries, store, window).ok()?;
        let series = all.swap_remove(self.watched);
        let points: Vec<Option<bool>> = (0..range as u64)
            .map(|step| series.get(&(start + step * self.period)).map(|value| self.breaches(*value)))
            .collect();
        let state = decide(&points, self.evaluation_periods, self.datapoints_to_alarm, self.missing)?;
        Some((state, series.into_values().rev().take(self.evaluation_periods).collect()))
    }

    fn breaches(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::AtLeast => value >= self.threshold,
            Comparison::Greater => value > self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::AtMost => value <= self.threshold,
        }
    }
}

fn simple_query(body: &Value) -> Result<Value, String> {
    let stat = text(body, "Statistic").or_else(|| text(body, "ExtendedStatistic"));
    let stat = stat.ok_or("Statistic or ExtendedStatistic is required")?;
    if Statistic::parse(stat).is_none() {
        return Err(format!("The value {stat} for parameter ExtendedStatistic is not valid"));
    }
    let period = whole(body, "Period").ok_or("Period is required")?;
    Ok(json!({"Id": "m1", "MetricStat": {"Metric": {
        "Namespace": body.get("Namespace"), "MetricName": body.get("MetricName"),
        "Dimensions": body.get("Dimensions")}, "Period": period, "Stat": stat}}))
}

fn parse_comparison(word: &str) -> Result<Comparison, String> {
    Ok(match word {
        "GreaterThanOrEqualToThreshold" => Comparison::AtLeast,
        "GreaterThanThreshold" => Comparison::Greater,
        "LessThanThreshold" => Comparison::Less,
        "LessThanOrEqualToThreshold" => Comparison::AtMost,
        _ => return Err(format!("The comparison operator {word} is not supported")),
    })
}

fn parse_missing(word: &str) -> Result<Missing, String> {
    Ok(match word {
        "missing" => Missing::Unknown,
        "notBreaching" => Missing::NotBreaching,
        "breaching" => Missing::Breaching,
        "ignore" => Missing::Ignore,
        _ => return Err(format!("The value {word} for parameter TreatMissingData is not valid")),
    })
}

/// The newest N datapoints that are there decide; where fewer are there, missing ones are counted:
///
/// | missing data is | there is none | there is some |
/// |---|---|---|
/// | `missing` | INSUFFICIENT_DATA | those decide, M or all of them |
/// | `notBreaching`, `breaching` | OK, ALARM | counted as such |
/// | `ignore` | kept | kept, unless those that are there suffice |
fn decide(points: &[Option<bool>], periods: usize, to_alarm: usize, missing: Missing) -> Option<State> {
    let there: Vec<bool> = points.iter().rev().filter_map(|point| *point).take(periods).collect();
    let breaching = there.iter().filter(|breaches| **breaches).count();
    let absent = periods - there.len();
    let when = |is_alarm: bool| Some(if is_alarm { State::Alarm } else { State::Ok });
    match missing {
        _ if absent == 0 => when(breaching >= to_alarm),
        Missing::Unknown if there.is_empty() => Some(State::InsufficientData),
        Missing::Unknown => when(breaching >= to_alarm.min(there.len())),
        Missing::NotBreaching => when(breaching >= to_alarm),
        Missing::Breaching => when(breaching + absent >= to_alarm),
        Missing::Ignore if breaching >= to_alarm => Some(State::Alarm),
        Missing::Ignore if !there.is_empty() && breaching + absent < to_alarm => Some(State::Ok),
        Missing::Ignore => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points are `X` breaching, `0` not, `-` missing; periods and datapoints are given as M/N.
    fn check(points: &str, m_of_n: (usize, usize), missing: Missing, expected: Option<State>) {
        let read = |point| match point {
            'X' => Some(true),
            '0' => Some(false),
            _ => None,
        };
        let points: Vec<Option<bool>> = points.chars().map(read).collect();
        let found = decide(&points, m_of_n.1, m_of_n.0, missing);
        assert_eq!(found, expected, "{points:?} {m_of_n:?} {missing:?}");
    }

    #[test]
    fn the_newest_datapoints_that_are_there_decide() {
        for missing in [Missing::Unknown, Missing::NotBreaching, Missing::Breaching, Missing::Ignore] {
            check("0-X-X", (3, 3), missing, Some(State::Ok));
            check("0XX-X", (3, 3), missing, Some(State::Alarm));
            check("0X0-X", (2, 3), missing, Some(State::Alarm));
        }
    }

    #[test]
    fn missing_datapoints_count_as_told() {
        check("-----", (3, 3), Missing::Unknown, Some(State::InsufficientData));
        check("-----", (3, 3), Missing::Ignore, None);
        check("-----", (3, 3), Missing::Breaching, Some(State::Alarm));
        check("-----", (3, 3), Missing::NotBreaching, Some(State::Ok));
        check("--X--", (3, 3), Missing::Unknown, Some(State::Alarm));
        check("--X--", (3, 3), Missing::Ignore, None);
        check("--X--", (3, 3), Missing::Breaching, Some(State::Alarm));
        check("--X--", (3, 3), Missing::NotBreaching, Some(State::Ok));
        check("----0", (3, 3), Missing::Breaching, Some(State::Ok));
        check("----0", (3, 3), Missing::Ignore, Some(State::Ok));
        check("---X-", (1, 1), Missing::NotBreaching, Some(State::Alarm));
    }
}
