//! The page about traces and metrics: the variables, the spans, and each instrument.

use crate::domain::telemetry::{Instrument, Kind};
use crate::domain::text::hang;

/// How far what is said of a name is set in.
const INDENT: usize = 4;

/// What stands before the lists.
const ABOUT: &str = "If OpenTelemetry's standard variables name a collector, tidegate sends it a trace and metrics of each \
    rollout, by OTLP over HTTP. Otherwise it sends nothing. Whichever process drives the rollout sends them: run, resume, \
    rollback or guard. A collector that is slow or gone delays nothing: tidegate drops what it cannot send, says so once, \
    and spends 2s on the rest at the end, or 1s after a signal.";

/// The variables.
const VARIABLES: &[(&str, &str)] = &[
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "where both go, without /v1/traces and /v1/metrics: http://collector:4318"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "where one of them goes: the full URL, used as it is",
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "key=value,key=value; this variable and the next two also exist with _TRACES_ or _METRICS_, as above",
    ),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf, the default, or http/json; grpc is refused"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "how many milliseconds to wait for an answer: 10000 by default, 60000 at most"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative, the default, or delta"),
    (
        "OTEL_METRIC_EXPORT_INTERVAL",
        "milliseconds between two exports of metrics, 60000 by default. A change of the weight exports them at once",
    ),
    ("OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES", "who sends; service.name is tidegate by default"),
    ("OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER", "none turns one off"),
    ("OTEL_SDK_DISABLED", "true turns both off"),
    ("TRACEPARENT", "the pipeline's span, in the form of W3C Trace Context; the rollout becomes its child"),
];

/// What stands below them.
const UNKNOWN: &str = "For a trace alone, at a collector on this machine: \
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318/v1/traces. tidegate ignores all other variables: it \
    compresses nothing, trusts the machine's certificates, and samples every trace unless TRACEPARENT says otherwise.";

/// The spans.
const SPANS: &[(&str, &str)] = &[
    (
        "rollout",
        "the whole rollout, over all processes that drove it; sent when it is over. deployment.id is the rollout's id",
    ),
    (
        "register, secure, prepare, probe, shift, hold, ramp, approve, commit, retire, conclude, settle",
        "the steps, its children",
    ),
    ("retreat", "the way back, its child too"),
    ("route, scale, register, mark, arm, …", "one effect each, a child of its step; a route ends once it is read back"),
];

/// What stands between the lists of spans and of instruments.
const TRACE: &str = "All times come from the journal. The events of a span are those of the event stream (`--json`): \
    verdicts, probes, operator requests, the turn back. A rollout that is rolled back or stranded has status Error and an \
    error.type. The trace id is the pipeline's, which the journal keeps; without a pipeline it is derived from the \
    rollout's id. So `resume` and `rollback` on another machine continue the same trace. `tidegate report ROLLOUT \
    --format otlp` writes the trace of a journal at any time.";

/// What stands below the list of instruments.
const METRICS: &str = "Every metric has deployment.name and tidegate.cluster, and in a lab tidegate.rehearsal, but never a \
    rollout's id. Processes that run at the same time share their series. To tell them apart, set an attribute such as \
    service.instance.id in OTEL_RESOURCE_ATTRIBUTES.";

/// The page.
pub(super) fn page(width: usize) -> String {
    let of = |list: &[(&str, &str)]| list.iter().map(|(name, what)| entry(name, what, width)).collect::<String>();
    let instruments: String = Instrument::ALL.into_iter().map(|each| instrument(each, width)).collect();
    let text = |text: &str| hang("", 0, text, width);
    format!(
        "# Traces and metrics\n\n{}\n## Variables\n\n{}\n{}\n## Spans\n\n{}\n{}\n## Metrics\n\n{instruments}\n{}",
        text(ABOUT),
        of(VARIABLES),
        text(UNKNOWN),
        of(SPANS),
        text(TRACE),
        text(METRICS)
    )
}

fn instrument(instrument: Instrument, width: usize) -> String {
    let kind = match instrument.kind() {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram(_) => "histogram",
    };
    let name = format!("{} ({kind}, {})", instrument.name(), instrument.unit());
    entry(&name, instrument.description(), width)
}

/// A name, and below it what is said of it.
fn entry(name: &str, what: &str, width: usize) -> String {
    hang("", 0, name, width) + &hang(&" ".repeat(INDENT), INDENT, what, width)
}
