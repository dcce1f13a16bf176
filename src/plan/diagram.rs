//! The plan printed: for people, for programs, and as a picture.

mod asked;
mod json;
mod markdown;
mod mermaid;
mod review;
#[cfg(test)]
pub(crate) mod sample;
mod text;
mod units;

use std::time::Duration;

pub use json::{json, reviewed_json};
pub use markdown::{MARKDOWN_LIMIT, markdown};
pub use mermaid::mermaid;
pub use text::{brief, reviewed, text};

use super::{Action, Plan, ReleasePlan, Step};
use crate::domain::driver::DriverKind;
use crate::domain::name::Arn;
use crate::domain::text::many;
use crate::domain::traffic::Share;
use crate::gate::compare::{Baseline, Feed};
use crate::gate::{Check, CommandRule, Gate, MetricSource, Of, WebhookRule};

/// What the page is like that [`text()`] is printed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many columns it has; `usize::MAX` where nothing needs to wrap.
    pub width: usize,
    /// Whether it takes more than ASCII.
    pub unicode: bool,
}

/// One step with what its place in the plan means for it.
struct Entry<'a> {
    step: &'a Step,
    title: String,
    earliest: Duration,
    latest: Duration,
    before: Share,
    after: Share,
}

/// The steps in order, with the time that those before them take at least and at most.
fn timeline(plan: &Plan) -> Vec<Entry<'_>> {
    let (mut earliest, mut latest) = (Duration::ZERO, Duration::ZERO);
    let mut entries = Vec::new();
    for (n, step) in plan.steps.iter().enumerate() {
        let title = step.title(&plan.gates);
        let (before, after) = (plan.share_after(n), plan.share_after(n + 1));
        entries.push(Entry { step, title, earliest, latest, before, after });
        earliest += plan.least(step);
        latest += step.within;
    }
    entries
}

/// A task definition's `family:revision`, when it is an ARN.
fn task_definition(arn: &str) -> &str {
    Arn::parse(arn).map_or(arn, |arn| arn.resource.trim_start_matches("task-definition/"))
}

/// What will run on the candidate slot.
fn release(plan: &Plan) -> String {
    match &plan.release {
        ReleasePlan::Registered(arn) => task_definition(arn).to_owned(),
        ReleasePlan::Register { source, .. } => format!("a new revision from {source}"),
    }
}

/// The rule's weights as they stood before, by the target groups' names.
fn weights_before(plan: &Plan) -> Vec<(String, u16)> {
    let target = &plan.target;
    let name = |arn: &str| {
        let place = [&target.stable, &target.candidate].into_iter().find(|place| place.target_group == arn);
        place.map_or_else(|| group_name(arn).to_owned(), |place| place.target_group_name.clone())
    };
    plan.before.weights.iter().map(|(arn, weight)| (name(arn), *weight)).collect()
}

fn group_name(arn: &str) -> &str {
    Arn::parse(arn).and_then(|arn| arn.resource.split('/').nth(1)).unwrap_or(arn)
}

/// What the way back does, in order.
fn retreat(plan: &Plan) -> Vec<String> {
    let weights: Vec<String> = weights_before(plan).iter().map(|(name, weight)| format!("{name} {weight}")).collect();
    let (before, target) = (&plan.before, &plan.target);
    let quiet = super::QUIET_PERIODS;
    let tasks = |desired: u32, arn: &str| {
        let of = if arn.is_empty() { String::new() } else { format!(" of {}", task_definition(arn)) };
        format!("{}{of}", many(u64::from(desired), "task"))
    };
    let stable = tasks(before.stable_desired, &before.stable_task_definition);
    let candidate = tasks(before.candidate_desired, &before.candidate_task_definition);
    let secured = plan.steps.iter().any(|step| step.action == Action::Secure);
    let removed = plan.dead_man.as_ref().map(|_| "remove the dead-man's switch, and see that it is gone".to_owned());
    let freed = (secured && !before.scaling.is_empty()).then(|| "set autoscaling back to what it was".to_owned());
    let mut acts = vec![
        format!("only if {} has no healthy target: give it back its {stable}", target.stable.service),
        traffic_back(plan, &weights.join(", ")),
    ];
    acts.extend(removed);
    acts.extend([
        format!("wait until {} had no request for {quiet} closed minutes", target.candidate.target_group_name),
        match plan.driver.kind() {
            DriverKind::Pair => format!("set {} back to {candidate}", target.candidate.service),
            DriverKind::TaskSets => format!("take the candidate's task set off {}", target.candidate.service),
            kind => format!("wait until {} has ended its way back, which takes the candidate's tasks", kind.mover()),
        },
    ]);
    acts.extend(freed);
    let turned = before.stickiness.filter(|_| plan.driver.kind().can().unsticks);
    acts.extend(turned.map(|span| format!("turn stickiness on again, for {}", crate::domain::clock::span(span))));
    acts.extend(secured.then(|| "take the rollout's tags off the rule".to_owned()));
    acts
}

/// How the traffic goes back to these weights.
fn traffic_back(plan: &Plan, weights: &str) -> String {
    let kind = plan.driver.kind();
    let off = match (plan.before.stickiness.filter(|_| kind.can().unsticks), plan.before.sticky_groups.is_empty()) {
        (None, _) => "",
        (Some(_), true) => ", stickiness off so that clients come back at once",
        (Some(_), false) => ", stickiness for a second so that clients come back with their next request but one",
    };
    let call = match kind {
        DriverKind::Pair | DriverKind::TaskSets => {
            return format!("set the rule's weights to {weights}{off}; read them back");
        }
        DriverKind::Ecs => "StopServiceDeployment, ROLLBACK",
        DriverKind::CodeDeploy => "StopDeployment with its rollback",
    };
    let mover = kind.mover();
    format!(
        "tell {mover} to go back ({call}) until the rule's weights read {weights}; where {mover} cannot, write them{off}"
    )
}

/// What a gate needs to be answered.
fn needs(gate: &Gate) -> String {
    match &gate.check {
        Check::Alarm(rule) => format!("the state and history of alarm {}", rule.alarm),
        Check::Metric(rule) => {
            let (samples, source) = read_from(&rule.source);
            let (of, period) = (rule.of, crate::domain::clock::span(rule.period));
            let points = if of == 1 { "datapoint" } else { "datapoints" };
            format!("{of} {points} of {period}{samples}, after each step: {source}")
        }
        Check::Probe(rule) => {
            let wait = crate::domain::clock::span(rule.timeout);
            format!(
                "answers within {wait} each, before any traffic; gives up after {}",
                crate::domain::clock::span(rule.within)
            )
        }
        Check::Compare(rule) => format!("requests in both slots, by the {}", source(&rule.feed)),
        Check::Split(rule) => format!("requests in both slots, by the {}", source(&rule.feed)),
        Check::Burn(rule) => format!(
            "a closed minute with requests in either slot, after each step; reads back {}",
            crate::domain::clock::span(rule.long)
        ),
        Check::Webhook(WebhookRule { timeout, every, .. }) | Check::Command(CommandRule { timeout, every, .. }) => {
            let (wait, every) = (crate::domain::clock::span(*timeout), crate::domain::clock::span(*every));
            format!("an answer within {wait}, at once in each step and then every {every}")
        }
        Check::Tasks(_) => "the service's tasks and the load balancer's health checks".to_owned(),
    }
}

fn source(feed: &Feed) -> String {
    let period = crate::domain::clock::span(feed.span());
    match feed {
        Feed::LoadBalancer => format!("load balancer's own count every {period}"),
        Feed::Custom(custom) => format!("metrics of {} every {period}", custom.namespace),
        Feed::Prometheus(server) => format!("Prometheus server {} every {period}", server.url),
    }
}

/// What a gate learned from the stable slot's past, if it learned anything.
fn learned(gate: &Gate) -> Option<String> {
    let Check::Compare(rule) = &gate.check else { return None };
    let Baseline { bins, rate, errors, error_noise, thresholds, .. } = &rule.baseline;
    if *bins == 0 {
        return None;
    }
    let covers = crate::domain::clock::span(rule.feed.span() * u32::try_from(*bins).unwrap_or(u32::MAX));
    let share = |part: f64| format!("{:.2}%", part * 100.0);
    let slow = thresholds.iter().map(|mark| {
        let name = mark.quantile.map_or(String::new(), |part| format!("p{} ", (part * 1000.0).round() / 10.0));
        format!("{name}{:.3}s", mark.stable)
    });
    let slow: Vec<String> = slow.collect();
    let slow = if slow.is_empty() { String::new() } else { format!("; slow is counted at {}", slow.join(", ")) };
    Some(format!(
        "{covers} of the stable slot: {rate:.1} requests a second, {} errors that scatter {error_noise:.1} times as \
         much as chance{slow}",
        share(*errors),
    ))
}

/// What else a datapoint needs, and where it is read.
fn read_from(source: &MetricSource) -> (String, String) {
    match source {
        MetricSource::CloudWatch(metric) => {
            let inputs: Vec<String> = metric.inputs.iter().map(input).collect();
            let samples = match &metric.samples {
                Some((id, least)) => format!(", each with at least {least} in {id}"),
                None => String::new(),
            };
            (samples, inputs.join(", "))
        }
        MetricSource::Prometheus(metric) => (String::new(), format!("one series of {}", metric.url)),
    }
}

fn input(input: &crate::gate::Input) -> String {
    let whose = match input.of {
        Of::Slot(role) => format!(" of the {role} slot"),
        Of::LoadBalancer => " of the load balancer".to_owned(),
        Of::Named => String::new(),
    };
    format!("{} = {} {}{whose}", input.id, input.statistic, input.metric)
}

/// Whether a gate can send the rollout back while it does this.
fn judges(gate: &Gate, index: usize, action: &Action) -> bool {
    match action {
        _ if gate.watch => false,
        Action::Probe(probe) => *probe == index,
        Action::Prepare(_) => matches!(gate.check, Check::Tasks(_)),
        Action::Shift(_) | Action::Hold(_) | Action::Watch(_) | Action::Ramp { .. } | Action::Approve(_) => {
            gate.is_continuous()
        }
        Action::Register | Action::Secure | Action::Commit | Action::Retire | Action::Conclude | Action::Settle => {
            false
        }
    }
}
