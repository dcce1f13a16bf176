//! What the documentation says of traces and metrics: the variables, the spans, and each instrument.

use crate::domain::telemetry::{Instrument, Kind};
use crate::domain::text::hang;

/// How far what is said of a name is set in.
const INDENT: usize = 4;

/// What stands before the lists.
const ABOUT: &str = "A rollout is told to an OpenTelemetry collector where the standard variables name one, by OTLP over \
    HTTP. Nothing set: nothing is sent. Whoever drives it tells it: run, resume, rollback, a guard. A collector that is \
    slow, gone or full delays nothing: what cannot be sent is lost, that is said once, and at the end 2s are spent on \
    the rest, or 1s after a signal.";

/// The variables.
const VARIABLES: &[(&str, &str)] = &[
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "where both go, without /v1/traces and /v1/metrics: http://collector:4318"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "where one goes, as it stands"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "key=value,key=value; with _TRACES_ or _METRICS_ as above, as the next two"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf, the default, or http/json; grpc is refused"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "milliseconds that an answer may take; 10000, and 60000 at most"),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta for sums of what is new; cumulative is the default"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "milliseconds between metrics; 60000. They go too when the weight changes"),
    ("OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES", "who says it; service.name is tidegate"),
    ("OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER", "none turns one off"),
    ("OTEL_SDK_DISABLED", "true turns both off"),
    ("TRACEPARENT", "the span of the pipeline, as W3C Trace Context writes it: the rollout's is below it"),
];

/// What stands below them.
const UNKNOWN: &str = "For a trace alone, at a collector on this machine: \
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318/v1/traces. Other variables are not known: nothing is \
    compressed, the machine's certificates count, and a trace is kept unless TRACEPARENT says that it is not.";

/// The spans.
const SPANS: &[(&str, &str)] = &[
    ("rollout", "told when it is over, from its beginning to its end, over all who drove it; deployment.id is its id"),
    (
        "register, secure, prepare, probe, shift, hold, ramp, approve, commit, retire, conclude, settle",
        "the steps, below it",
    ),
    ("retreat", "the way back, below it too"),
    ("route, scale, register, mark, arm, …", "what the world was asked for, below the step; route is read back"),
];

/// What stands between the lists of spans and of instruments.
const TRACE: &str = "Their times are those of the journal, and their events what the event stream says (`--json`): verdicts, \
    probes, words of people, the turn back. A rollout that went back or is stranded has status Error, with error.type. \
    The id of a trace is the pipeline's, which the journal keeps, or made of the rollout's id; either way `resume` and \
    `rollback` on another machine go on with the same trace. `tidegate report ROLLOUT --format otlp` writes the trace of \
    a journal at any time.";

/// What stands below the list of instruments.
const METRICS: &str = "Each has deployment.name and tidegate.cluster, and tidegate.rehearsal in a lab; never a rollout's id. \
    Processes that run at once share their series unless OTEL_RESOURCE_ATTRIBUTES tells them apart, with \
    service.instance.id for one.";

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
