//! `tidegate history`: the rollouts of the store, one told again from its journal, or what they add up to.

mod figures;
mod list;

use std::path::PathBuf;

use super::context::{Context, Found};
use super::present::{flaw, fold};
use super::{Exit, Failure, terminal};
use crate::domain::text::escape;
use crate::journal;
use crate::machine::Machine;
use crate::report::{Lines, Stream};

/// List the rollouts, or tell one again from its journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The figures are DORA's, as far as a rollout sees them: promoted rollouts in a week; the part of those with traffic
that went back or was stranded; from the decision to go back to the traffic read back; from start to promoted.
Rehearsals in a lab of the runner's own do not count. A rollout is abandoned where it is not over and nobody drives it.

Examples:
  tidegate history
  tidegate history web
  tidegate history --name web --limit 5
  tidegate history --figures --days 90
  tidegate history --prometheus /var/lib/node_exporter/tidegate.prom")]
pub(super) struct Args {
    /// The rollout to tell again: its id, the beginning of one, or a spec's name for the newest.
    #[arg(conflicts_with_all = ["name", "limit", "days", "figures", "lab", "prometheus"])]
    pub(super) rollout: Option<String>,
    /// Only rollouts of this spec's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only the newest so many [default: 20, and all with --json, --figures and --prometheus].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only those that began in the last so many days.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Say how often releases are made, how many fail, and how long they take, instead of the list.
    #[arg(long, conflicts_with = "prometheus")]
    figures: bool,
    /// Rehearsals in a lab of the runner's own too.
    #[arg(long)]
    lab: bool,
    /// Write the figures of each name as metrics for Prometheus's textfile collector; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let stores = context.stores(None).await?;
    if let Some(text) = &args.rollout {
        return tell(context, &stores.find(Some(text)).await?).await;
    }
    let (rows, left) = list::rows(context, &stores, args).await?;
    match &args.prometheus {
        Some(file) => figures::export(context, &rows, file)?,
        None if args.figures => figures::show(context, &rows, args.name.as_deref())?,
        None => list::show(context, &rows, left)?,
    }
    Ok(Exit::Done)
}

async fn tell(context: &Context, found: &Found) -> Result<Exit, Failure> {
    let recorded = journal::read(&found.store, &found.id).await?;
    let mut machine = Machine::new(recorded.header.plan.clone());
    if !context.json() {
        let _ = terminal::print(&found.introduction(machine.plan(), terminal::stdout_style(context)));
    }
    let out = || Box::new(std::io::stdout());
    let mut lines = Lines::new(out(), terminal::stdout_style(context), None);
    let mut stream = context.json().then(|| Stream::new(out()));
    for record in &recorded.records {
        let reaction = machine.apply(record.at, record.event.clone());
        for notice in &reaction.notices {
            match &mut stream {
                Some(stream) => stream.write(record.at, notice, machine.plan()),
                None => lines.write(record.at, notice, machine.plan()),
            }
        }
    }
    if let Some(flaw) = flaw(&recorded.end) {
        terminal::say(&escape(&flaw));
    }
    if !context.json() {
        let (_, summary) = fold(&recorded);
        let account = summary.text(found.id.as_str(), machine.plan(), terminal::page_style(context));
        terminal::print(&format!("\n{account}"))?;
    }
    Ok(Exit::Done)
}
