//! Alarms and metrics.

use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::Reply;
use crate::domain::fleet::{AlarmState, Counted};
use crate::gate::{
    AlarmData, AlarmReading, AlarmRule, AtStart, Bound, Check, CloudWatchMetric, Input, Insufficient, MetricRule,
    MetricSource, MissingData, Of, Watched,
};

fn alarm_gate(name: &str) -> Gate {
    let (at_start, insufficient_data) = (AtStart::Refuse, Insufficient::Inconclusive);
    let rule = AlarmRule { alarm: name.into(), at_start, insufficient_data };
    Gate { name: name.into(), check: Check::Alarm(rule), watch: false }
}

fn at(seconds_from_now: i64) -> String {
    format!("@{}", (NOW.as_millis() / 1000).cast_signed() + seconds_from_now)
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_rang_between_two_looks_is_found_in_its_history_once() {
    let fake = Fake::new(|seen| match seen.operation.as_str() {
        "DescribeAlarms" => Reply::cbor(&json!({
            "MetricAlarms": [
                { "AlarmName": "5xx", "StateValue": "OK", "StateTransitionedTimestamp": at(-30), "ActionsEnabled": true,
                  "Period": 60, "EvaluationPeriods": 3, "Dimensions": [], "Metrics": [] },
            ],
            "CompositeAlarms": [{ "AlarmName": "all", "StateValue": "ALARM", "StateUpdatedTimestamp": at(-10) }],
        })),
        "GetMetricData" => {
            Reply::cbor(&json!({ "MetricDataResults": [{ "Id": "a0__own", "Timestamps": [], "Values": [] }] }))
        }
        "DescribeAlarmHistory" => Reply::cbor(&json!({ "AlarmHistoryItems": [
            { "AlarmName": "5xx", "Timestamp": at(-30), "HistorySummary": "Alarm updated from ALARM to OK" },
            { "AlarmName": "5xx", "Timestamp": at(-90), "HistoryData": "{\"newState\":{\"stateValue\":\"ALARM\"}}" },
        ] })),
        other => panic!("{other} is not expected"),
    });
    let driver = driver_with(&fake, no_record());
    let gates = [alarm_gate("all"), alarm_gate("gone"), alarm_gate("5xx")];
    let gates: Vec<&Gate> = gates.iter().collect();
    let since = NOW.before(Duration::from_secs(300));
    let first = driver.readings(&gates, since).await;
    assert_eq!(driver.readings(&gates, since).await, first);
    let reading = |state, changed, rang, watched: Vec<Watched>| {
        let ago = |seconds| NOW.before(Duration::from_secs(seconds));
        let window = watched.iter().map(|watched| watched.window).max().unwrap_or_default();
        let rang = Some(rang).filter(|rang| *rang > 0).map(ago);
        Reading::Alarm(AlarmReading { state, changed, rang, window, read: NOW, watched })
    };
    let ago = |seconds| NOW.before(Duration::from_secs(seconds));
    let unpublished = AlarmData::Read { until: None, broken: None };
    let expected = [
        reading(Some(AlarmState::Alarm), ago(10), 0, vec![watched("all", 60, 0, AlarmData::Rings)]),
        reading(None, Timestamp::default(), 0, Vec::new()),
        reading(Some(AlarmState::Ok), ago(30), 90, vec![watched("5xx", 180, 60, unpublished)]),
    ];
    assert_eq!(first, expected);
    assert_eq!(fake.operations().iter().filter(|operation| *operation == "DescribeAlarmHistory").count(), 1);
    let sent = format!("{:?}", fake.seen()[0].cbor());
    for kind in ["CompositeAlarm", "MetricAlarm", "LogAlarm"] {
        assert!(sent.contains(kind), "{sent}");
    }
}

fn watched(alarm: &str, window: u64, every: u64, data: AlarmData) -> Watched {
    let seconds = Duration::from_secs;
    Watched { alarm: alarm.into(), window: seconds(window), every: seconds(every), data }
}

/// What is read of one alarm's data, when CloudWatch tells these alarms and, at each minute before now, these values.
async fn data_of(alarms: serde_json::Value, series: &[(&str, &[(i64, f64)])]) -> (Vec<Watched>, Vec<String>) {
    let series: Vec<(String, Vec<(i64, f64)>)> =
        series.iter().map(|(id, points)| ((*id).to_owned(), points.to_vec())).collect();
    let fake = Fake::new(move |seen| match seen.operation.as_str() {
        "DescribeAlarms" => {
            let sent = format!("{:?}", seen.cbor());
            let named = |list: &str| {
                let list = alarms[list].as_array().cloned().unwrap_or_default();
                let is_named = |alarm: &serde_json::Value| {
                    sent.contains(&format!("Text({:?})", alarm["AlarmName"].as_str().unwrap_or_default()))
                };
                list.into_iter().filter(is_named).collect::<Vec<_>>()
            };
            let lists = ["MetricAlarms", "CompositeAlarms", "LogAlarms"];
            Reply::cbor(&lists.map(|list| (list.to_owned(), json!(named(list)))).into_iter().collect())
        }
        "GetMetricData" => {
            let result = |(id, points): &(String, Vec<(i64, f64)>)| {
                let times: Vec<String> = points.iter().map(|(minute, _)| at(minute * 60)).collect();
                let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
                json!({ "Id": id, "Timestamps": times, "Values": values, "StatusCode": "Complete" })
            };
            Reply::cbor(&json!({ "MetricDataResults": series.iter().map(result).collect::<Vec<_>>() }))
        }
        other => panic!("{other} is not expected"),
    });
    let driver = driver_with(&fake, no_record());
    let readings = driver.readings(&[&alarm_gate("it")], NOW.before(Duration::from_secs(300))).await;
    let Reading::Alarm(reading) = &readings[0] else { panic!("{readings:?}") };
    let sent = fake.seen().into_iter().filter(|seen| seen.operation == "GetMetricData");
    (reading.watched.clone(), sent.map(|seen| format!("{:?}", seen.cbor())).collect())
}

fn ok(name: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut alarm = json!({ "AlarmName": name, "StateValue": "OK", "StateTransitionedTimestamp": at(-9000) });
    alarm.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    alarm
}

/// An alarm on failures behind the balancer, which are counted only when there are any.
fn on_failures(name: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut alarm = ok(
        name,
        &json!({ "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count", "Statistic": "Sum",
                "Dimensions": [{ "Name": "LoadBalancer", "Value": "app/web/1" }], "Period": 60,
                "EvaluationPeriods": 2, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold" }),
    );
    alarm.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    alarm
}

fn ago(minutes: u64) -> Timestamp {
    NOW.before(Duration::from_secs(60 * minutes))
}

#[tokio::test(start_paused = true)]
async fn failures_are_published_as_far_as_the_requests_beside_them() {
    let alarms = json!({ "MetricAlarms": [on_failures("it", &json!({}))] });
    let requests: &[(i64, f64)] = &[(-5, 900.0), (-4, 900.0), (-3, 900.0)];
    let (found, sent) = data_of(alarms.clone(), &[("a0__own", &[]), ("a0__requests0", requests)]).await;
    assert_eq!(found, [watched("it", 120, 60, AlarmData::Read { until: Some(ago(2)), broken: None })]);
    assert!(sent[0].contains("HTTPCode_Target_5XX_Count") && sent[0].contains("RequestCount"), "{sent:?}");
    let (found, _) = data_of(alarms, &[("a0__own", &[]), ("a0__requests0", &[])]).await;
    assert_eq!(found[0].data, AlarmData::Read { until: None, broken: None });
}

#[tokio::test(start_paused = true)]
async fn data_that_break_the_alarms_own_threshold_are_told() {
    let broken = async |more, values: &[(i64, f64)]| {
        let alarms = json!({ "MetricAlarms": [on_failures("it", &more)] });
        let (found, _) = data_of(alarms, &[("a0__own", values), ("a0__requests0", &[(-3, 9.0)])]).await;
        match &found[0].data {
            AlarmData::Read { broken, .. } => *broken,
            other => panic!("{other:?}"),
        }
    };
    let both: &[(i64, f64)] = &[(-4, 6.0), (-3, 6.0)];
    assert_eq!(broken(json!({}), both).await, Some(ago(3)));
    assert_eq!(broken(json!({}), &[(-4, 6.0), (-3, 5.0)]).await, None);
    assert_eq!(broken(json!({ "DatapointsToAlarm": 1 }), &[(-4, 6.0), (-3, 5.0)]).await, Some(ago(4)));
    assert_eq!(broken(json!({ "EvaluateLowSampleCountPercentile": "ignore" }), both).await, None);
    // A period that has not ended breaks nothing yet.
    assert_eq!(broken(json!({ "EvaluationPeriods": 1 }), &[(0, 9.0)]).await, None);
}

#[tokio::test(start_paused = true)]
async fn metric_math_is_published_as_far_as_its_inputs_and_no_filled_point_counts() {
    let stat = |id: &str, namespace: &str| {
        json!({ "Id": id, "ReturnData": false, "MetricStat": { "Period": 60, "Stat": "Sum",
            "Metric": { "Namespace": namespace, "MetricName": id } } })
    };
    let metrics = json!([{ "Id": "e1", "Expression": "100 * FILL(m1, 0) / m2", "ReturnData": true },
        stat("m1", "App"), stat("m2", "App"), stat("m3", "Db")]);
    let math = json!({ "Metrics": metrics, "EvaluationPeriods": 1, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold" });
    let alarms = json!({ "MetricAlarms": [ok("it", &math)] });
    let filled: &[(i64, f64)] = &[(-3, 0.0), (-2, 0.0), (-1, 0.0)];
    let series: [(&str, &[(i64, f64)]); 4] =
        [("a0_e1", filled), ("a0_m1", &[]), ("a0_m2", &[(-4, 9.0)]), ("a0_m3", &[(-6, 1.0)])];
    let (found, sent) = data_of(alarms, &series).await;
    assert_eq!(found[0].data, AlarmData::Read { until: Some(ago(5)), broken: None });
    assert!(sent[0].contains("100 * FILL(a0_m1, 0) / a0_m2"), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_composite_alarm_is_looked_at_by_those_that_can_ring_it() {
    let alarms = json!({
        "CompositeAlarms": [ok("it", &json!({ "AlarmRule": "ALARM(inner) OR (ALARM(x) AND NOT ALARM(deploying))" })),
            ok("inner", &json!({ "AlarmRule": "ALARM(y) OR ALARM(gone)" }))],
        "MetricAlarms": [on_failures("x", &json!({ "EvaluationState": "EVALUATION_FAILURE" })),
            on_failures("y", &json!({}))],
    });
    let points: &[(i64, f64)] = &[(-3, 1.0)];
    let series = [("a0__own", points), ("a0__requests0", points), ("a1__own", points), ("a1__requests0", points)];
    let (found, _) = data_of(alarms, &series).await;
    let blind = |why: &str| AlarmData::Blind(why.into());
    let expected = [
        watched("gone", 0, 0, blind("there is no such alarm")),
        watched("x", 120, 60, blind("EVALUATION_FAILURE")),
        watched("y", 120, 60, AlarmData::Read { until: Some(ago(2)), broken: None }),
    ];
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn alarms_over_logs_and_promql_have_the_time_of_their_own_evaluation() {
    let schedule = json!({ "ScheduleExpression": "rate(5 minutes)", "StartTimeOffset": 360, "EndTimeOffset": 0 });
    let query = json!({ "QueryString": "fields @message", "ScheduledQueryRoleARN": "arn:aws:iam::1:role/r",
        "AggregationExpression": "count(*)", "ScheduleConfiguration": schedule });
    let log = json!({ "ScheduledQueryConfiguration": query, "QueryResultsToEvaluate": 2, "QueryResultsToAlarm": 1 });
    let (found, sent) = data_of(json!({ "LogAlarms": [ok("it", &log)] }), &[]).await;
    assert_eq!((found, sent.len()), (vec![watched("it", 2 * 300 + 360, 300, AlarmData::Hidden)], 0));
    let criteria = json!({ "PromQLCriteria": { "Query": "sum(rate(errors[5m])) > 1", "PendingPeriod": 120 } });
    let promql = json!({ "EvaluationCriteria": criteria, "EvaluationInterval": 30 });
    let (found, sent) = data_of(json!({ "MetricAlarms": [ok("it", &promql)] }), &[]).await;
    assert_eq!((found, sent.len()), (vec![watched("it", 300 + 150, 30, AlarmData::Hidden)], 0));
    for state in ["PARTIAL_DATA", "EVALUATION_FAILURE", "EVALUATION_ERROR"] {
        let mut promql = promql.clone();
        promql["EvaluationState"] = json!(state);
        let (found, _) = data_of(json!({ "MetricAlarms": [ok("it", &promql)] }), &[]).await;
        assert_eq!(found[0].data, AlarmData::Blind(state.into()));
    }
}

pub(super) fn error_rate() -> Gate {
    let input = |id: &str, metric: &str, absent_is_zero| Input {
        id: id.into(),
        namespace: "AWS/ApplicationELB".into(),
        metric: metric.into(),
        statistic: "Sum".into(),
        of: Of::Slot(Role::Candidate),
        dimensions: Vec::new(),
        absent_is_zero,
    };
    let rule = MetricRule {
        source: MetricSource::CloudWatch(CloudWatchMetric {
            inputs: vec![input("e", "HTTPCode_Target_5XX_Count", true), input("r", "RequestCount", false)],
            expression: Some("100*e/r".into()),
            samples: Some(("r".into(), 1.0)),
        }),
        bound: Bound::Above(1.0),
        period: Duration::from_secs(60),
        breaching: 1,
        of: 1,
        missing_data: MissingData::Inconclusive,
    };
    Gate { name: "errors".into(), check: Check::Metric(rule), watch: false }
}

#[tokio::test(start_paused = true)]
async fn metric_gates_share_a_call_and_its_pages_are_read_to_the_end() {
    let fake = Fake::new(|seen| {
        let page = format!("{:?}", seen.cbor()).contains("NextToken");
        let result = |id: &str, minutes: &[i64], values: &[f64]| {
            let times: Vec<_> = minutes.iter().map(|minutes| at(minutes * 60)).collect();
            json!({ "Id": id, "Timestamps": times, "Values": values, "StatusCode": "Complete" })
        };
        if page {
            return Reply::cbor(
                &json!({ "MetricDataResults": [result("g0_r", &[-2], &[50.0]), result("g0__value", &[-2], &[2.0])] }),
            );
        }
        let results = [
            result("g0_e", &[], &[]),
            result("g0_r", &[-3], &[40.0]),
            result("g0__value", &[-4, -3], &[0.0, 0.0]),
            json!({ "Id": "g1_e", "StatusCode": "InternalError", "Timestamps": [], "Values": [] }),
        ];
        Reply::cbor(&json!({ "MetricDataResults": results, "NextToken": "more" }))
    });
    let (first, mut second) = (error_rate(), error_rate());
    if let Check::Metric(MetricRule { source: MetricSource::CloudWatch(metric), .. }) = &mut second.check {
        metric.inputs.truncate(1);
        *metric = CloudWatchMetric { inputs: metric.inputs.clone(), ..CloudWatchMetric::default() };
    }
    let since = NOW.before(Duration::from_secs(290));
    let readings = driver_with(&fake, no_record()).readings(&[&first, &second], since).await;
    let Reading::Metric(reading) = &readings[0] else { panic!("{readings:?}") };
    let values: Vec<_> = reading.values.iter().map(|point| point.value).collect();
    assert_eq!((values, reading.samples.len()), (vec![0.0, 2.0], 2));
    assert!(matches!(&readings[1], Reading::Unreadable(fault) if fault.kind == FaultKind::Transient));
    assert_eq!(fake.operations(), ["GetMetricData", "GetMetricData"]);
    let sent = format!("{:?}", fake.seen()[0].cbor());
    assert!(sent.contains("100*FILL(g0_e,0)/g0_r") && sent.contains("targetgroup/web-green/02"), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_count_that_was_never_published_is_nought_where_requests_flowed() {
    let fake = Fake::new(|seen| {
        let again = format!("{:?}", seen.cbor()).contains("100*(0*g0_r)/g0_r");
        let values = if again { vec![0.0] } else { Vec::new() };
        let times = if again { vec![at(-120)] } else { Vec::new() };
        Reply::cbor(&json!({ "MetricDataResults": [
            { "Id": "g0_e", "Timestamps": [], "Values": [] },
            { "Id": "g0_r", "Timestamps": [at(-120)], "Values": [40.0] },
            { "Id": "g0__value", "Timestamps": times, "Values": values },
        ] }))
    });
    let since = NOW.before(Duration::from_secs(300));
    let readings = driver_with(&fake, no_record()).readings(&[&error_rate()], since).await;
    let Reading::Metric(reading) = &readings[0] else { panic!("{readings:?}") };
    assert_eq!(reading.values.iter().map(|point| point.value).collect::<Vec<_>>(), [0.0]);
    assert_eq!(fake.operations().len(), 2);
}

/// Each series by id, as minutes from now with a point; what is counted, and until when in minutes from now.
type Counting = (&'static str, &'static [(&'static str, &'static [i64])], (u64, i64));

/// CloudWatch is late, now and then or always; a slot is asked about that had requests until some minute.
const COUNTINGS: [Counting; 10] = [
    ("nobody had a request", &[("hosts", &[-2, -1]), ("hosts_beside", &[-2, -1])], (0, -1)),
    ("nothing is published at all", &[], (0, -18)),
    ("the other slot proves the minute before its newest", &[("beside", &[-3, -2]), ("balancer", &[-3, -2])], (0, -2)),
    (
        "two minutes late and under way",
        &[("requests", &[-6, -5, -4]), ("beside", &[-6, -5, -4]), ("balancer", &[-6, -5, -4])],
        (30, -4),
    ),
    ("the balancer where the other slot has nothing", &[("balancer", &[-4]), ("hosts", &[-1])], (0, -4)),
    ("the balancer is later than the slot beside", &[("beside", &[-3, -2]), ("balancer", &[-4, -3])], (0, -3)),
    ("another minute is earlier", &[("beside", &[-9]), ("hosts", &[-1])], (0, -9)),
    ("a request in the minute that proves", &[("requests", &[-2]), ("beside", &[-2])], (10, -2)),
    ("a request in the first minute", &[("requests", &[-5]), ("beside", &[-2])], (10, -2)),
    ("a request in the minute before", &[("requests", &[-6]), ("beside", &[-2])], (0, -2)),
];

#[tokio::test(start_paused = true)]
async fn requests_are_counted_over_minutes_that_are_proven_published() {
    for (name, series, (requests, until)) in COUNTINGS {
        let fake = Fake::new(move |_| {
            let result = |id: &str| {
                let minutes = series.iter().find(|(named, _)| *named == id).map_or(&[][..], |(_, minutes)| *minutes);
                let times: Vec<String> = minutes.iter().map(|minute| at(minute * 60)).collect();
                json!({ "Id": id, "Timestamps": times, "Values": vec![10.0; minutes.len()], "StatusCode": "Complete" })
            };
            let results = ["requests", "beside", "balancer", "hosts", "hosts_beside"].map(result);
            Reply::cbor(&json!({ "MetricDataResults": results }))
        });
        let counted = driver_with(&fake, no_record()).requests(Role::Stable, 3, NOW).await;
        let until = NOW.before(Duration::from_secs(until.unsigned_abs() * 60));
        assert_eq!(counted, Ok(Counted { requests, until }), "{name}");
    }
}
