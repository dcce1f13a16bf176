//! `tidegate rollback` and `abort`: take the traffic back from wherever one is, whoever drives the rollout.
//!
//! It does not ask the runner, which may be hung: it takes the lease, writes the stable-only weights at once, and
//! then goes on with the tape as its runner. The one before notices that somebody else decides, and stops.

use std::time::Duration;

use super::context::{Context, Found, Stores};
use super::people::whoami;
use super::resume::{go_on, refuse_gone_lab};
use super::status::fold;
use super::word::{ended, tell_runner};
use super::{Exit, Failure, drive, target, terminal};
use crate::clock::{Clock, Timestamp, span};
use crate::cloud::alb::beacon;
use crate::cloud::aws::Aws;
use crate::cloud::{Cloud, Fence, RouteOrder, Routed};
use crate::engine::Ending;
use crate::fault::FaultKind;
use crate::fleet::Role;
use crate::journal;
use crate::lease::{Life, Phase, Refusal};
use crate::machine::{Machine, Outcome, Word};
use crate::name::{Arn, RolloutId};
use crate::plan::Plan;
use crate::safeguard::Beacon;
use crate::store::{Lease, LeaseError, this_owner};
use crate::traffic::Share;

/// How long the first write is waited for before the rest begins, in wall time; it is asked for again there.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// How long the store is waited for where the rule's own tags would do, in wall time.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Take the traffic back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    #[arg(conflicts_with_all = ["cluster", "rule"])]
    rollout: Option<String>,
    /// The rollout that moves a service of this cluster: needs no spec and no name.
    #[arg(long, requires = "service", conflicts_with = "rule")]
    cluster: Option<String>,
    /// The service, with --cluster: either of the two that are swapped.
    #[arg(long, requires = "cluster")]
    service: Option<String>,
    /// The rollout that moves this listener rule, by its ARN.
    #[arg(long, value_name = "ARN")]
    rule: Option<String>,
    /// Why; it is kept with the rollout.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Go back even to a stable slot without a healthy target, where only the rule's tags are left to go by.
    #[arg(long)]
    accept_unhealthy_stable: bool,
}

pub(super) async fn run(context: &Context, word: Word, args: Args) -> Result<Exit, Failure> {
    let wall = Clock::wall();
    let asked = wall.now();
    let stores = context.stores(None).await?;
    let found = match wanted(context, &stores, &args).await? {
        Wanted::Known(found) => found,
        Wanted::Rule(rule) => return blind(context, &rule, &args, (&wall, asked)).await,
    };
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
    let lease = match preempted(context, &found, &plan, &clock).await {
        Err(LeaseError::Store(error)) => {
            // The way back needs no lease; but only the rule's tags say by now whether there is one.
            if is_committed(context, &plan).await {
                return Err(Failure::from(error).note("nothing was written: the rule's tags say that it is committed"));
            }
            first_write(context, (&plan, &found.id, 0), &clock, (&wall, asked), Fence::default()).await;
            let failure = Failure::from(error).note("the weights were written without a lease");
            return Err(failure.hint(format!("`tidegate rollback {}` again, when the store answers", found.id)));
        }
        taken => taken?,
    };
    let epoch = lease.held().control().epoch;
    // Past the commit there is no way back: its runner is gone, and what is left is to finish.
    if lease.held().control().phase != Phase::Committing {
        first_write(context, (&plan, &found.id, epoch), &clock, (&wall, asked), fence(&lease, &clock)).await;
    }
    let ending = go_on(context, &found, (plan, clock), lease, Some((word, args.reason))).await?;
    Ok(exit_of(&ending))
}

/// Whether the rule's tags say that its rollout is committed.
async fn is_committed(context: &Context, plan: &Plan) -> bool {
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    let marked = beacon::marked(&aws, &plan.target.rule).await;
    marked.is_ok_and(|marked| marked.is_some_and(|marked| marked.phase == Beacon::Committed))
}

/// What is to be taken back.
enum Wanted {
    /// A rollout of the store.
    Known(Found),
    /// Whatever moves this rule: the store knows of nothing, or cannot be asked.
    Rule(String),
}

async fn wanted(context: &Context, stores: &Stores, args: &Args) -> Result<Wanted, Failure> {
    let (rule, of_service) = match (&args.rule, args.cluster.as_deref().zip(args.service.as_deref())) {
        (Some(rule), _) => (rule.clone(), None),
        (None, Some((cluster, service))) => {
            let aws = Aws::connect(&context.settings(None)).await;
            let found = beacon::find_service(&aws, cluster, service).await?;
            let name = service_of(&found.arn);
            match soon(stores.main.rollout_on(&name)).await {
                Some(Ok(Some((rule, id)))) => (rule, Some(id)),
                Some(Ok(None) | Err(_)) | None => (only_rule(&aws, cluster, service, found.rules).await?, None),
            }
        }
        (None, None) => return Ok(Wanted::Known(stores.find(args.rollout.as_deref()).await?)),
    };
    let known = |id| Wanted::Known(Found { store: stores.main.clone(), id, is_lab: false });
    Ok(match soon(stores.main.standing(&rule)).await {
        Some(Ok(Some(standing))) => known(standing.control.rollout),
        Some(Ok(None)) => of_service.map_or(Wanted::Rule(rule), known),
        Some(Err(error)) => {
            terminal::say(&format!("{}; going by the rule's tags", crate::text::escape(&error.to_string())));
            Wanted::Rule(rule)
        }
        None => {
            terminal::say("the store does not answer; going by the rule's tags");
            Wanted::Rule(rule)
        }
    })
}

/// An answer of the store, if it comes soon.
async fn soon<T>(answer: impl Future<Output = T>) -> Option<T> {
    let wall = Clock::wall();
    let late = wall.now() + STORE_WITHIN;
    tokio::select! {
        answer = answer => Some(answer),
        () = wall.sleep_until(late) => None,
    }
}

/// What a service is called among leases, from its ARN.
fn service_of(arn: &str) -> String {
    let parsed = Arn::parse(arn);
    let (account, region) = parsed.as_ref().map_or(("", ""), |arn| (arn.account, arn.region));
    let mut path = parsed.as_ref().map_or("", |arn| arn.resource).split('/').skip(1);
    let (cluster, name) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    drive::service(account, region, cluster, name)
}

/// The one rule among a service's that a rollout has marked.
async fn only_rule(aws: &Aws, cluster: &str, service: &str, rules: Vec<String>) -> Result<String, Failure> {
    let mut marked = Vec::new();
    for rule in rules {
        if beacon::marked(aws, &rule).await?.is_some() {
            marked.push(rule);
        }
    }
    match marked.len() {
        1 => Ok(marked.remove(0)),
        0 => Err(Failure::new(
            Exit::Refused,
            format!("no rollout moves {service} in {cluster}: no rule of it is marked"),
        )),
        _ => {
            let mut failure = Failure::new(Exit::Usage, format!("several rules of {service} are marked: say which"));
            failure.notes = marked.into_iter().map(|rule| format!("--rule {rule}")).collect();
            Err(failure)
        }
    }
}

/// The way back by a rule's tags alone.
async fn blind(
    context: &Context,
    rule: &str,
    args: &Args,
    (wall, asked): (&Clock, Timestamp),
) -> Result<Exit, Failure> {
    let region = Arn::parse(rule).map(|arn| arn.region.to_owned());
    let aws = Aws::connect(&context.settings(region.as_deref())).await;
    let Some(marked) = beacon::marked(&aws, rule).await? else {
        let failure = Failure::new(Exit::Refused, format!("{rule} carries no mark of a rollout"));
        return Err(failure.hint("its tags tidegate:rollout and tidegate:stable would say what to go back to"));
    };
    let (stable, candidate) = (&marked.target.stable.target_group_name, &marked.target.candidate.target_group_name);
    if marked.phase == Beacon::Committed {
        let failure = Failure::new(Exit::Refused, format!("rollout {} is committed", marked.rollout));
        return Err(failure.hint("going back is a new rollout now: run the release before as a new one"));
    }
    if marked.seen.share == Some(Share::NONE) && marked.phase == Beacon::Aborting {
        say(context, &format!("already on stable: {stable} has everything, and the rule is marked as going back"))?;
        return Ok(Exit::Done);
    }
    terminal::say(&format!("rollout    {}, by the rule's tags", crate::text::escape(&marked.rollout)));
    terminal::say(&format!("rule       {rule}"));
    terminal::say(&format!("now        {}", crate::text::escape(&marked.seen.text)));
    terminal::say(&format!("after      {stable} has everything, {candidate} nothing; its tasks stay"));
    ask(context, args, &format!("--rule {rule}"))?;
    let sticky = marked.seen.sticky;
    let cloud = target::driver_by_beacon(context, (&aws, &context.clock()), &marked);
    let seen = cloud.back_by_beacon(sticky, args.accept_unhealthy_stable).await.map_err(|fault| {
        let unhealthy = fault.operation == "DescribeTargetHealth" && fault.kind == FaultKind::Permanent;
        let failure = Failure::from(fault);
        let hint = "scale its service up first, or go back all the same with --accept-unhealthy-stable";
        if unhealthy { failure.hint(hint) } else { failure }
    })?;
    let took = span(wall.now().since(asked));
    if seen.share != Some(Share::NONE) {
        return Err(Failure::new(Exit::Stranded, format!("the rule says {} after the write", seen.text)));
    }
    say(context, &format!("all traffic is on {stable}, read back {took} after the command"))?;
    terminal::say(&format!(
        "what is left undone: the candidate's tasks, held autoscaling, the switch. When the store answers: tidegate \
         rollback {}",
        crate::text::escape(&marked.rollout)
    ));
    Ok(Exit::Done)
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
    if args.yes || context.json() || !terminal::can_ask() {
        return ask(context, args, found.id.as_str());
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
    ask(context, args, found.id.as_str())
}

/// The one question; answered in advance by `--yes`, and never asked where nobody can answer.
fn ask(context: &Context, args: &Args, what: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if context.json() || !terminal::can_ask() {
        let failure = Failure::new(Exit::Usage, "nobody can be asked here whether to go back");
        return Err(failure.hint(format!("say so in advance: `tidegate rollback {what} --yes`")));
    }
    if terminal::confirm("Take the traffic back?") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}

/// The lease, whoever has it. Only one who is about to commit is watched first.
async fn preempted(context: &Context, found: &Found, plan: &Plan, clock: &Clock) -> Result<Lease, LeaseError> {
    let rule = &plan.target.rule;
    let owner = this_owner(whoami(context), clock);
    let who = (&found.id, &owner);
    match found.store.preempt(rule, who, Life::Possible, clock).await {
        Err(LeaseError::Refused { refusal, .. }) if matches!(*refusal, Refusal::Committing(_)) => {}
        taken => return taken,
    }
    let life = found.store.watch_owner(rule, clock, |owner, patience| {
        let by = crate::text::escape(&owner.by);
        let patience = span(patience.div_f64(clock.speed()));
        terminal::say(&format!("it is being committed: waiting {patience} at most for a sign of {by}"));
    });
    let life = life.await?;
    found.store.preempt(rule, who, life, clock).await
}

/// What a lease that was just taken lets be sent: whoever is frozen before the first write finds, when it thaws, that
/// somebody else may decide.
pub(super) fn fence(lease: &Lease, clock: &Clock) -> Fence {
    let fence = Fence::new(clock.clone());
    fence.renewed(lease.held().send_until(), lease.held().sure_until());
    fence
}

/// Traffic first: the stable-only weights are written before anything is read from the tape, if the stable slot
/// can take them. Nothing depends on it: the way back that follows asks for the same again. Says how long it took
/// since the command was given.
pub(super) async fn first_write(
    context: &Context,
    (plan, id, epoch): (&Plan, &RolloutId, u64),
    clock: &Clock,
    (wall, asked): (&Clock, Timestamp),
    fence: Fence,
) {
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    let cloud = target::driver(context, (&aws, clock), (plan, id, epoch), (None, fence), context.connect_to());
    let written = async {
        if cloud.healthy_at_once(Role::Stable).await.is_ok_and(|healthy| healthy == 0) {
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
        Some(Ok(Routed::Written(seen) | Routed::Unsettled(seen))) if seen.share == Some(Share::NONE) => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Owner;
    use crate::store::Store;

    #[tokio::test(start_paused = true)]
    async fn a_first_write_is_not_sent_when_others_may_have_taken_over_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().to_owned()).unwrap();
        let start = Timestamp::from_millis(1_795_442_709_000);
        let clock = Clock::starting_at(start, 1.0);
        let owner = Owner { by: "ana@laptop".into(), process: String::new(), since: start };
        let id = RolloutId::parse("web-1").unwrap();
        let lease = store.preempt("arn:rule", (&id, &owner), Life::Possible, &clock).await.unwrap();
        let fence = fence(&lease, &clock);
        fence.decide(false);
        assert_eq!(fence.check(), Ok(()));
        // Frozen, and thawed when a lease's time is over; what it decides then is decided now.
        clock.sleep_until(start + Duration::from_secs(46)).await;
        fence.decide(false);
        assert!(fence.check().is_err());
    }
}
