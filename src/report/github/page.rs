//! The summary page of a step: how it ended and why, the steps with their times, the gates with their evidence.
//!
//! It is made of HTML tables, because text in a table's cell is no Markdown: the only signs that mean anything
//! there are those of HTML, and foreign text stands in `<code>`, where GitHub makes no links and no mentions of it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::domain::clock::span;
use crate::domain::text::{fit, html};
use crate::gate::Outcome as GateOutcome;
use crate::machine::{Notice, Progress};
use crate::plan::Plan;
use crate::report::sentence::{self, Sign};
use crate::report::{Summary, command, evidence, reasons};

/// The most rows of a table. With [`CELL`] it keeps the page below GitHub's limit of 1 MiB.
const ROWS: usize = 150;
/// The most characters of foreign text in a cell.
const CELL: usize = 400;

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Done {
    Begun,
    Passed(Duration),
    Undecided(Duration),
    Skipped,
}

/// The page of one rollout.
#[derive(Clone, Debug)]
pub(super) struct Page {
    id: String,
    steps: Vec<Option<Done>>,
}

impl Page {
    pub(super) fn new(id: String) -> Self {
        Self { id, steps: Vec::new() }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Takes in one notice.
    pub(super) fn take(&mut self, notice: &Notice) {
        let (step, done) = match notice {
            Notice::StepStarted(step) => (*step, Done::Begun),
            Notice::StepPassed { step, took, undecided } if undecided.is_empty() => (*step, Done::Passed(*took)),
            Notice::StepPassed { step, took, .. } => (*step, Done::Undecided(*took)),
            Notice::Skipped { step, .. } => (*step, Done::Skipped),
            _ => return,
        };
        if step < ROWS {
            self.steps.resize(self.steps.len().max(step + 1), None);
            self.steps[step] = Some(done);
        }
    }

    /// The page as it stands.
    pub(super) fn text(&self, summary: &Summary, progress: &Progress, plan: &Plan) -> String {
        let (sign, head) = summary.headline(plan);
        let mut text = format!("<h3>{} {}</h3>\n\n", sign.glyph(true), html(&head));
        text.push_str("<table>\n");
        if summary.finished.is_none() && summary.handed_over.is_none() {
            let place = sentence::position(progress, plan);
            let now = match (&progress.reason, &progress.paused) {
                (Some(_), _) => format!("going back: {place}"),
                (None, Some(why)) => format!("{place}; paused: {}", reasons::paused(why)),
                (None, None) => place,
            };
            text.push_str(&row("now", &foreign(&now)));
        }
        for (label, words) in summary.rows(plan) {
            text.push_str(&row(label, &foreign(&words)));
        }
        let target = &plan.target;
        let place = format!("{}, account {}, cluster {}", target.region, target.account, target.cluster);
        text.push_str(&row("where", &foreign(&place)));
        text.push_str(&row("rollout", &foreign(&self.id)));
        text.push_str(&row("next", &foreign(&command(summary.next(), &self.id))));
        text.push_str("</table>\n\n");
        text.push_str(&gates(progress, plan));
        text.push_str(&self.table(summary, plan));
        text
    }

    fn table(&self, summary: &Summary, plan: &Plan) -> String {
        let mut text = "<table>\n<tr><th></th><th>step</th><th></th></tr>\n".to_owned();
        let stopped = summary.finished.is_some() || summary.handed_over.is_some() || summary.reason.is_some();
        for (n, step) in plan.steps.iter().enumerate().take(ROWS) {
            let words = match self.steps.get(n).copied().flatten() {
                Some(Done::Passed(took)) => format!("{} {}", Sign::Good.glyph(true), span(took)),
                Some(Done::Undecided(took)) => format!("{} {}, undecided", Sign::Heed.glyph(true), span(took)),
                Some(Done::Begun) if stopped => format!("{} ended here", Sign::Back.glyph(true)),
                Some(Done::Begun) => format!("{} now", Sign::Step.glyph(true)),
                Some(Done::Skipped) => format!("{} skipped", Sign::Heed.glyph(true)),
                None => String::new(),
            };
            let title = foreign(&step.title(&plan.gates));
            let _ = writeln!(text, "<tr><td>{}</td><td>{title}</td><td>{words}</td></tr>", n + 1);
        }
        text + "</table>\n"
    }
}

/// What each gate says, and on what evidence.
fn gates(progress: &Progress, plan: &Plan) -> String {
    let said = plan.gates.iter().zip(&progress.verdicts).take(ROWS);
    let mut rows = String::new();
    for (gate, verdict) in said {
        let name = foreign(&gate.name);
        let (sign, evidence) = match verdict {
            Some(verdict) => {
                let word = match verdict.outcome {
                    GateOutcome::Pass if verdict.is_undecided() => "passes undecided",
                    GateOutcome::Pass => "passes",
                    GateOutcome::Fail => "fails",
                    GateOutcome::Inconclusive => "cannot say yet",
                };
                let sign = Sign::of(verdict, gate.watch).glyph(true);
                (format!("{sign} {word}"), foreign(&evidence(&verdict.evidence)))
            }
            None => ("not asked yet".to_owned(), String::new()),
        };
        let watches = if gate.watch { " (only watches)" } else { "" };
        let _ = writeln!(rows, "<tr><td>{name}{watches}</td><td>{sign}</td><td>{evidence}</td></tr>");
    }
    if rows.is_empty() {
        return rows;
    }
    format!("<table>\n<tr><th>gate</th><th>says</th><th>evidence</th></tr>\n{rows}</table>\n\n")
}

fn row(label: &str, cell: &str) -> String {
    format!("<tr><th align=\"left\">{label}</th><td>{cell}</td></tr>\n")
}

/// Words that may hold anything, cut to what a cell takes.
fn foreign(words: &str) -> String {
    format!("<code>{}</code>", html(&fit(words, CELL, true)))
}
