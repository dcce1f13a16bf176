//! Deployments that shift traffic, in virtual time.

use serde_json::{Value, json};

use super::SHIFT_MS;

use crate::Behaviour;
use crate::account::{DeploymentStatus, HookStatus, ServiceDeployment, Stage, TargetState};
use crate::config::{LabConfig, ServiceSeed, ShiftPauses};
use crate::metrics::alarm;
use crate::metrics::alarm_state::State;
use crate::scheduler::tests::Scene;

const SERVICE: &str = "web-blue";
/// No deployment of these tests takes longer, in seconds.
const PATIENCE: u64 = 3_600;

fn scene(change: impl FnOnce(&mut LabConfig)) -> Scene {
    let mut config = LabConfig::default();
    config.world.services = ServiceSeed::Ecs;
    config.world.test_listener_port = Some(8080);
    config.world.alarms = vec!["hot".to_owned()];
    change(&mut config);
    Scene::of(config)
}

/// A bake of a minute, and what else is said.
fn configured(strategy: &str, more: &Value) -> Value {
    let mut given = json!({"strategy": strategy, "bakeTimeInMinutes": 1});
    let more = more.as_object().expect("it is an object");
    given.as_object_mut().expect("it is an object").extend(more.clone());
    given
}

fn canary(more: &Value) -> Value {
    let mut given = configured("CANARY", more);
    given["canaryConfiguration"] = json!({"canaryPercent": 5.5, "canaryBakeTimeInMinutes": 2});
    given
}

fn pause(stage: &str, timeout: &Value) -> Value {
    json!({"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": [stage], "timeoutConfiguration": timeout}]})
}

impl Scene {
    fn deploy(&mut self, configuration: &Value, behaviour: &str) {
        self.deploy_to("web:2", configuration, behaviour);
    }

    fn deploy_to(&mut self, definition: &str, configuration: &Value, behaviour: &str) {
        let arn = self.account.definition(definition).expect("it is seeded").arn.clone();
        let behaviour: Behaviour = behaviour.parse().expect("the words are right");
        for one in self.account.definitions.iter_mut().filter(|one| one.arn == arn) {
            one.behaviour = behaviour.clone();
        }
        let raw = configuration.as_object().expect("it is an object").clone();
        let service = self.service(SERVICE);
        service.limits.raw = raw;
        let (service, now) = (service.arn.clone(), self.now);
        super::begin(&mut self.account, &service, &arn, now).expect("the configuration is right");
    }

    fn deployment(&mut self) -> &mut ServiceDeployment {
        self.account.service_deployments.last_mut().expect("one began")
    }

    /// The weights of the two groups in the production rule.
    fn weights(&self) -> (u64, u64) {
        let rule = self.account.rules.iter().find(|rule| rule.priority.is_some()).expect("it is seeded");
        let groups = rule.actions[0]["ForwardConfig"]["TargetGroups"].as_array().expect("it forwards");
        let weight = |of: &str| {
            let group = groups.iter().find(|one| one["TargetGroupArn"] == json!(of));
            group.and_then(|one| one["Weight"].as_u64()).unwrap_or(0)
        };
        (weight(&self.account.groups[0].arn), weight(&self.account.groups[1].arn))
    }

    /// Runs on until something holds; whatever has weight has healthy targets all the while.
    fn until(&mut self, what: &str, holds: impl Fn(&mut Scene) -> bool) {
        for _ in 0..PATIENCE {
            if holds(self) {
                return;
            }
            self.run(1);
            let (blue, green) = self.weights();
            for (group, weight) in [("web-blue", blue), ("web-green", green)] {
                assert!(weight == 0 || self.targets(group, TargetState::Healthy) > 0, "{group} has weight {weight}");
            }
        }
        let stage = self.deployment().stage;
        panic!("waited in vain at {stage:?}: {what}");
    }

    fn until_over(&mut self) -> DeploymentStatus {
        self.until("it ends", |scene| scene.deployment().status.is_over());
        self.deployment().status
    }

    fn until_stage(&mut self, stage: Stage) {
        self.until(stage.word(), |scene| scene.deployment().stage == Some(stage));
    }

    fn until_paused(&mut self) {
        self.until("a pause", |scene| scene.deployment().is_paused());
    }

    fn answer(&mut self) {
        for hook in &mut self.deployment().hooks {
            hook.status = HookStatus::Succeeded;
        }
    }

    fn ring(&mut self, state: State) {
        let now = self.now;
        let mut history = std::mem::take(&mut self.account.history);
        let item = self.account.alarms[0].enter(state, "by hand".to_owned(), String::new(), now);
        alarm::remember(&mut history, item);
        self.account.history = history;
    }

    /// Runs to the end; gives the stages passed, and the weights of green with how many seconds each held.
    fn trace(&mut self) -> (Vec<Stage>, Vec<(u64, u64)>) {
        let (mut stages, mut weights): (Vec<Stage>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
        for _ in 0..PATIENCE {
            self.run(1);
            let green = self.weights().1;
            match weights.last_mut() {
                Some((weight, seconds)) if *weight == green => *seconds += 1,
                _ => weights.push((green, 1)),
            }
            let (stage, is_over) = (self.deployment().stage, self.deployment().status.is_over());
            stages.extend(stage.filter(|stage| stages.last() != Some(stage)));
            if is_over {
                break;
            }
        }
        (stages, weights)
    }

    /// All is as it was before the deployment.
    fn is_back(&mut self) {
        assert_eq!(self.weights(), (100, 0));
        assert_eq!(self.targets("web-blue", TargetState::Healthy), 2);
        self.run(60);
        assert_eq!(self.targets("web-green", TargetState::Healthy), 0);
        let service = self.service(SERVICE);
        assert_eq!((service.deployments.len(), service.is_steady), (1, true));
        assert!(service.definition.ends_with("web:1"));
    }
}

#[test]
fn a_blue_green_deployment_passes_all_stages_and_swaps_the_groups() {
    let mut scene = scene(|_| {});
    scene.deploy(&configured("BLUE_GREEN", &json!({})), "healthy");
    assert_eq!(scene.deployment().status, DeploymentStatus::Pending);
    let (stages, weights) = scene.trace();
    let expected = [
        Stage::PreScaleUp,
        Stage::ScaleUp,
        Stage::PostScaleUp,
        Stage::TestTrafficShift,
        Stage::PostTestTrafficShift,
        Stage::PreProductionTrafficShift,
        Stage::ProductionTrafficShift,
        Stage::PostProductionTrafficShift,
        Stage::BakeTime,
        Stage::CleanUp,
    ];
    assert_eq!(stages, expected);
    assert_eq!(scene.deployment().status, DeploymentStatus::Successful);
    assert_eq!(weights.iter().map(|(weight, _)| *weight).collect::<Vec<_>>(), [0, 100]);
    assert!(weights[1].1 >= 60, "it bakes with all traffic moved");
    assert_eq!(scene.weights(), (0, 100));
    scene.run(60);
    assert_eq!(scene.targets("web-blue", TargetState::Healthy), 0);
    scene.deploy_to("web:1", &configured("BLUE_GREEN", &json!({})), "healthy");
    assert_eq!(scene.until_over(), DeploymentStatus::Successful);
    assert_eq!(scene.weights(), (100, 0));
}

#[test]
fn a_canary_bakes_at_its_share_and_then_all_traffic_moves() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    let (_, weights) = scene.trace();
    assert_eq!(weights.iter().map(|(weight, _)| *weight).collect::<Vec<_>>(), [0, 55, 100]);
    assert!((120..140).contains(&weights[1].1), "{weights:?}");
}

#[test]
fn a_linear_deployment_goes_in_equal_steps() {
    let mut scene = scene(|_| {});
    let linear = json!({"linearConfiguration": {"stepPercent": 30, "stepBakeTimeInMinutes": 1}});
    scene.deploy(&configured("LINEAR", &linear), "healthy");
    let (_, weights) = scene.trace();
    assert_eq!(weights.iter().map(|(weight, _)| *weight).collect::<Vec<_>>(), [0, 30, 60, 90, 100]);
    assert!(weights[1..4].iter().all(|(_, seconds)| (60..80).contains(seconds)), "{weights:?}");
}

#[test]
fn a_pause_before_each_shift_holds_until_it_is_answered() {
    for (pauses, expected) in [(ShiftPauses::Each, vec![0, 55]), (ShiftPauses::First, vec![0])] {
        let mut scene = scene(|config| config.shift_pauses = pauses);
        scene.deploy(&canary(&pause("PRE_PRODUCTION_TRAFFIC_SHIFT", &Value::Null)), "healthy");
        let mut held = Vec::new();
        while held.len() < expected.len() {
            scene.until_paused();
            let (stage, id) = (scene.deployment().stage, scene.deployment().hooks[0].id.clone());
            assert_eq!(stage, Some(Stage::PreProductionTrafficShift));
            scene.run(600);
            assert_eq!(scene.deployment().hooks[0].id, id, "it still holds");
            held.push(scene.weights().1);
            scene.answer();
            scene.run(2);
        }
        assert_eq!(held, expected);
        assert_eq!(scene.until_over(), DeploymentStatus::Successful);
    }
}

#[test]
fn an_unanswered_pause_times_out_as_it_was_told() {
    let stage = "POST_TEST_TRAFFIC_SHIFT";
    let mut back = scene(|_| {});
    back.deploy(&canary(&pause(stage, &json!({"timeoutInMinutes": 3}))), "healthy");
    back.until_paused();
    let since = back.deployment().stage_since;
    assert_eq!(back.deployment().hooks[0].expires_at, since + 180_000);
    assert_eq!(back.until_over(), DeploymentStatus::RollbackSuccessful);
    assert_eq!(back.deployment().hooks[0].status, HookStatus::TimedOut);
    let reason = back.deployment().rollback.clone().expect("it went back").reason;
    assert!(reason.contains("timed out at the POST_TEST_TRAFFIC_SHIFT stage"), "{reason}");
    back.is_back();
    let mut on = scene(|_| {});
    on.deploy(&canary(&pause(stage, &json!({"timeoutInMinutes": 3, "action": "CONTINUE"}))), "healthy");
    assert_eq!(on.until_over(), DeploymentStatus::Successful);
}

#[test]
fn from_every_stage_a_rollback_gives_all_traffic_back() {
    for stage in [
        Stage::PreScaleUp,
        Stage::ScaleUp,
        Stage::TestTrafficShift,
        Stage::PreProductionTrafficShift,
        Stage::ProductionTrafficShift,
        Stage::PostProductionTrafficShift,
        Stage::BakeTime,
        Stage::CleanUp,
    ] {
        let mut scene = scene(|_| {});
        scene.deploy(&canary(&json!({})), "healthy");
        scene.until_stage(stage);
        let now = scene.now;
        scene.deployment().fail("somebody said so".to_owned(), true, now);
        assert_eq!(scene.until_over(), DeploymentStatus::RollbackSuccessful, "{stage:?}");
        scene.is_back();
    }
}

#[test]
fn a_rollback_moves_all_traffic_before_any_task_stops() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    scene.until("the canary", |scene| scene.weights().1 == 55);
    let now = scene.now;
    scene.deployment().fail("somebody said so".to_owned(), true, now);
    scene.run(2);
    assert_eq!((scene.weights(), scene.deployment().status), ((100, 0), DeploymentStatus::RollbackInProgress));
    assert_eq!(scene.targets("web-green", TargetState::Healthy), 2);
}

#[test]
fn an_alarm_turns_the_deployment_back_or_stops_it() {
    let alarms = |rolls_back: bool| json!({"alarms": {"enable": true, "rollback": rolls_back, "alarmNames": ["hot"]}});
    for (rolls_back, expected) in [(true, DeploymentStatus::RollbackSuccessful), (false, DeploymentStatus::Stopped)] {
        let mut scene = scene(|_| {});
        scene.deploy(&canary(&alarms(rolls_back)), "healthy");
        scene.until("the canary", |scene| scene.weights().1 == 55);
        scene.ring(State::Alarm);
        assert_eq!(scene.until_over(), expected);
        assert_eq!(scene.deployment().triggered, ["hot"]);
        let reason = scene.deployment().reason.clone().unwrap_or_default();
        assert!(reason.contains("hot"), "{reason}");
        assert_eq!(scene.weights().1, if rolls_back { 0 } else { 55 });
    }
    let mut scene = scene(|_| {});
    scene.ring(State::Alarm);
    scene.deploy(&canary(&alarms(true)), "healthy");
    assert_eq!(scene.until_over(), DeploymentStatus::Successful, "it rang before");
    assert!(!scene.deployment().heeds_alarms);
}

#[test]
fn the_circuit_breaker_turns_a_crashing_release_back() {
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    for behaviour in ["crash", "never-healthy"] {
        let mut scene = scene(|_| {});
        scene.deploy(&configured("BLUE_GREEN", &breaker), behaviour);
        assert_eq!(scene.until_over(), DeploymentStatus::RollbackSuccessful);
        let rollback = scene.deployment().rollback.clone().expect("it went back");
        assert!(rollback.reason.contains("circuit breaker"), "{}", rollback.reason);
        assert_eq!(rollback.revision, scene.deployment().sources[0].revision);
        scene.is_back();
    }
    let mut scene = scene(|_| {});
    scene.deploy(&configured("BLUE_GREEN", &json!({})), "crash");
    scene.run(PATIENCE);
    assert_eq!(scene.deployment().stage, Some(Stage::ScaleUp), "nothing ends it but a day");
}

#[test]
fn a_new_deployment_supersedes_the_one_under_way() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    scene.until("the canary", |scene| scene.weights().1 == 55);
    let first = scene.deployment().arn.clone();
    scene.deploy(&canary(&json!({})), "healthy");
    let before = scene.account.service_deployments.iter().find(|one| one.arn == first);
    assert_eq!(before.map(|one| one.status), Some(DeploymentStatus::Stopped));
    assert_eq!((scene.deployment().sources.len(), scene.weights().1), (2, 55));
    let (stages, weights) = scene.trace();
    assert_eq!(stages[0], Stage::ReconcileService);
    assert_eq!(weights.iter().map(|(weight, _)| *weight).collect::<Vec<_>>(), [0, 55, 100]);
    assert_eq!(scene.deployment().status, DeploymentStatus::Successful);
    assert_eq!(scene.service(SERVICE).deployments.len(), 1);
}

#[test]
fn a_superseded_revision_keeps_its_tasks_until_the_load_balancer_knows_that_it_has_no_weight() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    scene.until("the canary", |scene| scene.weights().1 == 55);
    scene.deploy(&canary(&json!({})), "healthy");
    scene.until("its weight is taken away", |scene| scene.weights().1 == 0);
    let since = scene.now;
    while scene.now < since + SHIFT_MS {
        assert_eq!(scene.targets("web-green", TargetState::Healthy), 2, "the load balancer may not know yet");
        scene.run(1);
    }
    scene.until("they go", |scene| scene.targets("web-green", TargetState::Healthy) == 0);
}

#[test]
fn an_aborted_deployment_stays_where_it_is() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    scene.until("the canary", |scene| scene.weights().1 == 55);
    let now = scene.now;
    scene.deployment().fail("somebody said so".to_owned(), false, now);
    assert_eq!(scene.until_over(), DeploymentStatus::Stopped);
    scene.run(300);
    assert_eq!(scene.weights(), (945, 55));
    assert_eq!(scene.targets("web-green", TargetState::Healthy), 2);
    scene.deploy(&canary(&json!({})), "healthy");
    assert_eq!(scene.until_over(), DeploymentStatus::Successful);
}

#[test]
fn a_rule_that_is_gone_ends_the_deployment_without_a_way_back() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    scene.until_stage(Stage::PostScaleUp);
    scene.account.rules.retain(|rule| rule.priority.is_none());
    for _ in 0..60 {
        scene.run(1);
    }
    let deployment = scene.deployment();
    assert_eq!(deployment.status, DeploymentStatus::RollbackFailed);
    assert!(deployment.reason.as_ref().is_some_and(|reason| reason.contains("was not found")));
}

#[test]
fn a_deleted_service_takes_its_deployments_with_it() {
    let mut scene = scene(|_| {});
    scene.deploy(&canary(&json!({})), "healthy");
    scene.run(20);
    scene.service(SERVICE).status = crate::account::ServiceStatus::Draining;
    scene.run(120);
    assert_eq!(scene.service(SERVICE).status, crate::account::ServiceStatus::Inactive);
    assert!(scene.account.service_deployments.is_empty() && scene.account.revisions.is_empty());
}
