//! `tidegate guard`: watches leases from anywhere, and takes back the rollouts whose runner fell silent.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{AbortHandle, JoinSet, LocalSet};

use super::context::{Context, Found};
use super::people::whoami;
use super::resume::go_on;
use super::rollback::{fence, first_write};
use super::{Exit, Failure, terminal};
use crate::domain::clock::Clock;
use crate::domain::text::escape;
use crate::journal;
use crate::lease::{Control, Life, Phase, Watch};
use crate::machine::OperatorRequest;
use crate::store::{Store, this_owner};

/// Between two looks at all leases, in the clock's time: a lease is found silent at most this much later.
const POLL: Duration = Duration::from_secs(5);
/// How many rollouts are taken back at once; the others come with the next look.
const AT_ONCE: usize = 20;

/// Watch over rollouts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate guard
  tidegate guard --store s3://releases/tidegate
  tidegate guard --once   # one lease's time, as a job that runs every few minutes")]
pub(super) struct Args {
    /// End as soon as every rollout was seen with a living runner, or taken back.
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    // Ways back run beside each other in this one task: each waits most of the time.
    LocalSet::new().run_until(watch(context, args)).await
}

async fn watch(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let store = context.stores(None).await?.main;
    let clock = context.clock();
    let mut guard =
        Guard { context, store, clock, watches: BTreeMap::new(), rescues: JoinSet::new(), hands: BTreeMap::new() };
    terminal::say("watching; a rollout whose runner is silent for 45s goes back");
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut stops = JoinSet::new();
    for mut stream in signals.into_iter().filter_map(|kind| signal(kind).ok()) {
        stops.spawn(async move { stream.recv().await });
    }
    loop {
        let settled = guard.look().await;
        if args.once && settled && guard.rescues.is_empty() {
            return Ok(Exit::Done);
        }
        let next = guard.clock.now() + POLL;
        tokio::select! {
            () = guard.clock.sleep_until(next) => {}
            _ = stops.join_next() => break,
        }
    }
    // A signal reaches the way back of each rollout too, which leaves once its traffic is back.
    while guard.rescues.join_next().await.is_some() {}
    Ok(Exit::Stopped)
}

/// What a rule's document has been seen to do.
#[derive(Default)]
struct Seen {
    watch: Watch,
    first: Option<u64>,
    renewed: bool,
}

struct Guard<'a> {
    context: &'a Context,
    store: Store,
    clock: Clock,
    watches: BTreeMap<String, Seen>,
    rescues: JoinSet<String>,
    /// The rules that this guard itself takes back, or took.
    hands: BTreeMap<String, AbortHandle>,
}

impl Guard<'_> {
    /// Whether this guard drives a rule. When it was frozen or suspended, its own lease looks silent to it too.
    fn has_in_hand(&self, rule: &str) -> bool {
        self.hands.get(rule).is_some_and(|rescue| !rescue.is_finished())
    }

    /// One look at all leases. True when each rollout that is not over has a runner that lives, or needs none.
    async fn look(&mut self) -> bool {
        while let Some(ended) = self.rescues.try_join_next() {
            terminal::say(&ended.unwrap_or_else(|error| format!("a way back failed: {error}")));
        }
        let asked = self.clock.now();
        let standings = match self.store.standings().await {
            Ok(standings) => standings,
            Err(error) => {
                terminal::say(&escape(&error.to_string()));
                return false;
            }
        };
        let mut settled = true;
        for (rule, control) in standings {
            if control.phase == Phase::Over || (control.owner.is_none() && control.phase == Phase::Active) {
                self.watches.remove(&rule);
                continue;
            }
            if self.has_in_hand(&rule) {
                settled = false;
                continue;
            }
            let seen = self.watches.entry(rule.clone()).or_default();
            seen.renewed |= *seen.first.get_or_insert(control.nonce) != control.nonce;
            let known = control.owner.as_ref().is_none_or(crate::lease::Owner::is_gone);
            if known || seen.watch.look(&control, asked) == Life::Gone {
                settled = false;
                self.rescue(rule, control).await;
            } else {
                settled &= seen.renewed;
            }
        }
        settled
    }

    /// Takes a rollout back, in the background.
    async fn rescue(&mut self, rule: String, control: Control) {
        if self.rescues.len() >= AT_ONCE {
            return;
        }
        let owner = this_owner(whoami(self.context), &self.clock);
        let who = (&control.rollout, &owner);
        let lease = match self.store.rescue(&rule, who, control.nonce, &self.clock).await {
            Ok(lease) => lease,
            Err(error) => return terminal::say(&escape(&error.to_string())),
        };
        self.watches.remove(&rule);
        let lost = control.owner.map_or("nobody".to_owned(), |owner| owner.by);
        terminal::say(&format!("rollout {}: {} is silent; taking the traffic back", control.rollout, escape(&lost)));
        let found = Found { store: self.store.clone(), id: control.rollout, is_lab: false };
        let (context, clock) = (self.context.clone(), self.clock.clone());
        let rescue = self.rescues.spawn_local(async move {
            let id = found.id.clone();
            let plan = match journal::header(&found.store, &id).await {
                Ok(header) => header.plan,
                Err(error) => return format!("rollout {id}: {}", escape(&error.to_string())),
            };
            let wall = Clock::wall();
            let asked = wall.now();
            let epoch = lease.held().control().epoch;
            if lease.held().control().phase != Phase::Committing {
                first_write(&context, (&plan, &id, epoch), &clock, (&wall, asked), fence(&lease, &clock)).await;
            }
            let reason = format!("its runner ({lost}) fell silent");
            match go_on(&context, &found, (plan, clock), lease, Some((OperatorRequest::Rollback, Some(reason)))).await {
                Ok(_) => format!("rollout {id} is off this guard's hands"),
                Err(failure) => format!("rollout {id}: {}", escape(&failure.wrong)),
            }
        });
        self.hands.insert(rule, rescue);
    }
}
