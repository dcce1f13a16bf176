//! `tidegate resume`: goes on with a rollout whose runner is gone, or finishes what one that is over left undone.

use super::context::{Context, Found};
use super::exit::CommandAim;
use super::present::fold;
use super::run::drive::go_on;
use super::takeover::takeover;
use super::{Exit, Failure, github, pipeline, terminal, windows};
use crate::engine::Request;
use crate::journal;
use crate::machine::{Machine, OperatorRequest};
use crate::report::Summary;

/// Go on with a rollout whose runner is gone, or finish what one that is over left undone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidegate resume
  tidegate resume web-20261123-140509-0a1b
  tidegate resume web --store s3://releases/tidegate")]
pub(super) struct Args {
    /// The rollout: its whole id, or its spec's whole name or path [default: the only one on an account that is not over].
    pub(super) rollout: Option<String>,
    /// Overrule the windows for the rest of this rollout, and say why; it is kept with the rollout and told.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    break_glass: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let stores = context.stores(None).await?;
    let found = stores.find_to_act(args.rollout.as_deref()).await?.remembered_by(context);
    let (machine, summary) = fold(&journal::read(&found.store, &found.id).await?);
    found.introduce(context, machine.plan());
    if let Some(outcome) = machine.outcome().filter(|_| !machine.has_left()) {
        already_over(context, &found, &machine, &summary)?;
        return Ok(Exit::of(outcome));
    }
    found.refuse_gone_lab()?;
    let plan = machine.plan().clone();
    let takeover = takeover(context, &found, &plan, context.clock());
    if machine.has_left() {
        terminal::say(&format!("rollout {} is over; finishing what it left undone", found.id));
        let going = takeover.go_on(takeover.reopen(&machine).await?, None, None).await?;
        let ending = go_on(context, going).await?;
        // What was to be finished is finished, whatever the rollout came to.
        return Ok(if ending.fenced.is_some() { Exit::Held } else { Exit::Done });
    }
    let taken = takeover.succeed().await?;
    let reason = || Some("the runner before was taking it back".to_owned());
    let back = taken.goes_back().then(|| Request { request: OperatorRequest::Rollback, reason: reason() });
    // Windows are overruled on the way forward, as soon as it has begun.
    let glass = args.break_glass.clone().filter(|_| back.is_none());
    github::remember(context, &found.id, &plan, context.store_url(None));
    let going = takeover.go_on(taken, back, windows::request(context, glass)).await?;
    let ending = go_on(context, going).await?;
    let exit = Exit::of_ending(&ending, CommandAim::Release);
    pipeline::last_line(context, found.id.as_str(), &ending, exit);
    Ok(exit)
}

/// How a rollout that is over ended, told once more: there is nothing to go on with.
fn already_over(context: &Context, found: &Found, machine: &Machine, summary: &Summary) -> Result<(), Failure> {
    let id = found.id.as_str();
    if context.json() {
        return terminal::print_json(&summary.json(id, machine.plan()));
    }
    terminal::say(&format!("rollout {id} is over: there is nothing to go on with"));
    terminal::print(&summary.text(id, machine.plan(), terminal::page_style(context)))
}
