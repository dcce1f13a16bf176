//! Checks that the spec's driver works with the live service, names the driver that would, and says what the driver
//! gives up on it.

use std::time::Duration;

use super::ReleasePlan;
use super::refused::{PlanRefusal, refusal};
use crate::domain::clock::span;
use crate::domain::driver::{CodeDeployView, DriverKind, Timetable, Unattended, UnderWay, Waits};
use crate::domain::fleet::{SlotView, Survey};
use crate::domain::name::{Arn, last_part};
use crate::gate::Check;
use crate::spec::{DriverSpec, Spec, Strategy, timetable};

/// Task sets of one service, which ECS calls deployments when it refuses one more (Amazon ECS developer guide, "External
/// deployment").
const SETS_LIMIT: usize = 5;

/// Whether a rollout may go on with a deployment of AWS's own that somebody else has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adopt {
    /// It is refused.
    #[default]
    Never,
    /// It is taken on, where it deploys the release and has moved no traffic yet.
    UnderWay,
}

/// Why this driver does not fit the live services.
pub(super) fn refusals(spec: &Spec, survey: &Survey) -> Vec<PlanRefusal> {
    let kind = spec.driver.kind();
    let slots: &[&SlotView] = if kind.can().one_service { &[&survey.blue] } else { &[&survey.blue, &survey.green] };
    let mut found: Vec<PlanRefusal> = slots.iter().flat_map(|slot| slot_refusals(kind, slot)).collect();
    found.extend(other_groups(kind, survey));
    if kind == DriverKind::TaskSets {
        found.extend(no_room(survey));
        found.extend(several_groups(survey));
    }
    found.extend(survey.code_deploy.iter().flat_map(|group| group_refusals(spec, group)));
    found
}

fn slot_refusals(kind: DriverKind, slot: &SlotView) -> Vec<PlanRefusal> {
    let service = &slot.place.service;
    let mut found = Vec::new();
    if slot.status != "ACTIVE" {
        found.push(refusal(format!("service {service} is {}", slot.status), "create it, or name another"));
    }
    if kind.can().takes(&slot.controller, &slot.strategy) {
        return found;
    }
    let wrong = match (slot.controller.as_str(), kind.can().controller) {
        ("ECS", "ECS") if kind.is_aws() => {
            format!("service {service} uses {} deployments, which shift no traffic", slot.strategy)
        }
        ("ECS", _) if slot.strategy != "ROLLING" => {
            format!("service {service} uses ECS's own {} deployments, which move the weights too", slot.strategy)
        }
        ("ECS", _) => format!("service {service} uses rolling deployments of the ECS deployment controller"),
        (other, _) => format!("service {service} uses the {other} deployment controller"),
    };
    found.push(refusal(wrong, format!("{}{}", fitting(kind, slot), needs(kind))));
    found
}

/// Which driver fits the service as it is.
fn fitting(kind: DriverKind, slot: &SlotView) -> String {
    match DriverKind::of_service(&slot.controller, &slot.strategy).filter(|fitting| *fitting != kind) {
        Some(DriverKind::Pair) => {
            "the driver pair fits it: `driver: { pair: {} }`, with a second service like it for the other slot; "
                .to_owned()
        }
        Some(fitting) => {
            let service = &slot.place.service;
            format!("the driver {fitting} fits it: `driver: {{ {fitting}: {{}} }}` with `target.service: {service}`; ")
        }
        None => String::new(),
    }
}

/// What the driver needs of a service.
pub fn needs(kind: DriverKind) -> String {
    let can = kind.can();
    let strategy = match can.strategies {
        [] => String::new(),
        [only] => format!(" with the deployment strategy {only}"),
        several => format!(" with one of the deployment strategies {}", several.join(", ")),
    };
    format!("{kind} needs the {} deployment controller{strategy}", can.controller)
}

/// AWS writes the rule with the two slots alone.
fn other_groups(kind: DriverKind, survey: &Survey) -> Option<PlanRefusal> {
    let ours = [&survey.blue, &survey.green].map(|slot| &slot.place.target_group);
    let others = survey.rule.weights.iter().any(|(group, weight)| *weight > 0 && !ours.contains(&group));
    (others && !kind.can().other_groups).then(|| {
        let wrong = format!("other target groups of the rule carry weight, and {} shifts between two", kind.mover());
        refusal(wrong, "give them a rule of their own, or use the driver pair or task_sets")
    })
}

/// ECS makes no further task set where there are so many already, those that are going too.
fn no_room(survey: &Survey) -> Option<PlanRefusal> {
    let there = survey.task_sets.len();
    (there >= SETS_LIMIT).then(|| {
        let service = &survey.blue.place.service;
        let idle = survey.task_sets.iter().find(|set| {
            let weight = |group| survey.rule.weights.iter().find(|(arn, _)| arn == group).map_or(0, |(_, weight)| *weight);
            set.target_groups.iter().all(|group| weight(group) == 0)
        });
        let which = idle.map_or(String::new(), |set| format!(", such as {}", set.id));
        refusal(
            format!("service {service} has {there} task sets, and ECS makes no more than {SETS_LIMIT}"),
            format!("delete one that has no traffic{which} (`aws ecs delete-task-set`), and `driver: {{ task_sets: {{}} }}` fits"),
        )
    })
}

/// A task set has one target group of one container, so a rollout moves the traffic of that one.
fn several_groups(survey: &Survey) -> Option<PlanRefusal> {
    let set = survey.task_sets.iter().find(|set| set.target_groups.len() > 1)?;
    Some(refusal(
        format!(
            "task set {} registers its tasks in {} target groups, and a rollout makes one with one",
            set.id,
            set.target_groups.len()
        ),
        "nearest is a service of its own for each target group, with a spec of its own",
    ))
}

/// What the deployment group says, which a deployment cannot change.
fn group_refusals(spec: &Spec, group: &CodeDeployView) -> Vec<PlanRefusal> {
    let name = &group.group;
    let probes: Duration = spec
        .gates
        .iter()
        .filter_map(|gate| match &gate.check {
            Check::Probe(rule) => Some(rule.within),
            _ => None,
        })
        .sum();
    let mut found = Vec::new();
    // Beyond the probes there is the time in which a runner sees that CodeDeploy waits.
    let least = minutes_above(probes.max(spec.limits.shift));
    match group.ready_wait {
        None => found.push(refusal(
            format!("deployment group {name} gives the candidate traffic as soon as its tasks run, before anybody has looked at them"),
            format!("set its deployment ready option to STOP_DEPLOYMENT with a wait of {least} minutes or more"),
        )),
        Some(wait) if wait <= probes => found.push(refusal(
            format!("deployment group {name} waits {} before it gives up, and the probes may take {}", span(wait), span(probes)),
            format!("let it wait {least} minutes or more, or shorten the probes' `within`"),
        )),
        Some(_) => {}
    }
    if !group.keeps_app_spec {
        let wrong = format!(
            "the AppSpec of the last deployment of {name} is not in CodeDeploy but in S3 or a repository, so its hooks \
             cannot be kept"
        );
        found.push(refusal(wrong, "deploy once with the AppSpec's content given to CreateDeployment"));
    }
    let warm = warm(&spec.strategy);
    if group.termination_wait < warm {
        let wrong = format!(
            "deployment group {name} takes the old tasks {} after all traffic has moved, and warm is {}",
            span(group.termination_wait),
            span(warm)
        );
        let most = group.termination_wait.as_secs() / 60;
        let shorter = if most == 0 { String::new() } else { format!(", or say `warm: {most}m`") };
        let wait = minutes_above(warm + spec.limits.verdict);
        found.push(refusal(wrong, format!("let it wait {wait} minutes before it terminates them{shorter}")));
    }
    found
}

/// The least whole minutes that are more than `time`.
fn minutes_above(time: Duration) -> u64 {
    time.as_secs() / 60 + 1
}

fn warm(strategy: &Strategy) -> Duration {
    match strategy {
        Strategy::Canary { warm, .. }
        | Strategy::Linear { warm, .. }
        | Strategy::HarmBudget { warm, .. }
        | Strategy::BlueGreen { warm } => *warm,
    }
}

/// A deployment that is under way is nobody's to touch, unless it is adopted.
pub(super) fn under_way(spec: &Spec, survey: &Survey, (release, adopt): (&ReleasePlan, Adopt)) -> Option<PlanRefusal> {
    let kind = spec.driver.kind();
    let Some(found) = &survey.under_way else {
        return (adopt == Adopt::UnderWay)
            .then(|| refusal("there is no deployment under way that could be adopted", "leave out `--adopt`"));
    };
    let UnderWay { id, task_definition, stage } = found;
    let what = format!("deployment {} of {}", last_part(id), revision(task_definition));
    let after = "wait until it has ended, or stop it";
    if moved(survey) {
        let wrong = format!("{what} is under way and has moved traffic already: what stood before it is not known");
        return Some(refusal(wrong, after));
    }
    if adopt == Adopt::Never || !kind.can().adopts {
        let wrong = format!("{what} is under way, and somebody else has begun it (stage {stage})");
        let adopt = if kind.can().adopts { "; `--adopt` goes on with it, if it deploys the release" } else { "" };
        return Some(refusal(wrong, format!("{after}{adopt}")));
    }
    match release {
        ReleasePlan::Registered(name) if is_same(name, task_definition) => None,
        ReleasePlan::Registered(name) => {
            let wrong = format!("{what} cannot be adopted: the release is {}", revision(name));
            Some(refusal(wrong, format!("release what it deploys, or {after}")))
        }
        ReleasePlan::Register { .. } => {
            let wrong = format!("{what} cannot be adopted: the release would be registered as another revision");
            Some(refusal(wrong, format!("say `release: {{ registered: {} }}`", revision(task_definition))))
        }
    }
}

/// Whether both slots have weight.
pub(super) fn moved(survey: &Survey) -> bool {
    let weight = |slot| super::weight_of(survey, slot).unwrap_or(0);
    weight(&survey.blue) > 0 && weight(&survey.green) > 0
}

fn is_same(name: &str, arn: &str) -> bool {
    !arn.is_empty() && if Arn::parse(name).is_some() { name == arn } else { name == revision(arn) }
}

/// `family:revision` of a task definition, when it is an ARN.
fn revision(arn: &str) -> &str {
    match Arn::parse(arn).map_or(arn, |arn| arn.resource.trim_start_matches("task-definition/")) {
        "" => "an unknown task definition",
        name => name,
    }
}

/// What the driver gives up on this service.
pub(super) fn warnings(spec: &Spec, survey: &Survey) -> Vec<String> {
    let kind = spec.driver.kind();
    let mut said: Vec<String> = sticky(kind, survey).into_iter().collect();
    said.extend(unattended(spec, survey));
    said.extend(waits(spec));
    if let Some(group) = &survey.code_deploy {
        let (wait, whole) = (group.termination_wait, warm(&spec.strategy) + spec.limits.verdict);
        if wait < whole {
            said.push(format!(
                "CodeDeploy takes the old tasks {} after all traffic has moved, verdict or none; limits.verdict would \
                 have it wait up to {}",
                span(wait),
                span(whole)
            ));
        }
    }
    if let Some(found) = &survey.under_way {
        said.push(format!(
            "deployment {} is adopted at stage {}: it keeps the timetable and the pauses that it was begun with",
            last_part(&found.id),
            found.stage
        ));
    }
    said
}

/// What stickiness means for weights that move; `None` when the rule has none.
pub fn sticky(kind: DriverKind, survey: &Survey) -> Option<String> {
    let sticky = span(survey.rule.stickiness?);
    let groups = &survey.rule.sticky_groups;
    let named = groups.iter().map(|arn| arn.rsplit('/').nth(1).unwrap_or(arn)).collect::<Vec<_>>().join(" and ");
    let back = if kind.can().unsticks && groups.is_empty() {
        "the way back turns stickiness off until the candidate is quiet".to_owned()
    } else if kind.can().unsticks {
        format!(
            "the way back can not turn that off, because {named} is sticky itself and AWS then takes no such rule: it \
             binds clients for a second only, and who holds a cookie of the candidate is led there at least once more"
        )
    } else {
        let mover = kind.mover();
        format!(
            "{mover} does not turn it off on the way back, so they stay with the candidate until its tasks are gone"
        )
    };
    Some(format!("the rule is sticky for {sticky}: clients keep their target group while weights move; {back}"))
}

/// What becomes of the traffic when no runner lives.
pub fn unattended(spec: &Spec, survey: &Survey) -> Option<String> {
    match (spec.driver.kind().can().unattended, &spec.driver) {
        (Unattended::Switch, _) => spec.dead_man.is_none().then(|| {
            "nobody gives the traffic back if the runner's machine dies: the spec names no `dead_man`".to_owned()
        }),
        (Unattended::Pause, DriverSpec::Ecs { pause }) => Some(format!(
            "if the runner's machine dies, ECS gives the traffic back when its pause times out: after {} at most",
            span(*pause)
        )),
        (Unattended::Pause | Unattended::Alarms, _) => {
            let alarms = survey.code_deploy.as_ref().map(|group| group.alarms.as_slice()).unwrap_or_default();
            let named = if alarms.is_empty() { "of which it has none".to_owned() } else { alarms.join(", ") };
            Some(format!(
                "if the runner's machine dies, CodeDeploy goes on to the end, unless an alarm of its deployment group \
                 rings: {named}"
            ))
        }
    }
}

/// How long the weights wait, where that is less than the spec's limits say.
fn waits(spec: &Spec) -> Option<String> {
    match (spec.driver.kind().can().waits, &spec.driver) {
        (Waits::Pause, DriverSpec::Ecs { pause }) if spec.limits.pause > *pause => Some(format!(
            "a person can keep the rollout paused for {} at most, not for limits.pause ({}): then ECS goes back by itself",
            span(*pause),
            span(spec.limits.pause)
        )),
        (Waits::Never, driver) => match timetable(&spec.strategy, driver)? {
            Timetable::AllAtOnce => None,
            Timetable::Canary { every, .. } | Timetable::Linear { every, .. } => Some(format!(
                "CodeDeploy gives the next share after {} whether the gates have a verdict or not, and waits for no \
                 person; a gate that fails stops it",
                span(every)
            )),
        },
        (Waits::Limits | Waits::Pause, _) => None,
    }
}
