//! `tidegate rollback` and `abort`: take the traffic back from wherever one is, whoever drives the rollout.
//!
//! It does not ask the runner, which may be hung: it takes the lease, writes the stable-only weights at once, and
//! then goes on with the journal as its runner. The one before notices that somebody else decides, and stops.
//!
//! A store that is silent is not waited for once the rule is known: the traffic goes back without the lease, which
//! is taken when the store answers.

mod args;
mod blind;
mod drill;
mod short;
mod spare;
mod to;

use super::context::{Context, Found, Stores};
use super::drivers::Reach;
use super::exit;
use super::present::fold;
use super::request::{ended, tell_runner};
use super::run::drive::go_on;
use super::takeover::takeover;
use super::{Exit, Failure, pipeline, terminal};
use crate::cloud::Cloud as _;
use crate::cloud::alb::beacon;
use crate::domain::name::RolloutId;
use crate::domain::traffic::Share;
use crate::engine::{AskedAt, Patience, Request, Runner};
use crate::journal::{self, JournalError};
use crate::lease::Phase;
use crate::machine::{Machine, OperatorRequest, Outcome};
use crate::plan::Plan;
use crate::report;
pub(super) use args::Args;
use args::ask;
use blind::{blind, only_rule, service_of};

pub(super) async fn run(context: &Context, request: OperatorRequest, args: Args) -> Result<Exit, Failure> {
    let asked = AskedAt::now();
    let patience = Patience::new(&asked.wall);
    let stores = context.stores(None).await?;
    if args.dry_run && args.to.is_none() {
        return drill::run(context, &stores, &args).await;
    }
    let (found, rule) = match wanted(context, &stores, &args, &patience).await? {
        Wanted::Known(found, rule) => (found.remembered_by(context), rule),
        Wanted::Rule(rule) if args.to.is_some() => return Err(unknown_release(&rule)),
        Wanted::Rule(rule) => return blind(context, &rule, &args, &asked).await,
    };
    if let Some(to) = &args.to {
        match to::run(context, &found, &args, to).await? {
            to::To::Done(exit) => return Ok(exit),
            to::To::WayBack if args.dry_run => return drill::run(context, &stores, &args).await,
            to::To::WayBack => {}
        }
    }
    let header = journal::header(&found.store, &found.id);
    let plan = match (patience.soon(header).await, rule) {
        (Some(Ok(header)), _) => header.plan,
        (Some(Err(error)), rule) => {
            let rule = rule_all_the_same(&found, rule, error).await?;
            return blind(context, &rule, &args, &asked).await;
        }
        (None, Some(rule)) => {
            terminal::say(SILENT);
            return blind(context, &rule, &args, &asked).await;
        }
        (None, None) => {
            only_the_store_knows();
            journal::header(&found.store, &found.id).await?.plan
        }
    };
    found.introduce(context, &plan);
    let over = match patience.soon(found.store.standing(&plan.target.rule)).await {
        Some(Ok(Some(standing))) => standing.control.rollout != found.id || standing.control.phase == Phase::Over,
        Some(Ok(None)) => true,
        // What the store does not say stops no way back.
        Some(Err(_)) | None => false,
    };
    if over {
        match settled(context, &found, &plan, &args).await? {
            Settled::Said => return Ok(Exit::Done),
            Settled::Moved => return blind(context, &plan.target.rule, &args, &asked).await,
            Settled::No => {}
        }
    }
    let scales = confirm(context, &args, (&found, &plan), &patience).await?;
    if found.is_lab && found.driver(&plan).await.is_some() {
        // Only the runner itself can reach a lab inside its own process.
        return tell_runner(context, &found, (request, Vec::new()), args.reason).await;
    }
    found.refuse_gone_lab()?;
    let request = Request { request, reason: args.reason };
    let going = takeover(context, &found, &plan, context.clock()).take_back(&asked, scales, request).await?;
    let ending = go_on(context, going).await?;
    let exit = Exit::of_ending(&ending, exit::CommandAim::WayBack);
    pipeline::last_line(context, found.id.as_str(), &ending, exit);
    Ok(exit)
}

/// The way back of a guard by a rule's tags alone.
pub(super) async fn by_tags(context: &Context, rule: &str, reason: String) -> Result<Exit, Failure> {
    let args = Args {
        rollout: None,
        cluster: None,
        service: None,
        rule: Some(rule.to_owned()),
        to: None,
        reason: Some(reason),
        yes: true,
        dry_run: false,
        scale_first: false,
        accept_unhealthy_stable: false,
    };
    blind(context, rule, &args, &AskedAt::now()).await
}

/// Which release was there before, only a journal says.
fn unknown_release(rule: &str) -> Failure {
    let failure =
        Failure::new(Exit::Refused, format!("the store knows no rollout of {rule}, and so no release before"));
    failure.hint("name the store that has it: `--store s3://BUCKET/PREFIX`, or `--state-dir DIR`")
}

/// What is said where a silent store is not waited for.
const SILENT: &str = "the store does not answer; going by the rule's tags";

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
            let aws = context.aws(None).await;
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
    let mut finding = std::pin::pin!(stores.find_to_act(name));
    let found = match patience.soon(&mut finding).await {
        Some(found) => found?,
        None => {
            only_the_store_knows();
            finding.await.map_err(|failure| failure.hint(WITHOUT_STORE))?
        }
    };
    Ok(Wanted::Known(found, None))
}

/// What a rollback of a rollout that its store calls over comes to.
enum Settled {
    /// The traffic is where it should be, and that was said.
    Said,
    /// Another rollout moves the rule by now.
    Moved,
    /// The rollout is not over after all.
    No,
}

/// The journal only knows how things were when it ended, so where the traffic is now is read from the rule.
async fn settled(context: &Context, found: &Found, plan: &Plan, args: &Args) -> Result<Settled, Failure> {
    let recorded = journal::read(&found.store, &found.id).await?;
    let (machine, summary) = fold(&recorded);
    let (id, rule) = (&found.id, &plan.target.rule);
    let Some(outcome) = machine.outcome() else { return Ok(Settled::No) };
    let how = format!("rollout {id} is over: {}", ended(outcome));
    let aws = context.aws(Some(&plan.target.region)).await;
    if !found.is_lab {
        let unread = |fault| Failure::from(fault).note(&how).note("where the traffic is now is not known");
        let marked = beacon::marked(&aws, rule).await.map_err(unread)?;
        if let Some(other) = marked.filter(|marked| marked.rollout != id.to_string()) {
            return moved(found, &other.rollout, rule, args, how);
        }
    }
    match outcome {
        Outcome::RolledBack(reason) => {
            let since = summary.back.map_or(machine.now(), |(at, _)| at);
            if found.is_lab {
                found.answer(context, plan, &format!("already on stable since {since}: {}", report::reason(reason)))?;
                return Ok(Settled::Said);
            }
            let reach = Reach { context, aws: &aws, connect_to: context.connect_to() };
            let seen = reach.driver(plan, Runner::unleased(id, &context.clock()), None).rule_at_once().await?;
            if seen.share == Some(Share::NONE) {
                found.answer(context, plan, &format!("already on stable since {since}: {}", report::reason(reason)))?;
                return Ok(Settled::Said);
            }
            let wrong = format!("the rule was moved since rollout {id} went back at {since}: it says {}", seen.text);
            Err(Failure::new(Exit::Refused, wrong).note(&how).hint(format!("by hand: {}", report::back_call(plan))))
        }
        Outcome::Promoted => {
            let failure = Failure::new(Exit::Refused, format!("rollout {id} was promoted at {}", machine.now()));
            let back = format!("back to the release before: `tidegate rollback {id} --to previous`");
            let hint = if found.is_lab { "it was a rehearsal, and its lab is gone".to_owned() } else { back };
            Err(failure.hint(hint))
        }
        Outcome::Stranded { .. } => Err(Failure::new(Exit::Refused, how)),
    }
}

/// What to do where another rollout has marked the rule. It is meant too where the rule, a service or the name of both
/// was given; somebody who gave an id means that rollout and no other.
fn moved(found: &Found, other: &str, rule: &str, args: &Args, how: String) -> Result<Settled, Failure> {
    let same_name = RolloutId::parse(other).is_ok_and(|other| other.name() == found.id.name());
    let by_name = args.rollout.as_deref().is_some_and(|text| text == found.id.name() && same_name);
    if by_name || args.rule.is_some() || args.cluster.is_some() {
        terminal::say(&format!("{how}; going by the rule's tags"));
        return Ok(Settled::Moved);
    }
    let other = crate::domain::text::escape(other);
    let failure = Failure::new(Exit::Refused, how).note(format!("rollout {other} moves its rule now"));
    Err(failure.hint(format!("to take that one back: tidegate rollback --rule {rule}")))
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
    let short = short::look(context, plan, &found.id).await;
    if let Some(short) = &short {
        terminal::say(&format!("short      {}", short.words(plan, args.scale_first)));
    }
    ask(context, args, found.id.as_str())?;
    let offered = short.is_some_and(short::Short::can_wait) && !args.scale_first;
    Ok(args.scale_first || (offered && terminal::confirm("Scale the stable slot up first, and let the traffic wait?")))
}
