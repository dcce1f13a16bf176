//! Telemetry that is sent: a trace and figures beside the other reports, and what brings them to a collector.

use std::time::Duration;

use crate::cli::Exit;
use crate::cli::context::Context;
use crate::cloud::{Collector, CollectorSettings};
use crate::journal::Record;
use crate::machine::Machine;
use crate::report::Several;
use crate::report::news::About;
use crate::report::trace::{Origin, Tracer};
use crate::trace::TraceParent;

/// How long the last spans and figures are waited for, in wall time.
const FLUSH: Duration = Duration::from_secs(2);

/// What brings telemetry; nothing where it goes nowhere.
pub(in crate::cli) struct Telemetry(Option<Collector>);

/// The reports with a trace beside them, where one goes anywhere. What earlier runners told is not told again.
pub(in crate::cli) fn traced(
    context: &Context,
    (about, parent): (About, Option<TraceParent>),
    (machine, records): (&Machine, &[Record]),
    report: Several,
    say: impl Fn(&str) + Send + Sync + 'static,
) -> (Telemetry, Several) {
    let settings = CollectorSettings::read(context.variables());
    if settings.is_empty() {
        return (Telemetry(None), report);
    }
    let (collector, intake) = Collector::open(settings, say);
    if intake.is_empty() {
        return (Telemetry(None), report);
    }
    let origin = Origin { about, parent, here: context.trace(), exit: |outcome| Exit::of(outcome) as u8 };
    let past = records.iter().map(|record| (record.at, record.event.clone()));
    let tracer = Tracer::new(origin, Box::new(move |told| intake.put(told))).past(machine.plan(), past);
    (Telemetry(Some(collector)), report.and(tracer))
}

impl Telemetry {
    /// Waits for what is still on its way, for `patience` at most, and never long.
    pub(in crate::cli) async fn close(self, patience: Duration) {
        if let Some(collector) = self.0 {
            collector.close(patience.min(FLUSH)).await;
        }
    }
}
