//! The gates: alarms, tasks, those that every spec has, and that no two have the same name.

use std::collections::HashMap;

use super::Check;
use super::name::ALARM;
use super::units::{HOUR, SECOND};
use crate::domain::code::Code;
use crate::gate::{self, AlarmRule, SplitRule, TasksRule};
use crate::spec::document::{Alarm, AtStart, Gate, InsufficientData, Tasks};
use crate::spec::finding::{Finding, Mark};
use crate::spec::tree::Node;

/// The longest name of a gate, in characters.
pub(super) const LONGEST_NAME: usize = 255;

/// Kinds of which a spec has at most one, by the name that gate has unless it says another: what it is about.
const ONLY: [(&str, &str); 3] = [(COMPARE, "that compares"), (SPLIT, "on the split"), (TASKS, "on the tasks")];
const COMPARE: &str = "compare";
const SPLIT: &str = "split";
const TASKS: &str = "tasks";

impl Check<'_> {
    /// The gates, with those among them that every spec has; those that were left out are `None`. Naming any
    /// gate at all, be it `tasks`, means that the candidate is compared only if that is said, or `compares`.
    pub(super) fn gates(&mut self, gates: Vec<Option<Gate>>, at: &Node, compares: bool) -> Option<Vec<gate::Gate>> {
        let before = self.findings.len();
        let mut named: HashMap<String, Mark> = HashMap::new();
        let mut only: HashMap<&str, Mark> = HashMap::new();
        let compares = compares || gates.is_empty();
        let mut sound = Vec::with_capacity(gates.len() + ONLY.len());
        for (index, gate) in gates.into_iter().enumerate() {
            let place = at.item(index);
            let Some((gate, mark)) = gate.and_then(|gate| self.gate_of_kind(gate, place)) else { continue };
            let kind = kind(&gate.check);
            let other = |(name, _): &&(&str, &str)| *name == gate.name && kind != Some(name);
            if !self.is_the_only(kind, place, &mut only) {
                // Said already.
            } else if let Some((name, about)) = ONLY.iter().find(other) {
                let finding = Finding::new(mark, format!("`{name}` is the name of the gate {about}"));
                self.add::<()>(finding.help("call this one otherwise"));
            } else if let Some(first) = named.get(&gate.name) {
                let finding = Finding::new(mark, "a second gate of this name");
                self.add::<()>(finding.note(*first, "the first").help("verdicts are told apart by name"));
            }
            named.entry(gate.name.clone()).or_insert(mark);
            sound.push(gate);
        }
        add_missing(&mut sound, compares);
        if self.findings.len() == before {
            self.someone_decides(&sound, only.get(TASKS).copied());
        }
        (self.findings.len() == before).then_some(sound)
    }

    /// Of some kinds there is one gate at most. False when this is another.
    fn is_the_only(&mut self, kind: Option<&str>, place: &Node, only: &mut HashMap<&str, Mark>) -> bool {
        let Some((kind, about)) = ONLY.iter().find(|(name, _)| Some(*name) == kind) else { return true };
        let mark = place.field(kind).head;
        let first = *only.entry(kind).or_insert(mark);
        if first != mark {
            let second = Finding::new(mark, format!("a second gate {about}")).note(first, "the first");
            self.add::<()>(second.help("keep one of them"));
        }
        first == mark
    }

    /// One gate, and where its name stands; what is wrong with it is about its kind.
    fn gate_of_kind(&mut self, gate: Gate, at: &Node) -> Option<(gate::Gate, Mark)> {
        let code = match &gate {
            Gate::Alarm(_) => Code::SpecAlarm,
            Gate::Metric(_) => Code::SpecMetric,
            Gate::Probe(_) => Code::SpecProbe,
            Gate::Tasks(_) => Code::SpecTasks,
            Gate::Compare(_) | Gate::Split(_) => Code::SpecCompare,
            Gate::BurnRate(_) => Code::SpecBurn,
            Gate::Webhook(_) | Gate::Command(_) => Code::SpecOutside,
        };
        // Those from before are about the gates together.
        self.about(Code::SpecGates);
        let made = self.gate(gate, at);
        self.about(code);
        made
    }

    /// One gate, and where its name stands.
    fn gate(&mut self, gate: Gate, at: &Node) -> Option<(gate::Gate, Mark)> {
        let (name, check, watch, mark) = match gate {
            Gate::Compare(compare) => {
                let (at, watch) = (at.field("compare"), compare.watch);
                let name = self.called(compare.name.as_deref(), COMPARE, at);
                let rule = self.compare(*compare, at);
                (name?, gate::Check::Compare(Box::new(rule?)), watch, at.field("name").value())
            }
            Gate::Split(split) => {
                let (at, watch) = (at.field("split"), split.watch);
                let name = self.called(split.name.as_deref(), SPLIT, at);
                let rule = self.split(&split, at);
                (name?, gate::Check::Split(rule?), watch, at.field("name").value())
            }
            Gate::Alarm(alarm) => {
                let at = at.field("alarm");
                let named = at.get("called").unwrap_or_else(|| at.field("name"));
                let (name, rule) = self.alarm(&alarm, at)?;
                (name, gate::Check::Alarm(rule), alarm.watch, named.value())
            }
            Gate::Tasks(tasks) => {
                let at = at.field("tasks");
                let rule = self.tasks(&tasks, at)?;
                (TASKS.to_owned(), gate::Check::Tasks(rule), tasks.watch, at.head)
            }
            Gate::Metric(metric) => {
                let (at, watch) = (at.field("metric"), metric.watch);
                let (name, mark) = self.name(&metric.name, at);
                let rule = self.metric(&metric, at);
                (name?, gate::Check::Metric(rule?), watch, mark)
            }
            Gate::Probe(probe) => {
                let (at, watch) = (at.field("probe"), probe.watch);
                let (name, mark) = self.name(&probe.name, at);
                let rule = self.probe(probe, at);
                (name?, gate::Check::Probe(rule?), watch, mark)
            }
            Gate::BurnRate(burn) => {
                let at = at.field("burn_rate");
                let (name, mark) = self.name(&burn.name, at);
                let rule = self.burn_rate(&burn, at);
                (name?, gate::Check::Burn(rule?), burn.watch, mark)
            }
            Gate::Webhook(webhook) => {
                let (at, watch) = (at.field("webhook"), webhook.watch);
                let (name, mark) = self.name(&webhook.name, at);
                let rule = self.webhook(webhook, at);
                (name?, gate::Check::Webhook(rule?), watch, mark)
            }
            Gate::Command(command) => {
                let (at, watch) = (at.field("command"), command.watch);
                let (name, mark) = self.name(&command.name, at);
                let rule = self.command(command, at);
                (name?, gate::Check::Command(rule?), watch, mark)
            }
        };
        Some((gate::Gate { name, check, watch }, mark))
    }

    /// The name of the gate at `at`, and where it stands.
    fn name(&mut self, name: &str, at: &Node) -> (Option<String>, Mark) {
        let at = at.field("name");
        (self.visible(name, at, LONGEST_NAME), at.value())
    }

    /// A rollout that nothing can send back is none.
    fn someone_decides(&mut self, gates: &[gate::Gate], tasks: Option<Mark>) {
        if let Some(mark) = tasks.filter(|_| !gates.iter().any(gate::Gate::decides)) {
            let help = "leave `watch` out here, or out of another gate that is asked while traffic moves";
            self.wrong::<()>(mark, "no gate decides: all of them only watch", help);
        }
    }

    /// A gate's name, or the one it has if it says none.
    fn called(&mut self, name: Option<&str>, or: &str, at: &Node) -> Option<String> {
        match name {
            Some(name) => self.visible(name, at.field("name"), LONGEST_NAME),
            None => Some(or.to_owned()),
        }
    }

    fn alarm(&mut self, alarm: &Alarm, at: &Node) -> Option<(String, AlarmRule)> {
        let place = at.field("name");
        let written = self.visible(&alarm.name, place, 2048)?;
        let name = match written.strip_prefix("arn:") {
            None => self.visible(&written, place, LONGEST_NAME),
            Some(_) if self.arn(&written, place, &ALARM) => written
                .splitn(6, ':')
                .nth(5)
                .and_then(|resource| resource.strip_prefix(ALARM.resource))
                .map(str::to_owned),
            Some(_) => None,
        };
        let called = match &alarm.called {
            Some(called) => Some(self.visible(called, at.field("called"), LONGEST_NAME)?),
            None => None,
        };
        let alarm_name = name?;
        let at_start = match alarm.at_start {
            AtStart::Refuse => gate::AtStart::Refuse,
            AtStart::WaitForOk => gate::AtStart::WaitForOk,
        };
        let insufficient_data = match alarm.insufficient_data {
            InsufficientData::Inconclusive => gate::Insufficient::Inconclusive,
            InsufficientData::Fail => gate::Insufficient::Fail,
        };
        let rule = AlarmRule { alarm: alarm_name.clone(), at_start, insufficient_data };
        Some((called.unwrap_or(alarm_name), rule))
    }

    fn tasks(&mut self, tasks: &Tasks, at: &Node) -> Option<TasksRule> {
        let start_within = self.time(&tasks.start_within, at.field("start_within"), 10 * SECOND..=6 * HOUR)?;
        Some(TasksRule { crashes: tasks.crashes, start_within })
    }
}

fn kind(check: &gate::Check) -> Option<&'static str> {
    match check {
        gate::Check::Compare(_) => Some(COMPARE),
        gate::Check::Split(_) => Some(SPLIT),
        gate::Check::Tasks(_) => Some(TASKS),
        _ => None,
    }
}

/// Adds the gates that every spec has. A split gate counts where the gate that compares does.
fn add_missing(gates: &mut Vec<gate::Gate>, compares: bool) {
    let has = |gates: &[gate::Gate], name| gates.iter().any(|gate| kind(&gate.check) == Some(name));
    let added = |name: &str, check, watch| gate::Gate { name: name.to_owned(), check, watch };
    if compares && !has(gates, COMPARE) {
        gates.push(added(COMPARE, gate::Check::Compare(Box::default()), false));
    }
    if !has(gates, TASKS) {
        gates.push(added(TASKS, gate::Check::Tasks(TasksRule::default()), false));
    }
    if !has(gates, SPLIT) {
        gates.push(added(SPLIT, gate::Check::Split(SplitRule::default()), true));
    }
    let feed = gates.iter().find_map(|gate| match &gate.check {
        gate::Check::Compare(rule) => Some(rule.feed.clone()),
        _ => None,
    });
    for gate in gates.iter_mut() {
        if let (gate::Check::Split(rule), Some(feed)) = (&mut gate.check, &feed) {
            rule.feed = feed.clone();
        }
    }
}
