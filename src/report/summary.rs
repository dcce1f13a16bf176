//! The closing account: what happened, why, what it cost, and what is left for a person to do.
//!
//! It is a fold over notices, so a rollout that ran last week is told from its journal as it was told live.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::fields::{moment, percent, served_fields};
use super::fold::{Fold, Markup};
use super::json::outcome_fields;
use super::reasons::{self, reason_fields};
use super::sentence::{self, Sign};
use super::trail::Trail;
use super::undone::{undone, unstuck};
use super::{Closed, Output, Report, Style, about, command, rescue, terraform};
use crate::domain::clock::{Timestamp, span};
use crate::domain::fleet::Served;
use crate::domain::text::{columns, escape, hang, pad};
use crate::domain::traffic::Share;
use crate::machine::{Glass, Leaving, Machine, Notice, Outcome, Reason};
use crate::plan::Plan;

/// What a rollout's notices add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// When it started, and who started it.
    pub started: Option<(Timestamp, String)>,
    /// When it finished, and how.
    pub finished: Option<(Timestamp, Outcome)>,
    /// When the last runner left, and why, if no other has taken over and it is not finished.
    pub handed_over: Option<(Timestamp, Leaving)>,
    /// Why it went back, if it did.
    pub reason: Option<Reason>,
    /// The highest share the candidate had.
    pub highest: Share,
    /// When the traffic was back on the stable slot, and how long that took.
    pub back: Option<(Timestamp, Duration)>,
    /// What the candidate served, as last counted.
    pub served: Option<Served>,
    /// Whether it is past the point of return.
    pub committed: bool,
    /// Whether somebody else wrote the rule or a service.
    pub meddled: bool,
    /// What was left undone, in order.
    pub undone: Vec<String>,
    /// Whether the rule's stickiness was not put back.
    pub unstuck: bool,
    /// The ARN of the rule that stands in the place of the rollout's, if that is there no more.
    pub instead: Option<String>,
    /// Until when clients may still be led to the candidate by a cookie.
    pub led_until: Option<Timestamp>,
    /// When a person promoted it, who, and why if they said.
    pub promoted: Option<(Timestamp, String, Option<String>)>,
    /// When a person overruled the windows, and who.
    pub glass: Option<(Timestamp, Glass)>,
    /// The steps that were left without a verdict on that word.
    pub skipped: Vec<usize>,
    /// The release's task definition, once registered.
    pub registered: Option<String>,
    /// What explains where it stands.
    pub trail: Trail,
}

impl Summary {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one notice.
    pub fn take(&mut self, at: Timestamp, notice: &Notice) {
        self.trail.take(at, notice);
        match notice {
            Notice::Started { by } => self.started = Some((at, by.clone())),
            Notice::Recovered { .. } => {
                self.handed_over = None;
                if self.finished.take().is_some() {
                    // Somebody finishes what was left undone, and says again what is.
                    (self.undone, self.unstuck) = (Vec::new(), false);
                }
            }
            Notice::Shifted { share, .. } | Notice::CarriedOn { share } => self.highest = self.highest.max(*share),
            Notice::Retreating { reason } => self.reason = Some(reason.clone()),
            Notice::TrafficBack { took } => self.back = Some((at, *took)),
            Notice::Committed => self.committed = true,
            Notice::Counted(served) => self.served = Some(*served),
            Notice::ForeignWrite { .. } => self.meddled = true,
            Notice::LeftUndone { what } => self.undone.push(undone(what)),
            Notice::StickinessOff { why } => {
                self.undone.push(unstuck(why));
                self.unstuck = true;
            }
            Notice::StillLed { until } => self.led_until = Some(*until),
            Notice::RuleDiffers { instead, .. } => self.instead.clone_from(instead),
            Notice::BrokeGlass(glass) => self.glass = Some((at, glass.clone())),
            Notice::Promoting { by, reason } => self.promoted = Some((at, by.clone(), reason.clone())),
            Notice::Skipped { step, .. } => self.skipped.push(*step),
            Notice::HandedOver { why } => self.handed_over = Some((at, why.clone())),
            Notice::Registered(arn) => self.registered = Some(arn.clone()),
            Notice::Finished(outcome) => self.finished = Some((at, outcome.clone())),
            Notice::StepStarted(_)
            | Notice::StepPassed { .. }
            | Notice::CapacityChanged { .. }
            | Notice::Judged { .. }
            | Notice::Probed { .. }
            | Notice::Waiting { .. }
            | Notice::AwaitingApproval { .. }
            | Notice::Approved { .. }
            | Notice::Paused { .. }
            | Notice::Continued { .. }
            | Notice::Refused { .. }
            | Notice::Trouble(_)
            | Notice::BackDenied { .. }
            | Notice::Quiet { .. }
            | Notice::Scaled { .. }
            | Notice::ScalingHeld
            | Notice::ScalingFreed
            | Notice::Armed { .. }
            | Notice::Disarmed => {}
        }
    }

    /// What was released in place of what, with the images that differ.
    pub fn release(&self, plan: &Plan) -> String {
        about::release(plan, self.registered.as_deref())
    }

    /// The same for programs.
    pub fn release_json(&self, plan: &Plan) -> serde_json::Value {
        about::release_json(plan, self.registered.as_deref())
    }

    /// The account for people: of the rollout `id`, which followed `plan`.
    pub fn text(&self, id: &str, plan: &Plan, style: Style) -> String {
        let (sign, head) = self.headline(plan);
        let indent = columns(sign.glyph(style.unicode)) + 1;
        let mut text = hang(&format!("{} ", sign.paint(style)), indent, &escape(&head), style.width);
        text.push('\n');
        let subject = [("release", self.release(plan)), ("where", about::place(plan))];
        for (label, words) in self.rows(plan).into_iter().chain(subject) {
            text.push_str(&row(label, &words, style));
        }
        if self.unstuck && !self.needs_person() {
            text.push('\n');
            text.push_str(&by_hand(&[rescue::stick(plan)], style));
        }
        if self.meddled {
            text.push_str(&terraform::lifecycle(style, plan.driver.kind()));
        }
        text.push_str(&self.last(id, plan, style));
        text
    }

    /// The account for programs.
    pub fn json(&self, id: &str, plan: &Plan) -> Value {
        let outcome = self.finished.as_ref().map(|(_, outcome)| outcome_fields(outcome));
        let outcome = outcome.unwrap_or_else(|| json!({"outcome": null, "reason": null, "why": null}));
        let calls: Vec<Value> = self
            .calls(id, plan)
            .into_iter()
            .map(|call| json!({"does": call.does, "command": call.one_line()}))
            .collect();
        json!({
            "id": id,
            "name": plan.name.as_str(),
            "outcome": outcome["outcome"],
            "reason": self.reason.as_ref().map_or(outcome["reason"].clone(), reason_fields),
            "why": outcome["why"],
            "started": self.started.as_ref().map(|(at, by)| json!({"at": moment(*at), "by": by})),
            "finished": self.finished.as_ref().map(|(at, _)| moment(*at)),
            "handed_over": self.handed_over.as_ref().map(left_fields),
            "highest_percent": percent(self.highest),
            "traffic_back": self.back.map(|(at, took)| json!({
                "at": moment(at), "took_seconds": took.as_secs_f64(),
            })),
            "served": self.served.map(served_fields),
            "committed": self.committed,
            "promoted": self.promoted.as_ref().map(|(at, by, said)| json!({
                "at": moment(*at), "by": by, "said": said, "skipped": self.skipped_titles(plan),
            })),
            "broke_glass": self.glass.as_ref().map(|(at, glass)| json!({
                "at": moment(*at), "by": glass.by, "said": glass.reason,
            })),
            "left_undone": self.undone,
            "calls": calls,
        })
    }

    /// Whether a person must act before the rollout is over.
    fn needs_person(&self) -> bool {
        matches!(self.finished, Some((_, Outcome::Stranded { .. })))
    }

    /// What a person calls by hand.
    fn calls(&self, id: &str, plan: &Plan) -> Vec<rescue::Call> {
        if self.needs_person() {
            return match &self.instead {
                // What a person does by hand, they do to the rule that is there.
                Some(arn) => rescue::calls(&plan.on_rule(arn), id, self.committed),
                None => rescue::calls(plan, id, self.committed),
            };
        }
        self.unstuck.then(|| rescue::stick(plan)).into_iter().collect()
    }

    /// The steps that a person's word skipped, by title.
    pub(super) fn skipped_titles(&self, plan: &Plan) -> Vec<String> {
        self.skipped.iter().filter_map(|step| plan.steps.get(*step)).map(|step| step.title(&plan.gates)).collect()
    }

    /// Who promoted it, why, and which steps have that in place of a verdict.
    pub(super) fn promotion(&self, plan: &Plan) -> Option<String> {
        let (_, by, reason) = self.promoted.as_ref()?;
        let skipped = self.skipped_titles(plan).join(", ");
        let skipped = if skipped.is_empty() { String::new() } else { format!("; skipped: {skipped}") };
        Some(format!("{}{skipped}", sentence::promoted(by, reason.as_deref())))
    }

    /// What happened, in one sentence.
    pub(super) fn headline(&self, plan: &Plan) -> (Sign, String) {
        let (name, target) = (&plan.name, &plan.target);
        let (stable, candidate) = (&target.stable.target_group_name, &target.candidate.target_group_name);
        match (&self.finished, &self.handed_over) {
            (Some((_, Outcome::Promoted)), _) => {
                let release = if plan.undoes.is_some() { "the release before" } else { "the new release" };
                let gives = format!("promoted: the rule gives {candidate} everything");
                match self.served.map(|served| (served.requests, served.since_full)) {
                    Some((0, _) | (_, Some(0))) => {
                        (Sign::Heed, format!("{gives}, and no request is counted there since"))
                    }
                    Some((_, Some(_))) => (Sign::Good, format!("promoted: {name} is served by {candidate}, {release}")),
                    Some((_, None)) | None => (Sign::Good, format!("{gives}; what it serves since is not counted")),
                }
            }
            (Some((_, Outcome::RolledBack(_))), _) => {
                (Sign::Back, format!("rolled back: {name} is served by {stable}, the release before"))
            }
            (Some((_, Outcome::Stranded { .. })), _) => (Sign::Bad, format!("stranded: {name} needs a person, now")),
            (None, Some(_)) => (Sign::Wait, format!("handed over: {name} is not finished")),
            (None, None) => (Sign::Step, format!("{name} is not finished")),
        }
    }

    /// What there is to know of it, each with its label.
    pub(super) fn rows(&self, plan: &Plan) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if let Some((_, Outcome::Stranded { why, .. })) = &self.finished {
            rows.push(("stranded", reasons::stranding(why)));
        }
        if let Some((_, why)) = self.handed_over.as_ref().filter(|_| self.finished.is_none()) {
            rows.push(("handed over", reasons::leaving(why)));
        }
        let finished = self.finished.as_ref().map(|(_, outcome)| outcome);
        let reason = self.reason.as_ref().or(match finished {
            Some(Outcome::RolledBack(reason)) => Some(reason),
            Some(Outcome::Stranded { reason, .. }) => reason.as_ref(),
            Some(Outcome::Promoted) | None => None,
        });
        if let Some(reason) = reason {
            rows.push(("why", reasons::reason(reason)));
        }
        rows.extend(self.promotion(plan).map(|words| ("promoted", words)));
        rows.extend(self.glass.as_ref().map(|(_, glass)| ("glass", sentence::broke_glass(glass))));
        rows.push(("traffic", self.traffic(plan, reason.is_some())));
        let lasts = |until: &Timestamp| self.finished.as_ref().is_none_or(|(at, _)| until > at);
        rows.extend(self.led_until.filter(lasts).map(|until| ("still led", sentence::still_led(until, plan))));
        rows.push(("candidate", self.candidate()));
        rows.extend(self.time().map(|time| ("time", time)));
        rows.extend(self.undone.iter().map(|what| ("left undone", what.clone())));
        rows
    }

    fn traffic(&self, plan: &Plan, went_back: bool) -> String {
        let stable = &plan.target.stable.target_group_name;
        let highest = match self.highest {
            Share::NONE => "the rule never gave the candidate any".to_owned(),
            Share::ALL => "the rule gave the candidate all of it".to_owned(),
            share => format!("the rule gave the candidate at most {share}"),
        };
        match self.back {
            Some((at, took)) => {
                format!("back on {stable} at {}, after {}; {highest}", at.time_of_day(), span(took))
            }
            None if went_back => format!("not verified to be back on {stable}; {highest}"),
            None => highest,
        }
    }

    fn candidate(&self) -> String {
        let served = self.served.map(|served| format!("served {}", sentence::served_words(served)));
        served.unwrap_or_else(|| match self.highest {
            Share::NONE => "served nothing".to_owned(),
            _ => "what it served was not counted".to_owned(),
        })
    }

    fn time(&self) -> Option<String> {
        let (start, by) = self.started.as_ref()?;
        let end = self.finished.as_ref().map(|(at, _)| *at).or(self.handed_over.as_ref().map(|(at, _)| *at));
        Some(match end {
            Some(end) => format!("{}, {} to {}, by {by}", span(end.since(*start)), start.in_full(), until(*start, end)),
            None => format!("since {}, by {by}", start.in_full()),
        })
    }

    /// What a person does now.
    fn last(&self, id: &str, plan: &Plan, style: Style) -> String {
        let mut text = String::new();
        if self.needs_person() {
            text.push_str(&hands(plan, id, self.committed, style));
        }
        text.push('\n');
        let _ = writeln!(text, "  {}{}", pad("next", LABEL), command(self.next(), id));
        text
    }

    /// The word that a person gives next.
    pub(super) fn next(&self) -> &'static str {
        match (&self.finished, &self.handed_over) {
            (Some((_, Outcome::Stranded { .. })), _) if !self.committed => "rollback",
            (Some((_, Outcome::Promoted | Outcome::RolledBack(_))), _) if !self.undone.is_empty() => "resume",
            (Some(_), _) => "history",
            (None, None | Some((_, Leaving::TakenOver { .. }))) => "status",
            (None, Some(_)) => "resume",
        }
    }
}

/// When the last runner left, and why, for programs.
pub(super) fn left_fields((at, why): &(Timestamp, Leaving)) -> Value {
    let mut fields = reasons::leaving_fields(why);
    fields["at"] = json!(moment(*at));
    fields
}

/// The end of a stretch of time, without the date when it is the start's.
fn until(start: Timestamp, end: Timestamp) -> String {
    let (start, end) = (start.in_full(), end.in_full());
    match (start.split_once(['T', ' ']), end.split_once(['T', ' '])) {
        (Some((day, _)), Some((same, time))) if day == same => time.to_owned(),
        _ => end,
    }
}

/// How many columns a label takes.
pub(super) const LABEL: usize = 13;

/// One labelled row.
pub(super) fn row(label: &str, words: &str, style: Style) -> String {
    hang(&format!("  {}", pad(label, LABEL)), LABEL + 2, &escape(words), style.width)
}

/// The calls that a person makes, ready to paste.
pub(super) fn hands(plan: &Plan, id: &str, committed: bool, style: Style) -> String {
    let mut text = "\n".to_owned();
    text.push_str(&by_hand(&rescue::calls(plan, id, committed), style));
    text
}

/// These calls, ready to paste.
pub(super) fn by_hand(calls: &[rescue::Call], style: Style) -> String {
    let head = if calls.len() == 1 { "By hand:" } else { "By hand, in this order:" };
    let mut text = hang("  ", 2, head, style.width);
    for (n, call) in calls.iter().enumerate() {
        text.push_str(&hang(&format!("  {}. ", n + 1), 5, &call.does, style.width));
        text.push_str(&call.lines(5, style.width));
    }
    text
}

/// Tells nothing until the runner is done, then the closing account.
pub struct Closing {
    out: Output,
    style: Style,
    id: String,
    summary: Summary,
    gap: bool,
    fold: Fold,
}

impl Closing {
    /// Writes the account of the rollout `id` to `out`.
    pub fn new(out: Box<dyn Write + Send>, id: impl Into<String>, style: Style) -> Self {
        Self { out: Output::new(out), style, id: id.into(), summary: Summary::new(), gap: false, fold: Fold::default() }
    }

    /// Adds what earlier runners told: the account is of the whole rollout.
    pub fn after(self, summary: Summary) -> Self {
        Self { summary, ..self }
    }

    /// Leaves a blank line before the account, where it follows other lines on the same screen.
    pub fn apart(self, gap: bool) -> Self {
        Self { gap, ..self }
    }

    /// Keeps to what is harmless in such a log.
    pub fn folded(self, markup: Markup) -> Self {
        Self { fold: Fold::new(markup), ..self }
    }

    /// Tells whether the reader is gone.
    pub fn closed(&self) -> Closed {
        self.out.closed.clone()
    }

    fn write(&mut self, at: Timestamp, notice: &Notice, plan: &Plan) {
        self.summary.take(at, notice);
        if matches!(notice, Notice::Finished(_) | Notice::HandedOver { .. }) {
            let text = self.summary.text(&self.id, plan, self.style);
            let text = format!("{}{text}", if self.gap { "\n" } else { "" });
            self.out.write(&self.fold.inside(&text));
        }
    }
}

impl Report for Closing {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        self.write(at, notice, machine.plan());
    }
}

#[cfg(test)]
mod tests;
