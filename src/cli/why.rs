//! `tidegate why`: why a rollout stands where it stands, from its tape.

use super::context::Context;
use super::status::fold;
use super::{Exit, Failure, terminal};
use crate::journal;
use crate::report::{Status, Why};

/// Say why a rollout stands where it does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate why\n  tidegate why web --store s3://releases/tidegate\n  tidegate why web --json"
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
    let progress = machine.progress();
    let (id, at) = (found.id.as_str(), found.now(context, &machine));
    let status = Status { id, at, plan: machine.plan(), progress: &progress, summary: &summary };
    let owner = found.driver(machine.plan()).await;
    let driver = owner.as_ref().map(|owner| (owner.by.as_str(), owner.since));
    let why = Why { status, driver, last: machine.now() };
    if context.json() {
        terminal::print_json(&why.json())?;
    } else {
        terminal::print(&why.text(terminal::page_style(context)))?;
    }
    Ok(Exit::Done)
}
