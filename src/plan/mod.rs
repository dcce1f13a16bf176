//! compile(spec, survey) -> Plan: strategies lowered to absolute steps, and the way back fixed first.

mod step;

use std::time::Duration;

pub use step::{Action, Before, Plan, ReleasePlan, Step};

/// How many closed minutes without a request make a slot quiet.
pub const QUIET_PERIODS: u32 = 3;

/// The least time between the last weight and the proof that no requests are left: the quiet
/// periods, one that was open when the weight went, and the minute in which CloudWatch publishes.
pub const QUIET_LEAST: Duration = Duration::from_secs(60 * (QUIET_PERIODS as u64 + 2));
