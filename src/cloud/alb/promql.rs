//! PromQL for a slot: placeholders filled in, and evaluations at the ends of bins.
//!
//! `increase(…[1m])` at a moment looks at the minute before it, so the bin that begins at t is what is evaluated
//! at t plus its length. Bins are whole: they begin at multiples of their length, as those of CloudWatch do, and
//! none is asked for that has not ended. Prometheus 3 leaves out a sample that lies exactly where a window begins
//! and takes in one exactly where it ends, earlier ones take in both; scrapes hit such a millisecond rarely.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::ask::floor;
use crate::cloud::http::Http;
use crate::cloud::prometheus::{Range, Server};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::Place;
use crate::gate::{MetricReading, Point, PrometheusMetric, Reading};

/// The most bins that are asked for: a server refuses a query with more than 11,000 points.
pub(super) const BINS_LIMIT: u32 = 10_000;

/// `text` with the slot's names filled in: its service, and its target group by name.
pub(super) fn filled(text: &str, place: &Place) -> String {
    text.replace("<service>", &place.service).replace("<target_group>", &place.target_group_name)
}

/// `query` for a slot, with the length of a bin filled in too.
pub(super) fn windowed(query: &str, place: &Place, span: Duration) -> String {
    filled(query, place).replace("<window>", &format!("{}s", span.as_secs()))
}

/// The values of `query` for the bins of `span` that begin no earlier than the one `since` lies in and have ended
/// at `now`, each at the start of its bin.
pub(super) async fn bins(
    http: &Http,
    server: Server<'_>,
    query: &str,
    span: Duration,
    stretch: (Timestamp, Timestamp),
) -> Result<Vec<Point>, Fault> {
    let Some(range) = evaluations(span, stretch) else { return Ok(Vec::new()) };
    let points = server.range(http, query, range).await?;
    Ok(points.into_iter().map(|point| Point { at: point.at.before(span), ..point }).collect())
}

/// The ends of those bins; `None` when there are none.
fn evaluations(span: Duration, (since, now): (Timestamp, Timestamp)) -> Option<Range> {
    let to = floor(now, span);
    let from = (floor(since, span) + span).max(to.before(span * (BINS_LIMIT - 1)));
    (from <= to).then_some(Range { from, to, step: span })
}

/// What a metric gate asks of a Prometheus server, about the slot at `place`.
pub(super) async fn metric(
    http: &Http,
    metric: &PrometheusMetric,
    place: &Place,
    period: Duration,
    stretch: (Timestamp, Timestamp),
) -> Reading {
    let server = Server { url: &metric.url, headers: &metric.headers };
    let query = windowed(&metric.query, place, period);
    match bins(http, server, &query, period, stretch).await {
        Ok(values) => Reading::Metric(MetricReading { values, samples: Vec::new() }),
        Err(fault) => Reading::Unreadable(fault),
    }
}

/// A future, and what it gave.
type Running<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

/// What all of them give, in their order, once the last one is done.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(ready) => *output = Some(ready),
                Poll::Pending => is_done = false,
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_bin_is_evaluated_at_its_end_and_not_before() {
        let ten = Duration::from_secs(10);
        let range = |from, to| Some(Range { from: at(from), to: at(to), step: ten });
        assert_eq!(evaluations(ten, (at(1004), at(1039))), range(1010, 1030));
        assert_eq!(evaluations(ten, (at(1000), at(1010))), range(1010, 1010));
        assert_eq!(evaluations(ten, (at(1000), at(1009))), None);
        assert_eq!(evaluations(ten, (at(0), at(1_000_000))), range(1_000_000 - 99_990, 1_000_000));
    }
}
