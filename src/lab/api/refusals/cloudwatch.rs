//! Amazon CloudWatch.

use serde_json::Value;

use super::{Row, Subject, when};
use crate::value::{list, moment, text, texts};

const DAY_MS: u64 = 24 * 3_600_000;
/// How old a datum may be, and how far ahead (API reference, `MetricDatum`).
const OLDEST_MS: u64 = 14 * DAY_MS;
const AHEAD_MS: u64 = 2 * 3_600_000;

pub(super) const ROWS: &[Row] = &[
    Row {
        operations: &["PutMetricData"],
        code: "InvalidParameterValueException",
        message: "The parameter MetricData.member.Timestamp must specify a time no more than two weeks in the past and \
                  no more than two hours in the future.",
        found: |it| {
            let is_off = |datum: &Value| {
                let at = moment(datum, "Timestamp").unwrap_or(it.now);
                at + OLDEST_MS < it.now || at > it.now + AHEAD_MS
            };
            when(list(it.input, "MetricData").iter().any(is_off))
        },
    },
    Row {
        operations: &["PutMetricAlarm"],
        code: "ValidationException",
        message: "Exactly one of Statistic and ExtendedStatistic must be specified.",
        found: |it| when(text(it.input, "Statistic").is_some() && text(it.input, "ExtendedStatistic").is_some()),
    },
    Row {
        operations: &["PutMetricAlarm", "PutCompositeAlarm"],
        code: "ValidationException",
        message: "Invalid arn syntax: {}",
        found: no_arn,
    },
];

/// The first action that is no ARN.
fn no_arn(it: &Subject<'_>) -> Option<String> {
    let kinds = ["OKActions", "AlarmActions", "InsufficientDataActions"];
    let mut actions = kinds.iter().flat_map(|kind| texts(it.input, kind));
    actions.find(|action| !action.starts_with("arn:")).map(str::to_owned)
}
