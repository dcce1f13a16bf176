//! When a rollout may go forward, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a rollout may go forward: within one of `allow`, outside of every freeze, and while every calendar is open. It
/// is not started outside of that but with `--break-glass`, and one under way does what `when_closed` says. The way
/// back is never closed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Windows {
    /// The time zone of all times and dates here, by its IANA name.
    #[serde(default = "utc")]
    #[schemars(extend("examples" = ["Europe/Berlin"]))]
    pub(crate) time_zone: String,
    /// When it may go forward. Left out, at any time.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub(crate) allow: Vec<Allow>,
    /// When it may not, whatever `allow` says.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub(crate) freeze: Vec<Freeze>,
    /// AWS Systems Manager change calendars that must be open, by name or ARN. One that cannot be read is closed.
    #[serde(default)]
    #[schemars(length(max = 10), extend("examples" = [["change-freeze"]]))]
    pub(crate) calendars: Vec<String>,
    /// What becomes of a rollout that is under way when it closes.
    #[serde(default)]
    pub(crate) when_closed: WhenClosed,
}

/// A window on some days of the week.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    /// The days on which it begins. Left out, every day.
    #[serde(default = "every_day")]
    #[schemars(length(min = 1, max = 7), extend("examples" = [["mon", "tue", "wed", "thu"]]))]
    pub(crate) days: Vec<Day>,
    /// When it begins: `HH:MM`.
    #[schemars(extend("pattern" = r"^\d\d:\d\d$|\$\{", "examples" = ["09:00"]))]
    pub(crate) from: String,
    /// When it ends: `HH:MM`, on the day after where that is not later than `from`. `24:00` is midnight.
    #[schemars(extend("pattern" = r"^\d\d:\d\d$|\$\{", "examples" = ["16:00"]))]
    pub(crate) to: String,
}

/// A time in which nothing goes forward.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {
    /// The first day, or the moment it begins: `2026-12-18` or `2026-12-18T17:00`.
    #[schemars(extend("examples" = ["2026-12-18"]))]
    pub(crate) from: String,
    /// The last day, or the moment it ends.
    #[schemars(extend("examples" = ["2027-01-03"]))]
    pub(crate) to: String,
    /// Why; it is told to whoever is kept waiting.
    #[schemars(extend("examples" = ["holiday season"]))]
    pub(crate) reason: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// What becomes of a rollout that is under way when it closes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenClosed {
    /// It holds before the next weight and before the commit, and goes on when it opens; after `limits.pause` it goes
    /// back. With `codedeploy` nothing can hold it, and with `ecs` its `pause` bounds the hold.
    #[default]
    Hold,
    /// It goes on to its end: windows are for the start.
    Finish,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn every_day() -> Vec<Day> {
    vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun]
}
