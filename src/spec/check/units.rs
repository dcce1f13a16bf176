//! The units that spans are bounded in, in seconds.

/// A second, in seconds.
pub(super) const SECOND: u64 = 1;
/// A minute, in seconds.
pub(super) const MINUTE: u64 = 60;
/// An hour, in seconds.
pub(super) const HOUR: u64 = 60 * MINUTE;
/// A day, in seconds.
pub(super) const DAY: u64 = 24 * HOUR;
