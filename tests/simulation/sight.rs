//! What a look at the world sees: the rule, tasks and metrics, old or missing ones too.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::fleet::{Capacity, Counted, Fleet, GivenUp, Role, RuleSeen, Stopped};
use tidegate::domain::traffic::Share;
use tidegate::gate::{Check, Reading};
use tidegate::machine::{Look, Observation};
use tidegate::plan::QUIET_PERIODS;

use super::deployment::Deployment;
use super::die::Die;
use super::mishaps::Candidate;
use super::points::Point;
use super::traffic;
use super::world::{BEFORE, FULL, MINUTE, RELEASE, START_UP, World};

/// How long ECS starts tasks that do not come up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(50);
/// How long the deployment shows that ECS gave up.
const SHOWS_FOR: Duration = Duration::from_secs(30);

impl World {
    pub fn look(&mut self, look: &Look, die: &mut Die) -> Observation {
        self.tasks_come_and_go(die);
        let rule = self.rule_seen(die);
        let unread = look.first_read.is_some() && die.chance(self.mishaps.read_fails);
        if unread {
            self.hits.hit(Point::StableUnread);
        }
        let quiet = look.quiet.map(|role| self.requests(role));
        Observation {
            rule: Some(rule),
            fleet: look.fleet.then(|| self.fleet()),
            deployment: self.aws.as_ref().filter(|_| look.deployment).and_then(Deployment::told),
            stable: look.first_read.filter(|_| !unread).map(|_| self.healthy(Role::Stable)),
            readings: look.gates.iter().map(|gate| (*gate, self.gate_reading(*gate, look, die))).collect(),
            requests: quiet.map(|counted| counted.requests),
            published: quiet.map(|counted| counted.until),
            reached: look.quiet.filter(|_| look.reached).map(|role| self.entrances(role)),
            observed: None,
            calendar: None,
            faults: Vec::new(),
        }
    }

    /// The rule, as it is or was a few seconds ago.
    pub fn rule_seen(&mut self, die: &mut Die) -> RuleSeen {
        let age = if die.chance(self.mishaps.read_is_stale) {
            Duration::from_secs(die.between(1, 8))
        } else {
            Duration::ZERO
        };
        let rule = self.rule_at(self.now.before(age));
        if rule.share != Some(self.share()) {
            self.hits.hit(Point::ReadStale);
        }
        rule
    }

    /// Tasks and targets, after what chance did to them.
    pub fn fleet_seen(&mut self, die: &mut Die) -> Fleet {
        self.tasks_come_and_go(die);
        self.fleet()
    }

    /// What a gate reads, of what was measured since then.
    pub fn reading(&mut self, gate: usize, since: Timestamp, die: &mut Die) -> Reading {
        self.gate_reading(gate, &Look { since, ..Look::default() }, die)
    }

    /// A slot's requests in its last published minutes. The newest of them, in which the other slot had requests,
    /// proves the others.
    pub fn requests(&self, role: Role) -> Counted {
        let published = self.mishaps.publishes.until(self.now).as_millis() / 60_000 * 60_000;
        let closed = Timestamp::from_millis(published);
        let until = closed.before(MINUTE);
        let served = self.served_between(role, until.before(MINUTE * QUIET_PERIODS), closed);
        Counted { requests: u64::from(served) * 100, until }
    }

    /// What leads to a slot beside the rule.
    pub fn entrances(&mut self, role: Role) -> Vec<String> {
        let there = self.is_entered(role, Duration::ZERO);
        if there {
            self.hits.hit(Point::Entered);
        }
        there.then(|| format!("somebody's rule forwards to the {role} slot")).into_iter().collect()
    }

    /// Whether something beside the rule has led to a slot for so long.
    pub fn is_entered(&self, role: Role, span: Duration) -> bool {
        let since = |after: Duration| self.shares[0].0 + after;
        self.mishaps.entrance.is_some_and(|(to, after)| to == role && self.now >= since(after) + span)
    }

    /// Tasks stop, and the new release is what it is.
    fn tasks_come_and_go(&mut self, die: &mut Die) {
        let serves = self.share() > Share::NONE;
        let runs = self.candidate.desired > 0 && self.candidate.task_definition == RELEASE;
        let bad = matches!(self.mishaps.candidate, Candidate::NeverHealthy | Candidate::Crashing);
        let lasts = self.now.since(self.candidate.since);
        if runs && bad && self.mishaps.breaker && self.aws.is_none() && lasts > GIVEN_UP_AFTER {
            self.hits.hit(Point::CandidateGivenUp);
            self.given_up = true;
            BEFORE.clone_into(&mut self.candidate.task_definition);
            self.candidate.since = self.now;
        }
        match self.mishaps.candidate {
            Candidate::Failing if serves => self.hits.hit(Point::CandidateFails),
            Candidate::NeverHealthy if runs => self.hits.hit(Point::CandidateNeverHealthy),
            Candidate::Crashing if runs => self.hits.hit(Point::CandidateCrashes),
            Candidate::Sick if serves && die.chance(0.05) => {
                self.hits.hit(Point::CandidateLosesTasks);
                self.candidate.lost = (self.candidate.lost + 1).min(FULL);
            }
            _ => {}
        }
        if die.chance(self.mishaps.stable_ails) {
            self.stable.lost = die.one_of(&[0, 1, 2, FULL]);
            if self.stable.lost > 0 {
                self.hits.hit(Point::StableLosesTasks);
            }
        }
        if self.healthy(Role::Stable) == 0 && self.share() < Share::ALL {
            self.hits.hit(Point::StableBarren);
        }
    }

    fn fleet(&self) -> Fleet {
        Fleet { stable: self.capacity(Role::Stable), candidate: self.capacity(Role::Candidate) }
    }

    fn capacity(&self, role: Role) -> Capacity {
        let tasks = self.tasks(role);
        let age = self.now.since(tasks.since);
        let crashes = self.mishaps.candidate == Candidate::Crashing && tasks.task_definition == RELEASE;
        let failed =
            if crashes && tasks.desired > 0 { u32::try_from(age.as_secs() / 15).unwrap_or(u32::MAX) } else { 0 };
        let stop =
            Stopped { task: "1".into(), at: self.now, reason: "exit code 1".into(), task_definition: RELEASE.into() };
        Capacity {
            desired: tasks.desired,
            running: tasks.desired,
            healthy: self.healthy(role),
            task_definition: tasks.task_definition.clone(),
            settled: age >= START_UP,
            failed,
            stopped: if failed > 0 { vec![stop] } else { Vec::new() },
            given_up: (role == Role::Candidate && self.given_up && age < SHOWS_FOR).then(given_up),
        }
    }

    fn gate_reading(&mut self, gate: usize, look: &Look, die: &mut Die) -> Reading {
        match self.gates[gate].check {
            Check::Compare(_) | Check::Split(_) => Reading::Counts(traffic::counted(self, look, die)),
            Check::Alarm(_) => self.alarm_reading(look.since),
            Check::Burn(rule) => self.burnt(&rule),
            _ => self.error_rate(look.since, die),
        }
    }
}

fn given_up() -> GivenUp {
    GivenUp { task_definition: RELEASE.into(), why: "circuit breaker".into() }
}
