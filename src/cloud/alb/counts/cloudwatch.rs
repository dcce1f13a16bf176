//! One slot's counts as CloudWatch queries: the load balancer's own metrics, or those of the service.

use std::time::Duration;

use super::Columns;
use crate::cloud::alb::ask::{Bundle, points, query};
use crate::cloud::alb::promql::filled;
use crate::cloud::aws::cloudwatch::Series;
use crate::domain::fault::Fault;
use crate::domain::fleet::Place;
use crate::gate::Point;
use crate::gate::compare::Feed;

/// The quantiles that marks are taken from.
pub(in crate::cloud::alb) const QUANTILES: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// What is counted of one slot, as CloudWatch names it.
#[derive(Clone, Debug)]
pub(in crate::cloud::alb) struct Slot {
    /// What the ids of its queries begin with.
    prefix: String,
    namespace: String,
    dimensions: Vec<(String, String)>,
    requests: String,
    errors: Vec<String>,
    refused: Option<String>,
    latency: Option<String>,
    period: Duration,
    /// Where slow answers are counted, in seconds.
    marks: Vec<f64>,
}

impl Slot {
    /// The slot at `place` behind `balancer`; `None` when the feed is not CloudWatch's.
    pub(in crate::cloud::alb) fn new(
        feed: &Feed,
        prefix: String,
        (balancer, place): (&str, &Place),
        marks: Vec<f64>,
    ) -> Option<Slot> {
        let period = feed.span();
        match feed {
            Feed::Prometheus(_) => None,
            Feed::LoadBalancer => Some(Slot {
                prefix,
                namespace: "AWS/ApplicationELB".to_owned(),
                dimensions: vec![
                    ("TargetGroup".to_owned(), place.target_group_dimension.clone()),
                    ("LoadBalancer".to_owned(), balancer.to_owned()),
                ],
                requests: "RequestCount".to_owned(),
                errors: vec!["HTTPCode_Target_5XX_Count".to_owned(), "TargetConnectionErrorCount".to_owned()],
                refused: Some("HTTPCode_Target_4XX_Count".to_owned()),
                latency: Some("TargetResponseTime".to_owned()),
                period,
                marks,
            }),
            Feed::Custom(feed) => Some(Slot {
                prefix,
                namespace: feed.namespace.clone(),
                dimensions: feed.dimensions.iter().map(|(name, value)| (name.clone(), filled(value, place))).collect(),
                requests: feed.requests.clone(),
                errors: vec![feed.errors.clone()],
                refused: None,
                latency: feed.latency.clone(),
                period,
                marks,
            }),
        }
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn asked(&self, name: &str, metric: &str, statistic: &str, period: Duration) -> Bundle {
        let metric = (self.namespace.as_str(), metric);
        vec![query(self.id(name), metric, self.dimensions.clone(), (statistic, period))]
    }

    pub(in crate::cloud::alb) fn queries(&self) -> Bundle {
        let mut all = self.asked("requests", &self.requests, "Sum", self.period);
        for (n, metric) in self.errors.iter().enumerate() {
            all.extend(self.asked(&format!("errors{n}"), metric, "Sum", self.period));
        }
        if let Some(refused) = &self.refused {
            all.extend(self.asked("refused", refused, "Sum", self.period));
        }
        if let Some(latency) = self.timed() {
            all.extend(self.asked("timed", latency, "SampleCount", self.period));
        }
        all.extend(self.slower_queries());
        all
    }

    /// The metric whose times are taken, where any are.
    fn timed(&self) -> Option<&String> {
        self.latency.as_ref().filter(|_| !self.marks.is_empty())
    }

    /// Asks for the slow answers alone.
    pub(in crate::cloud::alb) fn slower_queries(&self) -> Bundle {
        let Some(latency) = self.timed() else { return Bundle::new() };
        let mark = |(n, mark): (usize, &f64)| self.asked(&format!("slower{n}"), latency, &slower(*mark), self.period);
        self.marks.iter().enumerate().flat_map(mark).collect()
    }

    /// What CloudWatch answered. A query that it could not answer leaves nothing to count with.
    pub(in crate::cloud::alb) fn columns(&self, series: &Series) -> Result<Columns, Fault> {
        Ok(Columns {
            requests: self.column(series, "requests")?,
            errors: self.numbered(series, "errors", self.errors.len())?,
            refused: if self.refused.is_some() { self.column(series, "refused")? } else { Vec::new() },
            timed: if self.timed().is_some() { self.column(series, "timed")? } else { Vec::new() },
            slower: self.slower_columns(series)?,
        })
    }

    /// What CloudWatch answered of the slow answers, one series a mark.
    pub(in crate::cloud::alb) fn slower_columns(&self, series: &Series) -> Result<Vec<Vec<Point>>, Fault> {
        match self.timed() {
            Some(_) => self.numbered(series, "slower", self.marks.len()),
            None => Ok(vec![Vec::new(); self.marks.len()]),
        }
    }

    fn column(&self, series: &Series, name: &str) -> Result<Vec<Point>, Fault> {
        points(series, &self.id(name)).map(<[Point]>::to_vec)
    }

    fn numbered(&self, series: &Series, name: &str, count: usize) -> Result<Vec<Vec<Point>>, Fault> {
        (0..count).map(|n| self.column(series, &format!("{name}{n}"))).collect()
    }

    /// Asks for the times that [`QUANTILES`] of the answers were faster than, over `period`; nothing when no
    /// times are taken.
    pub(in crate::cloud::alb) fn quantile_queries(&self, period: Duration) -> Bundle {
        let Some(latency) = &self.latency else { return Bundle::new() };
        let mut all = self.asked("of", latency, "SampleCount", period);
        for (n, quantile) in QUANTILES.iter().enumerate() {
            let percentile = format!("p{}", (quantile * 1000.0).round() / 10.0);
            all.extend(self.asked(&format!("quantile{n}"), latency, &percentile, period));
        }
        all
    }

    /// What CloudWatch answered, with each quantile. A stretch that does not begin with a period has points for
    /// two; the one that rests on more answers is taken.
    pub(in crate::cloud::alb) fn quantiles(&self, series: &Series) -> Result<Vec<(f64, f64)>, Fault> {
        if self.latency.is_none() {
            return Ok(Vec::new());
        }
        let of = points(series, &self.id("of"))?;
        let Some(best) = of.iter().max_by(|a, b| a.value.total_cmp(&b.value)) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (n, quantile) in QUANTILES.iter().enumerate() {
            let times = points(series, &self.id(&format!("quantile{n}")))?;
            found.extend(times.iter().find(|time| time.at == best.at).map(|time| (*quantile, time.value)));
        }
        Ok(found)
    }
}

/// The statistic that counts values above `seconds`.
fn slower(seconds: f64) -> String {
    format!("TC({}:)", bound(seconds))
}

/// A time as CloudWatch takes it in a statistic: plain digits, at most ten of them behind the point. Nanoseconds
/// are fine enough for a response time, and leave out what is only the rounding of a product.
pub(in crate::cloud::alb) fn bound(seconds: f64) -> String {
    let text = format!("{seconds:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_exactly_and_short() {
        let check = |seconds: f64, said| assert_eq!(slower(seconds), said);
        check(0.235, "TC(0.235:)");
        check(0.235 * 1.03, "TC(0.24205:)");
        check(0.1 + 0.2, "TC(0.3:)");
        check(2.0, "TC(2:)");
        check(100.0, "TC(100:)");
        check(0.000_000_001, "TC(0.000000001:)");
    }
}
