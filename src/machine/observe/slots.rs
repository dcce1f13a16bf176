//! What a look at the tasks means for the way forward: a slot that runs something else, a slot that is short.

use crate::domain::clock::Timestamp;
use crate::domain::fleet::{Capacity, Fleet, Role};
use crate::domain::name::{last_part, same_definition};
use crate::domain::traffic::Share;
use crate::gate::{Check, Reading, TasksReading};
use crate::machine::limits::{DRIFTS, SHORT_WITHIN, STALE_WITHIN};
use crate::machine::notice::Notice;
use crate::machine::why::{Cause, Foreign, Lack, PausedFor, Reason, Shortage};
use crate::machine::{Machine, Reaction};

impl Machine {
    pub(in crate::machine) fn examine_fleet(&mut self, fleet: &Fleet, asked: Timestamp, out: &mut Reaction) {
        let last = self.memory.slots.fleet.as_ref().map(|(_, fleet)| fleet.candidate.healthy);
        let candidate = &fleet.candidate;
        let preparing = self.memory.slots.wanted > 0 && self.memory.rule.exposed.is_none();
        if preparing && last != Some(candidate.healthy) {
            let (role, wanted) = (Role::Candidate, self.memory.slots.wanted);
            out.notices.push(Notice::CapacityChanged { role, seen: candidate.clone(), wanted });
        }
        self.memory.slots.fleet = Some((asked, fleet.clone()));
        if !self.memory.committed {
            self.examine_drift(Role::Stable, &fleet.stable.task_definition, out);
        }
        if self.memory.slots.wanted == 0 {
            return;
        }
        self.examine_release(candidate, out);
        if self.memory.slots.setbacks == 0 {
            self.examine_drift(Role::Candidate, &candidate.task_definition, out);
        }
        if self.memory.slots.candidate_drifts + self.memory.slots.setbacks == 0 {
            self.memory.slots.all_started |= candidate.healthy >= self.memory.slots.wanted;
            self.examine_tasks(candidate, out);
        }
        self.examine_capacity(fleet, out);
    }

    fn examine_tasks(&mut self, candidate: &Capacity, out: &mut Reaction) {
        for index in 0..self.plan.gates.len() {
            if matches!(self.plan.gates[index].check, Check::Tasks(_)) && self.is_forward() {
                let reading = self.tasks_reading(candidate.clone());
                self.examine_reading(index, &reading, out);
            }
        }
    }

    fn tasks_reading(&self, capacity: Capacity) -> Reading {
        let (wanted, asked) = (self.memory.slots.wanted, self.memory.slots.asked);
        Reading::Tasks(TasksReading { capacity, wanted, asked, started: self.memory.slots.all_started })
    }

    /// A service that runs something else than it should: an old read, or somebody else's deployment. How many
    /// tasks the stable slot wants is nobody's foreign write: autoscaling may change that.
    fn examine_drift(&mut self, role: Role, runs: &str, out: &mut Reaction) {
        let as_it_should = match role {
            Role::Stable => self.runs_before(runs),
            Role::Candidate => self.runs_release(runs),
        };
        let memory = &mut self.memory;
        let drifts = match role {
            Role::Stable => &mut memory.slots.stable_drifts,
            Role::Candidate => &mut memory.slots.candidate_drifts,
        };
        *drifts = if as_it_should { 0 } else { *drifts + 1 };
        let again = *drifts >= DRIFTS;
        // Reads of the candidate may be older than our own write of it; until the release was seen there, the write is
        // repeated instead. The stable slot's service is not ours to write.
        let theirs = match role {
            Role::Stable => true,
            Role::Candidate if memory.rule.accepted > Share::NONE => {
                memory.now.since(memory.slots.asked) > STALE_WITHIN
            }
            Role::Candidate => memory.slots.brought,
        };
        if again && theirs && self.is_forward() {
            let service = &self.plan.target.place(role).service;
            let found = format!("the {role} slot's service {service} runs {}", last_part(runs));
            self.foreign(Foreign::Service(role), found, out);
        }
    }

    /// Each slot must have the healthy targets that its share needs. Where the candidate lacks them, the traffic
    /// goes back; where the stable slot lacks them too, nobody but a person knows which is worse, as long as the
    /// candidate serves at all. Where only the stable slot lacks them, no more weight is given.
    fn examine_capacity(&mut self, fleet: &Fleet, out: &mut Reaction) {
        let candidate = &fleet.candidate;
        let need = self.memory.rule.accepted.need(self.memory.slots.whole);
        if candidate.healthy >= need {
            self.memory.slots.short_since = None;
            return;
        }
        let since = *self.memory.slots.short_since.get_or_insert(self.memory.now);
        let long = self.memory.now.since(since) >= SHORT_WITHIN;
        if !(long || candidate.healthy == 0) || !self.is_forward() {
            return;
        }
        let share = self.memory.rule.accepted;
        let candidate = Shortage { healthy: candidate.healthy, need, share };
        match self.stable_lacks(&fleet.stable).filter(|_| candidate.healthy > 0) {
            Some(stable) => self.both_short(PausedFor::Capacity { candidate, stable }, out),
            None => self.breach(Reason::Capacity(candidate), out),
        }
    }

    fn both_short(&mut self, why: PausedFor, out: &mut Reaction) {
        if self.memory.committed || self.is_paused_for(&[Cause::Capacity, Cause::Breach, Cause::ForeignWrite]) {
            return;
        }
        self.pause(why, out);
        self.keep_looking();
    }

    /// What keeps the candidate from more weight: where the traffic goes when the rollout goes back must be as it
    /// was, and able to take it.
    pub(in crate::machine) fn stable_objects(&self, stable: &Capacity) -> Option<Lack> {
        let runs = &stable.task_definition;
        if !self.runs_before(runs) {
            return Some(Lack::SecondLook { runs: last_part(runs).to_owned() });
        }
        self.stable_lacks(stable).map(|shortage| Lack::Tasks(Role::Stable, shortage))
    }

    /// What the stable slot lacks for the share it has, of the tasks it had before the rollout.
    fn stable_lacks(&self, stable: &Capacity) -> Option<Shortage> {
        let share = self.memory.rule.accepted.rest();
        let need = share.need(self.plan.before.stable_desired);
        (stable.healthy < need).then_some(Shortage { healthy: stable.healthy, need, share })
    }

    /// Whether the tasks are worth a look before their time.
    pub(in crate::machine) fn is_in_doubt(&self) -> bool {
        let memory = &self.memory;
        memory.slots.short_since.is_some()
            || memory.slots.stable_drifts + memory.slots.candidate_drifts + memory.slots.setbacks > 0
    }

    /// Whether `task_definition` is the release, by ARN or by `family:revision`.
    pub fn runs_release(&self, task_definition: &str) -> bool {
        self.release().is_some_and(|release| same_definition(&release, task_definition))
    }

    /// Whether `task_definition` is the one the stable slot was recorded with. Where none was, or none is read,
    /// there is nothing to tell apart.
    pub(in crate::machine) fn runs_before(&self, task_definition: &str) -> bool {
        is_same(&self.plan.before.stable_task_definition, task_definition)
    }

    /// The same of the candidate slot.
    pub(in crate::machine) fn ran_before(&self, task_definition: &str) -> bool {
        is_same(&self.plan.before.candidate_task_definition, task_definition)
    }
}

fn is_same(before: &str, task_definition: &str) -> bool {
    before.is_empty() || task_definition.is_empty() || same_definition(before, task_definition)
}
