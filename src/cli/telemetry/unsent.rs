//! Stands in for telemetry in a binary that was built without it, on purpose: it sends nothing and says nothing.

use std::time::Duration;

use crate::cli::context::Context;
use crate::domain::trace::TraceParent;
use crate::journal::Record;
use crate::machine::Machine;
use crate::report::Several;
use crate::report::news::About;

/// Nothing brings telemetry.
pub(in crate::cli) struct Telemetry;

/// The reports as they are.
pub(in crate::cli) fn traced(
    _: &Context,
    _: (About, Option<TraceParent>),
    _: (&Machine, &[Record]),
    report: Several,
    _: impl Fn(&str),
) -> (Telemetry, Several) {
    (Telemetry, report)
}

impl Telemetry {
    /// There is nothing to wait for.
    #[expect(clippy::unused_async, clippy::unused_self, reason = "it is called as the one that waits is")]
    pub(in crate::cli) async fn close(self, _: Duration) {}
}
