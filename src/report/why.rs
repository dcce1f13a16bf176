//! Why a rollout stands where it stands, on one screen: the gate, what it asked and what it found, since when, what
//! comes next and when, and who drives it. `status` says where; both read the same fold.

use serde_json::{Value, json};

use super::evidence::{evidence, measured};
use super::fields::{moment, outcome_word, verdict_word};
use super::reasons::{self, reason_fields};
use super::status::Status;
use super::summary::row;
use super::{Style, command, doing, sentence};
use crate::domain::clock::{Timestamp, span};
use crate::gate::{Evidence, Outcome as GateOutcome, Verdict};
use crate::machine::{Outcome, Reason};

/// All that the answer is told from.
#[derive(Clone, Copy, Debug)]
pub struct Why<'a> {
    /// The present state.
    pub status: Status<'a>,
    /// Who drives it and since when, as the store says.
    pub driver: Option<(&'a str, Timestamp)>,
    /// The moment of the last event on its journal.
    pub last: Timestamp,
}

/// The gate that matters, and what it said.
struct Decisive<'a> {
    index: usize,
    said: Option<(GateOutcome, &'a Evidence)>,
    data_from: Option<Timestamp>,
    since: Option<Timestamp>,
}

impl Why<'_> {
    /// The answer for people.
    pub fn text(&self, style: Style) -> String {
        let mut text = self.status.head(style);
        text.push('\n');
        for (label, words) in self.rows() {
            text.push_str(&row(label, &words, style));
        }
        text.push('\n');
        text.push_str(&self.status.commands(style));
        text
    }

    /// The answer for programs. Names and units are those of the event stream.
    pub fn json(&self) -> Value {
        let Status { id, at, plan, progress, summary, .. } = self.status;
        let about = self.status.about().json();
        let gate = self.decisive().map(|decisive| {
            let gate = &plan.gates[decisive.index];
            json!({
                "name": gate.name,
                "question": gate.question(),
                "verdict": decisive.said.map(|(outcome, _)| verdict_word(outcome)),
                "evidence": decisive.said.map(|(_, found)| evidence(found)),
                "measured": decisive.said.map(|(_, found)| measured(found)),
                "data_from": decisive.data_from.map(moment),
                "since": decisive.since.map(moment),
            })
        });
        let step = plan.steps.get(self.step()).map(|step| step.title(&plan.gates));
        json!({
            "id": id,
            "name": plan.name.as_str(),
            "release": about["release"],
            "where": about["where"],
            "store": about["store"],
            "at": moment(at),
            "state": self.state(),
            "step": {"step": step.as_ref().map(|_| self.step() + 1), "of": plan.steps.len(), "title": step},
            "why": self.because(),
            "reason": self.reason().map(reason_fields),
            "gate": gate,
            "since": self.since().map(moment),
            "left_undone": summary.undone,
            "next": self.next(),
            "next_at": progress.until.filter(|until| *until > at && !self.is_over()).map(moment),
            "goes_back": progress.goes_back.map(moment),
            "owner": self.driver.map(|(by, since)| json!({"by": by, "since": moment(since)})),
            "last_event": moment(self.last),
        })
    }

    fn is_over(&self) -> bool {
        self.status.summary.finished.is_some()
    }

    /// The one word programs know the state by.
    fn state(&self) -> &'static str {
        let Status { progress, summary, .. } = self.status;
        match &summary.finished {
            Some((_, outcome)) => outcome_word(outcome),
            None if progress.reason.is_some() => "going_back",
            None if progress.paused.is_some() => "paused",
            None if summary.trail.asked.is_some() => "asking",
            None if progress.committed => "committed",
            None => "forward",
        }
    }

    /// The step it is in, or was in when it turned back or ended.
    pub(super) fn step(&self) -> usize {
        self.status.summary.trail.step.map_or(self.status.progress.step, |(_, step)| step)
    }

    fn reason(&self) -> Option<&Reason> {
        self.status.progress.reason.as_ref().or(self.status.summary.reason.as_ref())
    }

    /// The gate that sent it back, that it is paused for, or that keeps the present step.
    fn decisive(&self) -> Option<Decisive<'_>> {
        let Status { plan, progress, summary, .. } = self.status;
        let since = |index: usize, outcome| summary.trail.since(&plan.gates[index].name, outcome);
        if let Some(Reason::Breach { gate, evidence, outcome }) = self.reason() {
            let index = plan.gates.iter().position(|known| known.name == *gate)?;
            let said = Some((*outcome, evidence));
            return Some(Decisive { index, said, data_from: None, since: since(index, *outcome) });
        }
        if self.is_over() || progress.reason.is_some() {
            return None;
        }
        let verdict = |index: usize| progress.verdicts.get(index).and_then(Option::as_ref);
        let fails = |index: &usize| {
            let fails = |verdict: &Verdict| verdict.outcome == GateOutcome::Fail;
            plan.gates[*index].decides() && verdict(*index).is_some_and(fails)
        };
        let index = (0..plan.gates.len()).find(fails).or(progress.unproven)?;
        let verdict = verdict(index);
        let said = verdict.map(|verdict| (verdict.outcome, &verdict.evidence));
        let data_from = verdict.and_then(|verdict| verdict.data_from);
        Some(Decisive { index, said, data_from, since: said.and_then(|(outcome, _)| since(index, outcome)) })
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let Status { at, plan, summary, .. } = self.status;
        let mut rows = vec![("why", self.because())];
        if let Some(decisive) = self.decisive() {
            let gate = &plan.gates[decisive.index];
            rows.push(("expected", format!("{}: {}", gate.name, gate.question())));
            rows.push(("found", decisive.found(at)));
        }
        rows.extend(self.others().map(|others| ("other gates", others)));
        if let Some(since) = self.since() {
            let place = sentence::place(self.step(), plan);
            rows.push(("since", format!("{}, {} ago, in {place}", since.in_full(), span(at.since(since)))));
        }
        if let Some((back, took)) = summary.back {
            let stable = &plan.target.stable.target_group_name;
            let words = format!("all on {stable} since {}, {} after the decision", back.time_of_day(), span(took));
            rows.push(("traffic", words));
        }
        rows.extend(summary.undone.iter().map(|what| ("left undone", what.clone())));
        rows.push(("next", self.next()));
        rows.push(("owner", self.owner()));
        let about = self.status.about();
        rows.extend([("rollout", about.id.to_owned()), ("release", about.release())]);
        rows.extend([("where", about.place()), ("journal", about.store.to_owned())]);
        rows
    }

    /// The one sentence.
    pub(super) fn because(&self) -> String {
        let Status { plan, progress, summary, .. } = self.status;
        match &summary.finished {
            Some((_, Outcome::Promoted)) => {
                return summary.promotion(plan).unwrap_or_else(|| "every step passed".to_owned());
            }
            Some((_, Outcome::Stranded { why, reason })) => {
                let back = reason
                    .as_ref()
                    .map_or(String::new(), |reason| format!("; it was going back: {}", reasons::reason(reason)));
                return format!("{}{back}", reasons::stranding(why));
            }
            Some((_, Outcome::RolledBack(reason))) => return reasons::reason(reason),
            None => {}
        }
        if let Some(reason) = &progress.reason {
            return reasons::reason(reason);
        }
        if let Some(paused) = &progress.paused {
            return reasons::paused(paused);
        }
        if let Some(asked) = &summary.trail.asked {
            return format!("a person is asked: {asked}");
        }
        let doing = doing::words(progress.doing);
        let gate = self.decisive().filter(|_| progress.waiting.is_none());
        let gate = gate.map_or(String::new(), |decisive| {
            format!("; gate {} has not let it pass yet", plan.gates[decisive.index].name)
        });
        let waiting =
            progress.waiting.as_ref().map_or(String::new(), |on| format!("; it waits for {}", reasons::awaited(on)));
        let probed = summary.trail.probed.as_ref().map_or(String::new(), |(_, text)| format!("; {text}"));
        let promoted = summary.promotion(plan).filter(|_| progress.promoted_by.is_some());
        let promoted = promoted.map_or(String::new(), |words| format!("; {words}"));
        let glass =
            progress.glass.as_ref().map_or(String::new(), |glass| format!("; {}", sentence::broke_glass(glass)));
        format!("{doing}{gate}{waiting}{probed}{promoted}{glass}")
    }

    /// Since when it is so.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let Status { progress, summary, .. } = self.status;
        let trail = &summary.trail;
        let entered = trail.step.map(|(at, _)| at);
        if self.reason().is_some() {
            return trail.turned.or(entered);
        }
        if let Some((at, _)) = summary.finished {
            return Some(at);
        }
        if progress.paused.is_some() { trail.paused.or(entered) } else { trail.waiting.or(entered) }
    }

    /// What the gates say that decide nothing here.
    fn others(&self) -> Option<String> {
        let Status { plan, progress, .. } = self.status;
        let decisive = self.decisive().map(|decisive| decisive.index);
        let says = |wanted: Option<GateOutcome>| {
            let gates = plan.gates.iter().enumerate().filter(|(index, gate)| {
                let said = progress.verdicts.get(*index).and_then(Option::as_ref).map(|verdict| verdict.outcome);
                Some(*index) != decisive && gate.is_continuous() && said == wanted
            });
            let names: Vec<&str> = gates.map(|(_, gate)| gate.name.as_str()).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let say = |wanted, words: &str| says(wanted).map(|names| format!("{words}: {names}"));
        let all = [
            say(Some(GateOutcome::Fail), "failing"),
            say(Some(GateOutcome::Inconclusive), "undecided"),
            say(Some(GateOutcome::Pass), "passing"),
            say(None, "not asked in this step"),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// What comes next, and when.
    pub(super) fn next(&self) -> String {
        let Status { id, plan, progress, summary, .. } = self.status;
        match &summary.finished {
            Some((_, Outcome::Stranded { .. })) => {
                return format!("nothing by itself; `{}` has the calls to make by hand", command("status", id));
            }
            Some(_) => return "nothing: it is over".to_owned(),
            None => {}
        }
        if self.driver.is_none() {
            let fires = progress.fires.filter(|_| !progress.committed).map_or(String::new(), |at| {
                format!("; the dead-man's switch gives the traffic back at {}", at.time_of_day())
            });
            return format!("nothing before somebody takes it over{fires}");
        }
        if progress.reason.is_some() {
            return self.next_back();
        }
        let next = sentence::place(progress.step + 1, plan);
        let Some(back) = progress.goes_back else { return next };
        let back = back.time_of_day();
        if progress.paused.is_some() {
            return format!("it goes back at {back}, unless somebody continues it before");
        }
        if summary.trail.asked.is_some() {
            return format!("{next}, once approved; without that it goes back at {back}");
        }
        let earliest = progress.until.filter(|until| Some(*until) != progress.goes_back && *until > self.status.at);
        match earliest {
            Some(until) => format!(
                "{next}, at {} at the earliest, once every gate passes; it goes back if that is not so by {back}",
                until.time_of_day()
            ),
            None => format!("{next}, as soon as this step passes; if it has not by {back}, it goes back"),
        }
    }

    fn next_back(&self) -> String {
        let Status { plan, progress, summary, .. } = self.status;
        if summary.back.is_some() {
            return format!("{}; then it is over", doing::words(progress.doing));
        }
        let limit = progress.until.map_or(String::new(), |until| {
            format!("; if that has not worked by {}, a person is needed", until.time_of_day())
        });
        format!("all traffic to {}{limit}", plan.target.stable.target_group_name)
    }

    pub(super) fn owner(&self) -> String {
        let Status { at, summary, .. } = self.status;
        let started = summary.started.as_ref().map_or("nobody", |(_, by)| by);
        if self.is_over() {
            return format!("nobody any more; started by {started}");
        }
        let last = span(at.since(self.last));
        match self.driver {
            Some((by, since)) => format!("{by}, since {}; the journal last grew {last} ago", since.in_full()),
            None => format!("nobody drives it; started by {started}, and the journal last grew {last} ago"),
        }
    }
}

impl Decisive<'_> {
    fn found(&self, at: Timestamp) -> String {
        let Some((outcome, found)) = self.said else { return "it has not been asked in this step yet".to_owned() };
        let from = self.data_from.map_or(String::new(), |from| format!(", on data from {}", from.time_of_day()));
        let since = self
            .since
            .map_or(String::new(), |since| format!(", since {}, {} ago", since.time_of_day(), span(at.since(since))));
        format!("{}: {}{from}{since}", verdict_word(outcome), evidence(found))
    }
}

#[cfg(test)]
mod tests;
