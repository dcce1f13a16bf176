//! What a look at the world asks for, how often one is taken, and how far back it reads.
//!
//! Calls between steps, a minute: the rule in each of four looks, the gates' data in each, and the tasks of both
//! slots in one, which is three calls: eleven. Counts that only a split gate asks for come with the tasks. A feed
//! of ten seconds that CloudWatch serves is read six times a minute while the candidate has traffic: fifteen. Where AWS
//! moves the weights, its deployment is read in each look too, so that what it does by itself is seen within one.
//! Change calendars are one call more.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::fleet::Role;
use crate::gate::{Check, Gate};
use crate::machine::effect::{Effect, Look, Observation};
use crate::machine::limits::{COUNT_BACK, COUNT_FURTHEST, FAST_COUNT_BACK, FAST_POLL, FLEET_EVERY, LOOK_BACK, POLL};
use crate::machine::state::{State, Wait};
use crate::machine::{Machine, Reaction};

impl Machine {
    /// Reads the world now: always rule and gates, tasks and targets if asked.
    pub(in crate::machine) fn look(&mut self, fleet: bool, quiet: Option<Role>, out: &mut Reaction) {
        let look = self.view(fleet, quiet);
        self.ask(Effect::Look(look), out);
    }

    pub(in crate::machine) fn view(&self, fleet: bool, quiet: Option<Role>) -> Look {
        let forward = matches!(self.state, State::Forward { .. });
        let gates: Vec<usize> =
            (0..self.plan.gates.len()).filter(|index| forward && self.is_asked(*index, fleet)).collect();
        let counted = self.counted_from();
        let series = gates.iter().any(|index| self.plan.gates[*index].feed().is_none());
        let recent = if series { self.series_from().min(counted) } else { counted };
        let since = self.memory.rule.exposed.unwrap_or_default().max(self.memory.judged.from).max(recent);
        let observed =
            fleet && forward && self.memory.rule.exposed.is_some() && !self.plan.gates.iter().any(is_counting);
        let deployment = forward && self.plan.driver.is_aws();
        let calendar = self.asks_calendars();
        Look {
            rule: true,
            fleet,
            gates,
            since,
            counted,
            deployment,
            calendar,
            observed,
            quiet,
            reached: false,
            first_read: None,
        }
    }

    /// Whether a look asks for this gate's reading.
    fn is_asked(&self, index: usize, fleet: bool) -> bool {
        let gate = &self.plan.gates[index];
        if gate.feed().is_none() {
            return gate.is_read();
        }
        let matters = self.memory.rule.exposed.is_some() && !self.memory.committed;
        let compares = matches!(gate.check, Check::Compare(_));
        matters && self.counted_for(index) == index && (compares || fleet)
    }

    /// The gate whose reading answers this one too: one feed is read once, and written down once. A gate that
    /// compares comes first, because only it says where slow answers are counted.
    pub(in crate::machine) fn counted_for(&self, index: usize) -> usize {
        let Some(feed) = self.plan.gates[index].feed() else { return index };
        let same = |gate: &Gate| gate.feed() == Some(feed);
        let compares = |gate: &Gate| matches!(gate.check, Check::Compare(_)) && same(gate);
        let gates = &self.plan.gates;
        gates.iter().position(compares).or_else(|| gates.iter().position(same)).unwrap_or(index)
    }

    /// How far back datapoints are asked for.
    fn series_from(&self) -> Timestamp {
        let data = self.plan.gates.iter().map(Gate::least_data).max().unwrap_or_default();
        self.memory.now.before(data + LOOK_BACK)
    }

    /// How far back counts are asked for: from some time before the last look but one that brought any. A bin
    /// counts when two looks agree on it, so after an outage of reads what it hid is read twice.
    fn counted_from(&self) -> Timestamp {
        let back = if self.is_fast() { FAST_COUNT_BACK } else { COUNT_BACK };
        let last = self.memory.judged.counted_at[0].or(self.memory.rule.exposed).unwrap_or(self.memory.now);
        last.before(back).max(self.memory.now.before(COUNT_FURTHEST))
    }

    /// Whether a gate compares by bins that are shorter than the ordinary time between two looks.
    fn is_fast(&self) -> bool {
        self.plan.gates.iter().any(|gate| match &gate.check {
            Check::Compare(rule) => rule.feed.span() < POLL,
            _ => false,
        })
    }

    /// The time between two looks while nothing is waited for.
    pub(in crate::machine) fn pace(&self) -> Duration {
        let judged = self.memory.rule.exposed.is_some() && !self.memory.committed;
        if judged && self.is_fast() { FAST_POLL } else { POLL }
    }

    /// Plans the next ordinary look; tasks are read once a minute.
    pub(in crate::machine) fn next_look(&mut self) {
        self.memory.judged.looks += 1;
        let pace = self.pace();
        let every = FLEET_EVERY.as_secs() / pace.as_secs().max(1);
        let fleet = self.memory.judged.looks.is_multiple_of(every) || self.is_in_doubt();
        self.ask_after(pace, Effect::Look(self.view(fleet, None)));
    }

    /// Reads once more that a slot is quiet, and what else leads to it: right away, or in a while where that could not
    /// be read.
    pub(in crate::machine) fn look_for_entrances(&mut self, slot: Role, seen: &Observation, out: &mut Reaction) {
        let look = Effect::Look(Look { reached: true, ..self.view(false, Some(slot)) });
        if seen.faults.is_empty() { self.ask(look, out) } else { self.ask_after(POLL, look) }
    }

    pub(in crate::machine) fn look_sooner(&mut self, after: Duration) {
        if let (State::Forward { .. }, Wait::Until(moment, _)) = (&self.state, &mut self.wait) {
            *moment = (*moment).min(self.memory.now + after);
        }
    }

    /// Looks again in a while, at the tasks too.
    pub(in crate::machine) fn look_again(&mut self, after: Duration) {
        self.ask_after(after, Effect::Look(self.view(true, None)));
    }

    /// After trouble that paused the rollout instead of ending it: goes on looking.
    pub(in crate::machine) fn keep_looking(&mut self) {
        if matches!(self.state, State::Forward { .. }) && self.wait == Wait::Nothing {
            self.look_again(POLL);
        }
    }
}

fn is_counting(gate: &Gate) -> bool {
    gate.feed().is_some()
}
