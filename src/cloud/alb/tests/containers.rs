//! Tasks, services and task definitions.

use std::sync::Mutex;

use super::*;
use crate::cloud::aws::fake::Reply;

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
        assert_eq!((&sent["desiredCount"], &sent["taskDefinition"]), (&json!(4), &json!("arn:web:8")));
        assert_eq!(sent["forceNewDeployment"].as_bool(), anew.then_some(true));
    }
    let fake = failures(3);
    driver_with(&fake, no_record()).scale(Role::Stable, 0, None).await.unwrap();
    assert_eq!(fake.operations(), ["UpdateService"]);
}
