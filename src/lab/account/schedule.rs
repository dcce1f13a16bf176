//! EventBridge Scheduler's resources: groups, and schedules that fire once.

use serde_json::{Map, Value};

/// The group that is always there.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// A group of schedules.
#[derive(Debug, Clone)]
pub(crate) struct ScheduleGroup {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: u64,
}

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// Its name, unique in its group.
    pub name: String,
    /// The name of its group.
    pub group: String,
    /// What it does: the members it was last given, completed with the defaults.
    pub body: Map<String, Value>,
    /// The token of the call that made it: the same call again is no conflict.
    pub token: Option<String>,
    /// When it was made.
    pub created_at: u64,
    /// When it last changed.
    pub changed_at: u64,
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// Whether it goes away once it has fired.
    pub is_deleted_after: bool,
    /// When it is to fire, to the minute.
    pub at: u64,
    /// What its target is given.
    pub input: Value,
    /// How long and how often a failed delivery is repeated.
    pub retry: RetryPolicy,
    /// How far its firing is.
    pub firing: Firing,
    /// A number of its own for every change: what is heard of an earlier one counts no more.
    pub version: u64,
}

/// For how long and how often a failed delivery is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// No attempt is made once the event is this old, in milliseconds.
    pub age_ms: u64,
    /// Attempts after the first.
    pub attempts: u32,
}

/// How far the firing of a schedule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firing {
    /// Its time has not come.
    Waits,
    /// Its time has come.
    Due {
        /// When the first attempt was due.
        since: u64,
        /// When the next attempt is.
        next_at: u64,
        /// Attempts that were made.
        attempts: u32,
    },
    /// An attempt is under way, the so-many-eth.
    Asks {
        /// When the first attempt was due.
        since: u64,
        /// Attempts that were made, with this one.
        attempts: u32,
    },
    /// Delivered or given up; it never fires again unless it is changed.
    Over,
}
