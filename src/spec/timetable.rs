//! A strategy in the words of AWS's own deployments, which know three timetables and no others.

use std::time::Duration;

use super::model::{DriverSpec, StepSpec, Strategy};
use crate::domain::driver::{Shares, Timetable};
use crate::domain::traffic::Share;

/// Whether AWS, which counts minutes, can be told `span`.
pub(super) fn is_whole_minutes(span: Duration) -> bool {
    span.subsec_nanos() == 0 && span.as_secs().is_multiple_of(60)
}

/// `span`, or the next whole number of minutes; at least one.
pub(super) fn up_to_minutes(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs().div_ceil(60).max(1) * 60)
}

/// One share that is kept, and what keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    /// The share.
    pub(super) share: Share,
    /// The index of the step that shifts, and of the last step before the next shift.
    pub(super) steps: (usize, usize),
    /// How long its holds are together.
    pub(super) hold: Duration,
    /// How long a person may take.
    pub(super) approval: Duration,
}

/// The shares of a canary below everything.
pub(super) fn stages(steps: &[StepSpec]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if let StepSpec::Shift(share) = step {
            let steps = (index, index);
            stages.push(Stage { share: *share, steps, hold: Duration::ZERO, approval: Duration::ZERO });
        } else if let Some(stage) = stages.last_mut() {
            stage.steps.1 = index;
            match step {
                StepSpec::Hold(span) => stage.hold += *span,
                StepSpec::Approve { within, .. } => stage.approval += *within,
                StepSpec::Shift(_) => {}
            }
        }
    }
    stages.retain(|stage| stage.share < Share::ALL);
    stages
}

/// The first of `stages` that breaks off the equal steps up to everything.
pub(super) fn odd_one(stages: &[Stage]) -> Option<usize> {
    let step = stages.first()?.share.permille();
    let odd = |(n, stage): (usize, &Stage)| usize::from(stage.share.permille()) != usize::from(step) * (n + 1);
    let last = stages.len() - 1;
    let ends = stages[last].share.permille() + step >= Share::ALL.permille();
    stages.iter().enumerate().position(odd).or((!ends).then_some(last))
}

/// The strategy in AWS's words, where AWS has any for it. A share that is kept for different times is kept for the
/// shortest: a pause makes up the rest.
pub fn timetable(strategy: &Strategy, driver: &DriverSpec) -> Option<Timetable> {
    let Shares::Timetables { every: most, .. } = driver.kind().can().shares else { return None };
    let kept = |span: Duration| Duration::from_secs(span.min(most).as_secs() / 60 * 60);
    match strategy {
        Strategy::BlueGreen { .. } | Strategy::Linear { step: Share::ALL, .. } => Some(Timetable::AllAtOnce),
        Strategy::Linear { step, every, .. } => Some(Timetable::Linear { step: *step, every: kept(*every) }),
        Strategy::Canary { steps, .. } => {
            let stages = stages(steps);
            let every = kept(stages.iter().map(|stage| stage.hold).min().unwrap_or_default());
            match stages.as_slice() {
                [] => Some(Timetable::AllAtOnce),
                [only] => Some(Timetable::Canary { first: only.share, every }),
                [first, ..] => odd_one(&stages).is_none().then_some(Timetable::Linear { step: first.share, every }),
            }
        }
        Strategy::HarmBudget { .. } => None,
    }
}
