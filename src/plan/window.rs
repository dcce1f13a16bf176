//! Windows of a spec worked out to moments, as far ahead as a rollout can last.
//!
//! Where the clocks are put on or back, a time comes never or twice: then the window is the shorter one and the
//! freeze the longer one.

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan as _};

use crate::domain::clock::{Timestamp, span};
use crate::domain::driver::Driver;
use crate::domain::window::{Frozen, Interval, WhenClosed, Windows};
use crate::spec::{AllowSpec, Limits, WindowsSpec};

/// How many days ahead windows are worked out. What comes after counts as closed.
const DAYS: i32 = 60;
/// How the warning begins that a rollout cannot be started now.
pub const CLOSED_NOW: &str = "it cannot be started now";
/// Milliseconds of a day.
const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// The windows of a spec from `at` on.
pub fn windows(spec: &WindowsSpec, at: Timestamp) -> Windows {
    let known_until = Timestamp::from_millis(at.as_millis() + DAYS as u64 * DAY_MILLIS);
    let zone = TimeZoneDatabase::bundled().get(&spec.time_zone).ok();
    let frozen = |zone: &TimeZone| {
        let frozen = spec.freeze.iter().filter_map(|freeze| {
            let when = Interval { from: earlier(zone, freeze.from)?, to: later(zone, freeze.to)? };
            Some(Frozen { when, reason: freeze.reason.clone() })
        });
        frozen.filter(|frozen| frozen.when.to > at).collect()
    };
    // Only names of known zones are read; an unknown one is never open.
    let open =
        zone.as_ref().map_or_else(Vec::new, |zone| open(&spec.allow, zone, Interval { from: at, to: known_until }));
    Windows {
        open,
        frozen: zone.as_ref().map_or_else(Vec::new, frozen),
        calendars: spec.calendars.clone(),
        when_closed: spec.when_closed,
        known_until,
    }
}

/// What the reader of a plan should know of its windows.
pub(super) fn warnings(windows: &Windows, at: Timestamp, (limits, driver): (&Limits, &Driver)) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(closed) = windows.closed(at) {
        warnings.push(format!("{CLOSED_NOW}: {}", closed.text()));
    }
    if windows.when_closed == WhenClosed::Hold {
        match driver {
            Driver::CodeDeploy(_) => {
                warnings.push("CodeDeploy moves the weights on time: windows are for the start only".to_owned());
            }
            Driver::Ecs(ecs) => {
                let pause = span(ecs.pause);
                warnings.push(format!("a rollout that a window holds is taken back by ECS after its pause ({pause})"));
            }
            Driver::Pair | Driver::TaskSets => {}
        }
    }
    let gaps = windows.open.windows(2).map(|pair| pair[1].from.since(pair[0].to));
    if let Some(longest) = gaps.max().filter(|gap| *gap > limits.pause && windows.when_closed == WhenClosed::Hold) {
        let (longest, pause) = (span(longest), span(limits.pause));
        warnings.push(format!(
            "its windows are closed for up to {longest}: a rollout that is held so long goes back after limits.pause ({pause})"
        ));
    }
    warnings
}

/// All windows within `range`, in order; what overlaps or touches is one.
fn open(allow: &[AllowSpec], zone: &TimeZone, range: Interval) -> Vec<Interval> {
    if allow.is_empty() {
        return vec![range];
    }
    let Some(today) = local(zone, range.from) else { return Vec::new() };
    let days = (-1..=DAYS).filter_map(|day| today.date().checked_add(day.days()).ok());
    let mut all: Vec<Interval> = days
        .flat_map(|day| {
            let begins = allow.iter().filter(move |allow| allow.days[weekday(day)]);
            begins.filter_map(move |allow| {
                let over_midnight = if allow.to <= allow.from { 24 * 60 } else { 0 };
                let moment = |minutes: u16| DateTime::from(day).checked_add(minutes_of(minutes)).ok();
                let (from, to) = (moment(allow.from)?, moment(allow.to + over_midnight)?);
                Some(Interval { from: later(zone, from)?, to: earlier(zone, to)? })
            })
        })
        .filter(|one| one.from < one.to && one.to > range.from && one.from < range.to)
        .map(|one| Interval { from: one.from, to: one.to.min(range.to) })
        .collect();
    all.sort_unstable_by_key(|one| one.from);
    let mut open: Vec<Interval> = Vec::new();
    for one in all {
        match open.last_mut() {
            Some(last) if one.from <= last.to => last.to = last.to.max(one.to),
            _ => open.push(one),
        }
    }
    open
}

/// Monday is 0.
fn weekday(day: Date) -> usize {
    usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default()
}

fn minutes_of(minutes: u16) -> Span {
    i64::from(minutes).minutes()
}

fn local(zone: &TimeZone, at: Timestamp) -> Option<DateTime> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).ok()?).ok()?;
    Some(zone.to_datetime(at))
}

fn earlier(zone: &TimeZone, at: DateTime) -> Option<Timestamp> {
    timestamp(zone.to_ambiguous_timestamp(at).earlier().ok()?)
}

fn later(zone: &TimeZone, at: DateTime) -> Option<Timestamp> {
    timestamp(zone.to_ambiguous_timestamp(at).later().ok()?)
}

fn timestamp(at: jiff::Timestamp) -> Option<Timestamp> {
    Some(Timestamp::from_millis(u64::try_from(at.as_millisecond()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::FreezeSpec;

    const EVERY_DAY: [bool; 7] = [true; 7];

    fn at(text: &str) -> Timestamp {
        timestamp(text.parse().unwrap()).unwrap()
    }

    fn spec(zone: &str, allow: &[([bool; 7], u16, u16)], freeze: &[(&str, &str)]) -> WindowsSpec {
        let moment = |text: &str| text.parse().unwrap();
        WindowsSpec {
            time_zone: zone.into(),
            allow: allow.iter().map(|(days, from, to)| AllowSpec { days: *days, from: *from, to: *to }).collect(),
            freeze: freeze
                .iter()
                .map(|(from, to)| FreezeSpec { from: moment(from), to: moment(to), reason: "sale".into() })
                .collect(),
            calendars: Vec::new(),
            when_closed: WhenClosed::Hold,
        }
    }

    fn is_open(spec: &WindowsSpec, from: &str, moments: &[(&str, bool)]) {
        let windows = windows(spec, at(from));
        for (moment, open) in moments {
            assert_eq!(windows.closed(at(moment)).is_none(), *open, "{moment}");
        }
    }

    #[test]
    fn office_hours_are_those_of_the_zone_in_summer_and_winter() {
        let weekdays = [true, true, true, true, false, false, false];
        let spec = spec("Europe/Berlin", &[(weekdays, 9 * 60, 16 * 60)], &[]);
        let friday = [("2026-10-23T10:00:00Z", false), ("2026-10-22T06:59:59Z", false), ("2026-10-22T07:00:00Z", true)];
        is_open(&spec, "2026-10-20T00:00:00Z", &friday);
        let winter = [("2026-10-26T07:30:00Z", false), ("2026-10-26T08:00:00Z", true), ("2026-10-26T15:00:00Z", false)];
        is_open(&spec, "2026-10-20T00:00:00Z", &winter);
        let windows = windows(&spec, at("2026-10-23T00:00:00Z"));
        assert_eq!(windows.opens(at("2026-10-23T10:00:00Z")), Some(at("2026-10-26T08:00:00Z")));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let mut saturday = [false; 7];
        saturday[5] = true;
        let spec = spec("UTC", &[(saturday, 22 * 60, 4 * 60)], &[]);
        let moments = [
            ("2026-11-28T21:59:59Z", false),
            ("2026-11-28T22:00:00Z", true),
            ("2026-11-29T03:59:59Z", true),
            ("2026-11-29T04:00:00Z", false),
            ("2026-11-29T22:30:00Z", false),
        ];
        is_open(&spec, "2026-11-27T00:00:00Z", &moments);
        // A plan that is made in the middle of it is in it.
        is_open(&spec, "2026-11-29T01:00:00Z", &[("2026-11-29T01:00:00Z", true)]);
    }

    #[test]
    fn where_clocks_change_windows_are_shorter_and_freezes_longer() {
        // On 2026-10-25 clocks show 02:00 to 03:00 twice: 00:00Z and 01:00Z; on 2027-03-28 never, at 01:00Z.
        let window = spec("Europe/Berlin", &[(EVERY_DAY, 150, 180)], &[]);
        let twice = [("2026-10-25T00:30:00Z", false), ("2026-10-25T01:30:00Z", true), ("2026-10-25T02:00:00Z", false)];
        is_open(&window, "2026-10-20T00:00:00Z", &twice);
        let never = [("2027-03-28T00:30:00Z", false), ("2027-03-28T01:15:00Z", false), ("2027-03-28T01:45:00Z", false)];
        is_open(&window, "2027-03-27T12:00:00Z", &never);
        let frozen = spec("Europe/Berlin", &[], &[("2026-10-25T02:30", "2026-10-25T02:45")]);
        let longer = [("2026-10-25T00:29:59Z", true), ("2026-10-25T00:30:00Z", false), ("2026-10-25T01:44:59Z", false)];
        is_open(&frozen, "2026-10-20T00:00:00Z", &longer);
    }

    #[test]
    fn windows_that_overlap_or_touch_are_one() {
        let spec = spec("UTC", &[(EVERY_DAY, 0, 12 * 60), (EVERY_DAY, 6 * 60, 24 * 60)], &[]);
        let windows = windows(&spec, at("2026-11-25T12:00:00Z"));
        assert_eq!(windows.open.len(), 1);
        assert_eq!(windows.open[0].to, windows.known_until);
    }

    #[test]
    fn nothing_is_open_beyond_what_is_known() {
        let windows = windows(&spec("UTC", &[], &[]), at("2026-11-25T00:00:00Z"));
        assert!(windows.closed(at("2027-01-23T23:59:59Z")).is_none());
        let closed = windows.closed(at("2027-01-24T00:00:00Z")).unwrap();
        assert!(closed.text().contains("known until 2027-01-24T00:00:00Z only"), "{}", closed.text());
    }

    #[test]
    fn a_reader_is_told_that_it_is_closed_and_for_how_long() {
        let weekdays = [true, true, true, true, true, false, false];
        let windows = windows(&spec("UTC", &[(weekdays, 540, 1020)], &[]), at("2026-11-28T00:00:00Z"));
        let told = warnings(&windows, at("2026-11-28T00:00:00Z"), (&Limits::default(), &Driver::Pair));
        assert_eq!(told[0], "it cannot be started now: it is outside of its windows; opens at 2026-11-30T09:00:00Z");
        assert!(told[1].starts_with("its windows are closed for up to 64h"), "{told:?}");
        assert!(
            warnings(
                &windows,
                at("2026-11-30T09:00:00Z"),
                (&Limits { pause: 3 * std::time::Duration::from_secs(86_400), ..Limits::default() }, &Driver::Pair)
            )
            .is_empty()
        );
    }
}
