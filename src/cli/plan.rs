//! `tidegate plan SPEC`: the compiled rollout, without doing it.

use std::path::PathBuf;

use super::context::Context;
use super::lab::{self, LabArgs};
use super::target::{self, compiled, surveyed};
use super::{Exit, Failure, terminal};
use crate::cloud::aws::Aws;
use crate::plan::diagram;

/// Show what a rollout would do, and how it would go back, without doing it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate plan rollout.yaml
  tidegate plan rollout.yaml --format mermaid > plan.mmd
  tidegate plan rollout.yaml --lab")]
pub(super) struct Args {
    /// The spec.
    spec: PathBuf,
    /// How to show it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Plan against a lab inside this process, seeded from the spec.
    #[arg(long)]
    lab: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A page for people.
    #[default]
    Text,
    /// Everything, for programs.
    Json,
    /// A state diagram.
    Mermaid,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    let folder = target::folder(&args.spec);
    let lab = if args.lab { Some(lab::start(&spec, &folder, &LabArgs::idle(), None).await?) } else { None };
    let (aws, clock) = match &lab {
        Some(lab) => (lab.aws(), lab.clock()),
        None => (Aws::connect(&context.settings(spec.target.region.as_deref())).await, context.clock()),
    };
    let survey = surveyed(&aws, &clock, &spec).await?;
    let plan = compiled(&aws, &spec, &folder, survey).await?.plan;
    let style = terminal::stdout_style(context);
    let text = match if context.json() { Format::Json } else { args.format } {
        Format::Text => diagram::text(&plan, diagram::Page { width: style.width.min(100), unicode: style.unicode }),
        Format::Json => format!("{:#}\n", diagram::json(&plan)),
        Format::Mermaid => diagram::mermaid(&plan),
    };
    terminal::print(&text)?;
    if let Some(lab) = lab {
        lab.stop().await;
    }
    Ok(Exit::Done)
}
