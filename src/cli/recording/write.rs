//! Lines of a recording, as they are written.

use std::fmt::Write as _;

use crate::domain::clock::Timestamp;
use crate::domain::count::Counts;
use crate::domain::fleet::Role;

/// Writes lines, and counts what had to be made sound: sources that interpolate break rules by a little.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cli) struct Writer {
    /// How many lines were written.
    pub(in crate::cli) lines: u64,
    /// How many of them said more errors or slow answers than requests, and were cut.
    pub(in crate::cli) cut: u64,
}

impl Writer {
    /// The line for what a slot counted in one bin, slow answers at `marks`, with its line break; nothing
    /// where it had no requests.
    pub(in crate::cli) fn line(&mut self, at: Timestamp, role: Role, counts: &Counts, marks: &[f64]) -> String {
        let sound = |count: f64| count.is_finite() && count >= 0.0;
        if !sound(counts.requests) || counts.requests == 0.0 {
            return String::new();
        }
        let mut cut = false;
        let mut within = |count: f64, limit: f64| {
            cut |= !sound(count) || count > limit;
            if sound(count) { count.min(limit) } else { 0.0 }
        };
        let errors = within(counts.errors, counts.requests);
        let timed = within(counts.timed, counts.requests);
        let mut line = format!(
            "{{\"at\": {}, \"slot\": \"{role}\", \"requests\": {}, \"errors_5xx\": {errors}",
            seconds(at),
            counts.requests
        );
        let refused = within(counts.refused, counts.requests);
        if refused > 0.0 {
            let _ = write!(line, ", \"errors_4xx\": {refused}");
        }
        if !marks.is_empty() {
            let mut limit = timed;
            let slower = marks.iter().zip(&counts.slower).map(|(mark, slower)| {
                limit = rounded(within(*slower, limit)).min(limit);
                format!("\"{mark}\": {limit}")
            });
            let slower = slower.collect::<Vec<_>>().join(", ");
            let _ = write!(line, ", \"slower_than\": {{{slower}}}");
            if timed < counts.requests {
                let _ = write!(line, ", \"timed\": {timed}");
            }
        }
        self.lines += 1;
        self.cut += u64::from(cut);
        line + "}\n"
    }
}

fn seconds(at: Timestamp) -> String {
    let millis = at.as_millis();
    if millis.is_multiple_of(1000) {
        (millis / 1000).to_string()
    } else {
        format!("{}.{:03}", millis / 1000, millis % 1000)
    }
}

/// Interpolated counts are no finer than this.
fn rounded(count: f64) -> f64 {
    (count * 1e6).round() / 1e6
}
