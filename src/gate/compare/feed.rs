//! Where counts come from, and how often.

use std::time::Duration;

/// A source of counts for both slots.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// The load balancer's own metrics, by the minute.
    LoadBalancer,
    /// CloudWatch metrics that the service publishes itself.
    Custom(CustomFeed),
    /// A Prometheus server.
    Prometheus(PrometheusFeed),
}

/// CloudWatch metrics that the service publishes itself, such as by the embedded metric format.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomFeed {
    /// The namespace.
    pub namespace: String,
    /// The dimensions; `<service>` and `<target_group>` in a value stand for the slot's.
    pub dimensions: Vec<(String, String)>,
    /// The metric whose sum counts requests.
    pub requests: String,
    /// The metric whose sum counts failures.
    pub errors: String,
    /// The metric whose values are response times in seconds.
    pub latency: Option<String>,
    /// The length of a bin.
    pub period: Duration,
}

/// Counts by PromQL. In every query `<service>` and `<target_group>` stand for the slot's, `<window>`
/// for the length of a bin, `<threshold>` for a time in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusFeed {
    /// The server: `http://prometheus:9090`.
    pub url: String,
    /// Headers to send. Values may hold `${VAR}`, filled in when they are sent and never written down.
    pub headers: Vec<(String, String)>,
    /// Counts requests.
    pub requests: String,
    /// Counts failures.
    pub errors: String,
    /// Counts requests slower than `<threshold>`.
    pub slower: Option<String>,
    /// The times, in seconds, at which the server can count slow requests: edges of its buckets.
    pub thresholds: Vec<f64>,
    /// The length of a bin.
    pub period: Duration,
}

impl Feed {
    /// The length of a bin.
    pub fn span(&self) -> Duration {
        match self {
            Feed::LoadBalancer => Duration::from_secs(60),
            Feed::Custom(feed) => feed.period,
            Feed::Prometheus(feed) => feed.period,
        }
    }

    /// How long after its end a bin can usually be read.
    pub fn delay(&self) -> Duration {
        match self {
            Feed::LoadBalancer => Duration::from_secs(60),
            Feed::Custom(_) | Feed::Prometheus(_) => Duration::from_secs(10),
        }
    }
}
