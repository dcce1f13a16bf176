//! `tidegate plan SPEC`: the compiled rollout, without doing it.

use std::path::PathBuf;
use std::time::Duration;

use super::context::Context;
use super::lab::{self, LabArgs};
use super::saved::{self, Given, Reviewed};
use super::target::{self, compiled, surveyed};
use super::{Exit, Failure, credentials, terminal};
use crate::journal::Saved;
use crate::plan::{Plan, diagram};
use crate::text::{escape, escape_json};

/// Show what a rollout would do, and how it would go back, without doing it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate plan rollout.yaml
  tidegate plan rollout.yaml --out web.plan
  tidegate plan rollout.yaml --lab")]
pub(super) struct Args {
    /// The spec; or a plan that `--out` wrote, to be shown again.
    #[arg(value_name = "SPEC|PLAN")]
    spec: PathBuf,
    /// How to show it: a page for people, everything for programs, or a state diagram.
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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Mermaid,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if let Given::Plan(saved) = saved::given(&args.spec)? {
        return again(context, &args, &saved);
    }
    let spec = target::spec(context, &args.spec)?;
    let folder = target::folder(&args.spec);
    let lab = if args.lab { Some(lab::start(&spec, &folder, &LabArgs::idle(), None).await?) } else { None };
    let (aws, clock) = match &lab {
        Some(lab) => (lab.aws(), lab.clock()),
        None => (target::connect(context, &spec).await?, context.clock()),
    };
    let survey = surveyed(context, (&aws, &clock), &spec).await?;
    let adopt = target::adopt(args.adopt);
    let mut plan = compiled(&aws, (&spec, &folder), survey.clone(), adopt).await?.plan;
    plan.warnings.extend(credentials::warning(context, &aws, &plan, clock.now()).await);
    show(context, &args, &plan)?;
    if let Some(file) = &args.out {
        let reviewed = Reviewed { plan: &plan, survey: &survey, spec: &spec, path: &args.spec, adopt };
        let until = saved::write(file, &reviewed, clock.now(), args.valid_for)?;
        let file = escape(&file.display().to_string());
        terminal::say(&format!("kept in {file}: `tidegate run {file}` does exactly this, until {until}"));
    }
    if let Some(lab) = lab {
        lab.stop().await;
    }
    Ok(Exit::Done)
}

/// A reviewed plan shown again, as it was.
fn again(context: &Context, args: &Args, saved: &Saved) -> Result<Exit, Failure> {
    if args.lab || args.adopt || args.out.is_some() {
        let wrong = format!("{} is a plan already: it is shown as it was made", args.spec.display());
        return Err(Failure::new(Exit::Usage, wrong).hint("name the spec to plan anew"));
    }
    show(context, args, &saved.plan)?;
    if !context.json() {
        let Saved { at, until, .. } = saved;
        terminal::say(&format!("made at {at}, valid until {until}"));
    }
    Ok(Exit::Done)
}

fn show(context: &Context, args: &Args, plan: &Plan) -> Result<(), Failure> {
    let style = terminal::page_style(context);
    terminal::print(&match if context.json() { Format::Json } else { args.format } {
        Format::Text => diagram::text(plan, diagram::Page { width: style.width, unicode: style.unicode }),
        Format::Json => pretty(&diagram::json(plan)),
        Format::Mermaid => diagram::mermaid(plan),
    })
}

/// A value over several lines, each harmless on a terminal.
fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}").lines().map(|line| escape_json(line) + "\n").collect()
}
