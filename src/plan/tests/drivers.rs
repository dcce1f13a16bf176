//! The drivers on live services: which fits, what each is asked for, and what each gives up.

use super::*;
use crate::domain::driver::{CodeDeployView, CodeDeployment, Driver, DriverKind, EcsDeployment, Timetable, UnderWay};
use crate::gate::ProbeRule;

const NEW: &str = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:2";

fn ecs(pause: u64) -> DriverSpec {
    DriverSpec::Ecs { pause: minutes(pause) }
}

pub(super) fn code_deploy() -> DriverSpec {
    DriverSpec::CodeDeploy { application: None, group: None }
}

/// A spec for one service.
pub(super) fn with(driver: DriverSpec, strategy: Strategy) -> Spec {
    let mut spec = Spec { driver, ..spec(strategy) };
    for slot in [&mut spec.target.blue, &mut spec.target.green] {
        slot.service = "web".into();
    }
    spec
}

/// One service with this controller and strategy.
pub(super) fn live(controller: &str, strategy: &str) -> Survey {
    let mut survey = survey();
    for slot in [&mut survey.blue, &mut survey.green] {
        slot.place.service = "web".into();
        slot.controller = controller.into();
        slot.strategy = strategy.into();
    }
    if controller == "CODE_DEPLOY" {
        survey.code_deploy = Some(CodeDeployView {
            test_listeners: Vec::new(),
            application: "shop".into(),
            group: "web".into(),
            ready_wait: Some(minutes(60)),
            termination_wait: minutes(60),
            keeps_app_spec: true,
            alarms: vec!["web-5xx".into()],
        });
    }
    survey
}

pub(super) fn all_at_once() -> Strategy {
    Strategy::BlueGreen { warm: minutes(10) }
}

fn canary(shares: &[f64], holds: &[u64]) -> Strategy {
    let pairs = shares.iter().zip(holds);
    let steps = pairs.flat_map(|(at, hold)| [StepSpec::Shift(share(*at)), StepSpec::Hold(minutes(*hold))]);
    let steps = steps.chain([StepSpec::Shift(Share::ALL)]).collect();
    Strategy::Canary { steps, warm: minutes(10) }
}

fn driver(spec: &Spec, survey: &Survey) -> Driver {
    compile(spec, survey, registered()).unwrap().driver
}

#[test]
fn a_strategy_is_said_in_awss_words() {
    let ecs_of = |strategy| match driver(&with(ecs(30), strategy), &live("ECS", "CANARY")) {
        Driver::Ecs(EcsDeployment { timetable, pause }) => {
            assert_eq!(pause, minutes(30));
            timetable
        }
        other => panic!("{other:?}"),
    };
    let (first, every) = (share(0.5), minutes(5));
    assert_eq!(ecs_of(canary(&[0.5], &[5])), Timetable::Canary { first, every });
    assert_eq!(ecs_of(all_at_once()), Timetable::AllAtOnce);
    let step = share(25.0);
    assert_eq!(ecs_of(canary(&[25.0, 50.0, 75.0], &[5, 5, 5])), Timetable::Linear { step, every });
    assert_eq!(ecs_of(canary(&[25.0, 50.0, 75.0], &[9, 5, 7])), Timetable::Linear { step, every });
    let linear = Strategy::Linear { step, every, warm: minutes(10) };
    assert_eq!(ecs_of(linear.clone()), Timetable::Linear { step, every });
    let (application, group) = ("shop".to_owned(), "web".to_owned());
    let expected = CodeDeployment { application, group, timetable: Timetable::Linear { step, every } };
    let found = driver(&with(code_deploy(), linear), &live("CODE_DEPLOY", "ROLLING"));
    assert_eq!(found, Driver::CodeDeploy(expected));
}

#[test]
fn what_a_driver_cannot_do_is_refused_by_compile_too() {
    let check = |spec: Spec, words: &[&str]| {
        let controller = spec.driver.kind().can().controller;
        let strategy = spec.driver.kind().can().strategies.first().copied().unwrap_or("ROLLING");
        let refused = compile(&spec, &live(controller, strategy), registered()).unwrap_err();
        let said = format!("{:?}", refused.0);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    let list = canary(&[1.0, 5.0, 25.0], &[5, 5, 5]);
    check(with(code_deploy(), list), &["one share and then everything", "linear: { step: 25%, every: 5m }"]);
    check(with(ecs(20), all_at_once()), &["a pause of 20m", "pause: 26m"]);
    check(with(ecs(30), canary(&[5.0, 10.0], &[5, 5])), &["equal steps up to everything"]);
    check(Spec { dead_man: guarded("000000000000", 5).dead_man, ..with(ecs(30), all_at_once()) }, &["its own weights"]);
}

#[test]
fn the_driver_that_fits_the_live_service_is_named() {
    let services = [("ECS", "ROLLING"), ("EXTERNAL", "ROLLING"), ("ECS", "CANARY"), ("CODE_DEPLOY", "ROLLING")];
    let drivers = [DriverSpec::Pair, DriverSpec::TaskSets, ecs(30), code_deploy()];
    for (kind, (controller, strategy)) in DriverKind::ALL.into_iter().zip(services) {
        assert_eq!(DriverKind::of_service(controller, strategy), Some(kind));
        for driver in &drivers {
            let (spec, survey) = (with(driver.clone(), all_at_once()), live(controller, strategy));
            match compile(&spec, &survey, registered()) {
                Ok(_) => assert_eq!(driver.kind(), kind),
                Err(refused) => {
                    assert_ne!(driver.kind(), kind, "{refused}");
                    let said = format!("{:?}", refused.0);
                    assert!(said.contains(&format!("the driver {kind} fits it")), "{driver:?}: {said}");
                }
            }
        }
    }
}

#[test]
fn a_deployment_group_that_leaves_no_time_is_refused_with_what_would() {
    let check = |change: &dyn Fn(&mut CodeDeployView), words: &[&str]| {
        let mut survey = live("CODE_DEPLOY", "ROLLING");
        change(survey.code_deploy.as_mut().unwrap());
        let mut spec = with(code_deploy(), all_at_once());
        let rule = ProbeRule {
            url: "http://test.example.com/".into(),
            headers: Vec::new(),
            status: 200,
            contains: None,
            times: 1,
            timeout: minutes(1),
            within: minutes(20),
        };
        spec.gates.push(Gate { name: "smoke".into(), check: Check::Probe(rule), watch: false });
        let said = format!("{:?}", compile(&spec, &survey, registered()).unwrap_err().0);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    check(
        &|group| group.ready_wait = None,
        &["before anybody has looked", "STOP_DEPLOYMENT with a wait of 21 minutes"],
    );
    check(&|group| group.ready_wait = Some(minutes(20)), &["waits 20m", "21 minutes or more"]);
    check(&|group| group.keeps_app_spec = false, &["the AppSpec of the last deployment", "deploy once with"]);
    check(&|group| group.termination_wait = minutes(5), &["warm is 10m", "26 minutes", "`warm: 5m`"]);
    let mut survey = live("CODE_DEPLOY", "ROLLING");
    survey.code_deploy = None;
    assert!(refused(&with(code_deploy(), all_at_once()), &survey).contains("no CodeDeploy deployment group deploys"));
}

#[test]
fn a_deployment_under_way_is_adopted_only_when_told_and_only_of_the_release() {
    let mut survey = live("ECS", "BLUE_GREEN");
    let id = "arn:aws:ecs:eu-west-1:000000000000:service-deployment/prod/web/abc".to_owned();
    survey.under_way = Some(UnderWay { id, task_definition: NEW.into(), stage: "POST_SCALE_UP".into() });
    let spec = with(ecs(30), all_at_once());
    let adopting =
        |survey: &Survey, release: ReleasePlan| super::super::compile(&spec, survey, release, Adopt::UnderWay);
    let refused_by = |survey: &Survey, release| format!("{:?}", adopting(survey, release).unwrap_err().0);
    let never = format!("{:?}", compile(&spec, &survey, registered()).unwrap_err().0);
    assert!(never.contains("deployment abc of web:2 is under way") && never.contains("--adopt"), "{never}");
    let plan = adopting(&survey, registered()).unwrap();
    assert!(plan.warnings.iter().any(|said| said.contains("abc is adopted at stage POST_SCALE_UP")));
    assert!(adopting(&survey, ReleasePlan::Registered(NEW.into())).is_ok());
    let other = ReleasePlan::Registered("web:3".into());
    assert!(refused_by(&survey, other).contains("the release is web:3"));
    let anew = ReleasePlan::Register { source: "file".into(), digest: "0".into() };
    assert!(refused_by(&survey, anew).contains("registered: web:2"));
    survey.rule.weights[1].1 = 1;
    let moved = refused_by(&survey, registered());
    assert!(moved.contains("has moved traffic already") && !moved.contains("both slots carry weight"), "{moved}");
    let quiet = live("ECS", "BLUE_GREEN");
    assert!(refused_by(&quiet, registered()).contains("no deployment under way"));
}

#[test]
fn what_a_driver_gives_up_on_this_service_is_told() {
    let said = |spec: &Spec, mut survey: Survey| {
        survey.rule.stickiness = Some(minutes(5));
        compile(spec, &survey, registered()).unwrap().warnings.join("\n")
    };
    let check = |said: String, words: &[&str]| {
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert!(!said.contains("dead_man") && !said.contains("turns stickiness off"), "{said}");
    };
    check(
        said(&with(ecs(30), all_at_once()), live("ECS", "BLUE_GREEN")),
        &["ECS does not turn it off", "times out: after 30m", "keep the rollout paused for 30m at most"],
    );
    let mut survey = live("CODE_DEPLOY", "ROLLING");
    survey.code_deploy.as_mut().unwrap().termination_wait = minutes(20);
    check(
        said(&with(code_deploy(), canary(&[10.0], &[5])), survey),
        &[
            "the next share after 5m whether",
            "CodeDeploy goes on to the end",
            "rings: web-5xx",
            "20m after all traffic",
        ],
    );
}

#[test]
fn other_target_groups_of_the_rule_are_left_to_tidegate() {
    let mut survey = live("ECS", "CANARY");
    survey.rule.weights.push(("arn:other".into(), 1));
    let said = refused(&with(ecs(30), all_at_once()), &survey);
    assert!(said.contains("other target groups of the rule carry weight, and ECS shifts between two"), "{said}");
}

#[test]
fn task_sets_have_room_for_one_more_and_one_target_group_each() {
    let set = |n: usize, groups: &[&str]| crate::domain::fleet::TaskSetView {
        id: format!("ecs-svc/{n}"),
        target_groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let with_sets = |sets: Vec<crate::domain::fleet::TaskSetView>| {
        let mut survey = live("EXTERNAL", "ROLLING");
        survey.task_sets = sets;
        compile(&with(DriverSpec::TaskSets, all_at_once()), &survey, registered())
    };
    let blue = live("EXTERNAL", "ROLLING").blue.place.target_group;
    assert!(with_sets((0..4).map(|n| set(n, &[&blue])).collect()).is_ok());
    let mut five: Vec<_> = (0..4).map(|n| set(n, &[&blue])).collect();
    five.push(set(9, &["elsewhere"]));
    let said = format!("{:?}", with_sets(five).unwrap_err().0);
    assert!(said.contains("has 5 task sets, and ECS makes no more than 5"), "{said}");
    assert!(said.contains("such as ecs-svc/9 (`aws ecs delete-task-set`)"), "{said}");
    let said = format!("{:?}", with_sets(vec![set(1, &[&blue, "other"])]).unwrap_err().0);
    assert!(said.contains("task set ecs-svc/1 registers its tasks in 2 target groups"), "{said}");
}
