//! The way back by a rule's tags alone, for the hour in which the store cannot be asked.

use std::time::Duration;

use super::args::{Args, ask, say};
use crate::cli::context::Context;
use crate::cli::drivers::Reach;
use crate::cli::people::whoami;
use crate::cli::{Exit, Failure, terminal};
use crate::cloud::Delivery;
use crate::cloud::alb::beacon::{self, Marked};
use crate::cloud::aws::Aws;
use crate::cloud::drivers::{codedeploy, ecs};
use crate::domain::clock::span;
use crate::domain::fault::FaultKind;
use crate::domain::name::{Arn, RolloutId};
use crate::domain::safeguard::{Beacon, TakenBack};
use crate::domain::traffic::Share;
use crate::engine::{AskedAt, ByTags, Notifier, Patience, back_by_tags};
use crate::journal;
use crate::lease::of_service;
use crate::machine::{Event, Notice, OperatorRequest};
use crate::report::Report as _;
use crate::report::news::About;

/// How long messages to others are waited for.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// What a service is called among leases, from its ARN.
pub(super) fn service_of(arn: &str) -> String {
    let parsed = Arn::parse(arn);
    let (account, region) = parsed.as_ref().map_or(("", ""), |arn| (arn.account, arn.region));
    let mut path = parsed.as_ref().map_or("", |arn| arn.resource).split('/').skip(1);
    let (cluster, name) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    of_service(account, region, cluster, name)
}

/// The one rule among a service's that a rollout has marked.
pub(super) async fn only_rule(aws: &Aws, cluster: &str, service: &str, rules: Vec<String>) -> Result<String, Failure> {
    let mut marked = Vec::new();
    for rule in rules {
        if beacon::marked(aws, &rule).await?.is_some() {
            marked.push(rule);
        }
    }
    match marked.len() {
        1 => Ok(marked.remove(0)),
        0 => Err(Failure::new(
            Exit::Refused,
            format!("no rollout moves {service} in {cluster}: no rule of it is marked"),
        )),
        _ => {
            let mut failure = Failure::new(Exit::Usage, format!("several rules of {service} are marked: say which"));
            failure.notes = marked.into_iter().map(|rule| format!("--rule {rule}")).collect();
            Err(failure)
        }
    }
}

/// The way back by a rule's tags alone.
pub(super) async fn blind(context: &Context, rule: &str, args: &Args, asked: &AskedAt) -> Result<Exit, Failure> {
    let region = Arn::parse(rule).map(|arn| arn.region.to_owned());
    let aws = context.aws(region.as_deref()).await;
    let Some(marked) = beacon::marked(&aws, rule).await? else {
        let failure = Failure::new(Exit::Refused, format!("{rule} carries no mark of a rollout"));
        return Err(failure.hint("its tags tidegate:rollout and tidegate:stable would say what to go back to"));
    };
    let (stable, candidate) = (&marked.target.stable.target_group_name, &marked.target.candidate.target_group_name);
    if marked.phase == Beacon::Committed {
        let failure = Failure::new(Exit::Refused, format!("rollout {} is committed", marked.rollout));
        return Err(
            failure.hint("once it is over: `tidegate rollback --to previous`, with the store that has its journal")
        );
    }
    if marked.seen.share == Some(Share::NONE) && marked.phase == Beacon::Aborting {
        say(context, &format!("already on stable: {stable} has everything, and the rule is marked as going back"))?;
        stop_deployment(&aws, (rule, [stable, candidate]), args).await;
        return Ok(Exit::Done);
    }
    terminal::say(&format!("rollout    {}, by the rule's tags", crate::domain::text::escape(&marked.rollout)));
    terminal::say(&format!("rule       {rule}"));
    terminal::say(&format!("now        {}", crate::domain::text::escape(&marked.seen.text)));
    terminal::say(&format!("after      {stable} has everything, {candidate} nothing; its tasks stay"));
    ask(context, args, &format!("--rule {rule}"))?;
    let sticky = marked.seen.sticky;
    let back = TakenBack { by: whoami(context), reason: args.reason.clone() };
    let cloud = Reach { context, aws: &aws, connect_to: context.connect_to() }.by_tags(&marked, context.clock());
    let cloud = cloud.going_back_for(back.clone());
    let tags = ByTags { stable, sticky, accepts_unhealthy: args.accept_unhealthy_stable };
    let seen = back_by_tags(&cloud, tags).await.map_err(|fault| {
        let unhealthy = fault.operation == "DescribeTargetHealth" && fault.kind == FaultKind::Permanent;
        let failure = Failure::from(fault);
        let hint = "scale its service up first, or go back all the same with --accept-unhealthy-stable";
        if unhealthy { failure.hint(hint) } else { failure }
    })?;
    let took = span(asked.wall.now().since(asked.at));
    // The rule first, because the weights are back with it; AWS's own way back writes the same.
    stop_deployment(&aws, (rule, [stable, candidate]), args).await;
    if seen.share != Some(Share::NONE) {
        return Err(Failure::new(Exit::Stranded, format!("the rule says {} after the write", seen.text)));
    }
    say(context, &format!("all traffic is on {stable}, read back {took} after the command"))?;
    tell_others(context, &aws, (&marked, &back), asked).await;
    if seen.brief {
        terminal::say(&format!(
            "clients that hold a cookie of {candidate} are led there at least once more: AWS does not take the rule's \
             stickiness off while one of its target groups is sticky itself"
        ));
    }
    let sticky = match (sticky, seen.brief) {
        (false, _) => "",
        (true, false) => ", stickiness of the rule, which is off now",
        (true, true) => ", stickiness of the rule, which is one second now",
    };
    terminal::say(&format!(
        "what is left undone: the candidate's tasks, held autoscaling, the switch{sticky}. When the store answers: \
         tidegate rollback {}",
        crate::domain::text::escape(&marked.rollout)
    ));
    Ok(Exit::Done)
}

/// Tells whom the spec names, where the journal can be read: nobody else may know of this rollback for a while.
async fn tell_others(context: &Context, aws: &Aws, (marked, back): (&Marked, &TakenBack), asked: &AskedAt) {
    let Ok(id) = RolloutId::parse(&marked.rollout) else { return };
    let Ok(stores) = context.stores(None).await else { return };
    let read = journal::read(&stores.main, &id);
    let Some(Ok(recorded)) = Patience::new(&asked.wall).soon(read).await else { return };
    let mut machine = journal::replay(recorded.header.plan, &recorded.records);
    let (delivery, queue) = Delivery::open(&machine.plan().notify, context.variables(), aws, terminal::say);
    let mut notifier = Notifier::new(About { id, rehearsal: context.follows_lab() }, queue);
    let TakenBack { by, reason } = back.clone();
    let request = Event::Requested { request: OperatorRequest::Rollback, by, reason, left: None };
    let at = context.clock().now().max(machine.now());
    let mut notices = machine.apply(at, request).notices;
    notices.push(Notice::TrafficBack { took: asked.wall.now().since(asked.at) });
    for notice in &notices {
        notifier.tell(at, notice, &machine);
    }
    delivery.close(TOLD_WITHIN).await;
}

/// Stops what would write other weights over those of the way back: a deployment of ECS's own, or one of CodeDeploy's
/// that shifts between the rule's target groups. What does not work is said, and holds nothing up.
async fn stop_deployment(aws: &Aws, (rule, groups): (&str, [&String; 2]), args: &Args) {
    let at = args.cluster.as_deref().zip(args.service.as_deref());
    match ecs::stop_deployment(aws, rule, at).await {
        Ok(None) => {}
        Ok(Some(found)) => {
            let (id, brings) =
                (crate::domain::text::escape(&found.id), crate::domain::text::escape(&found.task_definition));
            terminal::say(&format!("ECS is told to take its deployment of {brings} back: {id}"));
        }
        Err(fault) => {
            let fault = crate::domain::text::escape(&fault.to_string());
            terminal::say(&format!("whether ECS deploys here by itself could not be asked: {fault}"));
        }
    }
    match codedeploy::unattended::stop_between(aws, groups.map(String::as_str)).await {
        Ok(None) => {}
        Ok(Some(id)) => {
            terminal::say(&format!(
                "CodeDeploy is told to take its deployment back: {}",
                crate::domain::text::escape(&id)
            ));
        }
        Err(fault) => {
            let fault = crate::domain::text::escape(&fault.to_string());
            terminal::say(&format!("whether CodeDeploy deploys here could not be asked: {fault}"));
        }
    }
}
