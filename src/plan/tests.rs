//! The compiler: a spec and a survey in, steps or reasons out.

use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::fleet::{AlarmState, AlarmView, Place, Published, RuleView};
use crate::domain::name::RolloutName;
use crate::domain::safeguard::{DeadMan, SWITCH_LANDS_WITHIN};
use crate::domain::traffic::Share;
use crate::gate::compare::Baseline;
use crate::gate::{AlarmRule, AtStart, Check, CompareRule, Gate, Insufficient, TasksRule};
use crate::spec::{DriverSpec, Limits, Policies, Release, RuleSpec, SlotSpec, StepSpec, Strategy, TargetSpec};

mod drivers;
mod entrances;

/// Compiles where nothing is to be adopted.
fn compile(spec: &Spec, survey: &Survey, release: ReleasePlan) -> Result<Plan, Refused> {
    super::compile(spec, survey, release, Adopt::Never)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

fn share(percent: f64) -> Share {
    Share::from_percent(percent).unwrap()
}

fn slot(slot: Slot, desired: u32) -> SlotView {
    let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/web-{slot}/1");
    SlotView {
        place: Place {
            slot,
            service: format!("web-{slot}"),
            target_group: arn,
            target_group_name: format!("web-{slot}"),
            target_group_dimension: format!("targetgroup/web-{slot}/1"),
        },
        status: "ACTIVE".into(),
        controller: "ECS".into(),
        strategy: "ROLLING".into(),
        task_definition: "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:1".into(),
        desired,
        running: desired,
        healthy: desired,
        attached: true,
        unproven: None,
        health_interval: Duration::from_secs(10),
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        deregistration_delay: Duration::from_secs(30),
        slow_start: Duration::ZERO,
    }
}

fn survey() -> Survey {
    let (blue, green) = (slot(Slot::Blue, 4), slot(Slot::Green, 0));
    let weights = vec![(blue.place.target_group.clone(), 1), (green.place.target_group.clone(), 0)];
    Survey {
        at: Timestamp::from_millis(1_000_000),
        region: "eu-west-1".into(),
        account: "000000000000".into(),
        cluster: "prod".into(),
        load_balancer: "web".into(),
        load_balancer_dimension: "app/web/1".into(),
        dns_name: "web.example.com".into(),
        rule: RuleView {
            arn: "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener-rule/app/web/1/1/1".into(),
            port: 443,
            priority: Some(10),
            conditions: "path /*".into(),
            above: Vec::new(),
            weights,
            stickiness: None,
            sticky_groups: Vec::new(),
            other_actions: Vec::new(),
            shape: "shape".into(),
            actions_json: "[]".into(),
        },
        blue,
        green,
        alarms: Vec::new(),
        scaling: Ok(Vec::new()),
        past: None,
        code_deploy: None,
        entries: Vec::new(),
        deployment_configuration: None,
        under_way: None,
        task_sets: Vec::new(),
        entrances: Vec::new(),
        release_problems: Vec::new(),
    }
}

fn spec(strategy: Strategy) -> Spec {
    let slot = |name: &str| SlotSpec { service: name.into(), target_group: name.into() };
    Spec {
        name: RolloutName::parse("web").unwrap(),
        driver: DriverSpec::default(),
        target: TargetSpec {
            region: None,
            cluster: "prod".into(),
            rule: RuleSpec::Arn("arn".into()),
            blue: slot("web-blue"),
            green: slot("web-green"),
            writer_role: None,
        },
        release: Release::Registered("web:2".into()),
        strategy,
        gates: vec![Gate { name: "tasks".into(), check: Check::Tasks(TasksRule::default()), watch: false }],
        policies: Policies::default(),
        limits: Limits::default(),
        dead_man: None,
        notify: Vec::new(),
        windows: None,
        watch_for: None,
        store: None,
        variables: std::collections::BTreeMap::new(),
    }
}

fn blue_green() -> Spec {
    spec(Strategy::BlueGreen { warm: minutes(10) })
}

fn registered() -> ReleasePlan {
    ReleasePlan::Registered("web:2".into())
}

fn actions(strategy: Strategy) -> Vec<Action> {
    let plan = compile(&spec(strategy), &survey(), registered()).unwrap();
    plan.steps.into_iter().map(|step| step.action).collect()
}

fn refused(spec: &Spec, survey: &Survey) -> String {
    compile(spec, survey, registered()).unwrap_err().to_string()
}

#[test]
fn a_canary_is_secured_and_ends_with_everything_warm_commit_retire_and_settle() {
    let hold = StepSpec::Hold(minutes(5));
    let steps = vec![StepSpec::Shift(share(5.0)), hold.clone(), StepSpec::Shift(share(50.0)), hold];
    let expected = vec![
        Action::Secure,
        Action::Prepare(4),
        Action::Shift(share(5.0)),
        Action::Hold(minutes(5)),
        Action::Shift(share(50.0)),
        Action::Hold(minutes(5)),
        Action::Shift(Share::ALL),
        Action::Hold(minutes(10)),
        Action::Commit,
        Action::Retire,
        Action::Settle,
    ];
    assert_eq!(actions(Strategy::Canary { steps, warm: minutes(10) }), expected);
}

#[test]
fn a_watch_follows_warm_and_has_half_of_what_may_go_wrong() {
    let mut spec = blue_green();
    spec.gates.push(Gate { name: "compare".into(), check: Check::Compare(Box::default()), watch: false });
    spec.watch_for = Some(minutes(120));
    let plan = compile(&spec, &survey(), registered()).unwrap();
    let at = plan.steps.iter().position(|step| step.action == Action::Watch(minutes(120))).unwrap();
    assert_eq!((&plan.steps[at - 1].action, &plan.steps[at + 1].action), (&Action::Hold(minutes(10)), &Action::Commit));
    assert_eq!(plan.steps[at].within, minutes(120) + spec.limits.verdict);
    assert_eq!(plan.steps[at].title(&plan.gates), "watch 2h for drift");
    let alpha = plan.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some(rule.alpha),
        _ => None,
    });
    assert_eq!(alpha, Some(CompareRule::default().alpha / 2.0));
}

#[test]
fn a_comparison_knows_how_many_tasks_serve_although_the_candidates_slot_is_empty() {
    let mut spec = blue_green();
    spec.gates.push(Gate { name: "compare".into(), check: Check::Compare(Box::default()), watch: false });
    let survey = survey();
    assert_eq!((survey.blue.desired, survey.green.desired), (4, 0));
    let plan = compile(&spec, &survey, registered()).unwrap();
    let hosts = plan.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some(rule.hosts),
        _ => None,
    });
    assert_eq!(hosts, Some(Some(4)));
}

#[test]
fn linear_steps_are_equal_and_stop_short_of_everything() {
    let shifts = |step| {
        let all = actions(Strategy::Linear { step: share(step), every: minutes(1), warm: minutes(1) });
        all.iter().filter(|action| matches!(action, Action::Shift(_))).cloned().collect::<Vec<_>>()
    };
    let to = |percent| Action::Shift(share(percent));
    assert_eq!(shifts(25.0), vec![to(25.0), to(50.0), to(75.0), to(100.0)]);
    assert_eq!(shifts(40.0), vec![to(40.0), to(80.0), to(100.0)]);
    assert_eq!(shifts(100.0), vec![to(100.0)]);
}

#[test]
fn the_slot_with_the_weight_is_stable_whatever_its_colour() {
    let mut survey = survey();
    survey.rule.weights[0].1 = 0;
    survey.rule.weights[1].1 = 100;
    survey.green.desired = 3;
    survey.green.healthy = 3;
    let plan = compile(&blue_green(), &survey, registered()).unwrap();
    assert_eq!((plan.target.stable.slot, plan.target.candidate.slot), (Slot::Green, Slot::Blue));
    assert_eq!(plan.steps[1].action, Action::Prepare(3));
    assert_eq!(plan.before.weights, survey.rule.weights);
}

#[test]
fn a_target_that_could_not_be_rolled_back_is_refused_with_its_reason() {
    let check = |change: &dyn Fn(&mut Survey), words: &str| {
        let mut survey = survey();
        change(&mut survey);
        let said = refused(&blue_green(), &survey);
        assert!(said.contains(words), "{said}");
    };
    check(&|s| s.blue.healthy = 0, "no capacity to go back to");
    let unproven = "the stable slot web-blue does not hold one proven release: 2 tasks of web:1 still run";
    check(&|s| s.blue.unproven = Some("2 tasks of web:1 still run".into()), unproven);
    check(&|s| s.rule.priority = None, "default rule");
    check(&|s| s.rule.weights[1].1 = 1, "both slots carry weight");
    check(&|s| s.rule.weights[0].1 = 0, "neither web-blue nor web-green has weight");
    check(&|s| drop(s.rule.weights.pop()), "does not forward to green's target group web-green");
    check(&|s| s.green.attached = false, "does not register its tasks");
    check(&|s| s.green.controller = "CODE_DEPLOY".into(), "CODE_DEPLOY");
    check(&|s| s.green.strategy = "CANARY".into(), "move the weights too");
    check(&|s| s.green.status = "INACTIVE".into(), "is INACTIVE");
    check(&|s| s.green.health_interval = minutes(5), "no task can be healthy within 5m");
}

#[test]
fn all_reasons_come_at_once() {
    let mut survey = survey();
    survey.green.attached = false;
    survey.green.status = "DRAINING".into();
    survey.blue.healthy = 0;
    assert_eq!(compile(&blue_green(), &survey, registered()).unwrap_err().0.len(), 3);
}

/// The alarm web-5xx, which looks at a minute.
fn alarm(state: AlarmState) -> AlarmView {
    let (window, every, published) = (minutes(1), minutes(1), Published::Unknown);
    AlarmView { name: "web-5xx".into(), state, actions_enabled: true, window, every, published }
}

#[test]
fn an_alarm_whose_ok_would_pass_no_step_or_none_in_time_is_told_of_with_its_remedy() {
    let rule =
        AlarmRule { alarm: "web-5xx".into(), at_start: AtStart::Refuse, insufficient_data: Insufficient::Inconclusive };
    let said = |window, published, watch| {
        let mut spec = blue_green();
        spec.gates.push(Gate { name: "web-5xx".into(), check: Check::Alarm(rule.clone()), watch });
        let mut at = survey();
        at.alarms.push(AlarmView { window, published, ..alarm(AlarmState::Ok) });
        let warnings = compile(&spec, &at, registered()).unwrap().warnings;
        warnings.into_iter().find(|said| said.contains("alarm web-5xx looks at")).unwrap_or_default()
    };
    let shortest = {
        let steps = compile(&blue_green(), &survey(), registered()).unwrap().steps;
        let holds = steps.iter().filter(|step| matches!(step.action, Action::Hold(_)));
        holds.map(|step| step.within).min().unwrap()
    };
    let less = |time| shortest.checked_sub(time).unwrap();
    let two_late = Published::Until(survey().at.before(minutes(2)));
    // An evaluation and what it may be late come on top.
    let around = minutes(3) + Duration::from_secs(15);
    assert_eq!(said(less(around), two_late, false), "");
    let late = said(less(around) + Duration::from_secs(1), two_late, false);
    assert!(late.contains("raise limits.verdict by 1m"), "{late}");
    let hidden = said(less(minutes(7)) + Duration::from_secs(1), Published::Unknown, false);
    assert!(hidden.contains("raise limits.verdict by 1m"), "{hidden}");
    let never = said(minutes(1), Published::Nothing, false);
    assert!(never.contains("passes no step") && never.contains("publish zeros too"), "{never}");
    assert_eq!(said(minutes(1), Published::Nothing, true), "");
}

#[test]
fn an_alarm_must_exist_and_be_quiet_before_the_start() {
    let gate = |at_start| {
        let rule = AlarmRule { alarm: "web-5xx".into(), at_start, insufficient_data: Insufficient::Inconclusive };
        Gate { name: "web-5xx".into(), check: Check::Alarm(rule), watch: false }
    };
    let mut spec = blue_green();
    spec.gates.push(gate(AtStart::Refuse));
    assert!(refused(&spec, &survey()).contains("there is no alarm web-5xx"));
    let mut ringing = survey();
    ringing.alarms.push(alarm(AlarmState::Alarm));
    assert!(refused(&spec, &ringing).contains("in ALARM before the rollout starts"));
    spec.gates[1] = gate(AtStart::WaitForOk);
    assert!(compile(&spec, &ringing, registered()).is_ok());
}

#[test]
fn an_alarm_that_is_only_watched_refuses_nothing() {
    let mut spec = blue_green();
    let (alarm, at_start) = ("web-5xx".to_owned(), AtStart::Refuse);
    let rule = AlarmRule { alarm: alarm.clone(), at_start, insufficient_data: Insufficient::Inconclusive };
    spec.gates.push(Gate { name: alarm.clone(), check: Check::Alarm(rule), watch: true });
    let mut survey = survey();
    survey.alarms.push(self::alarm(AlarmState::Alarm));
    let plan = compile(&spec, &survey, registered()).unwrap();
    assert!(plan.warnings.iter().any(|said| said.contains("only watches")), "{:?}", plan.warnings);
    spec.gates[0].check = Check::Tasks(TasksRule { start_within: Duration::from_secs(10), ..TasksRule::default() });
    assert!(compile(&spec, &survey, registered()).is_err());
    spec.gates[0].watch = true;
    assert!(compile(&spec, &survey, registered()).is_ok());
}

#[test]
fn a_share_too_fine_for_the_rules_other_weights_is_refused() {
    let mut survey = survey();
    survey.rule.weights.push(("arn:other".into(), 1));
    let steps = vec![StepSpec::Shift(share(5.0)), StepSpec::Hold(minutes(1))];
    let canary = spec(Strategy::Canary { steps, warm: minutes(1) });
    assert!(refused(&canary, &survey).contains("too coarse for 5%"));
    assert!(compile(&blue_green(), &survey, registered()).is_ok());
}

#[test]
fn the_plan_is_bounded_and_never_shorter_than_its_holds() {
    let plan = compile(&blue_green(), &survey(), registered()).unwrap();
    let (least, most) = plan.duration();
    assert_eq!(least, minutes(10) + QUIET_LEAST);
    assert!(most > least && most < minutes(24 * 60));
    assert_eq!(plan.share_after(0), Share::NONE);
    assert_eq!(plan.share_after(plan.steps.len()), Share::ALL);
}

fn compare(change: impl FnOnce(&mut CompareRule)) -> Gate {
    let mut rule = CompareRule::default();
    change(&mut rule);
    Gate { name: "compare".into(), check: Check::Compare(Box::new(rule)), watch: false }
}

fn harm_budget() -> Spec {
    let mut spec = spec(Strategy::HarmBudget {
        budget: 50.0,
        ceiling: share(50.0),
        within: minutes(30),
        holdback: share(5.0),
        bake: minutes(10),
        warm: minutes(10),
    });
    spec.gates.push(compare(|_| {}));
    spec
}

#[test]
fn a_harm_budget_ramps_keeps_a_holdback_and_then_moves_everything() {
    let plan = compile(&harm_budget(), &survey(), registered()).unwrap();
    let Action::Ramp { gate, rule } = &plan.steps[2].action else { panic!("{:?}", plan.steps) };
    assert!(matches!(plan.gates[*gate].check, Check::Compare(_)));
    assert_eq!((rule.budget, rule.ceiling, rule.blind), (50.0, share(50.0), Duration::from_secs(130)));
    assert_eq!(rule.floor.permille(), 1);
    let rest: Vec<Action> = plan.steps[3..].iter().map(|step| step.action.clone()).collect();
    let hold = || Action::Hold(minutes(10));
    let (most, all) = (Action::Shift(share(95.0)), Action::Shift(Share::ALL));
    assert_eq!(rest, [most, hold(), all, hold(), Action::Commit, Action::Retire, Action::Settle]);
    assert_eq!((plan.share_after(2), plan.share_after(3)), (Share::NONE, share(50.0)));
    assert!(plan.least(&plan.steps[2]) >= minutes(1));
}

#[test]
fn a_ramp_that_could_not_compare_or_be_written_is_refused() {
    let check = |change: &dyn Fn(&mut Spec, &mut Survey), words: &str| {
        let (mut spec, mut survey) = (harm_budget(), survey());
        change(&mut spec, &mut survey);
        let said = refused(&spec, &survey);
        assert!(said.contains(words), "{said}");
    };
    check(
        &|_, survey| survey.past = Some(Err("AccessDenied".into())),
        "gate compare cannot read the stable slot's past",
    );
    check(&|_, survey| survey.rule.weights.push(("arn:other".into(), 1)), "a ramp needs tenths of a percent");
    // Weights that leave no past to read are refused as what they are, and not as a read that somebody should allow.
    let (spec, mut survey) = (harm_budget(), survey());
    survey.past = Some(Err("no slot has all the weight".into()));
    survey.rule.weights.iter_mut().for_each(|(_, weight)| *weight = 0);
    let said = refused(&spec, &survey);
    assert!(said.contains("nothing serves") && !said.contains("past"), "{said}");
    check(&|spec, _| drop(spec.gates.pop()), "a harm budget needs a gate that compares");
}

fn warned(spec: &Spec, change: impl FnOnce(&mut Survey)) -> String {
    let mut survey = survey();
    change(&mut survey);
    compile(spec, &survey, registered()).unwrap().warnings.join("\n")
}

#[test]
fn what_a_comparison_must_assume_is_told() {
    let said = warned(&harm_budget(), |_| {});
    assert!(said.contains("knows nothing of the stable slot's past"), "{said}");
    assert!(said.contains("does not compare response times"), "{said}");
    let said = warned(&harm_budget(), |survey| survey.rule.stickiness = Some(minutes(5)));
    assert!(said.contains("independent of each other, and the rule is sticky"), "{said}");
    let mut all_at_once = blue_green();
    all_at_once.gates.push(compare(|_| {}));
    let said = warned(&all_at_once, |_| {});
    assert!(said.contains("never sees both slots at once"), "{said}");
}

#[test]
fn what_cannot_be_seen_at_the_traffic_there_is_is_told_with_figures() {
    let said = |strategy: Option<Strategy>, rate: f64| {
        let mut spec = harm_budget();
        spec.strategy = strategy.unwrap_or(spec.strategy);
        spec.gates[1] = compare(|rule| rule.baseline = Baseline { bins: 1440, rate, ..Baseline::default() });
        let said = warned(&spec, |_| {});
        said.lines().find(|line| line.contains("requests a")).map(str::to_owned)
    };
    assert_eq!(said(None, 3.0), None);
    assert_eq!(
        said(None, 1.0).unwrap(),
        "at 1.0 requests a second this spec cannot see errors rise by less than 0.78% in 30m: by the end of step \
         \"ramp to 50%, harm budget 50 requests\" the candidate has had about 900 requests, and a margin of \
         0.3% takes 2,334; then passes all the same. Options: `margins: { errors: 0.78% }`, 1h 18m instead of 30m, or \
         more traffic"
    );
    let canary = |percent| {
        let steps = vec![StepSpec::Shift(share(percent)), StepSpec::Hold(minutes(2))];
        Some(Strategy::Canary { steps, warm: minutes(1) })
    };
    assert_eq!(said(canary(5.0), 200.0), None);
    let said = said(canary(5.0), 2.0).unwrap();
    let expected = "the candidate has had about 102 requests, and a margin of 2% takes 240";
    assert!(said.contains(expected), "{said}");
}

const SCALING: Scaling = Scaling { min: 2, max: 9, no_scale_in: false, no_scale_out: true, no_schedule: false };

fn guarded(account: &str, after: u64) -> Spec {
    let role = format!("arn:aws:iam::{account}:role/dead-man");
    let dead_man = Some(DeadMan { role, after: minutes(after), group: "default".into() });
    Spec { dead_man, ..blue_green() }
}

#[test]
fn scalable_targets_are_recorded_by_what_their_slots_are() {
    let mut survey = survey();
    survey.rule.weights[0].1 = 0;
    survey.rule.weights[1].1 = 100;
    (survey.green.desired, survey.green.healthy) = (3, 3);
    survey.scaling = Ok(vec![(Slot::Blue, SCALING), (Slot::Green, SCALING.held())]);
    let plan = compile(&blue_green(), &survey, registered()).unwrap();
    assert_eq!(plan.before.scaling, [(Role::Candidate, SCALING), (Role::Stable, SCALING.held())]);
}

#[test]
fn what_is_not_guarded_is_told() {
    let said = warned(&blue_green(), |survey| survey.scaling = Err("DescribeScalableTargets: no".into()));
    assert!(said.contains("autoscaling cannot be read, so it is not held: DescribeScalableTargets: no"), "{said}");
    assert!(said.contains("nobody gives the traffic back if the runner's machine dies"), "{said}");
    let said = warned(&guarded(&survey().account, 5), |_| {});
    assert!(!said.contains("autoscaling") && !said.contains("dies"), "{said}");
}

#[test]
fn a_switch_is_given_time_before_the_commit() {
    let commit = |spec: &Spec| {
        let plan = compile(spec, &survey(), registered()).unwrap();
        let step = plan.steps.iter().find(|step| step.action == Action::Commit).unwrap();
        (plan.least(step), step.within, plan.dead_man.is_some())
    };
    let shift = Limits::default().shift;
    let account = survey().account;
    assert_eq!(commit(&blue_green()), (Duration::ZERO, shift, false));
    assert_eq!(commit(&guarded(&account, 5)), (Duration::ZERO, shift + SWITCH_LANDS_WITHIN, true));
    assert_eq!(commit(&guarded(&account, 2)), (SWITCH_LANDS_WITHIN, shift + SWITCH_LANDS_WITHIN, true));
}

#[test]
fn a_role_of_another_account_is_refused() {
    let said = refused(&guarded("999999999999", 5), &survey());
    assert!(said.contains("the dead-man's role is in account 999999999999"), "{said}");
    let mut spec = blue_green();
    spec.target.writer_role = Some("arn:aws:iam::888888888888:role/writer".into());
    let said = refused(&spec, &survey());
    assert!(said.contains("the writer's role is in account 888888888888"), "{said}");
    spec.target.writer_role = Some(format!("arn:aws:iam::{}:role/writer", survey().account));
    assert_eq!(compile(&spec, &survey(), registered()).unwrap().writer_role, spec.target.writer_role);
}

#[test]
fn what_takes_a_promotion_back_gives_nothing_to_the_release_that_is_left() {
    let mut spec = Spec { dead_man: guarded("000000000000", 10).dead_man, ..harm_budget() };
    let (alarm, at_start) = ("web-5xx".to_owned(), AtStart::Refuse);
    let rule = AlarmRule { alarm: alarm.clone(), at_start, insufficient_data: Insufficient::Inconclusive };
    spec.gates.push(Gate { name: alarm.clone(), check: Check::Alarm(rule), watch: false });
    let mut before = survey();
    before.alarms.push(self::alarm(AlarmState::Ok));
    let plan = compile(&spec, &before, registered()).unwrap();

    // The candidate has everything now, the slot before has no tasks, and the release is bad.
    let mut after = before.clone();
    after.rule.weights = vec![(before.blue.place.target_group, 0), (before.green.place.target_group, 1)];
    (after.blue, after.green) = (slot(Slot::Blue, 0), slot(Slot::Green, 4));
    after.alarms[0].state = AlarmState::Alarm;
    let back = compile(&undoing(&plan, "web:1".into()), &after, ReleasePlan::Registered("web:1".into())).unwrap();

    assert_eq!(back.target.candidate.slot, Slot::Blue);
    let actions: Vec<Action> = back.steps.iter().map(|step| step.action.clone()).collect();
    let hold = Action::Hold(minutes(2));
    let (prepare, shift) = (Action::Prepare(4), Action::Shift(Share::ALL));
    assert_eq!(actions, [Action::Secure, prepare, shift, hold, Action::Commit, Action::Retire, Action::Settle]);
    assert_eq!((back.dead_man, back.windows), (None, None));
    assert_eq!(back.policies.on_interrupt, crate::spec::OnTrouble::Hold);
    for gate in &back.gates {
        assert_eq!(gate.watch, !matches!(gate.check, Check::Tasks(_)), "{}", gate.name);
        assert!(!matches!(gate.check, Check::Compare(_)), "there is nothing to compare");
    }
}
