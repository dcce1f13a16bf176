//! The stable slot's past: how fast it answered, and what it counted bin by bin before the rollout.

use std::time::Duration;

use super::ask::{ask, floor};
use super::counts::{Columns, Slot, read};
use super::promql::BINS_LIMIT;
use super::survey::AlbSurveyor;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Mark, Past};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Place, Survey};
use crate::gate::compare::{Feed, PrometheusFeed};
use crate::gate::{CompareRule, Point};

/// How far back bins are read: long enough to see how much a service scatters.
const BINS_WITHIN: Duration = Duration::from_secs(12 * 3600);
/// As far back as CloudWatch keeps datapoints shorter than a minute.
const SHORT_BINS_WITHIN: Duration = Duration::from_secs(3 * 3600);
/// What the marks are the quantiles of.
const QUANTILES_WITHIN: Duration = Duration::from_secs(3600);
/// How many slow answers a mark needs to say whether the source tells it from one a little above it: of so many
/// even a wide spread of times has some between the two.
const RESOLVED_BY: f64 = 100.0;

impl AlbSurveyor {
    /// Reads the past of the slot that serves, or says in words why there is none.
    pub(super) async fn past(&self, survey: &Survey, rule: &CompareRule) -> Result<Past, String> {
        let Some(slot) = survey.serving() else { return Err("no slot has all the weight".to_owned()) };
        let past = match &rule.feed {
            Feed::Prometheus(feed) => self.scraped(feed, &slot.place).await,
            Feed::LoadBalancer | Feed::Custom(_) => self.measured(rule, survey, &slot.place).await,
        };
        let past = past.map_err(|fault| fault.to_string())?;
        if past.bins.is_empty() {
            let name = &slot.place.service;
            return Err(format!("{name} reported no requests in the last {}", crate::domain::clock::span(BINS_WITHIN)));
        }
        Ok(past)
    }

    async fn measured(&self, rule: &CompareRule, survey: &Survey, place: &Place) -> Result<Past, Fault> {
        let client = &self.aws.polling.cloudwatch;
        let balancer = survey.load_balancer_dimension.as_str();
        let slot = |prefix: &str, marks| Slot::new(&rule.feed, prefix.to_owned(), (balancer, place), marks);
        let to = self.published(&rule.feed);
        let Some(quick) = slot("q_", Vec::new()) else { return Ok(nothing(&rule.feed)) };
        let hour = (to.before(QUANTILES_WITHIN), to);
        let series = ask(client, vec![quick.quantile_queries(QUANTILES_WITHIN)], hour).await;
        let marks = marks(&quick.quantiles(&series)?);
        let at = |factor: f64| marks.iter().map(|mark| mark.seconds * factor).collect::<Vec<f64>>();
        let (near, far) = (slot("b_", at(1.0)), slot("r_", at(1.0 + rule.latency.slower)));
        let (Some(near), Some(far)) = (near, far) else { return Ok(nothing(&rule.feed)) };
        let span = rule.feed.span();
        let within = if span < Duration::from_secs(60) { SHORT_BINS_WITHIN } else { BINS_WITHIN };
        let stretch = (to.before(within), to);
        let series = ask(client, vec![near.queries(), far.slower_queries()], stretch).await;
        let columns = near.columns(&series)?;
        let resolves = resolves(&columns, &far.slower_columns(&series)?);
        Ok(Past { span, marks, resolves, bins: columns.counts().into_iter().collect() })
    }

    async fn scraped(&self, feed: &PrometheusFeed, place: &Place) -> Result<Past, Fault> {
        let to = self.published(&Feed::Prometheus(feed.clone()));
        let mut edges: Vec<f64> =
            feed.thresholds.iter().copied().filter(|edge| edge.is_finite() && *edge > 0.0).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        if feed.slower.is_none() {
            edges.clear();
        }
        let within = BINS_WITHIN.min(feed.period * BINS_LIMIT);
        let columns = read(&self.http, feed, place, &edges, (to.before(within), to)).await?;
        if let Some(edge) = without_series(&columns, &edges) {
            let words = format!(
                "the query of slow answers gives no series at {edge}; Prometheus 3 writes a whole number as `1.0`, \
                 which `le=~\"<threshold>(.0)?\"` takes too"
            );
            return Err(Fault::new(FaultKind::Permanent, "query_range", words));
        }
        let marks = edges.into_iter().map(|seconds| Mark { quantile: None, seconds }).collect();
        let bins = columns.counts().into_iter().collect();
        Ok(Past { span: feed.period, marks, resolves: false, bins })
    }

    /// The end of the last bin that can be expected to be published whole.
    fn published(&self, feed: &Feed) -> Timestamp {
        floor(self.clock.now().before(feed.delay()), feed.span())
    }
}

fn nothing(feed: &Feed) -> Past {
    Past { span: feed.span(), marks: Vec::new(), resolves: false, bins: Vec::new() }
}

/// The first edge at which nothing is counted although there were requests.
fn without_series(columns: &Columns, edges: &[f64]) -> Option<f64> {
    let mut pairs = edges.iter().zip(&columns.slower).filter(|_| !columns.requests.is_empty());
    pairs.find(|(_, slower)| slower.is_empty()).map(|(edge, _)| *edge)
}

/// Marks at the quantiles, rising. Quantiles that are the same time make one mark, under the lowest of them.
fn marks(quantiles: &[(f64, f64)]) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (quantile, seconds) in quantiles {
        let mark = Mark { quantile: Some(*quantile), seconds: three_digits(*seconds) };
        let rises = marks.last().is_none_or(|last| mark.seconds > last.seconds);
        if mark.seconds.is_finite() && mark.seconds > 0.0 && rises {
            marks.push(mark);
        }
    }
    marks
}

/// A time to three digits: what stands in a query and in a sentence is then the very mark, and short.
fn three_digits(seconds: f64) -> f64 {
    if !(seconds.is_finite() && seconds > 0.0) {
        return seconds;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the exponent of a number is small")]
    let scale = 10_f64.powi(2 - seconds.log10().floor() as i32);
    (seconds * scale).round() / scale
}

/// Whether the source counts fewer answers above times that are a little higher, at every mark that has enough of
/// them. One that counts in wide buckets gives the same number twice. Where no mark has enough, nothing shows that
/// it does.
fn resolves(near: &Columns, far: &[Vec<Point>]) -> bool {
    let total = |points: &[Point]| points.iter().map(|point| point.value).sum::<f64>();
    let pairs = near.slower.iter().zip(far).map(|(near, far)| (total(near), total(far)));
    let told: Vec<bool> = pairs.filter(|(near, _)| *near >= RESOLVED_BY).map(|(near, far)| far < near).collect();
    !told.is_empty() && told.into_iter().all(|told| told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_rise_and_are_short() {
        let found = marks(&[(0.5, 0.123_456), (0.75, 0.123_499), (0.9, 0.234_9), (0.95, f64::NAN), (0.99, 12.345)]);
        let expected = [(0.5, 0.123), (0.9, 0.235), (0.99, 12.3)];
        assert_eq!(found, expected.map(|(quantile, seconds)| Mark { quantile: Some(quantile), seconds }));
        assert!(marks(&[(0.5, 0.0), (0.9, -1.0)]).is_empty());
    }

    #[test]
    fn a_source_resolves_when_a_higher_time_has_fewer_answers_above_it() {
        let column = |values: &[f64]| {
            let point = |value: &f64| Point { at: Timestamp::default(), value: *value };
            values.iter().map(point).collect::<Vec<Point>>()
        };
        let check = |near: &[&[f64]], far: &[&[f64]], expected| {
            let near = Columns { slower: near.iter().map(|n| column(n)).collect(), ..Columns::default() };
            let far: Vec<Vec<Point>> = far.iter().map(|n| column(n)).collect();
            assert_eq!(resolves(&near, &far), expected);
        };
        check(&[&[300.0, 200.0], &[60.0, 50.0]], &[&[280.0, 190.0], &[55.0, 48.0]], true);
        check(&[&[300.0, 200.0], &[60.0, 50.0]], &[&[280.0, 190.0], &[60.0, 50.0]], false);
        check(&[&[300.0, 200.0], &[6.0, 5.0]], &[&[280.0, 190.0], &[6.0, 5.0]], true);
        check(&[&[6.0, 5.0]], &[&[1.0, 1.0]], false);
        check(&[], &[], false);
    }
}
