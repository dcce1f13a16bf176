//! Which calls of AWS's a plan makes: the writes by what its steps do, the reads by how often it looks.

use std::time::Duration;

use super::step::{Action, Plan};
use crate::domain::driver::DriverKind;
use crate::gate::Check;

/// Reads a minute between steps: the rule and the gates' data in each of four looks, tasks and targets in one, which
/// is three calls. `machine/observe/poll.rs` has the account of it.
pub const READS_A_MINUTE: u32 = 11;
/// The same while a gate compares by stretches of ten seconds.
pub const FAST_READS_A_MINUTE: u32 = 15;
/// How often a living runner pushes the dead-man's switch on, at most.
const PUSHED: Duration = Duration::from_secs(60);
/// How often a ramp may raise the weight, at most.
const RAISED: Duration = Duration::from_secs(60);

/// One kind of write, and how often it is made on the way forward when nothing fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service and its operation, as policies say it: `ecs:UpdateService`.
    pub operation: &'static str,
    /// How often.
    pub times: u64,
    /// Whether that is an upper bound, because it goes with time.
    pub at_most: bool,
}

/// What a plan writes on its way forward, by step.
pub fn writes(plan: &Plan) -> Vec<Call> {
    let mut found = Vec::new();
    for step in &plan.steps {
        for (operation, times, at_most) in of_step(plan, &step.action, step.within) {
            add(&mut found, Call { operation, times, at_most });
        }
    }
    if plan.dead_man.is_some() {
        let (_, most) = plan.duration();
        add(&mut found, Call { operation: "scheduler:UpdateSchedule", times: per(most, PUSHED), at_most: true });
    }
    if plan.writer_role.is_some() {
        let routed = found.iter().find(|call| call.operation == MODIFY).map_or(0, |call| call.times);
        add(&mut found, Call { operation: "sts:AssumeRole", times: routed, at_most: true });
    }
    found
}

/// How many reads a minute it makes between steps.
pub fn reads_a_minute(plan: &Plan) -> u32 {
    let fast = plan.gates.iter().any(|gate| match &gate.check {
        Check::Compare(rule) => rule.feed.span() < Duration::from_secs(15),
        _ => false,
    });
    if fast { FAST_READS_A_MINUTE } else { READS_A_MINUTE }
}

const MODIFY: &str = "elasticloadbalancing:ModifyRule";

fn add(found: &mut Vec<Call>, call: Call) {
    if call.times == 0 {
        return;
    }
    match found.iter_mut().find(|known| known.operation == call.operation) {
        Some(known) => {
            known.times += call.times;
            known.at_most |= call.at_most;
        }
        None => found.push(call),
    }
}

fn per(span: Duration, every: Duration) -> u64 {
    span.as_secs() / every.as_secs().max(1)
}

/// Operation, how often, and whether that is at most.
type Made = (&'static str, u64, bool);

fn of_step(plan: &Plan, action: &Action, within: Duration) -> Vec<Made> {
    let kind = plan.driver.kind();
    let once = |operation| vec![(operation, 1, false)];
    let scaled = plan.before.scaling.len() as u64;
    match action {
        Action::Register => once("ecs:RegisterTaskDefinition"),
        Action::Secure => {
            let switch = u64::from(plan.dead_man.is_some());
            vec![
                ("elasticloadbalancing:AddTags", 1, false),
                ("application-autoscaling:RegisterScalableTarget", scaled, false),
                ("scheduler:CreateSchedule", switch, false),
            ]
        }
        Action::Prepare(_) => match kind {
            DriverKind::Pair | DriverKind::Ecs => once("ecs:UpdateService"),
            DriverKind::TaskSets => once("ecs:CreateTaskSet"),
            DriverKind::CodeDeploy => once("codedeploy:CreateDeployment"),
        },
        Action::Shift(_) => match kind {
            DriverKind::Pair | DriverKind::TaskSets => once(MODIFY),
            DriverKind::Ecs => once("ecs:ContinueServiceDeployment"),
            DriverKind::CodeDeploy => vec![("codedeploy:ContinueDeployment", 1, true)],
        },
        Action::Ramp { .. } => vec![(MODIFY, per(within, RAISED), true)],
        Action::Commit => {
            let switch = u64::from(plan.dead_man.is_some());
            vec![("scheduler:DeleteSchedule", switch, false), ("elasticloadbalancing:AddTags", 1, false)]
        }
        Action::Retire => match kind {
            DriverKind::TaskSets => {
                vec![("ecs:UpdateServicePrimaryTaskSet", 1, false), ("ecs:DeleteTaskSet", 1, false)]
            }
            _ => once("ecs:UpdateService"),
        },
        Action::Conclude => match kind {
            DriverKind::CodeDeploy => vec![("codedeploy:ContinueDeployment", 1, true)],
            _ => vec![("ecs:ContinueServiceDeployment", 1, true)],
        },
        Action::Settle => vec![
            ("application-autoscaling:RegisterScalableTarget", scaled, false),
            ("elasticloadbalancing:RemoveTags", 1, false),
        ],
        Action::Probe(_) | Action::Hold(_) | Action::Watch(_) | Action::Approve(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diagram::sample::secured;

    fn times(plan: &Plan, operation: &str) -> Option<(u64, bool)> {
        writes(plan).iter().find(|call| call.operation == operation).map(|call| (call.times, call.at_most))
    }

    #[test]
    fn every_step_that_writes_is_counted() {
        let mut plan = secured();
        assert_eq!(times(&plan, MODIFY), Some((2, false)));
        assert_eq!(times(&plan, "ecs:UpdateService"), Some((2, false)));
        assert_eq!(times(&plan, "ecs:RegisterTaskDefinition"), Some((1, false)));
        assert!(times(&plan, "scheduler:UpdateSchedule").is_some_and(|(times, at_most)| times > 30 && at_most));
        plan.dead_man = None;
        assert_eq!(times(&plan, "scheduler:UpdateSchedule"), None);
        plan.driver = crate::domain::driver::Driver::TaskSets;
        assert_eq!(times(&plan, "ecs:CreateTaskSet"), Some((1, false)));
        assert_eq!(times(&plan, "ecs:UpdateService"), None);
    }
}
