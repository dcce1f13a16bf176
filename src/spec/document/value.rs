//! Values that the language writes in its own way: durations and shares. Here they are still text;
//! `check` gives them their meaning.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// A duration as written: `90s`, `5m`, `1h 30m`, `1d`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Time(pub(crate) String);

impl Time {
    pub(super) fn of(duration: Duration) -> Self {
        Self(crate::domain::clock::span(duration))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "duration",
            "type": "string",
            "pattern": r"^(\d+d ?)?(\d+h ?)?(\d+m ?)?(\d+s)?$|\$\{",
            "examples": ["5m", "90s", "1h 30m"],
        })
    }
}

/// A share of the traffic as written: `5`, `5%` or `0.5%`.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Percent(pub(crate) String);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_yaml::Value::deserialize(deserializer)? {
            serde_yaml::Value::String(text) => Ok(Self(text)),
            serde_yaml::Value::Number(number) => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("a share is text or a number")),
        }
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "share",
            "type": ["string", "number"],
            "pattern": r"^\d+(\.\d)? ?%?$|\$\{",
            "minimum": 0,
            "maximum": 100,
            "examples": ["5%", "0.5%", 25],
        })
    }
}

/// A part of something as written: `1%`, `0.03%`. The sign is never left out, so that 0.01 and 1 % cannot be
/// taken for each other.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Percentage(pub(crate) String);

impl Percentage {
    /// `part` of 1, to a thousandth of a percent.
    pub(super) fn of(part: f64) -> Self {
        Self(format!("{}%", (part * 1e5).round() / 1e3))
    }
}

impl JsonSchema for Percentage {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Percentage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "percentage",
            "type": "string",
            "pattern": r"^\d+(\.\d+)? ?%$|\$\{",
            "examples": ["1%", "0.03%"],
        })
    }
}
