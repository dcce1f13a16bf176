//! What a rollout is doing: in words for people, and in one word for programs.

use crate::machine::{Doing, Phase, Progress};
use crate::plan::Plan;

/// What it is doing, in a few words.
pub(super) fn words(doing: Doing) -> &'static str {
    match doing {
        Doing::NotStarted => "not started",
        Doing::Reading => "reading the world before the write",
        Doing::Writing => "writing the weights",
        Doing::AskingAws => "asking AWS",
        Doing::AwaitingTasks => "waiting for healthy tasks",
        Doing::AwaitingEnd => "waiting until AWS has ended the deployment",
        Doing::Probing => "probing",
        Doing::Holding => "holding",
        Doing::AwaitingData => "holding until the gates have data",
        Doing::Comparing => "comparing",
        Doing::Raising => "raising the share",
        Doing::AwaitingApproval => "waiting for approval",
        Doing::AwaitingQuiet => "waiting until the old stable slot has no requests left",
        Doing::Counting => "counting what the candidate served",
        Doing::Draining => "going back: waiting for the write in flight",
        Doing::Back(phase) => back(phase),
        Doing::Promoted => "promoted",
        Doing::RolledBack => "rolled back",
        Doing::Stranded => "stranded: a person is needed",
    }
}

fn back(phase: Phase) -> &'static str {
    match phase {
        Phase::Checking => "going back: reading the rule and the targets",
        Phase::Reviving => "going back: giving the stable slot its tasks",
        Phase::Routing => "going back: giving the traffic to the stable slot",
        Phase::Verifying => "going back: reading back",
        Phase::Marking => "traffic is back; saying so on the rule",
        Phase::Disarming => "traffic is back; removing the dead-man's switch",
        Phase::Quieting => "traffic is back; waiting until the candidate has no requests left",
        Phase::Restoring => "traffic is back; restoring the candidate slot",
        Phase::Freeing => "traffic is back; setting autoscaling back",
        Phase::Mending => "traffic is back; restoring stickiness",
        Phase::Unmarking => "traffic is back; taking the beacon off the rule",
        Phase::Counting => "traffic is back; counting what the candidate served",
    }
}

/// The one word by which programs know it.
pub(super) fn kind(doing: Doing) -> &'static str {
    match doing {
        Doing::NotStarted => "not_started",
        Doing::Reading => "reading",
        Doing::Writing => "writing",
        Doing::AskingAws => "asking_aws",
        Doing::AwaitingTasks => "awaiting_tasks",
        Doing::AwaitingEnd => "awaiting_end",
        Doing::Probing => "probing",
        Doing::Holding => "holding",
        Doing::AwaitingData => "awaiting_data",
        Doing::Comparing => "comparing",
        Doing::Raising => "raising",
        Doing::AwaitingApproval => "awaiting_approval",
        Doing::AwaitingQuiet => "awaiting_quiet",
        Doing::Counting => "counting",
        Doing::Draining => "back_draining",
        Doing::Back(Phase::Checking) => "back_reading",
        Doing::Back(Phase::Reviving) => "back_reviving",
        Doing::Back(Phase::Routing) => "back_writing",
        Doing::Back(Phase::Verifying) => "back_verifying",
        Doing::Back(Phase::Marking) => "back_marking",
        Doing::Back(Phase::Disarming) => "back_disarming",
        Doing::Back(Phase::Quieting) => "back_awaiting_quiet",
        Doing::Back(Phase::Restoring) => "back_restoring",
        Doing::Back(Phase::Freeing) => "back_freeing_scaling",
        Doing::Back(Phase::Mending) => "back_restoring_stickiness",
        Doing::Back(Phase::Unmarking) => "back_removing_beacon",
        Doing::Back(Phase::Counting) => "back_counting",
        Doing::Promoted => "promoted",
        Doing::RolledBack => "rolled_back",
        Doing::Stranded => "stranded",
    }
}

/// The same with the title of the step, on the way forward.
pub fn doing_in_full(progress: &Progress, plan: &Plan) -> String {
    let words = words(progress.doing);
    let is_forward = !matches!(
        progress.doing,
        Doing::NotStarted | Doing::Draining | Doing::Back(_) | Doing::Promoted | Doing::RolledBack | Doing::Stranded
    );
    match plan.steps.get(progress.step).filter(|_| is_forward) {
        Some(step) => format!("{}: {words}", step.title(&plan.gates)),
        None => words.to_owned(),
    }
}
