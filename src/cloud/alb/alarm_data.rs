//! Reads the metrics behind alarms as the alarms do: how far they are published, and whether they break the alarms' own
//! thresholds.
//!
//! A count that is reported only when something happened has no points to go by. Behind an Application Load Balancer its
//! requests have: what is published of them is published of the count. Elsewhere the other metrics of the same alarm and
//! namespace must do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, EvaluationWindow, Metric as Named, MetricAlarm, MetricDataQuery, MetricStat, Statistic,
};

use super::ask::{Bundle, ask, floor, is_select, points};
use super::metrics::rewritten;
use crate::cloud::aws::cloudwatch::Series;
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::gate::{AlarmData, Point};

/// How much further back than an alarm's window it is read: as late as data may be published.
const LATE: Duration = Duration::from_secs(10 * 60);
/// Datapoints come once a minute, so they are read about as often.
const READ_EVERY: Duration = Duration::from_secs(55);
const BALANCER: &str = "AWS/ApplicationELB";
const REQUESTS: &str = "RequestCount";
/// The id of an alarm on one metric. No id of a person's begins with `_`.
const OWN: &str = "_own";

/// The metric of an alarm: what is asked for, and when it rings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    /// As the alarm asks, and the requests beside the balancer's counts.
    queries: Vec<MetricDataQuery>,
    /// The length of a period, and how many are evaluated.
    period: Duration,
    periods: u32,
    /// What breaks the threshold, where it is a number: the query, the threshold, and how many of the periods must.
    breaks: Option<Breaks>,
}

#[derive(Clone, Debug, PartialEq)]
struct Breaks {
    id: String,
    comparison: ComparisonOperator,
    threshold: f64,
    datapoints: u32,
}

impl Metric {
    pub(super) fn of(alarm: &MetricAlarm) -> Metric {
        let own = if alarm.metrics().is_empty() { vec![own(alarm)] } else { alarm.metrics().to_vec() };
        let period = own.iter().filter_map(length).max().unwrap_or(Duration::from_secs(60));
        let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
        let periods = count(alarm.evaluation_periods()).unwrap_or(1);
        let breaks = breaks(alarm, &own, count(alarm.datapoints_to_alarm()).unwrap_or(periods));
        let is_measured = own.iter().any(|query| query.metric_stat().is_some());
        let mut queries: Vec<MetricDataQuery> = own
            .into_iter()
            .filter(|query| query.metric_stat().is_some() || breaks.is_some() || !is_measured)
            .map(|mut query| {
                query.return_data = Some(true);
                query
            })
            .collect();
        let requests: Vec<MetricDataQuery> = queries.iter().enumerate().filter_map(requests_beside).collect();
        queries.extend(requests);
        Metric { queries, period, periods, breaks }
    }

    /// How much time of data one evaluation looks at.
    pub(super) fn window(&self) -> Duration {
        self.period * self.periods
    }

    /// Between two evaluations.
    pub(super) fn every(&self) -> Duration {
        Duration::from_secs(if self.period < Duration::from_secs(60) { 10 } else { 60 })
    }

    /// Its queries, each under a prefix that no other alarm's have.
    fn bundle(&self, prefix: &str) -> Bundle {
        let ids: Vec<&str> = self.queries.iter().filter_map(MetricDataQuery::id).collect();
        let measured = self.queries.iter().filter(|query| query.metric_stat().is_some());
        let measured: Vec<&str> = measured.filter_map(MetricDataQuery::id).filter(|id| !id.starts_with('_')).collect();
        let renamed = |id: &str| ids.contains(&id).then(|| format!("{prefix}{id}"));
        let query = |query: &MetricDataQuery| {
            let mut own = query.clone();
            own.expression = query.expression().map(|text| rewritten(text, &measured, renamed));
            own.id = query.id().map(|id| format!("{prefix}{id}"));
            own
        };
        self.queries.iter().map(query).collect()
    }

    /// What was read of it.
    fn data(&self, series: &Series, prefix: &str, now: Timestamp) -> Result<AlarmData, Fault> {
        // By namespace: what is published of one metric is published of its neighbours.
        let mut ends: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
        let mut broken = None;
        for query in &self.queries {
            let id = query.id().unwrap_or_default();
            let period = length(query).unwrap_or(self.period);
            let closed: Vec<Point> = points(series, &format!("{prefix}{id}"))?
                .iter()
                .filter(|point| point.at + period <= now)
                .copied()
                .collect();
            if let Some(breaks) = self.breaks.as_ref().filter(|breaks| breaks.id == id) {
                broken = breaks.newest(&closed, self.periods);
            }
            let is_all = self.queries.iter().all(|query| query.metric_stat().is_none());
            if is_all || query.metric_stat().is_some() {
                let namespace = query.metric_stat().and_then(|stat| stat.metric()?.namespace()).unwrap_or_default();
                let end = closed.last().map(|point| point.at + period);
                let known = ends.entry(namespace).or_default();
                *known = (*known).max(end);
            }
        }
        // The least of them; none where a namespace has none.
        let until = ends.into_values().min().flatten();
        Ok(AlarmData::Read { until, broken })
    }
}

/// The one query of an alarm on one metric.
fn own(alarm: &MetricAlarm) -> MetricDataQuery {
    let metric = Named::builder()
        .set_namespace(alarm.namespace().map(ToOwned::to_owned))
        .set_metric_name(alarm.metric_name().map(ToOwned::to_owned))
        .set_dimensions(Some(alarm.dimensions().to_vec()))
        .build();
    let statistic = alarm.statistic().map(Statistic::as_str).or(alarm.extended_statistic());
    let stat = MetricStat::builder()
        .metric(metric)
        .period(alarm.period().unwrap_or(60))
        .set_stat(statistic.map(ToOwned::to_owned))
        .set_unit(alarm.unit().cloned())
        .build();
    MetricDataQuery::builder().id(OWN).metric_stat(stat).return_data(true).build()
}

/// When the alarm rings, where its own datapoints say so: not where a band is the threshold, a percentile of few samples is
/// left out, or the window moves with the clock on the wall.
fn breaks(alarm: &MetricAlarm, own: &[MetricDataQuery], datapoints: u32) -> Option<Breaks> {
    let is_plain = alarm.threshold_metric_id().is_none()
        && alarm.evaluate_low_sample_count_percentile() != Some("ignore")
        && !matches!(alarm.evaluation_window(), Some(EvaluationWindow::WallClockWindow(_)));
    let watched = own.iter().find(|query| query.return_data() != Some(false)).filter(|_| is_plain)?;
    let is_one = watched.expression().is_none_or(|text| !is_select(text));
    let (comparison, threshold) = (alarm.comparison_operator()?.clone(), alarm.threshold()?);
    is_one.then(|| Breaks { id: watched.id().unwrap_or_default().to_owned(), comparison, threshold, datapoints })
}

impl Breaks {
    /// The newest datapoint that breaks the threshold, if with those of the periods before it enough do.
    fn newest(&self, points: &[Point], periods: u32) -> Option<Timestamp> {
        let breaks = |point: &&Point| match self.comparison {
            ComparisonOperator::GreaterThanThreshold => point.value > self.threshold,
            ComparisonOperator::GreaterThanOrEqualToThreshold => point.value >= self.threshold,
            ComparisonOperator::LessThanThreshold => point.value < self.threshold,
            ComparisonOperator::LessThanOrEqualToThreshold => point.value <= self.threshold,
            _ => false,
        };
        let runs = (0..points.len()).rev().map(|end| &points[(end + 1).saturating_sub(periods as usize)..=end]);
        let rings = |run: &&[Point]| run.iter().filter(breaks).count() >= self.datapoints as usize;
        runs.filter(rings).find_map(|run| run.iter().rev().find(breaks)).map(|point| point.at)
    }
}

/// The length of a query's periods.
fn length(query: &MetricDataQuery) -> Option<Duration> {
    let period = query.metric_stat().and_then(MetricStat::period).or(query.period())?;
    u64::try_from(period).ok().filter(|period| *period > 0).map(Duration::from_secs)
}

/// The requests behind the same balancer and target group, beside a count of something else.
fn requests_beside((place, query): (usize, &MetricDataQuery)) -> Option<MetricDataQuery> {
    let stat = query.metric_stat()?;
    let metric = stat.metric().filter(|metric| metric.namespace() == Some(BALANCER))?;
    (metric.metric_name() != Some(REQUESTS)).then(|| {
        let mut metric = metric.clone();
        metric.metric_name = Some(REQUESTS.to_owned());
        let stat = MetricStat::builder().metric(metric).set_period(stat.period()).stat("Sum").build();
        MetricDataQuery::builder().id(format!("_requests{place}")).metric_stat(stat).return_data(true).build()
    })
}

/// What was last read of each alarm's data, and when.
#[derive(Debug, Default)]
pub(super) struct Published(Mutex<HashMap<String, (Timestamp, Metric, AlarmData)>>);

impl Published {
    /// Reads anew what has grown old, in as few calls as there can be.
    pub(super) async fn read(&self, cloudwatch: &Client, metrics: &[(&str, &Metric)], now: Timestamp) {
        let old: Vec<&(&str, &Metric)> =
            metrics.iter().filter(|(name, metric)| self.is_old(name, metric, now)).collect();
        let Some(longest) = old.iter().map(|(_, metric)| metric.window() + metric.period).max() else { return };
        let prefix = |place: usize| format!("a{place}_");
        let bundles = old.iter().enumerate().map(|(place, (_, metric))| metric.bundle(&prefix(place))).collect();
        let stretch = (floor(now.before(longest + LATE), Duration::from_secs(60)), now);
        let series = ask(cloudwatch, bundles, stretch).await;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, (name, metric)) in old.into_iter().enumerate() {
            let data = metric.data(&series, &prefix(place), now);
            let data = data.unwrap_or_else(|fault| AlarmData::Blind(format!("its metric is not readable: {fault}")));
            known.insert((*name).to_owned(), (now, (*metric).clone(), data));
        }
    }

    fn is_old(&self, name: &str, metric: &Metric, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).is_none_or(|(read, of, data)| {
            let every =
                if matches!(data, AlarmData::Blind(_)) { Duration::ZERO } else { READ_EVERY.min(metric.period) };
            of != metric || now.since(*read) >= every
        })
    }

    /// What is known of an alarm's data.
    pub(super) fn of(&self, name: &str) -> AlarmData {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let data = known.get(name).map(|(_, _, data)| data.clone());
        data.unwrap_or_else(|| AlarmData::Blind("its metric was not read".to_owned()))
    }
}
