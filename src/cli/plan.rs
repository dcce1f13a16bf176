//! `tidegate plan SPEC`: the compiled rollout, without doing it.

use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use super::facts::{self, Made, PlanOptions};
use super::lab::{self, LabArgs};
use super::saved::{self, Given, Reviewed};
use super::target::{self, Compiled, compiled, surveyed};
use super::{Exit, Failure, credentials, terminal};
use crate::domain::text::{escape, escape_json};
use crate::journal::Saved;
use crate::plan::{Facts, Plan, Price, Values, diagram};

/// Show what a rollout would do, and how it would go back, without doing it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate plan rollout.yaml
  tidegate plan rollout.yaml --out web.plan
  tidegate plan rollout.yaml --format markdown --no-simulate > comment.md
  tidegate plan rollout.yaml --lab")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// The spec; or a plan that `--out` wrote, to be shown again.
    #[arg(value_name = "SPEC|PLAN")]
    spec: PathBuf,
    /// How to show it: a page for people, everything for programs, a state diagram, or a comment on a pull request.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Plan against a lab inside this process, seeded from the spec.
    #[arg(long)]
    lab: bool,
    /// Go on with a deployment of ECS's or CodeDeploy's that somebody else has begun, if it deploys the release and has
    /// moved no traffic yet.
    #[arg(long)]
    adopt: bool,
    /// Keep the plan in this file, open to nobody else: `tidegate run FILE` does exactly what it says, without a
    /// question, as long as the account is as it was. It holds the spec and its variables, and no task definition.
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    out: Option<PathBuf>,
    /// How long the plan in the file may be followed.
    #[arg(long, value_name = "TIME", default_value = saved::VALID, value_parser = saved::valid_for)]
    valid_for: Duration,
    /// Exit with 0 when there is nothing to do (what serves is what would be released), 2 when there is something, 1 on
    /// errors that have no code of their own: as terraform does.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Leave out what a simulation says of this spec at today's traffic.
    #[arg(long)]
    no_simulate: bool,
    /// Dollars for an hour of a vCPU and of a GiB of memory in the plan's region, to say what both slots at once cost.
    #[arg(long, value_name = "VCPU,GIB", value_parser = price)]
    price: Option<Price>,
    /// Show the values of environment variables, commands, labels and options that differ; they may be secrets.
    #[arg(long)]
    show_values: bool,
}

fn price(text: &str) -> Result<Price, String> {
    let (vcpu, gib) = text.split_once(',').ok_or("two prices in dollars, such as 0.04048,0.004445")?;
    let number = |text: &str| text.trim().parse().ok().filter(|price: &f64| (0.0..=1000.0).contains(price));
    let wrong = || "a price is a number of dollars, such as 0.04048".to_owned();
    Ok(Price { vcpu: number(vcpu).ok_or_else(wrong)?, gib: number(gib).ok_or_else(wrong)? })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Mermaid,
    Markdown,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let detailed = args.detailed_exitcode;
    let planned = plan(context, args).await;
    planned.map_err(|failure| Failure { exit: failure.exit.detailed(detailed), ..failure })
}

async fn plan(context: &Context, args: Args) -> Result<Exit, Failure> {
    if let Given::Plan(saved) = saved::given(&args.spec)? {
        return again(context, &args, &saved);
    }
    let spec = target::spec(context, &args.spec)?;
    let folder = target::folder(&args.spec);
    let lab = if args.lab { Some(lab::start(&spec, &folder, &LabArgs::idle(), None).await?) } else { None };
    let (aws, clock, connect_to) = match &lab {
        Some(lab) => (lab.aws(), lab.clock(), lab.connections()),
        None => (target::connect(context, &spec).await?, context.clock(), context.connect_to()),
    };
    let survey = surveyed(context, (&aws, &clock), &spec).await?;
    let adopt = target::adopt(args.adopt);
    let Compiled { mut plan, document } = compiled(&aws, (&spec, &folder), survey.clone(), adopt).await?;
    plan.warnings.extend(credentials::warning(context, &aws, &plan, clock.now()).await);
    let made = Made { spec: &spec, plan: &plan, survey: &survey, document: document.as_ref() };
    let facts = facts::gather(context, (&aws, &clock, connect_to), &made, args.asked()).await;
    show(context, &args, &plan, Some(&facts))?;
    if let Some(file) = &args.out {
        let reviewed = Reviewed { plan: &plan, survey: &survey, spec: &spec, path: &args.spec, adopt };
        let until = saved::write(file, &reviewed, clock.now(), args.valid_for)?;
        let file = escape(&file.display().to_string());
        terminal::say(&format!("kept in {file}: `tidegate run {file}` does exactly this, until {}", until.in_full()));
    }
    if let Some(lab) = lab {
        lab.stop().await;
    }
    let something = args.detailed_exitcode && !facts.is_nothing_to_do(&plan);
    Ok(if something { Exit::SOMETHING_TO_DO } else { Exit::Done })
}

impl Args {
    fn asked(&self) -> PlanOptions {
        let values = if self.show_values { Values::Shown } else { Values::Masked };
        PlanOptions { values, price: self.price, simulate: !self.no_simulate }
    }
}

/// A reviewed plan shown again, as it was.
fn again(context: &Context, args: &Args, saved: &Saved) -> Result<Exit, Failure> {
    if args.lab || args.adopt || args.out.is_some() || args.detailed_exitcode {
        let wrong = format!("{} is a plan already: it is shown as it was made", args.spec.display());
        return Err(Failure::new(Exit::Usage, wrong).hint("name the spec to plan anew"));
    }
    show(context, args, &saved.plan, None)?;
    if !context.json() {
        let Saved { at, until, .. } = saved;
        terminal::say(&format!("made at {}, valid until {}", at.in_full(), until.in_full()));
    }
    Ok(Exit::Done)
}

fn show(context: &Context, args: &Args, plan: &Plan, facts: Option<&Facts>) -> Result<(), Failure> {
    let style = terminal::page_style(context);
    let page = diagram::Page { width: style.width, unicode: style.unicode };
    let format = if context.json() { Format::Json } else { args.format };
    terminal::print(&match (format, facts) {
        (Format::Text, None) => diagram::text(plan, page),
        (Format::Text, Some(facts)) => diagram::reviewed(plan, facts, page),
        (Format::Json, None) => pretty(&diagram::json(plan)),
        (Format::Json, Some(facts)) => pretty(&diagram::reviewed_json(plan, facts)),
        (Format::Mermaid, _) => diagram::mermaid(plan),
        (Format::Markdown, facts) => diagram::markdown(plan, facts.unwrap_or(&Facts::default())),
    })
}

/// A value over several lines, each harmless on a terminal.
fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}").lines().map(|line| escape_json(line) + "\n").collect()
}
