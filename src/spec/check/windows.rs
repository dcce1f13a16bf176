//! Windows: a time zone that there is, times that a day has, freezes that end after they begin.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZoneDatabase;

use super::Check;
use super::name::Kind;
use crate::domain::window::WhenClosed;
use crate::spec::document::{Allow, Freeze, WhenClosed as Written, Windows};
use crate::spec::finding::Finding;
use crate::spec::model::{AllowSpec, FreezeSpec, WindowsSpec};
use crate::spec::tree::Node;
use crate::spec::words;

const CALENDAR: Kind =
    Kind { word: "change calendar", service: "ssm", resource: "document/", longest: 128, underscore: true };

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// The longest reason of a freeze, in characters.
const REASON: usize = 200;

impl Check<'_> {
    pub(super) fn windows(&mut self, windows: Windows, at: &Node) -> Option<WindowsSpec> {
        let before = self.findings.len();
        let zone = at.get("time_zone").unwrap_or(at);
        if TimeZoneDatabase::bundled().get(&windows.time_zone).is_err() {
            let wrong = format!("{} is no time zone", words::shown(zone, &windows.time_zone));
            self.wrong::<()>(zone.value(), wrong, "an IANA name, such as `Europe/Berlin` or `UTC`");
        }
        let place = at.field("allow");
        let allow = windows.allow.iter().enumerate().filter_map(|(n, allow)| self.allow(allow, place.item(n)));
        let allow: Vec<_> = allow.collect();
        let place = at.field("freeze");
        let freeze = windows.freeze.iter().enumerate().filter_map(|(n, freeze)| self.freeze(freeze, place.item(n)));
        let freeze: Vec<_> = freeze.collect();
        let place = at.field("calendars");
        for (n, calendar) in windows.calendars.iter().enumerate() {
            self.resource(calendar, place.item(n), &CALENDAR);
        }
        if windows.allow.is_empty() && freeze.is_empty() && windows.calendars.is_empty() {
            let help = "at least one of `allow`, `freeze` and `calendars`, or no `windows` at all";
            self.wrong::<()>(at.value(), "these windows are never closed", help);
        }
        (self.findings.len() == before).then_some(WindowsSpec {
            time_zone: windows.time_zone,
            allow,
            freeze,
            calendars: windows.calendars,
            when_closed: match windows.when_closed {
                Written::Hold => WhenClosed::Hold,
                Written::Finish => WhenClosed::Finish,
            },
        })
    }

    fn allow(&mut self, allow: &Allow, at: &Node) -> Option<AllowSpec> {
        let from = self.time_of_day(&allow.from, at.field("from"));
        let to = self.time_of_day(&allow.to, at.field("to"));
        let (from, to) = (from?, to?);
        if from == DAY {
            return self.wrong(at.field("from").value(), "a window begins before midnight", "`00:00` on the day after");
        }
        if from == to {
            let finding = Finding::new(at.field("to").value(), "the window ends when it begins");
            return self.add(finding.help("a whole day is `from: \"00:00\"`, `to: \"24:00\"`"));
        }
        let mut days = [false; 7];
        allow.days.iter().for_each(|day| days[*day as usize] = true);
        Some(AllowSpec { days, from, to })
    }

    /// Minutes from the day's first moment.
    fn time_of_day(&mut self, text: &str, at: &Node) -> Option<u16> {
        let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
        let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let minutes = parts.and_then(|(hour, minute)| {
            let (hour, minute) = (number(hour)?, number(minute)?);
            (minute < 60).then_some(hour * 60 + minute)
        });
        minutes.filter(|minutes| *minutes <= DAY).or_else(|| {
            let wrong = format!("{} is no time of day", words::shown(at, text));
            self.wrong(at.value(), wrong, "from `\"00:00\"` to `\"24:00\"`, in quotes")
        })
    }

    fn freeze(&mut self, freeze: &Freeze, at: &Node) -> Option<FreezeSpec> {
        let from = self.moment(&freeze.from, at.field("from"), false);
        let to = self.moment(&freeze.to, at.field("to"), true);
        let reason = self.visible(&freeze.reason, at.field("reason"), REASON);
        let (from, to) = (from?, to?);
        if from >= to {
            let finding = Finding::new(at.field("to").value(), "the freeze ends before it begins");
            return self.add(finding.note(at.field("from").value(), "it begins here").help("a later day or time"));
        }
        Some(FreezeSpec { from, to, reason: reason? })
    }

    /// A moment as clocks show it; of a day its first, or as an end the first of the next.
    fn moment(&mut self, text: &str, at: &Node, is_end: bool) -> Option<DateTime> {
        let moment = if text.contains('T') {
            text.parse::<DateTime>().ok()
        } else {
            let day = text.parse::<Date>().ok();
            day.and_then(|day| if is_end { day.tomorrow().ok() } else { Some(day) }).map(DateTime::from)
        };
        moment.or_else(|| {
            let wrong = format!("{} is no date", words::shown(at, text));
            self.wrong(at.value(), wrong, "such as `2026-12-18` or `2026-12-18T17:00`")
        })
    }
}
