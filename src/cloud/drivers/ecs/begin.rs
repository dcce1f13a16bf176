//! What a deployment is begun with: the service's own configuration, with the plan's timetable and our pause; and how the
//! service is configured again afterwards.
//!
//! It is the JSON that ECS tells and takes, so that what this version does not know stays in it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::driver::{EcsDeployment, Timetable};
use crate::domain::traffic::Share;

/// Where ours pauses: before each shift of production traffic, and after the last.
pub(super) const PAUSES: [&str; 2] = ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"];
/// What goes with a strategy.
const SHIFTS: [&str; 3] = ["strategy", "canaryConfiguration", "linearConfiguration"];
const BAKE: &str = "bakeTimeInMinutes";
const HOOKS: &str = "lifecycleHooks";
/// How long a hook waits that says nothing of it, and may wait at most, in minutes
/// (`DeploymentLifecycleHookTimeoutConfiguration` in the ECS API reference).
pub(super) const USUAL: i32 = 1440;
const LONGEST: i32 = 20160;

/// The configuration of a deployment that goes as `asked`, of a service with configuration `own`. Its alarms, its breaker
/// and all of its own hooks stay.
pub(super) fn configuration(own: &Value, asked: &EcsDeployment) -> Value {
    let mut built = own.as_object().cloned().unwrap_or_default();
    built.retain(|member, _| !SHIFTS.contains(&member.as_str()));
    let (strategy, how) = match asked.timetable {
        Timetable::AllAtOnce => ("BLUE_GREEN", None),
        Timetable::Canary { first, every } => {
            let how = json!({ "canaryPercent": percent(first), "canaryBakeTimeInMinutes": minutes(every) });
            ("CANARY", Some(("canaryConfiguration", how)))
        }
        Timetable::Linear { step, every } => {
            let how = json!({ "stepPercent": percent(step), "stepBakeTimeInMinutes": minutes(every) });
            ("LINEAR", Some(("linearConfiguration", how)))
        }
    };
    built.insert("strategy".to_owned(), json!(strategy));
    built.extend(how.map(|(member, how)| (member.to_owned(), how)));
    // Alarms of the service may need time with all traffic moved; without any, tidegate's own holds are that time.
    let watched = own["alarms"]["enable"] == true;
    let bake = own.get(BAKE).filter(|bake| watched && !bake.is_null()).cloned();
    built.insert(BAKE.to_owned(), bake.unwrap_or(json!(0)));
    let ours = json!({
        "targetType": "PAUSE",
        "lifecycleStages": PAUSES,
        "timeoutConfiguration": { "timeoutInMinutes": our_minutes(own, asked), "action": "ROLLBACK" },
    });
    let hooks = hooks(own).iter().cloned().chain([ours]).collect();
    built.insert(HOOKS.to_owned(), Value::Array(hooks));
    Value::Object(built)
}

/// What a service's configuration is to be after the rollout: as it is `now`, with `before` wherever it is still as our
/// deployment left it, and without our pause. What somebody else changed meanwhile is kept. `None` where nothing is ours.
pub(super) fn restored(now: &Value, before: Option<&Value>, asked: &EcsDeployment) -> Option<Value> {
    let mine = our_minutes(before.unwrap_or(&Value::Null), asked);
    let kept: Vec<Value> = hooks(now).iter().filter(|hook| !is_ours(hook, mine)).cloned().collect();
    if kept.len() == hooks(now).len() {
        return None;
    }
    let mut after = now.as_object().cloned().unwrap_or_default();
    after.insert(HOOKS.to_owned(), Value::Array(kept));
    let Some(before) = before else { return Some(Value::Object(after)) };
    let ours = configuration(before, asked);
    let is_left = |member: &str| same(&now[member], &ours[member]);
    if SHIFTS.iter().all(|member| is_left(member)) {
        for member in SHIFTS {
            put_back(&mut after, before, member);
        }
    }
    if is_left(BAKE) {
        put_back(&mut after, before, BAKE);
    }
    for (member, strategy) in [("canaryConfiguration", "CANARY"), ("linearConfiguration", "LINEAR")] {
        if after.get("strategy").is_some_and(|now| now != strategy) {
            after.remove(member);
        }
    }
    Some(Value::Object(after))
}

fn put_back(after: &mut Map<String, Value>, before: &Value, member: &str) {
    match before.get(member).filter(|value| !value.is_null()) {
        Some(value) => after.insert(member.to_owned(), value.clone()),
        None => after.remove(member),
    };
}

/// How long our pause waits, in minutes: as asked, or a minute more or less where a pause of the service's own waits as
/// long at one of its stages. By that ours is told from theirs.
pub(super) fn our_minutes(own: &Value, asked: &EcsDeployment) -> i32 {
    let wanted = minutes(asked.pause).clamp(1, LONGEST);
    let theirs: Vec<i32> = hooks(own).iter().filter(|hook| hook["targetType"] == "PAUSE").map(waits).collect();
    let near = (wanted..=LONGEST).chain((1..wanted).rev());
    near.into_iter().find(|minutes| !theirs.contains(minutes)).unwrap_or(wanted)
}

/// Whether a hook is the pause that ours is begun with.
fn is_ours(hook: &Value, mine: i32) -> bool {
    let stages: Vec<&str> =
        hook["lifecycleStages"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let timeout = &hook["timeoutConfiguration"];
    let goes_back = timeout["action"].as_str().is_none_or(|action| action == "ROLLBACK");
    let at = stages.len() == PAUSES.len() && PAUSES.iter().all(|stage| stages.contains(stage));
    hook["targetType"] == "PAUSE" && at && goes_back && waits(hook) == mine
}

fn waits(hook: &Value) -> i32 {
    let minutes = hook["timeoutConfiguration"]["timeoutInMinutes"].as_i64();
    minutes.map_or(USUAL, |minutes| i32::try_from(minutes).unwrap_or(LONGEST))
}

fn hooks(configuration: &Value) -> &[Value] {
    configuration[HOOKS].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether two values say the same: ECS tells `10.0` where `10` was sent, and nothing, or an empty list, as `null`.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    let is_nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match (one, other) {
        _ if is_nothing(one) || is_nothing(other) => is_nothing(one) && is_nothing(other),
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys());
            keys.into_iter().all(|key| {
                same(&one.get(key).cloned().unwrap_or_default(), &other.get(key).cloned().unwrap_or_default())
            })
        }
        _ => one == other,
    }
}

fn percent(share: Share) -> f64 {
    f64::from(share.permille()) / 10.0
}

fn minutes(span: Duration) -> i32 {
    i32::try_from(span.as_secs().div_ceil(60)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
