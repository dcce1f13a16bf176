//! The driver against ECS as a function: which words are said, how often, and what comes of each answer.

mod back;
mod forward;
mod ours;
mod survey;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::cloud::alb::{AlbDriver, AlbSetup, BLUE, GREEN, NOW, Recorded, no_record, rule_xml, setup};
use crate::cloud::aws::fake::{Fake, Reply, Seen};
use crate::cloud::{Cloud, Fence, Ours, ReleaseKnown};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::driver::{Driver, EcsDeployment, Timetable};

/// The task definition that served before, and the release.
const OLD: &str = "arn:aws:ecs:eu-west-1:1:task-definition/web:7";
const NEW: &str = "arn:aws:ecs:eu-west-1:1:task-definition/web:8";
const TENTH: Share = match Share::from_permille(100) {
    Some(share) => share,
    None => Share::NONE,
};

/// Seconds since the epoch, as ECS says moments.
fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.as_millis()).as_secs_f64()
}

/// ECS and the load balancer, as far as they matter here.
struct World {
    /// As DescribeServiceDeployments answers, oldest first; `finishedAt` and `createdAt` too.
    deployments: Vec<Value>,
    /// As the service has it.
    configuration: Value,
    weights: (u16, u16),
    /// The fingerprint in the tag of the release.
    tag: String,
}

/// How a call fails: as said, and whether it took effect before.
type Trouble = Box<dyn Fn(&str, usize) -> Option<(Reply, bool)> + Send + Sync>;

/// The fake with its world.
struct Aws {
    fake: Fake,
    world: Arc<Mutex<World>>,
    clock: Clock,
}

impl Aws {
    fn new(trouble: impl Fn(&str, usize) -> Option<(Reply, bool)> + Send + Sync + 'static) -> Aws {
        let world = World {
            deployments: Vec::new(),
            configuration: json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5 }),
            weights: (100, 0),
            tag: "digest".into(),
        };
        let (world, trouble): (_, Trouble) = (Arc::new(Mutex::new(world)), Box::new(trouble));
        let (known, calls) = (world.clone(), Mutex::new(std::collections::BTreeMap::<String, usize>::new()));
        let fake = Fake::new(move |seen| {
            let nth = {
                let mut calls = calls.lock().unwrap();
                let nth = calls.entry(seen.operation.clone()).or_default();
                *nth += 1;
                *nth
            };
            let mut world = known.lock().unwrap();
            match trouble(&seen.operation, nth) {
                Some((reply, done)) => {
                    if done {
                        let _ = world.answer(seen);
                    }
                    reply
                }
                None => world.answer(seen),
            }
        });
        Aws { fake, world, clock: Clock::starting_at(NOW, 1.0) }
    }

    fn quiet() -> Aws {
        Aws::new(|_, _| None)
    }

    /// A world whose deployment of the release is at this stage with this weight.
    fn at(stage: &str, weight: u16) -> Aws {
        let aws = Aws::quiet();
        aws.with(|world| world.begin("IN_PROGRESS", stage, weight));
        aws
    }

    fn with<T>(&self, what: impl FnOnce(&mut World) -> T) -> T {
        what(&mut self.world.lock().unwrap())
    }

    fn set(&self, field: &str, value: Value) {
        self.with(|world| world.deployments.last_mut().unwrap()[field] = value);
    }

    async fn driver(&self) -> AlbDriver {
        self.driver_with(Fence::default(), ReleaseKnown::Named("web:8".into())).await
    }

    async fn driver_with(&self, fence: Fence, release: ReleaseKnown) -> AlbDriver {
        let plain = AlbDriver::new(&self.fake.aws(), self.clock.clone(), setup(no_record()));
        let before = plain.rule().await.unwrap();
        let recorded_configuration = self.with(|world| world.configuration.to_string());
        let recorded = Recorded {
            weights: vec![(BLUE.into(), 100), (GREEN.into(), 0)],
            stickiness: None,
            sticky_groups: Vec::new(),
            priority: None,
            shape: before.shape,
            actions_json: String::new(),
        };
        let timetable = Timetable::Canary { first: TENTH, every: Duration::from_secs(60) };
        let mut setup = setup(recorded);
        setup.target.stable.service = "web".into();
        setup.target.candidate.service = "web".into();
        let setup = AlbSetup {
            driver: Driver::Ecs(EcsDeployment { timetable, pause: Duration::from_secs(1800) }),
            ours: Ours { since: NOW, stable: OLD.into(), release, configuration: Some(recorded_configuration) },
            fence,
            ..setup
        };
        AlbDriver::new(&self.fake.aws(), self.clock.clone(), setup)
    }

    fn sent(&self, operation: &str) -> Vec<Value> {
        let body = |seen: &Seen| serde_json::from_slice(&seen.body).unwrap_or(Value::Null);
        self.fake.seen().iter().filter(|seen| seen.operation == operation).map(body).collect()
    }

    fn count(&self, operation: &str) -> usize {
        self.sent(operation).len()
    }
}

impl World {
    /// A deployment of the release, begun a second after the rollout was planned.
    fn begin(&mut self, status: &str, stage: &str, weight: u16) {
        let number = self.deployments.len() + 1;
        let waits = ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"].contains(&stage);
        let hooks = if waits { json!([hook(&format!("hook-{stage}"))]) } else { json!([]) };
        self.weights = (100 - weight, weight);
        self.deployments.push(json!({
            "serviceDeploymentArn": format!("arn:deployment/{number}"),
            "createdAt": seconds(NOW + Duration::from_secs(number as u64)),
            "status": status, "lifecycleStage": stage, "lifecycleHookDetails": hooks,
            "sourceServiceRevisions": [{
                "arn": "arn:revision/old", "requestedTaskCount": 4, "runningTaskCount": 4, "pendingTaskCount": 0,
            }],
            "targetServiceRevision": {
                "arn": "arn:revision/new", "requestedTaskCount": 4, "runningTaskCount": 3, "pendingTaskCount": 1,
                "requestedProductionTrafficWeight": f64::from(weight),
            },
            "deploymentConfiguration": {
                "strategy": "CANARY",
                "canaryConfiguration": { "canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1 },
            },
        }));
    }

    fn answer(&mut self, seen: &Seen) -> Reply {
        let input: Value = serde_json::from_slice(&seen.body).unwrap_or(Value::Null);
        match seen.operation.as_str() {
            "DescribeRules" => Reply::xml("DescribeRules", &rule_xml(self.weights)),
            "ModifyRule" => {
                let key = |n| format!("Actions.member.2.ForwardConfig.TargetGroups.member.{n}.Weight");
                let weight = |n| seen.param(&key(n)).and_then(|text| text.parse().ok()).expect("a weight");
                self.weights = (weight(1), weight(2));
                Reply::xml("ModifyRule", "<Rules></Rules>")
            }
            "DescribeTargetHealth" => Reply::xml("DescribeTargetHealth", "<TargetHealthDescriptions/>"),
            "RemoveTags" => Reply::xml("RemoveTags", ""),
            "ListTasks" => Reply::json(&json!({ "taskArns": [] })),
            "DescribeTaskDefinition" => {
                let is_new = input["taskDefinition"] == NEW;
                let tag = if is_new { self.tag.as_str() } else { "other" };
                Reply::json(&json!({
                    "taskDefinition": { "taskDefinitionArn": input["taskDefinition"] },
                    "tags": [{ "key": crate::cloud::alb::RELEASE_TAG, "value": tag }],
                }))
            }
            "DescribeServices" => Reply::json(&json!({ "services": [{
                "serviceName": "web", "status": "ACTIVE", "desiredCount": 4, "runningCount": 4, "pendingCount": 0,
                "taskDefinition": OLD, "deployments": [{}], "deploymentConfiguration": self.configuration,
            }]})),
            "ListServiceDeployments" => self.listed(&input),
            "DescribeServiceDeployments" => {
                let named = |one: &&Value| one["serviceDeploymentArn"] == input["serviceDeploymentArns"][0];
                let found: Vec<&Value> = self.deployments.iter().filter(named).collect();
                Reply::json(&json!({ "serviceDeployments": found }))
            }
            "DescribeServiceRevisions" => {
                let arns = input["serviceRevisionArns"].as_array().cloned().unwrap_or_default();
                let shown = |arn: &Value| {
                    let runs = match arn.as_str() {
                        Some("arn:revision/new") => NEW,
                        Some("arn:revision/third") => "arn:aws:ecs:eu-west-1:1:task-definition/web:9",
                        _ => OLD,
                    };
                    json!({ "serviceRevisionArn": arn, "taskDefinition": runs })
                };
                Reply::json(&json!({ "serviceRevisions": arns.iter().map(shown).collect::<Vec<_>>() }))
            }
            _ => self.write(&seen.operation, &input),
        }
    }

    fn listed(&self, input: &Value) -> Reply {
        let statuses = input["status"].as_array().cloned().unwrap_or_default();
        let wanted = self.deployments.iter().filter(|one| statuses.is_empty() || statuses.contains(&one["status"]));
        let brief = |one: &Value| {
            json!({
                "serviceDeploymentArn": one["serviceDeploymentArn"], "status": one["status"],
                "createdAt": one["createdAt"], "finishedAt": one["finishedAt"],
                "targetServiceRevisionArn": one["targetServiceRevision"]["arn"],
            })
        };
        Reply::json(&json!({ "serviceDeployments": wanted.map(brief).collect::<Vec<_>>() }))
    }

    fn write(&mut self, operation: &str, input: &Value) -> Reply {
        match operation {
            "UpdateService" => {
                if !input["deploymentConfiguration"].is_null() {
                    self.configuration = input["deploymentConfiguration"].clone();
                }
                if !input["taskDefinition"].is_null() {
                    self.begin("PENDING", "PRE_SCALE_UP", 0);
                }
                return Reply::json(&json!({ "service": {} }));
            }
            "ContinueServiceDeployment" => {
                let one = self.deployments.last_mut().unwrap();
                let awaits = |hook: &Value| hook["hookId"] == input["hookId"] && hook["status"] == "AWAITING_ACTION";
                let hooks = one["lifecycleHookDetails"].as_array_mut().unwrap();
                let Some(found) = hooks.iter_mut().find(|hook| awaits(hook)) else {
                    return refused("InvalidParameterException");
                };
                found["status"] = json!("SUCCEEDED");
            }
            "StopServiceDeployment" => {
                let one = self.deployments.last_mut().unwrap();
                if one["status"] != "IN_PROGRESS" && one["status"] != "PENDING" {
                    return refused("ConflictException");
                }
                one["status"] = json!("ROLLBACK_REQUESTED");
            }
            other => panic!("{other} is not expected"),
        }
        Reply::json(&json!({}))
    }
}

fn hook(id: &str) -> Value {
    json!({ "hookId": id, "targetType": "PAUSE", "status": "AWAITING_ACTION", "timeoutAction": "ROLLBACK",
        "expiresAt": seconds(NOW + Duration::from_secs(1800)) })
}

fn refused(code: &str) -> Reply {
    Reply::status(400, &json!({ "__type": code, "message": "no" }))
}

fn lost(operation: &'static str, done: bool) -> impl Fn(&str, usize) -> Option<(Reply, bool)> + Send + Sync {
    move |called, nth| (called == operation && nth == 1).then_some((Reply::Lost, done))
}

fn forward(share: Share, expected: Share) -> RouteOrder {
    RouteOrder { share, expected: Some(expected), sticky: None, by: None }
}

fn back() -> RouteOrder {
    RouteOrder { share: Share::NONE, expected: None, sticky: None, by: None }
}
