//! How a watched rollout is shown: one screen on a terminal, lines elsewhere, the event stream for programs.

use std::io::Write;
use std::time::Duration;

use super::course::Course;
use crate::cli::context::Context;
use crate::cli::{Failure, terminal};
use crate::domain::clock::Timestamp;
use crate::domain::text::{columns, escape};
use crate::machine::{Machine, Notice};
use crate::report::{Lines, Report, Stream, Style};

/// The wall time after which a line says that it is still watched.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// What shows it.
pub(super) enum Shown {
    /// One screen.
    Screen(Screen),
    /// A line for each change.
    Lines { lines: Lines, last: Timestamp, complaint: Option<String> },
    /// Events.
    Stream { stream: Stream, complaint: Option<String> },
}

impl Shown {
    /// As the context wants it; what has happened so far is told first, but for a screen.
    pub(super) fn new(context: &Context, course: &mut Course<'_>) -> Self {
        let out = || Box::new(std::io::stdout());
        let past = course.past();
        let plan = course.machine().plan();
        if context.json() {
            let mut stream = Stream::new(out());
            for (at, notice) in &past {
                stream.write(*at, notice, plan);
            }
            return Self::Stream { stream, complaint: None };
        }
        if terminal::is_screen(context) {
            return Self::Screen(Screen::default());
        }
        // Whether a beat is due is measured on the wall here, not in the rollout's time.
        let mut lines = Lines::new(out(), terminal::stdout_style(context), Some(Duration::ZERO));
        for (at, notice) in &past {
            lines.write(*at, notice, plan);
        }
        Self::Lines { lines, last: crate::domain::clock::wall_now(), complaint: None }
    }

    pub(super) fn is_screen(&self) -> bool {
        matches!(self, Self::Screen(_))
    }

    pub(super) fn is_lines(&self) -> bool {
        matches!(self, Self::Lines { .. })
    }

    /// Whether the reader is gone.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Screen(screen) => screen.closed,
            Self::Lines { lines, .. } => lines.closed().is_set(),
            Self::Stream { stream, .. } => stream.closed().is_set(),
        }
    }

    /// Something has happened.
    pub(super) fn tell(&mut self, at: Timestamp, notice: &Notice, course: &Course<'_>) {
        let plan = course.machine().plan();
        match self {
            Self::Screen(_) => {}
            Self::Lines { lines, last, .. } => {
                lines.write(at, notice, plan);
                *last = crate::domain::clock::wall_now();
            }
            Self::Stream { stream, .. } => stream.write(at, notice, plan),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, context: &Context, course: &Course<'_>, now: Timestamp) {
        match self {
            Self::Screen(screen) => screen.paint(context, course, now),
            Self::Lines { lines, last, complaint } => {
                complain(complaint, course.complaint());
                let wall = crate::domain::clock::wall_now();
                let machine: &Machine = course.machine();
                if wall.since(*last) >= HEARTBEAT && machine.outcome().is_none() {
                    lines.tick(course.at(context), machine);
                    if course.undriven_since().is_some() {
                        terminal::say("nobody drives it");
                    }
                    *last = wall;
                }
            }
            Self::Stream { complaint, .. } => complain(complaint, course.complaint()),
        }
    }

    /// It is over.
    pub(super) fn end(&mut self, context: &Context, course: &Course<'_>) -> Result<(), Failure> {
        if let Self::Lines { .. } = self {
            let (summary, plan) = (course.summary(), course.machine().plan());
            let account = summary.text(course.id(), plan, terminal::page_style(context));
            terminal::print(&format!("\n{account}"))?;
        }
        Ok(())
    }
}

/// Tells of trouble when it begins, when it is another, and when it is over.
fn complain(told: &mut Option<String>, now: Option<&str>) {
    if told.as_deref() == now {
        return;
    }
    match now {
        Some(why) => terminal::say(&format!("cannot see more: {}", escape(why))),
        None => terminal::say("the store answers again"),
    }
    *told = now.map(str::to_owned);
}

/// A part of the terminal that is painted over. Nothing is hidden or switched: whoever ends the program finds the
/// last picture where it was, and the prompt below it.
#[derive(Default)]
pub(super) struct Screen {
    /// What stands there, line by line.
    shown: Vec<String>,
    closed: bool,
}

impl Screen {
    fn paint(&mut self, context: &Context, course: &Course<'_>, now: Timestamp) {
        let style = terminal::page_style(context);
        let trouble = course.trouble(now);
        let view = course.view(course.at(context), trouble.as_deref());
        // A command that is wider than the terminal takes a row more.
        let lines = view.lines(style, terminal::rows().saturating_sub(2));
        if lines == self.shown {
            return;
        }
        let text = over(&self.shown, &lines, style);
        let mut out = std::io::stdout().lock();
        self.closed = out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
        self.shown = lines;
    }
}

/// What puts `lines` in the place of the lines that are shown.
fn over(shown: &[String], lines: &[String], style: Style) -> String {
    // A line that was written to a wider terminal may take several rows by now.
    let width = |line: &String| columns(&anstream::adapter::strip_str(line).to_string());
    let rows: usize = shown.iter().map(|line| width(line).div_ceil(style.width).max(1)).sum();
    let mut text = if rows > 0 { format!("\u{1b}[{rows}A\r") } else { String::new() };
    for line in lines {
        text.push_str(line);
        text.push_str("\u{1b}[K\n");
    }
    text.push_str("\u{1b}[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_takes_the_place_of_the_one_before() {
        let style = Style { color: false, unicode: true, width: 10 };
        let lines = |all: &[&str]| all.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(over(&[], &lines(&["a", ""]), style), "a\u{1b}[K\n\u{1b}[K\n\u{1b}[J");
        assert_eq!(over(&lines(&["a", ""]), &lines(&["b"]), style), "\u{1b}[2A\rb\u{1b}[K\n\u{1b}[J");
        // The terminal is narrower than it was, and colours take no room.
        let wide = lines(&["\u{1b}[1m0123456789\u{1b}[0m", "0123456789a"]);
        assert_eq!(over(&wide, &lines(&["b"]), style), "\u{1b}[3A\rb\u{1b}[K\n\u{1b}[J");
    }
}
