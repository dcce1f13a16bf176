//! CloudWatch: metrics in and out.

use serde_json::{Value, json};

use super::operation::{Call, OperationResult, Paging, Refusal, with_token};
use crate::metrics::Series;
use crate::metrics::expression::NOT_PLAYED;
use crate::metrics::query;
use crate::metrics::statistic::Statistic;
use crate::metrics::store::{Key, Kind, Window};
use crate::value::{list, moment, number, seconds, text, texts, whole};

/// Datapoints in one answer of GetMetricData.
const DATAPOINTS_LIMIT: usize = 100_800;
/// Datapoints in one answer of GetMetricStatistics.
const STATISTICS_LIMIT: u64 = 1_440;
/// Metrics in one PutMetricData.
const PUT_LIMIT: usize = 1_000;

const METRICS_PAGING: Paging =
    Paging { token: "NextToken", size: "RecentlyActiveCount", limit: 500, code: "InvalidNextToken" };

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "GetMetricData" => get_data(call),
        "GetMetricStatistics" => get_statistics(call),
        "ListMetrics" => list_metrics(call),
        "PutMetricData" => put_data(call),
        _ => return None,
    })
}

/// What CloudWatch calls a validation error.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message)
}

/// The refusal of a query: of what CloudWatch computes and the lab does not, it says so.
pub(super) fn wrong_query(message: String) -> Refusal {
    if message.starts_with(NOT_PLAYED) { Refusal::not_played(message) } else { invalid(message) }
}

/// The refusal of a member's value.
pub(super) fn wrong_value(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterValueException", message)
}

fn missing(key: &str) -> Refusal {
    let message = format!("The parameter {key} is required.");
    Refusal::new("MissingRequiredParameterException", message)
}

/// The window that is asked for in periods of a length; its past is drawn.
fn window(call: &mut Call<'_>, period: u64) -> Result<Window, Refusal> {
    let at = |key: &str| moment(call.input, key).ok_or_else(|| missing(key));
    let (start, end) = (at("StartTime")?, at("EndTime")?);
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    let start = start / 1_000;
    call.past.reach(call.store, start / period * period);
    Ok(Window { start, end: end.div_ceil(1_000), seen_at_ms: call.read_at })
}

fn get_data(call: &mut Call<'_>) -> OperationResult {
    let queries = query::parse(list(call.input, "MetricDataQueries")).map_err(wrong_query)?;
    if query::returned(&queries).next().is_none() {
        return Err(invalid("At least one query must have ReturnData set to true."));
    }
    let longest = queries.iter().filter_map(|query| query.period).fold(60, u64::max);
    let window = window(call, longest)?;
    let series = query::evaluate(&queries, call.store, window).map_err(invalid)?;
    let is_ascending = text(call.input, "ScanBy") == Some("TimestampAscending");
    let limit = whole(call.input, "MaxDatapoints").unwrap_or(DATAPOINTS_LIMIT as i64);
    if !(1..=DATAPOINTS_LIMIT as i64).contains(&limit) {
        return Err(invalid("The parameter MaxDatapoints must be between 1 and 100800."));
    }
    let token = text(call.input, "NextToken").filter(|token| !token.is_empty());
    let start = match token {
        None => 0,
        Some(token) => token
            .strip_prefix("lab-")
            .and_then(|place| place.parse::<usize>().ok())
            .ok_or_else(|| Refusal::new("InvalidNextToken", "The token is not valid."))?,
    };
    let (mut passed, mut left) = (0, limit as usize);
    let (mut results, mut is_over) = (Vec::new(), true);
    for (index, query) in query::returned(&queries) {
        let points = ordered(&series[index], is_ascending);
        let skipped = start.saturating_sub(passed).min(points.len());
        let told = (points.len() - skipped).min(left);
        let shown = &points[skipped..skipped + told];
        let is_whole = skipped + told == points.len();
        // A query whose datapoints were all told on an earlier page is not told again.
        let was_told = start > 0 && passed + points.len() <= start && !(points.is_empty() && passed >= start);
        if !was_told {
            results.push(json!({
                "Id": query.id, "Label": query.label,
                "Timestamps": shown.iter().map(|(at, _)| json!(*at as f64)).collect::<Vec<_>>(),
                "Values": shown.iter().map(|(_, value)| json!(value)).collect::<Vec<_>>(),
                "StatusCode": if is_whole { "Complete" } else { "PartialData" },
            }));
        }
        passed += points.len();
        left -= told;
        is_over &= is_whole;
    }
    let next = (!is_over).then(|| format!("lab-{}", start + limit as usize));
    Ok(with_token(json!({"MetricDataResults": results, "Messages": []}), "NextToken", next))
}

fn ordered(series: &Series, is_ascending: bool) -> Vec<(u64, f64)> {
    let points = series.iter().map(|(at, value)| (*at, *value));
    if is_ascending { points.collect() } else { points.rev().collect() }
}

fn get_statistics(call: &mut Call<'_>) -> OperationResult {
    let key = query::parse_key(call.input).map_err(invalid)?;
    let period = whole(call.input, "Period").filter(|period| query::is_period(*period));
    let period = period.ok_or_else(|| wrong_value("Period must be 1, 5, 10, 20, 30 or a multiple of 60."))? as u64;
    let window = window(call, period.max(60))?;
    if (window.end - window.start) / period > STATISTICS_LIMIT {
        return Err(Refusal::new(
            "InvalidParameterCombinationException",
            "You have requested more than 1440 datapoints; reduce them with Period or the times.",
        ));
    }
    let mut names = texts(call.input, "Statistics");
    names.extend(texts(call.input, "ExtendedStatistics"));
    if names.is_empty() {
        return Err(missing("Statistics"));
    }
    let mut points = std::collections::BTreeMap::<u64, Value>::new();
    for name in names {
        let statistic = Statistic::parse(name);
        let statistic = statistic.ok_or_else(|| wrong_value(format!("{name} is no statistic")))?;
        let is_extended = matches!(statistic, Statistic::Percentile(_) | Statistic::Trimmed(..));
        for (at, value) in call.store.read(&key, &statistic, period, window) {
            let point = points
                .entry(at)
                .or_insert_with(|| json!({"Timestamp": seconds(at * 1_000), "Unit": unit_of(&key.name)}));
            if is_extended {
                point["ExtendedStatistics"][name] = json!(value);
            } else {
                point[name] = json!(value);
            }
        }
    }
    let points: Vec<Value> = points.into_values().collect();
    Ok(json!({"Label": key.name, "Datapoints": points}))
}

fn unit_of(metric: &str) -> &'static str {
    match metric {
        "TargetResponseTime" => "Seconds",
        name if name.ends_with("Count") || name.starts_with("RequestCount") => "Count",
        _ => "None",
    }
}

fn list_metrics(call: &mut Call<'_>) -> OperationResult {
    call.past.reach(call.store, (call.now / 1_000).saturating_sub(60));
    let (namespace, name) = (text(call.input, "Namespace"), text(call.input, "MetricName"));
    let filters = list(call.input, "Dimensions");
    let meets = |key: &&Key| {
        namespace.is_none_or(|namespace| key.namespace == namespace)
            && name.is_none_or(|name| key.name == name)
            && filters.iter().all(|filter| {
                key.dimensions.iter().any(|(dimension, value)| {
                    text(filter, "Name") == Some(dimension)
                        && text(filter, "Value").is_none_or(|wanted| wanted == value)
                })
            })
    };
    let show = |key: &Key| {
        let dimensions: Vec<Value> =
            key.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        json!({"Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimensions})
    };
    let all = call.store.keys().into_iter().filter(meets).map(show).collect();
    let (page, next) = METRICS_PAGING.cut(call.input, all)?;
    Ok(with_token(json!({"Metrics": page}), "NextToken", next))
}

/// One datum, before any of them is stored.
struct Datum {
    key: Key,
    at: u64,
    kind: Kind,
    values: Vec<(f64, f64)>,
    set: Option<[f64; 4]>,
}

fn put_data(call: &mut Call<'_>) -> OperationResult {
    let namespace = text(call.input, "Namespace").unwrap_or_default();
    if namespace.is_empty() {
        return Err(missing("Namespace"));
    }
    if namespace.starts_with("AWS/") {
        return Err(wrong_value("The value AWS/ for parameter Namespace is invalid."));
    }
    let data = list(call.input, "MetricData");
    if data.len() > PUT_LIMIT {
        return Err(wrong_value(format!("MetricData must have at most {PUT_LIMIT} elements.")));
    }
    let read: Result<Vec<Datum>, Refusal> = data.iter().map(|datum| read_datum(namespace, datum, call.now)).collect();
    for datum in read? {
        call.store.change(&datum.key, datum.at, datum.kind, |bucket| {
            datum.values.iter().for_each(|(value, times)| bucket.add(*value, *times));
            if let Some([sum, count, least, greatest]) = datum.set {
                bucket.add_set(sum, count, least, greatest);
            }
        });
    }
    Ok(json!({}))
}

fn read_datum(namespace: &str, datum: &Value, now: u64) -> Result<Datum, Refusal> {
    let name = text(datum, "MetricName").ok_or_else(|| missing("MetricData.member.MetricName"))?;
    let dimensions: Vec<(&str, &str)> =
        list(datum, "Dimensions").iter().filter_map(|pair| Some((text(pair, "Name")?, text(pair, "Value")?))).collect();
    let numbers = |key: &str| -> Vec<f64> { list(datum, key).iter().filter_map(Value::as_f64).collect() };
    let (values, counts) = (numbers("Values"), numbers("Counts"));
    if !counts.is_empty() && counts.len() != values.len() {
        return Err(Refusal::new(
            "InvalidParameterCombinationException",
            "The parameters Values and Counts must be of the same size.",
        ));
    }
    let counts = counts.into_iter().chain(std::iter::repeat(1.0));
    let mut values: Vec<(f64, f64)> = values.into_iter().zip(counts).collect();
    values.extend(number(datum, "Value").map(|value| (value, 1.0)));
    let set = datum
        .get("StatisticValues")
        .filter(|set| !set.is_null())
        .map(|set| ["Sum", "SampleCount", "Minimum", "Maximum"].map(|key| number(set, key).unwrap_or(0.0)));
    if values.is_empty() && set.is_none() {
        return Err(missing("MetricData.member.Value"));
    }
    if values.iter().any(|(value, times)| !value.is_finite() || !times.is_finite()) {
        return Err(wrong_value(format!("The values of {name} must be finite numbers.")));
    }
    let kind = match whole(datum, "StorageResolution") {
        None | Some(60) => Kind::Minute,
        Some(1) => Kind::Fine,
        Some(other) => return Err(wrong_value(format!("StorageResolution must be 1 or 60, not {other}."))),
    };
    let key = Key::new(namespace, name, &dimensions);
    let at = moment(datum, "Timestamp").unwrap_or(now) / 1_000;
    Ok(Datum { key, at, kind, values, set })
}
