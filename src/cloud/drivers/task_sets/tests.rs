//! Task sets against ECS as a function: what is sent, how often, and what comes of lost answers.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::write::percent;
use crate::cloud::Cloud;
use crate::cloud::alb::{AlbDriver, AlbSetup, BLUE, GREEN, NOW, Recorded, rule_xml, setup};
use crate::cloud::aws::fake::{Fake, Reply, Seen};
use crate::domain::clock::Clock;
use crate::domain::driver::Driver;
use crate::domain::fault::FaultKind;
use crate::domain::fleet::{Role, Target};

/// The service's task sets, and how many tasks it wants.
type World = Arc<Mutex<(u64, Vec<Value>)>>;

fn set(id: &str, group: &str, definition: &str, (status, scale): (&str, f64)) -> Value {
    let computed = if scale > 0.0 { 4 } else { 0 };
    json!({ "id": id, "status": status, "taskDefinition": definition, "scale": { "value": scale, "unit": "PERCENT" },
        "computedDesiredCount": computed, "runningCount": 4, "pendingCount": 0,
        "stabilityStatus": "STEADY_STATE", "launchType": "FARGATE", "platformVersion": "1.4.0",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"] } },
        "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }] })
}

fn blue() -> Value {
    set("ecs-svc/1", BLUE, "arn:x/web:7", ("PRIMARY", 100.0))
}

fn green(definition: &str) -> Value {
    set("ecs-svc/2", GREEN, definition, ("ACTIVE", 100.0))
}

fn world(sets: Vec<Value>) -> World {
    Arc::new(Mutex::new((4, sets)))
}

/// ECS with these task sets, where the candidate has this weight. The answer to `lost` never arrives.
fn ecs(world: &World, weight: u16, lost: Option<&'static str>) -> Fake {
    let world = Arc::clone(world);
    Fake::new(move |seen| {
        let body = || -> Value { serde_json::from_slice(&seen.body).unwrap_or_default() };
        let mut world = world.lock().unwrap();
        match seen.operation.as_str() {
            "DescribeServices" => {
                return Reply::json(&json!({ "services": [{ "serviceName": "web", "status": "ACTIVE",
                    "desiredCount": world.0, "taskSets": world.1 }] }));
            }
            "DescribeRules" => return Reply::xml("DescribeRules", &rule_xml((100 - weight, weight))),
            "DescribeTargetHealth" => {
                return Reply::xml("DescribeTargetHealth", "<TargetHealthDescriptions></TargetHealthDescriptions>");
            }
            "CreateTaskSet" => {
                let body = body();
                let known = world.1.iter().any(|one| one["token"] == body["clientToken"]);
                if !known {
                    let group = body["loadBalancers"][0]["targetGroupArn"].as_str().unwrap().to_owned();
                    let (definition, scale) =
                        (body["taskDefinition"].as_str().unwrap(), body["scale"]["value"].as_f64());
                    let mut made = set("ecs-svc/3", &group, definition, ("ACTIVE", scale.unwrap()));
                    made["token"] = body["clientToken"].clone();
                    world.1.push(made);
                }
            }
            "UpdateTaskSet" => {
                let body = body();
                let set = world.1.iter_mut().find(|one| one["id"] == body["taskSet"]).unwrap();
                set["scale"] = body["scale"].clone();
            }
            "UpdateServicePrimaryTaskSet" => {
                for set in &mut world.1 {
                    let status = if set["id"] == body()["primaryTaskSet"] { "PRIMARY" } else { "ACTIVE" };
                    set["status"] = json!(status);
                }
            }
            "DeleteTaskSet" => world.1.retain(|one| one["id"] != body()["taskSet"]),
            "UpdateService" => world.0 = body()["desiredCount"].as_u64().unwrap(),
            other => panic!("{other} is not expected"),
        }
        if lost == Some(seen.operation.as_str()) { Reply::Lost } else { Reply::json(&json!({})) }
    })
}

fn driver(fake: &Fake) -> AlbDriver {
    let recorded = Recorded {
        weights: Vec::new(),
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
    let setup = AlbSetup { target, driver: Driver::TaskSets, ..setup };
    AlbDriver::new(&fake.aws(), Clock::starting_at(NOW, 1.0), setup)
}

fn sent(fake: &Fake, operation: &str) -> Vec<Value> {
    let ours = |seen: &Seen| seen.operation == operation;
    fake.seen().into_iter().filter(ours).map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect()
}

fn ids(world: &World) -> Vec<String> {
    world.lock().unwrap().1.iter().map(|set| set["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_percentage_gives_the_tasks_that_are_wanted() {
    for desired in 1..=300_u32 {
        for count in 1..=desired {
            let given = (f64::from(desired) * percent(count, desired) / 100.0).ceil();
            assert_eq!(given, f64::from(count), "{count} of {desired}: {}", percent(count, desired));
        }
    }
    assert_eq!((percent(0, 5), percent(5, 5), percent(9, 5)), (0.0, 100.0, 100.0));
}

#[tokio::test(start_paused = true)]
async fn the_candidates_set_is_like_the_one_that_serves_and_made_once() {
    let world = world(vec![blue()]);
    let fake = ecs(&world, 0, Some("CreateTaskSet"));
    let driver = driver(&fake);
    let scale = || driver.scale(Role::Candidate, 4, Some("arn:x/web:8"));
    assert_eq!(scale().await.unwrap_err().kind, FaultKind::Unknown);
    scale().await.unwrap();
    let made = sent(&fake, "CreateTaskSet");
    assert_eq!(made.len(), 1, "the second look finds what was made");
    let made = &made[0];
    assert_eq!(made["loadBalancers"][0]["targetGroupArn"], GREEN);
    assert_eq!(made["loadBalancers"][0]["containerPort"], 8080);
    assert_eq!((&made["launchType"], &made["scale"]["value"]), (&json!("FARGATE"), &json!(100.0)));
    assert_eq!(made["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0], "subnet-1");
    assert!(made["clientToken"].as_str().is_some_and(|token| token.len() <= 36));
    // A read that is old does not see it: then the token keeps it one.
    world.lock().unwrap().1[1]["status"] = json!("DRAINING");
    scale().await.unwrap_err();
    assert_eq!(sent(&fake, "CreateTaskSet")[1]["clientToken"], made["clientToken"]);
    assert_eq!(world.lock().unwrap().1.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_release_in_the_slot_is_deleted_unless_it_has_traffic() {
    let world = world(vec![blue(), green("arn:x/web:6")]);
    let fake = ecs(&world, 10, None);
    let fault = driver(&fake).scale(Role::Candidate, 4, Some("arn:x/web:8")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent, "{fault}");
    assert_eq!(ids(&world), ["ecs-svc/1", "ecs-svc/2"]);
    let fake = ecs(&world, 0, None);
    driver(&fake).scale(Role::Candidate, 4, Some("arn:x/web:8")).await.unwrap();
    assert_eq!(ids(&world), ["ecs-svc/1", "ecs-svc/3"]);
    assert_eq!(sent(&fake, "DeleteTaskSet")[0]["force"], true);
}

#[tokio::test(start_paused = true)]
async fn the_candidates_set_is_primary_before_the_old_one_goes() {
    let world = world(vec![blue(), green("arn:x/web:8")]);
    let fake = ecs(&world, 100, Some("UpdateServicePrimaryTaskSet"));
    let driver = driver(&fake);
    assert_eq!(driver.scale(Role::Stable, 0, None).await.unwrap_err().kind, FaultKind::Unknown);
    assert_eq!(ids(&world).len(), 2, "nothing is deleted before the answer");
    driver.scale(Role::Stable, 0, None).await.unwrap();
    assert_eq!(ids(&world), ["ecs-svc/2"]);
    assert_eq!(sent(&fake, "UpdateServicePrimaryTaskSet").len(), 1);
    driver.scale(Role::Stable, 0, None).await.unwrap();
    assert_eq!(ids(&world), ["ecs-svc/2"]);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_deletes_the_candidates_set_and_never_the_primary_one() {
    let world = world(vec![blue(), green("arn:x/web:8")]);
    let fake = ecs(&world, 0, Some("DeleteTaskSet"));
    let driver = driver(&fake);
    assert_eq!(driver.scale(Role::Candidate, 0, Some("")).await.unwrap_err().kind, FaultKind::Unknown);
    driver.scale(Role::Candidate, 0, Some("")).await.unwrap();
    assert_eq!((ids(&world), sent(&fake, "DeleteTaskSet").len()), (vec!["ecs-svc/1".to_owned()], 1));

    let world = self::world(vec![set("ecs-svc/2", GREEN, "arn:x/web:8", ("PRIMARY", 100.0))]);
    let fake = ecs(&world, 0, None);
    let fault = self::driver(&fake).scale(Role::Candidate, 0, None).await.unwrap_err();
    assert_eq!((fault.kind, ids(&world).len()), (FaultKind::Permanent, 1));
}

#[tokio::test(start_paused = true)]
async fn a_count_above_what_the_service_wants_raises_that_first() {
    let world = world(vec![blue()]);
    let fake = ecs(&world, 0, None);
    driver(&fake).scale(Role::Candidate, 6, Some("arn:x/web:8")).await.unwrap();
    assert_eq!(sent(&fake, "UpdateService")[0]["desiredCount"], 6);
    assert!(sent(&fake, "UpdateService")[0].get("taskDefinition").is_none());
    assert_eq!(sent(&fake, "CreateTaskSet")[0]["scale"]["value"], 100.0);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_the_task_set_behind_its_target_group() {
    let mut candidate = green("arn:x/web:8");
    candidate["stabilityStatus"] = json!("STABILIZING");
    let world = world(vec![candidate, blue()]);
    let fleet = driver(&ecs(&world, 0, None)).fleet().await.unwrap();
    assert_eq!((fleet.stable.task_definition.as_str(), fleet.stable.settled), ("arn:x/web:7", true));
    assert_eq!((fleet.candidate.task_definition.as_str(), fleet.candidate.settled), ("arn:x/web:8", false));
    assert_eq!((fleet.candidate.desired, fleet.candidate.running), (4, 4));
    world.lock().unwrap().1.remove(0);
    let fleet = driver(&ecs(&world, 0, None)).fleet().await.unwrap();
    assert_eq!((fleet.candidate.desired, fleet.candidate.running), (0, 0));
}
