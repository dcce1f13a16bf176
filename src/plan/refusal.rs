//! Refuses a target where the rollout, or the way back, would be impossible.

use super::refused::{PlanRefusal, refusal};
use super::step::{Action, Step};
use super::{entrances, service, weight_of};
use crate::domain::clock::span;
use crate::domain::fleet::{AlarmState, Entrance, Slot, SlotView, Survey};
use crate::domain::name::Arn;
use crate::domain::traffic::weights;
use crate::gate::{AlarmRule, AtStart, Check, TasksRule};
use crate::spec::{Limits, Spec};

/// Every reason to refuse `spec` on this account; `stable` is the slot with all the weight, if any.
pub(super) fn refusals(spec: &Spec, survey: &Survey, steps: &[Step], stable: Option<Slot>) -> Vec<PlanRefusal> {
    let mut found = Vec::new();
    found.extend(default_rule(survey));
    let slots = [&survey.blue, &survey.green];
    found.extend(slots.iter().flat_map(|slot| slot_refusals(survey, slot)));
    found.extend(service::refusals(spec, survey));
    match stable {
        Some(Slot::Blue) => found.extend(role_refusals(spec, survey, steps, &survey.blue, &survey.green)),
        Some(Slot::Green) => found.extend(role_refusals(spec, survey, steps, &survey.green, &survey.blue)),
        // A deployment that has moved traffic is told of as one.
        None if survey.under_way.is_some() && service::moved(survey) => {}
        None => found.extend(no_stable_slot(survey)),
    }
    found.extend(foreign_roles(spec, survey));
    found.extend(alarm_refusals(spec, survey));
    found.extend(survey.release_problems.iter().map(|wrong| PlanRefusal { wrong: wrong.clone(), help: None }));
    found
}

fn default_rule(survey: &Survey) -> Option<PlanRefusal> {
    survey.rule.priority.is_none().then(|| {
        refusal(
            "the rule is the listener's default rule",
            "put the service behind a rule of its own: permissions can then be scoped to it, and it cannot shadow others",
        )
    })
}

/// The scheduler takes on roles of its own account only, and a role writes rules of its own account only.
fn foreign_roles(spec: &Spec, survey: &Survey) -> impl Iterator<Item = PlanRefusal> {
    let dead_man = spec.dead_man.as_ref().map(|switch| ("dead-man's role", switch.role.as_str()));
    let writer = spec.target.writer_role.as_deref().map(|role| ("writer's role", role));
    [dead_man, writer].into_iter().flatten().filter_map(|(what, role)| {
        let account = Arn::parse(role)?.account;
        (account != survey.account && !survey.account.is_empty()).then(|| {
            let wrong = format!("the {what} is in account {account}, and the rule in {}", survey.account);
            refusal(wrong, "name a role in the rule's account")
        })
    })
}

fn slot_refusals(survey: &Survey, slot: &SlotView) -> Vec<PlanRefusal> {
    let place = &slot.place;
    let (which, service, group) = (place.slot, &place.service, &place.target_group_name);
    let mut found = Vec::new();
    if weight_of(survey, slot).is_none() {
        found.push(refusal(
            format!("the rule does not forward to {which}'s target group {group}"),
            format!("add {group} to the rule's forward action with weight 0: its health checks run only then"),
        ));
    }
    if !slot.attached {
        let help = format!("give {service} a load balancer entry for {group}: ECS must register its tasks there");
        found.push(refusal(format!("service {service} does not register its tasks in {group}"), help));
    }
    found
}

fn no_stable_slot(survey: &Survey) -> Option<PlanRefusal> {
    let (blue, green) = (weight_of(survey, &survey.blue)?, weight_of(survey, &survey.green)?);
    let (b, g) = (&survey.blue.place.target_group_name, &survey.green.place.target_group_name);
    Some(if blue == 0 {
        refusal(
            format!("neither {b} nor {g} has weight in the rule, so nothing serves and there is nothing to go back to"),
            "give the slot that runs the good release a weight of 100",
        )
    } else {
        refusal(
            format!("both slots carry weight: {b} {blue}, {g} {green}"),
            "finish the rollout that is under way, or give one slot weight 0: only then is it clear what to go back to",
        )
    })
}

fn role_refusals(
    spec: &Spec,
    survey: &Survey,
    steps: &[Step],
    stable: &SlotView,
    candidate: &SlotView,
) -> Vec<PlanRefusal> {
    let mut found = Vec::new();
    let service = &stable.place.service;
    if stable.desired == 0 || stable.healthy == 0 {
        let wrong = format!(
            "the stable slot {service} has no capacity to go back to: {} tasks wanted, {} healthy targets",
            stable.desired, stable.healthy
        );
        found.push(refusal(wrong, format!("bring {service} up first")));
    }
    if let Some(why) = &stable.unproven {
        let wrong = format!("the stable slot {service} does not hold one proven release: {why}");
        found.push(refusal(wrong, "wait until its deployment is over and only tasks of one revision run"));
    }
    found.extend(health_check(spec, candidate));
    found.extend(unwritable_shares(steps, survey, stable, candidate));
    found.extend(unreachable_probe(spec, survey, candidate));
    found.extend(entrances::refusals(spec, survey, candidate));
    found
}

/// What the tasks gate asks, unless it only watches: then its limit ends nothing.
fn tasks_rule(spec: &Spec) -> Option<&TasksRule> {
    spec.gates.iter().find_map(|gate| match &gate.check {
        Check::Tasks(rule) if !gate.watch => Some(rule),
        _ => None,
    })
}

/// A target needs so many checks at such intervals; a limit below that can never be kept.
fn health_check(spec: &Spec, candidate: &SlotView) -> Option<PlanRefusal> {
    let least = candidate.health_interval * candidate.healthy_threshold;
    let start_within = tasks_rule(spec).map_or(spec.limits.prepare, |rule| rule.start_within);
    let limit = start_within.min(spec.limits.prepare);
    (least >= limit).then(|| {
        let group = &candidate.place.target_group_name;
        let wrong = format!(
            "{group} needs {} checks every {} before a target is healthy, so no task can be healthy within {}",
            candidate.healthy_threshold,
            span(candidate.health_interval),
            span(limit)
        );
        refusal(wrong, format!("check more often, or raise the limit above {}", span(least)))
    })
}

/// Weights are whole numbers up to 999: with further target groups in the rule some shares cannot be said.
fn unwritable_shares(steps: &[Step], survey: &Survey, stable: &SlotView, candidate: &SlotView) -> Vec<PlanRefusal> {
    let pair = [stable, candidate].map(|slot| weight_of(survey, slot).unwrap_or(0));
    let ours = [&stable.place.target_group, &candidate.place.target_group];
    let others = survey.rule.weights.iter().any(|(arn, weight)| !ours.contains(&arn) && *weight > 0);
    let shares = steps.iter().filter_map(|step| match step.action {
        Action::Shift(share) => Some(share),
        _ => None,
    });
    let wrongs = shares.filter_map(|share| weights(share, (pair[0], pair[1]), others).err());
    wrongs.map(|wrong| PlanRefusal { wrong, help: None }).collect()
}

/// A probe that goes through the load balancer reaches the candidate only where a rule leads there.
fn unreachable_probe(spec: &Spec, survey: &Survey, candidate: &SlotView) -> Option<PlanRefusal> {
    let (through, _) = entrances::probes_through(spec, survey).next()?;
    let group = &candidate.place.target_group;
    let leads_there = |one: &Entrance| one.rule.as_ref().is_some_and(|rule| rule.target_group == *group);
    if survey.entrances.iter().any(leads_there) {
        return None;
    }
    let name = &candidate.place.target_group_name;
    let wrong = format!("probe {} cannot reach the candidate: no other rule forwards to {name}", through.name);
    Some(refusal(wrong, format!("point the test listener, or a rule with a test header, at {name}")))
}

/// The alarms that gates ask about, and whether those only watch.
fn alarm_rules(spec: &Spec) -> impl Iterator<Item = (&AlarmRule, bool)> {
    spec.gates.iter().filter_map(|gate| match &gate.check {
        Check::Alarm(rule) => Some((rule, gate.watch)),
        _ => None,
    })
}

fn rings(rule: &AlarmRule, survey: &Survey) -> bool {
    survey.alarms.iter().any(|alarm| alarm.name == rule.alarm && alarm.state == AlarmState::Alarm)
}

fn alarm_refusals(spec: &Spec, survey: &Survey) -> Vec<PlanRefusal> {
    let judge = |(rule, watch): (&AlarmRule, bool)| {
        let name = &rule.alarm;
        if !survey.alarms.iter().any(|alarm| alarm.name == *name) {
            return Some(refusal(format!("there is no alarm {name}"), "create it in this region, or name another"));
        }
        let refused = rings(rule, survey) && rule.at_start == AtStart::Refuse && !watch;
        refused.then(|| {
            let help = "wait until it is quiet, or say `at_start: wait_for_ok` to go on without it until then";
            refusal(format!("alarm {name} is in ALARM before the rollout starts"), help)
        })
    };
    alarm_rules(spec).filter_map(judge).collect()
}

/// What the plan's reader should know although it refuses nothing.
pub(super) fn warnings(spec: &Spec, survey: &Survey, stable: &SlotView, candidate: &SlotView) -> Vec<String> {
    let mut said = service::warnings(spec, survey);
    said.extend(short(stable));
    if candidate.desired > 0 {
        said.push(format!("the candidate slot runs {} tasks already; they are replaced", candidate.desired));
    }
    said.extend(entrances::warnings(survey));
    for (rule, watch) in alarm_rules(spec) {
        if watch && rings(rule, survey) {
            said.push(format!("alarm {} is in ALARM before the rollout starts; its gate only watches", rule.alarm));
        }
        if survey.alarms.iter().any(|alarm| alarm.name == rule.alarm && !alarm.actions_enabled) {
            said.push(format!("alarm {} has its actions disabled; it is judged all the same", rule.alarm));
        }
    }
    said.extend(late_start(spec, &spec.limits));
    if let Err(why) = &survey.scaling {
        said.push(format!("autoscaling cannot be read, so it is not held: {why}"));
    }
    said
}

/// What a stable slot lacks; `None` when all of its tasks are healthy.
pub fn short(stable: &SlotView) -> Option<String> {
    (stable.healthy < stable.desired)
        .then(|| format!("the stable slot has {} healthy targets of {} tasks", stable.healthy, stable.desired))
}

fn late_start(spec: &Spec, limits: &Limits) -> Option<String> {
    let rule = tasks_rule(spec)?;
    (rule.start_within > limits.prepare).then(|| {
        format!(
            "limits.prepare ({}) ends before tasks.start_within ({})",
            span(limits.prepare),
            span(rule.start_within)
        )
    })
}
