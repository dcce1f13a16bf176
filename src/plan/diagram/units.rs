//! The units of the plan for programs: seconds and percent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::traffic::Share;

/// A span, in seconds.
pub(super) fn seconds(span: Duration) -> Value {
    if span.subsec_millis() == 0 { json!(span.as_secs()) } else { json!(span.as_secs_f64()) }
}

/// A share, in percent.
pub(super) fn percent(share: Share) -> Value {
    if share.permille().is_multiple_of(10) { json!(share.permille() / 10) } else { json!(share.percent()) }
}
