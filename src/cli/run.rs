//! `tidegate run SPEC`: does it.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::context::{Context, Stores};
use super::drive::{Drive, absolute, drive, resources};
use super::lab::{self, LabArgs};
use super::people::whoami;
use super::target::{self, Compiled, compiled, surveyed};
use super::{Exit, Failure, credentials, terminal};
use crate::clock::Clock;
use crate::cloud::Fence;
use crate::engine::{First, Keeper};
use crate::journal::{self, Header, Journal, JournalError};
use crate::lease::{Life, Phase};
use crate::machine::{Event, Machine};
use crate::name::RolloutId;
use crate::plan::{Plan, diagram};
use crate::store::{Store, this_owner};

/// Roll a release out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:
  tidegate run rollout.yaml
  tidegate run rollout.yaml --yes --json > events.jsonl
  tidegate run rollout.yaml --lab --yes --lab-candidate errors=20%",
    mut_args(lab::with_lab)
)]
pub(super) struct Args {
    /// The spec.
    spec: PathBuf,
    /// Do not ask before starting.
    #[arg(long, short)]
    yes: bool,
    /// Rehearse in a lab inside this process, seeded from the spec; no account is needed.
    #[arg(long)]
    lab: bool,
    /// Go on with a deployment of ECS's or CodeDeploy's that somebody else has begun, if it deploys the release and has
    /// moved no traffic yet.
    #[arg(long)]
    adopt: bool,
    #[command(flatten, next_help_heading = "The lab, with --lab")]
    lab_args: LabArgs,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    refuse_unasked(context, &args)?;
    let folder = target::folder(&args.spec);
    let lab = if args.lab { Some(lab::start(&spec, &folder, &args.lab_args, None).await?) } else { None };
    let (aws, clock, connect_to) = match &lab {
        Some(lab) => (lab.aws(), lab.clock(), lab.connections()),
        None => {
            let aws = target::connect(context, &spec).await?;
            (aws, context.clock(), context.connect_to())
        }
    };
    let stores = context.stores(spec.store.as_deref()).await?;
    let store = store(&stores, args.lab);
    let survey = surveyed(context, (&aws, &clock), &spec).await?;
    // Whose the target is comes first: half-way through a rollout it looks like nothing to plan for.
    if !args.lab {
        refuse_held(store, &survey.rule.arn, &clock).await?;
    }
    let Compiled { mut plan, document } = compiled(&aws, (&spec, &folder), survey, target::adopt(args.adopt)).await?;
    plan.warnings.extend(credentials::warning(context, &aws, &plan, clock.now()).await);
    confirm(context, &args, &plan)?;
    let id = RolloutId::new(&plan.name, clock.now(), fastrand::u16(..));
    let keeper = begin(context, store, &plan, (&id, &clock)).await?;
    let spec_path = absolute(&args.spec).display().to_string();
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let spec_digest = digest(&spec_path);
    let header = Header { id: id.clone(), program, at: clock.now(), spec: spec_path, spec_digest, plan: plan.clone() };
    let journal = match Journal::create(store, &header).await {
        Ok(journal) => journal,
        Err(error) => {
            let _ = keeper.release(true).await;
            return Err(error.into());
        }
    };
    announce(context, &id, &plan, &clock);
    let (fence, epoch) = (keeper.fence().clone(), keeper.epoch());
    let cloud = target::driver(context, (&aws, &clock), (&plan, &id, epoch), (document, fence), connect_to);
    let ending = drive(
        context,
        Drive {
            store,
            id: &id,
            machine: Machine::new(plan),
            first: First::New(Event::Started { by: whoami(context) }),
            records: Vec::new(),
            tape: journal,
            cloud,
            clock,
            keeper,
        },
    )
    .await?;
    if let Some(lab) = lab {
        lab.finish(context).await?;
    }
    Ok(Exit::of_ending(&ending))
}

/// The fingerprint of the spec's file as it is now, if it can be read.
fn digest(spec: &str) -> Option<String> {
    let text = std::fs::read(spec).ok()?;
    let digits = Sha256::digest(text).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Some(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}

/// Takes the lease for a new rollout.
async fn begin(
    context: &Context,
    store: &Store,
    plan: &Plan,
    (id, clock): (&RolloutId, &Clock),
) -> Result<Keeper, Failure> {
    let (rule, services) = resources(plan);
    let owner = this_owner(whoami(context), clock);
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let lease = store.begin(rule, &services, (id, &owner), clock).await?;
    Ok(Keeper::new(lease, Fence::new(clock.clone()), clock.clone()))
}

fn store(stores: &Stores, is_lab: bool) -> &Store {
    if is_lab { &stores.lab } else { &stores.main }
}

/// Where nobody can be asked, the answer must be given in advance. Said before anything is looked at.
fn refuse_unasked(context: &Context, args: &Args) -> Result<(), Failure> {
    if args.yes || (terminal::can_ask() && !context.json()) {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, "nobody can be asked here whether to start");
    Err(failure.hint("say so in advance: `--yes`; or look first: `tidegate plan`"))
}

/// Shows the plan and asks.
fn confirm(context: &Context, args: &Args, plan: &Plan) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let style = terminal::page(terminal::stderr_style(context));
    terminal::say(&diagram::text(plan, diagram::Page { width: style.width, unicode: style.unicode }));
    if terminal::confirm("Start this rollout?") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "not started"))
}

/// A runner holds its target, and so does a rollout that is not over although nobody drives it. One that came
/// to its end and could not say so, or that never began, holds nothing.
async fn refuse_held(store: &Store, rule: &str, clock: &Clock) -> Result<(), Failure> {
    let Some(standing) = store.standing(rule).await?.filter(|standing| standing.control.phase != Phase::Over) else {
        return Ok(());
    };
    let control = standing.control;
    let id = control.rollout.clone();
    if let Some(owner) = control.owner.clone().filter(|owner| !owner.is_gone()) {
        let wrong = format!("{rule} is being driven by {}, rollout {id}, since {}", owner.by, owner.since);
        let failure = Failure::new(Exit::Held, wrong);
        return Err(failure.hint(format!("`tidegate status {id}` shows it, `tidegate rollback {id}` ends it")));
    }
    let ended = match journal::read(store, &id).await {
        Ok(tape) => journal::replay(tape.header.plan, &tape.records).outcome().is_some(),
        Err(JournalError::NoHeader) => true,
        Err(_) => false,
    };
    if ended {
        let owner = this_owner(String::from("tidegate"), clock);
        let mut lease = store.take_over(rule, (&id, &owner), Life::Gone, clock).await?;
        return Ok(lease.renew(Phase::Over).await?);
    }
    let failure = Failure::new(Exit::Held, format!("rollout {id} is not over, and it moves the same rule"));
    Err(failure.hint(format!("`tidegate resume {id}` goes on with it, `tidegate rollback {id}` ends it")))
}

fn announce(context: &Context, id: &RolloutId, plan: &Plan, clock: &Clock) {
    if context.json() {
        return;
    }
    let (least, most) = plan.duration();
    let span = |span| crate::clock::span(span);
    let fast =
        if clock.speed() == 1.0 { String::new() } else { format!(", at {} times the wall's speed", clock.speed()) };
    terminal::say(&format!("rollout {id}: {} to {}{fast}", span(least), span(most)));
    for warning in &plan.warnings {
        terminal::say(&format!("note: {}", crate::text::escape(warning)));
    }
}
