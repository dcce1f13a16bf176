//! How ECS deploys a service by itself: strategy, pauses, alarms and breaker of its `deploymentConfiguration`.
//!
//! Names, bounds and defaults are those of `DeploymentConfiguration`, `CanaryConfiguration`, `LinearConfiguration`,
//! `DeploymentLifecycleHook` and `DeploymentLifecycleHookTimeoutConfiguration` in the ECS API reference.

use serde_json::Value;

use super::Stage;
use crate::value::{Members, flag, list, number, text, texts, whole};

/// The longest bake, in minutes.
const BAKE_LIMIT: i64 = 1_440;
/// The longest a pause hook may wait, in minutes.
const PAUSE_LIMIT: i64 = 20_160;
/// How long a pause hook waits that says nothing about it, in minutes.
const PAUSE_USUAL: i64 = 1_440;
/// All traffic, in tenths of a percent.
pub(crate) const ALL: u32 = 1_000;
/// Failed tasks that a breaker without a threshold of its own tolerates, at least and at most.
const FAILURES: (u32, u32) = (3, 200);

/// How production traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Tasks are replaced in place.
    Rolling,
    /// All at once.
    BlueGreen,
    /// A share, and all the rest after a bake.
    Canary {
        /// The share, in tenths of a percent.
        share: u32,
        /// The bake, in milliseconds.
        bake: u64,
    },
    /// In equal steps, with a bake after each but the last.
    Linear {
        /// The step, in tenths of a percent.
        step: u32,
        /// The bake, in milliseconds.
        bake: u64,
    },
}

impl Strategy {
    /// The shares of the new revision in tenths of a percent, each with how long it bakes in milliseconds.
    pub(crate) fn steps(self) -> Vec<(u32, u64)> {
        match self {
            Strategy::Rolling | Strategy::BlueGreen | Strategy::Canary { share: ALL, .. } => vec![(ALL, 0)],
            Strategy::Canary { share, bake } => vec![(share, bake), (ALL, 0)],
            Strategy::Linear { step, bake } => {
                let before = (1..ALL.div_ceil(step)).map(|number| (number * step, bake));
                before.chain([(ALL, 0)]).collect()
            }
        }
    }
}

/// A pause hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pause {
    /// Where it holds.
    pub stages: Vec<Stage>,
    /// For how long, in milliseconds.
    pub timeout: u64,
    /// Whether the deployment goes on when nobody has said anything by then; else it goes back.
    pub goes_on: bool,
}

/// The alarms that end a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlarmWatch {
    /// Their names.
    pub names: Vec<String>,
    /// Whether the deployment then goes back; else it stops where it is.
    pub rolls_back: bool,
}

/// The circuit breaker. The reference of `DeploymentCircuitBreaker` speaks of rolling updates only; here it watches
/// over every deployment that is configured with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breaker {
    /// Whether the deployment then goes back; else it stops where it is.
    pub rolls_back: bool,
    /// Whether a task that becomes healthy makes the failures before it count no more.
    pub resets: bool,
    threshold: Threshold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threshold {
    Bounded(u32),
    Unbounded(u32),
    Count(u32),
}

impl Breaker {
    /// Failed tasks that end a deployment of so many.
    pub(crate) fn threshold(&self, desired: u32) -> u32 {
        let share = |percent: u32| (desired * percent).div_ceil(100);
        match self.threshold {
            Threshold::Bounded(percent) => share(percent).clamp(FAILURES.0, FAILURES.1),
            Threshold::Unbounded(percent) => share(percent).max(1),
            Threshold::Count(count) => count.max(1),
        }
    }
}

/// How a deployment goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How production traffic moves.
    pub strategy: Strategy,
    /// How long both revisions run after all traffic has moved, in milliseconds.
    pub bake: u64,
    /// Where it waits for somebody's word.
    pub pauses: Vec<Pause>,
    /// The alarms that end it.
    pub alarms: Option<AlarmWatch>,
    /// What ends it when tasks fail.
    pub breaker: Option<Breaker>,
}

impl Settings {
    /// Reads a `deploymentConfiguration`; an error is a sentence about the first wrong member.
    pub(crate) fn read(given: &Members) -> Result<Settings, String> {
        let given = Value::Object(given.clone());
        let strategy = read_strategy(&given)?;
        let pauses: Vec<Pause> = list(&given, "lifecycleHooks").iter().map(read_pause).collect::<Result<_, _>>()?;
        if strategy == Strategy::Rolling && !pauses.is_empty() {
            return Err("The lab plays no lifecycle hooks with the ROLLING strategy.".to_owned());
        }
        let bake = minutes(&given, "bakeTimeInMinutes", (0, BAKE_LIMIT))?;
        if strategy == Strategy::BlueGreen && bake.is_none() {
            return Err("bakeTimeInMinutes must be provided with the BLUE_GREEN deployment strategy.".to_owned());
        }
        Ok(Settings {
            strategy,
            bake: bake.unwrap_or(0),
            pauses,
            alarms: read_alarms(&given)?,
            breaker: read_breaker(&given)?,
        })
    }
}

fn read_strategy(given: &Value) -> Result<Strategy, String> {
    let word = text(given, "strategy").unwrap_or("ROLLING");
    for (member, of) in [("canaryConfiguration", "CANARY"), ("linearConfiguration", "LINEAR")] {
        if given.get(member).is_some_and(|value| !value.is_null()) && word != of {
            return Err(format!("{member} is only valid with the {of} deployment strategy."));
        }
    }
    let empty = Value::Object(Members::new());
    match word {
        "ROLLING" => Ok(Strategy::Rolling),
        "BLUE_GREEN" => Ok(Strategy::BlueGreen),
        "CANARY" => {
            let canary = given.get("canaryConfiguration").unwrap_or(&empty);
            let share = tenths(canary, "canaryPercent", 1)?.unwrap_or(50);
            let bake = minutes(canary, "canaryBakeTimeInMinutes", (0, BAKE_LIMIT))?.unwrap_or(10 * 60_000);
            Ok(Strategy::Canary { share, bake })
        }
        "LINEAR" => {
            let linear = given.get("linearConfiguration").unwrap_or(&empty);
            let step = tenths(linear, "stepPercent", 30)?.unwrap_or(100);
            let bake = minutes(linear, "stepBakeTimeInMinutes", (0, BAKE_LIMIT))?.unwrap_or(6 * 60_000);
            Ok(Strategy::Linear { step, bake })
        }
        other => Err(format!(
            "Invalid deployment strategy {other}: valid values are ROLLING, BLUE_GREEN, LINEAR and CANARY."
        )),
    }
}

/// Minutes within bounds, in milliseconds.
fn minutes(of: &Value, key: &str, (least, most): (i64, i64)) -> Result<Option<u64>, String> {
    if of.get(key).is_none_or(Value::is_null) {
        return Ok(None);
    }
    let found = whole(of, key).filter(|minutes| (least..=most).contains(minutes));
    let found = found.ok_or_else(|| format!("{key} must be a whole number from {least} to {most}."))?;
    Ok(Some(found as u64 * 60_000))
}

/// A percentage in tenths, which are as fine as it may be.
fn tenths(of: &Value, key: &str, least: u32) -> Result<Option<u32>, String> {
    if of.get(key).is_none_or(Value::is_null) {
        return Ok(None);
    }
    let wrong = || format!("{key} must be a multiple of 0.1 from {}.{} to 100.0.", least / 10, least % 10);
    let tenths = number(of, key).ok_or_else(wrong)? * 10.0;
    let is_right =
        (tenths - tenths.round()).abs() < 1e-6 && (f64::from(least)..=f64::from(ALL)).contains(&tenths.round());
    if is_right { Ok(Some(tenths.round() as u32)) } else { Err(wrong()) }
}

/// Stages that only a Lambda function can be hooked to (`Pause hooks` in the ECS developer guide).
const UNPAUSED: [Stage; 2] = [Stage::TestTrafficShift, Stage::ProductionTrafficShift];

fn read_pause(hook: &Value) -> Result<Pause, String> {
    if let Some(member) = ["hookTargetArn", "roleArn"].into_iter().find(|key| text(hook, key).is_some()) {
        return Err(format!("{member} is not applicable to a lifecycle hook of target type PAUSE."));
    }
    let words = texts(hook, "lifecycleStages");
    if words.is_empty() {
        return Err("lifecycleStages must be provided with a lifecycle hook.".to_owned());
    }
    let read = |word: &str| {
        let stage = Stage::HOOKED.into_iter().find(|stage| stage.word() == word);
        let stage = stage.ok_or_else(|| format!("Invalid lifecycle stage {word}."))?;
        if UNPAUSED.contains(&stage) {
            return Err(format!("A PAUSE lifecycle hook cannot be used at the {word} stage."));
        }
        Ok(stage)
    };
    let stages = words.into_iter().map(read).collect::<Result<_, _>>()?;
    let empty = Value::Null;
    let timeout = hook.get("timeoutConfiguration").unwrap_or(&empty);
    let goes_on = match text(timeout, "action").unwrap_or("ROLLBACK") {
        "CONTINUE" => true,
        "ROLLBACK" => false,
        other => return Err(format!("Invalid timeout action {other}: valid values are CONTINUE and ROLLBACK.")),
    };
    let waits = minutes(timeout, "timeoutInMinutes", (1, PAUSE_LIMIT))?;
    Ok(Pause { stages, timeout: waits.unwrap_or(PAUSE_USUAL as u64 * 60_000), goes_on })
}

fn read_alarms(given: &Value) -> Result<Option<AlarmWatch>, String> {
    let Some(alarms) = given.get("alarms").filter(|alarms| flag(alarms, "enable").unwrap_or(false)) else {
        return Ok(None);
    };
    let names: Vec<String> = texts(alarms, "alarmNames").into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err("alarmNames must hold at least one alarm when deployment alarms are enabled.".to_owned());
    }
    Ok(Some(AlarmWatch { names, rolls_back: flag(alarms, "rollback").unwrap_or(false) }))
}

fn read_breaker(given: &Value) -> Result<Option<Breaker>, String> {
    let Some(breaker) = given.get("deploymentCircuitBreaker") else { return Ok(None) };
    if !flag(breaker, "enable").unwrap_or(false) {
        return Ok(None);
    }
    let threshold = match breaker.get("thresholdConfiguration").filter(|value| !value.is_null()) {
        None => Threshold::Bounded(50),
        Some(threshold) => {
            let value = whole(threshold, "value").and_then(|value| u32::try_from(value).ok());
            let value = value.ok_or("value must be a whole number in thresholdConfiguration.")?;
            match text(threshold, "type").unwrap_or_default() {
                "BOUNDED_PERCENT" => Threshold::Bounded(value),
                "UNBOUNDED_PERCENT" => Threshold::Unbounded(value),
                "COUNT" => Threshold::Count(value),
                other => return Err(format!("Invalid type {other} in thresholdConfiguration.")),
            }
        }
    };
    let flag = |key: &str, usual| flag(breaker, key).unwrap_or(usual);
    Ok(Some(Breaker { rolls_back: flag("rollback", false), resets: flag("resetOnHealthyTask", true), threshold }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(given: &Value) -> Result<Settings, String> {
        Settings::read(given.as_object().expect("it is an object"))
    }

    #[test]
    fn what_is_not_said_is_as_the_reference_has_it() {
        let settings = read(&json!({"strategy": "CANARY"})).expect("it is right");
        assert_eq!(settings.strategy, Strategy::Canary { share: 50, bake: 600_000 });
        let settings = read(&json!({"strategy": "LINEAR", "lifecycleHooks": [{"targetType": "PAUSE",
            "lifecycleStages": ["POST_SCALE_UP"]}]}));
        let settings = settings.expect("it is right");
        assert_eq!(settings.strategy, Strategy::Linear { step: 100, bake: 360_000 });
        let pause = Pause { stages: vec![Stage::PostScaleUp], timeout: 86_400_000, goes_on: false };
        assert_eq!(settings.pauses, [pause]);
        assert_eq!(read(&json!({})).map(|settings| settings.strategy), Ok(Strategy::Rolling));
    }

    #[test]
    fn steps_are_equal_and_end_with_all_traffic_which_does_not_bake() {
        let shares = |strategy: Strategy| strategy.steps().iter().map(|(share, _)| *share).collect::<Vec<_>>();
        assert_eq!(shares(Strategy::Linear { step: 300, bake: 1 }), [300, 600, 900, 1_000]);
        assert_eq!(shares(Strategy::Linear { step: 500, bake: 1 }), [500, 1_000]);
        assert_eq!(shares(Strategy::Canary { share: 1, bake: 1 }), [1, 1_000]);
        assert_eq!(Strategy::Linear { step: 500, bake: 7 }.steps(), [(500, 7), (1_000, 0)]);
        assert_eq!(Strategy::Canary { share: 1_000, bake: 7 }.steps(), [(1_000, 0)]);
    }

    #[test]
    fn what_ecs_does_not_take_is_refused() {
        let pause = |stage: &str| json!([{"targetType": "PAUSE", "lifecycleStages": [stage]}]);
        let waits = |minutes: i64| {
            json!([{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"],
                "timeoutConfiguration": {"timeoutInMinutes": minutes}}])
        };
        for (wrong, said) in [
            (json!({"strategy": "GREEN"}), "Invalid deployment strategy"),
            (json!({"strategy": "BLUE_GREEN"}), "bakeTimeInMinutes must be provided"),
            (json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1_441}), "from 0 to 1440"),
            (json!({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.05}}), "multiple of 0.1 from 0.1"),
            (json!({"strategy": "CANARY", "linearConfiguration": {}}), "only valid with the LINEAR"),
            (json!({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.9}}), "multiple of 0.1 from 3.0"),
            (json!({"strategy": "LINEAR", "lifecycleHooks": pause("PRODUCTION_TRAFFIC_SHIFT")}), "cannot be used"),
            (json!({"strategy": "LINEAR", "lifecycleHooks": pause("TEST_TRAFFIC_SHIFT")}), "cannot be used"),
            (json!({"strategy": "LINEAR", "lifecycleHooks": pause("BAKE_TIME")}), "Invalid lifecycle stage"),
            (json!({"strategy": "LINEAR", "lifecycleHooks": waits(0)}), "from 1 to 20160"),
            (json!({"strategy": "LINEAR", "lifecycleHooks": waits(20_161)}), "from 1 to 20160"),
            (json!({"lifecycleHooks": pause("PRE_SCALE_UP")}), "ROLLING"),
            (json!({"alarms": {"enable": true, "rollback": true, "alarmNames": []}}), "at least one alarm"),
        ] {
            let refused = read(&wrong).expect_err("it is wrong");
            assert!(refused.contains(said), "{wrong}: {refused}");
        }
        assert!(read(&json!({"strategy": "LINEAR", "lifecycleHooks": pause("PRE_PRODUCTION_TRAFFIC_SHIFT")})).is_ok());
    }

    #[test]
    fn the_breaker_tolerates_what_its_threshold_says() {
        let breaker = |threshold: Value| {
            let given = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true,
                "thresholdConfiguration": threshold}});
            read(&given).expect("it is right").breaker.expect("it is on")
        };
        assert_eq!(breaker(Value::Null).threshold(2), 3);
        assert_eq!(breaker(json!({"type": "UNBOUNDED_PERCENT", "value": 50})).threshold(2), 1);
        assert_eq!(breaker(json!({"type": "COUNT", "value": 7})).threshold(2), 7);
        assert!(breaker(Value::Null).resets);
    }
}
