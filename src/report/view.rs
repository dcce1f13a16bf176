//! A rollout that is watched, as one screen that is painted anew with every change: where it stands, what the gates
//! found against what they expect, who drives it, what comes next, and what happened last.

use std::fmt::Write as _;

use super::lines::Feed;
use super::sentence::Sign;
use super::summary::row;
use super::why::Why;
use super::{Style, command};
use crate::domain::clock::{Timestamp, span};
use crate::domain::text::{columns, escape, fit, hang};
use crate::machine::Notice;

/// How many of the last notices a view shows at most.
pub const LATELY: usize = 6;
/// How many columns the bar takes at most.
const BAR: usize = 40;

/// All that a view is told from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The present state, and who drives it.
    pub why: Why<'a>,
    /// The last notices, oldest first.
    pub lately: &'a [(Timestamp, Notice)],
    /// What keeps the watcher from seeing more, if anything does.
    pub trouble: Option<&'a str>,
}

impl View<'_> {
    /// The screen: lines no wider than the style's width, and at most `height` of them. What matters least is left
    /// out first: what passing gates asked, then what happened lately.
    pub fn lines(&self, style: Style, height: usize) -> Vec<String> {
        let tries = [(true, LATELY), (true, LATELY / 2), (false, LATELY / 2), (false, 1), (false, 0)];
        let mut lines = Vec::new();
        for (questions, lately) in tries {
            lines = self.text(style, questions, lately).lines().map(str::to_owned).collect();
            if lines.len() <= height {
                return lines;
            }
        }
        lines.truncate(height.max(1));
        lines
    }

    fn text(&self, style: Style, questions: bool, lately: usize) -> String {
        let status = self.why.status;
        let mut text = status.head(style);
        let _ = writeln!(text, "  {}\n", self.bar(style));
        if status.summary.finished.is_some() {
            for (label, words) in status.summary.rows(status.plan) {
                text.push_str(&row(label, &words, style));
            }
            text.push_str(&status.gates(style, questions));
        } else {
            text.push_str(&self.rows(style, questions));
        }
        if let Some(trouble) = self.trouble {
            let sign = Sign::Heed;
            let indent = columns(sign.glyph(style.unicode)) + 3;
            text.push('\n');
            text.push_str(&hang(&format!("  {} ", sign.paint(style)), indent, &escape(trouble), style.width));
        }
        text.push_str(&self.lately(style, lately));
        text.push_str(&self.foot(style));
        text
    }

    fn rows(&self, style: Style, questions: bool) -> String {
        let status = self.why.status;
        let mut text = row("candidate", &self.shares(), style);
        let mut rows = vec![("doing", self.why.because())];
        if let Some(since) = self.why.since() {
            rows.push(("since", format!("{}, {} ago", since.time_of_day(), span(status.at.since(since)))));
        }
        rows.extend(status.progress.healthy.map(|[stable, candidate]| {
            let side = |(healthy, wanted)| format!("{healthy} of {wanted}");
            ("healthy", format!("stable {}, candidate {} tasks", side(stable), side(candidate)))
        }));
        for (label, words) in rows {
            text.push_str(&row(label, &words, style));
        }
        text.push_str(&status.gates(style, questions));
        text.push_str(&row("next", &self.why.next(), style));
        text.push_str(&row("driver", &self.why.owner(), style));
        if let Some(fires) = status.progress.fires {
            let words = format!("AWS gives the traffic back at {} unless a runner lives", fires.time_of_day());
            text.push_str(&row("dead man", &words, style));
        }
        text
    }

    /// What the candidate should have, has, and gets.
    fn shares(&self) -> String {
        let progress = self.why.status.progress;
        let configured = progress.configured.map_or("not read yet".to_owned(), |share| share.to_string());
        let observed = progress.observed.map_or("not counted yet".to_owned(), |share| share.to_string());
        format!("wanted {}; configured {configured}; observed {observed}", progress.wanted)
    }

    /// How far it is: steps that are done of all; on the way back none counts any more.
    fn bar(&self, style: Style) -> String {
        let status = self.why.status;
        let (done, of) = (self.done(), status.plan.steps.len());
        let share = status.progress.configured.unwrap_or_default();
        let words = format!(" {done} of {of} steps done, candidate {share}");
        let room = style.width.saturating_sub(3 + columns(&words)).min(BAR);
        let filled = room * done / of.max(1);
        let (full, empty) = if style.unicode { ("━", "┄") } else { ("#", "-") };
        let bar = format!("{}{}", full.repeat(filled), empty.repeat(room - filled));
        fit(&format!("{bar}{words}"), style.width.saturating_sub(2), style.unicode)
    }

    fn done(&self) -> usize {
        let status = self.why.status;
        match status.progress.reason {
            Some(_) => self.why.step(),
            None => status.progress.step.min(status.plan.steps.len()),
        }
    }

    fn lately(&self, style: Style, count: usize) -> String {
        let last = &self.lately[self.lately.len().saturating_sub(count)..];
        let mut feed = Feed::new(style);
        let lines: String = last.iter().map(|(at, notice)| feed.line(*at, notice, self.why.status.plan)).collect();
        if lines.is_empty() { lines } else { format!("\n{lines}") }
    }

    fn foot(&self, style: Style) -> String {
        let status = self.why.status;
        if status.summary.finished.is_some() {
            return String::new();
        }
        let back = status.words().iter().any(|(word, _)| *word == "rollback");
        let mut text = hang("\n  ", 2, "Ctrl-C ends the watching, not the rollout", style.width);
        if back {
            text.push_str(&hang("  ", 2, "All traffic back to stable:", style.width));
            let _ = writeln!(text, "  {}", command("rollback", status.id));
        }
        text
    }
}

#[cfg(test)]
mod tests;
