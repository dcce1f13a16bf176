//! CloudWatch: alarms.

use serde_json::{Value, json};

use super::cloudwatch_metrics::{invalid, wrong_query, wrong_value};
use super::operation::{Call, OperationResult, Paging, Refusal, with_token};
use crate::account::Account;
use crate::metrics::alarm::{Alarm, AlarmRule, HistoryItem, remember};
use crate::metrics::alarm_rule::MetricRule;
use crate::metrics::alarm_state::State;
use crate::metrics::composite;
use crate::value::{Members, moment, number, seconds, text, texts, whole};

const PAGING: Paging = Paging { token: "NextToken", size: "MaxRecords", limit: 100, code: "InvalidNextToken" };
/// Alarms described by name in one call.
const NAMES_LIMIT: usize = 100;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "PutMetricAlarm" => put_metric_alarm(call),
        "PutCompositeAlarm" => put_composite_alarm(call),
        "PutLogAlarm" => put_log_alarm(call),
        "DescribeAlarms" => describe_alarms(call),
        "DescribeAlarmHistory" => describe_history(call),
        "SetAlarmState" => set_state(call),
        "DeleteAlarms" => delete_alarms(call),
        "EnableAlarmActions" => Ok(set_actions(call, true)),
        "DisableAlarmActions" => Ok(set_actions(call, false)),
        _ => return None,
    })
}

fn put_metric_alarm(call: &mut Call<'_>) -> OperationResult {
    let mut body = call.input.as_object().cloned().unwrap_or_default();
    for key in ["Period", "EvaluationPeriods", "DatapointsToAlarm"] {
        if let Some(count) = whole(call.input, key) {
            body.insert(key.to_owned(), json!(count));
        }
    }
    if let Some(threshold) = number(call.input, "Threshold") {
        body.insert("Threshold".to_owned(), json!(threshold));
    }
    if call.input.get("EvaluationCriteria").is_some_and(|criteria| !criteria.is_null()) {
        return put_promql_alarm(call, body);
    }
    let rule = MetricRule::parse(call.input).map_err(wrong_query)?;
    put(call, body, AlarmRule::Metric(rule))
}

/// What an alarm on one metric or on metric math says, and one on PromQL may not ("EvaluationCriteria" of PutMetricAlarm).
const NOT_BESIDE_CRITERIA: [&str; 7] =
    ["Namespace", "MetricName", "Metrics", "Period", "Threshold", "ComparisonOperator", "EvaluationPeriods"];

fn put_promql_alarm(call: &mut Call<'_>, mut body: Members) -> OperationResult {
    let query = call.input["EvaluationCriteria"]["PromQLCriteria"]["Query"].as_str().unwrap_or_default();
    let interval = whole(call.input, "EvaluationInterval");
    let beside = NOT_BESIDE_CRITERIA.iter().find(|key| call.input.get(**key).is_some_and(|value| !value.is_null()));
    if query.is_empty() || beside.is_some() {
        return Err(invalid("EvaluationCriteria must have a query, and nothing of other kinds of alarms beside it."));
    }
    let is_interval =
        |seconds: &i64| matches!(seconds, 10 | 20 | 30) || (seconds % 60 == 0 && (60..=3600).contains(seconds));
    let interval = interval.filter(is_interval);
    let interval = interval.ok_or_else(|| invalid("EvaluationInterval must be 10, 20, 30 or a multiple of 60."))?;
    body.insert("EvaluationInterval".to_owned(), json!(interval));
    put(call, body, AlarmRule::PromQl)
}

fn put_log_alarm(call: &mut Call<'_>) -> OperationResult {
    let mut body = call.input.as_object().cloned().unwrap_or_default();
    let counts = ["QueryResultsToEvaluate", "QueryResultsToAlarm"].map(|key| (key, whole(call.input, key)));
    for (key, count) in counts {
        let count = count.filter(|count| (1..=100).contains(count));
        let count = count.ok_or_else(|| invalid(format!("{key} must be from 1 to 100.")))?;
        body.insert(key.to_owned(), json!(count));
    }
    if counts[1].1 > counts[0].1 {
        return Err(invalid("QueryResultsToAlarm must be at most QueryResultsToEvaluate."));
    }
    let query = &call.input["ScheduledQueryConfiguration"];
    let schedule = text(&query["ScheduleConfiguration"], "ScheduleExpression").unwrap_or_default();
    if text(query, "QueryString").is_none() || !schedule.starts_with("rate(") {
        return Err(invalid("ScheduledQueryConfiguration must have a query and a schedule by rate()."));
    }
    put(call, body, AlarmRule::Log)
}

fn put_composite_alarm(call: &mut Call<'_>) -> OperationResult {
    let rule = composite::parse(text(call.input, "AlarmRule").unwrap_or_default());
    let rule = rule.map_err(wrong_query)?;
    for name in rule.names() {
        if !call.account.alarms.iter().any(|alarm| alarm.name == name || alarm.arn == name) {
            return Err(invalid(format!(
                "Could not save the composite alarm as alarms [{name}] in the alarm rule do not exist"
            )));
        }
    }
    let body = call.input.as_object().cloned().unwrap_or_default();
    put(call, body, AlarmRule::Composite(rule))
}

/// Puts an alarm; one that is there keeps its state.
fn put(call: &mut Call<'_>, mut body: Members, rule: AlarmRule) -> OperationResult {
    let name = text(call.input, "AlarmName").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong_value("The parameter AlarmName is required."))?.to_owned();
    body.shift_remove("Tags");
    let names = call.account.names.clone();
    let mut alarm = Alarm::new(&names, &name, body, rule, call.now);
    let before = call.account.alarms.iter_mut().find(|one| one.name == name);
    let done = if before.is_some() { "updated" } else { "created" };
    if let Some(before) = before {
        alarm.state = before.state;
        alarm.updated_at = before.updated_at;
        (alarm.reason, alarm.reason_data) = (before.reason.clone(), before.reason_data.clone());
        *before = alarm.clone();
    } else {
        call.account.alarms.push(alarm.clone());
    }
    let summary = format!("Alarm \"{name}\" {done}");
    let item = HistoryItem {
        kind: alarm.kind(),
        alarm: name,
        at: call.now,
        what: "ConfigurationUpdate",
        summary,
        data: json!({"version": "1.0", "type": "Update"}).to_string(),
    };
    remember(&mut call.account.history, item);
    Ok(json!({}))
}

/// Members that are told of both kinds of alarm.
fn show(alarm: &Alarm) -> Value {
    let mut shown = alarm.body.clone();
    let empty = || json!([]);
    for key in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        shown.entry(key).or_insert_with(empty);
    }
    if let AlarmRule::Metric(_) = &alarm.rule
        && !shown.contains_key("Metrics")
    {
        shown.entry("Dimensions").or_insert_with(empty);
    }
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("AlarmArn", json!(alarm.arn));
    put("ActionsEnabled", json!(alarm.actions_enabled));
    put("StateValue", json!(alarm.state.word()));
    put("StateReason", json!(alarm.reason));
    if !alarm.reason_data.is_empty() {
        put("StateReasonData", json!(alarm.reason_data));
    }
    put("StateUpdatedTimestamp", seconds(alarm.updated_at));
    put("StateTransitionedTimestamp", seconds(alarm.updated_at));
    put("AlarmConfigurationUpdatedTimestamp", seconds(alarm.configured_at));
    Value::Object(shown)
}

/// Whether an alarm is of a kind that is asked for; without a word only metric alarms are.
fn is_asked_for(types: &[&str], kind: &str) -> bool {
    types.contains(&kind) || (types.is_empty() && kind == "MetricAlarm")
}

fn describe_alarms(call: &Call<'_>) -> OperationResult {
    let names = texts(call.input, "AlarmNames");
    if names.len() > NAMES_LIMIT {
        return Err(invalid(format!("The collection AlarmNames must not have a size greater than {NAMES_LIMIT}.")));
    }
    let prefix = text(call.input, "AlarmNamePrefix");
    if prefix.is_some() && !names.is_empty() {
        return Err(Refusal::new(
            "InvalidParameterCombinationException",
            "AlarmNames and AlarmNamePrefix cannot both be specified.",
        ));
    }
    let types = texts(call.input, "AlarmTypes");
    let state = text(call.input, "StateValue");
    let mut found: Vec<&Alarm> = call
        .account
        .alarms
        .iter()
        .filter(|alarm| is_asked_for(&types, alarm.kind()))
        .filter(|alarm| names.is_empty() || names.contains(&alarm.name.as_str()))
        .filter(|alarm| prefix.is_none_or(|prefix| alarm.name.starts_with(prefix)))
        .filter(|alarm| state.is_none_or(|state| alarm.state.word() == state))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let (page, next) = PAGING.cut(call.input, found)?;
    let of = |kind: &str| -> Vec<Value> {
        page.iter().filter(|alarm| alarm.kind() == kind).map(|alarm| show(alarm)).collect()
    };
    let [metric, composite, log] = ["MetricAlarm", "CompositeAlarm", "LogAlarm"].map(of);
    let answer = json!({"MetricAlarms": metric, "CompositeAlarms": composite, "LogAlarms": log});
    Ok(with_token(answer, "NextToken", next))
}

fn describe_history(call: &Call<'_>) -> OperationResult {
    let (name, what) = (text(call.input, "AlarmName"), text(call.input, "HistoryItemType"));
    let types = texts(call.input, "AlarmTypes");
    let (start, end) = (moment(call.input, "StartDate"), moment(call.input, "EndDate"));
    let mut found: Vec<&HistoryItem> = call
        .account
        .history
        .iter()
        .filter(|item| is_asked_for(&types, item.kind))
        .filter(|item| name.is_none_or(|name| item.alarm == name))
        .filter(|item| what.is_none_or(|what| item.what == what))
        .filter(|item| start.is_none_or(|start| item.at >= start))
        .filter(|item| end.is_none_or(|end| item.at <= end))
        .collect();
    if text(call.input, "ScanBy") != Some("TimestampAscending") {
        found.reverse();
    }
    let (page, next) = PAGING.cut(call.input, found)?;
    let show = |item: &HistoryItem| {
        json!({"AlarmName": item.alarm, "AlarmType": item.kind, "Timestamp": seconds(item.at),
            "HistoryItemType": item.what, "HistorySummary": item.summary, "HistoryData": item.data})
    };
    let items: Vec<Value> = page.into_iter().map(show).collect();
    Ok(with_token(json!({"AlarmHistoryItems": items}), "NextToken", next))
}

fn alarm_of<'a>(account: &'a mut Account, input: &Value) -> Result<&'a mut Alarm, Refusal> {
    let name = text(input, "AlarmName").unwrap_or_default();
    let alarm = account.alarms.iter_mut().find(|alarm| alarm.name == name);
    alarm.ok_or_else(|| Refusal { status: 404, ..Refusal::new("ResourceNotFound", format!("Unknown alarm {name}")) })
}

/// Holds until the next evaluation, as on AWS.
fn set_state(call: &mut Call<'_>) -> OperationResult {
    let word = text(call.input, "StateValue").unwrap_or_default();
    let state = State::parse(word).ok_or_else(|| invalid(format!("{word} is no StateValue")))?;
    let reason = text(call.input, "StateReason").unwrap_or_default().to_owned();
    let data = text(call.input, "StateReasonData").unwrap_or_default().to_owned();
    let (input, now) = (call.input, call.now);
    let alarm = alarm_of(call.account, input)?;
    let item = alarm.enter(state, reason, data, now);
    remember(&mut call.account.history, item);
    Ok(json!({}))
}

fn delete_alarms(call: &mut Call<'_>) -> OperationResult {
    let names = texts(call.input, "AlarmNames");
    if names.len() > NAMES_LIMIT {
        return Err(invalid("At most 100 alarms can be deleted in one call."));
    }
    call.account.alarms.retain(|alarm| !names.contains(&alarm.name.as_str()));
    Ok(json!({}))
}

fn set_actions(call: &mut Call<'_>, enabled: bool) -> Value {
    let names = texts(call.input, "AlarmNames");
    for alarm in &mut call.account.alarms {
        if names.contains(&alarm.name.as_str()) {
            alarm.actions_enabled = enabled;
        }
    }
    json!({})
}
