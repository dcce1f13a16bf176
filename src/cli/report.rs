//! `tidegate report`: a rollout on one page, from its journal.

use std::path::PathBuf;

use super::context::Context;
use super::present::{Present, flaw};
use super::{Exit, Failure, terminal};
use crate::machine::Machine;
use crate::report::Why;
use crate::report::page::{Origin, Page, Story};

/// Write a page about a rollout.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate report web --output report.html
  tidegate report web-20261123-140509-0a1b --output report.html
  tidegate report web --format markdown >> \"$GITHUB_STEP_SUMMARY\"
  tidegate report web --format otlp --output trace.json")]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    pub(super) rollout: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Write it here [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One HTML file that needs nothing beside it.
    Html,
    /// Markdown of at most 60,000 bytes, for a job's summary or a pull request's comment.
    Markdown,
    /// The trace of it, as OTLP in JSON: what a collector takes at `/v1/traces`.
    #[cfg(feature = "otel")]
    Otlp,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    if context.json() {
        return Err(Failure::new(Exit::Usage, "a report is a page for people")
            .hint("`tidegate history ROLLOUT --json` has the same as events, `tidegate status --json` as one object"));
    }
    let present = Present::find(context, args.rollout.as_deref()).await?;
    let text = match args.format {
        #[cfg(feature = "otel")]
        Format::Otlp => super::telemetry::exported(context, &present)?,
        Format::Html | Format::Markdown => page(&present, args.format),
    };
    terminal::deliver(&text, args.output.as_deref())?;
    if let Some(file) = &args.output {
        terminal::say(&format!("written: {}", crate::domain::text::escape(&file.display().to_string())));
    }
    Ok(Exit::Done)
}

/// The page as one HTML file.
pub(super) fn html(present: &Present) -> String {
    page(present, Format::Html)
}

/// The page that people read.
fn page(present: &Present, format: Format) -> String {
    let header = &present.recorded.header;
    let mut machine = Machine::new(header.plan.clone());
    let mut story = Story::default();
    for record in &present.recorded.records {
        let reaction = machine.apply(record.at, record.event.clone());
        story.take(record.at, &record.event, &reaction.notices, &machine);
    }
    let flaws: Vec<String> = flaw(&present.recorded.end).into_iter().collect();
    let page = Page {
        why: Why { status: present.status(), driver: present.driver(), last: present.machine.now() },
        origin: Origin {
            spec: &header.spec,
            digest: header.spec_digest.as_deref(),
            program: &header.program,
            begun: header.at,
        },
        story: &story,
        exit: present.machine.outcome().map(Exit::of).map(|exit| (exit as u8, exit.meaning())),
        flaws: &flaws,
    };
    if format == Format::Markdown { page.markdown() } else { page.html() }
}
