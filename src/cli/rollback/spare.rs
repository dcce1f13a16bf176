//! `rollback --to previous` of a rollout that is promoted but not over: it still takes the old tasks away. It is told to
//! leave them and to end, because they are the shortest way back.

use std::time::Duration;

use serde_json::json;

use super::args::Args;
use crate::cli::context::{Context, Found};
use crate::cli::follow::{Followed, Follower};
use crate::cli::people::whoami;
use crate::cli::run::drive::go_on;
use crate::cli::takeover::takeover;
use crate::cli::{Exit, Failure, terminal};
use crate::domain::clock::{Clock, span};
use crate::machine::{Machine, Notice, OperatorRequest};
use crate::plan::Plan;
use crate::report::Lines;
use crate::store::LeftRequest;

/// How long the end of the rollout is waited for, in wall time: AWS's own deployments bake for hours at most.
const ENDS_WITHIN: Duration = Duration::from_secs(2 * 3600);
/// How long a runner may hold the rule after its last line, in wall time.
const LETS_GO_WITHIN: Duration = Duration::from_secs(30);

/// Ends the rollout with its old tasks in place, as far as they still are. False for a dry run, which only says so.
pub(super) async fn run(context: &Context, found: &Found, machine: &Machine, args: &Args) -> Result<bool, Failure> {
    let id = &found.id;
    let plan = machine.plan();
    let first = format!("rollout {id} is promoted and clears up: first it is told to leave the old tasks and to end");
    if args.dry_run {
        if context.json() {
            let to = &plan.before.stable_task_definition;
            terminal::print_json(&json!({"type": "way_back", "rollout": id.as_str(), "to": to, "first": first}))?;
        } else {
            terminal::say(&first);
            terminal::say("then a new rollout goes back: their targets healthy, then all traffic in one step");
        }
        return Ok(false);
    }
    terminal::say(&first);
    let mut follower = Follower::at_end(found).await?;
    let request = OperatorRequest::Spare.as_str().to_owned();
    let at = found.now(context, machine);
    let left = LeftRequest { request, by: whoami(context), reason: args.reason.clone(), at, approves: None };
    found.store.leave_word(id, left).await?;
    if found.driver(plan).await.is_none() {
        return end_it(context, found, plan).await.map(|()| true);
    }
    let mut lines = Lines::new(Box::new(std::io::stderr()), terminal::stderr_style(context), None);
    let tell = |at, notice: &Notice, machine: &Machine| lines.write(at, notice, machine.plan());
    let is_end = |notice: &Notice| matches!(notice, Notice::Finished(_));
    match follower.until((ENDS_WITHIN, &context.clock()), tell, is_end).await? {
        Followed::Done => gives_up_the_lease(found, plan).await.map(|()| true),
        Followed::RunnerGone => end_it(context, found, plan).await.map(|()| true),
        Followed::TimedOut => {
            let wrong = format!("rollout {id} has not ended for {}", span(ENDS_WITHIN));
            Err(Failure::new(Exit::HandedOver, wrong).hint(format!("`tidegate status {id}` says where it stands")))
        }
    }
}

/// Drives a rollout without a runner to its end; what it was told waits in the store.
async fn end_it(context: &Context, found: &Found, plan: &Plan) -> Result<(), Failure> {
    let takeover = takeover(context, found, plan, context.clock());
    let going = takeover.go_on(takeover.succeed().await?, None, None).await?;
    let ending = go_on(context, going).await?;
    let id = &found.id;
    if ending.fenced.is_some() {
        return Err(Failure::new(Exit::Held, format!("somebody else took rollout {id} over")));
    }
    if ending.outcome.is_none() {
        let failure = Failure::new(Exit::HandedOver, format!("rollout {id} was left before its end"));
        return Err(failure.hint(format!("`tidegate rollback {id} --to previous` goes on")));
    }
    Ok(())
}

/// Waits until the runner, which has written its last line, lets the rule go.
async fn gives_up_the_lease(found: &Found, plan: &Plan) -> Result<(), Failure> {
    let wall = Clock::wall();
    let deadline = wall.now() + LETS_GO_WITHIN;
    while found.driver(plan).await.is_some() {
        if wall.now() >= deadline {
            let wrong = format!("rollout {} is over, and its runner still holds the rule", found.id);
            return Err(Failure::new(Exit::Held, wrong).hint("the same command once more"));
        }
        wall.sleep_until(wall.now() + found.store.between_looks()).await;
    }
    Ok(())
}
