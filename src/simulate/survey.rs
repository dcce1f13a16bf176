//! A survey made from a spec alone: the account as it would stand if all that the spec names were there.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::count::Past;
use crate::domain::fleet::{
    AlarmState, AlarmView, Entrance, OtherRule, Place, Published, RuleView, Slot, SlotView, Survey,
};
use crate::domain::name::Arn;
use crate::gate::{Check, Gate};
use crate::spec::{RuleSpec, SlotSpec, Spec};

/// Tasks of the stable slot.
pub(super) const TASKS: u32 = 4;

/// The account of `spec`, its stable slot in blue, with a `past` for the gate that compares.
pub fn survey(spec: &Spec, at: Timestamp, past: Option<Past>) -> Survey {
    let blue = slot(Slot::Blue, &spec.target.blue, TASKS);
    let green = slot(Slot::Green, &spec.target.green, 0);
    let rule = rule(spec, &blue, &green);
    let load_balancer = match &spec.target.rule {
        RuleSpec::Arn(arn) => arn.clone(),
        RuleSpec::Place { load_balancer, .. } => load_balancer.clone(),
    };
    let alarms = spec.gates.iter().filter_map(|gate| match &gate.check {
        Check::Alarm(rule) => Some(alarm(&rule.alarm)),
        _ => None,
    });
    Survey {
        at,
        region: spec.target.region.clone().unwrap_or_default(),
        account: String::new(),
        cluster: spec.target.cluster.clone(),
        load_balancer_dimension: format!("app/{}", last(&load_balancer)),
        dns_name: "load-balancer".to_owned(),
        load_balancer,
        // A probe through the load balancer finds a rule that leads to the candidate.
        entrances: spec.gates.iter().filter_map(|gate| tested(gate, &green)).collect(),
        rule,
        blue,
        green,
        scaling: Ok(Vec::new()),
        alarms: alarms.collect(),
        past: past.map(Ok),
        code_deploy: None,
        entries: Vec::new(),
        deployment_configuration: None,
        under_way: None,
        task_sets: Vec::new(),
        release_problems: Vec::new(),
    }
}

/// The listener that a probe goes through.
fn tested(gate: &Gate, candidate: &SlotView) -> Option<Entrance> {
    let Check::Probe(probe) = &gate.check else { return None };
    let target_group = candidate.place.target_group.clone();
    let headers = probe.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let (rule, paths) = ("test".to_owned(), vec![probe.path().to_owned()]);
    let rule = OtherRule { rule, port: probe.port()?, headers, paths, target_group, ..OtherRule::default() };
    let rule = probe.url.contains("{load_balancer}").then_some(rule)?;
    Some(Entrance { what: "the test listener".to_owned(), rule: Some(rule), tolerated: false })
}

fn rule(spec: &Spec, blue: &SlotView, green: &SlotView) -> RuleView {
    let (port, priority) = match &spec.target.rule {
        RuleSpec::Place { port, priority, .. } => (*port, *priority),
        RuleSpec::Arn(_) => (443, 1),
    };
    RuleView {
        arn: "rule".to_owned(),
        port,
        priority: Some(priority),
        conditions: String::new(),
        above: Vec::new(),
        weights: vec![(blue.place.target_group.clone(), 100), (green.place.target_group.clone(), 0)],
        stickiness: None,
        sticky_groups: Vec::new(),
        other_actions: Vec::new(),
        shape: String::new(),
        actions_json: "[]".to_owned(),
    }
}

fn slot(slot: Slot, named: &SlotSpec, tasks: u32) -> SlotView {
    let place = Place {
        slot,
        service: named.service.clone(),
        target_group: format!("{slot}/{}", named.target_group),
        target_group_name: last(&named.target_group).to_owned(),
        target_group_dimension: format!("targetgroup/{}", last(&named.target_group)),
    };
    SlotView {
        place,
        status: "ACTIVE".to_owned(),
        controller: "ECS".to_owned(),
        strategy: "ROLLING".to_owned(),
        task_definition: "before:1".to_owned(),
        desired: tasks,
        running: tasks,
        healthy: tasks,
        attached: true,
        unproven: None,
        health_interval: Duration::from_secs(1),
        healthy_threshold: 1,
        unhealthy_threshold: 2,
        deregistration_delay: Duration::from_secs(30),
        slow_start: Duration::ZERO,
    }
}

fn alarm(name: &str) -> AlarmView {
    let (window, every, published) = (Duration::from_secs(60), Duration::from_secs(60), Published::Unknown);
    AlarmView { name: name.to_owned(), state: AlarmState::Ok, actions_enabled: true, window, every, published }
}

/// The name in an ARN, or the name.
fn last(text: &str) -> &str {
    Arn::parse(text).map_or(text, |arn| arn.resource.rsplit('/').next().unwrap_or(arn.resource))
}
