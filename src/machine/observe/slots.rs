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
            self.examine_drift(Role::Stable, &fleet.stable, out);
        }
        if self.memory.slots.wanted == 0 {
            return;
        }
        self.examine_release(candidate, out);
        if self.memory.slots.setbacks == 0 {
            self.examine_drift(Role::Candidate, candidate, out);
        }
        if self.memory.slots.candidate_drifts + self.memory.slots.setbacks == 0 {
            self.memory.slots.all_started |= candidate.healthy >= self.memory.slots.wanted;
            self.examine_tasks(fleet, out);
        }
        self.examine_capacity(fleet, out);
    }

    fn examine_tasks(&mut self, fleet: &Fleet, out: &mut Reaction) {
        for index in 0..self.plan.gates.len() {
            if matches!(self.plan.gates[index].check, Check::Tasks(_)) && self.is_forward() {
                let reading = self.tasks_reading(fleet);
                self.examine_reading(index, &reading, out);
            }
        }
    }

    fn tasks_reading(&self, fleet: &Fleet) -> Reading {
        let (capacity, asked) = (fleet.candidate.clone(), self.memory.slots.asked);
        let wanted = self.of_today(self.memory.slots.wanted, &fleet.stable);
        Reading::Tasks(TasksReading { capacity, wanted, asked, started: self.memory.slots.all_started })
    }

    /// A service that runs something else than it should: an old read, or somebody else's deployment. How many
    /// tasks the stable slot wants is nobody's foreign write, as autoscaling may change that, unless it serves and is to
    /// have none.
    fn examine_drift(&mut self, role: Role, tasks: &Capacity, out: &mut Reaction) {
        let runs = &tasks.task_definition;
        let emptied = role == Role::Stable && self.is_emptied(tasks);
        let as_it_should = match role {
            Role::Stable => self.runs_before(runs) && !emptied,
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
            let what =
                if emptied { "is to have no tasks any more".to_owned() } else { format!("runs {}", last_part(runs)) };
            let found = format!("the {role} slot's service {service} {what}");
            self.foreign(Foreign::Service(role), found, out);
        }
    }

    /// Whether the stable slot serves and is to have no tasks, which the way back gives it again. Where AWS deploys, it
    /// takes them itself.
    fn is_emptied(&self, stable: &Capacity) -> bool {
        let serves = self.memory.rule.accepted.rest() > Share::NONE;
        serves && stable.desired == 0 && self.plan.before.stable_desired > 0 && !self.plan.driver.is_aws()
    }

    /// Each slot must have the healthy targets that its share needs. Where the candidate lacks them, the traffic
    /// goes back; where the stable slot lacks them too, nobody but a person knows which is worse, as long as the
    /// candidate serves at all. Where only the stable slot lacks them, no more weight is given.
    fn examine_capacity(&mut self, fleet: &Fleet, out: &mut Reaction) {
        let candidate = &fleet.candidate;
        let whole = self.of_today(self.memory.slots.whole, &fleet.stable);
        let need = self.memory.rule.accepted.need(whole);
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

    /// What the stable slot lacks for the share it has, of the tasks it had before the rollout, or of those that it is to
    /// have today, if somebody made them fewer.
    fn stable_lacks(&self, stable: &Capacity) -> Option<Shortage> {
        let share = self.memory.rule.accepted.rest();
        let need = share.need(fewer(self.plan.before.stable_desired, stable));
        (stable.healthy < need).then_some(Shortage { healthy: stable.healthy, need, share })
    }

    /// What everything is that shares are of, today: where one service fills both slots, whoever scales it in scales both.
    pub(in crate::machine) fn of_today(&self, whole: u32, stable: &Capacity) -> u32 {
        let target = &self.plan.target;
        let both = target.stable.service == target.candidate.service && !self.memory.committed;
        if both { fewer(whole, stable) } else { whole }
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

/// `count`, or what the stable slot is to have, if that is fewer. None is what a slot has of which nothing is known.
fn fewer(count: u32, stable: &Capacity) -> u32 {
    if stable.desired > 0 { count.min(stable.desired) } else { count }
}

fn is_same(before: &str, task_definition: &str) -> bool {
    before.is_empty() || task_definition.is_empty() || same_definition(before, task_definition)
}
