//! One slot's counts by PromQL: one request a query, all at once.

use super::Columns;
use super::cloudwatch::bound;
use crate::cloud::alb::promql::{all, bins, windowed};
use crate::cloud::http::Http;
use crate::cloud::prometheus::Server;
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::Place;
use crate::gate::Point;
use crate::gate::compare::PrometheusFeed;

/// Reads what `feed` counts of the slot at `place`. Every request is timed in a bin where slow ones are counted at
/// each mark: a bucket that exists has an increase, if only of zero, so a bin without one has no times. That is a
/// release that calls its histogram otherwise, or an edge that the server writes otherwise, not a fast answer.
pub(in crate::cloud::alb) async fn read(
    http: &Http,
    feed: &PrometheusFeed,
    place: &Place,
    marks: &[f64],
    stretch: (Timestamp, Timestamp),
) -> Result<Columns, Fault> {
    let slower =
        feed.slower.iter().flat_map(|query| marks.iter().map(|mark| query.replace("<threshold>", &bound(*mark))));
    let queries: Vec<String> = [feed.requests.clone(), feed.errors.clone()].into_iter().chain(slower).collect();
    let server = Server { url: &feed.url, headers: &feed.headers };
    let span = feed.period;
    let ask = |query: String| async move { bins(http, server, &windowed(&query, place, span), span, stretch).await };
    let mut series = all(queries.into_iter().map(ask)).await.into_iter();
    let requests = series.next().unwrap_or_else(|| Ok(Vec::new()))?;
    let errors = series.next().unwrap_or_else(|| Ok(Vec::new()))?;
    let slower = series.collect::<Result<Vec<Vec<Point>>, Fault>>()?;
    let is_timed = |at| slower.iter().all(|points| points.iter().any(|point| point.at == at));
    let with_times = requests.iter().filter(|point| !slower.is_empty() && is_timed(point.at));
    let timed = with_times.copied().collect();
    Ok(Columns { requests, errors: vec![errors], refused: Vec::new(), timed, slower })
}
