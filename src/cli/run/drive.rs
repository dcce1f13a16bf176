//! Drives a rollout: engine, journal, reports, signals and the words of other processes, put together.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::context::Context;
use crate::cli::telemetry::traced;
use crate::cli::{Exit, Failure, github, panic, terminal};
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::Aws;
use crate::cloud::{Delivery, Errands};
use crate::domain::clock::Clock;
use crate::domain::fleet::Place;
use crate::domain::name::RolloutId;
use crate::domain::trace::TraceParent;
use crate::engine::{Ending, Engine, EngineError, First, Inbound, JournalSink, LeaseKeeper, Notifier, carry_words};
use crate::journal::Record;
use crate::machine::{Event, Machine, Outcome, Reason};
use crate::plan::Plan;
use crate::report::news::About;
use crate::report::{Closing, Lines, Live, Several, Stream, Summary, footer};
use crate::spec::OnTrouble;
use crate::store::Store;

/// How often a log without a terminal says where a rollout stands while nothing happens, in wall time.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How many words and signals may wait for the engine.
const INBOX: usize = 64;

/// How long messages to others are waited for at the end, in wall time.
const FLUSH: Duration = Duration::from_secs(5);
/// The same for a runner that was told to stop.
const FLUSH_HURRIED: Duration = Duration::from_secs(1);

/// A rollout about to be driven.
pub(in crate::cli) struct Drive<'a, T> {
    pub(in crate::cli) store: &'a Store,
    pub(in crate::cli) id: &'a RolloutId,
    /// The span under which it was started, by its journal.
    pub(in crate::cli) trace: Option<TraceParent>,
    pub(in crate::cli) machine: Machine,
    pub(in crate::cli) first: First,
    pub(in crate::cli) records: Vec<Record>,
    pub(in crate::cli) recorded: T,
    pub(in crate::cli) cloud: AlbDriver,
    pub(in crate::cli) clock: Clock,
    pub(in crate::cli) keeper: LeaseKeeper,
    /// Whether it is played in a lab inside this process.
    pub(in crate::cli) is_lab: bool,
    /// What is said to it as soon as it has begun.
    pub(in crate::cli) request: Option<Event>,
}

/// What a plan's rollout takes a lease on: the rule, and the services by the names that all who use them share.
pub(in crate::cli) fn resources(plan: &Plan) -> (&str, Vec<String>) {
    let target = &plan.target;
    let service = |place: &Place| service(&target.account, &target.region, &target.cluster, &place.service);
    let mut services = vec![service(&target.stable), service(&target.candidate)];
    services.dedup();
    (&target.rule, services)
}

/// What an ECS service is called among leases.
pub(in crate::cli) fn service(account: &str, region: &str, cluster: &str, name: &str) -> String {
    format!("{account}/{region}/{cluster}/{name}")
}

/// Drives until the end, telling as it goes, and gives the lease back.
pub(in crate::cli) async fn drive<T: JournalSink>(context: &Context, drive: Drive<'_, T>) -> Result<Ending, Failure> {
    let Drive { store, id, trace, machine, first, records, recorded, cloud, clock, keeper, is_lab, request } = drive;
    panic::drives(id);
    let keeper = Arc::new(keeper);
    let (sender, inbox) = mpsc::channel(INBOX);
    if let Some(request) = request {
        // The inbox is empty: there is room.
        let _ = sender.send(Inbound::from(request)).await;
    }
    let (report, voice) = reports(context, id, &clock, &earlier(&machine, &records));
    let about = About { id: id.clone(), rehearsal: is_lab || context.follows_lab() };
    let (delivery, notifier) = others(context, about.clone(), (machine.plan(), cloud.aws()), &voice);
    let saying = voice.clone();
    let say = move |text: &str| saying.say(text);
    let (telemetry, report) = traced(context, (about, trace), (&machine, &records), report.and(notifier), say);
    let stop = match machine.plan().policies.on_interrupt {
        OnTrouble::Rollback => "giving the traffic back",
        OnTrouble::Hold => "holding where it is",
    };
    let signals = Signals { id: id.clone(), stop, voice: voice.clone(), errands: cloud.errands() };
    let signals = tokio::spawn(signals.carry(sender.clone()));
    let words = carry_words((store, id), &records, &clock, sender, |odd| {
        voice.say(&crate::domain::text::escape(odd));
    });
    let kept = Arc::clone(&keeper);
    let engine = Engine { machine, first, cloud, clock: clock.clone(), recorded, report, inbox, keeper: Some(kept) };
    let ending = tokio::select! {
        ending = engine.run() => ending,
        // Words and lease end with the engine.
        ending = async {
            tokio::join!(words, keeper.keep());
            std::future::pending().await
        } => ending,
    };
    signals.abort();
    let ending = match ending {
        Ok(ending) => ending,
        Err(error) => {
            // Where it could not begin nothing was done: nobody has to go on with it.
            release(&keeper, matches!(error, EngineError::Recorded(_))).await;
            return Err(error.into());
        }
    };
    give_back(&keeper, id, &ending).await;
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

/// What becomes of the lease. One that cannot be given back runs out by itself. A rollout whose journal does not say how
/// it ended stays open for somebody who writes that down.
async fn give_back(keeper: &LeaseKeeper, id: &RolloutId, ending: &Ending) {
    if ending.fenced.is_some() {
        return;
    }
    if ending.is_untold && ending.outcome.is_some() {
        terminal::say(&format!(
            "the journal does not say how it ended: `tidegate rollback {id}` once it can be written"
        ));
    }
    let over = match &ending.outcome {
        _ if ending.is_untold => false,
        Some(Outcome::Promoted | Outcome::RolledBack(_)) => true,
        // Before the commit a person can still take it back.
        Some(Outcome::Stranded { reason, .. }) => reason.is_none(),
        None => false,
    };
    release(keeper, over).await;
}

async fn release(keeper: &LeaseKeeper, over: bool) {
    if let Err(error) = keeper.release(over).await {
        terminal::say(&format!("the lease was not given back: {}", crate::domain::text::escape(&error.to_string())));
    }
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
    id: RolloutId,
    stop: &'static str,
    voice: Voice,
    errands: Errands,
}

impl Signals {
    /// The first signal is an event; the second ends the process at once.
    async fn carry(self, inbox: mpsc::Sender<Inbound>) {
        let Signals { id, stop, voice, errands } = self;
        let kinds = [
            (SignalKind::interrupt(), "SIGINT"),
            (SignalKind::terminate(), "SIGTERM"),
            (SignalKind::hangup(), "SIGHUP"),
        ];
        let (caught, mut signals) = mpsc::channel(INBOX);
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
            voice.end(&format!("left at once; finish with: tidegate rollback {id}   (or: tidegate resume {id})"));
            std::process::exit(i32::from(Exit::HandedOver as u8));
        }
    }
}

/// Where the rollout's spec was, as the journal says it: absolute, so that `resume` finds it from anywhere.
pub(in crate::cli) fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Fence;
    use crate::domain::clock::Timestamp;
    use crate::lease::{Life, Owner, Phase};

    #[tokio::test(start_paused = true)]
    async fn a_rollout_whose_journal_does_not_say_how_it_ended_stays_open() {
        for (is_untold, phase) in [(false, Phase::Over), (true, Phase::Aborting)] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::in_folder(folder.path().to_owned()).unwrap();
            let clock = Clock::starting_at(Timestamp::from_millis(1_795_442_709_000), 1.0);
            let owner = Owner { by: "ana@laptop".into(), process: String::new(), since: clock.now() };
            let id = RolloutId::parse("web-1").unwrap();
            let lease = store.preempt("arn:rule", (&id, &owner), Life::Possible, &clock).await.unwrap();
            let keeper = LeaseKeeper::new(lease, Fence::new(clock.clone()), clock.clone());
            let outcome = Some(Outcome::RolledBack(Reason::Signal("SIGTERM".into())));
            give_back(&keeper, &id, &Ending { outcome, handed_over: None, fenced: None, is_untold }).await;
            let left = store.standing("arn:rule").await.unwrap().unwrap().control;
            assert_eq!((left.phase, left.owner.is_none()), (phase, is_untold));
        }
    }
}
