//! The lines of a rollout flow above a small live footer, for people at a terminal.
//!
//! indicatif draws the footer and nothing else: its own `println` prints nothing where there is no terminal, so
//! every line is written plainly while the footer is suspended.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::Feed;
use super::sentence::{self, Sign};
use super::{Closed, Output, Report, Style, doing, evidence, reasons};
use crate::domain::clock::{Timestamp, span};
use crate::domain::text::{columns, escape, fit};
use crate::gate::{Check, Gate, Outcome as GateOutcome, Verdict};
use crate::machine::{Machine, Notice, Progress};
use crate::plan::Plan;

/// How often a second the footer may be drawn anew.
pub const REDRAWS_PER_SECOND: u8 = 5;

/// Where the footer is drawn: on standard error, at most [`REDRAWS_PER_SECOND`]; nowhere without a terminal.
pub fn on_stderr() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)
}

/// Lines above a live footer. The footer goes when the rollout ends, or this does.
pub struct Live {
    out: Output,
    feed: Feed,
    style: Style,
    bar: ProgressBar,
    shown: String,
    over: bool,
}

/// Writes beside the footer: whatever else goes to the same terminal would be wiped away with it, or leave it
/// standing half.
#[derive(Clone, Debug)]
pub struct Beside(ProgressBar);

impl Beside {
    /// Takes the footer away while `write` writes.
    pub fn with(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    /// Takes the footer away for good.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Live {
    /// For others who write to the same terminal.
    pub fn beside(&self) -> Beside {
        Beside(self.bar.clone())
    }

    /// Writes lines to `out` and draws the footer on `target`: the same terminal.
    pub fn new(out: Box<dyn Write + Send>, target: ProgressDrawTarget, style: Style) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(plain) = ProgressStyle::with_template("{msg}") {
            bar.set_style(plain);
        }
        Self { out: Output::new(out), feed: Feed::new(style), style, bar, shown: String::new(), over: false }
    }

    /// Tells whether the reader is gone.
    pub fn closed(&self) -> Closed {
        self.out.closed.clone()
    }

    /// Clears the footer for good; lines still flow.
    pub fn clear(&mut self) {
        self.over = true;
        self.bar.finish_and_clear();
    }

    fn write(&mut self, at: Timestamp, notice: &Notice, plan: &Plan) {
        if matches!(notice, Notice::Finished(_) | Notice::HandedOver { .. }) {
            self.clear();
        }
        let text = self.feed.line(at, notice, plan);
        let out = &mut self.out;
        self.bar.suspend(|| out.write(&text));
    }

    fn show(&mut self, at: Timestamp, progress: &Progress, plan: &Plan) {
        if self.over || self.out.closed.is_set() {
            return;
        }
        let text = lines(at, progress, plan, self.style).join("\n");
        if text != self.shown {
            self.bar.set_message(text.clone());
            self.shown = text;
        }
    }
}

impl Report for Live {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        self.write(at, notice, machine.plan());
        self.tick(at, machine);
    }

    fn tick(&mut self, at: Timestamp, machine: &Machine) {
        if !self.over {
            self.show(at, &machine.progress(), machine.plan());
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The footer: two to four lines, none wider than the terminal, without colour.
pub fn lines(at: Timestamp, progress: &Progress, plan: &Plan, style: Style) -> Vec<String> {
    let room = style.width.saturating_sub(1).max(1);
    let cut = |line: &str| fit(line, room, style.unicode);
    let mut lines = vec![cut(&head(at, progress, plan, style))];
    let mut facts = vec![weights(progress)];
    facts.extend(progress.observed.filter(|_| progress.reason.is_none()).map(|share| format!("{share} observed")));
    facts.extend(progress.healthy.map(tasks));
    lines.extend(flow(&facts, room, style).iter().map(|line| cut(line)));
    lines.extend(gates(progress, plan, room, style).map(|line| cut(&line)));
    lines
}

fn dot(style: Style) -> &'static str {
    if style.unicode { " · " } else { " | " }
}

fn head(at: Timestamp, progress: &Progress, plan: &Plan, style: Style) -> String {
    let stage = match &progress.paused {
        Some(why) => format!("paused: {}", reasons::paused(why)),
        None => doing::words(progress.doing).to_owned(),
    };
    let left = progress.until.filter(|until| *until > at);
    let left = left.map_or(String::new(), |until| format!(", {} left", span(seconds_up(until, at))));
    let glyph = match (&progress.paused, &progress.reason) {
        (Some(_), _) => Sign::Wait,
        (None, Some(_)) => Sign::Back,
        (None, None) => Sign::Step,
    };
    let stage = format!("{stage}{left}");
    let place = sentence::position(progress, plan);
    // The stage and the time left are what changes: when not everything fits, the step gives way.
    let fixed = columns(glyph.glyph(style.unicode)) + 1 + columns(dot(style)) + columns(&escape(&stage));
    let room = style.width.saturating_sub(1 + fixed);
    let place = if room >= columns("step 10 of 12") { fit(&escape(&place), room, style.unicode) } else { place };
    format!("{} {}{}{}", glyph.glyph(style.unicode), escape(&place), dot(style), escape(&stage))
}

/// The time left in whole seconds, so that the footer changes once a second at most.
fn seconds_up(until: Timestamp, at: Timestamp) -> std::time::Duration {
    std::time::Duration::from_secs(until.since(at).as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}

fn weights(progress: &Progress) -> String {
    match progress.configured {
        Some(share) if share == progress.wanted => format!("candidate {share}, read back"),
        Some(share) => format!("candidate {} wanted, {share} configured", progress.wanted),
        None => format!("candidate {} wanted", progress.wanted),
    }
}

fn tasks([stable, candidate]: [(u32, u32); 2]) -> String {
    let side = |(healthy, wanted): (u32, u32)| format!("{healthy}/{wanted}");
    format!("healthy: stable {}, candidate {}", side(stable), side(candidate))
}

/// Puts as many parts on each line as fit.
fn flow(parts: &[String], room: usize, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(dot(style)) + columns(part) <= room => {
                line.push_str(dot(style));
                line.push_str(part);
            }
            _ => lines.push(format!("  {part}")),
        }
    }
    lines
}

/// The least room in which part of a gate's evidence is worth showing.
const LEAST_EVIDENCE: usize = 24;

/// The gates in one line, the worrying ones first; as much evidence as fits, and as many gates.
fn gates(progress: &Progress, plan: &Plan, room: usize, style: Style) -> Option<String> {
    let judged = plan.gates.iter().zip(&progress.verdicts);
    let mut judged: Vec<(&Gate, &Verdict)> =
        judged.filter_map(|(gate, verdict)| verdict.as_ref().map(|verdict| (gate, verdict))).collect();
    judged.sort_by_key(|(gate, verdict)| match verdict.outcome {
        // A gate that only watches worries nobody but who reads it.
        GateOutcome::Fail if gate.watch => 1,
        GateOutcome::Inconclusive if gate.watch => 3,
        GateOutcome::Fail => 0,
        // Healthy tasks are told on a line of their own, and a gate that only tells has told nothing.
        GateOutcome::Pass if gate.watch || matches!(gate.check, Check::Tasks(_)) => 3,
        GateOutcome::Inconclusive => 1,
        GateOutcome::Pass => 2,
    });
    let brief = |(gate, verdict): &(&Gate, &Verdict)| {
        let sign = Sign::of(verdict, gate.watch).glyph(style.unicode).trim_end();
        format!("{sign} {}{}", escape(&gate.name), if gate.watch { " (watches)" } else { "" })
    };
    let brief: Vec<String> = judged.iter().map(brief).collect();
    let count = brief.len();
    let said = |verdict: &Verdict| escape(&evidence(&verdict.evidence));
    let line = |shown: usize, full: usize| {
        let found = |n: usize| if n < full { format!(" {}", said(judged[n].1)) } else { String::new() };
        let parts: Vec<String> = (0..shown).map(|n| format!("{}{}", brief[n], found(n))).collect();
        let more = if shown < count { format!(" +{}", count - shown) } else { String::new() };
        format!("  {}{more}", parts.join(dot(style)))
    };
    let with_evidence = (1..=count).rev().map(|full| line(count, full));
    // The first one's evidence matters most: part of it, when not all of it fits.
    let cut = || {
        let others: Vec<String> = brief.iter().skip(1).map(|brief| format!("{}{brief}", dot(style))).collect();
        let others = others.concat();
        let (first, found) = (brief.first()?, said(judged.first()?.1));
        let left = room.checked_sub(2 + columns(first) + 1 + columns(&others))?;
        (left >= LEAST_EVIDENCE).then(|| format!("  {first} {}{others}", fit(&found, left, style.unicode)))
    };
    let with_fewer = (1..=count).rev().map(|shown| line(shown, 0));
    let fits = |line: &String| columns(line) <= room;
    (count > 0).then(|| with_evidence.chain(cut()).chain(with_fewer).find(fits).unwrap_or_else(|| line(1, 0)))
}

#[cfg(test)]
mod tests;
