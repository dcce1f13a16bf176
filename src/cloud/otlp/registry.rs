//! Figures put together: the last of a gauge, the sum of a counter, the buckets of a histogram.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};

use super::message;
use crate::domain::clock::Timestamp;
use crate::domain::telemetry::{Instrument, Kind, Measure, nanos, text};

/// How many series there may be; figures of others are dropped. It is the limit of OpenTelemetry's own libraries.
const SERIES: usize = 2000;

/// All figures since the process began, or, of deltas, since they were last sent.
pub(super) struct Registry {
    resource: Vec<(String, String)>,
    delta: bool,
    since: Timestamp,
    series: BTreeMap<(Instrument, Labels), Series>,
    is_new: bool,
}

type Labels = Vec<(&'static str, String)>;

/// One instrument with one set of labels.
#[derive(Clone, Debug, Default)]
struct Series {
    last: f64,
    sum: f64,
    least: f64,
    most: f64,
    count: u64,
    /// Of a histogram; one more than it has bounds.
    buckets: Vec<u64>,
}

impl Registry {
    pub(super) fn new(resource: Vec<(String, String)>, delta: bool, since: Timestamp) -> Self {
        Self { resource, delta, since, series: BTreeMap::new(), is_new: false }
    }

    /// Takes in one figure.
    pub(super) fn take(&mut self, measure: Measure) {
        let Measure { instrument, value, labels } = measure;
        let key = (instrument, labels);
        if self.series.len() >= SERIES && !self.series.contains_key(&key) {
            return;
        }
        self.is_new = true;
        let series = self.series.entry(key).or_default();
        (series.least, series.most) = match series.count {
            0 => (value, value),
            _ => (series.least.min(value), series.most.max(value)),
        };
        series.last = value;
        series.sum += value;
        series.count += 1;
        if let Kind::Histogram(bounds) = instrument.kind() {
            series.buckets.resize(bounds.len() + 1, 0);
            let at = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
            series.buckets[at] += 1;
        }
    }

    /// All figures as they stand, if any came since they were last asked for.
    pub(super) fn request(&mut self, now: Timestamp) -> Option<ExportMetricsServiceRequest> {
        if !std::mem::take(&mut self.is_new) {
            return None;
        }
        let mut metrics: Vec<Metric> = Vec::new();
        for ((instrument, labels), series) in &self.series {
            let attributes = labels.iter().map(|(key, value)| text(*key, value)).collect();
            let point = self.data(*instrument, series, attributes, now);
            match metrics.last_mut().filter(|metric| metric.name == instrument.name()) {
                Some(metric) => join(metric.data.as_mut(), point),
                None => metrics.push(Metric {
                    name: instrument.name().to_owned(),
                    description: instrument.description().to_owned(),
                    unit: instrument.unit().to_owned(),
                    data: Some(point),
                    ..Metric::default()
                }),
            }
        }
        if self.delta {
            self.series.clear();
            self.since = now;
        }
        let scope_metrics = vec![ScopeMetrics { scope: Some(message::scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(message::resource(&self.resource));
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        Some(ExportMetricsServiceRequest { resource_metrics })
    }

    /// One series as a metric with a single point.
    fn data(&self, instrument: Instrument, series: &Series, attributes: Vec<KeyValue>, now: Timestamp) -> Data {
        let temporality =
            if self.delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative } as i32;
        let (start_time_unix_nano, time_unix_nano) = (nanos(self.since), nanos(now));
        let number = |value: f64, start: u64| NumberDataPoint {
            attributes: attributes.clone(),
            start_time_unix_nano: start,
            time_unix_nano,
            value: Some(Value::AsDouble(value)),
            ..NumberDataPoint::default()
        };
        match instrument.kind() {
            Kind::Gauge => Data::Gauge(Gauge { data_points: vec![number(series.last, 0)] }),
            Kind::Counter => Data::Sum(Sum {
                data_points: vec![number(series.sum, start_time_unix_nano)],
                aggregation_temporality: temporality,
                is_monotonic: true,
            }),
            Kind::Histogram(bounds) => Data::Histogram(Histogram {
                data_points: vec![HistogramDataPoint {
                    attributes,
                    start_time_unix_nano,
                    time_unix_nano,
                    count: series.count,
                    sum: Some(series.sum),
                    bucket_counts: series.buckets.clone(),
                    explicit_bounds: bounds.to_vec(),
                    min: Some(series.least),
                    max: Some(series.most),
                    ..HistogramDataPoint::default()
                }],
                aggregation_temporality: temporality,
            }),
        }
    }
}

/// Adds the point of one metric to another of the same kind.
fn join(to: Option<&mut Data>, of: Data) {
    match (to, of) {
        (Some(Data::Gauge(to)), Data::Gauge(of)) => to.data_points.extend(of.data_points),
        (Some(Data::Sum(to)), Data::Sum(of)) => to.data_points.extend(of.data_points),
        (Some(Data::Histogram(to)), Data::Histogram(of)) => to.data_points.extend(of.data_points),
        _ => {}
    }
}
