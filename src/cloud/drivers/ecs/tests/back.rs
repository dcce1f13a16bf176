//! The way back: stopped once, believed when the rule shows it, and written where ECS cannot.

use super::*;
use crate::domain::safeguard::Beacon;

#[tokio::test(start_paused = true)]
async fn ecs_is_told_once_to_go_back_and_the_rule_says_when_it_has() {
    let aws = Aws::at("PRODUCTION_TRAFFIC_SHIFT", 10);
    let driver = aws.driver().await;
    for _ in 0..2 {
        assert!(matches!(driver.route(back()).await, Ok(Routed::Moving(_))));
    }
    let word = json!({ "serviceDeploymentArn": "arn:deployment/1", "stopType": "ROLLBACK" });
    assert_eq!(aws.sent("StopServiceDeployment"), [word]);
    aws.with(|world| world.weights = (100, 0));
    assert!(matches!(driver.route(back()).await, Ok(Routed::Written(_))));
    assert_eq!(aws.count("ModifyRule"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_is_lost_is_read_back_before_it_is_sent_again() {
    for (done, stops) in [(true, 1), (false, 2)] {
        let aws = Aws::new(lost("StopServiceDeployment", done));
        aws.with(|world| world.begin("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", 10));
        let driver = aws.driver().await;
        let first = driver.route(back()).await;
        assert_eq!(matches!(first, Ok(Routed::Moving(_))), done, "{first:?}");
        assert!(matches!(driver.route(back()).await, Ok(Routed::Moving(_))));
        assert_eq!(aws.count("StopServiceDeployment"), stops);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rule_is_written_where_ecs_cannot_take_the_traffic_back() {
    let written = async |aws: &Aws, what: &str| {
        aws.with(|world| world.weights = (90, 10));
        let routed = aws.driver().await.route(back()).await;
        assert!(matches!(routed, Ok(Routed::Written(_) | Routed::Unsettled(_))), "{what}: {routed:?}");
        assert_eq!(aws.with(|world| world.weights), (100, 0), "{what}");
    };
    written(&Aws::quiet(), "there is no deployment").await;
    for status in ["ROLLBACK_FAILED", "ROLLBACK_SUCCESSFUL", "STOPPED", "SUCCESSFUL"] {
        let aws = Aws::at("CLEAN_UP", 10);
        aws.set("status", json!(status));
        written(&aws, status).await;
    }
    let denied = |operation: &'static str| {
        let aws = Aws::new(move |call, _| (call == operation).then(|| (refused("AccessDeniedException"), false)));
        aws.with(|world| world.begin("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", 10));
        aws
    };
    written(&denied("ListServiceDeployments"), "ECS cannot be read").await;
    written(&denied("StopServiceDeployment"), "ECS cannot be told").await;
}

#[tokio::test(start_paused = true)]
async fn a_way_back_of_ecs_that_takes_too_long_is_not_waited_for() {
    let aws = Aws::at("SCALE_UP", 10);
    aws.set("status", json!("ROLLBACK_IN_PROGRESS"));
    let driver = aws.driver().await;
    assert!(matches!(driver.route(back()).await, Ok(Routed::Moving(_))));
    aws.clock.sleep_until(aws.clock.now() + BACK_WITHIN + Duration::from_secs(1)).await;
    assert!(matches!(driver.route(back()).await, Ok(Routed::Written(_))));
    assert_eq!(aws.with(|world| world.weights), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_next_deployment_is_not_written_over() {
    let aws = Aws::at("PRODUCTION_TRAFFIC_SHIFT", 10);
    let driver = aws.driver().await;
    driver.deployment().await.unwrap();
    aws.set("status", json!("STOPPED"));
    aws.with(|world| {
        world.begin("IN_PROGRESS", "PRODUCTION_TRAFFIC_SHIFT", 20);
        world.deployments[1]["targetServiceRevision"]["arn"] = json!("arn:revision/third");
    });
    assert!(matches!(driver.route(back()).await, Ok(Routed::Foreign(_))));
    aws.with(|world| world.weights = (100, 0));
    assert!(matches!(driver.route(back()).await, Ok(Routed::Written(_))));
    assert_eq!((aws.count("ModifyRule"), aws.count("StopServiceDeployment")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_candidates_tasks_are_gone_once_ecs_has_ended_its_way_back() {
    let aws = Aws::at("SCALE_UP", 0);
    let driver = aws.driver().await;
    let wait = async || driver.scale(Role::Candidate, 0, Some(OLD)).await;
    // One that never had weight was never stopped.
    assert_eq!(wait().await.unwrap_err().kind, FaultKind::Transient);
    assert_eq!(aws.count("StopServiceDeployment"), 1);
    assert_eq!(wait().await.unwrap_err().kind, FaultKind::Transient);
    aws.set("status", json!("ROLLBACK_SUCCESSFUL"));
    assert_eq!(wait().await, Ok(()));
    aws.set("status", json!("ROLLBACK_FAILED"));
    assert_eq!(wait().await.unwrap_err().kind, FaultKind::Permanent);
    assert_eq!((aws.count("StopServiceDeployment"), aws.count("UpdateService")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_stable_slots_tasks_are_the_services_and_no_deployment_begins() {
    let aws = Aws::quiet();
    assert_eq!(aws.driver().await.scale(Role::Stable, 4, Some(OLD)).await, Ok(()));
    let sent = aws.sent("UpdateService");
    assert_eq!((&sent[0]["desiredCount"], &sent[0]["taskDefinition"]), (&json!(4), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn the_service_deploys_as_before_once_the_rollout_is_over() {
    let aws = Aws::quiet();
    let driver = aws.driver().await;
    aws.with(|world| {
        world.begin("SUCCESSFUL", "CLEAN_UP", 100);
        let before = &mut world.deployments[0];
        before["deploymentConfiguration"] = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5 });
        before["finishedAt"] = json!(seconds(NOW.before(Duration::from_secs(60))));
    });
    driver.scale(Role::Candidate, 4, Some(NEW)).await.unwrap();
    let during = driver.mark(Beacon::Absent).await.unwrap_err();
    assert_eq!(during.kind, FaultKind::Transient, "the deployment is under way");
    aws.set("status", json!("SUCCESSFUL"));
    assert_eq!(driver.mark(Beacon::Absent).await, Ok(()));
    let how = aws.with(|world| world.configuration.clone());
    assert_eq!((&how["strategy"], &how["bakeTimeInMinutes"]), (&json!("BLUE_GREEN"), &json!(5)));
    assert_eq!(how["lifecycleHooks"], json!([]));
    let sent = aws.count("UpdateService");
    assert_eq!(driver.mark(Beacon::Absent).await, Ok(()));
    assert_eq!(aws.count("UpdateService"), sent, "nothing of ours is left");
}

/// A service with pauses, steps and a bake of its own, and with what this version does not know.
fn own() -> Value {
    json!({
        "strategy": "LINEAR", "linearConfiguration": { "stepPercent": 20.0, "stepBakeTimeInMinutes": 3 },
        "bakeTimeInMinutes": 7, "somethingNew": { "a": 1.5 },
        "lifecycleHooks": [{
            "targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP", "POST_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": { "timeoutInMinutes": 30, "action": "ROLLBACK" },
        }],
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_as_before_however_it_ends_and_whoever_ends_it() {
    for status in ["SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "STOPPED", "ROLLBACK_FAILED"] {
        let aws = Aws::quiet();
        aws.with(|world| world.configuration = own());
        let (driver, other) = (aws.driver().await, aws.driver().await);
        driver.scale(Role::Candidate, 4, Some(NEW)).await.unwrap();
        let during = aws.with(|world| world.configuration.clone());
        assert_eq!((&during["strategy"], during["lifecycleHooks"].as_array().unwrap().len()), (&json!("CANARY"), 2));
        aws.set("status", json!(status));
        // Whoever was killed has not put it back; whoever takes over has the record.
        other.mark(Beacon::Absent).await.unwrap();
        assert_eq!(aws.with(|world| world.configuration.clone()), own(), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_somebody_configured_since_the_plan_is_not_deployed() {
    let aws = Aws::quiet();
    let driver = aws.driver().await;
    aws.with(|world| world.configuration["bakeTimeInMinutes"] = json!(8));
    let refused = driver.scale(Role::Candidate, 4, Some(NEW)).await.unwrap_err();
    assert_eq!((refused.kind, aws.count("UpdateService")), (FaultKind::Permanent, 0));
}
