//! `tidegate why`: why a rollout stands where it stands, from its journal.

use super::context::Context;
use super::present::Present;
use super::{Exit, Failure, terminal};
use crate::report::Why;

/// Say why a rollout stands where it does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate why\n  tidegate why web --store s3://releases/tidegate\n  tidegate why web --json"
)]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    pub(super) rollout: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let present = Present::find(context, args.rollout.as_deref()).await?;
    let why = Why { status: present.status(), driver: present.driver(), last: present.machine.now() };
    if context.json() {
        terminal::print_json(&why.json())?;
    } else {
        terminal::print(&why.text(terminal::page_style(context)))?;
    }
    Ok(Exit::Done)
}
