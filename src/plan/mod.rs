//! compile(spec, survey) -> Plan: strategies lowered to absolute steps, and the way back fixed first.

mod alarms;
pub mod calls;
mod compared;
pub mod diagram;
mod difference;
mod driver;
mod entrances;
mod facts;
mod foreseen;
mod lower;
mod refusal;
mod refused;
mod service;
mod stale;
mod step;
mod undo;
mod window;

use std::time::Duration;

pub use difference::{Difference, Values, differences};
pub use facts::{Doubling, Facts, Price, Size, doubling};
pub use foreseen::{Foreseen, Release, assumed};
pub use refusal::short;
pub use refused::{PlanRefusal, Refused};
pub use service::{Adopt, needs, sticky, unattended};
pub use stale::{changes, renewed};
pub use step::{Action, Before, ImageChange, Plan, ReleasePlan, Step, Undoes};
pub use undo::undoing;
pub use window::{CLOSED_NOW, windows};

use crate::domain::fleet::{Role, Slot, SlotView, Survey, Target};
use crate::domain::safeguard::Scaling;
use crate::gate::{Check, Gate};
use crate::spec::{Spec, Strategy};

/// By which rules readings are judged. A journal is judged by those of its plan, so that it leads where it led: 0 took data
/// at first sight, and an alarm's OK for a word on whatever its window held by then.
pub const RULES: u32 = 2;

/// How many closed and published minutes without a request make a slot quiet.
pub const QUIET_PERIODS: u32 = 3;

/// The least time between the last weight and the proof that no requests are left: the quiet periods, one that was
/// open when the weight went, and one that proves them published. It is longer where CloudWatch is late.
pub const QUIET_LEAST: Duration = Duration::from_secs(60 * (QUIET_PERIODS as u64 + 2));

/// Compiles a spec against the live account; a deployment that is under way there is refused, or adopted.
///
/// # Errors
/// Every reason for which this target could not be rolled out to, or could not be rolled back.
pub fn compile(spec: &Spec, survey: &Survey, release: ReleasePlan, adopt: Adopt) -> Result<Plan, Refused> {
    let stable = stable_slot(survey);
    let full = if stable == Some(Slot::Green) { survey.green.desired } else { survey.blue.desired };
    let steps = lower::steps(spec, &release, full);
    let mut refusals = refusal::refusals(spec, survey, &steps, stable);
    refusals.extend(service::under_way(spec, survey, (&release, adopt)));
    refusals.extend(compared::refusals(spec, survey));
    let driver = driver::driver(spec, survey).map_err(|refused| refusals.extend(refused)).ok();
    let (Some(stable), Some(driver), true) = (stable, driver, refusals.is_empty()) else {
        return Err(Refused(refusals));
    };
    let (stable, candidate) = match stable {
        Slot::Blue => (&survey.blue, &survey.green),
        Slot::Green => (&survey.green, &survey.blue),
    };
    let gates = gates(spec, survey);
    let mut warnings = refusal::warnings(spec, survey, stable, candidate);
    warnings.extend(alarms::warnings(spec, survey, &steps));
    warnings.extend(compared::warnings(spec, survey, &gates, &steps));
    let windows = spec.windows.as_ref().map(|windows| window::windows(windows, survey.at));
    warnings.extend(windows.iter().flat_map(|windows| window::warnings(windows, survey.at, (&spec.limits, &driver))));
    Ok(Plan {
        name: spec.name.clone(),
        driver,
        target: target(survey, stable, candidate),
        before: Before {
            test_rules: entrances::test_rules(spec, survey, candidate),
            ..before(survey, stable, candidate)
        },
        steps,
        release,
        images: Vec::new(),
        gates,
        policies: spec.policies,
        limits: spec.limits,
        dead_man: spec.dead_man.clone(),
        writer_role: spec.target.writer_role.clone(),
        notify: spec.notify.clone(),
        windows,
        undoes: None,
        rules: RULES,
        warnings,
    })
}

/// The slot that has all the weight; `None` when there is no such slot.
pub fn stable_slot(survey: &Survey) -> Option<Slot> {
    let weight = |slot: &SlotView| weight_of(survey, slot).unwrap_or(0);
    match (weight(&survey.blue), weight(&survey.green)) {
        (1.., 0) => Some(Slot::Blue),
        (0, 1..) => Some(Slot::Green),
        _ => None,
    }
}

/// The weight the rule gives a slot; `None` when it does not name the slot's target group.
fn weight_of(survey: &Survey, slot: &SlotView) -> Option<u16> {
    let group = &slot.place.target_group;
    survey.rule.weights.iter().find(|(arn, _)| arn == group).map(|(_, weight)| *weight)
}

/// The spec's gates, with what the stable slot's past teaches the one that compares.
fn gates(spec: &Spec, survey: &Survey) -> Vec<Gate> {
    let mut gates = spec.gates.clone();
    // The candidate gets as many tasks as serve now, whatever its slot has before.
    let hosts = survey.serving().map_or(0, |slot| slot.desired);
    for gate in &mut gates {
        if let Check::Compare(rule) = &mut gate.check {
            if let Strategy::HarmBudget { budget, .. } = &spec.strategy {
                rule.budget = Some(*budget);
            }
            rule.hosts = (hosts > 0).then_some(hosts);
            if spec.watch_for.is_some() {
                // The other half is what the watch may spend, so that both are one promise.
                rule.alpha /= 2.0;
            }
        }
    }
    if let Some(Ok(past)) = &survey.past {
        for gate in &mut gates {
            if let Check::Compare(rule) = &mut gate.check {
                **rule = rule.learned(past);
            }
        }
    }
    gates
}

fn target(survey: &Survey, stable: &SlotView, candidate: &SlotView) -> Target {
    Target {
        region: survey.region.clone(),
        account: survey.account.clone(),
        cluster: survey.cluster.clone(),
        rule: survey.rule.arn.clone(),
        load_balancer_dimension: survey.load_balancer_dimension.clone(),
        dns_name: survey.dns_name.clone(),
        stable: stable.place.clone(),
        candidate: candidate.place.clone(),
    }
}

fn before(survey: &Survey, stable: &SlotView, candidate: &SlotView) -> Before {
    Before {
        at: survey.at,
        weights: survey.rule.weights.clone(),
        stickiness: survey.rule.stickiness,
        sticky_groups: survey.rule.sticky_groups.clone(),
        priority: survey.rule.priority,
        shape: survey.rule.shape.clone(),
        actions_json: survey.rule.actions_json.clone(),
        stable_desired: stable.desired,
        candidate_desired: candidate.desired,
        stable_task_definition: stable.task_definition.clone(),
        candidate_task_definition: candidate.task_definition.clone(),
        scaling: scaling(survey, stable.place.slot),
        test_rules: Vec::new(),
        deployment_configuration: survey.deployment_configuration.clone(),
    }
}

/// The scalable targets by what their slots are in this rollout.
fn scaling(survey: &Survey, stable: Slot) -> Vec<(Role, Scaling)> {
    let role = |slot| if slot == stable { Role::Stable } else { Role::Candidate };
    let known = survey.scaling.iter().flatten();
    known.map(|(slot, scaling)| (role(*slot), *scaling)).collect()
}

#[cfg(test)]
mod tests;
