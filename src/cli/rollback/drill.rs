//! `rollback --dry-run`: proves that the way back is open, and changes nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::Args;
use crate::cli::context::{Context, Stores};
use crate::cli::{Exit, Failure, terminal};
use crate::cloud::alb::drill::{self, Serving};
use crate::cloud::alb::{beacon, prove};
use crate::domain::clock::span;
use crate::domain::name::Arn;
use crate::domain::text::{escape, hang, many, pad};
use crate::journal;

/// The most rules of one service that are tried.
const RULES_LIMIT: usize = 10;
/// Columns of a label.
const LABEL: usize = 13;

/// What is to be proven.
struct Target {
    rules: Vec<String>,
    /// The stable slot's target group, where a rollout says which that is.
    stable: Option<String>,
    rollout: Option<String>,
}

pub(super) async fn run(context: &Context, stores: &Stores, args: &Args) -> Result<Exit, Failure> {
    let target = target(context, stores, args).await?;
    let mut facts = vec![("store", stored(stores, &target).await?)];
    let mut shown = Vec::new();
    for rule in &target.rules {
        let region = Arn::parse(rule).map(|arn| arn.region.to_owned());
        let aws = context.aws(region.as_deref()).await;
        if shown.is_empty() {
            facts.push(("caller", prove::caller(&aws).await?.0));
        }
        let (serving, sticky) = drill::serving(&aws, rule).await?;
        healthy(&serving, target.stable.as_deref())?;
        drill::may_write(&aws, rule).await?;
        facts.push(("rule", rule.clone()));
        facts.push(("now", serving.iter().map(words).collect::<Vec<_>>().join(", ")));
        facts.extend(sticky.map(|span| ("sticky", bound(&serving, span))));
        shown.push(value(rule, &serving));
    }
    facts.push(("may", "write these weights: the load balancer would take a write of the rule".to_owned()));
    if context.json() {
        let facts: serde_json::Map<String, Value> = facts
            .iter()
            .filter(|(label, _)| ["store", "caller", "sticky"].contains(label))
            .map(|(l, w)| ((*l).into(), json!(w)))
            .collect();
        let mut line = json!({"type": "drill", "rollout": target.rollout, "rules": shown});
        if let Value::Object(line) = &mut line {
            line.extend(facts);
        }
        terminal::print_json(&line)?;
        return Ok(Exit::Done);
    }
    let width = terminal::page_style(context).width;
    let mut text = "the way back is open; nothing was changed\n\n".to_owned();
    for (label, words) in &facts {
        text.push_str(&hang(&format!("  {}", pad(label, LABEL)), LABEL + 2, &escape(words), width));
    }
    text.push_str(&hang(
        &format!("  {}", pad("not tried", LABEL)),
        LABEL + 2,
        "what comes after the traffic: tasks, autoscaling",
        width,
    ));
    terminal::print(&text)?;
    Ok(Exit::Done)
}

async fn target(context: &Context, stores: &Stores, args: &Args) -> Result<Target, Failure> {
    if let Some(rule) = &args.rule {
        return Ok(Target { rules: vec![rule.clone()], stable: None, rollout: None });
    }
    if let Some((cluster, service)) = args.cluster.as_deref().zip(args.service.as_deref()) {
        let aws = context.aws(None).await;
        let mut rules = beacon::find_service(&aws, cluster, service).await?.rules;
        if rules.is_empty() {
            return Err(Failure::new(Exit::Refused, format!("no rule forwards to {service} in {cluster}")));
        }
        rules.truncate(RULES_LIMIT);
        return Ok(Target { rules, stable: None, rollout: None });
    }
    let found = stores.find_to_act(args.rollout.as_deref()).await?;
    found.refuse_gone_lab()?;
    let plan = journal::header(&found.store, &found.id).await?.plan;
    let stable = Some(plan.target.stable.target_group_name);
    Ok(Target { rules: vec![plan.target.rule], stable, rollout: Some(found.id.as_str().to_owned()) })
}

/// What the store says of the rules.
async fn stored(stores: &Stores, target: &Target) -> Result<String, Failure> {
    let place = stores.main.place();
    let rule = target.rules.first().map(String::as_str).unwrap_or_default();
    let standing = stores.main.standing(rule).await?;
    Ok(match standing.map(|standing| standing.control) {
        Some(control) => format!("{place}: the rule's latest rollout is {}", control.rollout),
        None => format!("{place}: it knows of no rollout of the rule"),
    })
}

/// Refuses what a rollback could not go back to.
fn healthy(serving: &[Serving], stable: Option<&str>) -> Result<(), Failure> {
    let serves = |group: &&Serving| stable.map_or(group.healthy > 0, |name| group.target_group == name);
    match serving.iter().find(serves) {
        Some(group) if group.healthy > 0 => Ok(()),
        Some(group) => {
            let failure =
                Failure::new(Exit::Refused, format!("{} has no healthy target to go back to", group.target_group));
            Err(failure.hint("a rollback would give it its tasks first"))
        }
        None => Err(Failure::new(Exit::Refused, "no target group of the rule has a healthy target")),
    }
}

/// What the write would make of stickiness, and who would still be led where.
fn bound(serving: &[Serving], cookies: Duration) -> String {
    let sticky: Vec<&str> =
        serving.iter().filter(|group| group.sticky).map(|group| group.target_group.as_str()).collect();
    if sticky.is_empty() {
        return "the write would turn stickiness off, so that clients come back at once".to_owned();
    }
    let (groups, cookies) = (sticky.join(" and "), span(cookies));
    format!(
        "the write would bind clients for a second, because {groups} is sticky itself: clients with a cookie of the \
         candidate are led there at least once more, and for {cookies} at most"
    )
}

fn words(group: &Serving) -> String {
    let healthy = many(u64::from(group.healthy), "healthy target");
    format!("{} weight {} with {healthy}", group.target_group, group.weight)
}

fn value(rule: &str, serving: &[Serving]) -> Value {
    let groups = serving
        .iter()
        .map(|group| json!({"target_group": group.target_group, "weight": group.weight, "healthy": group.healthy}));
    json!({"rule": rule, "target_groups": groups.collect::<Vec<_>>()})
}
