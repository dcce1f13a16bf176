//! Windows: nothing more is given to the candidate, and nothing is committed, while they are closed.
//!
//! A rollout that is under way holds before its next weight and before the commit: gates stay on, the way back stays
//! open, and `limits.pause` bounds it like any pause. It goes on by itself once it is open. A person can overrule all
//! windows for the rest of the rollout. What is said of change calendars must be fresh, or they count as closed.

use crate::domain::clock::Timestamp;
use crate::domain::driver::Driver;
use crate::domain::window::{Closed, ClosedBy, WhenClosed};
use crate::machine::effect::Observation;
use crate::machine::limits::{CALENDAR_EVERY, CALENDAR_FRESH};
use crate::machine::notice::{Glass, Notice};
use crate::machine::why::{Cause, Objection, PausedFor};
use crate::machine::{Machine, Reaction};

/// Who goes on when it opens.
const OPENED: &str = "tidegate: it is open";

impl Machine {
    /// Why nothing may go forward now; `None` when it may.
    pub fn closed(&self) -> Option<Closed> {
        let windows = self.plan.windows.as_ref()?;
        if self.memory.pauses.glass.is_some() || self.memory.committed {
            return None;
        }
        let now = self.memory.now;
        windows.closed(now).or_else(|| {
            if windows.calendars.is_empty() {
                return None;
            }
            match self.memory.pauses.calendar.filter(|(at, _)| now.since(*at) <= CALENDAR_FRESH) {
                Some((_, seen)) => seen.closed(),
                None => Some(Closed { by: ClosedBy::UnreadCalendar, opens: None }),
            }
        })
    }

    /// Whether the next weight, or the commit, has to wait; then the rollout is paused.
    pub(in crate::machine) fn is_shut(&mut self, out: &mut Reaction) -> bool {
        if self.finishes() {
            return false;
        }
        let Some(closed) = self.closed() else { return false };
        if self.memory.pauses.paused.is_none() {
            self.pause(PausedFor::Window(closed), out);
        }
        true
    }

    /// Whether windows are for the start only: where the plan says so, and where AWS moves the weights on time whoever
    /// would hold them.
    fn finishes(&self) -> bool {
        matches!(self.plan.driver, Driver::CodeDeploy(_))
            || self.plan.windows.as_ref().is_none_or(|windows| windows.when_closed == WhenClosed::Finish)
    }

    /// Whether a look asks the change calendars.
    pub(in crate::machine) fn asks_calendars(&self) -> bool {
        let asked = self.plan.windows.as_ref().is_some_and(|windows| !windows.calendars.is_empty());
        let old = self.memory.pauses.calendar.is_none_or(|(at, _)| self.memory.now.since(at) >= CALENDAR_EVERY);
        asked
            && old
            && self.is_forward()
            && !self.finishes()
            && !self.memory.committed
            && self.memory.pauses.glass.is_none()
    }

    /// Takes in what a look, asked for at `asked`, saw of them, and goes on if it is open again.
    pub(in crate::machine) fn examine_windows(&mut self, seen: &Observation, asked: Timestamp, out: &mut Reaction) {
        if let Some(calendar) = seen.calendar {
            self.memory.pauses.calendar = Some((asked, calendar));
        }
        if self.is_paused_for(&[Cause::Window]) && self.closed().is_none() {
            self.reopen(OPENED, out);
        }
    }

    fn reopen(&mut self, by: &str, out: &mut Reaction) {
        self.memory.pauses.paused = None;
        self.unpause(Cause::Window);
        out.notices.push(Notice::Continued { by: by.to_owned() });
    }

    /// Why a person cannot go on; `None` when no window keeps them.
    pub(in crate::machine) fn shut_for(&self) -> Option<Objection> {
        self.closed().filter(|_| self.is_paused_for(&[Cause::Window])).map(Objection::Closed)
    }

    pub(in crate::machine) fn told_to_break_glass(
        &mut self,
        by: &str,
        reason: Option<String>,
        out: &mut Reaction,
    ) -> Option<Objection> {
        let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else {
            return Some(Objection::NoReason);
        };
        if self.plan.windows.is_none() {
            return Some(Objection::NoWindows);
        }
        if let Some(glass) = &self.memory.pauses.glass {
            return Some(Objection::GlassBroken(glass.by.clone()));
        }
        if !self.is_forward() || self.memory.committed {
            return Some(Objection::NothingClosed);
        }
        let glass = Glass { by: by.to_owned(), reason };
        out.notices.push(Notice::BrokeGlass(glass.clone()));
        self.memory.pauses.glass = Some(glass);
        if self.is_paused_for(&[Cause::Window]) {
            self.reopen(by, out);
        }
        None
    }
}
