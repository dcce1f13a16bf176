//! Drives a rollout: engine, journal, reports, signals and the words of other processes, put together.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::context::{Context, Found};
use crate::cli::lab::Running;
use crate::cli::telemetry::traced;
use crate::cli::{Exit, Failure, github, panic, takeover, terminal};
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::Aws;
use crate::cloud::{Delivery, Errands};
use crate::domain::clock::Clock;
use crate::domain::name::RolloutId;
use crate::engine::{Driven, Ending, Going, Inbound, Inbox, Notifier};
use crate::journal::Record;
use crate::machine::{Event, Machine, Outcome, Reason};
use crate::plan::Plan;
use crate::report::news::About;
use crate::report::{Closing, Lines, Live, Several, Stream, Summary, footer};
use crate::spec::OnTrouble;

/// How often a log without a terminal says where a rollout stands while nothing happens, in wall time.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How many signals may wait to be carried.
const SIGNALS: usize = 64;

/// How long messages to others are waited for at the end, in wall time.
const FLUSH: Duration = Duration::from_secs(5);
/// The same for a runner that was told to stop.
const FLUSH_HURRIED: Duration = Duration::from_secs(1);

/// Drives what was taken over, if it is not over.
pub(in crate::cli) async fn go_on(context: &Context, going: Going<AlbDriver>) -> Result<Ending, Failure> {
    match going {
        Going::Over(outcome) => {
            Ok(Ending { outcome: Some(outcome), handed_over: None, fenced: None, is_untold: false })
        }
        Going::On(driven) => drive(context, *driven, None).await,
    }
}

/// Drives until the end, telling as it goes, and gives the lease back; in a lab inside
/// this process where there is one.
pub(in crate::cli) async fn drive(
    context: &Context,
    driven: Driven<AlbDriver>,
    lab: Option<&Running>,
) -> Result<Ending, Failure> {
    let Driven { id, machine, records, cloud, clock, store, .. } = &driven;
    let found = Found { store: store.clone(), id: id.clone(), is_lab: lab.is_some() };
    if lab.is_none() {
        panic::drives(id);
    }
    let inbox = Inbox::open();
    let (report, voice) = reports(context, id, clock, &earlier(machine, records));
    if let Some(lab) = lab {
        let voice = voice.clone();
        lab.tells(move |text| voice.say(text));
    }
    let about = About { id: id.clone(), rehearsal: lab.is_some() || context.follows_lab() };
    let (delivery, notifier) = others(context, about.clone(), (machine.plan(), cloud.aws()), &voice);
    let saying = voice.clone();
    let say = move |text: &str| saying.say(text);
    let (telemetry, report) = traced(context, (about, driven.trace), (machine, records), report.and(notifier), say);
    let stop = match machine.plan().policies.on_interrupt {
        OnTrouble::Rollback => "giving the traffic back, unless the release is committed",
        OnTrouble::Hold => "holding where it is",
    };
    let finish = match lab {
        Some(_) => "left at once; the lab is gone with it, and nothing is left to finish".to_owned(),
        None => format!("left at once; finish with: tidegate rollback {id}   (or: tidegate resume {id})"),
    };
    let signals = Signals { stop, finish, voice: voice.clone(), errands: cloud.errands() };
    let signals = tokio::spawn(signals.carry(inbox.sender.clone()));
    let ended = driven.run(report, inbox, |odd| voice.say(&crate::domain::text::escape(odd))).await;
    signals.abort();
    let ending = ended.give_back(takeover::say).await?;
    github::keep_page(context, found).await;
    let patience = patience(&ending);
    tokio::join!(delivery.close(patience), telemetry.close(patience));
    Ok(ending)
}

/// Who else is told.
fn others(context: &Context, about: About, (plan, aws): (&Plan, &Aws), voice: &Voice) -> (Delivery, Notifier) {
    let voice = voice.clone();
    let say = move |text: &str| voice.say(text);
    let (delivery, queue) = Delivery::open(&plan.notify, context.variables(), aws, say);
    (delivery, Notifier::new(about, queue))
}

/// How long a runner stays for messages that are still on their way. One that was told to stop has little time.
fn patience(ending: &Ending) -> Duration {
    let hurried = ending.handed_over.is_some()
        || ending.fenced.is_some()
        || matches!(&ending.outcome, Some(Outcome::RolledBack(Reason::Signal(_))));
    if hurried { FLUSH_HURRIED } else { FLUSH }
}

/// What earlier runners told.
fn earlier(machine: &Machine, records: &[Record]) -> Summary {
    let mut before = Machine::new(machine.plan().clone());
    let mut summary = Summary::new();
    for record in records {
        for notice in before.apply(record.at, record.event.clone()).notices {
            summary.take(record.at, &notice);
        }
    }
    summary
}

/// Says what is no notice, beside the footer where there is one.
#[derive(Clone)]
struct Voice(Option<footer::Beside>);

impl Voice {
    fn say(&self, text: &str) {
        match &self.0 {
            Some(footer) => footer.with(|| terminal::say(text)),
            None => terminal::say(text),
        }
    }

    /// Says the last thing.
    fn end(&self, text: &str) {
        if let Some(footer) = &self.0 {
            footer.clear();
        }
        terminal::say(text);
    }
}

fn reports(context: &Context, id: &RolloutId, clock: &Clock, earlier: &Summary) -> (Several, Voice) {
    let (reports, voice) = told(context, id, clock, earlier);
    match github::report(context, id, earlier.clone()) {
        Some(github) => (reports.and(github), voice),
        None => (reports, voice),
    }
}

fn told(context: &Context, id: &RolloutId, clock: &Clock, earlier: &Summary) -> (Several, Voice) {
    if context.json() {
        return (Several::new().and(Stream::new(Box::new(std::io::stdout()))), Voice(None));
    }
    let heartbeat = Some(HEARTBEAT.mul_f64(clock.speed()));
    let style = terminal::stderr_style(context);
    let out = || -> Box<dyn Write + Send> { Box::new(std::io::stderr()) };
    let closing = Closing::new(Box::new(std::io::stdout()), id.as_str(), terminal::page_style(context));
    let closing = closing.after(earlier.clone()).apart(std::io::stdout().is_terminal());
    if let Some(markup) = terminal::pipeline() {
        // A runner that reads two outputs mixes them up: here order matters more than which of them is the result.
        let lines = Lines::new(Box::new(std::io::stdout()), terminal::stdout_style(context), heartbeat);
        return (Several::new().and(lines.folded(markup)).and(closing.apart(true).folded(markup)), Voice(None));
    }
    if terminal::is_live(context) {
        let live = Live::new(out(), footer::on_stderr(), style);
        let voice = Voice(Some(live.beside()));
        return (Several::new().and(live).and(closing), voice);
    }
    (Several::new().and(Lines::new(out(), style, heartbeat)).and(closing), Voice(None))
}

/// What becomes of signals.
struct Signals {
    stop: &'static str,
    /// What is said by a runner that leaves at once.
    finish: String,
    voice: Voice,
    errands: Errands,
}

impl Signals {
    /// The first signal is an event; the second ends the process at once.
    async fn carry(self, inbox: mpsc::Sender<Inbound>) {
        let Signals { stop, finish, voice, errands } = self;
        let kinds = [
            (SignalKind::interrupt(), "SIGINT"),
            (SignalKind::terminate(), "SIGTERM"),
            (SignalKind::hangup(), "SIGHUP"),
        ];
        let (caught, mut signals) = mpsc::channel(SIGNALS);
        for (kind, name) in kinds {
            let Ok(mut stream) = signal(kind) else { continue };
            let caught = caught.clone();
            tokio::spawn(async move { while stream.recv().await.is_some() && caught.send(name).await.is_ok() {} });
        }
        let Some(name) = signals.recv().await else { return };
        voice.say(&format!("{name}: {stop}; again to leave at once"));
        let _ = inbox.send(Inbound::from(Event::Interrupted { signal: name.to_owned() })).await;
        if signals.recv().await.is_some() {
            errands.end();
            voice.end(&finish);
            std::process::exit(i32::from(Exit::HandedOver as u8));
        }
    }
}
