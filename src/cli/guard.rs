//! `tidegate guard`: watches leases from anywhere, and takes back the rollouts whose runner fell silent.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{AbortHandle, JoinSet, LocalSet};

use super::context::{Context, Found};
use super::people::whoami;
use super::run::drive::go_on;
use super::takeover::takeover;
use super::{Exit, Failure, rollback, terminal};
use crate::domain::clock::Clock;
use crate::domain::text::escape;
use crate::engine::{AskedAt, BeginError, Guard, Lost, Request, StrandedRollout, Taken, begun};
use crate::machine::OperatorRequest;
use crate::store::Store;

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
    /// End as soon as every rollout was seen with a living runner, taken back, or found to wait for a person (exit code
    /// 12).
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
    let guard = Guard::new(store.clone(), clock.clone());
    let mut watch =
        Watch { context, store, clock, guard, rescues: JoinSet::new(), hands: BTreeMap::new(), strands: false };
    terminal::say("watching; a rollout whose runner is silent for 45s goes back");
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut stops = JoinSet::new();
    for mut stream in signals.into_iter().filter_map(|kind| signal(kind).ok()) {
        stops.spawn(async move { stream.recv().await });
    }
    loop {
        let settled = watch.look().await;
        if args.once && settled && watch.rescues.is_empty() {
            return Ok(if watch.strands { Exit::Stranded } else { Exit::Done });
        }
        let next = watch.clock.now() + POLL;
        tokio::select! {
            () = watch.clock.sleep_until(next) => {}
            _ = stops.join_next() => break,
        }
    }
    // A signal reaches the way back of each rollout too, which leaves once its traffic is back.
    while watch.rescues.join_next().await.is_some() {}
    Ok(Exit::Stopped)
}

/// What came of a way back.
struct Rescued {
    said: String,
    /// The rule that went back by its tags, and the nonce of its document: a person must do the rest.
    left: Option<(String, u64)>,
}

/// A guard at work, and the ways back that it began.
struct Watch<'a> {
    context: &'a Context,
    store: Store,
    clock: Clock,
    guard: Guard,
    rescues: JoinSet<Rescued>,
    /// The rules that this guard itself takes back, or took.
    hands: BTreeMap<String, AbortHandle>,
    /// Whether a rollout waits for a person.
    strands: bool,
}

impl Watch<'_> {
    /// One look at all leases. True when each rollout that is not over has a runner that lives, or needs none.
    async fn look(&mut self) -> bool {
        while let Some(ended) = self.rescues.try_join_next() {
            let Rescued { said, left } =
                ended.unwrap_or_else(|error| Rescued { said: format!("a way back failed: {error}"), left: None });
            terminal::say(&said);
            if let Some((rule, nonce)) = left {
                self.strands = true;
                self.guard.leaves(rule, nonce);
            }
        }
        let in_hand = |rule: &str| self.hands.get(rule).is_some_and(|rescue| !rescue.is_finished());
        let look = match self.guard.look(in_hand).await {
            Ok(look) => look,
            Err(error) => {
                terminal::say(&escape(&error.to_string()));
                return false;
            }
        };
        for StrandedRollout { rollout, why } in look.stranded {
            self.strands = true;
            let why = escape(&crate::report::stranding(&why));
            terminal::say(&format!("rollout {rollout} is stranded and waits for a person: {why}"));
            terminal::say(&format!("what to do: tidegate status {rollout}"));
        }
        for rollout in look.given_up {
            self.strands = true;
            terminal::say(&format!(
                "rollout {rollout} was taken again and again, and its way back fails: a person must"
            ));
            terminal::say(&format!("what to do: tidegate status {rollout}"));
        }
        for lost in look.lost {
            if self.rescues.len() >= AT_ONCE {
                break;
            }
            match self.guard.take(&lost, whoami(self.context)).await {
                Ok(taken) => self.take_back(lost, taken),
                Err(error) => terminal::say(&escape(&error.to_string())),
            }
        }
        look.is_settled
    }

    /// Takes a rollout back, in the background.
    fn take_back(&mut self, lost: Lost, taken: Taken) {
        let (id, owner) = (lost.rollout().clone(), lost.owner().to_owned());
        let next =
            if lost.has_ended() { "the rollout is over, its lease is given back" } else { "taking the traffic back" };
        terminal::say(&format!("rollout {id}: {} is silent; {next}", escape(&owner)));
        let found = Found { store: self.store.clone(), id, is_lab: false };
        let (context, clock) = (self.context.clone(), self.clock.clone());
        let rule = lost.rule.clone();
        let rescue = self.rescues.spawn_local(async move {
            let reason = format!("its runner ({owner}) fell silent");
            match back(&context, (&found, &rule), clock, taken, reason).await {
                Ok(None) => Rescued { said: format!("rollout {} is off this guard's hands", found.id), left: None },
                Ok(Some(nonce)) => {
                    let said = format!("rollout {} waits for a person, who does the rest by hand", found.id);
                    Rescued { said, left: Some((rule, nonce)) }
                }
                Err(failure) => {
                    let said = format!("rollout {}: {}", found.id, escape(&failure.wrong));
                    Rescued { said, left: None }
                }
            }
        });
        self.hands.insert(lost.rule, rescue);
    }
}

/// Takes a rollout back. One whose journal means nothing goes by its rule's tags, and what is left of it waits for a
/// person: then the nonce of its document.
async fn back(
    context: &Context,
    (found, rule): (&Found, &str),
    clock: Clock,
    mut taken: Taken,
    reason: String,
) -> Result<Option<u64>, Failure> {
    let plan = match begun(&found.store, (rule, &found.id), &mut taken).await {
        Ok(Some(plan)) => plan,
        Ok(None) => return Ok(None),
        Err(BeginError::Journal(error)) if error.is_nonsense() => {
            terminal::say(&format!("rollout {}: {}; going by the rule's tags", found.id, escape(&error.to_string())));
            match rollback::by_tags(context, rule, reason).await {
                // Without a mark, or with one that says committed, there is nothing to take back.
                Err(failure) if failure.exit == Exit::Refused => terminal::say(&escape(&failure.wrong)),
                // Its lease falls silent, and a later look tries again.
                Err(failure) => return Err(failure),
                Ok(_) => {}
            }
            return Ok(taken.leave().await);
        }
        Err(error) => return Err(error.into()),
    };
    let request = Request { request: OperatorRequest::Rollback, reason: Some(reason) };
    let going = takeover(context, found, &plan, clock).go_back(taken, &AskedAt::now(), request).await?;
    go_on(context, going).await?;
    Ok(None)
}
