//! A plan to test with: nine steps, four gates.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::driver::Driver;
use crate::domain::fleet::{Place, Role, Slot, Target};
use crate::domain::name::RolloutName;
use crate::domain::safeguard::{DeadMan, Scaling};
use crate::domain::traffic::Share;
use crate::gate::{
    AlarmRule, AtStart, Bound, Check, CloudWatchMetric, Gate, Input, Insufficient, MetricRule, MetricSource,
    MissingData, Of, ProbeRule, TasksRule,
};
use crate::plan::{Action, Before, Plan, ReleasePlan, Step};
use crate::spec::{Limits, Policies};

pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/\
    50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

/// 14:05:09 on a day in November.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);

fn group(slot: Slot) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-{slot}/0123456789abcdef")
}

fn place(slot: Slot) -> Place {
    Place {
        slot,
        service: format!("web-{slot}"),
        target_group: group(slot),
        target_group_name: format!("web-{slot}"),
        target_group_dimension: format!("targetgroup/web-{slot}/0123456789abcdef"),
    }
}

fn definition(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

pub(crate) fn share(percent: u16) -> Share {
    Share::from_permille(percent * 10).unwrap()
}

fn steps() -> Vec<Step> {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let step = |action, within| Step { action, within: minutes(within) };
    vec![
        step(Action::Register, 1),
        step(Action::Prepare(4), 15),
        step(Action::Probe(3), 2),
        step(Action::Shift(share(25)), 5),
        step(Action::Hold(minutes(5)), 20),
        step(Action::Shift(Share::ALL), 5),
        step(Action::Hold(minutes(10)), 25),
        step(Action::Commit, 1),
        step(Action::Retire, 30),
    ]
}

fn gates() -> Vec<Gate> {
    let input = |id: &str, metric: &str, absent_is_zero| Input {
        id: id.to_owned(),
        namespace: "AWS/ApplicationELB".to_owned(),
        metric: metric.to_owned(),
        statistic: "Sum".to_owned(),
        of: Of::Slot(Role::Candidate),
        dimensions: Vec::new(),
        absent_is_zero,
    };
    let errors = MetricRule {
        source: MetricSource::CloudWatch(CloudWatchMetric {
            inputs: vec![input("errors", "HTTPCode_Target_5XX_Count", true), input("requests", "RequestCount", false)],
            expression: Some("100 * errors / requests".to_owned()),
            samples: Some(("requests".to_owned(), 20.0)),
        }),
        bound: Bound::Above(1.0),
        period: Duration::from_secs(60),
        breaching: 2,
        of: 3,
        missing_data: MissingData::Inconclusive,
    };
    let alarm = AlarmRule {
        alarm: "web-5xx".to_owned(),
        at_start: AtStart::Refuse,
        insufficient_data: Insufficient::Inconclusive,
    };
    let probe = ProbeRule {
        url: "http://{load_balancer}:8080/health".to_owned(),
        headers: vec![("X-Token".to_owned(), "hunter2".to_owned())],
        status: 200,
        contains: None,
        times: 3,
        timeout: Duration::from_secs(2),
        within: Duration::from_secs(60),
    };
    let gate = |name: &str, check| Gate { name: name.to_owned(), check, watch: false };
    vec![
        gate("tasks", Check::Tasks(TasksRule::default())),
        gate("candidate-errors", Check::Metric(errors)),
        gate("web-5xx", Check::Alarm(alarm)),
        gate("smoke", Check::Probe(probe)),
    ]
}

/// The same plan with a switch, and with autoscaling on the stable slot.
pub(crate) fn secured() -> Plan {
    let mut plan = plan();
    let step = |action| Step { action, within: Duration::from_secs(120) };
    plan.steps.insert(1, step(Action::Secure));
    plan.steps.push(step(Action::Settle));
    let scaling = Scaling { min: 2, max: 9, no_scale_in: false, no_scale_out: true, no_schedule: false };
    plan.before.scaling = vec![(Role::Stable, scaling)];
    plan.dead_man = Some(DeadMan {
        role: "arn:aws:iam::123456789012:role/dead-man".to_owned(),
        after: Duration::from_secs(300),
        group: "default".to_owned(),
    });
    plan.writer_role = Some("arn:aws:iam::123456789012:role/writer".to_owned());
    plan
}

/// A plan: blue serves with 4 tasks, green gets the release.
pub(crate) fn plan() -> Plan {
    Plan {
        name: RolloutName::parse("web").unwrap(),
        driver: Driver::Pair,
        target: Target {
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            cluster: "prod".to_owned(),
            rule: RULE.to_owned(),
            load_balancer_dimension: "app/web/50dc6c495c0c9188".to_owned(),
            dns_name: "web-1234.eu-west-1.elb.amazonaws.com".to_owned(),
            stable: place(Slot::Blue),
            candidate: place(Slot::Green),
        },
        before: Before {
            at: START,
            weights: vec![(group(Slot::Blue), 100), (group(Slot::Green), 0)],
            stickiness: None,
            sticky_groups: Vec::new(),
            priority: None,
            shape: "4f1e".to_owned(),
            actions_json:
                r#"[{"Type":"forward","ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"blue","Weight":100}]}}]"#
                    .to_owned(),
            stable_desired: 4,
            candidate_desired: 0,
            stable_task_definition: definition(41),
            candidate_task_definition: definition(40),
            scaling: Vec::new(),
            test_rules: Vec::new(),
            deployment_configuration: None,
        },
        release: ReleasePlan::Register {
            source: "family web with images app=registry.example.com/web:v2".to_owned(),
            digest: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
        },
        steps: steps(),
        gates: gates(),
        policies: Policies::default(),
        limits: Limits::default(),
        dead_man: None,
        notify: Vec::new(),
        windows: None,
        writer_role: None,
        undoes: None,
        images: Vec::new(),
        rules: crate::plan::RULES,
        warnings: vec!["the rule has no gate on latency: a slow release would pass".to_owned()],
    }
}
