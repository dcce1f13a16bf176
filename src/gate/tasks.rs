//! The tasks gate: the candidate's tasks start in time, stay up and pass their health checks.

use std::time::Duration;

use super::{Bound, Measure, Unit, Verdict, Window};
use crate::domain::clock::{Timestamp, span};
use crate::domain::fleet::Capacity;

/// What the candidate's tasks may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TasksRule {
    /// How many tasks may stop by themselves before it is a breach.
    pub crashes: u32,
    /// How long the tasks may take until the load balancer calls them all healthy.
    pub start_within: Duration,
}

impl Default for TasksRule {
    /// Three crashes, five minutes to start.
    fn default() -> Self {
        Self { crashes: 3, start_within: Duration::from_secs(300) }
    }
}

/// The candidate's tasks as one look saw them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TasksReading {
    /// Tasks and targets.
    pub capacity: Capacity,
    /// Tasks the plan wants; zero when it wants none yet.
    pub wanted: u32,
    /// When they were asked for.
    pub asked: Timestamp,
    /// Whether all of them have been healthy once since they were asked for.
    pub started: bool,
}

impl TasksRule {
    pub(super) fn question(&self) -> String {
        format!("tasks are healthy within {} and fewer than {} crash", span(self.start_within), self.crashes)
    }
}

/// What the verdict on the candidate's tasks rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TasksEvidence {
    /// The plan wants none yet.
    NotAskedFor,
    /// Tasks stopped by themselves.
    Crashed {
        /// How many.
        failed: u32,
        /// From how many on it is a breach.
        breach_at: u32,
        /// Why the last one stopped, in AWS's words.
        reason: Option<String>,
    },
    /// Not all of them were healthy in time.
    Late {
        /// How many are.
        healthy: u32,
        /// How many are wanted.
        wanted: u32,
        /// How long they had.
        within: Duration,
        /// Why the last one that stopped did, in AWS's words.
        reason: Option<String>,
    },
    /// So many are healthy.
    Healthy {
        /// How many are.
        healthy: u32,
        /// How many are wanted.
        wanted: u32,
    },
}

impl TasksEvidence {
    pub(super) fn measure(&self) -> Option<Measure> {
        let of = |value: &u32, bound| {
            Some(Measure {
                value: Some(f64::from(*value)),
                bound: Some(bound),
                stable: None,
                samples: None,
                unit: Unit::Tasks,
            })
        };
        match self {
            Self::NotAskedFor => None,
            Self::Crashed { failed, breach_at, .. } => of(failed, Bound::Above(f64::from(breach_at.saturating_sub(1)))),
            Self::Late { healthy, wanted, .. } | Self::Healthy { healthy, wanted } => {
                of(healthy, Bound::Below(f64::from(*wanted)))
            }
        }
    }
}

pub(super) fn judge(rule: &TasksRule, reading: &TasksReading, window: Window<'_>) -> Verdict {
    let capacity = &reading.capacity;
    if reading.wanted == 0 {
        return Verdict::inconclusive(TasksEvidence::NotAskedFor);
    }
    let reason = || capacity.stopped.first().map(|stop| stop.reason.clone());
    let breach_at = rule.crashes.max(1);
    if capacity.failed >= breach_at {
        return Verdict::fail(TasksEvidence::Crashed { failed: capacity.failed, breach_at, reason: reason() });
    }
    let (healthy, wanted) = (capacity.healthy, reading.wanted);
    if !reading.started && window.now.since(reading.asked) > rule.start_within {
        return Verdict::fail(TasksEvidence::Late { healthy, wanted, within: rule.start_within, reason: reason() });
    }
    let evidence = TasksEvidence::Healthy { healthy, wanted };
    if healthy >= wanted { Verdict::pass(evidence, window.now) } else { Verdict::inconclusive(evidence) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fleet::Stopped;
    use crate::gate::Outcome;

    fn verdict(healthy: u32, failed: u32, seconds: u64, started: bool) -> Verdict {
        let start = Timestamp::from_millis(5_000_000);
        let now = start + Duration::from_secs(seconds);
        let reason = "Essential container in task exited (exit code 1)".to_owned();
        let stop =
            |n: u32| Stopped { task: n.to_string(), at: now, reason: reason.clone(), task_definition: String::new() };
        let stopped = (0..failed).map(stop).collect();
        let capacity = Capacity { desired: 4, running: 4, healthy, failed, stopped, ..Capacity::default() };
        let window =
            Window { rollout: start, exposed: None, step: start, deadline: Timestamp::default(), course: &[], now };
        judge(&TasksRule::default(), &TasksReading { capacity, wanted: 4, asked: start, started }, window)
    }

    #[test]
    fn tasks_are_judged_by_health_crashes_and_time() {
        assert_eq!(verdict(4, 0, 60, true).outcome, Outcome::Pass);
        assert_eq!(verdict(2, 0, 60, false).outcome, Outcome::Inconclusive);
        assert_eq!(verdict(2, 0, 400, false).outcome, Outcome::Fail);
        assert_eq!(verdict(3, 0, 400, true).outcome, Outcome::Inconclusive);
        assert_eq!(verdict(4, 2, 60, true).outcome, Outcome::Pass);
    }

    #[test]
    fn a_crash_loop_names_the_reason() {
        let verdict = verdict(0, 3, 30, false);
        assert_eq!(verdict.outcome, Outcome::Fail);
        let reason = Some("Essential container in task exited (exit code 1)".to_owned());
        assert_eq!(verdict.evidence, TasksEvidence::Crashed { failed: 3, breach_at: 3, reason }.into());
    }
}
