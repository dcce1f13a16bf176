//! `tidegate plan SPEC`: the compiled rollout, without doing it.

use std::path::PathBuf;

use super::context::Context;
use super::lab::{self, LabArgs};
use super::target::{self, compiled, surveyed};
use super::{Exit, Failure, credentials, terminal};
use crate::plan::diagram;
use crate::text::escape_json;

/// Show what a rollout would do, and how it would go back, without doing it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate plan rollout.yaml
  tidegate plan rollout.yaml --format mermaid > plan.mmd
  tidegate plan rollout.yaml --lab")]
pub(super) struct Args {
    /// The spec.
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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Mermaid,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    let folder = target::folder(&args.spec);
    let lab = if args.lab { Some(lab::start(&spec, &folder, &LabArgs::idle(), None).await?) } else { None };
    let (aws, clock) = match &lab {
        Some(lab) => (lab.aws(), lab.clock()),
        None => (target::connect(context, &spec).await?, context.clock()),
    };
    let survey = surveyed(context, (&aws, &clock), &spec).await?;
    let mut plan = compiled(&aws, (&spec, &folder), survey, target::adopt(args.adopt)).await?.plan;
    plan.warnings.extend(credentials::warning(context, &aws, &plan, clock.now()).await);
    let style = terminal::page_style(context);
    let text = match if context.json() { Format::Json } else { args.format } {
        Format::Text => diagram::text(&plan, diagram::Page { width: style.width, unicode: style.unicode }),
        Format::Json => pretty(&diagram::json(&plan)),
        Format::Mermaid => diagram::mermaid(&plan),
    };
    terminal::print(&text)?;
    if let Some(lab) = lab {
        lab.stop().await;
    }
    Ok(Exit::Done)
}

/// A value over several lines, each harmless on a terminal.
fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}").lines().map(|line| escape_json(line) + "\n").collect()
}
