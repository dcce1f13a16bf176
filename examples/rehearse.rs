//! Drives a rollout in virtual time, with no account and no lab: a spec compiled against a survey made
//! by hand, a machine, and a world of a few lines that answers its effects. `cargo run --example rehearse`

use std::error::Error;
use std::time::Duration;

use tidegate::clock::Timestamp;
use tidegate::fleet::{Capacity, Fleet, Place, RuleSeen, RuleView, Served, Slot, SlotView, Survey};
use tidegate::gate::{MetricReading, Point, ProbeReading, Reading};
use tidegate::machine::{Answer, Effect, Event, Look, Machine, Observation};
use tidegate::plan::{Plan, ReleasePlan, compile};
use tidegate::report::{Lines, Style};
use tidegate::spec::{Source, parse};
use tidegate::traffic::Share;

const SPEC: &[u8] = include_bytes!("../rollout-specs/canary.yaml");

fn main() -> Result<(), Box<dyn Error>> {
    let spec = parse(&Source { path: "canary.yaml".into(), bytes: SPEC.into(), ..Source::default() })?;
    let plan = compile(&spec, &survey(), ReleasePlan::Registered("web:2".into()))?;
    let mut lines = Lines::new(Box::new(std::io::stdout()), Style { color: false, unicode: true, width: 80 }, None);
    let mut world = World { share: Share::NONE, healthy: 0, release: String::new() };
    let mut machine = Machine::new(plan.clone());
    let mut now = Timestamp::from_millis(1_800_000_000_000);
    let mut event = Event::Started { by: "you@example".to_owned() };
    while machine.outcome().is_none() {
        let reaction = machine.apply(now, event);
        for notice in &reaction.notices {
            lines.write(now, notice, &plan);
        }
        event = match (reaction.effect, machine.wake_at()) {
            (Some(issued), _) => {
                now = now + Duration::from_millis(300);
                Event::Answered { id: issued.id, answer: world.answer(&issued.effect, &plan, now) }
            }
            (None, Some(moment)) => {
                now = moment;
                Event::Woken
            }
            (None, None) => break,
        };
    }
    Ok(())
}

/// The account as it might stand: four tasks serve in the blue slot, the green one is empty.
fn survey() -> Survey {
    let slot = |slot: Slot, tasks| SlotView {
        place: Place {
            slot,
            service: format!("web-{slot}"),
            target_group: format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-{slot}/1"),
            target_group_name: format!("web-{slot}"),
            target_group_dimension: format!("targetgroup/web-{slot}/1"),
        },
        status: "ACTIVE".into(),
        controller: "ECS".into(),
        strategy: "ROLLING".into(),
        task_definition: "web:1".into(),
        desired: tasks,
        running: tasks,
        healthy: tasks,
        attached: true,
        health_interval: Duration::from_secs(10),
        healthy_threshold: 2,
        deregistration_delay: Duration::from_secs(30),
    };
    let (blue, green) = (slot(Slot::Blue, 4), slot(Slot::Green, 0));
    let rule = RuleView {
        arn: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3".into(),
        port: 443,
        priority: Some(10),
        conditions: "path /*".into(),
        weights: vec![(blue.place.target_group.clone(), 100), (green.place.target_group.clone(), 0)],
        stickiness: None,
        other_actions: Vec::new(),
        shape: String::new(),
        actions_json: "[]".into(),
    };
    Survey {
        at: Timestamp::from_millis(1_800_000_000_000),
        region: "eu-west-1".into(),
        account: "123456789012".into(),
        cluster: "prod".into(),
        load_balancer: "web".into(),
        load_balancer_dimension: "app/web/1".into(),
        dns_name: "web.example.com".into(),
        rule,
        blue,
        green,
        alarms: Vec::new(),
        past: None,
        shared_with: Vec::new(),
        release_problems: Vec::new(),
    }
}

/// A world in which everything works, until the candidate gets half of the traffic.
struct World {
    share: Share,
    healthy: u32,
    release: String,
}

impl World {
    fn answer(&mut self, effect: &Effect, plan: &Plan, now: Timestamp) -> Answer {
        match effect {
            Effect::Register { .. } => Answer::Registered("task-definition/web:2".to_owned()),
            Effect::Scale { count, task_definition, .. } => {
                self.healthy = *count;
                self.release = task_definition.clone().unwrap_or_default();
                Answer::Scaled
            }
            Effect::Route(route) => {
                self.share = route.share;
                Answer::Routed(self.rule(plan))
            }
            Effect::Look(look) => Answer::Seen(Box::new(self.look(look, plan, now))),
            Effect::Probe(_) => Answer::Probed(ProbeReading { at: now, right: true, text: "status 200".to_owned() }),
            Effect::Count { .. } => Answer::Counted(Served { requests: 1200, failed: 31 }),
        }
    }

    fn rule(&self, plan: &Plan) -> RuleSeen {
        let shape = plan.before.shape.clone();
        RuleSeen { share: Some(self.share), sticky: false, shape, text: format!("candidate {}", self.share) }
    }

    fn look(&self, look: &Look, plan: &Plan, now: Timestamp) -> Observation {
        let candidate = Capacity {
            desired: self.healthy,
            running: self.healthy,
            healthy: self.healthy,
            task_definition: self.release.clone(),
            settled: true,
            ..Capacity::default()
        };
        let stable = Capacity { healthy: plan.before.stable_desired, ..candidate.clone() };
        // The canary's first gate reads errors in percent, its second the latency in seconds.
        let errors = if self.share.percent() >= 50.0 { 7.0 } else { 0.1 };
        let value = |gate: usize| if gate == 0 { errors } else { 0.08 };
        Observation {
            rule: Some(self.rule(plan)),
            fleet: look.fleet.then_some(Fleet { stable, candidate }),
            readings: look.gates.iter().map(|gate| (*gate, closed_minutes(look.since, now, value(*gate)))).collect(),
            requests: look.quiet.map(|_| 0),
            observed: None,
            faults: Vec::new(),
        }
    }
}

/// One datapoint for every closed minute.
fn closed_minutes(since: Timestamp, now: Timestamp, value: f64) -> Reading {
    let minute = 60_000;
    let first = since.as_millis().div_ceil(minute);
    let last = now.as_millis() / minute;
    let values: Vec<Point> = (first..last).map(|n| Point { at: Timestamp::from_millis(n * minute), value }).collect();
    let samples = values.iter().map(|point| Point { value: 600.0, ..*point }).collect();
    Reading::Metric(MetricReading { values, samples })
}
