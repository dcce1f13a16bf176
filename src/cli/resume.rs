//! `tidegate resume`: goes on with a rollout whose runner is gone.

use std::path::Path;

use super::context::{Context, Found};
use super::people::whoami;
use super::present::fold;
use super::run::drive::{Drive, drive};
use super::{Exit, Failure, github, pipeline, release, target, terminal, windows};
use crate::cloud::alb::ReleaseDocument;
use crate::cloud::aws::Aws;
use crate::cloud::{Cloud, Fence, RouteOrder};
use crate::domain::clock::{Clock, Timestamp, span};
use crate::domain::trace::TraceParent;
use crate::domain::traffic::Share;
use crate::engine::{Ending, First, JournalSink, LeaseKeeper};
use crate::journal::{self, Journal, JournalEnd, JournalError, Recorded};
use crate::lease::Life;
use crate::machine::{Event, Machine, OperatorRequest, Outcome};
use crate::plan::{Action, Plan, ReleasePlan};
use crate::store::{Lease, LeaseError, this_owner};

/// How often a journal is opened anew because the runner before wrote another line meanwhile. One that was
/// preempted writes a few more at most before it notices.
const TRIES: u32 = 20;

/// Go on with a rollout whose runner is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate resume
  tidegate resume web-20261123-140509-0a1b
  tidegate resume web --store s3://releases/tidegate")]
pub(super) struct Args {
    /// The rollout: its whole id, or its spec's whole name [default: the only one on an account that is not over].
    rollout: Option<String>,
    /// Overrule the windows for the rest of this rollout, and say why; it is kept with the rollout and told.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    break_glass: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let stores = context.stores(None).await?;
    let found = stores.find_to_act(args.rollout.as_deref()).await?;
    if let Some(exit) = already_over(context, &found).await? {
        return Ok(exit);
    }
    refuse_gone_lab(&found)?;
    let plan = journal::header(&found.store, &found.id).await?.plan;
    let clock = context.clock();
    let lease = silent(context, &found, &plan, &clock).await?;
    let reason = || "the runner before was taking it back".to_owned();
    let back = lease.held().control().goes_back().then(|| (OperatorRequest::Rollback, Some(reason())));
    let request = back.or_else(|| args.break_glass.clone().map(|reason| (OperatorRequest::BreakGlass, Some(reason))));
    github::remember(context, &found.id, &plan, context.store_url(None));
    let ending = go_on(context, &found, (plan, clock), lease, request).await?;
    let exit = Exit::of_ending(&ending);
    pipeline::last_line(context, found.id.as_str(), &ending, exit);
    Ok(exit)
}

/// How a rollout that is over ended, told once more: there is nothing to go on with.
async fn already_over(context: &Context, found: &Found) -> Result<Option<Exit>, Failure> {
    let recorded = journal::read(&found.store, &found.id).await?;
    let (machine, summary) = fold(&recorded);
    let Some(outcome) = machine.outcome() else { return Ok(None) };
    let id = found.id.as_str();
    if context.json() {
        terminal::print_json(&summary.json(id, machine.plan()))?;
    } else {
        terminal::say(&format!("rollout {id} is over: there is nothing to go on with"));
        terminal::print(&summary.text(id, machine.plan(), terminal::page_style(context)))?;
    }
    Ok(Some(Exit::of(outcome)))
}

/// The lease of a rollout whose owner is silent. One who may live is watched for as long as a lease lasts.
async fn silent(context: &Context, found: &Found, plan: &Plan, clock: &Clock) -> Result<Lease, Failure> {
    let rule = &plan.target.rule;
    let owner = this_owner(whoami(context), clock);
    match found.store.take_over(rule, (&found.id, &owner), Life::Possible, clock).await {
        Err(LeaseError::Refused { .. }) => {}
        taken => return Ok(taken?),
    }
    let life = found.store.watch_owner(rule, clock, |owner, patience| {
        let by = crate::domain::text::escape(&owner.by);
        let speed = clock.speed();
        terminal::say(&format!("waiting {} at most for a sign of {by}", span(patience.div_f64(speed))));
    });
    let life = life.await?;
    Ok(found.store.take_over(rule, (&found.id, &owner), life, clock).await?)
}

/// Goes on with a rollout under a lease that was just taken, to its end: forward, or, with a word, back.
pub(super) async fn go_on(
    context: &Context,
    found: &Found,
    (plan, clock): (Plan, Clock),
    lease: Lease,
    request: Option<(OperatorRequest, Option<String>)>,
) -> Result<Ending, Failure> {
    // Windows are overruled on the way forward, as soon as it has begun.
    let (request, glass) = match request {
        Some((OperatorRequest::BreakGlass, reason)) => (None, windows::request(context, reason)),
        request => (request, None),
    };
    let keeper = LeaseKeeper::new(lease, Fence::new(clock.clone()), clock.clone());
    let kept = go_on_kept(context, found, (plan, clock), &keeper, request).await;
    match kept {
        Ok(Going::Over(outcome)) => {
            let _ = keeper.release(true).await;
            Ok(Ending { outcome: Some(outcome), handed_over: None, fenced: None, is_untold: false })
        }
        Ok(Going::Ready(ready)) => {
            let Ready { trace, machine, first, records, writer, cloud, clock } = *ready;
            let (store, id) = (&found.store, &found.id);
            let (recorded, is_lab) = (writer, found.is_lab);
            drive(
                context,
                Drive {
                    store,
                    id,
                    trace,
                    machine,
                    first,
                    records,
                    recorded,
                    cloud,
                    clock,
                    keeper,
                    is_lab,
                    request: glass,
                },
            )
            .await
        }
        Err(failure) => {
            // Somebody else may still be able to go on.
            let _ = keeper.release(false).await;
            Err(failure)
        }
    }
}

/// What stands after a journal was taken over.
enum Going {
    Over(Outcome),
    Ready(Box<Ready>),
}

struct Ready {
    trace: Option<TraceParent>,
    machine: Machine,
    first: First,
    records: Vec<journal::Record>,
    writer: Writer,
    cloud: crate::cloud::alb::AlbDriver,
    clock: Clock,
}

async fn go_on_kept(
    context: &Context,
    found: &Found,
    (plan, clock): (Plan, Clock),
    keeper: &LeaseKeeper,
    request: Option<(OperatorRequest, Option<String>)>,
) -> Result<Going, Failure> {
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    let (by, epoch) = (whoami(context), keeper.epoch());
    for _ in 0..TRIES {
        let Opened { recorded, mut writer } = open(found, request.is_some()).await?;
        let machine = journal::replay(plan.clone(), &recorded.records);
        if let Some(outcome) = over(&machine, request.is_some()) {
            if request.is_some() && matches!(outcome, Outcome::RolledBack(_)) {
                let fence = keeper.fence().clone();
                let rollout = (&plan, &found.id, epoch);
                let cloud = target::driver(context, (&aws, &clock), rollout, (None, fence), context.connect_to());
                mend(&cloud, &plan).await;
            }
            return Ok(Going::Over(outcome));
        }
        // The runner before may have had a clock that was ahead of ours: time in the journal never goes back.
        let clock = clock.not_before(machine.now());
        let document = if request.is_some() { None } else { document(context, &aws, (&recorded, &machine)).await? };
        let mut events = Vec::new();
        for event in first((&by, epoch), &machine, &recorded, request.clone()) {
            events.push((clock.now(), event));
        }
        match write(&mut writer, &events).await {
            Ok(()) => {}
            Err(JournalError::Taken(_)) => continue,
            // Past the commit the word changes nothing, and nothing goes forward without a journal.
            Err(error) if request.is_some() && !machine.is_committed() => {
                terminal::say(&format!("{error}; going back without writing it down"));
                writer = Writer::Nowhere;
            }
            Err(error) => return Err(error.into()),
        }
        let fence = keeper.fence().clone();
        let cloud =
            target::driver(context, (&aws, &clock), (&plan, &found.id, epoch), (document, fence), context.connect_to());
        let (first, records, trace) = (First::Journaled(events), recorded.records, recorded.header.trace);
        return Ok(Going::Ready(Box::new(Ready { trace, machine, first, records, writer, cloud, clock })));
    }
    Err(Failure::new(Exit::Held, format!("the runner of {} keeps writing its journal", found.id)))
}

/// The first write of a rollback turned stickiness off, before the journal said that the rollout had gone back already.
async fn mend(cloud: &impl Cloud, plan: &Plan) {
    if plan.before.stickiness.is_none() {
        return;
    }
    let order = RouteOrder { share: Share::NONE, expected: Some(Share::NONE), sticky: Some(true) };
    if let Err(fault) = cloud.route(order).await {
        terminal::say(&format!(
            "stickiness of the rule may stay off: {}",
            crate::domain::text::escape(&fault.to_string())
        ));
        terminal::say(&format!("to turn it on again: {}", crate::report::stickiness_call(plan)));
    }
}

/// A lab that ran inside a runner went with it: there is nothing left to go on with.
pub(super) fn refuse_gone_lab(found: &Found) -> Result<(), Failure> {
    if !found.is_lab {
        return Ok(());
    }
    let wrong = format!("rollout {} ran in a lab inside its runner, which is gone", found.id);
    Err(Failure::new(Exit::Refused, wrong).hint("`tidegate lab` serves a lab that outlives a runner"))
}

fn over(machine: &Machine, goes_back: bool) -> Option<Outcome> {
    let outcome = machine.outcome()?;
    let again = goes_back && matches!(outcome, Outcome::Stranded { .. });
    (!again).then(|| outcome.clone())
}

/// With what a journal is taken over. What comes of the first of two is not performed before the second.
fn first(
    (by, epoch): (&str, u64),
    machine: &Machine,
    recorded: &Recorded,
    request: Option<(OperatorRequest, Option<String>)>,
) -> Vec<Event> {
    let recovered = Event::Recovered { by: by.to_owned(), epoch };
    let told = request.map(|(request, reason)| Event::Requested { request, by: by.to_owned(), reason });
    match told {
        // A stranded rollout is over: only the word itself moves it. One that never began must not begin
        // only to go back.
        Some(told) if machine.outcome().is_some() || recorded.records.is_empty() => vec![told],
        told => std::iter::once(recovered).chain(told).collect(),
    }
}

async fn write(writer: &mut Writer, events: &[(Timestamp, Event)]) -> Result<(), JournalError> {
    for (at, event) in events {
        writer.append(*at, event).await?;
    }
    Ok(())
}

struct Opened {
    recorded: Recorded,
    writer: Writer,
}

/// Where the events of a taken-over rollout go: nowhere when a damaged journal cannot be salvaged, because a way
/// back needs no journal.
enum Writer {
    Recorded(Journal),
    Nowhere,
}

impl JournalSink for Writer {
    async fn append(&mut self, at: Timestamp, event: &Event) -> Result<(), JournalError> {
        match self {
            Writer::Recorded(journal) => journal.append(at, event).await,
            Writer::Nowhere => Ok(()),
        }
    }
}

async fn open(found: &Found, goes_back: bool) -> Result<Opened, Failure> {
    match Journal::open(&found.store, &found.id).await {
        Ok((journal, recorded)) => {
            if let JournalEnd::Torn { at, bytes } = &recorded.end {
                terminal::say(&format!("the last line of the journal was not whole: {bytes} bytes cut at {at}"));
            }
            let opened = Opened { recorded, writer: Writer::Recorded(journal) };
            refuse_forward_from_damage(found, &opened.recorded, goes_back).await?;
            Ok(opened)
        }
        Err(error @ JournalError::Damaged { .. }) if goes_back => {
            terminal::say(&format!("{error}; going back by what was written before it"));
            Ok(salvage(found).await?)
        }
        Err(error @ JournalError::Damaged { .. }) => Err(forward_is_closed(found, error.into())),
        Err(error) => Err(error.into()),
    }
}

async fn salvage(found: &Found) -> Result<Opened, JournalError> {
    match Journal::salvage(&found.store, &found.id).await {
        Ok((journal, recorded)) => Ok(Opened { recorded, writer: Writer::Recorded(journal) }),
        Err(error) => {
            terminal::say(&format!("{error}; going back without writing it down"));
            Ok(Opened { recorded: journal::read(&found.store, &found.id).await?, writer: Writer::Nowhere })
        }
    }
}

/// What is left of a damaged journal leads back only, whoever comes after the one who began the way back.
async fn refuse_forward_from_damage(found: &Found, recorded: &Recorded, goes_back: bool) -> Result<(), Failure> {
    if goes_back || !found.store.is_cut(&found.id).await? {
        return Ok(());
    }
    let machine = journal::replay(recorded.header.plan.clone(), &recorded.records);
    if machine.is_retreating() || machine.outcome().is_some() {
        return Ok(());
    }
    let wrong = Failure::new(Exit::Refused, format!("the journal of rollout {} was damaged", found.id));
    Err(forward_is_closed(found, wrong))
}

fn forward_is_closed(found: &Found, wrong: Failure) -> Failure {
    wrong.hint(format!("forward is closed; `tidegate rollback {}` still goes back", found.id))
}

/// The document to register, when that is still to be done: it must be what was planned.
async fn document(
    context: &Context,
    aws: &Aws,
    (recorded, machine): (&Recorded, &Machine),
) -> Result<Option<ReleaseDocument>, Failure> {
    let plan = &recorded.header.plan;
    let ReleasePlan::Register { digest, source } = &plan.release else { return Ok(None) };
    let step = plan.steps.get(machine.progress().step);
    if step.is_none_or(|step| step.action != Action::Register) {
        return Ok(None);
    }
    let path = Path::new(&recorded.header.spec);
    let spec = target::spec(context, path).map_err(|failure| {
        let id = &recorded.header.id;
        failure.hint(format!(
            "the release is still to be registered, so its spec is needed; `tidegate rollback {id}` needs none"
        ))
    })?;
    let ready = release::prepare(aws, &spec.release, &target::folder(path)).await?;
    match ready.document {
        Some(document) if document.digest() == *digest => Ok(Some(document)),
        _ => Err(Failure::new(Exit::Refused, format!("the release ({source}) is not what was planned any more"))
            .hint("`tidegate rollback` ends this rollout; then run the new one")),
    }
}
