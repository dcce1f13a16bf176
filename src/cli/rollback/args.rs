//! What `rollback` and `abort` are told, and how they ask and answer.

use crate::cli::context::Context;
use crate::cli::{Exit, Failure, terminal};

/// Take the traffic back.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(in crate::cli) struct Args {
    /// The rollout: its whole id, or its spec's whole name or path [default: the only one on an account that is not over].
    #[arg(conflicts_with_all = ["cluster", "rule"])]
    pub(in crate::cli) rollout: Option<String>,
    /// The rollout that moves a service of this cluster: needs no spec and no name.
    #[arg(long, requires = "service", conflicts_with = "rule")]
    pub(super) cluster: Option<String>,
    /// The service, with --cluster: either of the two that are swapped.
    #[arg(long, requires = "cluster")]
    pub(super) service: Option<String>,
    /// The rollout that moves this listener rule, by its ARN.
    #[arg(long, value_name = "ARN")]
    pub(super) rule: Option<String>,
    /// After a promotion: go back to the release that it replaced, or to this revision of the family (41, web:41 or an
    /// ARN), by a new rollout: its tasks healthy first, then all traffic in one step.
    #[arg(long, value_name = "previous|REVISION")]
    pub(super) to: Option<String>,
    /// Why; it is kept with the rollout.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Prove that it could be done: credentials, store, rule, healthy targets, permission. Nothing is changed.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Give the stable slot the tasks it had before the rollout, and the traffic once they are healthy (for 5
    /// minutes at most) [default: the traffic first, unless the stable slot has no healthy target].
    #[arg(long, conflicts_with = "rule")]
    pub(super) scale_first: bool,
    /// Go back even to a stable slot without a healthy target, where only the rule's tags are left to go by.
    #[arg(long)]
    pub(super) accept_unhealthy_stable: bool,
}

pub(super) fn say(context: &Context, text: &str) -> Result<(), Failure> {
    if context.json() {
        return terminal::print_json(&serde_json::json!({"type": "answer", "text": text}));
    }
    terminal::print(&format!("{}\n", crate::domain::text::escape(text)))
}

/// The one question; answered in advance by `--yes`, and never asked where nobody can answer.
pub(super) fn ask(context: &Context, args: &Args, what: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if context.json() || !terminal::can_ask() {
        let failure = Failure::new(Exit::Usage, "cannot ask for confirmation: no terminal");
        return Err(failure.hint(format!("say so in advance: `tidegate rollback {what} --yes`")));
    }
    if terminal::confirm("Take the traffic back?") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}
