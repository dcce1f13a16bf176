//! Strategies said in the words of AWS's own deployments, which know three timetables and no others.

use std::time::Duration;

use super::refusal::Refusal;
use crate::driver::{CodeDeployment, Driver, EcsDeployment, Timetable};
use crate::fleet::Survey;
use crate::spec::{DriverSpec, Spec, StepSpec, Strategy};
use crate::traffic::Share;

/// The driver of a spec, with what AWS is to be asked for.
///
/// # Errors
/// What the driver cannot do, and the nearest that it can.
pub(super) fn driver(spec: &Spec, survey: &Survey) -> Result<Driver, Vec<Refusal>> {
    match &spec.driver {
        DriverSpec::Pair => Ok(Driver::Pair),
        DriverSpec::TaskSets => Ok(Driver::TaskSets),
        DriverSpec::Ecs { pause } => {
            Ok(Driver::Ecs(EcsDeployment { timetable: timetable(&spec.strategy)?, pause: *pause }))
        }
        DriverSpec::CodeDeploy { .. } => {
            let timetable = timetable(&spec.strategy)?;
            let Some(found) = &survey.code_deploy else { return Err(vec![no_group(spec)]) };
            let (application, group) = (found.application.clone(), found.group.clone());
            Ok(Driver::CodeDeploy(CodeDeployment { application, group, timetable }))
        }
    }
}

fn no_group(spec: &Spec) -> Refusal {
    Refusal {
        wrong: format!("no CodeDeploy deployment group deploys service {}", spec.target.blue.service),
        help: Some("create one for the service, or name it in the spec".to_owned()),
    }
}

fn timetable(strategy: &Strategy) -> Result<Timetable, Vec<Refusal>> {
    match strategy {
        Strategy::BlueGreen { .. } => Ok(Timetable::AllAtOnce),
        Strategy::Linear { step, every, .. } => Ok(Timetable::Linear { step: *step, every: whole_minutes(*every) }),
        Strategy::Canary { steps, .. } => canary(steps).ok_or_else(|| {
            vec![Refusal {
                wrong: "AWS's own deployments know no such list of shares".to_owned(),
                help: Some("one share and a hold, or equal steps with equal holds".to_owned()),
            }]
        }),
        Strategy::HarmBudget { .. } => Err(vec![Refusal {
            wrong: "AWS's own deployments cannot follow a harm budget, which chooses every share anew".to_owned(),
            help: Some("say `linear` or `canary`".to_owned()),
        }]),
    }
}

/// The timetable of a list of steps, if AWS has one.
fn canary(steps: &[StepSpec]) -> Option<Timetable> {
    let shares: Vec<Share> =
        steps.iter().filter_map(|step| if let StepSpec::Shift(share) = step { Some(*share) } else { None }).collect();
    let hold = steps.iter().find_map(|step| if let StepSpec::Hold(span) = step { Some(*span) } else { None });
    match shares.iter().filter(|share| **share < Share::ALL).copied().collect::<Vec<_>>().as_slice() {
        [] => Some(Timetable::AllAtOnce),
        [first] => Some(Timetable::Canary { first: *first, every: whole_minutes(hold.unwrap_or_default()) }),
        _ => None,
    }
}

fn whole_minutes(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs().div_ceil(60) * 60)
}
