//! What a simulation must keep to: the same figures from one seed, and gates that judge what was drawn.

use super::scenario::{Fault, Scenario};
use super::world::Service;
use super::{Case, Cell, Course, End, Grid, Regression, Rehearsal};
use crate::spec::{Source, Spec, parse};

const SPEC: &str = "
version: 1
name: web
target:
  cluster: prod
  rule: { load_balancer: web, port: 443, priority: 10 }
  slots:
    blue: { service: web-blue, target_group: web-blue }
    green: { service: web-green, target_group: web-green }
release: { file: taskdef.json }
strategy:
  canary: { steps: [shift: 10%, hold: 3m, shift: 50%, hold: 3m], warm: 1m }
gates:
";

const ERRORS: &str = "  - metric:
      name: errors
      inputs:
        errors: { metric: HTTPCode_Target_5XX_Count, statistic: Sum, of: candidate, absent: zero }
        requests: { metric: RequestCount, statistic: Sum, of: candidate }
      expression: 100 * errors / requests
      above: 2
      samples: { input: requests, at_least: 5 }
";

fn latency(statistic: &str, above: f64) -> String {
    format!(
        "  - metric: {{ name: latency, inputs: {{ time: {{ metric: TargetResponseTime, statistic: {statistic}, of: candidate }} }}, above: {above} }}\n"
    )
}

fn spec(gates: &str) -> Spec {
    let bytes = format!("{SPEC}{gates}").into_bytes();
    parse(&Source { path: "spec.yaml".into(), bytes, ..Source::default() }).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn course(gates: &str, fault: Fault, seed: u64) -> Course {
    let case = Case { rate: 100.0, fault, scenario: Scenario::Healthy, service: Service::default() };
    Rehearsal::new(&spec(gates)).expect("the spec can be rolled out").run(case, seed)
}

#[test]
fn figures_do_not_depend_on_the_number_of_threads() {
    let rehearsal = Rehearsal::new(&spec("  - compare: {}\n")).expect("the spec can be rolled out");
    let regressions = ["none", "errors=5%,latency=+10ms"].map(|words| words.parse::<Regression>().expect("words"));
    let grid =
        Grid { rates: vec![5.0, 50.0], regressions: regressions.into(), runs: 3, seed: 7, service: Service::default() };
    let one: Vec<Cell> = grid.run(&rehearsal, 1);
    assert_eq!(one.len(), 4);
    assert_eq!(one, grid.run(&rehearsal, 3));
    assert_ne!(one, Grid { seed: 8, ..grid }.run(&rehearsal, 1));
}

#[test]
fn a_metric_gate_judges_the_counts_that_were_drawn() {
    for seed in 0..5 {
        assert_eq!(course(ERRORS, Fault::NONE, seed).end, End::Promoted);
        let bad = course(ERRORS, Fault::errors(0.2), seed);
        assert_eq!(bad.end, End::RolledBack);
        assert!(bad.harmed > 10.0 && bad.harmed < 1000.0, "{bad:?}");
        assert!(bad.detected.is_some_and(|after| (60..=240).contains(&after.as_secs())), "{bad:?}");
    }
}

#[test]
fn response_times_are_those_of_the_service() {
    // The p95 of the usual service is 0.2276 s, its mean 0.1133 s.
    let check =
        |statistic, above, fault, end| assert_eq!(course(&latency(statistic, above), fault, 1).end, end, "{statistic}");
    check("p95", 0.28, Fault::NONE, End::Promoted);
    check("p95", 0.19, Fault::NONE, End::RolledBack);
    check("p95", 0.28, Fault::slower(0.5), End::RolledBack);
    check("Average", 0.12, Fault::NONE, End::Promoted);
    check("Average", 0.10, Fault::NONE, End::RolledBack);
    check("p50", 0.12, Fault::slower(0.5), End::RolledBack);
}

#[test]
fn a_fault_that_nobody_sees_harms_until_the_hour_is_over() {
    let missed = course(&latency("p95", 10.0), Fault::errors(0.01), 1);
    assert_eq!((missed.end, missed.detected), (End::Promoted, None));
    // 0.9 points above the usual share, of 100 requests a second for most of an hour.
    assert!((2000.0..3300.0).contains(&missed.harmed), "{missed:?}");
}

#[test]
fn what_is_not_simulated_is_named() {
    let gates = "  - alarm: { name: web-5xx }\n".to_owned()
        + "  - metric: { name: queue, inputs: { q: { namespace: Web, metric: Depth, statistic: Average } }, above: 1 }\n"
        + ERRORS;
    let rehearsal = Rehearsal::new(&spec(&gates)).expect("the spec can be rolled out");
    let names: Vec<String> = rehearsal.untried().into_iter().map(|untried| untried.gate).collect();
    assert_eq!(names, ["web-5xx", "queue", "tasks"]);
    let case = Case { rate: 100.0, fault: Fault::NONE, scenario: Scenario::Healthy, service: Service::default() };
    assert_eq!(rehearsal.run(case, 1).end, End::Promoted);
}

#[test]
fn without_traffic_there_is_no_verdict() {
    let case = Case { rate: 0.01, fault: Fault::NONE, scenario: Scenario::Healthy, service: Service::default() };
    let rehearsal = Rehearsal::new(&spec(ERRORS)).expect("the spec can be rolled out");
    assert_eq!(rehearsal.run(case, 1).end, End::Undecided);
}
