//! `tidegate rollback` and `abort`: take the traffic back from wherever one is, whoever drives the rollout.
//!
//! It does not ask the runner, which may be hung: it takes the lease, writes the stable-only weights at once, and
//! then goes on with the tape as its runner. The one before notices that somebody else decides, and stops.

use std::time::Duration;

use super::context::{Context, Found};
use super::people::whoami;
use super::resume::{go_on, refuse_gone_lab};
use super::status::fold;
use super::word::{ended, tell_runner};
use super::{Exit, Failure, target, terminal};
use crate::clock::{Clock, Timestamp, span};
use crate::cloud::aws::Aws;
use crate::cloud::{Cloud, Fence, RouteOrder, Routed};
use crate::engine::Ending;
use crate::journal;
use crate::lease::{Life, Phase, Refusal};
use crate::machine::{Machine, Outcome, Word};
use crate::name::RolloutId;
use crate::plan::Plan;
use crate::store::{Lease, LeaseError, this_owner};
use crate::traffic::Share;

/// How long the first write is waited for before the rest begins, in wall time; it is asked for again there.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Take the traffic back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    rollout: Option<String>,
    /// Why; it is kept with the rollout.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(context: &Context, word: Word, args: Args) -> Result<Exit, Failure> {
    let wall = Clock::wall();
    let asked = wall.now();
    let stores = context.stores(None).await?;
    let found = stores.find(args.rollout.as_deref()).await?;
    let plan = journal::header(&found.store, &found.id).await?.plan;
    let over = match found.store.standing(&plan.target.rule).await? {
        Some(standing) => standing.control.rollout != found.id || standing.control.phase == Phase::Over,
        None => true,
    };
    if over && let Some(exit) = settled(context, &found).await? {
        return Ok(exit);
    }
    confirm(context, &args, &found, &plan).await?;
    if found.is_lab && found.driver(&plan).await.is_some() {
        // Only the runner itself can reach a lab inside its own process.
        return tell_runner(context, &found, word, args.reason).await;
    }
    refuse_gone_lab(&found)?;
    let clock = context.clock();
    let lease = preempted(context, &found, &plan, &clock).await?;
    let epoch = lease.held().control().epoch;
    first_write(context, (&plan, &found.id, epoch), &clock, (&wall, asked)).await;
    let ending = go_on(context, &found, (plan, clock), lease, Some((word, args.reason))).await?;
    Ok(exit_of(&ending))
}

/// What a rollback of a rollout that is over comes to.
async fn settled(context: &Context, found: &Found) -> Result<Option<Exit>, Failure> {
    let tape = journal::read(&found.store, &found.id).await?;
    let (machine, summary) = fold(&tape);
    let id = &found.id;
    match machine.outcome() {
        Some(Outcome::RolledBack(reason)) => {
            let since = summary.back.map_or(machine.now(), |(at, _)| at);
            say(context, &format!("already on stable since {since}: {reason}"))?;
            Ok(Some(Exit::Done))
        }
        Some(Outcome::Promoted) => {
            let failure = Failure::new(Exit::Refused, format!("rollout {id} was promoted at {}", machine.now()));
            Err(failure.hint("going back is a new rollout now: run the release before as a new one"))
        }
        Some(outcome @ Outcome::Stranded { .. }) => {
            Err(Failure::new(Exit::Refused, format!("rollout {id} is over: {}", ended(outcome))))
        }
        None => Ok(None),
    }
}

fn say(context: &Context, text: &str) -> Result<(), Failure> {
    if context.json() {
        return terminal::print_json(&serde_json::json!({"type": "answer", "text": text}));
    }
    terminal::print(&format!("{}\n", crate::text::escape(text)))
}

/// One screen of what it will do, and one question.
async fn confirm(context: &Context, args: &Args, found: &Found, plan: &Plan) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if context.json() || !terminal::can_ask() {
        let failure = Failure::new(Exit::Usage, "nobody can be asked here whether to go back");
        return Err(failure.hint(format!("say so in advance: `tidegate rollback {} --yes`", found.id)));
    }
    let target = &plan.target;
    let machine = match journal::read(&found.store, &found.id).await {
        Ok(tape) => journal::replay(plan.clone(), &tape.records),
        Err(_) => Machine::new(plan.clone()),
    };
    let now = machine.progress().configured.map_or("unknown".to_owned(), |share| share.to_string());
    let driver = found.driver(plan).await.map_or("nobody".to_owned(), |owner| owner.by);
    let driver = crate::text::escape(&driver);
    terminal::say(&format!("rollout    {}, started {}, driven by {driver}", found.id, machine.started()));
    terminal::say(&format!("where      account {}, {}, cluster {}", target.account, target.region, target.cluster));
    terminal::say(&format!("now        the candidate ({}) has {now}", target.candidate.service));
    terminal::say(&format!("after      the stable slot ({}) has everything", target.stable.service));
    if terminal::confirm("Take the traffic back?") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}

/// The lease, whoever has it. Only one who is about to commit is watched first.
async fn preempted(context: &Context, found: &Found, plan: &Plan, clock: &Clock) -> Result<Lease, Failure> {
    let rule = &plan.target.rule;
    let owner = this_owner(whoami(context), clock);
    let who = (&found.id, &owner);
    match found.store.preempt(rule, who, Life::Possible, clock).await {
        Err(LeaseError::Refused { refusal, .. }) if matches!(*refusal, Refusal::Committing(_)) => {}
        taken => return Ok(taken?),
    }
    let life = found.store.watch_owner(rule, clock, |owner, patience| {
        let by = crate::text::escape(&owner.by);
        let patience = span(patience.div_f64(clock.speed()));
        terminal::say(&format!("it is being committed: waiting {patience} at most for a sign of {by}"));
    });
    let life = life.await?;
    Ok(found.store.preempt(rule, who, life, clock).await?)
}

/// Traffic first: the stable-only weights are written before anything is read from the tape, if the stable slot
/// can take them. Nothing depends on it: the way back that follows asks for the same again. Says how long it took
/// since the command was given.
pub(super) async fn first_write(
    context: &Context,
    (plan, id, epoch): (&Plan, &RolloutId, u64),
    clock: &Clock,
    (wall, asked): (&Clock, Timestamp),
) {
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    let cloud =
        target::driver(context, (&aws, clock), (plan, id, epoch), (None, Fence::default()), context.connect_to());
    let written = async {
        if cloud.fleet().await.is_ok_and(|fleet| fleet.stable.healthy == 0) {
            return None;
        }
        let sticky = plan.before.stickiness.map(|_| false);
        Some(cloud.route(RouteOrder { share: Share::NONE, expected: None, sticky }).await)
    };
    let late = wall.now() + FIRST_WITHIN;
    let answer = tokio::select! {
        answer = written => answer,
        () = wall.sleep_until(late) => None,
    };
    match answer {
        Some(Ok(Routed::Written(seen))) if seen.share == Some(Share::NONE) => {
            let stable = &plan.target.stable.service;
            let took = span(wall.now().since(asked));
            terminal::say(&format!("all traffic is on {stable}, read back {took} after the command"));
        }
        Some(Err(fault)) => terminal::say(&format!("not yet: {}", crate::text::escape(&fault.to_string()))),
        Some(Ok(_)) | None => {}
    }
}

fn exit_of(ending: &Ending) -> Exit {
    match &ending.outcome {
        Some(Outcome::RolledBack(_)) => Exit::Done,
        Some(Outcome::Promoted) => Exit::Refused,
        Some(Outcome::Stranded { .. }) => Exit::Stranded,
        None if ending.fenced.is_some() => Exit::Held,
        None => Exit::HandedOver,
    }
}
