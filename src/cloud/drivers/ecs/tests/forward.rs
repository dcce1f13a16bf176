//! The way forward: begun once, answered once at each pause.

use super::*;

async fn start(driver: &AlbDriver) -> Result<(), Fault> {
    driver.scale(Role::Candidate, 4, Some(NEW)).await
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_begun_with_the_plans_timetable_and_pauses() {
    let aws = Aws::quiet();
    let driver = aws.driver().await;
    assert_eq!(start(&driver).await, Ok(()));
    let [sent] = &aws.sent("UpdateService")[..] else { panic!("it is sent once") };
    assert_eq!(
        (&sent["service"], &sent["desiredCount"], &sent["taskDefinition"]),
        (&json!("web"), &json!(4), &json!(NEW))
    );
    assert_eq!(sent["forceNewDeployment"], Value::Null);
    let how = &sent["deploymentConfiguration"];
    assert_eq!((&how["strategy"], &how["bakeTimeInMinutes"]), (&json!("CANARY"), &json!(0)));
    let pause = json!({
        "targetType": "PAUSE",
        "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": { "timeoutInMinutes": 30, "action": "ROLLBACK" },
    });
    assert_eq!(how["lifecycleHooks"], json!([pause]));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_under_way_counts_when_it_brings_the_release_and_is_refused_when_not() {
    let aws = Aws::at("SCALE_UP", 0);
    let driver = aws.driver().await;
    assert_eq!(start(&driver).await, Ok(()));
    aws.with(|world| world.deployments[0]["targetServiceRevision"]["arn"] = json!("arn:revision/third"));
    let fault = start(&aws.driver().await).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent);
    assert!(fault.message.contains("web:9"), "{fault}");
    assert_eq!(aws.count("UpdateService"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_beginning_whose_answer_is_lost_is_found_and_not_sent_again() {
    let aws = Aws::new(lost("UpdateService", true));
    let driver = aws.driver().await;
    assert_eq!(start(&driver).await.unwrap_err().kind, FaultKind::Unknown);
    assert_eq!(start(&driver).await, Ok(()));
    assert_eq!(aws.count("UpdateService"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_answered_once_however_often_the_share_is_asked_for() {
    let aws = Aws::at("PRE_PRODUCTION_TRAFFIC_SHIFT", 0);
    let driver = aws.driver().await;
    for _ in 0..3 {
        assert!(matches!(driver.route(forward(TENTH, Share::NONE)).await, Ok(Routed::Moving(_))));
        // As a read that lags would have it.
        aws.with(|world| world.deployments[0]["lifecycleHookDetails"][0]["status"] = json!("AWAITING_ACTION"));
    }
    let word = json!({ "serviceDeploymentArn": "arn:deployment/1", "hookId": "hook-PRE_PRODUCTION_TRAFFIC_SHIFT",
        "action": "CONTINUE" });
    assert_eq!(aws.sent("ContinueServiceDeployment"), [word]);
    aws.with(|world| world.weights = (90, 10));
    let routed = driver.route(forward(TENTH, Share::NONE)).await.unwrap();
    assert!(matches!(routed, Routed::Written(seen) if seen.share == Some(TENTH)));
    assert_eq!(aws.count("ModifyRule"), 0);
}

#[tokio::test(start_paused = true)]
async fn no_pause_is_answered_that_leads_past_the_share_or_from_a_rule_that_says_something_else() {
    let check = async |order, weights| {
        let aws = Aws::at("PRE_PRODUCTION_TRAFFIC_SHIFT", 10);
        let driver = aws.driver().await;
        aws.with(|world| world.weights = weights);
        let routed = driver.route(order).await.unwrap();
        assert!(matches!(routed, Routed::Moving(_) | Routed::Written(_)), "{routed:?}");
        assert_eq!(aws.count("ContinueServiceDeployment"), 0, "{order:?}");
    };
    check(forward(TENTH, Share::NONE), (90, 10)).await;
    check(forward(TENTH, Share::NONE), (100, 0)).await;
    check(forward(Share::ALL, TENTH), (70, 30)).await;
}

#[tokio::test(start_paused = true)]
async fn a_word_whose_answer_is_lost_is_said_again_only_while_ecs_still_waits() {
    for (done, words) in [(true, 1), (false, 2)] {
        let aws = Aws::new(lost("ContinueServiceDeployment", done));
        aws.with(|world| world.begin("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", 0));
        let driver = aws.driver().await;
        assert_eq!(driver.route(forward(TENTH, Share::NONE)).await.unwrap_err().kind, FaultKind::Unknown);
        assert!(matches!(driver.route(forward(TENTH, Share::NONE)).await, Ok(Routed::Moving(_))));
        assert_eq!(aws.count("ContinueServiceDeployment"), words);
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_that_comes_after_the_pause_is_no_fault() {
    let aws =
        Aws::new(|call, _| (call == "ContinueServiceDeployment").then(|| (refused("InvalidParameterException"), true)));
    aws.with(|world| world.begin("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", 0));
    assert!(matches!(aws.driver().await.route(forward(TENTH, Share::NONE)).await, Ok(Routed::Moving(_))));
    let aws = Aws::new(|call, _| {
        (call == "ContinueServiceDeployment").then(|| (refused("InvalidParameterException"), false))
    });
    aws.with(|world| world.begin("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", 0));
    let fault = aws.driver().await.route(forward(TENTH, Share::NONE)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent);
}

#[tokio::test(start_paused = true)]
async fn the_last_pause_is_answered_by_the_end_alone() {
    let aws = Aws::at("POST_PRODUCTION_TRAFFIC_SHIFT", 100);
    let driver = aws.driver().await;
    assert!(matches!(driver.route(forward(Share::ALL, TENTH)).await, Ok(Routed::Written(_))));
    assert_eq!(aws.count("ContinueServiceDeployment"), 0);
    assert_eq!(driver.conclude().await, Ok(()));
    assert_eq!(driver.conclude().await, Ok(()), "it ends by itself");
    assert_eq!(aws.count("ContinueServiceDeployment"), 1);
    let early = Aws::at("PRODUCTION_TRAFFIC_SHIFT", 100).driver().await.conclude().await.unwrap_err();
    assert_eq!(early.kind, FaultKind::Transient);
    // One that ECS takes back has not ended, or the rollout would be told as committed.
    let aws = Aws::at("POST_PRODUCTION_TRAFFIC_SHIFT", 100);
    aws.set("status", json!("ROLLBACK_IN_PROGRESS"));
    assert_eq!(aws.driver().await.conclude().await.unwrap_err().kind, FaultKind::Transient);
    assert_eq!(aws.count("ContinueServiceDeployment"), 0);
}

#[tokio::test(start_paused = true)]
async fn words_forward_need_the_lease_and_words_back_do_not() {
    let aws = Aws::at("PRE_PRODUCTION_TRAFFIC_SHIFT", 0);
    let fence = Fence::new(aws.clock.clone());
    fence.renewed(Timestamp::default(), NOW + Duration::from_secs(60));
    let driver = aws.driver_with(fence, ReleaseKnown::Named("web:8".into())).await;
    for answer in [driver.route(forward(TENTH, Share::NONE)).await.map(drop), driver.conclude().await] {
        assert_eq!(answer.unwrap_err().kind, FaultKind::Transient);
    }
    aws.with(|world| world.deployments.clear());
    assert!(start(&driver).await.unwrap_err().message.contains("not sent"));
    aws.with(|world| world.begin("IN_PROGRESS", "PRE_PRODUCTION_TRAFFIC_SHIFT", 0));
    assert!(driver.route(back()).await.is_ok());
    assert_eq!(
        ["ContinueServiceDeployment", "UpdateService", "StopServiceDeployment"].map(|call| aws.count(call)),
        [0, 0, 1]
    );
}

#[tokio::test(start_paused = true)]
async fn both_revisions_are_the_slots() {
    let aws = Aws::at("PRE_PRODUCTION_TRAFFIC_SHIFT", 10);
    let fleet = aws.driver().await.fleet().await.unwrap();
    let of = |role| {
        let slot = fleet.of(role);
        (slot.desired, slot.running, slot.task_definition.as_str())
    };
    assert_eq!((of(Role::Stable), of(Role::Candidate)), ((4, 4, OLD), (4, 3, NEW)));
    assert!(fleet.candidate.settled, "it waits");
    let before = Aws::quiet().driver().await.fleet().await.unwrap();
    assert_eq!((before.stable.desired, before.stable.task_definition.as_str()), (4, OLD));
    assert_eq!((before.candidate.desired, before.candidate.running), (0, 0));
}
