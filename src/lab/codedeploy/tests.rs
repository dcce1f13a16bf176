//! CodeDeploy in virtual time, with tasks that run as their release behaves.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::*;
use crate::account::codedeploy::{Deployment, Status};
use crate::account::{Account, Task};
use crate::balancer::health;
use crate::config::{LabConfig, ServiceSeed};
use crate::metrics::alarm_state::State;
use crate::scheduler::{self, Host};
use crate::value::number;

/// Containers that only have an address.
struct Addresses;

impl Host for Addresses {
    fn start(&mut self, _: &Task) -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], 9_000)))
    }

    fn stop(&mut self, _: &str) {}

    fn kill(&mut self, _: &str) {}
}

struct Scene {
    account: Account,
    now: u64,
}

impl Scene {
    fn new(behaviour: &str) -> Scene {
        let mut config = LabConfig { candidate: behaviour.parse().expect("the words are right"), ..Default::default() };
        config.world.services = ServiceSeed::CodeDeploy;
        config.world.extra_task_definitions = vec!["web:2".to_owned()];
        config.world.test_listener_port = Some(8080);
        config.world.alarms = vec!["hot".to_owned()];
        let mut scene = Scene { account: Account::seeded(&config, 0), now: 0 };
        scene.run(30);
        scene
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1_000;
            scheduler::tick(&mut self.account, self.now, &mut Addresses);
            tick(&mut self.account, self.now);
            for probe in health::due(&mut self.account, self.now) {
                let task = self.account.tasks.values().find(|task| task.address == probe.id);
                let is_well = task.is_some_and(|task| !task.behaviour.never_healthy);
                let finding = if is_well { health::Finding::Well } else { health::Finding::Mismatch };
                health::note(&mut self.account, &probe, finding);
            }
        }
    }

    /// Changes the group, and starts a deployment of the second revision; gives its id.
    fn deploy(&mut self, config: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut body = Value::Object(self.account.deploy.groups[0].body.clone());
        change(&mut body);
        let Value::Object(body) = body else { panic!("a group is an object") };
        self.account.deploy.groups[0].body = body;
        let configs = self.account.deploy.all_configs();
        let config = configs.iter().find(|one| one.name.ends_with(config)).expect("there is one");
        let definition = self.account.definition("web:2").expect("it is seeded").arn.clone();
        let revision = Revision::of(&definition, "web", 8080);
        let number = self.account.next();
        let made = Deployment::new(&self.account.deploy.groups[0], config, revision, number, self.now);
        let id = made.id.clone();
        self.account.deploy.deployments.push(made);
        id
    }

    fn get(&mut self, id: &str) -> &mut Deployment {
        self.account.deploy.deployments.iter_mut().find(|one| one.id == id).expect("it was created")
    }

    fn status(&self, id: &str) -> Status {
        self.account.deploy.deployment(id).expect("it was created").status
    }

    /// The weights of blue and green in the production rule, and in the test listener's.
    fn weights(&self) -> [Vec<u32>; 2] {
        let is_production = |rule: &&crate::account::Rule| rule.priority.is_some();
        let test = &self.account.listeners[1].arn;
        let rules = [
            self.account.rules.iter().find(is_production),
            self.account.rules.iter().find(|rule| rule.listener == *test),
        ];
        let weight = |rule: &crate::account::Rule, group: &str| {
            let tuples = rule.actions[0].pointer("/ForwardConfig/TargetGroups").and_then(Value::as_array).cloned();
            let mut tuples = tuples.unwrap_or_default().into_iter();
            let found = tuples.find(|tuple| tuple["TargetGroupArn"] == group);
            found.and_then(|tuple| number(&tuple, "Weight")).unwrap_or(0.0) as u32
        };
        rules.map(|rule| {
            let rule = rule.expect("it is seeded");
            self.account.groups.iter().map(|group| weight(rule, &group.arn)).collect()
        })
    }

    fn service(&self) -> &crate::account::Service {
        &self.account.services[0]
    }

    fn statuses(&self, id: &str) -> Vec<&'static str> {
        let events = self.account.deploy.deployment(id).expect("it was created").events;
        events.iter().map(|event| event.status.unwrap_or("Pending")).collect()
    }
}

fn no_change(_: &mut Value) {}

fn rolls_back_on(event: &'static str) -> impl FnOnce(&mut Value) {
    move |body| {
        body["autoRollbackConfiguration"] = json!({"enabled": true, "events": [event]});
        body["alarmConfiguration"] = json!({"enabled": true, "alarms": [{"name": "hot"}]});
    }
}

#[test]
fn all_at_once_installs_shifts_keeps_the_original_for_its_time_and_deletes_it() {
    let mut scene = Scene::new("healthy");
    let id = scene.deploy("ECSAllAtOnce", no_change);
    assert_eq!(scene.status(&id), Status::Created);
    scene.run(3);
    assert_eq!((scene.status(&id), scene.weights()), (Status::InProgress, [vec![100, 0], vec![0, 1]]));
    assert_eq!(scene.statuses(&id)[..3], ["Succeeded", "InProgress", "Pending"]);
    scene.run(40);
    assert_eq!((scene.status(&id), scene.weights()), (Status::InProgress, [vec![0, 100], vec![0, 100]]));
    assert_eq!(scene.statuses(&id), ["Succeeded"; 8]);
    let green = scene.get(&id).green.clone();
    assert_eq!(scene.service().primary_set, green);
    assert!(scene.service().definition.ends_with("web:2"));
    assert_eq!(scene.service().primary().and_then(|set| set.external_id.clone()), Some(id.clone()));
    scene.run(3_550);
    assert_eq!((scene.status(&id), scene.service().sets.len()), (Status::InProgress, 2));
    scene.run(120);
    assert_eq!((scene.status(&id), scene.service().sets.len()), (Status::Succeeded, 1));
}

#[test]
fn the_next_deployment_goes_the_other_way() {
    let mut scene = Scene::new("healthy");
    for expected in [vec![0, 100], vec![100, 0]] {
        let id = scene.deploy("ECSAllAtOnce", no_change);
        scene.run(60);
        assert_eq!(scene.weights()[0], expected);
        scene.get(&id).is_let_on = true;
        scene.run(60);
        assert_eq!((scene.status(&id), scene.service().sets.len()), (Status::Succeeded, 1));
    }
}

#[test]
fn linear_shifts_come_every_interval_from_the_start_of_the_first() {
    let mut scene = Scene::new("healthy");
    let id = scene.deploy("ECSLinear10PercentEvery1Minutes", no_change);
    let mut changes = Vec::new();
    for _ in 0..700 {
        scene.run(1);
        let percent = scene.weights()[0][1];
        if changes.last().is_none_or(|(_, before)| *before != percent) {
            changes.push((scene.now, percent));
        }
    }
    let percents: Vec<u32> = changes.iter().map(|(_, percent)| *percent).collect();
    assert_eq!(percents, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    assert!(changes[1..].windows(2).all(|pair| pair[1].0 - pair[0].0 == 60_000), "{changes:?}");
    assert_eq!(scene.statuses(&id), ["Succeeded"; 8]);
}

#[test]
fn a_canary_waits_with_its_part() {
    let mut scene = Scene::new("healthy");
    scene.deploy("ECSCanary10Percent5Minutes", no_change);
    scene.run(60);
    assert_eq!(scene.weights()[0], [90, 10]);
    scene.run(230);
    assert_eq!(scene.weights()[0], [90, 10]);
    scene.run(60);
    assert_eq!(scene.weights()[0], [0, 100]);
}

#[test]
fn leave_to_shift_is_waited_for_and_not_for_ever() {
    let waits = |body: &mut Value| {
        body["blueGreenDeploymentConfiguration"]["deploymentReadyOption"] =
            json!({"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 10});
        body["autoRollbackConfiguration"] = json!({"enabled": false});
    };
    let mut scene = Scene::new("healthy");
    let id = scene.deploy("ECSAllAtOnce", waits);
    scene.run(60);
    assert_eq!((scene.status(&id), scene.weights()), (Status::Ready, [vec![100, 0], vec![0, 100]]));
    assert_eq!(scene.statuses(&id)[4..6], ["Succeeded", "Pending"]);
    scene.get(&id).is_let_on = true;
    scene.run(1);
    assert_eq!((scene.status(&id), scene.weights()[0].clone()), (Status::InProgress, vec![0, 100]));
    let mut scene = Scene::new("healthy");
    let id = scene.deploy("ECSAllAtOnce", waits);
    scene.run(700);
    assert_eq!((scene.status(&id), scene.weights()[0].clone()), (Status::Stopped, vec![100, 0]));
    assert_eq!(scene.get(&id).error.as_ref().map(|(code, _)| *code), Some("TIMEOUT"));
    assert!(scene.get(&id).rollback.is_none());
    assert_eq!(scene.service().sets.len(), 2, "without a rollback all stays as it is");
}

#[test]
fn a_stop_with_rollback_gives_the_traffic_back_and_lets_the_replacement_go() {
    let mut scene = Scene::new("healthy");
    let id = scene.deploy("ECSCanary10Percent5Minutes", no_change);
    scene.run(60);
    assert_eq!(scene.weights()[0], [90, 10]);
    scene.get(&id).stop = Some(true);
    scene.run(1);
    assert_eq!((scene.status(&id), scene.weights()), (Status::Stopped, [vec![100, 0], vec![100, 0]]));
    assert_eq!(scene.statuses(&id)[6..], ["Failed", "Skipped"]);
    let other = scene.get(&id).rollback.clone().expect("it rolls back").other;
    assert_eq!(scene.get(&other).creator, "codeDeployRollback");
    assert_eq!(scene.get(&other).rollback.as_ref().map(|of| of.other.clone()), Some(id.clone()));
    scene.run(60);
    assert_eq!((scene.status(&other), scene.service().sets.len()), (Status::Succeeded, 1));
    assert!(scene.service().definition.ends_with("web:1"));
}

#[test]
fn a_stop_without_rollback_leaves_all_as_it_is_and_the_next_deployment_starts_over() {
    let mut scene = Scene::new("healthy");
    let id = scene.deploy("ECSCanary10Percent5Minutes", no_change);
    scene.run(60);
    scene.get(&id).stop = Some(false);
    scene.run(30);
    assert_eq!((scene.status(&id), scene.weights()[0].clone()), (Status::Stopped, vec![90, 10]));
    let next = scene.deploy("ECSAllAtOnce", no_change);
    scene.run(3);
    assert_eq!(scene.weights()[0], [100, 0]);
    scene.run(60);
    assert_eq!(scene.weights()[0], [0, 100]);
    assert_eq!(scene.statuses(&next), ["Succeeded"; 8]);
}

#[test]
fn an_alarm_stops_a_deployment_even_after_the_shift_and_rolls_back_if_it_is_told_to() {
    for (event, expected) in [("DEPLOYMENT_STOP_ON_ALARM", vec![100, 0]), ("DEPLOYMENT_FAILURE", vec![0, 100])] {
        let mut scene = Scene::new("healthy");
        let id = scene.deploy("ECSAllAtOnce", rolls_back_on(event));
        scene.run(60);
        assert_eq!(scene.weights()[0], [0, 100]);
        scene.account.alarms[0].state = State::Alarm;
        scene.run(10);
        assert_eq!((scene.status(&id), scene.weights()[0].clone()), (Status::Stopped, expected));
        let (code, message) = scene.get(&id).error.clone().expect("it says why");
        assert!(code == "ALARM_ACTIVE" && message.ends_with("Activated alarms: <hot>"), "{code}: {message}");
        let rollbacks = scene.account.deploy.deployments.iter().filter(|one| one.creator == "codeDeployRollback");
        let ends: Vec<Status> = rollbacks.map(|one| one.status).collect();
        assert_eq!(ends, vec![Status::Succeeded; usize::from(event == "DEPLOYMENT_STOP_ON_ALARM")]);
    }
}

#[test]
fn a_replacement_that_never_gets_well_fails_after_an_hour_and_never_has_traffic() {
    let mut scene = Scene::new("never-healthy");
    let id = scene.deploy("ECSAllAtOnce", no_change);
    for _ in 0..36 {
        scene.run(100);
        assert_eq!(scene.weights()[0], [100, 0]);
    }
    scene.run(60);
    assert_eq!(scene.status(&id), Status::Failed);
    assert_eq!(scene.statuses(&id)[1..3], ["Failed", "Skipped"]);
    assert!(scene.get(&id).rollback.is_some());
    scene.run(60);
    assert_eq!(scene.service().sets.len(), 1);
}

#[test]
fn a_listener_that_does_not_lead_to_the_original_fails_the_deployment() {
    let mut scene = Scene::new("healthy");
    let green = scene.account.groups[1].arn.clone();
    for rule in scene.account.rules.iter_mut().filter(|rule| rule.priority.is_some()) {
        rule.actions = vec![json!({"Type": "forward", "TargetGroupArn": green,
            "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": green, "Weight": 1}]}})];
    }
    let id = scene.deploy("ECSAllAtOnce", no_change);
    scene.run(5);
    assert_eq!(scene.status(&id), Status::Failed);
    let (code, message) = scene.get(&id).error.clone().expect("it says why");
    assert_eq!(code, "ELASTIC_LOAD_BALANCING_INVALID");
    assert!(message.contains("Primary taskset target group must be behind listener"), "{message}");
}
