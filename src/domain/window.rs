//! When a rollout may go forward: moments, without a time zone. The way back is never closed.

use std::fmt;

use crate::domain::clock::Timestamp;

/// The windows of a rollout, for as far ahead as they were worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// When it may go forward, in order and apart from each other.
    pub open: Vec<Interval>,
    /// When it may not, whatever else is said.
    pub frozen: Vec<Frozen>,
    /// The change calendars that must be open, by name or ARN.
    pub calendars: Vec<String>,
    /// What becomes of a rollout that is under way.
    pub when_closed: WhenClosed,
    /// Nothing is known of what comes after this; it counts as closed.
    pub known_until: Timestamp,
}

/// From a moment until another, which does not belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
}

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// When.
    pub when: Interval,
    /// Why.
    pub reason: String,
}

/// What becomes of a rollout that is under way when its windows close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenClosed {
    /// It holds before the next weight, and before the commit.
    Hold,
    /// It goes on: windows are for the start.
    Finish,
}

/// What the change calendars say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarSeen {
    /// Whether all are open.
    pub open: bool,
    /// When that changes next, if it is known.
    pub next: Option<Timestamp>,
}

/// What keeps a rollout from going forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// A freeze.
    Freeze(Frozen),
    /// No window is open.
    NoWindow,
    /// Nothing is known of its windows from this moment on.
    Unknown(Timestamp),
    /// A change calendar.
    Calendar,
    /// A change calendar that cannot be read.
    UnreadCalendar,
}

/// That it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Why.
    pub by: ClosedBy,
    /// When it opens next, as far as is known.
    pub opens: Option<Timestamp>,
}

impl Interval {
    /// Whether `at` belongs to it.
    pub fn holds(&self, at: Timestamp) -> bool {
        (self.from..self.to).contains(&at)
    }
}

impl Windows {
    /// Why nothing goes forward at this moment; `None` when it may. Calendars are for the world to say.
    pub fn closed(&self, at: Timestamp) -> Option<Closed> {
        let frozen = self.frozen.iter().find(|frozen| frozen.when.holds(at));
        let is_open = self.open.iter().any(|open| open.holds(at));
        let by = match frozen {
            Some(frozen) => ClosedBy::Freeze(frozen.clone()),
            None if is_open => return None,
            None if at >= self.known_until => ClosedBy::Unknown(self.known_until),
            None => ClosedBy::NoWindow,
        };
        Some(Closed { by, opens: self.opens(at) })
    }

    /// The first moment from `at` on at which it is open, as far as is known.
    pub fn opens(&self, at: Timestamp) -> Option<Timestamp> {
        let starts = self.open.iter().map(|open| open.from).chain(self.frozen.iter().map(|frozen| frozen.when.to));
        let is_open = |moment: &Timestamp| {
            let frozen = self.frozen.iter().any(|frozen| frozen.when.holds(*moment));
            !frozen && self.open.iter().any(|open| open.holds(*moment))
        };
        starts.chain([at]).filter(|moment| *moment >= at).filter(is_open).min()
    }
}

impl fmt::Display for ClosedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freeze(frozen) => write!(f, "frozen until {}: {}", frozen.when.to, frozen.reason),
            Self::NoWindow => f.write_str("it is outside of its windows"),
            Self::Unknown(from) => write!(f, "its windows are known until {from} only"),
            Self::Calendar => f.write_str("a change calendar is closed"),
            Self::UnreadCalendar => f.write_str("its change calendars cannot be read"),
        }
    }
}

impl Closed {
    /// Why, and when it opens: what a plan and a report say alike.
    pub fn text(&self) -> String {
        match self.opens {
            Some(opens) => format!("{}; opens at {opens}", self.by),
            None => format!("{}; when it opens is not known", self.by),
        }
    }
}

impl CalendarSeen {
    /// Why nothing goes forward; `None` when it may.
    pub fn closed(&self) -> Option<Closed> {
        (!self.open).then_some(Closed { by: ClosedBy::Calendar, opens: self.next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn interval(from: u64, to: u64) -> Interval {
        Interval { from: at(from), to: at(to) }
    }

    fn windows() -> Windows {
        let frozen = |from, to| Frozen { when: interval(from, to), reason: "sale".into() };
        Windows {
            open: vec![interval(10, 20), interval(30, 40), interval(50, 60)],
            frozen: vec![frozen(15, 35), frozen(33, 36)],
            calendars: Vec::new(),
            when_closed: WhenClosed::Hold,
            known_until: at(100),
        }
    }

    #[test]
    fn open_is_within_a_window_and_no_freeze() {
        let check = |moment, open: bool, opens: Option<u64>| {
            let closed = windows().closed(at(moment));
            assert_eq!(closed.is_none(), open, "{moment}");
            assert_eq!(windows().opens(at(moment)), opens.map(at), "{moment}");
        };
        check(0, false, Some(10));
        check(10, true, Some(10));
        check(14, true, Some(14));
        check(15, false, Some(36));
        check(20, false, Some(36));
        check(35, false, Some(36));
        check(36, true, Some(36));
        check(40, false, Some(50));
        check(59, true, Some(59));
        check(60, false, None);
        check(200, false, None);
    }

    #[test]
    fn what_is_closed_says_why_and_until_when() {
        let text = |moment| windows().closed(at(moment)).unwrap().text();
        assert_eq!(text(0), "it is outside of its windows; opens at 1970-01-01T00:00:10Z");
        assert_eq!(text(16), "frozen until 1970-01-01T00:00:35Z: sale; opens at 1970-01-01T00:00:36Z");
        assert_eq!(text(100), "its windows are known until 1970-01-01T00:01:40Z only; when it opens is not known");
    }
}
