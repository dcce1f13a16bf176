//! Tasks, services and task definitions.

use std::sync::Mutex;

use super::*;
use crate::cloud::ReleaseKnown;
use crate::cloud::aws::fake::Reply;
use crate::domain::fleet::Capacity;

fn stopped(code: &str, reason: &str, definition: &str, by: &str, at: u64) -> serde_json::Value {
    json!({
        "taskArn": format!("arn:aws:ecs:eu-west-1:1:task/prod/{at}"), "taskDefinitionArn": definition,
        "startedBy": by, "stopCode": code, "stoppedReason": reason, "stoppedAt": at,
        "containers": [{ "name": "app", "exitCode": 1 }],
    })
}

#[tokio::test(start_paused = true)]
async fn tasks_that_stopped_by_themselves_are_told_newest_first() {
    let fake = Fake::new(|seen| match seen.operation.as_str() {
        "DescribeServices" => {
            Reply::json(&json!({ "services": [service("web-green", 2, 1), service("web-blue", 4, 0)] }))
        }
        "DescribeTargetHealth" => Reply::xml(
            "DescribeTargetHealth",
            "<TargetHealthDescriptions><member><TargetHealth><State>healthy</State></TargetHealth></member>\
             <member><TargetHealth><State>initial</State></TargetHealth></member></TargetHealthDescriptions>",
        ),
        "ListTasks" => Reply::json(&json!({ "taskArns": ["a"] })),
        "DescribeTasks" => Reply::json(&json!({ "tasks": [
            stopped("EssentialContainerExited", "Essential container in task exited", "arn:web:8", "ecs-svc/1", 10),
            stopped("ServiceSchedulerInitiated", "Task failed ELB health checks in (tg)", "arn:web:8", "ecs-svc/1", 30),
            stopped("ServiceSchedulerInitiated", "Scaling activity initiated by deployment", "arn:web:8", "ecs-svc/1", 40),
            stopped("SpotInterruption", "Your Spot Task was interrupted.", "arn:web:8", "ecs-svc/1", 41),
            stopped("TerminationNotice", "Task is stopping for maintenance", "arn:web:8", "ecs-svc/1", 42),
            stopped("UserInitiated", "Task stopped by a person", "arn:web:8", "ecs-svc/1", 43),
            stopped("EssentialContainerExited", "Essential container in task exited", "arn:web:7", "ecs-svc/1", 50),
            stopped("EssentialContainerExited", "Essential container in task exited", "arn:web:8", "ecs-svc/0", 60),
        ] })),
        other => panic!("{other} is not expected"),
    });
    let fleet = driver_with(&fake, no_record()).fleet().await.unwrap();
    assert_eq!((fleet.stable.healthy, fleet.stable.settled, fleet.stable.failed), (1, true, 0));
    assert_eq!((fleet.candidate.settled, fleet.candidate.failed), (false, 2));
    let told: Vec<_> = fleet.candidate.stopped.iter().map(|s| (s.task.as_str(), s.reason.as_str())).collect();
    let expected = [
        ("30", "Task failed ELB health checks in (tg) (app: exit code 1)"),
        ("10", "Essential container in task exited (app: exit code 1)"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_gone_is_missing() {
    let fake = Fake::new(|seen| match seen.operation.as_str() {
        "DescribeServices" => Reply::json(&json!({ "services": [service("web-blue", 4, 0)],
            "failures": [{ "arn": "arn:aws:ecs:eu-west-1:1:service/prod/web-green", "reason": "MISSING" }] })),
        _ => Reply::xml("DescribeTargetHealth", "<TargetHealthDescriptions></TargetHealthDescriptions>"),
    });
    let fault = driver_with(&fake, no_record()).fleet().await.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Missing, "service web-green: MISSING"));
}

#[tokio::test(start_paused = true)]
async fn a_release_is_registered_once() {
    let known: Mutex<Option<serde_json::Value>> = Mutex::new(None);
    let fake = Fake::new(move |seen| {
        let mut known = known.lock().unwrap();
        match (seen.operation.as_str(), known.clone()) {
            ("DescribeTaskDefinition", Some(body)) => {
                let tags = body["tags"].clone();
                Reply::json(&json!({ "taskDefinition": { "taskDefinitionArn": "arn:web:8" }, "tags": tags }))
            }
            ("DescribeTaskDefinition", None) => Reply::status(
                400,
                &json!({ "__type": "ClientException", "message": "Unable to describe task definition." }),
            ),
            ("RegisterTaskDefinition", _) => {
                *known = serde_json::from_slice(&seen.body).ok();
                Reply::Lost
            }
            (other, _) => panic!("{other} is not expected"),
        }
    });
    let release = ReleaseDocument::from_file(r#"{"family":"web","containerDefinitions":[{"name":"a","image":"b"}]}"#);
    let digest = release.as_ref().map(ReleaseDocument::digest).unwrap();
    let driver = AlbDriver { release: release.ok(), ..driver_with(&fake, no_record()) };
    assert_eq!(driver.register(&digest).await.unwrap_err().kind, FaultKind::Unknown);
    assert_eq!(driver.register(&digest).await, Ok("arn:web:8".to_owned()));
    assert_eq!(driver.register("other").await.unwrap_err().kind, FaultKind::Permanent);
    assert_eq!(fake.operations().iter().filter(|operation| *operation == "RegisterTaskDefinition").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_tried_again_begins_a_deployment_of_its_own() {
    let failures = |failed: u32| {
        Fake::new(move |seen| match seen.operation.as_str() {
            "DescribeServices" => {
                let mut service = service("web-green", 0, failed);
                service["desiredCount"] = json!(0);
                Reply::json(&json!({ "services": [service] }))
            }
            "UpdateService" => Reply::json(&json!({ "service": {} })),
            other => panic!("{other} is not expected"),
        })
    };
    for (failed, anew) in [(3, true), (0, false)] {
        let fake = failures(failed);
        driver_with(&fake, no_record()).scale(Role::Candidate, 4, Some("arn:web:8")).await.unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&fake.seen()[1].body).unwrap();
        assert_eq!(sent["desiredCount"], 4);
        // A service that runs it already needs no revision, which may be deregistered.
        assert_eq!(sent["taskDefinition"].as_str(), anew.then_some("arn:web:8"));
        assert_eq!(sent["forceNewDeployment"].as_bool(), anew.then_some(true));
    }
    let fake = failures(3);
    driver_with(&fake, no_record()).scale(Role::Stable, 0, None).await.unwrap();
    assert_eq!(fake.operations(), ["UpdateService"]);
}

/// What a look says of web-green, whose deployments are these and which runs arn:web:7 before the release arn:web:8.
async fn seen(deployments: serde_json::Value, healthy: u32) -> Capacity {
    let fake = Fake::new(move |seen| match seen.operation.as_str() {
        "DescribeServices" => {
            let running: i64 =
                deployments.as_array().into_iter().flatten().filter_map(|one| one["runningCount"].as_i64()).sum();
            let mut green = service("web-green", 0, 0);
            (green["deployments"], green["runningCount"]) = (deployments.clone(), json!(running));
            Reply::json(&json!({ "services": [service("web-blue", 4, 0), green] }))
        }
        "DescribeTargetHealth" => {
            let target = "<member><TargetHealth><State>healthy</State></TargetHealth></member>";
            let targets = target.repeat(healthy as usize);
            Reply::xml(
                "DescribeTargetHealth",
                &format!("<TargetHealthDescriptions>{targets}</TargetHealthDescriptions>"),
            )
        }
        "ListTasks" => Reply::json(&json!({ "taskArns": ["a"] })),
        "DescribeTasks" => Reply::json(&json!({ "tasks": [
            stopped("EssentialContainerExited", "Essential container in task exited", "arn:web:8", "ecs-svc/1", 10),
            stopped("ServiceSchedulerInitiated", "Scaling activity initiated by deployment", "arn:web:8", "ecs-svc/1", 40),
        ] })),
        other => panic!("{other} is not expected"),
    });
    let ours = Ours { release: ReleaseKnown::Named("arn:web:8".into()), ..Ours::default() };
    let driver = AlbDriver { ours, ..driver_with(&fake, no_record()) };
    driver.fleet().await.unwrap().candidate
}

fn deployment(status: &str, definition: &str, running: u32, (state, reason): (&str, &str)) -> serde_json::Value {
    let id = if definition == "arn:web:8" { "ecs-svc/1" } else { "ecs-svc/2" };
    json!({ "id": id, "status": status, "taskDefinition": definition, "desiredCount": 4, "runningCount": running,
        "failedTasks": 0, "rolloutState": state, "rolloutStateReason": reason })
}

const BROKEN: (&str, &str) = ("FAILED", "ECS deployment circuit breaker: tasks failed to start.");
const ROLLS_BACK: (&str, &str) =
    ("IN_PROGRESS", "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/0.");
const COMPLETED: (&str, &str) = ("COMPLETED", "ECS deployment ecs-svc/2 completed.");

#[tokio::test(start_paused = true)]
async fn a_deployment_that_ecs_gave_up_is_told_with_the_releases_stopped_tasks() {
    let (primary, active) = ("PRIMARY", "ACTIVE");
    let listed = [
        json!([deployment(primary, "arn:web:8", 0, BROKEN)]),
        json!([deployment(primary, "arn:web:7", 4, ROLLS_BACK), deployment(active, "arn:web:8", 0, BROKEN)]),
        json!([deployment(primary, "arn:web:7", 4, ROLLS_BACK)]),
    ];
    for (deployments, of) in listed.into_iter().zip(["arn:web:8", "arn:web:8", ""]) {
        let candidate = seen(deployments, 4).await;
        let given_up = candidate.given_up.expect("it shows");
        assert_eq!(given_up.task_definition, of);
        assert!(given_up.why.starts_with("ECS deployment circuit breaker: "), "{}", given_up.why);
        assert!(!candidate.settled || of.is_empty(), "{of}");
        let stopped: Vec<_> = candidate.stopped.iter().map(|one| one.task_definition.as_str()).collect();
        assert_eq!(stopped, ["arn:web:8"], "{of}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_back_without_a_trace_still_tells_what_of_the_release_stopped() {
    let candidate = seen(json!([deployment("PRIMARY", "arn:web:7", 4, COMPLETED)]), 4).await;
    assert_eq!((candidate.given_up, candidate.stopped.len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_try_of_the_release_came_to_is_not_told_again() {
    let again = json!({ "id": "ecs-svc/3", "status": "PRIMARY", "taskDefinition": "arn:web:8", "desiredCount": 4,
        "runningCount": 1, "failedTasks": 0, "rolloutState": "IN_PROGRESS" });
    let candidate = seen(json!([again, deployment("ACTIVE", "arn:web:8", 1, BROKEN)]), 1).await;
    assert_eq!((candidate.given_up, candidate.stopped.len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn healthy_targets_of_another_revision_are_not_the_releases() {
    let both = |ours| {
        json!([
            deployment("PRIMARY", "arn:web:8", ours, ("IN_PROGRESS", "")),
            deployment("ACTIVE", "arn:web:7", 4, COMPLETED)
        ])
    };
    assert_eq!(seen(both(0), 4).await.healthy, 0);
    assert_eq!(seen(both(2), 6).await.healthy, 2);
    assert_eq!(seen(json!([deployment("PRIMARY", "arn:web:8", 4, COMPLETED)]), 4).await.healthy, 4);
}

#[tokio::test(start_paused = true)]
async fn a_slot_whose_deployment_ends_early_is_settled_when_no_task_of_before_runs() {
    for (others, settled, healthy) in [(0, true, 6), (2, false, 4)] {
        let fake = Fake::new(move |seen| match seen.operation.as_str() {
            "DescribeServices" => {
                let mut green = service("web-green", 4, 0);
                green["deploymentConfiguration"] = json!({ "earlySuccessCriteria": {
                    "enable": true, "healthyPercent": 50, "sourceServiceRevisionCleanup": "DEFERRED",
                } });
                Reply::json(&json!({ "services": [green, service("web-blue", 4, 0)] }))
            }
            "ListTasks" => Reply::json(&json!({ "taskArns": ["a"] })),
            "DescribeTasks" => {
                let task = |of: &str| json!({ "taskDefinitionArn": of });
                let running = [vec![task("arn:web:8"); 4], vec![task("arn:web:7"); others]].concat();
                Reply::json(&json!({ "tasks": running }))
            }
            _ => {
                let target = "<member><TargetHealth><State>healthy</State></TargetHealth></member>".repeat(6);
                let all = format!("<TargetHealthDescriptions>{target}</TargetHealthDescriptions>");
                Reply::xml("DescribeTargetHealth", &all)
            }
        });
        let fleet = driver_with(&fake, no_record()).fleet().await.unwrap();
        assert_eq!((fleet.candidate.settled, fleet.candidate.healthy), (settled, healthy));
    }
}
