//! The gates: alarms, tasks, and that no two have the same name.

use std::collections::HashMap;

use super::Check;
use super::name::ALARM;
use super::time::{HOUR, SECOND};
use crate::gate::{self, AlarmRule, TasksRule};
use crate::spec::document::{Alarm, AtStart, Gate, InsufficientData, Tasks};
use crate::spec::problem::{Finding, Mark};
use crate::spec::tree::Node;

/// The longest name of a gate, in characters.
pub(super) const LONGEST_NAME: usize = 255;

/// What the gate on the candidate's tasks is called.
const TASKS: &str = "tasks";

impl Check<'_> {
    /// The gates, with one on the tasks among them; those that were left out are `None`.
    pub(super) fn gates(&mut self, gates: Vec<Option<Gate>>, at: &Node) -> Option<Vec<gate::Gate>> {
        let before = self.findings.len();
        let mut named: HashMap<String, Mark> = HashMap::new();
        let mut tasks: Option<Mark> = None;
        let mut sound = Vec::with_capacity(gates.len() + 1);
        for (index, gate) in gates.into_iter().enumerate() {
            let place = at.item(index);
            let is_tasks = matches!(gate, Some(Gate::Tasks(_)));
            let Some((gate, mark)) = gate.and_then(|gate| self.gate(gate, place)) else { continue };
            if is_tasks && let Some(first) = tasks {
                let second = Finding::new(mark, "a second gate on the tasks").note(first, "the first");
                self.add::<()>(second.help("keep one of them"));
            } else if !is_tasks && gate.name == TASKS {
                let finding = Finding::new(mark, "`tasks` is the name of the gate on the candidate's tasks");
                self.add::<()>(finding.help("call this one otherwise"));
            } else if let Some(first) = named.get(&gate.name) {
                let finding = Finding::new(mark, "a second gate of this name");
                self.add::<()>(finding.note(*first, "the first").help("verdicts are told apart by name"));
            }
            if is_tasks {
                tasks = tasks.or(Some(mark));
            }
            named.entry(gate.name.clone()).or_insert(mark);
            sound.push(gate);
        }
        if tasks.is_none() {
            sound.push(gate::Gate {
                name: TASKS.to_owned(),
                check: gate::Check::Tasks(TasksRule::default()),
                watch: false,
            });
        }
        if self.findings.len() == before {
            self.someone_decides(&sound, tasks);
        }
        (self.findings.len() == before).then_some(sound)
    }

    /// One gate, and where its name stands.
    fn gate(&mut self, gate: Gate, at: &Node) -> Option<(gate::Gate, Mark)> {
        let (name, check, watch, mark) = match gate {
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
                let rule = self.metric(metric, at);
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
