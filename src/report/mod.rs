//! What people and programs read of a rollout: lines, a live footer, an event stream, the closing account.
//!
//! A report sees notices and the machine's own account of itself, and nothing else, so it tells the same story
//! of a rollout that is running and of one that is replayed from its journal; only a [`page`] and a trace also show what
//! events carried. It writes to what `cli` gives it and reads neither clock nor environment. Someone who stops reading ends
//! the report, never the rollout.

mod about;
pub mod delivery;
mod doing;
mod evidence;
mod fields;
mod fold;
pub mod footer;
pub mod github;
#[cfg(test)]
mod hostile;
pub mod json;
pub mod lines;
pub mod news;
pub mod page;
mod reasons;
mod rescue;
#[cfg(test)]
mod sample;
mod sentence;
pub mod status;
pub mod summary;
mod takeover;
mod terraform;
#[cfg(feature = "otel")]
pub mod trace;
mod trail;
mod undone;
pub mod view;
pub mod why;

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

pub use about::About;
pub use doing::doing_in_full;
pub use evidence::evidence;
pub use fold::Markup;
pub use footer::Live;
pub use github::Github;
pub use json::Stream;
pub use lines::Lines;
pub use reasons::{leaving, objection, paused, reason, stranding};
pub use status::Status;
pub use summary::{Closing, Summary};
pub use takeover::TakeoverNotice;
pub use terraform::{lifecycle, rule_lifecycle, service_lifecycle};
pub use trail::Trail;
pub use undone::undone;
pub use view::View;
pub use why::Why;

use crate::domain::clock::Timestamp;
use crate::machine::{Event, Machine, Notice};

/// Something that is told what a rollout tells.
pub trait Report {
    /// Takes in one event before its notices; `machine` is as it stands before it. Most reports go by notices alone.
    fn hear(&mut self, at: Timestamp, event: &Event, machine: &Machine) {
        let _ = (at, event, machine);
    }

    /// Takes in one notice; `machine` is as it stands after it.
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine);

    /// Called about every wall second while the rollout waits.
    fn tick(&mut self, at: Timestamp, machine: &Machine) {
        let _ = (at, machine);
    }
}

/// Tells many, in the order they were added.
#[derive(Default)]
pub struct Several {
    reports: Vec<Box<dyn Report + Send>>,
}

impl Several {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one more.
    pub fn and(mut self, report: impl Report + Send + 'static) -> Self {
        self.reports.push(Box::new(report));
        self
    }
}

impl Report for Several {
    fn hear(&mut self, at: Timestamp, event: &Event, machine: &Machine) {
        for report in &mut self.reports {
            report.hear(at, event, machine);
        }
    }

    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        for report in &mut self.reports {
            report.tell(at, notice, machine);
        }
    }

    fn tick(&mut self, at: Timestamp, machine: &Machine) {
        for report in &mut self.reports {
            report.tick(at, machine);
        }
    }
}

/// How text for people is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub color: bool,
    /// Whether the reader's screen can show more than ASCII.
    pub unicode: bool,
    /// How many columns there are; `usize::MAX` where nothing needs to wrap, as in a log.
    pub width: usize,
}

/// Tells whether a report has lost its reader. It outlives the report, so that `cli` can ask after boxing it.
#[derive(Clone, Debug, Default)]
pub struct Closed(Arc<OnceLock<io::ErrorKind>>);

impl Closed {
    /// Whether nothing can be written any more.
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// Why, when it is worth a message: a reader that went away (`BrokenPipe`) is not.
    pub fn fault(&self) -> Option<io::ErrorKind> {
        self.0.get().copied().filter(|kind| *kind != io::ErrorKind::BrokenPipe)
    }
}

/// Where a report writes. The first failure ends it, quietly.
struct Output {
    writer: Box<dyn Write + Send>,
    closed: Closed,
}

impl Output {
    fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, closed: Closed::default() }
    }

    fn write(&mut self, text: &str) {
        if self.closed.is_set() || text.is_empty() {
            return;
        }
        let written = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush());
        if let Err(error) = written {
            let _ = self.closed.0.set(error.kind());
        }
    }
}

/// What a gate said last, in one line.
pub fn verdict_line(gate: &crate::gate::Gate, verdict: Option<&crate::gate::Verdict>) -> String {
    match verdict {
        Some(verdict) => {
            format!("{}: {}: {}", gate.name, fields::verdict_word(verdict.outcome), evidence(&verdict.evidence))
        }
        None => format!("{}: not asked in this step yet", gate.name),
    }
}

/// The AWS call that gives all traffic to the stable slot, as the rule stood before the rollout, on one line.
pub fn back_call(plan: &crate::plan::Plan) -> String {
    rescue::back(plan).one_line()
}

/// The AWS call that turns the rule's stickiness on again once all traffic is on the stable slot, on one line.
pub fn stickiness_call(plan: &crate::plan::Plan) -> String {
    rescue::stick(plan).one_line()
}

/// What a person types to give `word` to the rollout with this id.
fn command(word: &str, id: &str) -> String {
    format!("tidegate {word} {}", crate::domain::text::escape(id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Gone(io::ErrorKind);

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn many_are_told_the_same_by_a_machine() {
        let (lines, stream, live) = (sample::Page::default(), sample::Page::default(), sample::Page::default());
        let wide = Style { width: usize::MAX, ..sample::ASCII };
        let hidden = indicatif::ProgressDrawTarget::hidden();
        let mut several = Several::new()
            .and(Lines::new(Box::new(lines.clone()), wide, Some(Duration::from_secs(60))))
            .and(Live::new(Box::new(live.clone()), hidden, wide))
            .and(Stream::new(Box::new(stream.clone())));
        let mut machine = Machine::new(sample::plan());
        let reaction = machine.apply(sample::at(0), Event::Started { by: "alice@ci".to_owned() });
        for notice in &reaction.notices {
            several.tell(sample::at(0), notice, &machine);
        }
        several.tick(sample::at(61), &machine);
        let text = lines.text();
        assert_eq!(live.text().lines().count() + 1, text.lines().count(), "{text}");
        assert_eq!(stream.text().lines().count(), reaction.notices.len() + 1);
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("14:06:10 *  step 1 of 9: register the task definition: "), "{text}");
        assert_eq!(last.matches("register").count(), 1, "{text}");
    }

    #[test]
    fn a_reader_that_went_away_ends_the_output_quietly() {
        let check = |kind, fault| {
            let mut out = Output::new(Box::new(Gone(kind)));
            let closed = out.closed.clone();
            assert!(!closed.is_set());
            out.write("one\n");
            out.write("two\n");
            assert!(closed.is_set());
            assert_eq!(closed.fault(), fault);
        };
        check(io::ErrorKind::BrokenPipe, None);
        check(io::ErrorKind::StorageFull, Some(io::ErrorKind::StorageFull));
    }
}
