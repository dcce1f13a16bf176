//! Alarms: their state now, and whether they rang between two looks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, CompositeAlarm, EvaluationCriteria, EvaluationState, LogAlarm, MetricAlarm,
    ScheduleConfiguration, StateValue,
};
use serde_json::Value;

use super::alarm_data::{Metric, Published};
use super::composed::ringers;
use super::promql;
use crate::cloud::aws::cloudwatch::{self, Alarms};
use crate::cloud::aws::timestamp;
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{AlarmState, AlarmView, Published as How};
use crate::gate::{AlarmData, AlarmReading, AlarmRule, Reading, Watched};

/// What a composite alarm, which has no period of its own, is taken to look at.
const COMPOSITE_WINDOW: Duration = Duration::from_secs(60);
/// How often CloudWatch evaluates an alarm whose periods are a minute or longer, or an alarm on PromQL that does not say.
const EVERY: Duration = Duration::from_secs(60);
/// How often the query of a log alarm runs whose schedule is not understood: as seldom as may be.
const SELDOM: Duration = Duration::from_secs(3600);
/// How many composite alarms may lie in each other.
const DEPTH_LIMIT: usize = 8;

/// How far the moment of a change in the history may lie before the one that the alarm tells.
const HISTORY_SLACK: Duration = Duration::from_secs(5);

/// One alarm as DescribeAlarms tells it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alarm {
    pub view: AlarmView,
    pub changed: Timestamp,
    looks_at: LooksAt,
    /// What is wrong with its evaluation, in CloudWatch's word.
    trouble: Option<String>,
}

/// What an alarm looks at.
#[derive(Clone, Debug, PartialEq)]
enum LooksAt {
    Metric(Box<Metric>),
    /// Logs or PromQL, which are evaluated this often and which nobody else can read.
    Hidden(Duration),
    /// The alarms that can ring it.
    Others(Vec<String>),
}

/// The alarms that were found, of all kinds alike.
pub(super) fn known(found: &Alarms) -> Vec<Alarm> {
    let metric = found.metric.iter().map(metric);
    metric.chain(found.composite.iter().map(composite)).chain(found.log.iter().map(log)).collect()
}

/// The same, with how far what they look at is published.
pub(super) async fn surveyed(cloudwatch: &Client, found: &Alarms, now: Timestamp) -> Vec<AlarmView> {
    let published = Published::default();
    let known = known(found);
    let metrics: Vec<(&str, &Metric)> = known
        .iter()
        .filter_map(|alarm| match &alarm.looks_at {
            LooksAt::Metric(metric) => Some((alarm.view.name.as_str(), &**metric)),
            LooksAt::Hidden(_) | LooksAt::Others(_) => None,
        })
        .collect();
    published.read(cloudwatch, &metrics, now).await;
    let how = |name: &str| match published.of(name) {
        AlarmData::Read { until: Some(until), .. } => How::Until(until),
        AlarmData::Read { until: None, .. } => How::Nothing,
        AlarmData::Hidden | AlarmData::Rings | AlarmData::Blind(_) => How::Unknown,
    };
    known.iter().map(|alarm| AlarmView { published: how(&alarm.view.name), ..alarm.view.clone() }).collect()
}

fn metric(alarm: &MetricAlarm) -> Alarm {
    let changed = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let (window, looks_at) = match alarm.evaluation_criteria() {
        Some(criteria) => {
            let every = alarm.evaluation_interval().map_or(EVERY, seconds);
            (every + looks_back(criteria), LooksAt::Hidden(every))
        }
        None => {
            let metric = Metric::of(alarm);
            (metric.window(), LooksAt::Metric(Box::new(metric)))
        }
    };
    let named = (alarm.alarm_name(), alarm.state_value(), alarm.actions_enabled());
    Alarm { trouble: trouble(alarm.evaluation_state()), ..build(named, window, changed, looks_at) }
}

/// How far back an evaluation of PromQL looks, and how long what it gives must break the threshold before the alarm rings.
fn looks_back(criteria: &EvaluationCriteria) -> Duration {
    match criteria {
        EvaluationCriteria::PromQlCriteria(promql) => {
            promql.pending_period().map_or(Duration::ZERO, seconds)
                + promql::looks_back(promql.query().unwrap_or_default())
        }
        _ => Duration::ZERO,
    }
}

fn composite(alarm: &CompositeAlarm) -> Alarm {
    let changed = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let named = (alarm.alarm_name(), alarm.state_value(), alarm.actions_enabled());
    let others = LooksAt::Others(ringers(alarm.alarm_rule().unwrap_or_default()));
    build(named, COMPOSITE_WINDOW, changed, others)
}

/// A log alarm looks at the last results of a query that runs by a schedule, each over a stretch of its own.
fn log(alarm: &LogAlarm) -> Alarm {
    let changed = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let schedule = alarm.scheduled_query_configuration().and_then(|query| query.schedule_configuration());
    let every = schedule.and_then(|schedule| rate(schedule.schedule_expression()?)).unwrap_or(SELDOM);
    let back = schedule.and_then(ScheduleConfiguration::start_time_offset).and_then(|back| u64::try_from(back).ok());
    let results = alarm.query_results_to_evaluate().and_then(|results| u32::try_from(results).ok()).unwrap_or(1);
    let window = every * results + Duration::from_secs(back.unwrap_or_default());
    let named = (alarm.alarm_name(), alarm.state_value(), alarm.actions_enabled());
    Alarm { trouble: trouble(alarm.evaluation_state()), ..build(named, window, changed, LooksAt::Hidden(every)) }
}

/// The time that `rate(5 minutes)` says.
fn rate(expression: &str) -> Option<Duration> {
    let (count, unit) = expression.trim().strip_prefix("rate(")?.strip_suffix(')')?.trim().split_once(' ')?;
    let unit = match unit.trim().trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(count.parse::<u32>().ok()?) * unit))
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn trouble(state: Option<&EvaluationState>) -> Option<String> {
    state.map(|state| state.as_str().to_owned())
}

fn build(
    (name, state, enabled): (Option<&str>, Option<&StateValue>, Option<bool>),
    window: Duration,
    changed: Option<&DateTime>,
    looks_at: LooksAt,
) -> Alarm {
    let state = match state {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    };
    let name = name.unwrap_or_default().to_owned();
    let every = match &looks_at {
        LooksAt::Metric(metric) => metric.every(),
        LooksAt::Hidden(every) => *every,
        LooksAt::Others(_) => Duration::ZERO,
    };
    let actions_enabled = enabled.unwrap_or(true);
    let view = AlarmView { name, state, actions_enabled, window, every, published: How::Unknown };
    Alarm { view, changed: changed.map_or(Timestamp::default(), timestamp), looks_at, trouble: None }
}

/// What earlier looks found, so that it is not looked up at every poll.
#[derive(Debug, Default)]
pub(super) struct Histories {
    rang: Mutex<HashMap<String, Looked>>,
    /// The alarms that composite alarms are made of: they are read in the same call.
    parts: Mutex<BTreeSet<String>>,
    published: Published,
}

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
        let known = self.rang.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        if let Some(looked) = known.filter(|looked| looked.changed == alarm.changed && looked.since <= since) {
            return Ok(looked.rang.filter(|rang| *rang >= since));
        }
        let items = cloudwatch::history(cloudwatch, name, since).await?;
        let rang = items.iter().filter(|item| went_off(item)).filter_map(|item| item.timestamp()).map(timestamp).max();
        let newest = items.iter().filter_map(|item| item.timestamp()).map(timestamp).max();
        // A history may lag behind the state; it is worth keeping once it tells of the last change.
        if newest.is_some_and(|newest| newest + HISTORY_SLACK >= alarm.changed) {
            let looked = Looked { changed: alarm.changed, since, rang };
            self.rang.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), looked);
        }
        Ok(rang)
    }

    /// Reads the alarms that the rules ask about, one reading a rule, in their order.
    pub(super) async fn readings(
        &self,
        cloudwatch: &Client,
        rules: &[&AlarmRule],
        (since, now): (Timestamp, Timestamp),
    ) -> Vec<Reading> {
        if rules.is_empty() {
            return Vec::new();
        }
        let names = rules.iter().map(|rule| rule.alarm.clone()).collect();
        let found = match self.read(cloudwatch, names).await {
            Ok(found) => found,
            Err(fault) => return rules.iter().map(|_| Reading::Unreadable(fault.clone())).collect(),
        };
        let watched: BTreeSet<&str> = rules.iter().flat_map(|rule| leaves(&found, &rule.alarm)).collect();
        let metrics: Vec<(&str, &Metric)> = found
            .iter()
            .filter(|alarm| watched.contains(alarm.view.name.as_str()) && alarm.view.state != AlarmState::Alarm)
            .filter_map(|alarm| match &alarm.looks_at {
                LooksAt::Metric(metric) => Some((alarm.view.name.as_str(), &**metric)),
                LooksAt::Hidden(_) | LooksAt::Others(_) => None,
            })
            .collect();
        self.published.read(cloudwatch, &metrics, now).await;
        let mut readings = Vec::new();
        let mut refused: Option<Fault> = None;
        for rule in rules {
            let alarm = found.iter().find(|alarm| alarm.view.name == rule.alarm);
            let watched = leaves(&found, &rule.alarm).into_iter().map(|name| self.watched(&found, name)).collect();
            let reading = self.reading(cloudwatch, (alarm, watched), (since, now), refused.as_ref()).await;
            if let Reading::Unreadable(fault) = &reading {
                refused.get_or_insert(fault.clone());
            }
            readings.push(reading);
        }
        readings
    }

    /// Reads these alarms, and those that composite ones among them are made of.
    async fn read(&self, cloudwatch: &Client, names: BTreeSet<String>) -> Result<Vec<Alarm>, Fault> {
        let mut asked = BTreeSet::new();
        let mut open = names;
        open.extend(self.parts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        let mut found = Alarms::default();
        for _ in 0..DEPTH_LIMIT {
            let names: Vec<String> = open.iter().cloned().collect();
            found.extend(cloudwatch::alarms(cloudwatch, &names).await?);
            asked.append(&mut open);
            let parts = known(&found).into_iter().filter_map(|alarm| match alarm.looks_at {
                LooksAt::Others(parts) => Some(parts),
                LooksAt::Metric(_) | LooksAt::Hidden(_) => None,
            });
            open = parts.flatten().filter(|name| !asked.contains(name)).collect();
            if open.is_empty() {
                break;
            }
            self.parts.lock().unwrap_or_else(PoisonError::into_inner).extend(open.iter().cloned());
        }
        Ok(known(&found))
    }

    /// What is known of the data of the alarm with this name.
    fn watched(&self, found: &[Alarm], name: &str) -> Watched {
        let (alarm, blind) = (name.to_owned(), |why: &str| AlarmData::Blind(why.to_owned()));
        let Some(known) = found.iter().find(|one| one.view.name == name) else {
            let (window, every) = (Duration::ZERO, Duration::ZERO);
            return Watched { alarm, window, every, data: blind("there is no such alarm") };
        };
        let data = match &known.looks_at {
            LooksAt::Metric(_) => self.published.of(name),
            LooksAt::Hidden(_) => AlarmData::Hidden,
            LooksAt::Others(_) => blind("no alarm is known that could ring it"),
        };
        let every = known.view.every;
        let data = match &known.trouble {
            _ if known.view.state == AlarmState::Alarm => AlarmData::Rings,
            Some(trouble) => AlarmData::Blind(trouble.clone()),
            None => data,
        };
        Watched { alarm, window: known.view.window, every, data }
    }

    /// One alarm's reading. Once a history was `refused`, no other is asked for in the same look: it
    /// would take as long and bring as little.
    async fn reading(
        &self,
        cloudwatch: &Client,
        (alarm, watched): (Option<&Alarm>, Vec<Watched>),
        (since, read): (Timestamp, Timestamp),
        refused: Option<&Fault>,
    ) -> Reading {
        let Some(alarm) = alarm else {
            let (changed, window, watched) = (Timestamp::default(), Duration::ZERO, Vec::new());
            return Reading::Alarm(AlarmReading { state: None, changed, rang: None, window, read, watched });
        };
        let quiet_again = alarm.view.state != AlarmState::Alarm && alarm.changed >= since;
        let rang = match refused {
            _ if !quiet_again => Ok(None),
            Some(fault) => Err(fault.clone()),
            None => self.rang(cloudwatch, alarm, since).await,
        };
        let (state, changed) = (Some(alarm.view.state), alarm.changed);
        let window = watched.iter().map(|watched| watched.window).max().unwrap_or(alarm.view.window);
        match rang {
            Ok(rang) => Reading::Alarm(AlarmReading { state, changed, rang, window, read, watched }),
            Err(fault) => Reading::Unreadable(fault),
        }
    }
}

/// The alarms on data whose ringing can make this one ring: itself, unless it is a composite one. One whose rule names
/// none, or none that is understood, stands for itself.
fn leaves<'a>(found: &'a [Alarm], name: &'a str) -> BTreeSet<&'a str> {
    let mut leaves = BTreeSet::new();
    let (mut open, mut seen) = (vec![name], BTreeSet::new());
    while let Some(name) = open.pop() {
        // A circle of rules ends.
        if !seen.insert(name) {
            continue;
        }
        match found.iter().find(|alarm| alarm.view.name == name).map(|alarm| &alarm.looks_at) {
            Some(LooksAt::Others(parts)) if !parts.is_empty() => open.extend(parts.iter().map(String::as_str)),
            _ => {
                leaves.insert(name);
            }
        }
    }
    leaves
}

/// Whether a change of state was one into ALARM. The data say so; a summary only repeats them.
fn went_off(item: &AlarmHistoryItem) -> bool {
    let data = item.history_data().and_then(|data| serde_json::from_str::<Value>(data).ok());
    match data.as_ref().and_then(|data| data["newState"]["stateValue"].as_str()) {
        Some(state) => state == "ALARM",
        None => item.history_summary().is_some_and(|summary| summary.trim_end().ends_with("to ALARM")),
    }
}
