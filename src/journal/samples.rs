//! A header and events in which every variant of everything on a journal occurs.

use std::time::Duration;

use super::Header;
use crate::domain::clock::Timestamp;
use crate::domain::driver::{Deployment, DeploymentState, Driver, EcsDeployment, Timetable};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{AlarmState, Capacity, Fleet, Place, Role, RuleSeen, Served, Slot, Stopped, Target};
use crate::domain::name::{RolloutId, RolloutName};
use crate::domain::notify::{Channel, Occasion, Recipient};
use crate::domain::safeguard::{DeadMan, Scaling};
use crate::domain::traffic::Share;
use crate::domain::window::{CalendarSeen, Frozen, Interval, WhenClosed, Windows};
use crate::gate::{
    AlarmReading, AlarmRule, AtStart, Bound, BurnReading, BurnRule, Burnt, Check, CloudWatchMetric, CommandRule, Gate,
    Input, Insufficient, MetricReading, MetricRule, MetricSource, MissingData, Of, Outcome, Point, ProbeReading,
    ProbeRule, PrometheusMetric, Reading, SaidReading, TasksReading, TasksRule, WebhookRule,
};
use crate::machine::{Answer, Event, Observation, OperatorRequest};
use crate::plan::{Action, Before, Plan, ReleasePlan, Step};
use crate::spec::{Limits, OnTrouble, Policies};

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_795_442_709_000 + seconds * 1000)
}

pub(super) fn header() -> Header {
    let name = RolloutName::parse("web").unwrap();
    let id = RolloutId::new(&name, at(0), 0xbeef);
    let (spec, plan) = ("specs/web.yaml".into(), plan(name));
    Header { id, program: "0.1.0".into(), at: at(1), spec, spec_digest: None, trace: None, plan }
}

fn place(slot: Slot) -> Place {
    Place {
        slot,
        service: format!("web-{slot}"),
        target_group: format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web-{slot}/01"),
        target_group_name: format!("web-{slot}"),
        target_group_dimension: format!("targetgroup/web-{slot}/01"),
    }
}

fn plan(name: RolloutName) -> Plan {
    let (stable, candidate) = (place(Slot::Blue), place(Slot::Green));
    let weights = vec![(stable.target_group.clone(), 1), (candidate.target_group.clone(), 0)];
    let actions = [
        Action::Register,
        Action::Secure,
        Action::Prepare(4),
        Action::Probe(2),
        Action::Shift(Share::from_permille(105).unwrap()),
        Action::Hold(5 * MINUTE),
        Action::Approve("all well?".into()),
        Action::Commit,
        Action::Retire,
        Action::Conclude,
        Action::Settle,
    ];
    let target = Target {
        region: "eu-west-1".into(),
        account: "111122223333".into(),
        cluster: "prod".into(),
        rule: "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/web/01/02/03".into(),
        load_balancer_dimension: "app/web/01".into(),
        dns_name: "web.elb.example".into(),
        stable,
        candidate,
    };
    let scaling = Scaling { min: 2, max: 12, no_scale_in: false, no_scale_out: true, no_schedule: false };
    let before = Before {
        at: at(0),
        weights,
        stickiness: Some(60 * MINUTE),
        sticky_groups: Vec::new(),
        priority: None,
        shape: "a1b2".into(),
        actions_json: r#"[{"Type":"forward","ForwardConfig":{"TargetGroups":[]}}]"#.into(),
        stable_desired: 4,
        candidate_desired: 0,
        stable_task_definition: "web:7".into(),
        candidate_task_definition: "web:6".into(),
        scaling: vec![(Role::Stable, scaling), (Role::Candidate, scaling.held())],
        test_rules: Vec::new(),
        deployment_configuration: None,
    };
    let timetable = Timetable::Linear { step: Share::from_permille(100).unwrap(), every: MINUTE };
    Plan {
        name,
        driver: Driver::Ecs(EcsDeployment { timetable, pause: 30 * MINUTE }),
        target,
        before,
        release: ReleasePlan::Register { source: "file web.json".into(), digest: "c0ffee".into() },
        steps: actions.into_iter().map(|action| Step { action, within: 5 * MINUTE }).collect(),
        gates: gates(),
        policies: Policies { on_interrupt: OnTrouble::Hold, ..Policies::default() },
        limits: Limits::default(),
        dead_man: Some(DeadMan {
            role: "arn:aws:iam::111122223333:role/dead-man".into(),
            after: 5 * MINUTE,
            group: "default".into(),
        }),
        writer_role: None,
        notify: recipients(),
        windows: Some(windows()),
        undoes: None,
        images: Vec::new(),
        rules: 0,
        warnings: vec!["one \"quoted\" word\nand a line \u{202e}".into()],
    }
}

fn windows() -> Windows {
    let when = Interval { from: at(0), to: at(3600) };
    Windows {
        open: vec![when],
        frozen: vec![Frozen { when, reason: "sale".into() }],
        calendars: vec!["change-freeze".into()],
        when_closed: WhenClosed::Hold,
        known_until: at(7200),
    }
}

fn recipients() -> Vec<Recipient> {
    let (url, secret) = ("https://hooks.example.com/${TOKEN}".to_owned(), "${SECRET}".to_owned());
    let channels = [
        Channel::Slack { url: "${SLACK_URL}".into() },
        Channel::Webhook { url, secret, allow_private: true },
        Channel::Sns { topic: "arn:aws:sns:eu-west-1:111122223333:web".into() },
    ];
    channels.map(|channel| Recipient { channel, on: Occasion::ALL.to_vec() }).into()
}

fn gates() -> Vec<Gate> {
    let alarm =
        |at_start, insufficient_data| Check::Alarm(AlarmRule { alarm: "5xx".into(), at_start, insufficient_data });
    let input = |of| Input {
        id: "e".into(),
        namespace: "AWS/ApplicationELB".into(),
        metric: "HTTPCode_Target_5XX_Count".into(),
        statistic: "Sum".into(),
        of,
        dimensions: vec![("Zone".into(), "a".into())],
        absent_is_zero: true,
    };
    let metric = MetricRule {
        source: MetricSource::CloudWatch(CloudWatchMetric {
            inputs: vec![input(Of::Slot(Role::Stable)), input(Of::Slot(Role::Candidate)), input(Of::LoadBalancer)],
            expression: Some("100 * e / r".into()),
            samples: Some(("r".into(), 50.0)),
        }),
        bound: Bound::Above(0.1),
        period: MINUTE,
        breaching: 2,
        of: 3,
        missing_data: MissingData::Inconclusive,
    };
    let plain = MetricRule {
        source: MetricSource::CloudWatch(CloudWatchMetric {
            inputs: vec![input(Of::Named)],
            ..CloudWatchMetric::default()
        }),
        bound: Bound::Below(f64::NEG_INFINITY),
        missing_data: MissingData::Fail,
        ..metric.clone()
    };
    let scraped = MetricRule {
        source: MetricSource::Prometheus(PrometheusMetric {
            url: "https://prometheus.example.com".into(),
            headers: vec![("Authorization".into(), "Bearer ${TOKEN}".into())],
            query: "sum(rate(errors_total{service=\"<service>\"}[<window>]))".into(),
        }),
        ..metric.clone()
    };
    let probe = ProbeRule {
        url: "https://{load_balancer}/health".into(),
        headers: vec![("Authorization".into(), "Bearer ${TOKEN}".into())],
        status: 200,
        contains: Some("ok".into()),
        times: 3,
        timeout: Duration::from_millis(1500),
        within: MINUTE,
    };
    let checks = [
        alarm(AtStart::Refuse, Insufficient::Inconclusive),
        alarm(AtStart::WaitForOk, Insufficient::Fail),
        Check::Probe(probe),
        Check::Metric(metric),
        Check::Metric(plain),
        Check::Metric(scraped),
        Check::Tasks(TasksRule::default()),
    ];
    let gate = |(n, check)| Gate { name: format!("gate-{n}"), check, watch: n == 1 };
    (0..).zip(checks.into_iter().chain(outer())).map(gate).collect()
}

/// The gates on the whole service, and those that somebody else answers.
fn outer() -> [Check; 3] {
    let burn = BurnRule { objective: 0.999, factor: 14.4, long: 60 * MINUTE, short: 5 * MINUTE };
    let webhook = WebhookRule {
        url: "https://judge/${KEY}".into(),
        headers: vec![("Authorization".into(), "Bearer ${TOKEN}".into())],
        timeout: Duration::from_secs(10),
        every: MINUTE,
    };
    let command = vec!["./judge".into(), "${TOKEN}".into()];
    let environment = Vec::new();
    let command = CommandRule { command, environment, timeout: Duration::from_secs(10), every: MINUTE };
    [Check::Burn(burn), Check::Webhook(webhook), Check::Command(command)]
}

fn outer_readings() -> Vec<(usize, Reading)> {
    let burnt = |requests, errors| Burnt { requests, errors };
    let burn = BurnReading { until: at(60), long: burnt(1e6, 7.5), short: burnt(0.0, f64::NAN) };
    let said = |outcome| Reading::Said(SaidReading { asked: at(61), outcome, text: "so they say \u{1b}[31m".into() });
    let said = [Outcome::Pass, Outcome::Fail, Outcome::Inconclusive].map(|outcome| (7, said(outcome)));
    [(6, Reading::Burn(burn))].into_iter().chain(said).collect()
}

/// The short ones come first.
pub(super) fn events() -> Vec<Event> {
    let told = |request, reason: Option<&str>| Event::Requested {
        request,
        by: "ana@ci".into(),
        reason: reason.map(Into::into),
        left: None,
    };
    let mut events = vec![
        Event::Started { by: "ana@laptop".into() },
        Event::Woken,
        told(OperatorRequest::Rollback, Some("checkout is slow")),
        Event::Interrupted { signal: "SIGTERM".into() },
        Event::Recovered { by: "ben@ci".into(), epoch: 2 },
        told(OperatorRequest::Abort, None),
        told(OperatorRequest::Pause, None),
        told(OperatorRequest::Continue, None),
        told(OperatorRequest::Approve, None),
    ];
    events.extend((1..).zip(answers()).map(|(id, answer)| Event::Answered { id, answer }));
    // What was added since format 2 comes last, so that what the journals of earlier formats hold is a beginning.
    events.push(told(OperatorRequest::Promote, Some("the dashboards are right")));
    events.push(told(OperatorRequest::BreakGlass, Some("a security fix")));
    let calendar = Some(CalendarSeen { open: false, next: Some(at(3600)) });
    let seen = Observation { calendar, ..Observation::default() };
    events.push(Event::Answered { id: 99, answer: Answer::Seen(Box::new(seen)) });
    events.push(Event::JournalBehind { fault: fault(FaultKind::Transient) });
    events.push(Event::JournalCaughtUp);
    events
}

fn answers() -> Vec<Answer> {
    let rule = |share| RuleSeen {
        share,
        sticky: true,
        brief: false,
        instead: None,
        shape: "a1b2".into(),
        text: "web-blue 90, web-green 10".into(),
    };
    let kinds = [FaultKind::Transient, FaultKind::Unknown, FaultKind::Missing, FaultKind::Denied, FaultKind::Permanent];
    let mut answers = vec![
        Answer::Registered("arn:aws:ecs:eu-west-1:111122223333:task-definition/web:8".into()),
        Answer::Scaled,
        Answer::Routed(rule(Share::from_permille(100))),
        Answer::Foreign(rule(None)),
        Answer::Seen(Box::default()),
        Answer::Seen(Box::new(observation(rule(Some(Share::ALL))))),
        Answer::Probed(ProbeReading { at: at(20), right: false, text: "status 503, expected 200".into() }),
        Answer::Counted(Served { requests: u64::MAX, failed: 3, since_full: None }),
    ];
    answers.extend(kinds.map(|kind| Answer::Failed(fault(kind))));
    answers.extend([Answer::Marked, Answer::ScalingHeld, Answer::ScalingFreed]);
    answers.extend([Answer::Armed, Answer::Gone, Answer::Disarmed, Answer::CommitIntended, Answer::Concluded]);
    answers.push(Answer::Moving(rule(Some(Share::NONE))));
    answers
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "ModifyRule", "Rate exceeded")
}

fn observation(rule: RuleSeen) -> Observation {
    let stopped =
        vec![Stopped { task: "9f".into(), at: at(30), reason: "exit code 137".into(), task_definition: String::new() }];
    let task_definition = "web:8".to_owned();
    let sick = Capacity {
        desired: 4,
        running: 3,
        healthy: 2,
        task_definition,
        settled: true,
        failed: 1,
        stopped,
        given_up: None,
    };
    let alarm = |state, rang| {
        let (read, watched) = (Timestamp::default(), Vec::new());
        Reading::Alarm(AlarmReading { state, changed: at(4), rang, window: Duration::from_secs(120), read, watched })
    };
    let values = [0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300, -0.0];
    let points: Vec<Point> = (0..).zip(values).map(|(n, value)| Point { at: at(n * 60), value }).collect();
    let tasks = TasksReading { capacity: sick.clone(), wanted: 4, asked: at(9), started: true };
    let readings = vec![
        (0, alarm(Some(AlarmState::Ok), None)),
        (1, alarm(Some(AlarmState::Alarm), Some(at(6)))),
        (1, alarm(Some(AlarmState::InsufficientData), None)),
        (1, alarm(None, None)),
        (3, Reading::Metric(MetricReading { values: points.clone(), samples: points })),
        (4, Reading::Unreadable(fault(FaultKind::Denied))),
        (5, Reading::Tasks(tasks)),
    ];
    let readings = readings.into_iter().chain(outer_readings()).collect();
    let fleet = Some(Fleet { stable: Capacity::default(), candidate: sick });
    let faults = vec![fault(FaultKind::Transient)];
    let observed = Share::from_permille(52);
    let deployment = Some(Deployment {
        id: "arn:aws:ecs:eu-west-1:111122223333:service-deployment/prod/web/1".into(),
        state: DeploymentState::Waiting { until: Some(at(90)) },
        stage: "PRE_PRODUCTION_TRAFFIC_SHIFT".into(),
        held_by: None,
    });
    Observation {
        rule: Some(rule),
        fleet,
        stable: None,
        deployment,
        calendar: None,
        readings,
        requests: Some(0),
        published: None,
        reached: None,
        observed,
        faults,
    }
}
