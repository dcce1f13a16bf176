//! The whole service's budget, read from both slots' counts.

use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::Reply;
use crate::gate::{BurnReading, BurnRule, Burnt, Check};

fn gate(minutes: u32) -> Gate {
    let minute = Duration::from_secs(60);
    let rule = BurnRule { objective: 0.999, factor: 14.4, long: minute * 60, short: minute * minutes };
    Gate { name: "budget".into(), check: Check::Burn(rule), watch: false }
}

fn series(id: &str, points: &[(i64, f64)]) -> serde_json::Value {
    let at = |minutes: i64| format!("@{}", (NOW.as_millis() / 1000).cast_signed() + minutes * 60);
    let times: Vec<String> = points.iter().map(|(minutes, _)| at(*minutes)).collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    json!({ "Id": id, "Timestamps": times, "Values": values, "StatusCode": "Complete" })
}

#[tokio::test(start_paused = true)]
async fn both_slots_are_summed_over_closed_minutes_in_one_call() {
    let fake = Fake::new(|_| {
        Reply::cbor(&json!({ "MetricDataResults": [
            series("burn_stable_requests", &[(-40, 1000.0), (-3, 90.0), (-2, 90.0)]),
            series("burn_candidate_requests", &[(-3, 10.0), (-2, 10.0), (0, 500.0)]),
            series("burn_candidate_errors", &[(-2, 4.0), (0, 500.0)]),
            series("burn_stable_errors", &[(-40, 7.0)]),
            series("burn_candidate_refused", &[(-3, 1.0)]),
            series("burn_stable_refused", &[]),
        ] }))
    });
    let (five, one) = (gate(5), gate(1));
    let readings = driver_with(&fake, no_record()).readings(&[&five, &one], NOW).await;
    let until = NOW.before(Duration::from_secs(60));
    let (long, burnt) = (Burnt { requests: 1200.0, errors: 12.0 }, |requests, errors| Burnt { requests, errors });
    let expected = [(200.0, 5.0), (100.0, 4.0)]
        .map(|(requests, errors)| Reading::Burn(BurnReading { until, long, short: burnt(requests, errors) }));
    assert_eq!(readings, expected);
    assert_eq!(fake.operations(), ["GetMetricData"]);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_cannot_be_read_makes_the_budget_unreadable() {
    let fake = Fake::new(|_| {
        let failed = json!({ "Id": "burn_stable_errors", "StatusCode": "InternalError" });
        Reply::cbor(&json!({ "MetricDataResults": [series("burn_stable_requests", &[(-2, 9.0)]), failed] }))
    });
    let readings = driver_with(&fake, no_record()).readings(&[&gate(5)], NOW).await;
    assert!(matches!(&readings[0], Reading::Unreadable(fault) if fault.kind == FaultKind::Transient));
}

#[tokio::test(start_paused = true)]
async fn silence_is_no_data() {
    let fake = Fake::new(|_| {
        let of = |role| ["requests", "errors", "refused"].map(|id| series(&format!("burn_{role}_{id}"), &[]));
        let results = ["stable", "candidate"].map(of).concat();
        Reply::cbor(&json!({ "MetricDataResults": results }))
    });
    let readings = driver_with(&fake, no_record()).readings(&[&gate(5)], NOW).await;
    let none = Burnt::default();
    assert_eq!(readings, [Reading::Burn(BurnReading { until: Timestamp::default(), long: none, short: none })]);
}
