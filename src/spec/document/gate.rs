//! The gates as they are written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BurnRate, Command, Compare, Split, Time, Webhook};
use crate::gate::TasksRule;

/// One question that is asked of the world.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [
    {"compare": {}},
    {"alarm": {"name": "web-5xx"}},
    {"tasks": {}},
    {"probe": {"name": "smoke", "url": "http://{load_balancer}:9001/healthz"}}
]))]
pub(crate) enum Gate {
    /// Is the candidate no worse than the stable slot, in the same minutes? At most one in a spec.
    Compare(Box<Compare>),
    /// Does the candidate get the requests that its weight says? At most one in a spec.
    Split(Split),
    /// Is this CloudWatch alarm quiet?
    Alarm(Alarm),
    /// Is this CloudWatch metric, metric math over several, or PromQL query within its bound?
    Metric(Metric),
    /// Does the candidate answer this HTTP request, before it gets traffic?
    Probe(Probe),
    /// Do the candidate's tasks start in time, stay up and pass their health checks?
    Tasks(Tasks),
    /// Does the whole service, both slots together, keep within its error budget? An outer net: at a small
    /// share a bad candidate hardly shows in it.
    BurnRate(BurnRate),
    /// Does this URL say yes?
    Webhook(Webhook),
    /// Does this program, on the machine that runs tidegate, say yes?
    Command(Command),
}

/// A CloudWatch alarm of any kind: metric, composite, log or PromQL.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alarm {
    /// The alarm, by name or ARN.
    #[schemars(extend("examples" = ["web-5xx"]))]
    pub(crate) name: String,
    /// What the gate is called in reports. Left out, it is called as the alarm is.
    #[schemars(extend("examples" = ["server errors"]))]
    pub(crate) called: Option<String>,
    /// What it means that the alarm rings before the rollout starts.
    #[serde(default)]
    pub(crate) at_start: AtStart,
    /// What the state INSUFFICIENT_DATA means. It is never a pass.
    #[serde(default)]
    pub(crate) insufficient_data: InsufficientData,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// What it means that an alarm rings before the rollout starts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AtStart {
    /// The rollout is refused.
    #[default]
    Refuse,
    /// The rollout starts; the alarm says nothing until it has been quiet once.
    WaitForOk,
}

/// What INSUFFICIENT_DATA means.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InsufficientData {
    /// Nothing yet: the step waits, within `limits.verdict`.
    #[default]
    Inconclusive,
    /// A breach.
    Fail,
}

/// A metric, metric math or a PromQL query against a bound. Exactly one of `inputs` and `prometheus`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    /// What the gate is called in reports; unique in a spec.
    #[schemars(extend("examples" = ["candidate errors"]))]
    pub(crate) name: String,
    /// The CloudWatch metrics that are read, by the id that the expression calls them: a lower-case letter, then
    /// letters, digits and `_`.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 20))]
    pub(crate) inputs: Option<BTreeMap<String, Input>>,
    /// A Prometheus server that is asked instead of CloudWatch.
    pub(crate) prometheus: Option<Prometheus>,
    /// CloudWatch metric math over the ids. Left out, the one input is the value.
    #[schemars(extend("examples" = ["100 * errors / requests"]))]
    pub(crate) expression: Option<String>,
    /// A breach when the value exceeds this. Exactly one of `above` and `below`.
    #[schemars(extend("examples" = [1, 0.3]))]
    pub(crate) above: Option<f64>,
    /// A breach when the value falls below this. Exactly one of `above` and `below`.
    #[schemars(extend("examples" = [99.5]))]
    pub(crate) below: Option<f64>,
    /// The length of one datapoint: 10s, 30s, or whole minutes up to 1h; from Prometheus any from 10s to 1h. AWS's
    /// own metrics come once a minute.
    #[serde(default = "period")]
    pub(crate) period: Time,
    /// How many of the last datapoints must break the bound before it is a breach.
    #[serde(default = "breaching")]
    #[schemars(extend("pattern" = r"^\d+ of \d+$|\$\{", "examples" = ["1 of 1", "2 of 3"]))]
    pub(crate) breaching: String,
    /// How many samples a datapoint needs to count at all. With fewer the gate waits.
    pub(crate) samples: Option<Samples>,
    /// What no datapoint at all means. It is never a pass.
    #[serde(default)]
    pub(crate) missing_data: MissingData,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// A question to a Prometheus server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prometheus {
    /// The server, with its path if it has one.
    #[schemars(extend("examples" = ["http://prometheus.internal:9090"]))]
    pub(crate) url: String,
    /// PromQL whose answer is one series. `<service>` and `<target_group>` stand for the candidate's, `<window>`
    /// for the gate's period.
    #[schemars(extend("examples" = ["sum(rate(http_errors_total{service=\"<service>\"}[<window>]))"]))]
    pub(crate) query: String,
    /// Headers to send. `${VAR}` in a value is filled in when the question is sent and never written down.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50, "examples" = [{"authorization": "Bearer ${PROMETHEUS_TOKEN}"}]))]
    pub(crate) headers: BTreeMap<String, String>,
}

/// One metric that is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The metric's namespace.
    #[serde(default = "namespace")]
    #[schemars(extend("examples" = ["AWS/ApplicationELB", "Web/Checkout"]))]
    pub(crate) namespace: String,
    /// The metric's name.
    #[schemars(extend("examples" = ["HTTPCode_Target_5XX_Count", "TargetResponseTime", "RequestCount"]))]
    pub(crate) metric: String,
    /// The statistic: Sum, Average, Minimum, Maximum, SampleCount, a percentile such as p95, or a range such as
    /// `TC(0.3:)` (how many were above 0.3).
    #[schemars(extend("examples" = ["Sum", "p95", "TC(0.3:)"]))]
    pub(crate) statistic: String,
    /// Whose metric it is: fills in the dimensions. Left out, only `dimensions` are used.
    pub(crate) of: Option<Of>,
    /// Dimensions beside those that `of` fills in.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 30, "examples" = [{"AvailabilityZone": "eu-west-1a"}]))]
    pub(crate) dimensions: BTreeMap<String, String>,
    /// What a datapoint that is absent counts as. Right for counts that are reported only when something
    /// happened, such as errors; wrong for anything else. Left out, absent is no data.
    pub(crate) absent: Option<Absent>,
}

/// Whose metric it is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Of {
    /// The target group of the slot that gets the new release.
    Candidate,
    /// The target group of the slot that serves today.
    Stable,
    /// The rollout's load balancer.
    LoadBalancer,
}

/// What an absent datapoint counts as.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Absent {
    /// Zero.
    Zero,
}

/// How many samples a datapoint needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Samples {
    /// The id of the input that counts them.
    #[schemars(extend("examples" = ["requests"]))]
    pub(crate) input: String,
    /// The least sum in one period.
    #[schemars(extend("minimum" = 0, "examples" = [50]))]
    pub(crate) at_least: f64,
}

/// What no datapoints mean.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingData {
    /// Nothing yet: the step waits, within `limits.verdict`.
    #[default]
    Inconclusive,
    /// A breach, as soon as two whole periods after the step took hold have brought nothing.
    Fail,
}

/// An HTTP request that the candidate must answer before it gets traffic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Probe {
    /// What the gate is called in reports; unique in a spec.
    #[schemars(extend("examples" = ["smoke"]))]
    pub(crate) name: String,
    /// Where to, through a test listener or a rule that looks at a header. `{load_balancer}` is the load
    /// balancer's own DNS name.
    #[schemars(extend("examples" = ["http://{load_balancer}:9001/healthz"]))]
    pub(crate) url: String,
    /// Headers to send. `${VAR}` in a value is filled in when the probe is sent and never written down.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50, "examples" = [{"x-canary": "1"}]))]
    pub(crate) headers: BTreeMap<String, String>,
    /// The status that is right.
    #[serde(default = "status")]
    #[schemars(range(min = 200, max = 599), extend("examples" = [200]))]
    pub(crate) status: u16,
    /// Text that the body must contain.
    #[schemars(extend("examples" = ["ok"]))]
    pub(crate) contains: Option<String>,
    /// How many answers in a row must be right.
    #[serde(default = "times")]
    #[schemars(range(min = 1, max = 100), extend("examples" = [3]))]
    pub(crate) times: u32,
    /// How long one answer may take. From 1s to 1m.
    #[serde(default = "timeout")]
    pub(crate) timeout: Time,
    /// How long the probe may keep trying; then it has failed. From 5s to 1h.
    #[serde(default = "within")]
    pub(crate) within: Time,
    /// Whether it only watches: it is tried as long as `within` says, then the rollout goes on whatever came.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// What the candidate's tasks may do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tasks {
    /// How many tasks may stop by themselves before it is a breach.
    #[schemars(range(min = 1, max = 1000), extend("examples" = [3]))]
    pub(crate) crashes: u32,
    /// How long the tasks may take until the load balancer calls them all healthy. From 10s to 6h.
    pub(crate) start_within: Time,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

impl Default for Tasks {
    fn default() -> Self {
        let TasksRule { crashes, start_within } = TasksRule::default();
        Self { crashes, start_within: Time::of(start_within), watch: false }
    }
}

fn period() -> Time {
    Time::of(Duration::from_secs(60))
}

fn breaching() -> String {
    "1 of 1".to_owned()
}

fn namespace() -> String {
    "AWS/ApplicationELB".to_owned()
}

fn status() -> u16 {
    200
}

fn times() -> u32 {
    3
}

fn timeout() -> Time {
    Time::of(Duration::from_secs(5))
}

fn within() -> Time {
    Time::of(Duration::from_secs(120))
}
