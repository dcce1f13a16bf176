//! Metric data queries: which series are asked for, and what they are worth together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Series;
use super::expression::{self, Expression};
use super::math::{Scope, Worth};
use super::statistic::Statistic;
use super::store::{Key, Store, Window};
use crate::value::{flag, list, text, whole};

/// Queries in one request.
pub(crate) const QUERIES_LIMIT: usize = 500;

/// One query.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Its id.
    pub id: String,
    /// What it is called in the answer.
    pub label: String,
    /// Whether the answer tells its values.
    pub is_returned: bool,
    /// The length of its periods in seconds, if it says so itself.
    pub period: Option<u64>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Metric(Key, Statistic),
    Expression(Expression),
}

/// Reads the queries of a request.
///
/// # Errors
/// Says what AWS would refuse, in its words as far as they are known.
pub(crate) fn parse(values: &[Value]) -> Result<Vec<Query>, String> {
    if values.is_empty() {
        return Err("The parameter MetricDataQueries is required.".to_owned());
    }
    if values.len() > QUERIES_LIMIT {
        return Err(format!("The collection MetricDataQueries must not have a size greater than {QUERIES_LIMIT}."));
    }
    let mut queries: Vec<Query> = Vec::with_capacity(values.len());
    for value in values {
        let query = parse_one(value)?;
        if queries.iter().any(|other| other.id == query.id) {
            return Err(format!("The values for parameter id in MetricDataQueries are not unique: {}.", query.id));
        }
        queries.push(query);
    }
    Ok(queries)
}

fn parse_one(value: &Value) -> Result<Query, String> {
    let id = text(value, "Id").unwrap_or_default();
    let is_named =
        id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_named {
        return Err(format!(
            "The value {id} for parameter MetricDataQueries.member.Id is not matching the expected \
             pattern ^[a-z][a-zA-Z0-9_]*$"
        ));
    }
    let (source, period, usual) = match (value.get("MetricStat"), text(value, "Expression")) {
        (Some(stat), None) => {
            let (key, statistic, period) = parse_stat(stat)?;
            let usual = key.name.clone();
            (Source::Metric(key, statistic), Some(period), usual)
        }
        (None, Some(expression)) => {
            let period = whole(value, "Period").map(|period| period.max(1) as u64);
            (Source::Expression(expression::parse(expression)?), period, id.to_owned())
        }
        _ => return Err(format!("Exactly one of MetricStat and Expression is required (id {id}).")),
    };
    Ok(Query {
        id: id.to_owned(),
        label: text(value, "Label").map_or(usual, str::to_owned),
        is_returned: flag(value, "ReturnData").unwrap_or(true),
        period,
        source,
    })
}

fn parse_stat(stat: &Value) -> Result<(Key, Statistic, u64), String> {
    let empty = Value::Null;
    let metric = stat.get("Metric").unwrap_or(&empty);
    let key = parse_key(metric)?;
    let name = text(stat, "Stat").unwrap_or_default();
    let statistic = Statistic::parse(name);
    let statistic =
        statistic.ok_or_else(|| format!("The value {name} for parameter Stat is not a valid statistic."))?;
    let period = whole(stat, "Period").unwrap_or(0);
    if !is_period(period) {
        return Err("The parameter MetricStat.Period must be 1, 5, 10, 20, 30 or a multiple of 60.".to_owned());
    }
    Ok((key, statistic, period as u64))
}

/// Whether a period has one of the lengths there are, in seconds.
pub(crate) fn is_period(seconds: i64) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || (seconds >= 60 && seconds % 60 == 0)
}

/// Reads what names a metric: `Namespace`, `MetricName` and `Dimensions`.
///
/// # Errors
/// Says which of them is missing.
pub(crate) fn parse_key(metric: &Value) -> Result<Key, String> {
    let required = |key: &str| {
        text(metric, key).filter(|text| !text.is_empty()).ok_or_else(|| format!("The parameter {key} is required."))
    };
    let dimensions: Vec<(&str, &str)> = list(metric, "Dimensions")
        .iter()
        .filter_map(|pair| Some((text(pair, "Name")?, text(pair, "Value")?)))
        .collect();
    Ok(Key::new(required("Namespace")?, required("MetricName")?, &dimensions))
}

/// Computes all queries; a series for each, in their order.
///
/// # Errors
/// Names expressions that look at unknown ids, at each other in a circle, or do not give a series.
pub(crate) fn evaluate(queries: &[Query], store: &Store, window: Window) -> Result<Vec<Series>, String> {
    let mut known = BTreeMap::new();
    let mut metrics = BTreeMap::new();
    let mut waiting = Vec::new();
    for query in queries {
        match &query.source {
            Source::Metric(key, statistic) => {
                let period = store.period(key, query.period.unwrap_or(60));
                let series = store.read(key, statistic, period, window);
                known.insert(query.id.clone(), Worth::One(series));
                metrics.insert(query.id.clone(), period);
            }
            Source::Expression(tree) => waiting.push((query, tree)),
        }
    }
    let usual = metrics.values().copied().max().unwrap_or(60);
    let finest = metrics.values().copied().min().unwrap_or(60);
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|(_, tree)| tree.ids().iter().all(|id| known.contains_key(*id)));
        let Some(ready) = ready else { return Err(stuck(queries, &waiting, &known)) };
        let (query, tree) = waiting.remove(ready);
        let period = query.period.unwrap_or(usual).max(finest);
        let grid = grid(period, window);
        let scope = Scope { known: &known, metrics: &metrics, grid: &grid, period };
        let worth = scope.compute(tree)?;
        known.insert(query.id.clone(), worth);
    }
    queries.iter().map(|query| one_series(query, &known)).collect()
}

fn one_series(query: &Query, known: &BTreeMap<String, Worth>) -> Result<Series, String> {
    match known.get(&query.id) {
        Some(Worth::One(series)) => Ok(series.clone()),
        Some(Worth::Many(many)) if many.len() == 1 => Ok(many[0].clone()),
        _ if !query.is_returned => Ok(Series::new()),
        _ => Err(format!("Error in expression '{}': the result must be a single time series", query.id)),
    }
}

fn stuck(queries: &[Query], waiting: &[(&Query, &Expression)], known: &BTreeMap<String, Worth>) -> String {
    let (query, tree) = waiting[0];
    let missing = tree.ids().into_iter().find(|id| !known.contains_key(*id)).unwrap_or_default();
    if queries.iter().any(|other| other.id == missing) {
        format!("Error in expression '{}': it depends on itself", query.id)
    } else {
        format!("Error in expression '{}': the id {missing} is not known", query.id)
    }
}

/// Periods that have begun; the ones to come are never filled.
fn grid(period: u64, window: Window) -> Vec<u64> {
    let end = window.end.min(window.seen_at_ms / 1_000);
    let start = window.start / period * period;
    (start..end.max(start)).step_by(period as usize).collect()
}

/// Whether any query asks for values that are told.
pub(crate) fn returned(queries: &[Query]) -> impl Iterator<Item = (usize, &Query)> {
    queries.iter().enumerate().filter(|(_, query)| query.is_returned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::store::Kind;
    use super::*;

    fn stat(id: &str, name: &str) -> Value {
        json!({"Id": id, "ReturnData": false, "MetricStat": {"Stat": "Sum", "Period": 60,
            "Metric": {"Namespace": "lab", "MetricName": name}}})
    }

    fn evaluate_all(values: &[Value]) -> Result<Vec<Series>, String> {
        let mut store = Store::new(0);
        store.add(&Key::new("lab", "requests", &[]), 0, 1.0, 200.0);
        store.add(&Key::new("lab", "errors", &[]), 0, 1.0, 3.0);
        let window = Window { start: 0, end: 60, seen_at_ms: 60_000 };
        evaluate(&parse(values)?, &store, window)
    }

    #[test]
    fn expressions_may_look_at_later_expressions() {
        let all = [
            json!({"Id": "percent", "Expression": "100 * share"}),
            json!({"Id": "share", "Expression": "FILL(e, 0) / r"}),
            stat("e", "errors"),
            stat("r", "requests"),
        ];
        let series = evaluate_all(&all).expect("the queries are right");
        assert_eq!(series[0], Series::from([(0, 1.5)]));
    }

    #[test]
    fn expressions_over_high_resolution_have_its_periods() {
        let mut store = Store::new(0);
        for (name, at) in [("requests", 0), ("requests", 10), ("requests", 20), ("errors", 10)] {
            store.change(&Key::new("lab", name, &[]), at, Kind::Fine, |bucket| bucket.add(4.0, 1.0));
        }
        let fine = |id: &str, name: &str, period| {
            let mut value = stat(id, name);
            value["MetricStat"]["Period"] = json!(period);
            value
        };
        let share = json!({"Id": "share", "Expression": "FILL(e, 0) / r"});
        let window = Window { start: 0, end: 30, seen_at_ms: 30_000 };
        let evaluate = |period| {
            let all = [share.clone(), fine("e", "errors", period), fine("r", "requests", period)];
            evaluate(&parse(&all).expect("they are right"), &store, window).expect("they are right").swap_remove(0)
        };
        assert_eq!(evaluate(10), Series::from([(0, 0.0), (10, 1.0), (20, 0.0)]));
        assert_eq!(evaluate(30), Series::from([(0, 1.0 / 3.0)]));
    }

    #[test]
    fn circles_and_unknown_ids_are_refused() {
        let circle = [json!({"Id": "a", "Expression": "b"}), json!({"Id": "b", "Expression": "a"})];
        assert!(evaluate_all(&circle).expect_err("a circle").contains("depends on itself"));
        let unknown = [json!({"Id": "a", "Expression": "z + 1"})];
        assert!(evaluate_all(&unknown).expect_err("unknown").contains("id z is not known"));
        let number = [stat("e", "errors"), json!({"Id": "a", "Expression": "SUM(e)"})];
        assert!(evaluate_all(&number).expect_err("a number").contains("single time series"));
    }
}
