//! A deployment of the release that ECS ends by itself: its circuit breaker or an alarm gives it up, or a person stops it.
//! Then the service is back on the revision before, whose tasks say nothing of the release, and nothing is sent again.

use crate::domain::fleet::{Capacity, Role, Stopped};
use crate::domain::name::last_part;
use crate::machine::limits::{DRIFTS, STALE_WITHIN};
use crate::machine::why::Reason;
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
            let why = self.why_ended(candidate, failed);
            self.breach(Reason::Deployment { why }, out);
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

    fn why_ended(&self, candidate: &Capacity, failed: Option<String>) -> String {
        let service = &self.plan.target.place(Role::Candidate).service;
        let runs = last_part(&candidate.task_definition);
        let ended = match failed {
            Some(why) => format!("ECS gave up the release on {service}: {why}"),
            None if runs.is_empty() => {
                format!("{service} has no tasks of the release any more, and nobody here took them")
            }
            None => format!(
                "{service} is back on {runs}, where nobody here sent it: its circuit breaker, an alarm or a person ended \
                 the deployment of the release"
            ),
        };
        self.with_last_stop(ended, Some(candidate))
    }

    /// `why`, and why a task of the release stopped last.
    pub(in crate::machine) fn with_last_stop(&self, why: String, seen: Option<&Capacity>) -> String {
        let candidate = seen.or(self.memory.slots.fleet.as_ref().map(|(_, fleet)| &fleet.candidate));
        match candidate.and_then(|candidate| self.last_stop(candidate)) {
            Some(Stopped { task, reason, .. }) => format!("{why}; its task {task} stopped: {reason}"),
            None => why,
        }
    }

    fn last_stop<'a>(&self, candidate: &'a Capacity) -> Option<&'a Stopped> {
        candidate.stopped.iter().find(|stop| self.runs_release(&stop.task_definition))
    }
}
