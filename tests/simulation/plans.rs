//! Plans to simulate, made by hand or thrown.

use std::time::Duration;

use tidegate::clock::Timestamp;
use tidegate::fleet::{Place, Slot, Target};
use tidegate::name::RolloutName;
use tidegate::plan::{Action, Before, Plan, ReleasePlan, Step};
use tidegate::spec::{Limits, OnTrouble, Policies};
use tidegate::traffic::Share;

use super::die::Die;
use super::rollout::gates;
use super::world::{BEFORE, FULL, RELEASE};

/// A plan that shifts through these percentages, two minutes each.
pub fn canary(percents: &[f64]) -> Plan {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let limits = Limits { pause: minutes(60), ..Limits::default() };
    let step = |action, within| Step { action, within };
    let mut steps = vec![step(Action::Register, minutes(2)), step(Action::Prepare(FULL), limits.prepare)];
    for percent in percents.iter().copied().chain([100.0]) {
        let share = Share::from_percent(percent).expect("a percentage");
        steps.push(step(Action::Shift(share), limits.shift));
        steps.push(step(Action::Hold(minutes(2)), minutes(2) + limits.verdict));
    }
    steps.push(step(Action::Commit, limits.shift));
    steps.push(step(Action::Retire, limits.drain));
    Plan {
        name: RolloutName::parse("web").expect("a name"),
        target: target(),
        before: before(),
        release: ReleasePlan::Register { source: "file taskdef.json".into(), digest: "d".into() },
        steps,
        gates: gates(),
        policies: Policies::default(),
        limits,
        warnings: Vec::new(),
    }
}

/// A plan by chance.
pub fn throw(die: &mut Die) -> Plan {
    let lists: [&[f64]; 4] = [&[], &[10.0], &[0.1, 5.0, 50.0], &[25.0, 50.0, 75.0]];
    let mut plan = canary(die.one_of(&lists));
    let trouble = |die: &mut Die| if die.chance(0.8) { OnTrouble::Rollback } else { OnTrouble::Hold };
    plan.policies = Policies { on_breach: trouble(die), on_interrupt: trouble(die), on_foreign_write: trouble(die) };
    if die.chance(0.3) {
        plan.release = ReleasePlan::Registered(RELEASE.into());
        plan.steps.remove(0);
    }
    plan
}

fn place(slot: Slot) -> Place {
    Place {
        slot,
        service: format!("web-{slot}"),
        target_group: format!("arn:tg/{slot}"),
        target_group_name: format!("web-{slot}"),
        target_group_dimension: format!("targetgroup/web-{slot}/1"),
    }
}

fn target() -> Target {
    Target {
        region: "eu-west-1".into(),
        account: "000000000000".into(),
        cluster: "prod".into(),
        rule: "arn:rule".into(),
        load_balancer_dimension: "app/web/1".into(),
        dns_name: "web.example.com".into(),
        stable: place(Slot::Blue),
        candidate: place(Slot::Green),
    }
}

fn before() -> Before {
    Before {
        at: Timestamp::default(),
        weights: vec![("arn:tg/blue".into(), 1), ("arn:tg/green".into(), 0)],
        stickiness: None,
        shape: "shape".into(),
        actions_json: "[]".into(),
        stable_desired: FULL,
        candidate_desired: 0,
        stable_task_definition: BEFORE.into(),
        candidate_task_definition: BEFORE.into(),
    }
}
