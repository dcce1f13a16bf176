//! Plans to simulate, made by hand or thrown.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::driver::{CodeDeployment, Driver, EcsDeployment, Timetable};
use tidegate::domain::fleet::{Place, Role, Slot, Target};
use tidegate::domain::name::RolloutName;
use tidegate::domain::safeguard::{DeadMan, SWITCH_LANDS_WITHIN, Scaling};
use tidegate::domain::traffic::Share;
use tidegate::domain::window::{Interval, WhenClosed, Windows};
use tidegate::gate::Check;
use tidegate::gate::compare::{RampRule, Unproven};
use tidegate::plan::{Action, Before, Plan, ReleasePlan, Step};
use tidegate::spec::{Limits, OnTrouble, Policies};

use super::die::Die;
use super::rollout::{alarmed, budgeted, comparing, gates, split};
use super::world::{BEFORE, FULL, RELEASE};

/// When rollouts start, in milliseconds.
const START: u64 = 1_800_000_000_000;

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
        driver: Driver::Pair,
        target: target(),
        before: before(),
        release: ReleasePlan::Register { source: "file taskdef.json".into(), digest: "d".into() },
        steps,
        gates: gates(),
        policies: Policies::default(),
        limits,
        dead_man: None,
        notify: Vec::new(),
        windows: None,
        writer_role: None,
        undoes: None,
        images: Vec::new(),
        rules: tidegate::plan::RULES,
        warnings: Vec::new(),
    }
}

/// A plan that ramps, then keeps a holdback, at this many requests a second.
pub fn ramp(rate: f64) -> Plan {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let plan = canary(&[95.0]);
    let rule = RampRule {
        budget: 50.0,
        floor: Share::from_permille(1).expect("a share"),
        ceiling: Share::from_percent(50.0).expect("a share"),
        blind: Duration::from_secs(130),
    };
    let mut steps = plan.steps;
    let first = steps.iter().position(|step| matches!(step.action, Action::Shift(_))).expect("it shifts");
    steps.insert(first, Step { action: Action::Ramp { gate: 0, rule }, within: minutes(30) });
    Plan { steps, gates: comparing(rate), ..plan }
}

/// The same plan, some of the time with windows.
pub fn windowed(plan: Plan, die: &mut Die) -> Plan {
    let windows = die.chance(0.15).then(|| windows(die));
    Plan { windows, ..plan }
}

/// The same plan, some of the time with a watch at its end.
pub fn watched(mut plan: Plan, die: &mut Die) -> Plan {
    let commit = plan.steps.iter().position(|step| step.action == Action::Commit);
    let watches = !plan.driver.is_aws() && die.chance(0.2);
    if let Some(commit) = commit.filter(|_| watches) {
        let span = Duration::from_secs(60 * die.between(10, 40));
        plan.steps.insert(commit, Step { action: Action::Watch(span), within: span + plan.limits.verdict });
    }
    plan
}

/// Windows that are open for a while, closed for a while, and open again.
fn windows(die: &mut Die) -> Windows {
    let start = Timestamp::from_millis(START);
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let closes = start + minutes(die.between(1, 20));
    let opens = closes + minutes(die.between(1, 90));
    let known_until = start + minutes(60 * 24 * 60);
    let open = vec![Interval { from: Timestamp::default(), to: closes }, Interval { from: opens, to: known_until }];
    Windows { open, frozen: Vec::new(), calendars: Vec::new(), when_closed: WhenClosed::Hold, known_until }
}

/// A plan by chance.
pub fn throw(die: &mut Die) -> Plan {
    let lists: [&[f64]; 4] = [&[], &[10.0], &[0.1, 5.0, 50.0], &[25.0, 50.0, 75.0]];
    let rate = die.one_of(&[1.0, 20.0, 500.0]);
    let mut plan = match die.between(0, 9) {
        0 => ramp(rate),
        1 => Plan { gates: comparing(rate), ..canary(die.one_of(&lists[1..])) },
        2 => Plan { gates: alarmed(), ..canary(die.one_of(&lists)) },
        3 => Plan { gates: budgeted(), ..canary(die.one_of(&lists)) },
        4 => Plan { gates: split(), ..canary(die.one_of(&lists[1..])) },
        _ => canary(die.one_of(&lists)),
    };
    if die.chance(0.3)
        && let Some(Check::Compare(rule)) = plan.gates.first_mut().map(|gate| &mut gate.check)
    {
        rule.unproven = Unproven::Fail;
    }
    let trouble = |die: &mut Die| if die.chance(0.8) { OnTrouble::Rollback } else { OnTrouble::Hold };
    plan.policies = Policies { on_breach: trouble(die), on_interrupt: trouble(die), on_foreign_write: trouble(die) };
    if die.chance(0.3) {
        plan.release = ReleasePlan::Registered(RELEASE.into());
        plan.steps.remove(0);
    }
    if die.chance(0.7) {
        return if die.chance(0.6) { guarded(plan, die) } else { plan };
    }
    if die.chance(0.2) {
        return Plan { driver: Driver::TaskSets, ..one_service(guarded(plan, die)) };
    }
    by_aws(&plan, die)
}

/// A plan whose weights AWS moves.
pub fn by_aws(plan: &Plan, die: &mut Die) -> Plan {
    let every = Duration::from_secs(60 * die.between(1, 4));
    let share = |percent| Share::from_percent(percent).expect("a percentage");
    // With everything on the candidate at once there is nothing to compare with.
    let compares = matches!(plan.gates[0].check, Check::Compare(_));
    let (percents, timetable): (&[f64], _) = match die.between(u64::from(compares), 2) {
        0 => (&[], Timetable::AllAtOnce),
        1 => (&[10.0], Timetable::Canary { first: share(10.0), every }),
        _ => (&[25.0, 50.0, 75.0], Timetable::Linear { step: share(25.0), every }),
    };
    let whole = canary(percents);
    let mut steps: Vec<Step> = plan.steps.iter().filter(|step| step.action == Action::Register).cloned().collect();
    steps.extend(whole.steps.into_iter().filter(|step| !matches!(step.action, Action::Register | Action::Retire)));
    let limits = plan.limits;
    for step in steps.iter_mut().filter(|step| step.action == Action::Commit) {
        step.within = limits.shift + limits.drain;
    }
    steps.push(Step { action: Action::Conclude, within: limits.drain });
    let plan = guarded(Plan { steps, ..plan.clone() }, die);
    let driver = if die.chance(0.6) {
        Driver::Ecs(EcsDeployment { timetable, pause: Duration::from_secs(30 * 60) })
    } else {
        Driver::CodeDeploy(CodeDeployment { application: "web".into(), group: "web".into(), timetable })
    };
    let mut plan = one_service(Plan { driver, dead_man: None, ..plan });
    plan.before.stickiness = None;
    plan
}

/// The same plan with one service for both slots.
fn one_service(mut plan: Plan) -> Plan {
    for place in [&mut plan.target.stable, &mut plan.target.candidate] {
        "web".clone_into(&mut place.service);
    }
    plan.before.scaling.truncate(1);
    plan
}

/// The same plan with what keeps the way back open, or some of it.
pub fn guarded(mut plan: Plan, die: &mut Die) -> Plan {
    let step = |action, within| Step { action, within: Duration::from_secs(within) };
    let first = plan.steps.iter().position(|step| matches!(step.action, Action::Prepare(_))).expect("it prepares");
    plan.steps.insert(first, step(Action::Secure, 120));
    plan.steps.push(step(Action::Settle, 120));
    let scaling = Scaling { min: 1, max: 9, no_scale_in: false, no_scale_out: false, no_schedule: false };
    let roles = die.one_of(&[&[][..], &[Role::Stable], &[Role::Stable, Role::Candidate]]);
    plan.before.scaling = roles.iter().map(|role| (*role, scaling)).collect();
    plan.before.stickiness = die.chance(0.4).then(|| Duration::from_secs(die.one_of(&[600, 3600])));
    if plan.before.stickiness.is_some() && die.chance(0.4) {
        plan.before.sticky_groups = vec!["candidate".to_owned()];
    }
    if die.chance(0.8) {
        let after = Duration::from_secs(die.one_of(&[120, 300, 3600]));
        plan.dead_man = Some(DeadMan { role: "arn:aws:iam::1:role/r".into(), after, group: "default".into() });
        for step in plan.steps.iter_mut().filter(|step| step.action == Action::Commit) {
            step.within += SWITCH_LANDS_WITHIN;
        }
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
        sticky_groups: Vec::new(),
        priority: None,
        shape: "shape".into(),
        actions_json: "[]".into(),
        stable_desired: FULL,
        candidate_desired: 0,
        stable_task_definition: BEFORE.into(),
        candidate_task_definition: BEFORE.into(),
        scaling: Vec::new(),
        test_rules: Vec::new(),
        deployment_configuration: None,
    }
}
