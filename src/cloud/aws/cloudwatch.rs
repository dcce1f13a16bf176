//! CloudWatch: alarms, their history, and metric data in as few calls as there can be.

use std::collections::{HashMap, HashSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, AlarmType, CompositeAlarm, HistoryItemType, LogAlarm, MetricAlarm, MetricDataQuery,
    MetricDataResult, ScanBy, StatusCode,
};

use super::{PAGES_LIMIT, date, fault, timestamp, whole};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::gate::Point;

/// The most alarms one DescribeAlarms may name.
const ALARMS_LIMIT: usize = 100;
/// How many pages of one alarm's history are read: five hundred changes of state.
const HISTORY_LIMIT: usize = 5;
/// The most queries one GetMetricData may hold.
pub(in crate::cloud) const QUERIES_LIMIT: usize = 500;

/// The kinds of alarms there are. What is not asked for by its kind is not told.
const KINDS: [AlarmType; 3] = [AlarmType::MetricAlarm, AlarmType::CompositeAlarm, AlarmType::LogAlarm];

/// The alarms of each kind that were found. Those on PromQL are among the metric ones.
#[derive(Clone, Debug, Default)]
pub(in crate::cloud) struct Alarms {
    pub metric: Vec<MetricAlarm>,
    pub composite: Vec<CompositeAlarm>,
    pub log: Vec<LogAlarm>,
}

impl Alarms {
    /// Adds those of others.
    pub(in crate::cloud) fn extend(&mut self, others: Alarms) {
        self.metric.extend(others.metric);
        self.composite.extend(others.composite);
        self.log.extend(others.log);
    }
}

/// Reads alarms of every kind by name. A name without an alarm is not in the answer.
pub(in crate::cloud) async fn alarms(cloudwatch: &Client, names: &[String]) -> Result<Alarms, Fault> {
    let mut found = Alarms::default();
    for names in names.chunks(ALARMS_LIMIT) {
        let mut next = None;
        for _ in 0..PAGES_LIMIT {
            let call = cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec())).set_next_token(next);
            let page = call.set_alarm_types(Some(KINDS.to_vec())).send().await;
            let page = page.map_err(|error| fault::read("DescribeAlarms", &error))?;
            found.metric.extend(page.metric_alarms.unwrap_or_default());
            found.composite.extend(page.composite_alarms.unwrap_or_default());
            found.log.extend(page.log_alarms.unwrap_or_default());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        whole("DescribeAlarms", next.is_some())?;
    }
    Ok(found)
}

/// Reads the account's alarms, metric and composite ones, at most ten thousand. Others are on nothing that a rollout moves.
pub(in crate::cloud) async fn every_alarm(cloudwatch: &Client) -> Result<Alarms, Fault> {
    let mut found = Alarms::default();
    let mut next = None;
    for _ in 0..PAGES_LIMIT {
        let call = cloudwatch.describe_alarms().set_next_token(next);
        let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let page = call.max_records(100).send().await.map_err(|error| fault::read("DescribeAlarms", &error))?;
        found.metric.extend(page.metric_alarms.unwrap_or_default());
        found.composite.extend(page.composite_alarms.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    Ok(found)
}

/// Reads an alarm's changes of state since a moment, newest first.
pub(in crate::cloud) async fn history(
    cloudwatch: &Client,
    alarm: &str,
    since: Timestamp,
) -> Result<Vec<AlarmHistoryItem>, Fault> {
    let mut items = Vec::new();
    let mut next = None;
    for _ in 0..HISTORY_LIMIT {
        let call = cloudwatch.describe_alarm_history().alarm_name(alarm).set_next_token(next);
        let call = call.set_alarm_types(Some(KINDS.to_vec()));
        let call = call.history_item_type(HistoryItemType::StateUpdate).start_date(date(since));
        let call = call.scan_by(ScanBy::TimestampDescending).max_records(100);
        let page = call.send().await.map_err(|error| fault::read("DescribeAlarmHistory", &error))?;
        items.extend(page.alarm_history_items.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    Ok(items)
}

/// The points of each query, by its id, oldest first. A query that AWS could not answer has its fault.
pub(in crate::cloud) type Series = HashMap<String, Result<Vec<Point>, Fault>>;

/// Reads the queries' points that begin in `from..to`. At most [`QUERIES_LIMIT`] of them. Every query has its points
/// or a fault in what is returned. A query of which a part is missing after the last page has a fault, and so has one
/// that no page holds: where a count is absent from an answer that is whole, it is zero, so an answer that is not
/// whole says nothing. (CloudWatch gives no further page where it computes.)
pub(in crate::cloud) async fn metric_data(
    cloudwatch: &Client,
    queries: &[MetricDataQuery],
    (from, to): (Timestamp, Timestamp),
) -> Result<Series, Fault> {
    let mut series = Series::new();
    let mut parts: HashSet<String> = HashSet::new();
    let mut next = None;
    for _ in 0..PAGES_LIMIT {
        let call = cloudwatch.get_metric_data().set_metric_data_queries(Some(queries.to_vec()));
        let call = call.start_time(date(from)).end_time(date(to)).scan_by(ScanBy::TimestampAscending);
        let page = call.set_next_token(next).send().await;
        let page = page.map_err(|error| fault::read("GetMetricData", &error))?;
        for result in page.metric_data_results.unwrap_or_default() {
            let id = result.id.clone().unwrap_or_default();
            match result.status_code {
                Some(StatusCode::PartialData) => parts.insert(id),
                _ => parts.remove(&id),
            };
            gather(&mut series, result);
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    if next.is_some() {
        parts.extend(series.keys().cloned());
    }
    for id in parts {
        series.insert(id, Err(unanswered("a part of the data is missing")));
    }
    for id in queries.iter().filter(|query| query.return_data != Some(false)).filter_map(MetricDataQuery::id) {
        let absent = || Err(unanswered(&format!("the answer does not hold query {id}")));
        series.entry(id.to_owned()).or_insert_with(absent);
    }
    for points in series.values_mut().flatten() {
        points.sort_by_key(|point| point.at);
        points.dedup_by_key(|point| point.at);
    }
    Ok(series)
}

fn unanswered(words: &str) -> Fault {
    Fault::new(FaultKind::Transient, "GetMetricData", words)
}

/// Adds one page's part of a query to what earlier pages brought.
fn gather(series: &mut Series, result: MetricDataResult) {
    let Some(id) = result.id else { return };
    let (moments, values) = (result.timestamps.unwrap_or_default(), result.values.unwrap_or_default());
    let trouble = match result.status_code {
        None | Some(StatusCode::Complete | StatusCode::PartialData) if moments.len() == values.len() => None,
        Some(StatusCode::Forbidden) => Some(FaultKind::Denied),
        _ => Some(FaultKind::Transient),
    };
    if let Some(kind) = trouble {
        let words = result.messages.unwrap_or_default().into_iter().filter_map(|message| message.value);
        let words = words.collect::<Vec<_>>().join(" ");
        let words = if words.is_empty() { "the query could not be answered".to_owned() } else { words };
        series.insert(id, Err(Fault::new(kind, "GetMetricData", fault::one_line(&words))));
        return;
    }
    let points = moments.iter().zip(values).map(|(at, value)| Point { at: timestamp(at), value });
    if let Ok(known) = series.entry(id).or_insert_with(|| Ok(Vec::new())) {
        known.extend(points);
    }
}
