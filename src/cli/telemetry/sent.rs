//! Telemetry that is sent: a trace and figures beside the other reports, and what brings them to a collector.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::present::Present;
use crate::cli::{Exit, Failure};
use crate::cloud::{OtlpExporter, OtlpSettings, traces_json};
use crate::domain::telemetry::TelemetryItem;
use crate::domain::trace::TraceParent;
use crate::journal::Record;
use crate::machine::Machine;
use crate::report::Several;
use crate::report::news::About;
use crate::report::trace::{Origin, Tracer};

/// How long the last spans and figures are waited for, in wall time.
const FLUSH: Duration = Duration::from_secs(2);

/// What brings telemetry; nothing where it goes nowhere.
pub(in crate::cli) struct Telemetry(Option<OtlpExporter>);

/// The reports with a trace beside them, where one goes anywhere. What earlier runners told is not told again.
pub(in crate::cli) fn traced(
    context: &Context,
    (about, parent): (About, Option<TraceParent>),
    (machine, records): (&Machine, &[Record]),
    report: Several,
    say: impl Fn(&str) + Send + Sync + 'static,
) -> (Telemetry, Several) {
    let settings = OtlpSettings::read(context.variables());
    if settings.is_empty() {
        return (Telemetry(None), report);
    }
    let (otlp, intake) = OtlpExporter::open(settings, say);
    if intake.is_empty() {
        return (Telemetry(None), report);
    }
    let origin = Origin { about, parent, here: context.trace(), exit: |outcome| Exit::of(outcome) as u8 };
    let past = records.iter().map(|record| (record.at, record.event.clone()));
    let tracer = Tracer::new(origin, Box::new(move |told| intake.put(told))).past(machine.plan(), past);
    (Telemetry(Some(otlp)), report.and(tracer))
}

/// The trace of a journal: every span that has ended, whoever drove it then. A rollout under way has no span of its own yet.
pub(in crate::cli) fn exported(context: &Context, present: &Present) -> Result<String, Failure> {
    let resource = OtlpSettings::read(context.variables()).resource;
    let header = &present.recorded.header;
    let about = About { id: present.found.id.clone(), rehearsal: present.found.is_lab || context.follows_lab() };
    // Somebody asks for it: whether the pipeline's own trace is kept does not matter.
    let parent = header.trace.map(|parent| TraceParent { sampled: true, ..parent });
    let origin = Origin { about, parent, here: None, exit: |outcome| Exit::of(outcome) as u8 };
    let (sender, told) = std::sync::mpsc::channel();
    let sink = move |told| {
        if let TelemetryItem::Span(span) = told {
            let _ = sender.send(*span);
        }
    };
    let mut tracer = Tracer::new(origin, Box::new(sink));
    tracer.replay(&header.plan, present.recorded.records.iter().map(|record| (record.at, record.event.clone())));
    drop(tracer);
    let json = traces_json(told.into_iter().collect(), &resource);
    let json = json.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    Ok(crate::domain::text::escape_json(&json) + "\n")
}

impl Telemetry {
    /// Waits for what is still on its way, for `patience` at most, and never long.
    pub(in crate::cli) async fn close(self, patience: Duration) {
        if let Some(otlp) = self.0 {
            otlp.close(patience.min(FLUSH)).await;
        }
    }
}
