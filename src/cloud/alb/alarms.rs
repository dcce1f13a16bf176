//! Alarms: their state now, and whether they rang between two looks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmHistoryItem, CompositeAlarm, MetricAlarm, StateValue};
use serde_json::Value;

use crate::cloud::aws::cloudwatch::{self, Alarms};
use crate::cloud::aws::timestamp;
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{AlarmState, AlarmView};
use crate::gate::{AlarmReading, AlarmRule, Reading};

/// What a composite alarm, which has no period of its own, is taken to look at.
const COMPOSITE_WINDOW: Duration = Duration::from_secs(60);

/// How far the moment of a change in the history may lie before the one that the alarm tells.
const HISTORY_SLACK: Duration = Duration::from_secs(5);

/// One alarm as DescribeAlarms tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    pub view: AlarmView,
    pub changed: Timestamp,
}

/// The alarms that were found, of both kinds alike.
pub(super) fn known(found: &Alarms) -> Vec<Alarm> {
    let metric = found.metric.iter().map(metric);
    metric.chain(found.composite.iter().map(composite)).collect()
}

fn metric(alarm: &MetricAlarm) -> Alarm {
    let changed = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let periods = alarm.metrics().iter().filter_map(|query| {
        query.metric_stat().and_then(aws_sdk_cloudwatch::types::MetricStat::period).or(query.period())
    });
    let period = alarm.period().or(periods.max()).unwrap_or(60);
    let seconds = i64::from(period) * i64::from(alarm.evaluation_periods().unwrap_or(1));
    build(
        alarm.alarm_name(),
        alarm.state_value(),
        alarm.actions_enabled(),
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        changed,
    )
}

fn composite(alarm: &CompositeAlarm) -> Alarm {
    let changed = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    build(alarm.alarm_name(), alarm.state_value(), alarm.actions_enabled(), COMPOSITE_WINDOW, changed)
}

fn build(
    name: Option<&str>,
    state: Option<&StateValue>,
    enabled: Option<bool>,
    window: Duration,
    changed: Option<&DateTime>,
) -> Alarm {
    let state = match state {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    };
    let name = name.unwrap_or_default().to_owned();
    let view = AlarmView { name, state, actions_enabled: enabled.unwrap_or(true), window };
    Alarm { view, changed: changed.map_or(Timestamp::default(), timestamp) }
}

/// What histories said, so that one change of state is looked up once and not at every poll.
#[derive(Debug, Default)]
pub(super) struct Histories(Mutex<HashMap<String, Looked>>);

#[derive(Clone, Copy, Debug)]
struct Looked {
    changed: Timestamp,
    since: Timestamp,
    rang: Option<Timestamp>,
}

impl Histories {
    /// When `alarm` last went into ALARM since then; its present state is another.
    async fn rang(&self, cloudwatch: &Client, alarm: &Alarm, since: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let name = &alarm.view.name;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        if let Some(looked) = known.filter(|looked| looked.changed == alarm.changed && looked.since <= since) {
            return Ok(looked.rang.filter(|rang| *rang >= since));
        }
        let items = cloudwatch::history(cloudwatch, name, since).await?;
        let rang = items.iter().filter(|item| went_off(item)).filter_map(|item| item.timestamp()).map(timestamp).max();
        let newest = items.iter().filter_map(|item| item.timestamp()).map(timestamp).max();
        // A history may lag behind the state; it is worth keeping once it tells of the last change.
        if newest.is_some_and(|newest| newest + HISTORY_SLACK >= alarm.changed) {
            let looked = Looked { changed: alarm.changed, since, rang };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), looked);
        }
        Ok(rang)
    }

    /// Reads the alarms that the rules ask about, one reading a rule, in their order.
    pub(super) async fn readings(&self, cloudwatch: &Client, rules: &[&AlarmRule], since: Timestamp) -> Vec<Reading> {
        let mut names: Vec<String> = rules.iter().map(|rule| rule.alarm.clone()).collect();
        names.sort();
        names.dedup();
        let found = match cloudwatch::alarms(cloudwatch, &names).await {
            Ok(found) => known(&found),
            Err(fault) => return rules.iter().map(|_| Reading::Unreadable(fault.clone())).collect(),
        };
        let mut readings = Vec::new();
        let mut refused: Option<Fault> = None;
        for rule in rules {
            let alarm = found.iter().find(|alarm| alarm.view.name == rule.alarm);
            let reading = self.reading(cloudwatch, alarm, since, refused.as_ref()).await;
            if let Reading::Unreadable(fault) = &reading {
                refused.get_or_insert(fault.clone());
            }
            readings.push(reading);
        }
        readings
    }

    /// One alarm's reading. Once a history was `refused`, no other is asked for in the same look: it
    /// would take as long and bring as little.
    async fn reading(
        &self,
        cloudwatch: &Client,
        alarm: Option<&Alarm>,
        since: Timestamp,
        refused: Option<&Fault>,
    ) -> Reading {
        let Some(alarm) = alarm else {
            let gone = Timestamp::default();
            return Reading::Alarm(AlarmReading { state: None, changed: gone, rang: None, window: Duration::ZERO });
        };
        let quiet_again = alarm.view.state != AlarmState::Alarm && alarm.changed >= since;
        let rang = match refused {
            _ if !quiet_again => Ok(None),
            Some(fault) => Err(fault.clone()),
            None => self.rang(cloudwatch, alarm, since).await,
        };
        match rang {
            Ok(rang) => Reading::Alarm(AlarmReading {
                state: Some(alarm.view.state),
                changed: alarm.changed,
                rang,
                window: alarm.view.window,
            }),
            Err(fault) => Reading::Unreadable(fault),
        }
    }
}

/// Whether a change of state was one into ALARM. The data say so; a summary only repeats them.
fn went_off(item: &AlarmHistoryItem) -> bool {
    let data = item.history_data().and_then(|data| serde_json::from_str::<Value>(data).ok());
    match data.as_ref().and_then(|data| data["newState"]["stateValue"].as_str()) {
        Some(state) => state == "ALARM",
        None => item.history_summary().is_some_and(|summary| summary.trim_end().ends_with("to ALARM")),
    }
}
