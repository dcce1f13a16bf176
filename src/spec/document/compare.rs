//! The gates that compare the two slots, as they are written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Percentage, Time};
use crate::gate::{CompareRule, SplitRule, compare};

/// Is the candidate no worse than the stable slot, in the same minutes? No threshold is guessed: what is normal
/// is what the stable slot does, now and in its past.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Compare {
    /// What the gate is called in reports.
    #[schemars(extend("examples" = ["compare"]))]
    pub(crate) name: Option<String>,
    /// The chance, per rollout and over all looks, that a release which is no worse is sent back. From 0.01% to 10%.
    pub(crate) alpha: Percentage,
    /// Which measures are judged, each with its part of the evidence, at most 95% together: of `alpha` it may spend that
    /// part. What is not named is not judged. Without it errors have 45%, refusals 5% and response times 45%.
    pub(crate) judge: Option<Judge>,
    /// How many more errors are no regression.
    pub(crate) errors: Errors,
    /// How much slower is no regression.
    pub(crate) latency: Latency,
    /// What must be proven before a step passes.
    pub(crate) margins: Margins,
    /// What a step does whose margins are not proven when its time is over, although nothing speaks against
    /// the candidate.
    pub(crate) unproven: Unproven,
    /// How long response times do not count after the candidate's first request, at least: a slow one has two to five
    /// minutes to become warm. 0s is for one that needs no time. Errors always count. Up to 1h.
    pub(crate) warm_up: Time,
    /// Where requests, errors and response times are counted.
    pub(crate) feed: Feed,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// What is judged, and by how much of the evidence each.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{"errors": "60%", "latency": "30%"}]))]
pub(crate) struct Judge {
    /// Requests that fail: answers with a 5XX, and connections that no target took.
    pub(crate) errors: Option<Percentage>,
    /// Requests that are refused: answers with a 4XX.
    pub(crate) refused: Option<Percentage>,
    /// Response times.
    pub(crate) latency: Option<Percentage>,
}

/// The candidate may fail `ratio` times as often as the stable slot, and `excess` more.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Errors {
    /// A factor on the stable slot's share of errors.
    #[schemars(range(min = 1, max = 10), extend("examples" = [1.1]))]
    pub(crate) ratio: f64,
    /// A share of the requests on top of that. Up to 10%.
    pub(crate) excess: Percentage,
    /// How much of the evidence is looked for in errors; 0% turns them off. With `latency.weight` at most 95%.
    pub(crate) weight: Percentage,
}

/// The candidate may be this much slower.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Latency {
    /// By how much response times may grow, at any quantile. Up to 100%.
    pub(crate) slower: Percentage,
    /// Where the source cannot tell times so close from each other: the factor by which the odds of a slow
    /// answer may grow instead.
    #[schemars(range(min = 1, max = 10), extend("examples" = [1.15]))]
    pub(crate) odds: f64,
    /// How much of the evidence is looked for in response times; 0% turns them off. With `errors.weight` at most 95%.
    pub(crate) weight: Percentage,
}

/// The most by which the candidate may still be worse when a step passes.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Margins {
    /// Errors above the stable slot's, as a share of the candidate's requests. From 0.01% to 50%.
    pub(crate) errors: Percentage,
    /// Answers slower than the stable slot's 95th percentile, beyond its own 5%. From 0.1% to 50%.
    pub(crate) slow: Percentage,
}

/// What becomes of a step whose margins are not proven in time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unproven {
    /// It passes, and says what is proven.
    Pass,
    /// It is a breach.
    Fail,
}

/// Where counts come from.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [
    {"load_balancer": {}},
    {"custom": {"namespace": "Web", "requests": "Requests", "errors": "Errors"}}
]))]
pub(crate) enum Feed {
    /// The load balancer's own metrics, by the minute. They need nothing from the service.
    LoadBalancer(LoadBalancer),
    /// CloudWatch metrics that the service publishes itself, such as by the embedded metric format: up to every 10s.
    Custom(CustomFeed),
    /// A Prometheus server.
    Prometheus(PrometheusFeed),
}

/// The load balancer's own metrics.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoadBalancer {}

/// CloudWatch metrics that the service publishes itself.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomFeed {
    /// The metrics' namespace.
    #[schemars(extend("examples" = ["Web"]))]
    pub(crate) namespace: String,
    /// The metrics' dimensions. `<service>` and `<target_group>` stand for the slot's, and one of them must
    /// tell the slots apart.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 30, "examples" = [{"Service": "<service>"}]))]
    pub(crate) dimensions: BTreeMap<String, String>,
    /// The metric whose sum counts requests.
    #[schemars(extend("examples" = ["Requests"]))]
    pub(crate) requests: String,
    /// The metric whose sum counts failures.
    #[schemars(extend("examples" = ["Errors"]))]
    pub(crate) errors: String,
    /// The metric whose values are response times, in seconds. Left out, response times are not compared.
    #[schemars(extend("examples" = ["Latency"]))]
    pub(crate) latency: Option<String>,
    /// How long a stretch is counted at once: 10s, 30s or 1m.
    #[serde(default = "ten_seconds")]
    pub(crate) period: Time,
}

/// A Prometheus server. In every query `<service>` and `<target_group>` stand for the slot's names, `<window>`
/// for the stretch that is counted, as in `[<window>]`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrometheusFeed {
    /// The server.
    #[schemars(extend("examples" = ["http://prometheus:9090"]))]
    pub(crate) url: String,
    /// Headers to send. `${VAR}` in a value is filled in when it is sent and never written down.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50, "examples" = [{"authorization": "Bearer ${TOKEN}"}]))]
    pub(crate) headers: BTreeMap<String, String>,
    /// PromQL that counts requests.
    #[schemars(extend("examples" = ["sum(increase(http_requests_total{service=\"<service>\"}[<window>]))"]))]
    pub(crate) requests: String,
    /// PromQL that counts failures.
    #[schemars(extend("examples" = [
        "sum(increase(http_requests_total{service=\"<service>\",code=~\"5..\"}[<window>]))"
    ]))]
    pub(crate) errors: String,
    /// PromQL that counts requests slower than `<threshold>` seconds, each of `thresholds` in turn. Left out,
    /// response times are not compared.
    #[schemars(extend("examples" = [
        "sum(increase(http_duration_seconds_count{service=\"<service>\"}[<window>])) - sum(increase(http_duration_seconds_bucket{service=\"<service>\",le=\"<threshold>\"}[<window>]))"
    ]))]
    pub(crate) slower: Option<String>,
    /// Times, in seconds, at which the server can count slow requests: edges of its buckets, rising.
    #[serde(default)]
    #[schemars(length(max = 20), extend("examples" = [[0.1, 0.25, 0.5, 1]]))]
    pub(crate) thresholds: Vec<f64>,
    /// How long a stretch is counted at once, at least four times as long as the server's scrapes are apart.
    /// From 10s to 5m.
    #[serde(default = "minute")]
    pub(crate) period: Time,
}

/// Does the candidate get the requests that its weight says? A rule that is shadowed by another, clients that
/// stick, and a candidate that hangs all show here. Left out, one is added that only tells.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Split {
    /// What the gate is called in reports.
    #[schemars(extend("examples" = ["split"]))]
    pub(crate) name: Option<String>,
    /// The chance, per rollout, that a split which is right is called wrong. From 0.01% to 10%.
    pub(crate) alpha: Percentage,
    /// The factor by which the odds of a request going to the candidate may be off.
    #[schemars(range(min = 1, max = 100), extend("examples" = [1.25]))]
    pub(crate) odds: f64,
    /// Whether it only watches: its verdicts are told, and nothing follows from them. The one that is added when
    /// none is listed does.
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

impl Default for Compare {
    fn default() -> Self {
        let CompareRule { alpha, unproven, warm_up, .. } = CompareRule::default();
        Self {
            name: None,
            alpha: Percentage::of(alpha),
            judge: None,
            errors: Errors::default(),
            latency: Latency::default(),
            margins: Margins::default(),
            unproven: match unproven {
                compare::Unproven::Pass => Unproven::Pass,
                compare::Unproven::Fail => Unproven::Fail,
            },
            warm_up: Time::of(warm_up),
            feed: Feed::LoadBalancer(LoadBalancer {}),
            watch: false,
        }
    }
}

impl Default for Errors {
    fn default() -> Self {
        let compare::ErrorTolerance { ratio, excess, weight } = CompareRule::default().errors;
        Self { ratio, excess: Percentage::of(excess), weight: Percentage::of(weight) }
    }
}

impl Default for Latency {
    fn default() -> Self {
        let compare::LatencyTolerance { slower, odds, weight } = CompareRule::default().latency;
        Self { slower: Percentage::of(slower), odds, weight: Percentage::of(weight) }
    }
}

impl Default for Margins {
    fn default() -> Self {
        let compare::Margins { errors, slow } = CompareRule::default().margins;
        Self { errors: Percentage::of(errors), slow: Percentage::of(slow) }
    }
}

impl Default for Split {
    fn default() -> Self {
        let SplitRule { alpha, odds, .. } = SplitRule::default();
        Self { name: None, alpha: Percentage::of(alpha), odds, watch: false }
    }
}

fn ten_seconds() -> Time {
    Time::of(Duration::from_secs(10))
}

fn minute() -> Time {
    Time::of(Duration::from_secs(60))
}
