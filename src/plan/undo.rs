//! The way back after a promotion: a rollout of the release before, as short as a rollout can be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::step::Plan;
use crate::domain::driver::Driver;
use crate::domain::fleet::{Place, Slot};
use crate::gate::{Check, Gate};
use crate::spec::{DriverSpec, OnTrouble, Policies, Release, RuleSpec, SlotSpec, Spec, Strategy, TargetSpec};

/// How long both slots are kept after the traffic has moved: one whole minute of metrics.
const WARM: Duration = Duration::from_secs(120);

/// The spec that brings `release` (an ARN or `family:revision`) back where `plan` was promoted: its tasks healthy and
/// its probes answered first, then all traffic in one step.
///
/// The release that is left is the one that somebody wants to be rid of. So nothing gives it the traffic again by
/// itself: other gates only watch, an interrupted runner stays where it is, no dead-man's switch is set up, and no
/// window holds it up. What compares the slots is left out: there is nothing to compare before and after one step.
pub fn undoing(plan: &Plan, release: String) -> Spec {
    let target = &plan.target;
    let (blue, green) = match target.stable.slot {
        Slot::Blue => (&target.stable, &target.candidate),
        Slot::Green => (&target.candidate, &target.stable),
    };
    Spec {
        name: plan.name.clone(),
        driver: driver(&plan.driver),
        target: TargetSpec {
            region: Some(target.region.clone()),
            cluster: target.cluster.clone(),
            rule: RuleSpec::Arn(target.rule.clone()),
            blue: slot(blue),
            green: slot(green),
            writer_role: plan.writer_role.clone(),
        },
        release: Release::Registered(release),
        strategy: Strategy::BlueGreen { warm: WARM },
        gates: plan.gates.iter().filter_map(watching).collect(),
        policies: Policies { on_breach: OnTrouble::Hold, on_interrupt: OnTrouble::Hold, ..plan.policies },
        limits: plan.limits,
        dead_man: None,
        store: None,
        variables: BTreeMap::new(),
        notify: plan.notify.clone(),
        windows: None,
        watch_for: None,
    }
}

fn driver(driver: &Driver) -> DriverSpec {
    match driver {
        Driver::Pair => DriverSpec::Pair,
        Driver::TaskSets => DriverSpec::TaskSets,
        Driver::Ecs(ecs) => DriverSpec::Ecs { pause: ecs.pause },
        Driver::CodeDeploy(found) => {
            DriverSpec::CodeDeploy { application: Some(found.application.clone()), group: Some(found.group.clone()) }
        }
    }
}

fn slot(place: &Place) -> SlotSpec {
    SlotSpec { service: place.service.clone(), target_group: place.target_group.clone() }
}

/// The gate as the way back asks it, if it does.
fn watching(gate: &Gate) -> Option<Gate> {
    match gate.check {
        Check::Compare(_) | Check::Split(_) => None,
        Check::Tasks(_) | Check::Probe(_) => Some(gate.clone()),
        Check::Alarm(_) | Check::Metric(_) | Check::Burn(_) | Check::Webhook(_) | Check::Command(_) => {
            Some(Gate { watch: true, ..gate.clone() })
        }
    }
}
