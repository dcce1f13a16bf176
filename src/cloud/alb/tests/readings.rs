//! Alarms and metrics.

use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::Reply;
use crate::domain::fleet::{AlarmState, Counted};
use crate::gate::{
    AlarmReading, AlarmRule, AtStart, Bound, Check, CloudWatchMetric, Input, Insufficient, MetricRule, MetricSource,
    MissingData, Of,
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
    let reading = |state, changed, rang, window| {
        let ago = |seconds| NOW.before(Duration::from_secs(seconds));
        let window = Duration::from_secs(window);
        Reading::Alarm(AlarmReading { state, changed, rang: Some(rang).filter(|r| *r > 0).map(ago), window })
    };
    let ago = |seconds| NOW.before(Duration::from_secs(seconds));
    let expected = [
        reading(Some(AlarmState::Alarm), ago(10), 0, 60),
        reading(None, Timestamp::default(), 0, 0),
        reading(Some(AlarmState::Ok), ago(30), 90, 180),
    ];
    assert_eq!(first, expected);
    assert_eq!(fake.operations().iter().filter(|operation| *operation == "DescribeAlarmHistory").count(), 1);
    let sent = format!("{:?}", fake.seen()[0].cbor());
    assert!(sent.contains("CompositeAlarm") && sent.contains("MetricAlarm"), "{sent}");
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
