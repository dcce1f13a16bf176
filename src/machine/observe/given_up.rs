//! A deployment of the release that ECS ends by itself: its circuit breaker or an alarm gives it up, or a person stops it.
//! Then the service is back on the revision before, whose tasks say nothing of the release, and nothing is sent again.

use crate::domain::fleet::{Capacity, Role, Stopped};
use crate::domain::name::last_part;
use crate::machine::limits::{DRIFTS, STALE_WITHIN};
use crate::machine::why::{DeploymentEnd, EndSeen, Reason};
use crate::machine::{Machine, Reaction};

impl Machine {
    /// What the candidate's service says of the release's deployment.
    pub(in crate::machine) fn examine_release(&mut self, candidate: &Capacity, out: &mut Reaction) {
        let runs = self.runs_release(&candidate.task_definition);
        let failed = self.gave_up(candidate, runs);
        if runs && failed.is_none() {
            (self.memory.slots.brought, self.memory.slots.setbacks) = (true, 0);
            return;
        }
        let brought = self.memory.slots.brought;
        // A failure may be an earlier try's until the release was seen to come up, or our write must have landed.
        let late = self.memory.now.since(self.memory.slots.asked) > STALE_WITHIN;
        let counts = failed.is_some() && (brought || (runs && late && candidate.desired == self.memory.slots.wanted));
        let reverted = brought && !runs && self.is_back(candidate);
        if !counts && !reverted {
            self.memory.slots.setbacks = 0;
            return;
        }
        self.memory.slots.setbacks += 1;
        // A read may be old that only shows the revision before, and so may one soon after our write.
        if (counts && late) || self.memory.slots.setbacks >= DRIFTS {
            let reason = self.ended(self.end_of(candidate, failed), Some(candidate));
            self.breach(reason, out);
        }
    }

    /// Why ECS gave the release's deployment up, if that shows.
    fn gave_up(&self, candidate: &Capacity, runs: bool) -> Option<String> {
        let given_up = candidate.given_up.as_ref()?;
        let is_it = self.runs_release(&given_up.task_definition) || (given_up.task_definition.is_empty() && !runs);
        is_it.then(|| given_up.why.trim_end_matches('.').to_owned())
    }

    /// Whether the service is where ECS brings it back to. What else it runs, somebody else deployed.
    fn is_back(&self, candidate: &Capacity) -> bool {
        let runs = &candidate.task_definition;
        runs.is_empty() || self.ran_before(runs) || self.last_stop(candidate).is_some()
    }

    fn end_of(&self, candidate: &Capacity, failed: Option<String>) -> EndSeen {
        let service = self.plan.target.place(Role::Candidate).service.clone();
        let runs = last_part(&candidate.task_definition).to_owned();
        match failed {
            Some(why) => EndSeen::GivenUp { service, why },
            None if runs.is_empty() => EndSeen::NoTasks { service },
            None => EndSeen::Reverted { service, runs },
        }
    }

    /// That AWS's own deployment ended, with the task of the release that stopped last.
    pub(in crate::machine) fn ended(&self, seen: EndSeen, candidate: Option<&Capacity>) -> Reason {
        let candidate = candidate.or(self.memory.slots.fleet.as_ref().map(|(_, fleet)| &fleet.candidate));
        let last_stop = candidate.and_then(|candidate| self.last_stop(candidate)).cloned();
        Reason::Deployment(Box::new(DeploymentEnd { seen, last_stop }))
    }

    fn last_stop<'a>(&self, candidate: &'a Capacity) -> Option<&'a Stopped> {
        candidate.stopped.iter().find(|stop| self.runs_release(&stop.task_definition))
    }
}
