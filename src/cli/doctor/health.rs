//! Compares health checks, draining, slow start, stickiness and capacity with the times of the plan.

use std::time::Duration;

use super::Patient;
use super::check::Check;
use crate::domain::clock::span;
use crate::domain::driver::DriverKind;
use crate::domain::fleet::{Slot, SlotView};
use crate::domain::text::many;
use crate::plan::{Action, Plan, needs, short, sticky};

/// The services and what the driver asks of them.
pub(super) fn target(patient: &Patient<'_>) -> Vec<Check> {
    let survey = patient.survey;
    let (cluster, balancer) = (&survey.cluster, &survey.load_balancer);
    let place =
        format!("cluster {cluster}, load balancer {balancer} port {}, {}", survey.rule.port, survey.rule.conditions);
    let mut checks = vec![Check::ok("rule", place)];
    let kind = patient.spec.driver.kind();
    let fits = |slot: &&SlotView| kind.can().takes(&slot.controller, &slot.strategy);
    let wrong = [&survey.blue, &survey.green].into_iter().find(|slot| !fits(slot));
    checks.push(match wrong {
        None => Check::ok("driver", format!("{kind} fits: {}, {}", survey.blue.controller, survey.blue.strategy)),
        Some(slot) => {
            let SlotView { controller, strategy, place, .. } = slot;
            let check = Check::fail("driver", format!("service {}: {controller}, {strategy}", place.service));
            let fitting = DriverKind::of_service(controller, strategy);
            check.remedy(
                fitting.map_or_else(|| needs(kind), |fitting| format!("{}; the driver {fitting} fits it", needs(kind))),
            )
        }
    });
    if let Some(group) = &survey.code_deploy {
        let wait = group
            .ready_wait
            .map_or("does not wait before traffic".to_owned(), |wait| format!("waits {} before traffic", span(wait)));
        let kept = span(group.termination_wait);
        let text = format!("{}/{} {wait}, keeps the old tasks {kept}", group.application, group.group);
        checks.push(Check::ok("deployment group", text));
    }
    if let Some(going) = &survey.under_way {
        checks.push(
            Check::fail("under way", format!("deployment {} is at stage {}", going.id, going.stage))
                .remedy("wait until it has ended, or `tidegate run --adopt`, if it deploys the release"),
        );
    }
    checks
}

/// Times of the load balancer against those of the plan.
pub(super) fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let survey = patient.survey;
    let shortest = patient.plan.and_then(shortest_hold);
    let limits = patient.spec.limits;
    let mut checks = Vec::new();
    for slot in [&survey.blue, &survey.green] {
        let group = &slot.place.target_group_name;
        checks.push(starts(group, slot, limits.prepare));
        checks.push(breaks(group, slot, shortest));
        checks.extend(warms_up(group, slot, shortest));
        checks.push(drains(group, slot, limits.drain));
    }
    checks.push(match sticky(patient.spec.driver.kind(), survey) {
        None => Check::ok("stickiness", "off"),
        Some(said) => Check::warn("stickiness", said)
            .remedy("weights move new clients only; a longer hold than the cookie's lets shares come true"),
    });
    checks
}

fn shortest_hold(plan: &Plan) -> Option<Duration> {
    let holds = plan.steps.iter().filter_map(|step| match step.action {
        Action::Hold(span) => Some(span),
        _ => None,
    });
    holds.min()
}

/// How long a new task takes to count.
fn starts(group: &str, slot: &SlotView, limit: Duration) -> Check {
    let takes = slot.health_interval * slot.healthy_threshold;
    let (checks, every) = (many(u64::from(slot.healthy_threshold), "check"), span(slot.health_interval));
    let text =
        format!("healthy {} after a task answers: {checks} every {every}, limits.prepare {}", span(takes), span(limit));
    if takes * 2 > limit {
        return Check::warn(group, text).remedy("check more often, or raise limits.prepare: tasks also have to start");
    }
    Check::ok(group, text)
}

/// How long a broken target still gets requests.
fn breaks(group: &str, slot: &SlotView, shortest: Option<Duration>) -> Check {
    let takes = slot.health_interval * slot.unhealthy_threshold;
    let text = format!("a broken target gets requests for {}", span(takes));
    match shortest.filter(|hold| *hold < takes) {
        Some(hold) => Check::warn(group, format!("{text}, and the shortest hold is {}", span(hold)))
            .remedy("check more often, or hold longer: a hold should outlast what the load balancer needs to notice"),
        None => Check::ok(group, text),
    }
}

/// How long a new target gets less than its share.
fn warms_up(group: &str, slot: &SlotView, shortest: Option<Duration>) -> Option<Check> {
    let start = slot.slow_start;
    if start.is_zero() {
        return None;
    }
    let text = format!("slow start: a new target gets less than its share for {}", span(start));
    Some(match shortest.filter(|hold| *hold <= start) {
        Some(hold) => Check::warn(group, format!("{text}, and the shortest hold is {}", span(hold)))
            .remedy("hold longer than that, or shorten slow_start: the first share is judged before it has come true"),
        None => Check::ok(group, text),
    })
}

/// How long requests in flight have when a target leaves.
fn drains(group: &str, slot: &SlotView, limit: Duration) -> Check {
    let delay = slot.deregistration_delay;
    let text = format!("drained for {} when a target leaves", span(delay));
    if delay.is_zero() {
        return Check::warn(group, format!("{text}: requests in flight are cut"))
            .remedy("set the deregistration delay above the longest request");
    }
    if delay >= limit {
        return Check::warn(group, format!("{text}, and limits.drain is {}", span(limit)))
            .remedy("raise limits.drain above it, or shorten the deregistration delay");
    }
    Check::ok(group, text)
}

/// Tasks there are, and tasks there may be.
pub(super) fn capacity(patient: &Patient<'_>) -> Vec<Check> {
    let survey = patient.survey;
    let mut checks = Vec::new();
    let weight = |slot: &SlotView| {
        survey.rule.weights.iter().find(|(arn, _)| *arn == slot.place.target_group).map_or(0, |(_, weight)| *weight)
    };
    let stable = if weight(&survey.green) > weight(&survey.blue) { &survey.green } else { &survey.blue };
    for slot in [&survey.blue, &survey.green] {
        let SlotView { desired, running, healthy, .. } = slot;
        let name = slot.place.slot.to_string();
        let text = format!("{} wanted, {running} running, {healthy} healthy", many(u64::from(*desired), "task"));
        checks.push(if slot.place.slot != stable.place.slot {
            Check::ok(&name, text)
        } else if *healthy == 0 || *desired == 0 {
            Check::fail(&name, format!("{text}: there is nothing to go back to"))
                .remedy("bring the stable slot up first")
        } else if let Some(short) = short(slot) {
            Check::warn(&name, short)
                .remedy("no weight is given while the stable slot is short; see why its tasks are not healthy")
        } else {
            Check::ok(&name, text)
        });
    }
    match &survey.scaling {
        Err(why) => {
            let said = format!("autoscaling cannot be read, so it is not held: {why}");
            checks
                .push(Check::warn("autoscaling", said).remedy("allow application-autoscaling:DescribeScalableTargets"));
        }
        Ok(found) if found.is_empty() => checks.push(Check::ok("autoscaling", "the services have none")),
        Ok(found) => checks.extend(found.iter().map(|(slot, scaling)| room(*slot, *scaling, stable.desired))),
    }
    checks
}

/// Whether a slot may have as many tasks as the stable slot has, and more.
fn room(slot: Slot, scaling: crate::domain::safeguard::Scaling, wanted: u32) -> Check {
    let text = format!("{slot} {} to {} tasks", scaling.min, scaling.max);
    if scaling.max < wanted {
        return Check::warn("autoscaling", format!("{text}, and {wanted} are wanted: policies will take some away"))
            .remedy("raise its maximum to that of the other slot");
    }
    if scaling.max == wanted {
        return Check::warn("autoscaling", format!("{text}, and {wanted} are wanted: no room for more load"))
            .remedy("raise the maximum while a rollout runs");
    }
    Check::ok("autoscaling", text)
}
