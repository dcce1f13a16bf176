//! The plan as programs read it.

use super::super::sample;
use super::*;
use crate::gate::PrometheusMetric;

#[test]
fn steps_have_times_and_weights() {
    let value = json(&sample::plan());
    let expected = json!({
        "step": 5,
        "title": "hold 5m",
        "earliest_seconds": 0,
        "latest_seconds": 1380,
        "least_seconds": 300,
        "within_seconds": 1200,
        "before": {"stable_percent": 75, "candidate_percent": 25},
        "after": {"stable_percent": 75, "candidate_percent": 25},
        "action": "hold",
        "hold_seconds": 300,
    });
    assert_eq!(value["steps"][4], expected);
    assert_eq!(value["duration"]["least_seconds"], 1200);
}

#[test]
fn a_headers_value_is_not_written() {
    let text = json(&sample::plan()).to_string();
    assert!(text.contains("X-Token") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_metric_names_its_source() {
    let source = MetricSource::Prometheus(PrometheusMetric {
        url: "http://prometheus:9090".to_owned(),
        headers: vec![("authorization".to_owned(), "hunter2".to_owned())],
        query: "up".to_owned(),
    });
    let mut plan = sample::plan();
    let Check::Metric(rule) = &mut plan.gates[1].check else { panic!("not a metric") };
    rule.source = source;
    let gate = json(&plan)["gates"][1].take();
    let expected = json!({"url": "http://prometheus:9090", "headers": ["authorization"], "query": "up"});
    assert_eq!((&gate["check"]["prometheus"], &gate["check"]["fail_above"]), (&expected, &json!(1.0)));
    assert_eq!(gate["needs"], "3 datapoints of 1m, after each step: one series of http://prometheus:9090");
}

#[test]
fn the_way_back_names_the_recorded_weights() {
    let value = json(&sample::plan());
    let acts = &value["retreat"]["acts"];
    assert_eq!(acts[1], "set the rule's weights to web-blue 100, web-green 0; read them back");
    assert_eq!(value["before"]["weights"][1]["weight"], 0);
    assert_eq!(value["gates"][1]["check"]["fail_above"], 1.0);
}

#[test]
fn what_keeps_the_way_back_open_is_told() {
    let value = json(&sample::secured());
    let dead_man = json!({"role": "arn:aws:iam::123456789012:role/dead-man", "group": "default", "after_seconds": 300});
    assert_eq!(value["dead_man"], dead_man);
    assert_eq!(value["writer_role"], "arn:aws:iam::123456789012:role/writer");
    let suspended = json!({"scale_in": false, "scale_out": true, "scheduled": false});
    assert_eq!(value["before"]["scaling"], json!([{"role": "stable", "min": 2, "max": 9, "suspended": suspended}]));
    assert_eq!((&value["steps"][1]["action"], &value["steps"][10]["action"]), (&json!("secure"), &json!("settle")));
    assert_eq!(json(&sample::plan())["dead_man"], Value::Null);
}
