//! The written form of a plan, with its gates, policies and limits.

use super::event::{Role, Slot};
use super::{Moment, Name, Number, Permille, Span, Written, written};
use crate::domain::{driver, fleet, notify, safeguard, window};
use crate::gate::compare;
use crate::{gate, plan, spec};

written! {
    struct Plan = plan::Plan {
        name: Name,
        #[serde(default = "pair")]
        driver: Driver,
        target: Target,
        before: Before,
        release: ReleasePlan,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<ImageChange>,
        steps: Vec<Step>,
        gates: Vec<Gate>,
        policies: Policies,
        limits: Limits,
        dead_man: Option<DeadMan>,
        writer_role: Option<String>,
        #[serde(default)]
        notify: Vec<Recipient>,
        windows: Option<Windows>,
        undoes: Option<Undoes>,
        #[serde(default)]
        rules: u32,
        warnings: Vec<String>,
    }

    struct ImageChange = plan::ImageChange { container: String, from: Option<String>, to: Option<String> }

    struct Undoes = plan::Undoes { rollout: String, reason: Option<String> }

    enum Driver = driver::Driver { Pair, TaskSets, Ecs(deployment: EcsDeployment), CodeDeploy(deployment: CodeDeployment) }

    struct EcsDeployment = driver::EcsDeployment { timetable: Timetable, pause: Span }

    struct CodeDeployment = driver::CodeDeployment { application: String, group: String, timetable: Timetable }

    enum Timetable = driver::Timetable {
        AllAtOnce,
        Canary { first: Permille, every: Span },
        Linear { step: Permille, every: Span },
    }

    struct DeadMan = safeguard::DeadMan { role: String, after: Span, group: String }

    struct Windows = window::Windows {
        open: Vec<Interval>,
        frozen: Vec<Frozen>,
        calendars: Vec<String>,
        when_closed: WhenClosed,
        known_until: Moment,
    }

    struct Interval = window::Interval { from: Moment, to: Moment }

    struct Frozen = window::Frozen { when: Interval, reason: String }

    enum WhenClosed = window::WhenClosed { Hold, Finish }

    struct Recipient = notify::Recipient { channel: Channel, on: Vec<Occasion> }

    enum Channel = notify::Channel {
        Slack { url: String },
        Webhook { url: String, secret: String, allow_private: bool },
        Sns { topic: String },
    }

    enum Occasion = notify::Occasion {
        Started,
        StepPassed,
        Waiting,
        Breach,
        GoingBack,
        BreakGlass,
        RolledBack,
        Promoted,
        Stranded,
        HandedOver,
    }

    struct Target = fleet::Target {
        region: String,
        account: String,
        cluster: String,
        rule: String,
        load_balancer_dimension: String,
        dns_name: String,
        stable: Place,
        candidate: Place,
    }

    struct Place = fleet::Place {
        slot: Slot,
        service: String,
        target_group: String,
        target_group_name: String,
        target_group_dimension: String,
    }

    struct Before = plan::Before {
        at: Moment,
        weights: Vec<(String, u16)>,
        stickiness: Option<Span>,
        #[serde(default)]
        sticky_groups: Vec<String>,
        priority: Option<u32>,
        shape: String,
        actions_json: String,
        stable_desired: u32,
        candidate_desired: u32,
        stable_task_definition: String,
        candidate_task_definition: String,
        #[serde(default)]
        scaling: Vec<(Role, Scaling)>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        test_rules: Vec<String>,
        #[serde(default)]
        deployment_configuration: Option<String>,
    }

    struct Scaling = safeguard::Scaling {
        min: u32,
        max: u32,
        no_scale_in: bool,
        no_scale_out: bool,
        no_schedule: bool,
    }

    enum ReleasePlan = plan::ReleasePlan {
        Registered(arn: String),
        Register { source: String, digest: String },
    }

    struct Step = plan::Step { action: Action, within: Span }

    enum Action = plan::Action {
        Register,
        Secure,
        Prepare(count: u32),
        Probe(gate: usize),
        Shift(share: Permille),
        Hold(span: Span),
        Ramp { gate: usize, rule: RampRule },
        Approve(message: String),
        Commit,
        Retire,
        Conclude,
        Settle,
        Watch(span: Span),
    }

    struct Gate = gate::Gate { name: String, check: Check, #[serde(default)] watch: bool }

    enum Check = gate::Check {
        Alarm(rule: AlarmRule),
        Metric(rule: MetricRule),
        Probe(rule: ProbeRule),
        Tasks(rule: TasksRule),
        Compare(rule: Box<CompareRule>),
        Split(rule: SplitRule),
        Burn(rule: BurnRule),
        Webhook(rule: WebhookRule),
        Command(rule: CommandRule),
    }

    struct CompareRule = gate::CompareRule {
        feed: Feed,
        errors: ErrorTolerance,
        #[serde(default = "untold")]
        refused: ErrorTolerance,
        latency: LatencyTolerance,
        alpha: Number,
        margins: Margins,
        unproven: Unproven,
        warm_up: Span,
        #[serde(default)]
        budget: Option<Number>,
        #[serde(default)]
        hosts: Option<u32>,
        baseline: Baseline,
    }

    enum Feed = compare::Feed { LoadBalancer, Custom(feed: CustomFeed), Prometheus(feed: PrometheusFeed) }

    struct CustomFeed = compare::CustomFeed {
        namespace: String,
        dimensions: Vec<(String, String)>,
        requests: String,
        errors: String,
        latency: Option<String>,
        period: Span,
    }

    struct PrometheusFeed = compare::PrometheusFeed {
        url: String,
        headers: Vec<(String, String)>,
        requests: String,
        errors: String,
        slower: Option<String>,
        thresholds: Vec<Number>,
        period: Span,
    }

    struct ErrorTolerance = compare::ErrorTolerance { ratio: Number, excess: Number, weight: Number }

    struct LatencyTolerance = compare::LatencyTolerance { slower: Number, odds: Number, weight: Number }

    struct Margins = compare::Margins { errors: Number, slow: Number }

    enum Unproven = compare::Unproven { Pass, Fail }

    struct Baseline = compare::Baseline {
        bins: usize,
        rate: Number,
        errors: Number,
        error_noise: Number,
        #[serde(default)]
        refused_noise: Number,
        thresholds: Vec<Threshold>,
    }

    struct Threshold = compare::Threshold {
        quantile: Option<Number>,
        stable: Number,
        candidate: Number,
        odds: Number,
        share: Number,
        noise: Number,
        #[serde(default)]
        jitter: Number,
    }

    struct RampRule = compare::RampRule { budget: Number, floor: Permille, ceiling: Permille, blind: Span }

    struct SplitRule = gate::SplitRule { feed: Feed, alpha: Number, odds: Number }

    struct BurnRule = gate::BurnRule { objective: Number, factor: Number, long: Span, short: Span }

    struct WebhookRule = gate::WebhookRule {
        url: String,
        headers: Vec<(String, String)>,
        timeout: Span,
        every: Span,
    }

    struct CommandRule = gate::CommandRule {
        command: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        environment: Vec<String>,
        timeout: Span,
        every: Span,
    }


    struct AlarmRule = gate::AlarmRule { alarm: String, at_start: AtStart, insufficient_data: Insufficient }

    enum AtStart = gate::AtStart { Refuse, WaitForOk }

    enum Insufficient = gate::Insufficient { Inconclusive, Fail }

    struct PrometheusMetric = gate::PrometheusMetric { url: String, headers: Vec<(String, String)>, query: String }

    enum Bound = gate::Bound { Above(limit: Number), Below(limit: Number) }

    enum MissingData = gate::MissingData { Inconclusive, Fail }

    struct Input = gate::Input {
        id: String,
        namespace: String,
        metric: String,
        statistic: String,
        of: Of,
        dimensions: Vec<(String, String)>,
        absent_is_zero: bool,
    }

    enum Of = gate::Of { Slot(role: Role), LoadBalancer, Named }

    struct ProbeRule = gate::ProbeRule {
        url: String,
        headers: Vec<(String, String)>,
        status: u16,
        contains: Option<String>,
        times: u32,
        timeout: Span,
        within: Span,
    }

    struct TasksRule = gate::TasksRule { crashes: u32, start_within: Span }

    #[expect(clippy::struct_field_names, reason = "the names are the spec's own")]
    struct Policies = spec::Policies { on_breach: OnTrouble, on_interrupt: OnTrouble, on_foreign_write: OnTrouble }

    enum OnTrouble = spec::OnTrouble { Rollback, Hold }

    struct Limits = spec::Limits {
        prepare: Span,
        shift: Span,
        verdict: Span,
        pause: Span,
        blind: Span,
        drain: Span,
        retreat: Span,
    }
}

/// Older gates did not look for refusals.
fn untold() -> ErrorTolerance {
    Written::write(&compare::ErrorTolerance::default())
}

/// Journals of the versions before 3 know no other driver.
fn pair() -> Driver {
    Driver::Pair
}

/// Flat, as it was while CloudWatch was the only source. A metric of another source has no inputs at all, so
/// that a reader which knows none refuses the journal instead of judging nothing.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct MetricRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Vec<Input>>,
    expression: Option<String>,
    bound: Bound,
    period: Span,
    breaching: u32,
    of: u32,
    samples: Option<(String, Number)>,
    missing_data: MissingData,
    #[serde(skip_serializing_if = "Option::is_none")]
    prometheus: Option<PrometheusMetric>,
}

impl Written for MetricRule {
    type Of = gate::MetricRule;

    fn write(of: &Self::Of) -> Self {
        let (cloudwatch, prometheus) = match &of.source {
            gate::MetricSource::CloudWatch(metric) => (Some(metric), None),
            gate::MetricSource::Prometheus(metric) => (None, Some(metric)),
        };
        Self {
            inputs: cloudwatch.map(|metric| Written::write(&metric.inputs)),
            expression: cloudwatch.and_then(|metric| metric.expression.clone()),
            bound: Written::write(&of.bound),
            period: Written::write(&of.period),
            breaching: of.breaching,
            of: of.of,
            samples: cloudwatch.and_then(|metric| Written::write(&metric.samples)),
            missing_data: Written::write(&of.missing_data),
            prometheus: prometheus.map(Written::write),
        }
    }

    fn read(self) -> Self::Of {
        let source = match self.prometheus {
            Some(metric) => gate::MetricSource::Prometheus(metric.read()),
            None => gate::MetricSource::CloudWatch(gate::CloudWatchMetric {
                inputs: self.inputs.unwrap_or_default().read(),
                expression: self.expression,
                samples: self.samples.read(),
            }),
        };
        gate::MetricRule {
            source,
            bound: self.bound.read(),
            period: self.period.read(),
            breaching: self.breaching,
            of: self.of,
            missing_data: self.missing_data.read(),
        }
    }
}
