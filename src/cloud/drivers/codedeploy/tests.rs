//! CodeDeploy as a function: one deployment a rollout, let on once a wait, stopped and taken back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::appspec;
use crate::cloud::alb::{AlbDriver, AlbSetup, BLUE, GREEN, NOW, Recorded, rule_xml, setup};
use crate::cloud::aws::fake::{Fake, Reply};
use crate::cloud::{Cloud, Ours, ReleaseKnown, RouteOrder, Routed};
use crate::domain::clock::Clock;
use crate::domain::driver::{CodeDeployment, DeploymentState, Driver, Timetable};
use crate::domain::fault::FaultKind;
use crate::domain::fleet::{Role, Target};
use crate::domain::traffic::Share;

const HOOKS: &str = "version: 1\nResources: []\nHooks:\n  - AfterAllowTestTraffic: check\n";

/// What CodeDeploy has.
#[derive(Debug, Default)]
struct World {
    /// The candidate's weight.
    weight: u16,
    /// Its deployments.
    deployments: Vec<Value>,
    /// What its target's lifecycle events are.
    events: Value,
    /// Whether a configuration of our own is there.
    config: bool,
    /// The operation whose answer does not arrive.
    lost: &'static str,
    /// The operation that is refused.
    refused: &'static str,
}

type Shared = Arc<Mutex<World>>;

fn deployment(description: &str, status: &str) -> Value {
    json!({ "deploymentId": "d-1", "description": description, "status": status, "creator": "user",
        "startTime": 1_795_442_400, "blueGreenDeploymentConfiguration": {
            "deploymentReadyOption": { "actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 30 },
            "terminateBlueInstancesOnDeploymentSuccess": { "terminationWaitTimeInMinutes": 60 } } })
}

fn ours(status: &str) -> Value {
    deployment("tidegate web-20261123-140000-beef: web:8", status)
}

fn world(deployments: Vec<Value>) -> Shared {
    Arc::new(Mutex::new(World { deployments, ..World::default() }))
}

fn fake(shared: &Shared) -> Fake {
    let shared = Arc::clone(shared);
    Fake::new(move |seen| {
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let mut world = shared.lock().unwrap();
        let operation = seen.operation.as_str();
        if world.refused == operation {
            return Reply::status(400, &json!({ "__type": "AccessDeniedException", "message": "no" }));
        }
        let answer = match operation {
            "DescribeRules" => return Reply::xml("DescribeRules", &rule_xml((100 - world.weight, world.weight))),
            "ModifyRule" => {
                world.weight = 0;
                return Reply::xml("ModifyRule", "<Rules></Rules>");
            }
            "DescribeServices" => json!({ "services": [{ "serviceName": "web", "status": "ACTIVE", "desiredCount": 4,
                "platformVersion": "1.4.0",
                "loadBalancers": [{ "targetGroupArn": BLUE, "containerName": "app", "containerPort": 8080 }],
                "taskSets": [{ "id": "ecs-svc/2", "externalId": "d-1", "taskDefinition": "arn:x/web:8",
                    "status": "ACTIVE", "loadBalancers": [{ "targetGroupArn": GREEN }] }] }] }),
            "ListDeployments" => {
                let only = body["includeOnlyStatuses"].as_array();
                let wanted = |one: &&Value| only.is_none_or(|only| only.contains(&one["status"]));
                let ids: Vec<&Value> =
                    world.deployments.iter().filter(wanted).map(|one| &one["deploymentId"]).collect();
                json!({ "deployments": ids })
            }
            "BatchGetDeployments" => json!({ "deploymentsInfo": world.deployments }),
            "GetDeployment" => {
                let found = world.deployments.iter().find(|one| one["deploymentId"] == body["deploymentId"]);
                json!({ "deploymentInfo": found })
            }
            "BatchGetDeploymentTargets" => json!({ "deploymentTargets": [{ "deploymentTargetType": "ECSTarget",
                "ecsTarget": { "lifecycleEvents": world.events } }] }),
            "GetDeploymentGroup" => json!({ "deploymentGroupInfo": { "targetRevision": {
                "revisionType": "AppSpecContent", "appSpecContent": { "sha256": "ab" } } } }),
            "GetApplicationRevision" => {
                json!({ "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "content": HOOKS } } })
            }
            "GetDeploymentConfig" if !world.config => {
                return Reply::status(400, &json!({ "__type": "DeploymentConfigDoesNotExistException" }));
            }
            "GetDeploymentConfig" => json!({ "deploymentConfigInfo": { "trafficRoutingConfig": {
                "type": "TimeBasedLinear", "timeBasedLinear": { "linearPercentage": 25, "linearInterval": 5 } } } }),
            "CreateDeploymentConfig" => {
                world.config = true;
                json!({})
            }
            "CreateDeployment" => {
                let made = deployment(body["description"].as_str().unwrap(), "Created");
                world.deployments.push(made);
                json!({ "deploymentId": "d-1" })
            }
            "StopDeployment" => {
                world.deployments[0]["status"] = json!("Stopped");
                json!({ "status": "Pending" })
            }
            "ContinueDeployment" => {
                world.deployments[0]["status"] = json!("InProgress");
                json!({})
            }
            "UpdateService" => json!({}),
            other => panic!("{other} is not expected"),
        };
        if world.lost == operation { Reply::Lost } else { Reply::json(&answer) }
    })
}

fn driver(fake: &Fake) -> AlbDriver {
    let recorded = Recorded {
        weights: vec![(BLUE.into(), 100), (GREEN.into(), 0)],
        stickiness: None,
        sticky_groups: Vec::new(),
        priority: None,
        shape: String::new(),
        actions_json: String::new(),
    };
    let setup = setup(recorded);
    let mut target: Target = setup.target.clone();
    target.stable.service = "web".into();
    target.candidate.service = "web".into();
    let timetable = Timetable::Linear { step: Share::from_permille(250).unwrap(), every: Duration::from_secs(300) };
    let asked = CodeDeployment { application: "app".into(), group: "dgp".into(), timetable };
    let release = ReleaseKnown::Named("arn:x/web:8".into());
    let ours = Ours { since: NOW, stable: "arn:x/web:7".into(), release, configuration: None };
    let setup = AlbSetup { target, driver: Driver::CodeDeploy(asked), ours, ..setup };
    AlbDriver::new(&fake.aws(), Clock::starting_at(NOW, 1.0), setup)
}

fn sent(fake: &Fake, operation: &str) -> Vec<Value> {
    let seen = fake.seen().into_iter().filter(|seen| seen.operation == operation);
    seen.map(|seen| serde_json::from_slice(&seen.body).unwrap_or_default()).collect()
}

fn order(permille: u16, expected: Option<u16>) -> RouteOrder {
    let share = |permille| Share::from_permille(permille).unwrap();
    RouteOrder { share: share(permille), expected: expected.map(share), sticky: None, by: None }
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_found_by_its_description() {
    let shared = world(Vec::new());
    shared.lock().unwrap().lost = "CreateDeployment";
    let fake = fake(&shared);
    let driver = driver(&fake);
    let start = || driver.scale(Role::Candidate, 4, Some("arn:x/web:8"));
    assert_eq!(start().await.unwrap_err().kind, FaultKind::Unknown);
    start().await.unwrap();
    assert_eq!(sent(&fake, "CreateDeploymentConfig").len(), 1);
    let made = sent(&fake, "CreateDeployment");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["deploymentConfigName"], "tidegate-ecs-linear-25-5m");
    assert_eq!(made[0]["description"], "tidegate web-20261123-140000-beef: web:8");
    let spec = made[0]["revision"]["appSpecContent"]["content"].as_str().unwrap();
    let spec: Value = serde_json::from_str(spec).unwrap();
    let properties = &spec["Resources"][0]["TargetService"]["Properties"];
    assert_eq!(properties["TaskDefinition"], "arn:x/web:8");
    assert_eq!(properties["LoadBalancerInfo"], json!({ "ContainerName": "app", "ContainerPort": 8080 }));
    assert_eq!(properties["PlatformVersion"], "1.4.0");
    assert_eq!(spec["Hooks"], json!([{ "AfterAllowTestTraffic": "check" }]));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_the_same_release_counts_and_another_one_does_not() {
    let shared = world(vec![deployment("by hand", "InProgress")]);
    let fake = fake(&shared);
    driver(&fake).scale(Role::Candidate, 4, Some("arn:x/web:8")).await.unwrap();
    assert!(sent(&fake, "CreateDeployment").is_empty());
    let mut other = driver(&fake);
    other.ours = Ours::default();
    let fault = other.scale(Role::Candidate, 4, Some("arn:x/web:9")).await.unwrap_err();
    assert!(fault.message.contains("d-1"), "{fault}");
    assert!(sent(&fake, "CreateDeployment").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_answered_once_and_a_share_is_written_when_the_rule_shows_it() {
    let shared = world(vec![ours("Ready")]);
    let fake = fake(&shared);
    let mut driver = driver(&fake);
    driver.recorded.shape = driver.rule().await.unwrap().shape;
    for _ in 0..3 {
        let routed = driver.route(order(250, Some(0))).await;
        assert!(matches!(routed, Ok(Routed::Moving(_))), "{routed:?}");
    }
    assert_eq!(
        sent(&fake, "ContinueDeployment"),
        [json!({ "deploymentId": "d-1", "deploymentWaitType": "READY_WAIT" })]
    );
    shared.lock().unwrap().weight = 25;
    assert!(matches!(driver.route(order(250, Some(0))).await, Ok(Routed::Written(_))));
    shared.lock().unwrap().weight = 50;
    assert!(matches!(driver.route(order(250, Some(0))).await, Ok(Routed::Moving(_))));
    assert_eq!(sent(&fake, "ContinueDeployment").len(), 1);
    // One that goes back has not ended, or the rollout would be told as committed.
    shared.lock().unwrap().deployments[0]["status"] = json!("Stopped");
    assert_eq!(driver.conclude().await.unwrap_err().kind, FaultKind::Transient);
}

#[tokio::test(start_paused = true)]
async fn going_back_stops_the_deployment_and_waits_for_codedeploys_own_rollback() {
    let shared = world(vec![ours("InProgress")]);
    shared.lock().unwrap().weight = 25;
    let fake = fake(&shared);
    let driver = driver(&fake);
    assert!(matches!(driver.route(order(0, None)).await, Ok(Routed::Moving(_))));
    assert_eq!(sent(&fake, "StopDeployment"), [json!({ "deploymentId": "d-1", "autoRollbackEnabled": true })]);
    {
        let mut world = shared.lock().unwrap();
        world.deployments[0]["rollbackInfo"] = json!({ "rollbackDeploymentId": "d-2" });
        let mut back = deployment("", "InProgress");
        back["deploymentId"] = json!("d-2");
        world.deployments.push(back);
    }
    assert!(matches!(driver.route(order(0, None)).await, Ok(Routed::Moving(_))));
    assert_eq!(driver.scale(Role::Candidate, 0, None).await.unwrap_err().kind, FaultKind::Transient);
    {
        let mut world = shared.lock().unwrap();
        world.weight = 0;
        world.deployments[1]["status"] = json!("Succeeded");
    }
    assert!(matches!(driver.route(order(0, None)).await, Ok(Routed::Written(seen)) if seen.share == Some(Share::NONE)));
    driver.scale(Role::Candidate, 0, None).await.unwrap();
    assert!(sent(&fake, "ModifyRule").is_empty());
    assert_eq!(sent(&fake, "StopDeployment").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_codedeploy_left_the_traffic_or_cannot_be_told_the_rule_is_written() {
    let shared = world(vec![ours("Failed")]);
    shared.lock().unwrap().weight = 25;
    let over = fake(&shared);
    let routed = driver(&over).route(order(0, None)).await;
    assert!(matches!(&routed, Ok(Routed::Written(seen)) if seen.share == Some(Share::NONE)), "{routed:?}");
    assert_eq!(shared.lock().unwrap().weight, 0);

    let shared = world(vec![ours("InProgress")]);
    (shared.lock().unwrap().weight, shared.lock().unwrap().refused) = (25, "StopDeployment");
    let denied = fake(&shared);
    let fault = driver(&denied).route(order(0, None)).await.unwrap_err();
    assert_eq!((fault.kind, shared.lock().unwrap().weight), (FaultKind::Denied, 0));
}

#[tokio::test(start_paused = true)]
async fn the_termination_wait_is_ended_once_all_traffic_has_moved() {
    let shared = world(vec![ours("InProgress")]);
    let event =
        |name: &str, status: &str| json!({ "lifecycleEventName": name, "status": status, "endTime": 1_795_442_460 });
    shared.lock().unwrap().events = json!([event("Install", "Succeeded"), event("AllowTraffic", "InProgress")]);
    let fake = fake(&shared);
    let driver = driver(&fake);
    assert_eq!(driver.deployment().await.unwrap().unwrap().stage, "AllowTraffic");
    assert_eq!(driver.conclude().await.unwrap_err().kind, FaultKind::Transient);
    shared.lock().unwrap().events = json!([event("Install", "Succeeded"), event("AllowTraffic", "Succeeded")]);
    let seen = driver.deployment().await.unwrap().unwrap();
    let until = Some(NOW + Duration::from_secs(60 + 3600));
    assert_eq!((seen.stage.as_str(), seen.state), ("TERMINATION_WAIT", DeploymentState::Waiting { until }));
    driver.conclude().await.unwrap();
    assert_eq!(sent(&fake, "ContinueDeployment")[0]["deploymentWaitType"], "TERMINATION_WAIT");
    shared.lock().unwrap().deployments[0]["status"] = json!("Succeeded");
    driver.conclude().await.unwrap();
    assert_eq!(driver.deployment().await.unwrap().unwrap().state, DeploymentState::Done);
    assert_eq!(sent(&fake, "ContinueDeployment").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn codedeploys_own_rollback_is_explained_by_the_alarms_name() {
    let mut stopped = ours("Stopped");
    stopped["errorInformation"] = json!({ "code": "ALARM_ACTIVE",
        "message": "One or more alarms have been activated. Activated alarms: <web-5xx>" });
    stopped["rollbackInfo"] = json!({ "rollbackDeploymentId": "d-2" });
    let shared = world(vec![stopped]);
    let seen = driver(&fake(&shared)).deployment().await.unwrap().unwrap();
    let why = "alarm web-5xx rang; deployment d-2 rolls it back".to_owned();
    assert_eq!(seen.state, DeploymentState::Failed { why });

    let mut stopped = ours("Stopped");
    stopped["errorInformation"] = json!({ "code": "MANUAL_STOP", "message": "The deployment was stopped by a user." });
    let seen = driver(&fake(&world(vec![stopped]))).deployment().await.unwrap().unwrap();
    assert_eq!(seen.state, DeploymentState::Failed { why: "somebody stopped it".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn only_the_desired_count_of_the_service_is_written() {
    let fake = fake(&world(Vec::new()));
    driver(&fake).scale(Role::Stable, 4, Some("arn:x/web:7")).await.unwrap();
    assert_eq!(sent(&fake, "UpdateService"), [json!({ "cluster": "prod", "service": "web", "desiredCount": 4 })]);
}

#[test]
fn hooks_are_kept_from_json_and_from_yaml() {
    let json_text = r#"{"version":1,"Resources":[],"Hooks":[{"BeforeInstall":"f"}]}"#;
    assert_eq!(appspec::hooks(json_text), Ok(Some(json!([{ "BeforeInstall": "f" }]))));
    assert_eq!(appspec::hooks(HOOKS), Ok(Some(json!([{ "AfterAllowTestTraffic": "check" }]))));
    assert_eq!(appspec::hooks("version: 1"), Ok(None));
    assert!(appspec::hooks("{").is_err());
}
