//! The gates: alarms, tasks, those that every spec has, and that no two have the same name.

use std::collections::HashMap;

use super::Check;
use super::name::ALARM;
use super::time::{HOUR, SECOND};
use crate::gate::{self, AlarmRule, SplitRule, TasksRule};
use crate::spec::document::{Alarm, AtStart, Gate, InsufficientData, Tasks};
use crate::spec::problem::{Finding, Mark};
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
            let Some((gate, mark)) = gate.and_then(|gate| self.gate(gate, place)) else { continue };
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

    /// One gate, and where its name stands.
    fn gate(&mut self, gate: Gate, at: &Node) -> Option<(gate::Gate, Mark)> {
        let (name, check, place) = match gate {
            Gate::Compare(compare) => {
                let at = at.field("compare");
                let name = self.called(compare.name.as_deref(), COMPARE, at);
                let rule = self.compare(*compare, at);
                (name?, gate::Check::Compare(Box::new(rule?)), at.field("name"))
            }
            Gate::Split(split) => {
                let at = at.field("split");
                let name = self.called(split.name.as_deref(), SPLIT, at);
                let rule = self.split(&split, at);
                (name?, gate::Check::Split(rule?), at.field("name"))
            }
            Gate::Alarm(alarm) => {
                let at = at.field("alarm");
                let named = at.get("called").unwrap_or_else(|| at.field("name"));
                let (name, rule) = self.alarm(&alarm, at)?;
                (name, gate::Check::Alarm(rule), named)
            }
            Gate::Metric(metric) => {
                let at = at.field("metric");
                let name = self.visible(&metric.name, at.field("name"), LONGEST_NAME);
                let rule = self.metric(&metric, at);
                (name?, gate::Check::Metric(rule?), at.field("name"))
            }
            Gate::Probe(probe) => {
                let at = at.field("probe");
                let name = self.visible(&probe.name, at.field("name"), LONGEST_NAME);
                let rule = self.probe(probe, at);
                (name?, gate::Check::Probe(rule?), at.field("name"))
            }
            Gate::Tasks(tasks) => {
                let at = at.field("tasks");
                (TASKS.to_owned(), gate::Check::Tasks(self.tasks(&tasks, at)?), at)
            }
        };
        Some((gate::Gate { name, check, watch: false }, place.value()))
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
