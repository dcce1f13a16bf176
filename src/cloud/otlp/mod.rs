//! Brings spans and figures to an OpenTelemetry collector, in tasks of its own: one that is slow, gone or hostile
//! delays nothing.
//!
//! Each of the two signals has a queue of [`QUEUE`]; what finds it full is lost. A request is sent
//! [`delivery::TRIES`] times at most. What went wrong is said once for each signal, and at the end the rest is waited
//! for as long as the runner allows.

mod http;
mod message;
mod registry;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use message::traces_json;
pub use settings::Settings;

use super::delivery::{self, GivenUp, Queue, Say};
use crate::domain::clock::{Clock, wall_now};
use crate::domain::telemetry::{Instrument, Measure, TelemetryItem};
use http::Post;
use message::Request;
use registry::Registry;
use settings::Endpoint;

/// How many spans, and how many figures, may wait.
const QUEUE: usize = 2048;
/// The most spans of one request.
const BATCH: usize = 512;
/// How often spans are sent, in wall time.
const EVERY: Duration = Duration::from_secs(5);

/// The tasks that bring spans and figures.
pub struct OtlpExporter {
    workers: JoinSet<()>,
    complaints: Vec<Complaint>,
}

/// Where spans and figures are put. Nothing waits here.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    spans: Option<(Queue<Span>, Complaint)>,
    measures: Option<(Queue<Measure>, Complaint)>,
}

impl fmt::Debug for OtlpExporter {
    /// Without what it sends with: headers hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpExporter").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

/// Says once that a signal's data are lost.
#[derive(Clone)]
struct Complaint {
    what: &'static str,
    is_said: Arc<AtomicBool>,
    /// Whether everything was sent or given up.
    is_done: Arc<AtomicBool>,
    say: Say,
}

impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Complaint {
    fn new(what: &'static str, say: &Say) -> Self {
        Self { what, is_said: Arc::default(), is_done: Arc::default(), say: say.clone() }
    }

    fn lost(&self, why: &str) {
        self.say("are lost", why);
    }

    fn say(&self, what: &str, why: &str) {
        if !self.is_said.swap(true, Ordering::Relaxed) {
            (self.say)(&format!("otel: {} {what}: {}", self.what, crate::domain::text::escape(why)));
        }
    }
}

impl OtlpExporter {
    /// Opens a queue for each signal that `settings` send somewhere, and says what is wrong with them.
    pub fn open(settings: Settings, say: impl Fn(&str) + Send + Sync + 'static) -> (OtlpExporter, Intake) {
        let say: Say = Arc::new(say);
        let Settings { traces, metrics, resource, delta, every, notes } = settings;
        for note in &notes {
            say(&crate::domain::text::escape(note));
        }
        let (mut workers, mut intake) = (JoinSet::new(), Intake::default());
        let mut complaints = Vec::new();
        if let Some(endpoint) = traces {
            let (queue, spans) = delivery::queue(QUEUE);
            let complaint = Complaint::new("traces", &say);
            intake.spans = Some((queue, complaint.clone()));
            workers.spawn(bring_spans(Worker::new(endpoint, complaint.clone()), resource.clone(), spans));
            complaints.push(complaint);
        }
        if let Some(endpoint) = metrics {
            let (queue, measures) = delivery::queue(QUEUE);
            let complaint = Complaint::new("metrics", &say);
            intake.measures = Some((queue, complaint.clone()));
            let registry = Registry::new(resource, delta, wall_now());
            workers.spawn(bring_figures(Worker::new(endpoint, complaint.clone()), registry, (measures, every)));
            complaints.push(complaint);
        }
        (OtlpExporter { workers, complaints }, intake)
    }

    /// Waits until everything is sent or given up, for `within` at most, in wall time. The intake is gone by then.
    pub async fn close(self, within: Duration) {
        if delivery::end_within(self.workers, within).await {
            return;
        }
        for complaint in self.complaints.iter().filter(|complaint| !complaint.is_done.load(Ordering::Relaxed)) {
            complaint.say("are not all sent", "no answer yet, and the runner leaves");
        }
    }
}

impl Intake {
    /// Whether nothing is sent anywhere.
    pub fn is_empty(&self) -> bool {
        self.spans.is_none() && self.measures.is_none()
    }

    /// Puts one thing into its queue. One that is full loses it.
    pub fn put(&self, told: TelemetryItem) {
        match told {
            TelemetryItem::Span(span) => put_into(self.spans.as_ref(), *span),
            TelemetryItem::Measure(measure) => put_into(self.measures.as_ref(), measure),
        }
    }
}

/// Puts one thing into a signal's queue, if the signal is sent, and complains where the queue is full.
fn put_into<T>(signal: Option<&(Queue<T>, Complaint)>, thing: T) {
    let Some((queue, complaint)) = signal else { return };
    if let Err(full) = queue.put(thing) {
        complaint.lost(&full.to_string());
    }
}

/// One signal's way to its endpoint.
struct Worker {
    post: Post,
    complaint: Complaint,
    clock: Clock,
}

impl Worker {
    fn new(endpoint: Endpoint, complaint: Complaint) -> Self {
        Self { post: Post::new(endpoint), complaint, clock: Clock::wall() }
    }

    /// Sends a request until it arrives, or until it will not.
    async fn insist(&self, body: Vec<u8>) {
        if let Err(GivenUp { why, .. }) = delivery::insist(&self.clock, || self.post.send(body.clone())).await {
            self.complaint.lost(&why);
        }
    }
}

/// Spans, together where they come together, until the intake is gone.
async fn bring_spans(worker: Worker, resource: Vec<(String, String)>, mut spans: mpsc::Receiver<Span>) {
    let mut batch = Vec::new();
    let mut is_open = true;
    while is_open {
        let due = worker.clock.now() + EVERY;
        while is_open && batch.len() < BATCH {
            tokio::select! {
                span = spans.recv() => match span {
                    Some(span) => batch.push(span),
                    None => is_open = false,
                },
                () = worker.clock.sleep_until(due) => break,
            }
        }
        if !batch.is_empty() {
            let request = Request::Traces(message::traces(std::mem::take(&mut batch), &resource));
            worker.insist(worker.post.encode(&request)).await;
        }
    }
    worker.complaint.is_done.store(true, Ordering::Relaxed);
}

/// Figures, put together, until the intake is gone: now and then, when the weight changes, and at the end.
async fn bring_figures(
    worker: Worker,
    mut registry: Registry,
    (mut measures, every): (mpsc::Receiver<Measure>, Duration),
) {
    let mut is_open = true;
    while is_open {
        let due = worker.clock.now() + every;
        loop {
            tokio::select! {
                measure = measures.recv() => match measure {
                    Some(measure) => {
                        let is_weight = measure.instrument == Instrument::Weight;
                        registry.take(measure);
                        if is_weight {
                            break;
                        }
                    }
                    None => {
                        is_open = false;
                        break;
                    }
                },
                () = worker.clock.sleep_until(due) => break,
            }
        }
        if let Some(request) = registry.request(wall_now()).map(Request::Metrics) {
            worker.insist(worker.post.encode(&request)).await;
        }
    }
    worker.complaint.is_done.store(true, Ordering::Relaxed);
}
