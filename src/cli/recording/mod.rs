//! Recordings: what both slots counted, as a file of JSON lines that `record` writes and `backtest` reads.
//!
//! # The format
//!
//! One JSON object a line, for one slot and one bin of time:
//!
//! ```json
//! {"at": 1795442700, "slot": "stable", "requests": 1200, "errors_5xx": 2, "slower_than": {"0.2": 61, "0.4": 3}}
//! {"at": 1795442700, "slot": "candidate", "requests": 60, "errors_5xx": 0, "slower_than": {"0.206": 3, "0.412": 0}, "share": 5}
//! ```
//!
//! | field | what it is |
//! |---|---|
//! | `at` | the bin's start, in seconds since the Unix epoch |
//! | `slot` | `stable` or `candidate` |
//! | `requests` | how many requests the slot answered; a line with none says the same as no line |
//! | `errors_5xx` | how many of them failed: a 5XX of the service's own, or a refused connection |
//! | `errors_4xx` | may be absent: how many were refused, with a 4XX |
//! | `slower_than` | may be absent: how many took longer than each of these times in seconds; the same times in every line of a slot |
//! | `timed` | may be absent: how many had their time taken, where that is not all of them |
//! | `share` | may be absent: the candidate's share by weight, in percent, from this bin on |
//!
//! Other fields are ignored, unless one is so much like a known one that it is a slip of the pen.
//!
//! The times of the two slots may be the same, or the candidate's a little above the stable slot's: then they
//! pair up in order, and a candidate that is as fast has as few answers above its times as the stable slot
//! above its own, with room for the difference. The difference may be what the spec's compare gate tolerates, and no
//! more; times that are the same are judged by the odds that the gate tolerates.
//!
//! # What may be wrong with it
//!
//! | what | rule |
//! |---|---|
//! | a line that is no such object; a number that is none, or negative; more errors or slow answers than requests; slow answers that do not fall with the time | an error |
//! | a bin that does not lie on the grid of bins that the first line began | an error |
//! | lines out of order by at most an hour | sorted, and told |
//! | a clock that goes back by more | an error |
//! | the same bin again | once is enough; where it differs, the later line counts, and that is told |
//! | bins that are missing | no data: told, and never a pass |
//! | empty lines | nothing |

mod line;
mod read;
mod series;
#[cfg(test)]
mod tests;
mod write;

pub(super) use line::listed;
pub(super) use read::Bins;
#[cfg(test)]
pub(super) use read::Found;
pub(super) use series::{harmed_in, read as read_series};
pub(super) use write::Writer;

use crate::domain::count::Counts;
use crate::domain::traffic::Share;

/// How far a line may lie behind the newest one before it, in seconds.
pub(super) const ORDER_WITHIN: u64 = 3600;
/// The longest line that is read, in bytes.
pub(super) const LINE_LIMIT: usize = 64 * 1024;
/// The most times at which slow answers are counted.
pub(super) const MARKS_LIMIT: usize = 16;

/// The format in a few lines, for `--help`.
pub(super) const FORMAT: &str = r#"A metrics file has one JSON object a line, for one slot and one bin of time:
  {"at": 1795442700, "slot": "stable", "requests": 1200, "errors_5xx": 2, "slower_than": {"0.2": 61}}
  at           the bin's start, in seconds since the Unix epoch
  slot         stable or candidate
  requests     how many it answered; a line with none says the same as no line
  errors_5xx   how many of them failed
  errors_4xx   optional: how many were refused
  slower_than  optional: how many took longer than so many seconds; the candidate's times may lie
               a little above the stable slot's, and then pair up with them in order
  timed        optional: how many had their time taken, where that is not all of them
  share        optional: the candidate's share by weight in percent, from this bin on
Bins are as long as the spec's feed says (1m). Lines may be out of order by up to an hour."#;

/// What one bin holds: of each slot that had requests its counts, and the share where it changed.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Recorded {
    pub(super) stable: Option<Counts>,
    pub(super) candidate: Option<Counts>,
    pub(super) share: Option<Share>,
}

/// Why a recording cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The line, from 1; `None` when it is the whole file.
    pub(super) line: Option<u64>,
    /// What is wrong.
    pub(super) what: String,
    /// What would be right.
    pub(super) right: Option<String>,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into(), right: None }
    }

    pub(super) fn right(mut self, right: impl Into<String>) -> Self {
        self.right = Some(right.into());
        self
    }
}
