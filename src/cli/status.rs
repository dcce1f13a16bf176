//! `tidegate status`: where a rollout stands, from its journal.

use super::context::Context;
use super::present::Present;
use super::{Exit, Failure, terminal};
use crate::domain::text::escape;

/// Say where a rollout stands.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate status\n  tidegate status web --json\n  tidegate status web --store s3://releases/tidegate"
)]
pub(super) struct Args {
    /// The rollout: its id, the beginning of one, or a spec's name for the newest [default: the newest
    /// that is not over].
    pub(super) rollout: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let present = Present::find(context, args.rollout.as_deref()).await?;
    let (status, driver) = (present.status(), present.driver());
    if context.json() {
        let mut json = status.json();
        json["runner"] = serde_json::json!(driver.is_some());
        json["driver"] = serde_json::json!(driver.map(|(by, _)| by));
        terminal::print_json(&json)?;
        return Ok(Exit::Done);
    }
    terminal::print(&status.text(terminal::page_style(context)))?;
    match driver {
        _ if present.machine.outcome().is_some() => {}
        Some((by, since)) => terminal::print(&format!("\nDriven by {} since {}\n", escape(by), since.in_full()))?,
        None => terminal::print(&format!("\nNobody drives it. To go on: tidegate resume {}\n", status.id))?,
    }
    Ok(Exit::Done)
}
