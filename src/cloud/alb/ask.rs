//! Asks CloudWatch for metric data, in as few calls as possible.

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};

use crate::cloud::aws::cloudwatch::{QUERIES_LIMIT, Series, metric_data};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::gate::Point;

/// Queries that stay together in one call: one may compute with another.
pub(super) type Bundle = Vec<MetricDataQuery>;

/// Reads the points of all bundles that begin in `stretch`; the ids of no two may be the same. A call that
/// fails gives its fault to each of its queries.
pub(super) async fn ask(cloudwatch: &Client, bundles: Vec<Bundle>, stretch: (Timestamp, Timestamp)) -> Series {
    let mut all = Series::new();
    for queries in calls(bundles) {
        let answer = if queries.len() > QUERIES_LIMIT {
            let words = format!("one gate asks for {} metrics, {QUERIES_LIMIT} are possible", queries.len());
            Err(Fault::new(FaultKind::Permanent, "GetMetricData", words))
        } else {
            metric_data(cloudwatch, &queries, stretch).await
        };
        match answer {
            Ok(series) => all.extend(series),
            Err(fault) => {
                let ids = queries.into_iter().filter_map(|query| query.id);
                all.extend(ids.map(|id| (id, Err(fault.clone()))));
            }
        }
    }
    all
}

/// The queries of each call.
fn calls(bundles: Vec<Bundle>) -> Vec<Bundle> {
    let mut calls: Vec<Bundle> = Vec::new();
    for bundle in bundles.into_iter().filter(|bundle| !bundle.is_empty()) {
        // Only one query by SELECT may be in a call.
        let fits = |call: &&mut Bundle| {
            call.len() + bundle.len() <= QUERIES_LIMIT && !(call.iter().any(selects) && bundle.iter().any(selects))
        };
        match calls.last_mut().filter(fits) {
            Some(call) => call.extend(bundle),
            None => calls.push(bundle),
        }
    }
    calls
}

/// Whether an expression is a query of Metrics Insights, of which a call may hold one.
pub(super) fn is_select(expression: &str) -> bool {
    expression.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

fn selects(query: &MetricDataQuery) -> bool {
    query.expression().is_some_and(is_select)
}

/// A query's points. One that was not asked for is a fault too: no data is zero only in an answer.
pub(super) fn points<'a>(series: &'a Series, id: &str) -> Result<&'a [Point], Fault> {
    match series.get(id) {
        Some(Ok(points)) => Ok(points),
        Some(Err(fault)) => Err(fault.clone()),
        None => Err(Fault::new(FaultKind::Permanent, "GetMetricData", format!("query {id} was not asked"))),
    }
}

/// One statistic of one metric.
pub(super) fn query(
    id: impl Into<String>,
    (namespace, metric): (&str, &str),
    dimensions: impl IntoIterator<Item = (String, String)>,
    (statistic, period): (&str, Duration),
) -> MetricDataQuery {
    let dimension = |(name, value): (String, String)| Dimension::builder().name(name).value(value).build();
    let dimensions = dimensions.into_iter().map(dimension).collect();
    let metric = Metric::builder().namespace(namespace).metric_name(metric).set_dimensions(Some(dimensions)).build();
    let period = i32::try_from(period.as_secs()).unwrap_or(i32::MAX);
    let stat = MetricStat::builder().metric(metric).period(period).stat(statistic).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).return_data(true).build()
}

/// The start of the period that `at` lies in.
pub(super) fn floor(at: Timestamp, period: Duration) -> Timestamp {
    let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
    Timestamp::from_millis(at.as_millis() / period * period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_holds_as_many_queries_as_it_may_and_bundles_stay_whole() {
        let bundle = |size: usize| vec![MetricDataQuery::builder().build(); size];
        let sizes = |bundles: Vec<Bundle>| calls(bundles).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![bundle(3), bundle(0), bundle(26)]), [29]);
        assert_eq!(sizes(vec![bundle(300), bundle(200), bundle(1), bundle(600), bundle(2)]), [500, 1, 600, 2]);
        assert!(sizes(Vec::new()).is_empty());
    }

    #[test]
    fn only_one_query_by_select_is_in_a_call() {
        let select = || vec![MetricDataQuery::builder().expression("SELECT SUM(a) FROM b").build()];
        let plain = vec![MetricDataQuery::builder().build()];
        assert_eq!(calls(vec![select(), plain, select()]).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_moment_lies_in_the_period_that_starts_before_it() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(floor(at(119), Duration::from_secs(60)), at(60));
        assert_eq!(floor(at(119), Duration::from_secs(10)), at(110));
        assert_eq!(floor(at(120), Duration::from_secs(60)), at(120));
    }
}
