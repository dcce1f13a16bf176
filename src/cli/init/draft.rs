//! The spec as it is written: names from the account, comments for who reads it first.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::chosen::Chosen;
use super::yaml::scalar;
use crate::cloud::alb::scout::{AlarmFound, Seen};
use crate::domain::clock::span;
use crate::domain::driver::{DriverKind, Shares, Unattended, Waits};
use crate::domain::fleet::{AlarmState, Slot, SlotView, Survey};
use crate::domain::name::{Arn, RolloutName};
use crate::domain::text::{escape, many};
use crate::domain::traffic::Share;

/// How many alarms are proposed as gates; who has more knows best which matter.
pub(super) const ALARMS_LIMIT: usize = 10;
/// How many of the alarms that ring a composite one its comment names.
const PARTS_SHOWN: usize = 4;
/// What the names of alarms begin with that autoscaling policies make: they ring whenever there is little to do.
pub(super) const SCALING_ALARMS: &str = "TargetTracking-";
/// How long each share is kept.
const HOLD: Duration = Duration::from_secs(5 * 60);
/// How long the old release stays warm, where nothing decides otherwise.
const WARM: Duration = Duration::from_secs(10 * 60);
/// The least that the language takes.
const WARM_LEAST: Duration = Duration::from_secs(60);
/// The shares on the way to everything, in tenths of a percent.
const SHARES: [u16; 3] = [50, 250, 500];

/// What a spec is made of.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) name: RolloutName,
    pub(super) kind: DriverKind,
    pub(super) chosen: Chosen,
    pub(super) survey: Survey,
    /// The alarms that are gates.
    pub(super) alarms: Vec<AlarmFound>,
    /// The path that each slot's health checks ask for, blue first.
    pub(super) checked_at: [String; 2],
    /// The port of another listener that leads to a slot, by which a candidate could be probed.
    pub(super) test_port: Option<u16>,
    /// The containers of the release that runs.
    pub(super) containers: Vec<String>,
    /// What there is to know beside it.
    pub(super) notes: Vec<String>,
}

impl Draft {
    /// The whole file.
    pub(super) fn text(&self) -> String {
        let mut text = self.head();
        text.push_str(&self.target());
        text.push_str(&self.release());
        text.push_str(&self.strategy());
        text.push_str(&self.gates());
        text.push_str(&self.rest());
        text
    }

    fn head(&self) -> String {
        let Survey { account, region, cluster, .. } = &self.survey;
        let service = escape(&self.survey.blue.place.service);
        let kind = self.kind;
        let why = match self.kind {
            DriverKind::Pair => {
                "Two services with rolling deployments: tidegate writes the rule's weights between them"
            }
            DriverKind::TaskSets => {
                "One service of task sets (EXTERNAL): tidegate makes them and writes the rule's weights"
            }
            DriverKind::Ecs => {
                "ECS itself shifts this service's traffic: tidegate starts, judges and answers its pauses"
            }
            DriverKind::CodeDeploy => "CodeDeploy shifts this service's traffic: tidegate starts, judges and stops it",
        };
        let driver = match kind {
            DriverKind::Ecs => {
                "{ ecs: { pause: 30m } } # an unanswered pause goes back; longer than hold and limits.verdict"
            }
            DriverKind::Pair => "{ pair: {} }",
            DriverKind::TaskSets => "{ task_sets: {} }",
            DriverKind::CodeDeploy => "{ codedeploy: {} }",
        };
        format!(
            "# yaml-language-server: $schema=./tidegate.schema.json\n\
             # Made by `tidegate init` from {service} in cluster {}, account {}, {}.\n\
             # The schema, for editors: `tidegate schema > tidegate.schema.json`.\n\
             version: 1\n\
             name: {}\n\n\
             # {why}.\n\
             driver: {driver}\n\n",
            escape(cluster),
            escape(account),
            escape(region),
            self.name,
        )
    }

    fn target(&self) -> String {
        let Survey { region, cluster, rule, load_balancer, blue, green, .. } = &self.survey;
        let one = self.kind.can().one_service;
        let mut text = format!("target:\n  region: {}\n  cluster: {}\n", scalar(region), scalar(cluster));
        if one {
            let _ = writeln!(text, "  service: {} # fills both target groups", scalar(&blue.place.service));
        }
        let (port, priority) = (rule.port, rule.priority.unwrap_or_default());
        let _ = writeln!(text, "  # {}", escape(&rule.conditions));
        let balancer = scalar(load_balancer);
        let _ = writeln!(text, "  rule: {{ load_balancer: {balancer}, port: {port}, priority: {priority} }}\n  slots:");
        for slot in [blue, green] {
            let _ = writeln!(text, "    # {}\n    # {}", self.about(slot), self.checked(slot));
            let service = if one { String::new() } else { format!("service: {}, ", scalar(&slot.place.service)) };
            let group = scalar(&slot.place.target_group_name);
            let _ = writeln!(text, "    {}: {{ {service}target_group: {group} }}", slot.place.slot);
        }
        text
    }

    /// What a slot is today.
    fn about(&self, slot: &SlotView) -> String {
        let weights = &self.survey.rule.weights;
        let weight = weights.iter().find(|(arn, _)| *arn == slot.place.target_group).map_or(0, |(_, weight)| *weight);
        let tasks = many(u64::from(slot.desired), "task");
        let serves = if weight > 0 { "serves now" } else { "has no traffic now" };
        let mut said = format!("{serves}: weight {weight}, {tasks} wanted, {} healthy", slot.healthy);
        if let Some(scaling) = self.scaling(slot.place.slot) {
            let _ = write!(said, ", autoscaling {} to {}", scaling.min, scaling.max);
        }
        said
    }

    /// How its tasks are checked.
    fn checked(&self, slot: &SlotView) -> String {
        let [blue, green] = &self.checked_at;
        let path = escape(if slot.place.slot == Slot::Blue { blue } else { green });
        let (interval, threshold) = (slot.health_interval, slot.healthy_threshold);
        let takes = span(interval * threshold);
        format!("checked at {path} every {}, healthy after {threshold}: {takes} after a task answers", span(interval))
    }

    fn scaling(&self, slot: Slot) -> Option<crate::domain::safeguard::Scaling> {
        let found = self.survey.scaling.as_ref().ok()?;
        found.iter().find(|(of, _)| *of == slot).map(|(_, scaling)| *scaling)
    }

    /// The release that serves, so that the first rollout changes nothing but the slot.
    fn release(&self) -> String {
        let serves = self.serving();
        let revision = Arn::parse(&serves.task_definition).map_or(serves.task_definition.as_str(), |arn| arn.resource);
        let revision = revision.trim_start_matches("task-definition/");
        let family = revision.split(':').next().unwrap_or(revision);
        let container = self.containers.first().map_or("app", String::as_str);
        format!(
            "\n# What runs now, so that a first rollout changes nothing but the slot. For the next release, in its place:\n\
             #   images: {{ family: {}, containers: {{ {}: \"REPOSITORY:${{VERSION}}\" }} }}\n\
             #   file: taskdef.json\n\
             release:\n  registered: {}\n",
            scalar(family),
            scalar(container),
            scalar(revision),
        )
    }

    /// The slot with the greater weight.
    fn serving(&self) -> &SlotView {
        let Survey { rule, blue, green, .. } = &self.survey;
        let weight = |slot: &SlotView| {
            rule.weights.iter().find(|(arn, _)| *arn == slot.place.target_group).map_or(0, |(_, weight)| *weight)
        };
        if weight(green) > weight(blue) { green } else { blue }
    }

    fn strategy(&self) -> String {
        let shares: Vec<Share> = match self.kind.can().shares {
            Shares::Any => SHARES.into_iter().filter_map(Share::from_permille).collect(),
            // One share and then everything.
            Shares::Timetables { canary, .. } => {
                Share::from_permille(100).map(|tenth| canary.nearest(tenth)).into_iter().collect()
            }
        };
        let mut text = String::from("\nstrategy:\n  canary:\n    steps:\n");
        for share in shares {
            let _ = write!(text, "      - shift: {share}\n      - hold: {}\n", span(HOLD));
        }
        let _ = writeln!(
            text,
            "    warm: {} # both slots at full strength, judged, before the old one is retired",
            span(self.warm())
        );
        text
    }

    /// No longer than CodeDeploy keeps the old tasks, and with time for a verdict where there is any.
    fn warm(&self) -> Duration {
        let Some(group) = &self.survey.code_deploy else { return WARM };
        let verdict = crate::spec::Limits::default().verdict;
        let room = match group.termination_wait.saturating_sub(verdict) {
            room if room >= WARM_LEAST => room,
            _ => group.termination_wait,
        };
        Duration::from_secs(room.as_secs() / 60 * 60).clamp(WARM_LEAST, WARM)
    }

    fn gates(&self) -> String {
        let mut text = String::from(
            "\ngates:\n  # The candidate with the stable slot, in the same minutes, on the load balancer's own counts.\n  - compare: {}\n",
        );
        if let Some(port) = self.test_port {
            let path = self.checked_at[1].replace(|c: char| c.is_control() || "\"\\$".contains(c), "");
            let url = format!("http://{{load_balancer}}:{port}{}", escape(&path));
            text.push_str("  # Another rule leads to a slot: if it can lead to the candidate, probe it there before it has traffic.\n");
            let _ = writeln!(text, "  # - probe: {{ name: smoke, url: \"{url}\" }}");
        }
        self.alarms.iter().for_each(|alarm| text.push_str(&gate(alarm)));
        text
    }

    /// What a person has to decide.
    fn rest(&self) -> String {
        let mut text = String::new();
        if self.kind.can().waits == Waits::Pause {
            text.push_str("\nlimits:\n  pause: 30m # as long as ECS waits: then it goes back by itself\n");
        }
        text.push_str("\n# Rollouts that anybody with credentials can take over:\n# store: s3://BUCKET/tidegate\n");
        if self.kind.can().unattended == Unattended::Switch {
            text.push_str(
                "# Who gives the traffic back when no runner lives; `tidegate iam-policy` prints the role's policy:\n\
                 # dead_man: { role: \"arn:aws:iam::ACCOUNT:role/tidegate-switch\", after: 5m }\n",
            );
        }
        text
    }
}

/// An alarm's gate. Until it can say something of the release alone, it is watched and decides nothing.
fn gate(AlarmFound { view, metric, composed }: &AlarmFound) -> String {
    let list = |names: &BTreeSet<String>| {
        let shown: Vec<&str> = names.iter().take(PARTS_SHOWN).map(String::as_str).collect();
        let more = if names.len() > shown.len() { " and more" } else { "" };
        shown.join(", ") + more
    };
    let about = match (metric, composed) {
        (Some(metric), _) => metric.clone(),
        (None, Some(made)) => format!("composed of {}", list(&made.of)),
        (None, None) => "computed from metrics".to_owned(),
    };
    let others = composed.iter().map(|made| &made.others).find(|others| !others.is_empty());
    let (watch, why) = match (view.state, others) {
        (_, Some(others)) => (", watch: true", format!("{} can ring it too: a release may not be why", list(others))),
        (AlarmState::Ok, None) => ("", "it is OK now".to_owned()),
        (state, None) => (", watch: true", format!("it is {state} now: take `watch` away once it can decide")),
    };
    format!("  - alarm: {{ name: {}{watch} }} # {}; {}\n", scalar(&view.name), escape(&about), escape(&why))
}

/// What a service is by its own words: for whom there is no spec yet.
pub(super) fn shape(seen: &Seen) -> String {
    let service = &seen.service;
    format!("the {} deployment controller, {} deployments", service.controller, service.strategy)
}
