//! `tidegate rollback` and `abort`: take the traffic back from wherever one is, whoever drives the rollout.
//!
//! It does not ask the runner, which may be hung: it takes the lease, writes the stable-only weights at once, and
//! then goes on with the journal as its runner. The one before notices that somebody else decides, and stops.
//!
//! A store that is silent is not waited for once the rule is known: the traffic goes back without the lease, which
//! is taken when the store answers.

mod blind;
mod drill;
mod short;

use std::time::Duration;

use super::context::{Context, Found, Stores};
use super::people::whoami;
use super::present::fold;
use super::request::{ended, tell_runner};
use super::resume::{go_on, refuse_gone_lab};
use super::{Exit, Failure, pipeline, target, terminal};
use crate::cloud::alb::beacon;
use crate::cloud::aws::Aws;
use crate::cloud::{Cloud, Fence, RouteOrder, Routed};
use crate::domain::clock::{Clock, Timestamp, span};
use crate::domain::fleet::Role;
use crate::domain::name::RolloutId;
use crate::domain::safeguard::Beacon;
use crate::domain::traffic::Share;
use crate::engine::Ending;
use crate::journal::{self, JournalError};
use crate::lease::{Life, Owner, Phase, Refusal};
use crate::machine::{Machine, OperatorRequest, Outcome};
use crate::plan::Plan;
use crate::store::{Lease, LeaseError, this_owner};
use blind::{blind, only_rule, service_of};

/// How long the first write is waited for before the rest begins, in wall time; it is asked for again there.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// How long the store is waited for where the rule is enough to go on, in wall time: all its answers before the
/// question together, and the lease after it. The first write is then out within 5 s although the store is silent.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// Take the traffic back.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
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
    /// Prove that it could be done: credentials, store, rule, healthy targets, permission. Nothing is changed.
    #[arg(long)]
    dry_run: bool,
    /// Give the stable slot the tasks it had before the rollout, and the traffic once they are healthy (for 5
    /// minutes at most) [default: the traffic first, unless the stable slot has no healthy target].
    #[arg(long, conflicts_with = "rule")]
    scale_first: bool,
    /// Go back even to a stable slot without a healthy target, where only the rule's tags are left to go by.
    #[arg(long)]
    accept_unhealthy_stable: bool,
}

pub(super) async fn run(context: &Context, request: OperatorRequest, args: Args) -> Result<Exit, Failure> {
    let wall = Clock::wall();
    let asked = wall.now();
    let patience = Patience::new(&wall);
    let stores = context.stores(None).await?;
    if args.dry_run {
        return drill::run(context, &stores, &args).await;
    }
    let (found, rule) = match wanted(context, &stores, &args, &patience).await? {
        Wanted::Known(found, rule) => (found, rule),
        Wanted::Rule(rule) => return blind(context, &rule, &args, (&wall, asked)).await,
    };
    let header = journal::header(&found.store, &found.id);
    let plan = match (patience.soon(header).await, rule) {
        (Some(Ok(header)), _) => header.plan,
        (Some(Err(error)), rule) => {
            let rule = rule_all_the_same(&found, rule, error).await?;
            return blind(context, &rule, &args, (&wall, asked)).await;
        }
        (None, Some(rule)) => {
            terminal::say(SILENT);
            return blind(context, &rule, &args, (&wall, asked)).await;
        }
        (None, None) => {
            only_the_store_knows();
            journal::header(&found.store, &found.id).await?.plan
        }
    };
    let over = match patience.soon(found.store.standing(&plan.target.rule)).await {
        Some(Ok(Some(standing))) => standing.control.rollout != found.id || standing.control.phase == Phase::Over,
        Some(Ok(None)) => true,
        // What the store does not say stops no way back.
        Some(Err(_)) | None => false,
    };
    if over && let Some(exit) = settled(context, &found).await? {
        return Ok(exit);
    }
    let scales = confirm(context, &args, (&found, &plan), &patience).await?;
    if found.is_lab && found.driver(&plan).await.is_some() {
        // Only the runner itself can reach a lab inside its own process.
        return tell_runner(context, &found, request, args.reason).await;
    }
    refuse_gone_lab(&found)?;
    let clock = context.clock();
    let Taken { mut lease, written } = take(context, (&found, &plan), &clock, (&wall, asked)).await?;
    let epoch = lease.held().control().epoch;
    // Past the commit there is no way back: its runner is gone, and what is left is to finish.
    if lease.held().control().phase != Phase::Committing && !written {
        if scales {
            short::scale_first(context, (&plan, &found.id), &clock, &mut lease).await?;
        }
        first_write(context, (&plan, &found.id, epoch), &clock, (&wall, asked), fence(&lease, &clock)).await;
    }
    let ending = go_on(context, &found, (plan, clock), lease, Some((request, args.reason))).await?;
    let exit = exit_of(&ending);
    pipeline::last_line(context, found.id.as_str(), &ending, exit);
    Ok(exit)
}

/// What is said where a silent store is not waited for.
const SILENT: &str = "the store does not answer; going by the rule's tags";

/// Until when the store is waited for.
struct Patience<'a> {
    wall: &'a Clock,
    until: Timestamp,
}

impl<'a> Patience<'a> {
    fn new(wall: &'a Clock) -> Self {
        Self { wall, until: wall.now() + STORE_WITHIN }
    }

    /// An answer of the store, if it comes soon.
    async fn soon<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = self.wall.sleep_until(self.until) => None,
        }
    }
}

/// The rule of a rollout whose journal cannot be read, to go by its tags: one that was found by it, and one whose
/// journal means nothing, which is as good as silence.
async fn rule_all_the_same(found: &Found, rule: Option<String>, error: JournalError) -> Result<String, Failure> {
    let rule = match rule {
        None if error.is_nonsense() => journal::rule_of(&found.store, &found.id).await,
        rule => rule,
    };
    let Some(rule) = rule else { return Err(Failure::from(error).hint(WITHOUT_STORE)) };
    terminal::say(&format!("{}; going by the rule's tags", crate::domain::text::escape(&error.to_string())));
    Ok(rule)
}

/// A name means nothing but to the store.
fn only_the_store_knows() {
    terminal::say("the store does not answer, and only the store knows which rule a name stands for: waiting for it");
    terminal::say(WITHOUT_STORE);
}

/// How to go back without it.
const WITHOUT_STORE: &str = "without the store: tidegate rollback --cluster CLUSTER --service SERVICE";

/// The lease, and whether the traffic went back before it.
struct Taken {
    lease: Lease,
    written: bool,
}

/// Takes the lease. Where the store is silent the weights are written first: the way back needs no lease, but only
/// the rule's tags say by then whether there is a way back.
async fn take(
    context: &Context,
    (found, plan): (&Found, &Plan),
    clock: &Clock,
    (wall, asked): (&Clock, Timestamp),
) -> Result<Taken, Failure> {
    let owner = this_owner(whoami(context), clock);
    let rule = &plan.target.rule;
    let who = (&found.id, &owner);
    let mut written = false;
    let mut closed = false;
    let mut write = async || {
        closed = is_closed(context, plan, &found.id).await;
        if !closed && !written {
            first_write(context, (plan, &found.id, 0), clock, (wall, asked), Fence::default()).await;
            written = true;
        }
    };
    let mut taking = std::pin::pin!(found.store.preempt(rule, who, Life::Possible, clock));
    let taken = match Patience::new(wall).soon(&mut taking).await {
        Some(taken) => taken,
        None => {
            terminal::say("the store does not answer: the traffic goes back without the lease");
            write().await;
            taking.await
        }
    };
    let taken = match taken {
        Err(LeaseError::Refused { refusal, .. }) if matches!(*refusal, Refusal::Committing(_)) => {
            preempted(found, rule, who, clock).await
        }
        taken => taken,
    };
    match taken {
        Ok(lease) => Ok(Taken { lease, written }),
        Err(error @ (LeaseError::Store(_) | LeaseError::TooNew { .. })) => {
            write().await;
            if closed {
                let why = "nothing was written: by the rule's tags it is committed, or another rollout moves the rule";
                return Err(Failure::from(error).note(why));
            }
            let failure = Failure::from(error).note("the weights were written without a lease");
            Err(failure.hint(format!("`tidegate rollback {}` again, when the store answers", found.id)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the rule's tags say that a rollout is committed, or that another one moves the rule by now, whose candidate
/// may be what was stable before.
async fn is_closed(context: &Context, plan: &Plan, id: &RolloutId) -> bool {
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    match beacon::marked(&aws, &plan.target.rule).await {
        Ok(Some(marked)) => closes(&marked.rollout, marked.phase, id),
        Ok(None) | Err(_) => false,
    }
}

/// Whether tags forbid to take a rollout back without its lease.
fn closes(rollout: &str, phase: Beacon, id: &RolloutId) -> bool {
    phase == Beacon::Committed || rollout != id.to_string()
}

/// What is to be taken back.
enum Wanted {
    /// A rollout of the store, and the rule, where that is what it was found by.
    Known(Found, Option<String>),
    /// Whatever moves this rule: the store knows of nothing, or cannot be asked.
    Rule(String),
}

async fn wanted(context: &Context, stores: &Stores, args: &Args, patience: &Patience<'_>) -> Result<Wanted, Failure> {
    let (rule, of_service) = match (&args.rule, args.cluster.as_deref().zip(args.service.as_deref())) {
        (Some(rule), _) => (rule.clone(), None),
        (None, Some((cluster, service))) => {
            let aws = Aws::connect(&context.settings(None)).await;
            let found = beacon::find_service(&aws, cluster, service).await?;
            let name = service_of(&found.arn);
            match patience.soon(stores.main.rollout_on(&name)).await {
                Some(Ok(Some((rule, id)))) => (rule, Some(id)),
                Some(Ok(None) | Err(_)) | None => (only_rule(&aws, cluster, service, found.rules).await?, None),
            }
        }
        (None, None) => return named(stores, args.rollout.as_deref(), patience).await,
    };
    let known = |id, rule| Wanted::Known(Found { store: stores.main.clone(), id, is_lab: false }, Some(rule));
    Ok(match patience.soon(stores.main.standing(&rule)).await {
        Some(Ok(Some(standing))) => known(standing.control.rollout, rule),
        Some(Ok(None)) => match of_service {
            Some(id) => known(id, rule),
            None => Wanted::Rule(rule),
        },
        Some(Err(error)) => {
            terminal::say(&format!("{}; going by the rule's tags", crate::domain::text::escape(&error.to_string())));
            Wanted::Rule(rule)
        }
        None => {
            terminal::say(SILENT);
            Wanted::Rule(rule)
        }
    })
}

/// A rollout by its name. Nothing but the store knows it, so a silent store is waited for, and that is said.
async fn named(stores: &Stores, name: Option<&str>, patience: &Patience<'_>) -> Result<Wanted, Failure> {
    let mut finding = std::pin::pin!(stores.find(name));
    let found = match patience.soon(&mut finding).await {
        Some(found) => found?,
        None => {
            only_the_store_knows();
            finding.await.map_err(|failure| failure.hint(WITHOUT_STORE))?
        }
    };
    Ok(Wanted::Known(found, None))
}

/// What a rollback of a rollout that is over comes to.
async fn settled(context: &Context, found: &Found) -> Result<Option<Exit>, Failure> {
    let recorded = journal::read(&found.store, &found.id).await?;
    let (machine, summary) = fold(&recorded);
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
    terminal::print(&format!("{}\n", crate::domain::text::escape(text)))
}

/// One screen of what it will do, and one question; whether the stable slot is scaled up before it gets the traffic.
async fn confirm(
    context: &Context,
    args: &Args,
    (found, plan): (&Found, &Plan),
    patience: &Patience<'_>,
) -> Result<bool, Failure> {
    if args.yes || context.json() || !terminal::can_ask() {
        ask(context, args, found.id.as_str())?;
        return Ok(args.scale_first);
    }
    let target = &plan.target;
    let machine = match patience.soon(journal::read(&found.store, &found.id)).await {
        Some(Ok(recorded)) => journal::replay(plan.clone(), &recorded.records),
        Some(Err(_)) | None => Machine::new(plan.clone()),
    };
    let now = machine.progress().configured.map_or("unknown".to_owned(), |share| share.to_string());
    let driver = patience.soon(found.driver(plan)).await.flatten().map_or("nobody".to_owned(), |owner| owner.by);
    let driver = crate::domain::text::escape(&driver);
    terminal::say(&format!("rollout    {}, started {}, driven by {driver}", found.id, machine.started()));
    terminal::say(&format!("where      account {}, {}, cluster {}", target.account, target.region, target.cluster));
    terminal::say(&format!("now        the candidate ({}) has {now}", target.candidate.service));
    terminal::say(&format!("after      the stable slot ({}) has everything", target.stable.service));
    let short = short::look(context, (plan, &found.id)).await;
    if let Some(short) = &short {
        terminal::say(&format!("short      {}", short.words(plan, args.scale_first)));
    }
    ask(context, args, found.id.as_str())?;
    let offered = short.is_some_and(short::Short::can_wait) && !args.scale_first;
    Ok(args.scale_first || (offered && terminal::confirm("Scale the stable slot up first, and let the traffic wait?")))
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

/// The lease of one who is about to commit: they are watched first.
async fn preempted(found: &Found, rule: &str, who: (&RolloutId, &Owner), clock: &Clock) -> Result<Lease, LeaseError> {
    let life = found.store.watch_owner(rule, clock, |owner, patience| {
        let by = crate::domain::text::escape(&owner.by);
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

/// Traffic first: the stable-only weights are written before anything is read from the journal, if the stable slot
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
        let sticky = plan.before.stickiness.filter(|_| !plan.driver.is_aws()).map(|_| false);
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
        Some(Ok(Routed::Moving(seen))) => {
            let (mover, seen) = (plan.driver.mover(), crate::domain::text::escape(&seen.text));
            terminal::say(&format!("{mover} is told to take the traffic back; the rule says {seen}"));
        }
        Some(Err(fault)) => terminal::say(&format!("not yet: {}", crate::domain::text::escape(&fault.to_string()))),
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

    #[test]
    fn without_a_lease_nothing_is_written_over_another_rollout_or_a_commit() {
        let id = RolloutId::parse("web-1").unwrap();
        for (rollout, phase, forbids) in [
            ("web-1", Beacon::Active, false),
            ("web-1", Beacon::Aborting, false),
            ("web-1", Beacon::Committed, true),
            ("web-2", Beacon::Active, true),
        ] {
            assert_eq!(closes(rollout, phase, &id), forbids, "{rollout}, {phase:?}");
        }
    }

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
