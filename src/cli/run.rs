//! `tidegate run SPEC`: does it.

use std::path::PathBuf;

use super::context::{Context, Stores, is_unfinished};
use super::drive::{Drive, absolute, claim, drive};
use super::lab::{self, LabArgs};
use super::people::whoami;
use super::target::{self, Compiled, compiled, surveyed};
use super::{Exit, Failure, terminal};
use crate::clock::Clock;
use crate::journal::{Header, Journal};
use crate::machine::{Event, Machine};
use crate::name::RolloutId;
use crate::plan::{Plan, diagram};
use crate::store::{ClaimError, Held, Store};

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
    let stores = context.stores()?;
    let store = store(&stores, args.lab);
    let survey = surveyed(context, (&aws, &clock), &spec).await?;
    // Whose the target is comes first: half-way through a rollout it looks like nothing to plan for.
    if !args.lab {
        refuse_held(store, &survey.rule.arn)?;
    }
    let Compiled { plan, document } = compiled(&aws, &spec, &folder, survey).await?;
    confirm(context, &args, &plan)?;
    if !args.lab {
        refuse_held(store, &plan.target.rule)?;
    }
    let id = RolloutId::new(&plan.name, clock.now(), fastrand::u16(..));
    let claim = claim(context, store, &plan, (&id, &clock))?;
    let entry = store.create(&id)?;
    let spec_path = absolute(&args.spec).display().to_string();
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let header = Header { id: id.clone(), program, at: clock.now(), spec: spec_path, plan: plan.clone() };
    let journal = Journal::create(&entry.tape(), &header)?;
    announce(context, &id, &plan, &clock);
    let cloud = target::driver(context, (&aws, &clock), (&plan, &id, 1), document, connect_to);
    let ending = drive(
        context,
        Drive {
            store,
            id: &id,
            machine: Machine::new(plan),
            first: Event::Started { by: whoami(context) },
            then: Vec::new(),
            records: Vec::new(),
            tape: journal,
            cloud,
            clock,
        },
    )
    .await?;
    drop(claim);
    if let Some(lab) = lab {
        lab.finish(context).await?;
    }
    Ok(Exit::of_ending(&ending))
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

/// A runner holds its target, and so does a rollout that is not over although nobody drives it.
fn refuse_held(store: &Store, rule: &str) -> Result<(), Failure> {
    let held = |holder| Err(ClaimError::Held { resource: rule.to_owned(), holder }.into());
    match store.holder_of(rule)? {
        Held::By(holder) => return held(Some(holder)),
        Held::Unnamed => return held(None),
        Held::Free => {}
    }
    for entry in store.list()? {
        let Ok(tape) = crate::journal::read(&entry.tape()) else { continue };
        if tape.header.plan.target.rule == rule && is_unfinished(&entry) {
            let id = &entry.id;
            let failure = Failure::new(Exit::Held, format!("rollout {id} is not over, and it moves the same rule"));
            return Err(
                failure.hint(format!("`tidegate resume {id}` goes on with it, `tidegate rollback {id}` ends it"))
            );
        }
    }
    Ok(())
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
