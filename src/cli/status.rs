//! `tidegate status`: where a rollout stands, from its tape.

use super::context::Context;
use super::{Exit, Failure, terminal};
use crate::journal::{self, Tape};
use crate::machine::Machine;
use crate::report::{Status, Summary};
use crate::text::escape;

/// Say where a rollout stands.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate status\n  tidegate status web --json\n  tidegate status web --store s3://releases/tidegate"
)]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    rollout: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let stores = context.stores(None).await?;
    let found = stores.find(args.rollout.as_deref()).await?;
    let tape = journal::read(&found.store, &found.id).await?;
    let (machine, summary) = fold(&tape);
    let id = found.id.as_str();
    let at = found.now(context, &machine);
    let progress = machine.progress();
    let status = Status { id, at, plan: machine.plan(), progress: &progress, summary: &summary };
    let over = machine.outcome().is_some();
    let driver = found.driver(machine.plan()).await;
    if context.json() {
        let mut json = status.json();
        json["runner"] = serde_json::json!(driver.is_some());
        json["driver"] = serde_json::json!(driver.as_ref().map(|owner| &owner.by));
        terminal::print_json(&json)?;
        return Ok(Exit::Done);
    }
    terminal::print(&status.text(terminal::page_style(context)))?;
    match driver {
        _ if over => {}
        Some(owner) => terminal::print(&format!("\nDriven by {} since {}\n", escape(&owner.by), owner.since))?,
        None => terminal::print(&format!("\nNobody drives it. To go on: tidegate resume {id}\n"))?,
    }
    Ok(Exit::Done)
}

/// A tape folded into where the rollout stands and what has happened.
pub(super) fn fold(tape: &Tape) -> (Machine, Summary) {
    let mut machine = Machine::new(tape.header.plan.clone());
    let mut summary = Summary::new();
    for record in &tape.records {
        let reaction = machine.apply(record.at, record.event.clone());
        for notice in &reaction.notices {
            summary.take(record.at, notice);
        }
    }
    (machine, summary)
}
