//! A rollout as a trace: one span for it, one for each step and for the way back, one for each effect, with what was
//! told as their events, and figures beside them.
//!
//! A span is told when it ends, with the times of the journal. Its id is made of the rollout's id and its own beginning,
//! so that whoever goes on with a journal (`resume`, `rollback`, a guard) goes on with the trace, whatever became of the
//! process before: spans that began there end here, under the ids they always had.

mod attributes;
mod effect;
#[cfg(test)]
mod tests;

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event as SpanEvent, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use sha2::{Digest as _, Sha256};

use super::fields::{fault_word, outcome_word, verdict_word};
use super::news::About;
use super::{Report, json, reasons, sentence};
use crate::domain::clock::Timestamp;
use crate::domain::telemetry::{Instrument, Measure, TelemetryItem, nanos, text};
use crate::domain::trace::TraceParent;
use crate::domain::traffic::Share;
use crate::machine::{Event, Issued, Machine, Notice, Outcome, Reason};
use crate::plan::Plan;

/// The most events of one span, which is OpenTelemetry's own limit; later ones are counted.
const EVENTS: usize = 128;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: it is known whether the parent is in
/// another process, and it is.
const REMOTE: u32 = 0x300;
/// The first alone: the parent is not in another process.
const LOCAL: u32 = 0x100;
/// The flag of a span that is kept.
const SAMPLED: u32 = 1;

/// Where spans and figures go. It must not wait.
pub type Sink = Box<dyn FnMut(TelemetryItem) + Send>;

/// Whose trace it is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The rollout.
    pub about: About,
    /// The span under which it was started, by its journal.
    pub parent: Option<TraceParent>,
    /// The span under which this process runs.
    pub here: Option<TraceParent>,
    /// The exit code of an outcome.
    pub exit: fn(&Outcome) -> u8,
}

/// Makes a trace of what a rollout hears and tells.
pub struct Tracer {
    origin: Origin,
    sink: Sink,
    /// Whether what happens was told by an earlier process.
    is_past: bool,
    /// Everything of the rollout that is not of one stretch. It begins with the first event, which need not be
    /// [`Event::Started`].
    whole: Draft,
    /// The present step, or the way back.
    stretch: Option<Stretch>,
    /// The id of the stretch before it: what it asked for may be answered late.
    before: Option<[u8; 8]>,
    /// How often it was over: one that was stranded can still be taken back.
    endings: u32,
    is_over: bool,
}

/// A span that has not ended.
#[derive(Default)]
struct Draft {
    since: Timestamp,
    events: Vec<SpanEvent>,
    dropped: u32,
}

/// A step, or the way back.
struct Stretch {
    draft: Draft,
    id: [u8; 8],
    /// The step's index; none of the way back.
    step: Option<usize>,
}

impl Tracer {
    /// Tells a rollout to `sink`.
    pub fn new(origin: Origin, sink: Sink) -> Self {
        Self {
            origin,
            sink,
            is_past: false,
            whole: Draft::default(),
            stretch: None,
            before: None,
            endings: 0,
            is_over: false,
        }
    }

    /// Takes in what earlier processes told, and tells nothing of it again.
    pub fn past(mut self, plan: &Plan, events: impl IntoIterator<Item = (Timestamp, Event)>) -> Self {
        self.is_past = true;
        self.replay(plan, events);
        self.is_past = false;
        self
    }

    /// Tells all of a journal.
    pub fn replay(&mut self, plan: &Plan, events: impl IntoIterator<Item = (Timestamp, Event)>) {
        let mut machine = Machine::new(plan.clone());
        for (at, event) in events {
            self.hear(at, &event, &machine);
            for notice in machine.apply(at, event).notices {
                self.tell(at, &notice, &machine);
            }
        }
    }

    /// The id of the trace: the parent's, or made of the rollout's id.
    fn trace(&self) -> Vec<u8> {
        match &self.origin.parent {
            Some(parent) => parent.trace.to_vec(),
            None => Sha256::digest(format!("tidegate trace {}", self.origin.about.id))[..16].to_vec(),
        }
    }

    /// The id of a span of this rollout.
    fn id(&self, of: &str) -> [u8; 8] {
        let digest = Sha256::digest(format!("tidegate span {} {of}", self.origin.about.id));
        std::array::from_fn(|n| digest[n])
    }

    /// The id of the rollout's span: of one that goes on after it was over, a span of its own.
    fn whole_id(&self) -> [u8; 8] {
        self.ending_id(self.endings)
    }

    fn ending_id(&self, endings: u32) -> [u8; 8] {
        if endings == 0 { self.id("rollout") } else { self.id(&format!("rollout {endings}")) }
    }

    /// Sends a span; one that another process told, or whose parent is not kept, is not.
    fn send(&mut self, span: Span) {
        if !self.is_past && self.origin.parent.is_none_or(|parent| parent.sampled) {
            (self.sink)(TelemetryItem::Span(Box::new(span)));
        }
    }

    fn measure(&mut self, instrument: Instrument, value: f64, plan: &Plan, labels: &[(&'static str, &str)]) {
        if self.is_past {
            return;
        }
        let of_all = [("deployment.name", plan.name.as_str()), ("tidegate.cluster", plan.target.cluster.as_str())];
        let rehearsal = self.origin.about.rehearsal.then_some(("tidegate.rehearsal", "true"));
        let all = of_all.iter().chain(labels).copied().chain(rehearsal);
        let labels = all.map(|(key, value)| (key, crate::domain::text::escape(value))).collect();
        (self.sink)(TelemetryItem::Measure(Measure { instrument, value, labels }));
    }

    /// A span of this trace within another.
    fn span(&self, name: String, id: [u8; 8], parent: &[u8], (since, until): (Timestamp, Timestamp)) -> Span {
        Span {
            trace_id: self.trace(),
            span_id: id.to_vec(),
            parent_span_id: parent.to_vec(),
            flags: SAMPLED | LOCAL,
            name,
            kind: SpanKind::Internal as i32,
            start_time_unix_nano: nanos(since),
            end_time_unix_nano: nanos(until.max(since)),
            ..Span::default()
        }
    }

    fn begin(&mut self, at: Timestamp, step: Option<usize>) {
        self.before = self.stretch.take().map(|stretch| stretch.id).or(self.before);
        let of = step.map_or("retreat".to_owned(), |step| format!("step {step}"));
        let id = self.id(&format!("{of} {}", at.as_millis()));
        self.stretch = Some(Stretch { draft: Draft { since: at, ..Draft::default() }, id, step });
    }

    /// Ends the present stretch. `wrong` is why it did not do what it was for.
    fn end(&mut self, at: Timestamp, result: &'static str, wrong: Option<(&'static str, String)>, plan: &Plan) {
        let Some(Stretch { draft, id, step }) = self.stretch.take() else { return };
        self.before = Some(id);
        let found = step.and_then(|step| Some((step, plan.steps.get(step)?)));
        let (name, mut attributes) = match found {
            Some((index, step)) => (attributes::word(&step.action).to_owned(), attributes::step(index, step, plan)),
            None => ("retreat".to_owned(), Vec::new()),
        };
        attributes.push(text("cicd.pipeline.task.run.result", result));
        if let Some((_, step)) = found {
            let labels =
                [("tidegate.step.kind", attributes::word(&step.action)), ("cicd.pipeline.task.run.result", result)];
            self.measure(Instrument::StepDuration, at.since(draft.since).as_secs_f64(), plan, &labels);
        }
        let span = self.span(name, id, &self.whole_id(), (draft.since, at));
        let (attributes, status) = failed(attributes, wrong);
        let (events, dropped_events_count) = (draft.events, draft.dropped);
        self.send(Span { attributes, status, events, dropped_events_count, ..span });
    }

    /// An effect that was answered.
    fn answered(&mut self, at: Timestamp, issued: &Issued, answer: &crate::machine::Answer, plan: &Plan) {
        let word = effect::word(&issued.effect);
        let fault = effect::fault(answer);
        let took = at.since(issued.at).as_secs_f64();
        let error = fault.map(|fault| fault_word(fault.kind));
        let mut labels = vec![("tidegate.effect", word)];
        labels.extend(error.map(|kind| ("error.type", kind)));
        self.measure(Instrument::EffectDuration, took, plan, &labels);
        if !effect::is_told(&issued.effect) {
            return;
        }
        let parent = match &self.stretch {
            Some(stretch) if stretch.draft.since <= issued.at => stretch.id,
            _ => self.before.unwrap_or_else(|| self.whole_id()),
        };
        let id = self.id(&format!("effect {} {}", issued.id, issued.at.as_millis()));
        let span = self.span(word.to_owned(), id, &parent, (issued.at, at));
        let wrong = error.zip(fault.map(ToString::to_string));
        let (attributes, status) = failed(effect::attributes(&issued.effect, answer, plan), wrong);
        self.send(Span { attributes, status, kind: SpanKind::Client as i32, ..span });
    }

    /// Notes an event, of the rollout as a whole or of the present stretch.
    fn note(&mut self, of_whole: bool, at: Timestamp, name: &str, attributes: Vec<KeyValue>) {
        let draft = match &mut self.stretch {
            Some(stretch) if !of_whole => &mut stretch.draft,
            _ => &mut self.whole,
        };
        if draft.events.len() >= EVENTS {
            draft.dropped += 1;
            return;
        }
        let event = SpanEvent { time_unix_nano: nanos(at), name: name.to_owned(), attributes, ..SpanEvent::default() };
        draft.events.push(event);
    }

    /// The span of the rollout, once it has ended.
    fn finish(&mut self, at: Timestamp, outcome: &Outcome, machine: &Machine) {
        let plan = machine.plan();
        let Draft { since, events, dropped } = std::mem::take(&mut self.whole);
        let attributes = attributes::rollout(&self.origin, outcome, machine);
        let wrong = match outcome {
            Outcome::Promoted => None,
            Outcome::RolledBack(reason) => Some((reasons::kind(reason), reasons::reason(reason))),
            Outcome::Stranded { why, .. } => Some(("stranded", reasons::stranding(why))),
        };
        let reason = match outcome {
            Outcome::RolledBack(reason) | Outcome::Stranded { reason: Some(reason), .. } => reasons::kind(reason),
            Outcome::Promoted | Outcome::Stranded { reason: None, .. } => "none",
        };
        let labels = [("tidegate.outcome", outcome_word(outcome)), ("tidegate.reason.kind", reason)];
        self.measure(Instrument::Rollouts, 1.0, plan, &labels);
        self.measure(Instrument::RolloutDuration, at.since(since).as_secs_f64(), plan, &labels);
        let parent = self.origin.parent.map_or_else(Vec::new, |parent| parent.span.to_vec());
        let span = self.span("rollout".to_owned(), self.whole_id(), &parent, (since, at));
        let flags = if parent.is_empty() { span.flags } else { SAMPLED | REMOTE };
        let links = self.links();
        self.is_over = true;
        let (attributes, status) = failed(attributes, wrong);
        self.send(Span { attributes, status, events, dropped_events_count: dropped, links, flags, ..span });
    }

    /// Under what else this process runs, and the rollout's span from before it went on.
    fn links(&self) -> Vec<Link> {
        let here = self.origin.here.filter(|here| Some(*here) != self.origin.parent);
        let here = here.map(|here| Link {
            trace_id: here.trace.to_vec(),
            span_id: here.span.to_vec(),
            flags: u32::from(here.sampled) | REMOTE,
            ..Link::default()
        });
        let before = self.endings.checked_sub(1).map(|endings| Link {
            trace_id: self.trace(),
            span_id: self.ending_id(endings).to_vec(),
            flags: SAMPLED | LOCAL,
            ..Link::default()
        });
        here.into_iter().chain(before).collect()
    }

    /// What a notice ends or begins.
    fn turn(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        let plan = machine.plan();
        match notice {
            Notice::StepStarted(step) => self.begin(at, Some(*step)),
            Notice::StepPassed { .. } => self.end(at, "success", None, plan),
            Notice::Skipped { step, .. } if self.stretch.as_ref().is_some_and(|open| open.step == Some(*step)) => {
                self.end(at, "skip", None, plan);
            }
            Notice::Retreating { reason } => {
                self.end(at, result(reason), Some((reasons::kind(reason), reasons::reason(reason))), plan);
                self.begin(at, None);
            }
            Notice::Finished(outcome) => {
                let stranded = match outcome {
                    Outcome::Stranded { why, .. } => Some(("stranded", reasons::stranding(why))),
                    Outcome::Promoted | Outcome::RolledBack(_) => None,
                };
                self.end(at, if stranded.is_some() { "error" } else { "success" }, stranded, plan);
                self.finish(at, outcome, machine);
            }
            _ => {}
        }
    }

    /// What a notice says in figures.
    fn figures(&mut self, notice: &Notice, plan: &Plan) {
        let mut weight = |share: Share| self.measure(Instrument::Weight, share.percent(), plan, &[]);
        match notice {
            Notice::Shifted { share, .. } | Notice::CarriedOn { share } => weight(*share),
            Notice::TrafficBack { took } => {
                weight(Share::NONE);
                self.measure(Instrument::RetreatDuration, Duration::as_secs_f64(took), plan, &[]);
            }
            Notice::Judged { gate, verdict } => {
                let watch = if sentence::watches(gate, plan) { "true" } else { "false" };
                let verdict = verdict_word(verdict.outcome);
                let labels =
                    [("tidegate.gate", gate.as_str()), ("tidegate.verdict", verdict), ("tidegate.gate.watch", watch)];
                self.measure(Instrument::Verdicts, 1.0, plan, &labels);
            }
            _ => {}
        }
    }
}

impl Report for Tracer {
    fn hear(&mut self, at: Timestamp, event: &Event, machine: &Machine) {
        if self.whole.since == Timestamp::default() {
            self.whole.since = at;
        }
        match event {
            Event::Answered { id, answer } => {
                if let Some(issued) = machine.pending().filter(|pending| pending.id == *id) {
                    self.answered(at, issued, answer, machine.plan());
                }
            }
            Event::Requested { request, by, reason, .. } => {
                self.endings += u32::from(std::mem::take(&mut self.is_over));
                let mut attributes = vec![text("tidegate.word", request.as_str()), text("tidegate.by", by)];
                attributes.extend(reason.as_ref().map(|reason| text("tidegate.said", reason)));
                self.note(true, at, "word", attributes);
            }
            Event::Interrupted { signal } => self.note(true, at, "signal", vec![text("tidegate.signal", signal)]),
            Event::Started { by } => self.note(true, at, "started", vec![text("tidegate.by", by)]),
            Event::Woken | Event::Recovered { .. } | Event::JournalBehind { .. } | Event::JournalCaughtUp => {}
        }
    }

    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        if let Some(of_whole) = attributes::event_of_whole(notice) {
            let told = json::object(at, notice, machine.plan(), machine.progress().served);
            let (name, attributes) = attributes::event(&told);
            self.note(of_whole, at, &name, attributes);
        }
        self.figures(notice, machine.plan());
        self.turn(at, notice, machine);
    }
}

/// What became of a step that the rollout went back in, in the words of the CI/CD conventions.
fn result(reason: &Reason) -> &'static str {
    match reason {
        Reason::Operator { .. } | Reason::Signal(_) => "cancellation",
        Reason::TimeLimit { .. } | Reason::DeadMan { .. } => "timeout",
        Reason::Refused(_) | Reason::Blind(_) | Reason::Store(_) => "error",
        Reason::Breach { .. } | Reason::Capacity { .. } | Reason::ForeignWrite { .. } | Reason::Deployment(_) => {
            "failure"
        }
    }
}

/// The attributes and status of a span; with `wrong`, the kind of what went wrong and its words.
fn failed(mut attributes: Vec<KeyValue>, wrong: Option<(&str, String)>) -> (Vec<KeyValue>, Option<Status>) {
    let Some((kind, why)) = wrong else { return (attributes, None) };
    attributes.push(text("error.type", kind));
    let message = crate::domain::text::fit(&crate::domain::text::escape(&why), MESSAGE, true);
    (attributes, Some(Status { message, code: StatusCode::Error as i32 }))
}

/// The most of a status' message, in columns.
const MESSAGE: usize = 500;
