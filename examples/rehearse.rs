//! Drives a rollout in virtual time, with no account and no lab: a spec compiled against a survey made
//! by hand, a machine, and a world of a few lines that answers its effects: a ramp on a budget of harm, and a
//! candidate of whose requests two in a hundred fail. `cargo run -p tidegate-examples --bin rehearse`

use std::error::Error;
use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::count::{Bin, Counts, Mark, Past};
use tidegate::domain::fleet::{Capacity, Fleet, Place, RuleSeen, RuleView, Served, Slot, SlotView, Survey};
use tidegate::domain::traffic::Share;
use tidegate::gate::{ProbeReading, Reading};
use tidegate::machine::{Answer, Effect, Event, Look, Machine, Observation};
use tidegate::plan::{Adopt, Plan, ReleasePlan, compile};
use tidegate::report::{Lines, Style};
use tidegate::spec::{Source, parse};

const SPEC: &[u8] = include_bytes!("../rollout-specs/harm-budget.yaml");

fn main() -> Result<(), Box<dyn Error>> {
    let spec = parse(&Source { path: "harm-budget.yaml".into(), bytes: SPEC.into(), ..Source::default() })?;
    let plan = compile(&spec, &survey(), ReleasePlan::Registered("web:2".into()), Adopt::Never)?;
    let mut lines = Lines::new(Box::new(std::io::stdout()), Style { color: false, unicode: true, width: 80 }, None);
    let mut world = World { shares: Vec::new(), healthy: 0, release: String::new() };
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
        unproven: None,
        health_interval: Duration::from_secs(10),
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        deregistration_delay: Duration::from_secs(30),
        slow_start: Duration::ZERO,
    };
    let (blue, green) = (slot(Slot::Blue, 4), slot(Slot::Green, 0));
    let rule = RuleView {
        arn: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3".into(),
        port: 443,
        priority: Some(10),
        conditions: "path /*".into(),
        above: Vec::new(),
        weights: vec![(blue.place.target_group.clone(), 100), (green.place.target_group.clone(), 0)],
        stickiness: None,
        sticky_groups: Vec::new(),
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
        scaling: Ok(Vec::new()),
        alarms: Vec::new(),
        past: Some(Ok(past())),
        code_deploy: None,
        entries: Vec::new(),
        deployment_configuration: None,
        under_way: None,
        task_sets: Vec::new(),
        entrances: Vec::new(),
        release_problems: Vec::new(),
    }
}

/// A world in which everything works but the candidate.
struct World {
    /// The candidate's share since each of these moments.
    shares: Vec<(Timestamp, Share)>,
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
                self.shares.push((now, route.share));
                Answer::Routed(self.rule(plan))
            }
            Effect::Mark(_) => Answer::Marked,
            Effect::HoldScaling => Answer::ScalingHeld,
            Effect::FreeScaling => Answer::ScalingFreed,
            Effect::Arm { .. } => Answer::Armed,
            Effect::Disarm => Answer::Disarmed,
            Effect::IntendCommit => Answer::CommitIntended,
            Effect::Conclude => Answer::Concluded,
            Effect::Look(look) => Answer::Seen(Box::new(self.look(look, plan, now))),
            Effect::Probe(_) => Answer::Probed(ProbeReading { at: now, right: true, text: "status 200".to_owned() }),
            Effect::Count { .. } => Answer::Counted(Served { requests: 1200, failed: 31, since_full: None }),
        }
    }

    fn rule(&self, plan: &Plan) -> RuleSeen {
        let shape = plan.before.shape.clone();
        let given = self.shares.last().map_or(Share::NONE, |(_, share)| *share);
        RuleSeen {
            share: Some(given),
            sticky: false,
            brief: false,
            instead: None,
            shape,
            text: format!("candidate {given}"),
        }
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
        let task_definition = plan.before.stable_task_definition.clone();
        let stable = Capacity { healthy: plan.before.stable_desired, task_definition, ..candidate.clone() };
        Observation {
            calendar: None,
            rule: Some(self.rule(plan)),
            stable: look.first_read.map(|_| stable.healthy),
            deployment: None,
            fleet: look.fleet.then_some(Fleet { stable, candidate }),
            readings: look.gates.iter().map(|gate| (*gate, self.counted(look.since, now))).collect(),
            requests: look.quiet.map(|_| 0),
            published: None,
            reached: None,
            observed: None,
            faults: Vec::new(),
        }
    }

    /// What both slots counted in every minute that is closed.
    fn counted(&self, since: Timestamp, now: Timestamp) -> Reading {
        let minutes = since.as_millis() / MINUTE..now.as_millis() / MINUTE;
        let bin = |n: u64| {
            let at = Timestamp::from_millis(n * MINUTE);
            // A minute in which the share changed counts for the share it began with.
            let share = self.shares.iter().rev().find(|(from, _)| *from <= at).map_or(Share::NONE, |(_, share)| *share);
            let slot =
                |share: Share, errors| (share > Share::NONE).then(|| counts(RATE * share.percent() / 100.0, errors));
            Bin { at, stable: slot(share.rest(), 0.001), candidate: slot(share, 0.02) }
        };
        Reading::Counts(minutes.map(bin).collect())
    }
}

const MINUTE: u64 = 60_000;
/// Requests a second to both slots.
const RATE: f64 = 100.0;

/// A day of the stable slot: one request in a thousand fails, one in twenty takes longer than 200 ms.
fn past() -> Past {
    let minute =
        |n: u64| (Timestamp::from_millis(1_799_900_000_000 / MINUTE * MINUTE + n * MINUTE), counts(RATE, 0.001));
    let mark = Mark { quantile: Some(0.95), seconds: 0.2 };
    let bins = (0..1440).map(minute).collect();
    Past { span: Duration::from_millis(MINUTE), marks: vec![mark], resolves: true, bins }
}

/// A minute at this many requests a second.
fn counts(rate: f64, errors: f64) -> Counts {
    let requests = (60.0 * rate).round();
    Counts {
        requests,
        errors: (requests * errors).round(),
        refused: 0.0,
        timed: requests,
        slower: vec![(requests * 0.05).round()],
    }
}
