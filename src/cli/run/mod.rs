//! `tidegate run SPEC`: does it.

pub(in crate::cli) mod drive;

use std::net::SocketAddr;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::context::{Context, Found, Stores};
use super::drivers::Reach;
use super::exit::CommandAim;
use super::facts::{self, Made, PlanOptions};
use super::lab::{self, LabArgs, Running};
use super::paths::absolute;
use super::people::whoami;
use super::run::drive::drive;
use super::saved::{self, Given};
use super::target::{self, Compiled, compiled, surveyed};
use super::{Exit, Failure, credentials, github, pipeline, takeover, terminal, windows};
use crate::cloud::alb::ReleaseDocument;
use crate::cloud::aws::Aws;
use crate::domain::clock::Clock;
use crate::domain::fleet::Survey;
use crate::domain::name::RolloutId;
use crate::domain::text::hex;
use crate::engine::{Begun, Driven, Ending, First, Runner, begin, holder};
use crate::journal::{Header, Saved};
use crate::machine::{Event, Machine};
use crate::plan::{Adopt, Plan, Values, diagram};
use crate::spec::Spec;
use crate::store::Store;

/// Roll a release out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:
  tidegate run rollout.yaml
  tidegate run web.plan
  tidegate run rollout.yaml --yes --json > events.jsonl
  tidegate run rollout.yaml --lab --yes --lab-candidate errors=20%",
    mut_args(lab::with_lab)
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// The spec; or a plan that `plan --out` wrote: it is done as it was reviewed, without a question, and refused
    /// (exit 15) when the account is not as it was then.
    #[arg(value_name = "SPEC|PLAN")]
    spec: PathBuf,
    /// Do not ask before starting.
    #[arg(long, short)]
    yes: bool,
    /// Show the whole plan before the question, as `plan` does.
    #[arg(long, conflicts_with = "yes")]
    show_plan: bool,
    /// Rehearse in a lab inside this process, seeded from the spec; no account is needed.
    #[arg(long)]
    lab: bool,
    /// Go on with a deployment of ECS's or CodeDeploy's that somebody else has begun, if it deploys the release and has
    /// moved no traffic yet.
    #[arg(long)]
    adopt: bool,
    /// Start outside of the spec's windows, and overrule them for this rollout: why. It is kept with the rollout and
    /// told.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    break_glass: Option<String>,
    #[command(flatten, next_help_heading = "The lab, with --lab")]
    lab_args: LabArgs,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let wanted = wanted(context, &args)?;
    let lab = if args.lab { Some(lab::start(&wanted.spec, &wanted.folder, &args.lab_args, None).await?) } else { None };
    let (aws, clock, connect_to) = match &lab {
        Some(lab) => (lab.aws(), lab.clock(), lab.connections()),
        None => {
            let aws = target::connect(context, &wanted.spec).await?;
            (aws, context.clock(), context.connect_to())
        }
    };
    let stores = context.stores(wanted.spec.store.as_deref()).await?;
    let store = store(&stores, args.lab);
    let (survey, compiled) = compile(context, (&aws, &clock), store, (&args, &wanted)).await?;
    let Compiled { mut plan, document } = compiled;
    plan.warnings.extend(credentials::warning(context, &aws, &plan, clock.now()).await);
    if args.lab {
        windows::rehearsed(&mut plan, clock.now());
    }
    windows::refuse_closed(&aws, &plan, (clock.now(), args.break_glass.as_deref())).await?;
    if wanted.reviewed.is_none() {
        let made = Made { spec: &wanted.spec, plan: &plan, survey: &survey, document: document.as_ref() };
        confirm(context, (&aws, &clock, connect_to.clone()), &args, &made).await?;
    }
    let url = context.store_url(wanted.spec.store.as_deref());
    let glass = windows::request(context, args.break_glass);
    let start = Start { store, aws: &aws, clock, connect_to, plan, document, spec: wanted.path, digest: wanted.digest };
    let at = lab.as_ref().map_or(Where::Account(url), Where::Lab);
    let (id, ending) = roll_out(context, start, at, glass).await?;
    if let Some(lab) = lab {
        lab.finish(context).await?;
    }
    let exit = Exit::of_ending(&ending, CommandAim::Release);
    pipeline::last_line(context, id.as_str(), &ending, exit);
    Ok(exit)
}

/// A rollout that is ready to begin.
pub(in crate::cli) struct Start<'a> {
    /// Where its journal and its lease will be.
    pub(in crate::cli) store: &'a Store,
    pub(in crate::cli) aws: &'a Aws,
    pub(in crate::cli) clock: Clock,
    /// Where a lab's listeners are.
    pub(in crate::cli) connect_to: Vec<(String, SocketAddr)>,
    pub(in crate::cli) plan: Plan,
    /// The release's document, where it is still to be registered.
    pub(in crate::cli) document: Option<ReleaseDocument>,
    /// The spec's own path, absolute.
    pub(in crate::cli) spec: String,
    /// The fingerprint of its text, if it can be read again.
    pub(in crate::cli) digest: Option<String>,
}

/// Where a rollout runs.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Where<'a> {
    /// In a lab inside this process.
    Lab(&'a Running),
    /// On an account; its journal is in the store with this URL, or in the user's folder.
    Account(Option<&'a str>),
}

/// Begins a rollout and drives it to its end. `then` is what is said to it as soon as it has begun.
pub(in crate::cli) async fn roll_out(
    context: &Context,
    start: Start<'_>,
    at: Where<'_>,
    then: Option<Event>,
) -> Result<(RolloutId, Ending), Failure> {
    let Start { store, aws, clock, connect_to, plan, document, spec, digest } = start;
    let id = RolloutId::new(&plan.name, clock.now(), fastrand::u16(..));
    let (store, lab) = match at {
        Where::Lab(lab) => (store.of_rehearsal(&id), Some(lab)),
        Where::Account(url) => {
            context.remember(&id, url);
            github::remember(context, &id, &plan, url);
            (store.clone(), None)
        }
    };
    let header = Header {
        id: id.clone(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        at: clock.now(),
        spec,
        spec_digest: digest,
        trace: context.trace(),
        plan,
    };
    let Begun { keeper, journal } = begin(&store, &header, whoami(context), &clock).await?;
    let plan = header.plan;
    Found { store: store.clone(), id: id.clone(), is_lab: lab.is_some() }.introduce(context, &plan);
    announce(context, &plan, &clock);
    let runner = Runner { id: &id, epoch: keeper.epoch(), clock: clock.clone(), fence: keeper.fence().clone() };
    let cloud = Reach { context, aws, connect_to }.driver(&plan, runner, document);
    let driven = Driven {
        store,
        id: id.clone(),
        trace: header.trace,
        machine: Machine::new(plan),
        first: First::New(Event::Started { by: whoami(context) }),
        records: Vec::new(),
        journal,
        cloud,
        clock,
        keeper,
        then,
    };
    let ending = drive(context, driven, lab).await?;
    Ok((id, ending))
}

/// What is to be rolled out.
struct Wanted {
    spec: Spec,
    /// Where the spec's relative paths start.
    folder: PathBuf,
    /// The spec's own path, absolute.
    path: String,
    /// The fingerprint of its text, if it can be read again.
    digest: Option<String>,
    adopt: Adopt,
    /// The plan that was reviewed, if one was.
    reviewed: Option<Box<Saved>>,
}

fn wanted(context: &Context, args: &Args) -> Result<Wanted, Failure> {
    let Given::Plan(saved) = saved::given(&args.spec)? else {
        let spec = target::spec(context, &args.spec)?;
        refuse_unasked(context, args)?;
        let (folder, path) = (target::folder(&args.spec), absolute(&args.spec).display().to_string());
        let digest = target::read_bytes(&args.spec).ok().map(digest);
        return Ok(Wanted { spec, folder, path, digest, adopt: target::adopt(args.adopt), reviewed: None });
    };
    if args.lab || args.adopt {
        let wrong = format!("{} is a plan that was reviewed: it is followed as it is", args.spec.display());
        return Err(Failure::new(Exit::Usage, wrong).hint("`--lab` and `--adopt` go with a spec"));
    }
    saved::refuse_old(&saved, &args.spec, context.clock().now())?;
    let (folder, path) = (saved::folder(&saved, &args.spec), saved.spec.clone());
    let (spec, digest) = (saved::spec(context, &saved)?, Some(digest(&saved.text)));
    Ok(Wanted { spec, folder, path, digest, adopt: saved.adopt, reviewed: Some(saved) })
}

/// The plan for the account as it is now; of a plan that was reviewed that same plan, or none.
async fn compile(
    context: &Context,
    (aws, clock): (&Aws, &Clock),
    store: &Store,
    (args, wanted): (&Args, &Wanted),
) -> Result<(Survey, Compiled), Failure> {
    let survey = surveyed(context, (aws, clock), &wanted.spec).await?;
    // Whose the target is comes first: half-way through a rollout it looks like nothing to plan for.
    if !args.lab {
        refuse_held(store, &survey.rule.arn, clock).await?;
    }
    let compiled = compiled(aws, (&wanted.spec, &wanted.folder), survey.clone(), wanted.adopt).await;
    let Some(saved) = &wanted.reviewed else { return Ok((survey, compiled?)) };
    let Compiled { plan, document } = compiled.map_err(|failure| saved::unfit(failure, saved, &args.spec))?;
    let plan = saved::still(saved, &args.spec, &survey, &plan)?;
    Ok((survey, Compiled { plan, document }))
}

/// The fingerprint of a spec's text.
fn digest(text: impl AsRef<[u8]>) -> String {
    hex(Sha256::digest(text))
}

fn store(stores: &Stores, is_lab: bool) -> &Store {
    if is_lab { &stores.lab } else { &stores.main }
}

/// Without a terminal the answer must be given in advance. This is said before anything is looked at.
fn refuse_unasked(context: &Context, args: &Args) -> Result<(), Failure> {
    if args.yes || (terminal::can_ask() && !context.json()) {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, "cannot ask for confirmation: no terminal");
    Err(failure
        .hint("say so in advance: `--yes`; or look first: `tidegate plan SPEC --out FILE`, then `tidegate run FILE`"))
}

/// Shows what differs and what will be done, and asks. Where nothing differs the traffic moves all the same, which is
/// said.
async fn confirm(
    context: &Context,
    at: (&Aws, &Clock, Vec<(String, SocketAddr)>),
    args: &Args,
    made: &Made<'_>,
) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let asked = PlanOptions { values: Values::Masked, price: None, simulate: false };
    let facts = facts::gather(context, at, made, asked).await;
    let style = terminal::page(terminal::stderr_style(context));
    let page = diagram::Page { width: style.width, unicode: style.unicode };
    if args.show_plan {
        terminal::say(&diagram::reviewed(made.plan, &facts, page));
    } else {
        terminal::say(diagram::brief(made.plan, &facts, page).trim_end());
    }
    let nothing = facts.is_nothing_to_do(made.plan);
    let question = if nothing { "Move the traffic to the other slot all the same?" } else { "Start this rollout?" };
    if terminal::confirm(question) {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "not started"))
}

/// Refuses a target that a runner holds, or a rollout that is not over although nobody drives it.
pub(in crate::cli) async fn refuse_held(store: &Store, rule: &str, clock: &Clock) -> Result<(), Failure> {
    let Some(control) = holder(store, rule, clock, takeover::say).await? else { return Ok(()) };
    let id = control.rollout;
    if let Some(owner) = control.owner.filter(|owner| !owner.is_gone()) {
        let wrong = format!("{rule} is being driven by {}, rollout {id}, since {}", owner.by, owner.since);
        let failure = Failure::new(Exit::Held, wrong);
        return Err(failure.hint(format!("`tidegate status {id}` shows it, `tidegate rollback {id}` ends it")));
    }
    let failure = Failure::new(Exit::Held, format!("rollout {id} is not over, and it moves the same rule"));
    Err(failure.hint(format!("`tidegate resume {id}` goes on with it, `tidegate rollback {id}` ends it")))
}

fn announce(context: &Context, plan: &Plan, clock: &Clock) {
    if context.json() {
        return;
    }
    let (least, most) = plan.duration();
    let span = |span| crate::domain::clock::span(span);
    let speed = (clock.speed() * 10.0).round() / 10.0;
    let fast = if speed == 1.0 { String::new() } else { format!(", at {speed}× real time") };
    terminal::say(&format!("it takes {} to {}{fast}", span(least), span(most)));
    for warning in &plan.warnings {
        terminal::say(&format!("note: {}", crate::domain::text::escape(warning)));
    }
}
