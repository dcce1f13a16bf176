//! What stands in for telemetry in a binary that was built without it: one line for whoever expects some.

use std::time::Duration;

use crate::cli::context::Context;
use crate::journal::Record;
use crate::machine::Machine;
use crate::report::Several;
use crate::report::news::About;
use crate::trace::TraceParent;

/// The variables that name where telemetry goes.
const ENDPOINTS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];

/// Nothing brings telemetry.
pub(in crate::cli) struct Telemetry;

/// The reports as they are. The first runner of a rollout says why a collector that is named hears nothing.
pub(in crate::cli) fn traced(
    context: &Context,
    _: (About, Option<TraceParent>),
    (_, records): (&Machine, &[Record]),
    report: Several,
    say: impl Fn(&str),
) -> (Telemetry, Several) {
    let is_off = context.variable("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let named = ENDPOINTS.into_iter().find(|name| context.variable(name).is_some());
    if let Some(name) = named.filter(|_| records.is_empty() && !is_off) {
        say(&format!("{name} is set, and this binary was built without `--features otel`: nothing is sent there"));
    }
    (Telemetry, report)
}

impl Telemetry {
    /// There is nothing to wait for.
    #[expect(clippy::unused_async, clippy::unused_self, reason = "it is called as the one that waits is")]
    pub(in crate::cli) async fn close(self, _: Duration) {}
}
