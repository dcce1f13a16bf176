//! The driver of a plan: what the spec asks of it, and whom it is asked of.

use super::refused::{PlanRefusal, refusal};
use crate::domain::driver::{CodeDeployment, Driver, EcsDeployment};
use crate::domain::fleet::Survey;
use crate::spec::{DriverDemand, DriverSpec, Spec, misfits, timetable};

/// The driver of a spec, with what AWS is to be asked for.
///
/// # Errors
/// What the driver cannot do, and the nearest that it can.
pub(super) fn driver(spec: &Spec, survey: &Survey) -> Result<Driver, Vec<PlanRefusal>> {
    let misfits = misfits(&DriverDemand::of(spec));
    if !misfits.is_empty() {
        return Err(misfits.into_iter().map(|misfit| refusal(misfit.wrong, misfit.help)).collect());
    }
    let timetable = timetable(&spec.strategy, &spec.driver);
    match (&spec.driver, timetable) {
        (DriverSpec::Pair, _) => Ok(Driver::Pair),
        (DriverSpec::TaskSets, _) => Ok(Driver::TaskSets),
        (DriverSpec::Ecs { pause }, Some(timetable)) => Ok(Driver::Ecs(EcsDeployment { timetable, pause: *pause })),
        (DriverSpec::CodeDeploy { .. }, Some(timetable)) => {
            let Some(found) = &survey.code_deploy else { return Err(vec![no_group(spec)]) };
            let (application, group) = (found.application.clone(), found.group.clone());
            Ok(Driver::CodeDeploy(CodeDeployment { application, group, timetable }))
        }
        // What AWS has no timetable for does not fit.
        (DriverSpec::Ecs { .. } | DriverSpec::CodeDeploy { .. }, None) => Err(Vec::new()),
    }
}

fn no_group(spec: &Spec) -> PlanRefusal {
    let service = &spec.target.blue.service;
    let named = match &spec.driver {
        DriverSpec::CodeDeploy { application, group } => [("application", application), ("group", group)]
            .iter()
            .filter_map(|(word, name)| name.as_ref().map(|name| format!(" of {word} {name}")))
            .collect(),
        DriverSpec::Pair | DriverSpec::TaskSets | DriverSpec::Ecs { .. } => String::new(),
    };
    refusal(
        format!("no CodeDeploy deployment group{named} deploys service {service}"),
        "create one for the service, or name the right `application` and `group` under `driver.codedeploy`",
    )
}
