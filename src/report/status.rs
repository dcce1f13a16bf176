//! A rollout's present state on one screen: where it stands, what the gates say, what can be done now.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::evidence::{evidence, measured};
use super::fields::{moment, percent, served_fields, verdict_word};
use super::json::outcome_fields;
use super::reasons::{self, reason_fields};
use super::sentence::{self, Sign};
use super::summary::{LABEL, Summary, hands, left_fields, row};
use super::{About, Style, command, doing};
use crate::domain::clock::{Timestamp, span};
use crate::domain::text::{columns, escape, hang, pad};
use crate::domain::traffic::Share;
use crate::gate::Outcome as GateOutcome;
use crate::machine::{Outcome, Progress};
use crate::plan::{Action, Plan};

/// All that the present state is told from.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// The rollout's id.
    pub id: &'a str,
    /// The present moment.
    pub at: Timestamp,
    /// The plan it follows.
    pub plan: &'a Plan,
    /// Where it stands.
    pub progress: &'a Progress,
    /// What its notices add up to so far.
    pub summary: &'a Summary,
    /// The store that has its journal: a folder, or a bucket's URL.
    pub store: &'a str,
    /// Whether it is a rehearsal in a lab inside its runner.
    pub is_lab: bool,
}

impl<'a> Status<'a> {
    /// Which rollout it is, and of what.
    pub fn about(&self) -> About<'a> {
        let Self { id, plan, summary, store, is_lab, .. } = *self;
        About { id, plan, registered: summary.registered.as_deref(), store, is_lab }
    }
}

impl Status<'_> {
    /// The state for people.
    pub fn text(&self, style: Style) -> String {
        let mut text = self.head(style);
        text.push('\n');
        for (label, words) in self.rows() {
            text.push_str(&row(label, &words, style));
        }
        text.push_str(&self.gates(style, false));
        if let Some(next) = self.next() {
            text.push_str(&row("next", &next, style));
        }
        if self.is_stranded() {
            text.push_str(&hands(self.plan, self.id, self.progress.committed, style));
        }
        text.push('\n');
        text.push_str(&self.commands(style));
        text
    }

    /// The first line.
    pub(super) fn head(&self, style: Style) -> String {
        let (sign, head) = self.headline();
        let indent = columns(sign.glyph(style.unicode)) + 1;
        hang(&format!("{} ", sign.paint(style)), indent, &escape(&head), style.width)
    }

    /// The sign of where it stands.
    pub(super) fn sign(&self) -> Sign {
        self.headline().0
    }

    /// Where it stands, in half a line; foreign text is in it as it came.
    pub fn line(&self) -> String {
        self.headline().1
    }

    /// The state for programs. Names and units are those of the event stream.
    pub fn json(&self) -> Value {
        let Status { id, at, plan, progress, summary, .. } = *self;
        let about = self.about().json();
        let outcome = summary.finished.as_ref().map(|(_, outcome)| outcome_fields(outcome));
        let outcome = outcome.unwrap_or_else(|| json!({"outcome": null, "reason": null, "why": null}));
        let step = plan.steps.get(progress.step).map(|step| step.title(&plan.gates));
        let tasks = |(healthy, wanted): (u32, u32)| json!({"healthy": healthy, "wanted": wanted});
        let gates = plan.gates.iter().enumerate().map(|(n, gate)| {
            let verdict = progress.verdicts.get(n).and_then(Option::as_ref);
            json!({
                "name": gate.name,
                "watch": gate.watch,
                "question": gate.question(),
                "verdict": verdict.map(|verdict| verdict_word(verdict.outcome)),
                "evidence": verdict.map(|verdict| evidence(&verdict.evidence)),
                "measured": verdict.map(|verdict| measured(&verdict.evidence)),
                "data_from": verdict.and_then(|verdict| verdict.data_from).map(moment),
            })
        });
        json!({
            "id": id,
            "name": plan.name.as_str(),
            "release": about["release"],
            "where": about["where"],
            "store": about["store"],
            "at": moment(at),
            "started": summary.started.as_ref().map(|(at, by)| json!({"at": moment(*at), "by": by})),
            "outcome": outcome["outcome"],
            "why": outcome["why"],
            "reason": progress.reason.as_ref().map_or(outcome["reason"].clone(), reason_fields),
            "handed_over": summary.handed_over.as_ref().map(left_fields),
            "undoes": plan.undoes.as_ref().map(|undoes| json!({"rollout": undoes.rollout, "said": undoes.reason})),
            "step": {"step": step.as_ref().map(|_| progress.step + 1), "of": plan.steps.len(), "title": step},
            "stage": doing::words(progress.doing),
            "doing": doing::kind(progress.doing),
            "until": progress.until.map(moment),
            "paused": progress.paused.as_ref().map(reasons::paused),
            "paused_for": progress.paused.as_ref().map(reasons::paused_fields),
            "waiting_for": progress.waiting.as_ref().map(reasons::awaited_fields),
            "promoted_by": progress.promoted_by,
            "broke_glass": progress.glass.as_ref().map(|glass| json!({"by": glass.by, "said": glass.reason})),
            "committed": progress.committed,
            "switch_fires": progress.fires.map(moment),
            "candidate": {
                "wanted_percent": percent(progress.wanted),
                "configured_percent": progress.configured.map(percent),
                "observed_percent": progress.observed.map(percent),
            },
            "tasks": progress.healthy.map(|[stable, candidate]| json!({
                "stable": tasks(stable), "candidate": tasks(candidate),
            })),
            "gates": gates.collect::<Vec<_>>(),
            "served": progress.served.or(summary.served).map(served_fields),
            "left_undone": summary.undone,
            "commands": self.words().iter().map(|(word, _)| command(word, id)).collect::<Vec<_>>(),
        })
    }

    fn headline(&self) -> (Sign, String) {
        let place = sentence::place(self.progress.step, self.plan);
        let name = &self.plan.name;
        match (&self.summary.finished, &self.summary.handed_over) {
            (Some(_), _) | (None, Some(_)) => self.summary.headline(self.plan),
            (None, None) if self.progress.paused.is_some() => (Sign::Wait, format!("{name} is paused at {place}")),
            (None, None) if self.progress.reason.is_some() => (Sign::Back, format!("{name} is going back")),
            (None, None) => (Sign::Step, format!("{name}: {place}")),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let Status { id, at, plan, progress, summary, .. } = *self;
        let about = self.about();
        let mut rows = vec![("rollout", id.to_owned()), ("release", about.release())];
        if let Some((start, by)) = &summary.started {
            rows.push(("started", format!("{} by {by}, {} ago", start.in_full(), span(at.since(*start)))));
        }
        if let Some((end, outcome)) = &summary.finished {
            rows.push(("finished", format!("{end}, {} ago", span(at.since(*end)))));
            if let Outcome::Stranded { why, .. } = outcome {
                rows.push(("stranded", reasons::stranding(why)));
            }
        }
        if let Some(undoes) = &plan.undoes {
            let reason = undoes.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            rows.push(("takes back", format!("{}{reason}", undoes.rollout)));
        }
        rows.push(("where", about.place()));
        rows.push(("journal", about.store.to_owned()));
        if let (Some((_, why)), None) = (&summary.handed_over, &summary.finished) {
            rows.push(("handed over", reasons::leaving(why)));
        }
        if let Some(reason) = &progress.reason {
            let label = if summary.finished.is_some() { "why" } else { "going back" };
            rows.push((label, reasons::reason(reason)));
        }
        if summary.finished.is_none() {
            let left = progress.until.filter(|until| *until > at);
            let left = left.map_or(String::new(), |until| {
                format!(", until {} at the latest ({} left)", until.time_of_day(), span(until.since(at)))
            });
            rows.push(("stage", format!("{}{left}", doing::words(progress.doing))));
        }
        rows.extend(progress.paused.as_ref().map(|why| ("paused", reasons::paused(why))));
        rows.extend(
            progress.promoted_by.as_ref().map(|by| ("promoted", format!("by {by}: nothing more is waited for"))),
        );
        rows.extend(progress.glass.as_ref().map(|glass| ("glass", sentence::broke_glass(glass))));
        rows.push(("weights", self.weights()));
        if let Some(share) = self.progress.observed {
            rows.push(("observed", format!("{share} of the requests went to the candidate, by the last count")));
        }
        if let Some([stable, candidate]) = progress.healthy {
            let side = |(healthy, wanted)| format!("{healthy} of {wanted}");
            rows.push(("healthy", format!("stable {}, candidate {} tasks", side(stable), side(candidate))));
        }
        if let Some(fires) = progress.fires.filter(|_| summary.finished.is_none()) {
            let words = format!("AWS gives the traffic back at {} unless a runner lives", fires.time_of_day());
            rows.push(("dead man", words));
        }
        if let Some(served) = progress.served.or(summary.served) {
            rows.push(("candidate", format!("served {}", sentence::served_words(served))));
        }
        rows
    }

    fn weights(&self) -> String {
        let side = |share| {
            let (stable, candidate) = (&self.plan.target.stable, &self.plan.target.candidate);
            let rest = Share::rest(share);
            format!("{} {rest}, {} {share}", stable.target_group_name, candidate.target_group_name)
        };
        let wanted = self.progress.wanted;
        match self.progress.configured {
            Some(share) if share == wanted => format!("{} (read back)", side(share)),
            Some(share) => format!("{} (read back); {wanted} wanted on the candidate", side(share)),
            None => format!("{} wanted; the rule has not been read", side(wanted)),
        }
    }

    /// The gates with what they say; with `questions` also what they ask.
    pub(super) fn gates(&self, style: Style, questions: bool) -> String {
        let widest = self.plan.gates.iter().map(|gate| columns(&escape(&gate.name))).max().unwrap_or_default();
        let blank = columns(Sign::Step.glyph(style.unicode));
        let mut text = String::new();
        for (n, gate) in self.plan.gates.iter().enumerate() {
            let verdict = self.progress.verdicts.get(n).and_then(Option::as_ref);
            let sign = verdict.map_or(" ".repeat(blank), |verdict| Sign::of(verdict, gate.watch).paint(style));
            let says = verdict.map_or("not asked yet".to_owned(), |verdict| match verdict.outcome {
                GateOutcome::Pass => evidence(&verdict.evidence),
                outcome => format!("{}: {}", verdict_word(outcome), evidence(&verdict.evidence)),
            });
            let says = if gate.watch { format!("only watches; {says}") } else { says };
            let label = pad(if n == 0 { "gates" } else { "" }, LABEL);
            let (prefix, indent) = (format!("  {label}{sign} "), 2 + LABEL + blank + 1);
            let name = escape(&gate.name);
            let line = if indent + widest + 2 + LEAST_EVIDENCE <= style.width {
                let prefix = format!("{prefix}{}  ", pad(&name, widest));
                hang(&prefix, indent + widest + 2, &escape(&says), style.width)
            } else {
                hang(&prefix, indent, &format!("{name}: {}", escape(&says)), style.width)
            };
            text.push_str(&line);
            if questions {
                let expected = format!("expected: {}", escape(&gate.question()));
                text.push_str(&hang(&" ".repeat(indent), indent, &expected, style.width));
            }
        }
        text
    }

    fn is_stranded(&self) -> bool {
        matches!(self.summary.finished, Some((_, Outcome::Stranded { .. })))
    }

    /// What comes after the present step, while it goes forward.
    fn next(&self) -> Option<String> {
        let forward = self.summary.finished.is_none() && self.progress.reason.is_none();
        let next = self.progress.step + 1;
        (forward && next < self.plan.steps.len()).then(|| sentence::place(next, self.plan))
    }

    /// The words that make sense now, each with what it would do.
    pub(super) fn words(&self) -> Vec<(&'static str, &'static str)> {
        let back = ("rollback", "all traffic back to stable");
        let recorded = ("history", "everything that happened");
        if self.is_stranded() && !self.progress.committed {
            return vec![("rollback", "try the way back once more"), recorded];
        }
        if self.summary.finished.is_some() && !self.summary.undone.is_empty() {
            return vec![("resume", "finish what was left undone"), recorded];
        }
        if self.summary.finished.is_some() {
            return vec![recorded];
        }
        if self.summary.handed_over.is_some() {
            let resume = ("resume", "go on from here");
            let undecided = self.progress.reason.is_none() && !self.progress.committed;
            return if undecided { vec![resume, back] } else { vec![resume, recorded] };
        }
        if self.progress.reason.is_some() || self.progress.committed {
            return vec![recorded];
        }
        if self.progress.paused.is_some() {
            return vec![("continue", "go on"), back];
        }
        let action = self.plan.steps.get(self.progress.step).map(|step| &step.action);
        match action {
            Some(Action::Approve(_)) => vec![("approve", "go on"), back],
            Some(_) | None => vec![("pause", "take no further step"), back],
        }
    }

    pub(super) fn commands(&self, style: Style) -> String {
        let words = self.words();
        let typed: Vec<String> = words.iter().map(|(word, _)| command(word, self.id)).collect();
        let widest = typed.iter().map(|typed| columns(typed)).max().unwrap_or_default();
        let side_by_side = words.iter().all(|(_, does)| 4 + widest + columns(does) <= style.width);
        let mut text = String::new();
        for (typed, (_, does)) in typed.iter().zip(&words) {
            if side_by_side {
                let _ = writeln!(text, "  {}  {does}", pad(typed, widest));
            } else {
                let _ = writeln!(text, "  {typed}");
                text.push_str(&hang("    ", 4, does, style.width));
            }
        }
        text
    }
}

/// The least room that gates' evidence has beside their names; with less it goes below them.
const LEAST_EVIDENCE: usize = 24;

#[cfg(test)]
mod tests;
