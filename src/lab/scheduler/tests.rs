//! The scheduler in virtual time, with containers that only note what they were told.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::account::{Phase, Rollout, TargetState, TaskSet};
use crate::balancer::health;
use crate::config::{LabConfig, ServiceSeed};

#[derive(Default)]
pub(super) struct Notes {
    told: BTreeMap<String, Vec<&'static str>>,
}

impl Notes {
    fn note(&mut self, id: &str, what: &'static str) {
        self.told.entry(id.to_owned()).or_default().push(what);
    }
}

impl Host for Notes {
    fn start(&mut self, task: &Task) -> Option<SocketAddr> {
        self.note(&task.id, "start");
        Some(SocketAddr::from(([127, 0, 0, 1], 9_000 + self.told.len() as u16)))
    }

    fn stop(&mut self, id: &str) {
        self.note(id, "stop");
    }

    fn kill(&mut self, id: &str) {
        self.note(id, "kill");
    }
}

pub(super) struct Scene {
    pub(super) account: Account,
    notes: Notes,
    pub(super) now: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene::of(LabConfig::default())
    }

    fn serving(services: ServiceSeed) -> Scene {
        let mut config = LabConfig::default();
        config.world.services = services;
        Scene::of(config)
    }

    pub(super) fn of(mut config: LabConfig) -> Scene {
        config.world.extra_task_definitions = vec!["web:2".to_owned()];
        let account = Account::seeded(&config, 0);
        let mut scene = Scene { account, notes: Notes::default(), now: 0 };
        scene.run(30);
        scene
    }

    /// Lets seconds pass; every target that is checked is found as its task behaves.
    pub(super) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1_000;
            tick(&mut self.account, self.now, &mut self.notes);
            for probe in health::due(&mut self.account, self.now) {
                let task = self.account.tasks.values().find(|task| task.address == probe.id);
                let is_well = task.is_some_and(|task| !task.behaviour.never_healthy);
                let finding = if is_well { health::Finding::Well } else { health::Finding::Mismatch };
                health::note(&mut self.account, &probe, finding);
            }
        }
    }

    pub(super) fn service(&mut self, name: &str) -> &mut crate::account::Service {
        let service = self.account.services.iter_mut().find(|service| service.name == name);
        service.expect("the service is seeded")
    }

    fn release(&mut self, name: &str, desired: u32, behaviour: &str) {
        let arn = self.account.definition("web:2").expect("it is seeded").arn.clone();
        let behaviour: crate::Behaviour = behaviour.parse().expect("the words are right");
        for one in self.account.definitions.iter_mut().filter(|one| one.arn == arn) {
            one.behaviour = behaviour.clone();
        }
        let (now, number) = (self.now, self.account.next());
        let service = self.service(name);
        service.desired = desired;
        service.deploy(&arn, now, number);
    }

    /// Adds a task set of the second definition behind the idle group; gives its id.
    fn add_set(&mut self, scale: f64, behaviour: &str) -> String {
        let behaviour: crate::Behaviour = behaviour.parse().expect("the words are right");
        let definition = self.account.definitions.iter_mut().find(|one| one.arn.ends_with("/web:2"));
        let definition = definition.expect("it is seeded");
        definition.behaviour = behaviour;
        let arn = definition.arn.clone();
        let (group, now, number) = (self.account.groups[1].arn.clone(), self.now, self.account.next());
        let service = self.service("web-blue");
        let mut places = service.attachments.clone();
        places[0].group = group;
        let set = TaskSet { scale, ..TaskSet::new(service, &arn, places, now) };
        service.add_set(set, number)
    }

    fn count(&self, phase: Phase) -> usize {
        self.account.tasks.values().filter(|task| task.phase == phase).count()
    }

    pub(super) fn targets(&self, group: &str, state: TargetState) -> usize {
        let group = self.account.groups.iter().find(|one| one.name == group);
        let targets = &group.expect("the group is seeded").targets;
        targets.iter().filter(|target| target.state == state).count()
    }
}

#[test]
fn a_release_comes_up_and_completes() {
    let mut scene = Scene::new();
    scene.release("web-green", 3, "healthy");
    scene.run(60);
    let green = scene.service("web-green");
    assert_eq!(green.deployments.len(), 1);
    assert_eq!(green.deployments[0].rollout, Rollout::Completed);
    assert!(green.events[0].message.contains("has reached a steady state"));
    assert_eq!(scene.targets("web-green", TargetState::Healthy), 3);
}

#[test]
fn a_rolling_release_never_has_fewer_well_tasks_than_wanted() {
    let mut scene = Scene::new();
    scene.release("web-blue", 2, "healthy");
    for _ in 0..120 {
        scene.run(1);
        assert!(scene.targets("web-blue", TargetState::Healthy) >= 2);
    }
    assert_eq!(scene.service("web-blue").deployments.len(), 1);
    assert_eq!(scene.count(Phase::Running), 2);
}

#[test]
fn a_release_that_rounding_leaves_no_room_for_waits_and_says_so() {
    let mut scene = Scene::new();
    scene.service("web-blue").desired = 1;
    scene.run(60);
    let limits = &mut scene.service("web-blue").limits;
    (limits.minimum_healthy_percent, limits.maximum_percent) = (50, 100);
    scene.release("web-blue", 1, "healthy");
    scene.run(600);
    let service = scene.service("web-blue").clone();
    assert_eq!((service.deployments.len(), service.deployments[0].rollout), (2, Rollout::InProgress));
    let said = service.events.iter().filter(|event| event.message.contains("was unable to stop or start tasks"));
    assert_eq!(said.count(), 1);
    scene.service("web-blue").limits.maximum_percent = 200;
    scene.run(120);
    assert_eq!(scene.service("web-blue").deployments.len(), 1);
}

#[test]
fn tasks_run_on_the_providers_of_their_strategy() {
    let mut scene = Scene::new();
    let strategy = json!([{"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3}]);
    scene.service("web-green").extra.insert("capacityProviderStrategy".to_owned(), strategy);
    scene.release("web-green", 5, "healthy");
    scene.run(60);
    let arn = scene.service("web-green").arn.clone();
    let on = |name: &str| {
        let of_it = scene.account.tasks.values().filter(|task| task.service == arn);
        of_it.filter(|task| task.provider.as_deref() == Some(name)).count()
    };
    assert_eq!((on("FARGATE"), on("FARGATE_SPOT")), (2, 3));
}

#[test]
fn a_clean_stop_drains_before_the_container_is_told() {
    let mut scene = Scene::new();
    scene.service("web-blue").desired = 0;
    scene.run(2);
    assert_eq!(scene.targets("web-blue", TargetState::Draining), 2);
    scene.run(25);
    assert!(scene.notes.told.values().all(|told| told == &["start"]));
    scene.run(15);
    assert!(scene.notes.told.values().all(|told| told == &["start", "stop"]));
    assert_eq!(scene.count(Phase::Stopped), 2);
}

#[test]
fn a_crashing_release_is_tried_again_ever_more_rarely() {
    let mut scene = Scene::new();
    scene.release("web-green", 1, "crash");
    scene.run(300);
    let failed = scene.service("web-green").deployments[0].failed_tasks;
    assert!((3..=8).contains(&failed), "{failed}");
    let stopped = scene.account.tasks.values().find(|task| task.phase == Phase::Stopped);
    let cause = stopped.and_then(|task| task.stop.clone()).expect("it says why");
    assert_eq!((cause.code, cause.exit_code), ("EssentialContainerExited", 1));
}

#[test]
fn a_task_that_is_never_healthy_is_replaced() {
    let mut scene = Scene::new();
    scene.release("web-green", 1, "never-healthy");
    scene.run(120);
    assert!(scene.service("web-green").deployments[0].failed_tasks >= 1);
    let reason = |task: &Task| task.stop.as_ref().map(|stop| stop.reason.clone());
    let reasons: Vec<_> = scene.account.tasks.values().filter_map(reason).collect();
    assert!(reasons.iter().any(|reason| reason.contains("failed ELB health checks")));
}

#[test]
fn the_circuit_breaker_brings_the_release_before_back() {
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    for (name, desired) in [("web-blue", 2), ("web-green", 4)] {
        let mut scene = Scene::new();
        scene.service(name).limits.raw = breaker.as_object().expect("it is an object").clone();
        scene.release(name, desired, "crash");
        scene.run(300);
        let service = scene.service(name);
        assert!(service.definition.ends_with("web:1"), "{name}: an idle service goes back too");
        assert_eq!(service.deployments[0].rollout, Rollout::Completed, "{name}");
        assert!(service.events.iter().any(|one| one.message.contains("rolling back to deployment")));
        assert_eq!(scene.targets(name, TargetState::Healthy), desired as usize);
    }
}

#[test]
fn a_circuit_breaker_without_rollback_leaves_a_failed_deployment() {
    let mut scene = Scene::new();
    let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": false}});
    scene.service("web-green").limits.raw = breaker.as_object().expect("it is an object").clone();
    scene.release("web-green", 2, "crash");
    scene.run(300);
    let green = scene.service("web-green");
    assert!(green.definition.ends_with("web:2"));
    assert_eq!(green.deployments[0].rollout, Rollout::Failed);
}

#[test]
fn an_alarm_that_rings_during_a_rolling_deployment_brings_the_release_before_back() {
    let watched = json!({"alarms": {"enable": true, "rollback": true, "alarmNames": ["hot"]}});
    for (rings_after, ends_with) in [(0, "web:2"), (20, "web:1")] {
        let mut scene = Scene::new();
        scene.service("web-green").limits.raw = watched.as_object().expect("it is an object").clone();
        let put = json!({"AlarmName": "hot", "Namespace": "A", "MetricName": "b", "Period": 60, "Threshold": 1.0,
            "EvaluationPeriods": 2, "Statistic": "Sum", "ComparisonOperator": "GreaterThanThreshold"});
        let rule = crate::metrics::alarm_rule::MetricRule::parse(&put).expect("it is right");
        let body = put.as_object().expect("it is an object").clone();
        let rule = crate::metrics::alarm::AlarmRule::Metric(rule);
        let mut alarm = crate::metrics::alarm::Alarm::new(&scene.account.names, "hot", body, rule, scene.now);
        alarm.updated_at = scene.now + rings_after * 1_000;
        if rings_after == 0 {
            alarm.state = crate::metrics::alarm_state::State::Alarm;
            alarm.updated_at -= 1_000;
        }
        scene.account.alarms.push(alarm);
        scene.release("web-green", 2, "healthy");
        scene.run(rings_after);
        scene.account.alarms[0].state = crate::metrics::alarm_state::State::Alarm;
        scene.run(200);
        let green = scene.service("web-green");
        assert!(green.definition.ends_with(ends_with), "one that rang before is ignored: {}", green.definition);
        assert_eq!(green.deployments[0].rollout, Rollout::Completed);
    }
}

#[test]
fn a_deleted_service_goes_with_its_tasks() {
    let mut scene = Scene::new();
    scene.service("web-blue").status = ServiceStatus::Draining;
    scene.run(60);
    assert_eq!(scene.service("web-blue").status, ServiceStatus::Inactive);
    assert_eq!(scene.count(Phase::Running), 0);
}

#[test]
fn a_container_says_how_its_release_behaves() {
    let mut scene = Scene::new();
    let body = json!({"family": "web", "containerDefinitions": [{"name": "web", "image": "x",
        "environment": [{"name": "LAB_BEHAVIOUR", "value": "errors=5%"}]}]});
    let body = body.as_object().expect("it is an object").clone();
    let arn = scene.account.register(body, None, scene.now);
    let definition = scene.account.definition(&arn).expect("it was just registered");
    assert_eq!(definition.behaviour.to_string(), "errors=5%");
}

#[test]
fn a_task_set_has_its_share_of_the_desired_count_rounded_up() {
    let mut scene = Scene::serving(ServiceSeed::TaskSets);
    assert!(scene.service("web-blue").primary().is_some_and(|set| set.is_steady));
    scene.service("web-blue").desired = 3;
    let set = scene.add_set(50.0, "healthy");
    scene.run(5);
    assert!(!scene.service("web-blue").set(&set).expect("it was added").is_steady);
    scene.run(40);
    let healthy = |scene: &Scene| ["web-blue", "web-green"].map(|group| scene.targets(group, TargetState::Healthy));
    assert_eq!(healthy(&scene), [3, 2]);
    assert!(scene.service("web-blue").sets.iter().all(|set| set.is_steady));
    scene.service("web-blue").set_mut(&set).expect("it was added").scale = 100.0;
    scene.run(45);
    assert_eq!(healthy(&scene), [3, 3]);
}

#[test]
fn a_deleted_task_set_drains_and_is_forgotten_with_its_last_task() {
    let mut scene = Scene::serving(ServiceSeed::TaskSets);
    let set = scene.add_set(100.0, "healthy");
    scene.run(45);
    let now = scene.now;
    scene.service("web-blue").promote(&set, now);
    assert!(scene.service("web-blue").definition.ends_with("web:2"));
    scene.service("web-blue").sets[0].drain(now);
    scene.run(5);
    assert_eq!(scene.targets("web-blue", TargetState::Draining), 2);
    assert_eq!(scene.service("web-blue").sets.len(), 2);
    scene.run(40);
    assert_eq!(scene.service("web-blue").sets.len(), 1);
    assert_eq!((scene.count(Phase::Running), scene.count(Phase::Stopped)), (2, 2));
    let event = scene.service("web-blue").events.iter().any(|event| event.message.contains(&format!("taskSet {set}")));
    assert!(event, "events name the task set");
}

#[test]
fn a_task_set_that_crashes_is_never_steady_and_is_tried_ever_more_rarely() {
    let mut scene = Scene::serving(ServiceSeed::CodeDeploy);
    let set = scene.add_set(100.0, "crash");
    scene.run(300);
    let started = scene.account.tasks.values().filter(|task| task.deployment == set).count();
    assert!((4..=16).contains(&started), "{started}");
    assert!(!scene.service("web-blue").set(&set).expect("it was added").is_steady);
    assert_eq!(scene.targets("web-blue", TargetState::Healthy), 2);
}

#[test]
fn a_deployment_with_early_success_is_over_while_tasks_of_before_still_run() {
    for (cleanup, early) in [("DEFERRED", true), ("BLOCKING", false)] {
        let mut scene = Scene::new();
        let criteria = json!({"enable": true, "healthyPercent": 50, "sourceServiceRevisionCleanup": cleanup});
        let service = scene.service("web-blue");
        service.limits.raw.insert("earlySuccessCriteria".to_owned(), criteria);
        service.limits.maximum_percent = 150;
        scene.release("web-blue", 4, "healthy");
        let mut seconds = 0;
        while scene.service("web-blue").deployments[0].rollout != Rollout::Completed {
            scene.run(1);
            seconds += 1;
            assert!(seconds < 600, "it is never over");
        }
        let service = scene.service("web-blue");
        let (arn, id) = (service.arn.clone(), service.deployments[0].id.clone());
        assert_eq!(service.deployments.len(), 1);
        let of_before = scene.account.tasks.values().filter(|task| task.service == arn && task.deployment != id);
        let running = of_before.filter(|task| task.phase == Phase::Running).count();
        assert_eq!(running > 0, early, "{cleanup}: {running} tasks of before");
        scene.run(300);
        let service = scene.service("web-blue");
        assert!(service.is_steady);
        let left = scene.account.tasks.values().filter(|task| task.service == arn && task.deployment != id);
        assert_eq!(left.filter(|task| task.phase == Phase::Running).count(), 0);
    }
}
