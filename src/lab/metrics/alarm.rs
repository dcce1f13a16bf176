//! Alarms: their states, how they come to them, and what is remembered of it.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::alarm_rule::MetricRule;
use super::alarm_state::State;
use super::composite;
use super::store::Store;
use crate::names::Names;
use crate::value::{Members, flag};

/// An alarm.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// As it was put.
    pub body: Members,
    /// What decides its state.
    pub rule: AlarmRule,
    /// Its state.
    pub state: State,
    /// Why it is in that state.
    pub reason: String,
    /// The same for machines.
    pub reason_data: String,
    /// Whether its actions are enabled.
    pub actions_enabled: bool,
    /// When its state last changed, in milliseconds.
    pub updated_at: u64,
    /// When it was last put.
    pub configured_at: u64,
}

/// What decides the state of an alarm.
#[derive(Debug, Clone)]
pub(crate) enum AlarmRule {
    /// A series against a threshold.
    Metric(MetricRule),
    /// The states of other alarms.
    Composite(composite::Rule),
    /// A metric by PromQL. It is told, and nothing here evaluates it: its state is the one it is set to.
    PromQl,
    /// The results of a query over logs, of which the lab has none: the same.
    Log,
}

/// Something that happened to an alarm.
#[derive(Debug, Clone)]
pub(crate) struct HistoryItem {
    /// The alarm's name.
    pub alarm: String,
    /// `MetricAlarm` or `CompositeAlarm`.
    pub kind: &'static str,
    /// When.
    pub at: u64,
    /// `StateUpdate` or `ConfigurationUpdate`.
    pub what: &'static str,
    /// A sentence.
    pub summary: String,
    /// JSON.
    pub data: String,
}

/// History items kept.
const HISTORY_LIMIT: usize = 5_000;
impl Alarm {
    /// A fresh metric or composite alarm.
    ///
    /// One on PromQL begins as OK ("PutMetricAlarm" in the API reference).
    pub(crate) fn new(names: &Names, name: &str, body: Members, rule: AlarmRule, now: u64) -> Alarm {
        let state = if matches!(rule, AlarmRule::PromQl) { State::Ok } else { State::InsufficientData };
        Alarm {
            name: name.to_owned(),
            arn: names.arn("cloudwatch", &format!("alarm:{name}")),
            actions_enabled: body
                .get("ActionsEnabled")
                .is_none_or(|_| flag(&Value::Object(body.clone()), "ActionsEnabled").unwrap_or(true)),
            body,
            rule,
            state,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: String::new(),
            updated_at: now,
            configured_at: now,
        }
    }

    /// `MetricAlarm`, `CompositeAlarm` or `LogAlarm`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.rule {
            AlarmRule::Metric(_) | AlarmRule::PromQl => "MetricAlarm",
            AlarmRule::Composite(_) => "CompositeAlarm",
            AlarmRule::Log => "LogAlarm",
        }
    }

    /// How much time one evaluation looks at, in milliseconds.
    pub(crate) fn window_ms(&self) -> u64 {
        match &self.rule {
            AlarmRule::Metric(rule) => rule.window() * 1_000,
            AlarmRule::Composite(_) | AlarmRule::PromQl | AlarmRule::Log => 0,
        }
    }

    /// Moves to a state, and gives what to remember of it.
    pub(crate) fn enter(&mut self, state: State, reason: String, data: String, now: u64) -> HistoryItem {
        let before = self.state;
        let old = json!({"stateValue": before.word(), "stateReason": self.reason});
        let new = json!({"stateValue": state.word(), "stateReason": reason});
        (self.state, self.reason, self.reason_data) = (state, reason, data);
        self.updated_at = now;
        HistoryItem {
            alarm: self.name.clone(),
            kind: self.kind(),
            at: now,
            what: "StateUpdate",
            summary: format!("Alarm updated from {} to {}", before.word(), state.word()),
            data: json!({"version": "1.0", "oldState": old, "newState": new}).to_string(),
        }
    }
}

/// Remembers something that happened.
pub(crate) fn remember(history: &mut VecDeque<HistoryItem>, item: HistoryItem) {
    history.push_back(item);
    while history.len() > HISTORY_LIMIT {
        history.pop_front();
    }
}

/// The first second that any alarm looks at, at a moment.
pub(crate) fn looked_at_from(alarms: &[Alarm], now: u64) -> u64 {
    let starts = alarms.iter().filter_map(|alarm| match &alarm.rule {
        AlarmRule::Metric(rule) => Some(rule.start(now)),
        AlarmRule::Composite(_) | AlarmRule::PromQl | AlarmRule::Log => None,
    });
    starts.min().unwrap_or(now / 1_000)
}

/// Evaluates all alarms: those on metrics first, those on alarms after.
pub(crate) fn evaluate(alarms: &mut [Alarm], history: &mut VecDeque<HistoryItem>, store: &Store, now: u64) {
    for alarm in alarms.iter_mut() {
        let AlarmRule::Metric(rule) = &alarm.rule else { continue };
        let Some((state, points)) = rule.judge(store, now) else { continue };
        if state != alarm.state {
            let reason = format!(
                "Threshold Crossed: {} datapoints {points:?} against the threshold ({}).",
                points.len(),
                rule.threshold
            );
            let data = json!({"version": "1.0", "recentDatapoints": points,
                "threshold": rule.threshold, "period": rule.period})
            .to_string();
            remember(history, alarm.enter(state, reason, data, now));
        }
    }
    let states: Vec<(String, String, State)> =
        alarms.iter().map(|one| (one.name.clone(), one.arn.clone(), one.state)).collect();
    let state = |wanted: &str| {
        let found = states.iter().find(|(name, arn, _)| name == wanted || arn == wanted);
        found.map(|(_, _, state)| *state)
    };
    for alarm in alarms.iter_mut() {
        let AlarmRule::Composite(rule) = &alarm.rule else { continue };
        let next = if rule.holds(&state) { State::Alarm } else { State::Ok };
        if next != alarm.state {
            let reason = format!("the rule evaluates to {}", next == State::Alarm);
            remember(history, alarm.enter(next, reason, String::new(), now));
        }
    }
}

/// The alarm a world is seeded with: more than 5 % of the load balancer's answers are 5XX.
pub(crate) fn five_hundreds(names: &Names, name: &str, balancer: &str, now: u64) -> Alarm {
    let stat = |id: &str, metric: &str| {
        json!({"Id": id, "ReturnData": false, "MetricStat": {"Period": 60, "Stat": "Sum",
            "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric,
                "Dimensions": [{"Name": "LoadBalancer", "Value": balancer}]}}})
    };
    let name = name.rsplit(":alarm:").next().unwrap_or(name);
    let body = json!({
        "AlarmName": name,
        "AlarmDescription": "More than 5 % of answers are 5XX.",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "share", "Label": "5XX share", "ReturnData": true,
                "Expression": "100 * FILL(errors, 0) / requests"},
            stat("errors", "HTTPCode_Target_5XX_Count"),
            stat("requests", "RequestCount"),
        ],
    });
    let rule = MetricRule::parse(&body).map(AlarmRule::Metric);
    let rule = rule.unwrap_or(AlarmRule::Composite(composite::Rule::Always(false)));
    let Value::Object(body) = body else { unreachable!("the literal above is an object") };
    Alarm::new(names, name, body, rule, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeded_alarm_is_about_the_share_of_errors() {
        let names = Names { region: "eu-west-1".into(), account: "1".into() };
        let mut alarms = [five_hundreds(&names, "hot", "app/a/b", 0)];
        let mut history = VecDeque::new();
        let mut store = Store::new(0);
        let key =
            |name: &str| super::super::store::Key::new("AWS/ApplicationELB", name, &[("LoadBalancer", "app/a/b")]);
        store.add(&key("RequestCount"), 0, 1.0, 100.0);
        evaluate(&mut alarms, &mut history, &store, 60_000);
        assert_eq!(alarms[0].state, State::Ok);
        store.add(&key("RequestCount"), 60, 1.0, 100.0);
        store.add(&key("HTTPCode_Target_5XX_Count"), 60, 1.0, 6.0);
        evaluate(&mut alarms, &mut history, &store, 120_000);
        assert_eq!(alarms[0].state, State::Alarm);
        assert_eq!(history.len(), 2);
    }

    #[test]
    fn an_alarm_begins_without_a_verdict_and_one_on_promql_as_ok() {
        let names = Names { region: "eu-west-1".into(), account: "1".into() };
        let born = |rule| Alarm::new(&names, "x", Members::new(), rule, 0).state;
        assert_eq!((born(AlarmRule::Log), born(AlarmRule::PromQl)), (State::InsufficientData, State::Ok));
    }
}
