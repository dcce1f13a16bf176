//! One flowing line per notice, for logs and for the stream above the live footer.
//!
//! A line is never redrawn or taken back. Without a terminal a heartbeat line says now and then that the rollout
//! is alive, so that a pipeline's log is never silent for long.

use std::io::Write;
use std::time::Duration;

use super::fold::{Fold, Markup};
use super::sentence::{self, Sign};
use super::{Closed, Output, Report, Style, doing, reasons};
use crate::domain::clock::{Timestamp, span};
use crate::domain::text::{columns, escape, hang};
use crate::machine::{Machine, Notice, Progress};
use crate::plan::Plan;

/// Tells every notice as a line.
pub struct Lines {
    out: Output,
    feed: Feed,
    fold: Fold,
    heartbeat: Option<Duration>,
    last: Option<Timestamp>,
    over: bool,
}

impl Lines {
    /// Writes to `out`. With a `heartbeat`, a line says where the rollout stands whenever that much of the
    /// clock's time has passed without another line.
    pub fn new(out: Box<dyn Write + Send>, style: Style, heartbeat: Option<Duration>) -> Self {
        let (feed, fold) = (Feed::new(style), Fold::default());
        Self { out: Output::new(out), feed, fold, heartbeat, last: None, over: false }
    }

    /// Puts each step into a section, marked so that whoever shows the log can fold it.
    pub fn folded(self, markup: Markup) -> Self {
        Self { fold: Fold::new(markup), ..self }
    }

    /// Tells whether the reader is gone.
    pub fn closed(&self) -> Closed {
        self.out.closed.clone()
    }

    fn beat(&mut self, at: Timestamp) -> bool {
        let Some(heartbeat) = self.heartbeat.filter(|_| !self.over) else { return false };
        let last = *self.last.get_or_insert(at);
        let due = at.since(last) >= heartbeat;
        if due {
            self.last = Some(at);
        }
        due
    }
}

impl Lines {
    /// Writes one notice of a rollout that follows `plan`, live or from its journal.
    pub fn write(&mut self, at: Timestamp, notice: &Notice, plan: &Plan) {
        let text = self.feed.line(at, notice, plan);
        let text = self.fold.around(at, notice, &text);
        self.out.write(&text);
        self.last = Some(at);
        self.over = matches!(notice, Notice::Finished(_) | Notice::HandedOver { .. });
    }
}

impl Report for Lines {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        self.write(at, notice, machine.plan());
    }

    fn tick(&mut self, at: Timestamp, machine: &Machine) {
        if self.beat(at) {
            let text = self.feed.alive(at, &machine.progress(), machine.plan());
            self.out.write(&self.fold.inside(&text));
        }
    }
}

/// Makes the lines; it remembers the day, because a line tells only the time of day.
pub(super) struct Feed {
    style: Style,
    day: Option<String>,
}

impl Feed {
    pub(super) fn new(style: Style) -> Self {
        Self { style, day: None }
    }

    /// The line of one notice, with its line break; before it the date, when a new day has begun.
    pub(super) fn line(&mut self, at: Timestamp, notice: &Notice, plan: &Plan) -> String {
        self.stamped(at, sentence::sign(notice, plan), &sentence::words(notice, plan))
    }

    /// The line that says that nothing has happened, and where the rollout stands.
    fn alive(&mut self, at: Timestamp, progress: &Progress, plan: &Plan) -> String {
        self.stamped(at, Sign::Step, &standing(at, progress, plan))
    }

    fn stamped(&mut self, at: Timestamp, sign: Sign, words: &str) -> String {
        let day = at.day();
        let turned = self.day.as_ref().is_some_and(|before| *before != day);
        let mut text = if turned { format!("{day}\n") } else { String::new() };
        self.day = Some(day);
        let time = at.stamp();
        let indent = columns(&time) + columns(sign.glyph(self.style.unicode)) + 2;
        let prefix = format!("{time} {} ", sign.paint(self.style));
        text.push_str(&hang(&prefix, indent, &escape(words), self.style.width));
        text
    }
}

/// Where a rollout stands, in one sentence.
fn standing(at: Timestamp, progress: &Progress, plan: &Plan) -> String {
    let place = sentence::position(progress, plan);
    let share = progress.configured.map_or(String::new(), |share| format!("; {share} on the candidate"));
    let left = progress.until.filter(|until| *until > at);
    let left = left.map_or(String::new(), |until| format!("; at most {} left", span(until.since(at))));
    let stage = doing::words(progress.doing).to_owned();
    let stage = progress.paused.as_ref().map_or(stage, |why| format!("paused: {}", reasons::paused(why)));
    format!("{place}: {stage}{share}{left}")
}

#[cfg(test)]
mod tests;
