//! The beacon, the hold on autoscaling, and the dead-man's switch.

use std::sync::Mutex;

use serde_json::Value;

use super::*;
use crate::cloud::aws::fake::{Reply, Seen};

const SCALING: Scaling = Scaling { min: 2, max: 9, no_scale_in: false, no_scale_out: true, no_schedule: false };

fn switch() -> DeadMan {
    DeadMan {
        role: "arn:aws:iam::1:role/dead-man".into(),
        after: std::time::Duration::from_secs(300),
        group: "guards".into(),
    }
}

fn recorded() -> Recorded {
    let group = |arn: &str, weight: u16| json!({ "TargetGroupArn": arn, "Weight": weight });
    let actions = json!([{ "Type": "forward", "Order": 1, "ForwardConfig": {
        "TargetGroups": [group(BLUE, 100), group(GREEN, 0)],
        "TargetGroupStickinessConfig": { "Enabled": true, "DurationSeconds": 600 },
    } }]);
    Recorded { actions_json: actions.to_string(), ..no_record() }
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::status(status, &json!({ "__type": code, "message": "no" }))
}

/// A scheduler with this many schedules of ours, one at most; looks go on showing a removed one for `lag` looks.
fn scheduler(there: bool, lag: u32) -> Fake {
    let state = Mutex::new((there, 0_u32));
    Fake::new(move |seen| {
        let mut state = state.lock().unwrap();
        let gone = || refused(404, "ResourceNotFoundException");
        let arn = json!({ "ScheduleArn": "arn:schedule" });
        match (seen.operation.as_str(), state.0) {
            ("CreateSchedule", false) => {
                state.0 = true;
                Reply::json(&arn)
            }
            ("CreateSchedule", true) => refused(409, "ConflictException"),
            ("UpdateSchedule", true) => Reply::json(&arn),
            ("DeleteSchedule", true) => {
                *state = (false, lag);
                Reply::json(&json!({}))
            }
            ("GetSchedule", false) if state.1 > 0 => {
                state.1 -= 1;
                Reply::json(&json!({ "Name": "web" }))
            }
            ("GetSchedule", true) => Reply::json(&json!({ "Name": "web" })),
            (_, false) => gone(),
            (other, _) => panic!("{other} is not expected"),
        }
    })
}

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_beacon_is_five_tags_and_leaves_none() {
    let fake = Fake::new(|seen| Reply::xml(&seen.operation, ""));
    let driver = driver_with(&fake, recorded());
    driver.mark(Beacon::Active).await.unwrap();
    driver.mark(Beacon::Absent).await.unwrap();
    let [tagged, untagged] = &fake.seen()[..] else { panic!("{:?}", fake.operations()) };
    let tag = |n: usize| {
        let part = |part: &str| tagged.param(&format!("Tags.member.{n}.{part}")).unwrap_or_default();
        (part("Key"), part("Value"))
    };
    let tags = (1..=6).map(tag).map(|(key, value)| format!("{key}={value}"));
    let expected = [
        "tidegate:rollout=web-20261123-140000-beef",
        "tidegate:epoch=2",
        "tidegate:stable=web-blue",
        "tidegate:candidate=web-green",
        "tidegate:phase=active",
        "=",
    ];
    assert_eq!(tags.collect::<Vec<_>>(), expected);
    let keys = untagged.form().into_iter().filter(|(key, _)| key.starts_with("TagKeys"));
    assert_eq!(
        keys.map(|(_, value)| value).collect::<Vec<_>>().len(),
        7,
        "and what one leaves who goes back by the rule"
    );
    assert_eq!(
        (untagged.operation.as_str(), untagged.param("ResourceArns.member.1")),
        ("RemoveTags", Some(RULE.into()))
    );
}

#[tokio::test(start_paused = true)]
async fn who_goes_back_by_the_rule_says_so_in_two_more_tags_or_without_words() {
    for refuses in [false, true] {
        let fake = Fake::new(move |seen| match seen.param("Tags.member.7.Key") {
            Some(_) if refuses => Reply::xml_error(400, "ValidationError"),
            _ => Reply::xml(&seen.operation, ""),
        });
        let back = TakenBack { by: "dora@phone".into(), reason: Some("checkout is slow!".into()) };
        driver_with(&fake, recorded()).going_back_for(back).mark(Beacon::Aborting).await.unwrap();
        let seen = fake.seen();
        let value = |n: usize| seen[0].param(&format!("Tags.member.{n}.Value"));
        assert_eq!(value(5).as_deref(), Some("aborting"));
        assert_eq!((value(6).as_deref(), value(7).as_deref()), (Some("dora@phone"), Some("checkout is slow_")));
        assert_eq!(seen.len(), 1 + usize::from(refuses), "{:?}", fake.operations());
    }
}

#[tokio::test(start_paused = true)]
async fn scalable_targets_are_set_whole_until_one_is_refused() {
    let fake = Fake::new(|seen| match body(seen)["ResourceId"].as_str() {
        None => {
            let both = ["web-blue", "web-green"].map(|name| told(name, SCALING));
            Reply::json(&json!({ "ScalableTargets": both }))
        }
        Some("service/prod/web-blue") => Reply::json(&json!({})),
        _ => refused(400, "ConcurrentUpdateException"),
    });
    let driver = driver_with(&fake, recorded());
    let both = [(Role::Stable, SCALING.held()), (Role::Candidate, SCALING)];
    let fault = driver.set_scaling(&both).await.unwrap_err();
    assert_eq!((fault.kind, fault.operation.as_str()), (FaultKind::Transient, "RegisterScalableTarget"));
    let writes = fake.seen().into_iter().filter(|seen| seen.operation == "RegisterScalableTarget");
    let sent: Vec<Value> = writes.map(|seen| body(&seen)).collect();
    let state = |scale_in, scheduled| {
        json!({ "DynamicScalingInSuspended": scale_in, "DynamicScalingOutSuspended": true,
            "ScheduledScalingSuspended": scheduled })
    };
    assert_eq!((&sent[0]["SuspendedState"], &sent[1]["SuspendedState"]), (&state(true, true), &state(false, false)));
    assert!(sent.iter().all(|body| body["MinCapacity"] == 2 && body["MaxCapacity"] == 9), "{sent:?}");
    assert!(sent.iter().all(|body| body["ScalableDimension"] == "ecs:service:DesiredCount"), "{sent:?}");
}

/// A service's target as Application Auto Scaling tells it.
fn told(service: &str, now: Scaling) -> Value {
    json!({ "ResourceId": format!("service/prod/{service}"), "MinCapacity": now.min, "MaxCapacity": now.max,
        "SuspendedState": { "DynamicScalingInSuspended": now.no_scale_in,
            "DynamicScalingOutSuspended": now.no_scale_out, "ScheduledScalingSuspended": now.no_schedule } })
}

/// What is written of a target that is so now.
async fn written(now: Option<Scaling>, wanted: Scaling) -> Option<Value> {
    let fake = Fake::new(move |seen| match seen.operation.as_str() {
        "DescribeScalableTargets" => {
            let found = now.map(|now| told("web-blue", now));
            Reply::json(&json!({ "ScalableTargets": found.as_slice() }))
        }
        "RegisterScalableTarget" => Reply::json(&json!({})),
        other => panic!("{other} is not expected"),
    });
    driver_with(&fake, recorded()).set_scaling(&[(Role::Stable, wanted)]).await.unwrap();
    fake.seen().iter().find(|seen| seen.operation == "RegisterScalableTarget").map(body)
}

#[tokio::test(start_paused = true)]
async fn bounds_that_somebody_changed_meanwhile_are_kept() {
    let before = Scaling { no_scale_in: false, no_scale_out: false, no_schedule: true, ..SCALING };
    let theirs = Scaling { min: 4, max: 40, no_scale_out: true, ..before.held() };
    let state = |scale_in, scale_out, scheduled| {
        json!({ "DynamicScalingInSuspended": scale_in, "DynamicScalingOutSuspended": scale_out,
            "ScheduledScalingSuspended": scheduled })
    };
    let freed = written(Some(theirs), before).await.unwrap();
    assert_eq!((&freed["MinCapacity"], &freed["MaxCapacity"]), (&json!(4), &json!(40)));
    assert_eq!(freed["SuspendedState"], state(false, true, true), "what the hold suspended alone is as before");
    let held = written(Some(Scaling { min: 3, ..before }), before.held()).await.unwrap();
    assert_eq!((&held["MinCapacity"], &held["SuspendedState"]), (&json!(3), &state(true, false, true)));
    assert_eq!(written(None, before).await, None, "one that somebody removed is not made anew");
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_made_once_and_then_pushed_on() {
    let fake = scheduler(false, 0);
    let driver = driver_with(&fake, recorded());
    let at = NOW + switch().after;
    assert_eq!(driver.arm(&switch(), at, false).await, Ok(Arming::Gone));
    assert_eq!(driver.arm(&switch(), at, true).await, Ok(Arming::Armed));
    assert_eq!(driver.arm(&switch(), at, false).await, Ok(Arming::Armed));
    let operations = ["UpdateSchedule", "UpdateSchedule", "CreateSchedule", "UpdateSchedule"];
    assert_eq!(fake.operations(), operations);
    for seen in fake.seen() {
        assert!(seen.uri.ends_with("/schedules/web-20261123-140000-beef"), "{}", seen.uri);
        let body = body(&seen);
        assert_eq!((&body["GroupName"], &body["ActionAfterCompletion"]), (&json!("guards"), &json!("DELETE")));
        assert_eq!(body["ScheduleExpression"], "at(2026-11-23T14:05:00)");
        assert_eq!(
            (&body["ScheduleExpressionTimezone"], &body["FlexibleTimeWindow"]["Mode"]),
            (&json!("UTC"), &json!("OFF"))
        );
        let target = &body["Target"];
        assert_eq!(target["Arn"], "arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule");
        assert_eq!(target["RetryPolicy"], json!({ "MaximumEventAgeInSeconds": 120, "MaximumRetryAttempts": 5 }));
        let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
        let config = &input["Actions"][0]["ForwardConfig"];
        assert_eq!((&input["RuleArn"], &config["TargetGroups"][0]["Weight"]), (&json!(RULE), &json!(100)));
        assert_eq!(config["TargetGroupStickinessConfig"], json!({ "Enabled": false, "DurationSeconds": 600 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_switch_is_seen_to_be_gone() {
    let fake = scheduler(true, 2);
    let driver = driver_with(&fake, recorded());
    assert_eq!(driver.disarm(&switch()).await, Ok(()));
    assert_eq!(fake.operations(), ["DeleteSchedule", "GetSchedule", "GetSchedule", "GetSchedule"]);
    assert!(fake.seen()[0].uri.contains("groupName=guards"), "{}", fake.seen()[0].uri);
    assert_eq!(driver.disarm(&switch()).await, Ok(()), "one that is gone already is gone");
    let slow = scheduler(true, 9);
    assert_eq!(driver_with(&slow, recorded()).disarm(&switch()).await.unwrap_err().kind, FaultKind::Transient);
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_may_not_be_written_is_denied_and_one_unanswered_is_unknown() {
    let check = |reply: Reply, kind: FaultKind| async move {
        let fake = Fake::new(move |_| reply.clone());
        let driver = driver_with(&fake, recorded());
        assert_eq!(driver.arm(&switch(), NOW, true).await.unwrap_err().kind, kind);
        assert_eq!(driver.disarm(&switch()).await.unwrap_err().kind, kind);
        assert_eq!(fake.operations().len(), 2);
    };
    check(refused(403, "AccessDeniedException"), FaultKind::Denied).await;
    check(refused(429, "ThrottlingException"), FaultKind::Transient).await;
    check(Reply::Lost, FaultKind::Unknown).await;
}

#[tokio::test(start_paused = true)]
async fn a_switch_writes_what_the_load_balancer_takes_where_a_group_is_sticky_itself() {
    let written = async |recorded: Recorded, sticky: bool| {
        let fake = Fake::new(move |seen| match seen.operation.as_str() {
            "UpdateSchedule" => Reply::json(&json!({ "ScheduleArn": "arn:schedule" })),
            "DescribeTargetGroupAttributes" if sticky => Reply::xml(&seen.operation, super::survey::STICKY),
            "DescribeTargetGroupAttributes" => Reply::xml(&seen.operation, "<Attributes></Attributes>"),
            other => panic!("{other} is not expected"),
        });
        assert_eq!(driver_with(&fake, recorded).arm(&switch(), NOW, true).await, Ok(Arming::Armed));
        let seen = fake.seen().into_iter().find(|seen| seen.operation == "UpdateSchedule").unwrap();
        let input: Value = serde_json::from_str(body(&seen)["Target"]["Input"].as_str().unwrap()).unwrap();
        input["Actions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"].clone()
    };
    let bound = Recorded {
        weights: vec![(BLUE.into(), 100), (GREEN.into(), 0)],
        stickiness: Some(std::time::Duration::from_secs(600)),
        ..recorded()
    };
    let brief = json!({ "Enabled": true, "DurationSeconds": 1 });
    assert_eq!(written(bound.clone(), false).await, json!({ "Enabled": false, "DurationSeconds": 600 }));
    assert_eq!(written(bound.clone(), true).await, brief, "it became sticky after the survey");
    assert_eq!(written(Recorded { sticky_groups: vec![GREEN.into()], ..bound }, false).await, brief);
}
