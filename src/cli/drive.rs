//! Drives a rollout: engine, tape, reports, signals and the words of other processes, put together.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::context::Context;
use super::people::whoami;
use super::{Exit, Failure, terminal};
use crate::clock::Clock;
use crate::cloud::Errands;
use crate::cloud::alb::AlbDriver;
use crate::engine::{Ending, Engine, Inbound, TapeWriter, carry_words};
use crate::journal::Record;
use crate::machine::{Event, Machine};
use crate::name::RolloutId;
use crate::plan::Plan;
use crate::report::{Closing, Lines, Live, Several, Stream, footer};
use crate::spec::OnTrouble;
use crate::store::{Claim, Holder, Store};

/// How often a log without a terminal says where a rollout stands while nothing happens, in wall time.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How many words and signals may wait for the engine.
const INBOX: usize = 64;

/// A rollout about to be driven.
pub(super) struct Drive<'a, T> {
    pub(super) store: &'a Store,
    pub(super) id: &'a RolloutId,
    pub(super) machine: Machine,
    pub(super) first: Event,
    /// Said right after the first event.
    pub(super) then: Vec<Event>,
    pub(super) records: Vec<Record>,
    pub(super) tape: T,
    pub(super) cloud: AlbDriver,
    pub(super) clock: Clock,
}

/// Claims everything that a plan touches, in order.
pub(super) fn claim(
    context: &Context,
    store: &Store,
    plan: &Plan,
    holder: (&RolloutId, &Clock),
) -> Result<Claim, Failure> {
    let target = &plan.target;
    let service = |name: &str| format!("{}/{}/{}/{name}", target.account, target.region, target.cluster);
    let (stable, candidate) = (service(&target.stable.service), service(&target.candidate.service));
    let (id, clock) = holder;
    let holder = Holder { by: whoami(context), pid: std::process::id(), rollout: id.clone(), since: clock.now() };
    Ok(store.claim(&[&target.rule, &stable, &candidate], &holder)?)
}

/// Drives until the end, telling as it goes.
pub(super) async fn drive<T: TapeWriter>(context: &Context, drive: Drive<'_, T>) -> Result<Ending, Failure> {
    let Drive { store, id, machine, first, then, records, tape, cloud, clock } = drive;
    let (sender, inbox) = mpsc::channel(INBOX);
    for event in then {
        // The inbox is empty and has room: this cannot wait.
        let _ = sender.send(Inbound::from(event)).await;
    }
    let (report, voice) = reports(context, id, &clock);
    let stop = match machine.plan().policies.on_interrupt {
        OnTrouble::Rollback => "giving the traffic back",
        OnTrouble::Hold => "holding where it is",
    };
    let signals = Signals { id: id.clone(), stop, voice: voice.clone(), errands: cloud.errands() };
    let signals = tokio::spawn(signals.carry(sender.clone()));
    let words = carry_words((store, id), &records, &clock, sender, |odd| {
        voice.say(&format!("set aside: {}", crate::text::escape(odd)));
    });
    let engine = Engine { machine, first, cloud, clock: clock.clone(), tape, report, inbox };
    let ending = tokio::select! {
        ending = engine.run() => ending,
        // Words end with the engine, or fail alone: then the rollout goes on without them.
        ending = async {
            if let Err(error) = words.await {
                let error = crate::text::escape(&error.to_string());
                voice.say(&format!("words of other processes are not heard: {error}"));
            }
            std::future::pending().await
        } => ending,
    };
    signals.abort();
    Ok(ending?)
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

fn reports(context: &Context, id: &RolloutId, clock: &Clock) -> (Several, Voice) {
    if context.json() {
        return (Several::new().and(Stream::new(Box::new(std::io::stdout()))), Voice(None));
    }
    let style = terminal::stderr_style(context);
    let out = || -> Box<dyn Write + Send> { Box::new(std::io::stderr()) };
    let closing = Closing::new(Box::new(std::io::stdout()), id.as_str(), terminal::page_style(context));
    let closing = closing.apart(std::io::stdout().is_terminal());
    if terminal::is_live(context) {
        let live = Live::new(out(), footer::on_stderr(), style);
        let voice = Voice(Some(live.beside()));
        return (Several::new().and(live).and(closing), voice);
    }
    let heartbeat = HEARTBEAT.mul_f64(clock.speed());
    (Several::new().and(Lines::new(out(), style, Some(heartbeat))).and(closing), Voice(None))
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

/// Where the rollout's spec was, as the tape says it: absolute, so that `resume` finds it from anywhere.
pub(super) fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
