//! What a deployment is begun with, and what the service's configuration is afterwards.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn asked(timetable: Timetable) -> EcsDeployment {
    EcsDeployment { timetable, pause: MINUTE * 30 }
}

fn tenth() -> EcsDeployment {
    asked(Timetable::Canary { first: Share::from_permille(100).unwrap(), every: MINUTE })
}

fn pause(stages: &Value, minutes: i64, action: &str) -> Value {
    let timeout = json!({ "timeoutInMinutes": minutes, "action": action });
    json!({ "targetType": "PAUSE", "lifecycleStages": stages, "timeoutConfiguration": timeout })
}

/// A service with everything, also with what this version does not know.
fn own() -> Value {
    json!({
        "strategy": "LINEAR",
        "linearConfiguration": { "stepPercent": 20.0, "stepBakeTimeInMinutes": 3 },
        "bakeTimeInMinutes": 7,
        "alarms": { "alarmNames": ["web-5xx"], "enable": false, "rollback": true },
        "deploymentCircuitBreaker": { "enable": true, "rollback": true },
        "maximumPercent": 150,
        "somethingNew": { "a": [1] },
        "lifecycleHooks": [
            { "hookTargetArn": "arn:aws:lambda:eu-west-1:1:function:smoke", "roleArn": "arn:aws:iam::1:role/hooks",
              "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"], "hookDetails": { "b": "c" } },
            pause(&json!(["POST_SCALE_UP", "POST_PRODUCTION_TRAFFIC_SHIFT"]), 60, "CONTINUE"),
            // Just as ours would be.
            pause(&json!(PAUSES), 30, "ROLLBACK"),
        ],
    })
}

#[test]
fn everything_of_the_services_own_stays_and_our_pause_comes_beside_it() {
    let built = configuration(&own(), &tenth());
    assert_eq!(built["canaryConfiguration"], json!({ "canaryPercent": 10.0, "canaryBakeTimeInMinutes": 1 }));
    assert_eq!((&built["strategy"], built.get("linearConfiguration")), (&json!("CANARY"), None));
    for member in ["alarms", "deploymentCircuitBreaker", "maximumPercent", "somethingNew"] {
        assert_eq!(built[member], own()[member], "{member}");
    }
    let hooks = built["lifecycleHooks"].as_array().unwrap();
    assert_eq!(hooks[..3], own()["lifecycleHooks"].as_array().unwrap()[..]);
    // One of theirs waits for half an hour too, so ours is told from it by a minute.
    assert_eq!(hooks[3..], [pause(&json!(PAUSES), 31, "ROLLBACK")]);
}

#[test]
fn a_bake_is_kept_only_where_alarms_use_it() {
    let bake = |own: &Value| configuration(own, &tenth())["bakeTimeInMinutes"].clone();
    let mut watched = own();
    watched["alarms"]["enable"] = json!(true);
    assert_eq!((bake(&watched), bake(&own()), bake(&json!({}))), (json!(7), json!(0), json!(0)));
}

#[test]
fn shares_and_times_are_said_in_percents_and_minutes() {
    let share = |permille| Share::from_permille(permille).unwrap();
    let canary = configuration(&json!({}), &asked(Timetable::Canary { first: share(55), every: MINUTE * 7 }));
    assert_eq!(canary["canaryConfiguration"], json!({ "canaryPercent": 5.5, "canaryBakeTimeInMinutes": 7 }));
    let linear = configuration(&json!({}), &asked(Timetable::Linear { step: share(250), every: MINUTE }));
    assert_eq!(linear["linearConfiguration"], json!({ "stepPercent": 25.0, "stepBakeTimeInMinutes": 1 }));
    assert_eq!((&linear["strategy"], linear.get("canaryConfiguration")), (&json!("LINEAR"), None));
    let plain = configuration(&json!({}), &asked(Timetable::AllAtOnce));
    assert_eq!(plain["strategy"], "BLUE_GREEN");
}

#[test]
fn afterwards_everything_is_as_it_was() {
    let rolling = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5 });
    for before in [own(), rolling] {
        for how in [Timetable::AllAtOnce, tenth().timetable] {
            let during = configuration(&before, &asked(how));
            let after = restored(&during, Some(&before), &asked(how)).unwrap();
            assert!(same(&after, &before), "{after:#}");
            assert_eq!(restored(&after, Some(&before), &asked(how)), None, "nothing of ours is left");
        }
    }
}

#[test]
fn what_somebody_else_changed_meanwhile_is_kept() {
    let mut now = configuration(&own(), &tenth());
    now["bakeTimeInMinutes"] = json!(9);
    now["maximumPercent"] = json!(200);
    now["lifecycleHooks"].as_array_mut().unwrap().remove(0);
    let after = restored(&now, Some(&own()), &tenth()).unwrap();
    assert_eq!((&after["bakeTimeInMinutes"], &after["maximumPercent"]), (&json!(9), &json!(200)));
    assert_eq!(after["lifecycleHooks"].as_array().unwrap()[..], own()["lifecycleHooks"].as_array().unwrap()[1..]);
    assert_eq!((&after["strategy"], &after["linearConfiguration"]), (&json!("LINEAR"), &own()["linearConfiguration"]));
    now["strategy"] = json!("BLUE_GREEN");
    let after = restored(&now, Some(&own()), &tenth()).unwrap();
    assert_eq!((&after["strategy"], after.get("linearConfiguration")), (&json!("BLUE_GREEN"), None));
}

#[test]
fn what_was_not_recorded_loses_our_pause_alone() {
    let now = configuration(&json!({ "strategy": "BLUE_GREEN" }), &tenth());
    let after = restored(&now, None, &tenth()).unwrap();
    assert_eq!((&after["strategy"], &after["lifecycleHooks"]), (&json!("CANARY"), &json!([])));
}

#[test]
fn numbers_are_the_same_however_they_are_written() {
    assert!(same(&json!({ "a": 10, "b": [] }), &json!({ "a": 10.0 })));
    assert!(!same(&json!({ "a": 10 }), &json!({ "a": 11 })) && !same(&json!([1]), &json!([1, 2])));
}
