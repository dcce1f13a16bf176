//! The outer gates as they are written: the whole service's budget, and what others say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::Time;

/// How fast the whole service may use up its error budget, by two windows that must both exceed a factor. A
/// service that burned already before the candidate had traffic is waited for, not blamed on it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BurnRate {
    /// What the gate is called in reports; unique in a spec.
    #[schemars(extend("examples" = ["error budget"]))]
    pub(crate) name: String,
    /// The share of the requests that must succeed. From 50% to 99.999%.
    pub(crate) objective: Objective,
    /// How many times faster than sustainable the budget may be used. 14.4 over an hour is two percent of the
    /// budget of 30 days.
    #[serde(default = "factor")]
    #[schemars(range(min = 1, max = 10000), extend("examples" = [14.4, 6]))]
    pub(crate) factor: f64,
    /// The window that tells a lasting failure from a blip. Whole minutes, from 10m to 1d.
    #[serde(default = "long")]
    pub(crate) long: Time,
    /// The window that tells a present failure from a past one: shorter than `long`. Whole minutes, from 1m to 1h.
    #[serde(default = "short")]
    pub(crate) short: Time,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// A URL that is asked by POST and answers `{"verdict": "pass", "reason": "…"}` with status 200; the verdict is
/// `pass`, `fail` or `inconclusive`. It is sent `{"version": 1, "gate": …, "at": …, "since": …, "rollout":
/// {"name", "region", "account", "cluster", "rule", "release", "stable": {"slot", "service", "target_group"},
/// "candidate": …}}`; data before `since` say nothing about the rollout. No answer in time, another status, a
/// redirect, other words or more than 64 KiB are inconclusive, never a pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// What the gate is called in reports; unique in a spec.
    #[schemars(extend("examples" = ["business metrics"]))]
    pub(crate) name: String,
    /// Where to: https, or http to this machine, a private address, or a name that ends in `.internal` or
    /// `.local` or has no dot. `${VAR}` is filled in when it is asked and never written down.
    #[schemars(extend("examples" = ["https://judge.example.com/verdict"]))]
    pub(crate) url: String,
    /// Headers to send. `${VAR}` in a value is filled in when it is sent and never written down.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50, "examples" = [{"authorization": "Bearer ${TOKEN}"}]))]
    pub(crate) headers: BTreeMap<String, String>,
    /// How long one answer may take. From 1s to 1m. Other gates do not wait for it.
    #[serde(default = "timeout")]
    pub(crate) timeout: Time,
    /// How often it is asked, beside once at the start of every step. From 15s to 1h.
    #[serde(default = "every")]
    pub(crate) every: Time,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// A program that is given on standard input what a webhook is sent, and prints what a webhook answers. When it
/// prints nothing its exit code speaks: 0 is a pass, 1 a fail, anything else inconclusive, and the last line of
/// standard error says why. It starts in the working directory of tidegate. Of the environment it gets PATH, HOME, LANG,
/// LC_ALL, TZ and TMPDIR, the rollout's own TIDEGATE_GATE, TIDEGATE_ROLLOUT, TIDEGATE_RELEASE, TIDEGATE_REGION and
/// TIDEGATE_CLUSTER, and what `environment` names: no credentials otherwise. It is never run to validate or plan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// What the gate is called in reports; unique in a spec.
    #[schemars(extend("examples" = ["smoke test"]))]
    pub(crate) name: String,
    /// The program and its arguments. No shell reads them. `${VAR}` is filled in when it is run and never
    /// written down.
    #[schemars(length(min = 1, max = 100), extend("examples" = [["./judge", "--strict"]]))]
    pub(crate) command: Vec<String>,
    /// The names of further variables that the program gets, as they are in the environment of tidegate.
    #[serde(default)]
    #[schemars(length(max = 50), extend("examples" = [["JUDGE_TOKEN"]]))]
    pub(crate) environment: Vec<String>,
    /// How long one run may take; then it is killed, with all that it started. From 1s to 1m. Other gates do not
    /// wait for it.
    #[serde(default = "timeout")]
    pub(crate) timeout: Time,
    /// How often it is run, beside once at the start of every step. From 15s to 1h.
    #[serde(default = "every")]
    pub(crate) every: Time,
    /// Whether it only watches: its verdicts are told, and nothing follows from them.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) watch: bool,
}

/// An objective as written: `99.9%`, `99.95`.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Objective(pub(crate) String);

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_yaml::Value::deserialize(deserializer)? {
            serde_yaml::Value::String(text) => Ok(Self(text)),
            serde_yaml::Value::Number(number) => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("an objective is text or a number")),
        }
    }
}

impl JsonSchema for Objective {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Objective".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "objective",
            "type": ["string", "number"],
            "pattern": r"^\d+(\.\d+)? ?%?$|\$\{",
            "examples": ["99.9%", "99.95%"],
        })
    }
}

fn factor() -> f64 {
    14.4
}

fn long() -> Time {
    Time::of(Duration::from_secs(3600))
}

fn short() -> Time {
    Time::of(Duration::from_secs(300))
}

fn timeout() -> Time {
    Time::of(Duration::from_secs(10))
}

fn every() -> Time {
    Time::of(Duration::from_secs(60))
}
