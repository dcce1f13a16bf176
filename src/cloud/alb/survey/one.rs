//! The survey of a single service that fills both slots, and of what AWS itself has under way on it.

use aws_sdk_ecs::types::{Service, TaskSet};

use super::{AlbSurveyor, Containers};
use crate::cloud::aws::ecs;
use crate::cloud::drivers::codedeploy;
use crate::cloud::drivers::ecs::survey::{misfits, shifts_by_ecs, under_way};
use crate::cloud::{SurveyError, SurveyRequest};
use crate::domain::fleet::{Slot, Survey, TaskSetView};

impl Containers {
    /// Whether both slots are filled by one service.
    pub(super) fn is_one(&self) -> bool {
        self.blue.service_name() == self.green.service_name()
    }
}

impl AlbSurveyor {
    /// The survey of a single service: its tasks and its scalable target are the stable slot's, and no more than one
    /// deployment of it is under way.
    pub(super) async fn of_one(&self, mut survey: Survey, containers: &Containers) -> Result<Survey, SurveyError> {
        let service = &containers.blue;
        let weight = |arn: &str| survey.rule.weights.iter().find(|(group, _)| group == arn).map_or(0, |(_, w)| *w);
        let stable = if weight(&survey.green.place.target_group) > weight(&survey.blue.place.target_group) {
            Slot::Green
        } else {
            Slot::Blue
        };
        let candidate = if stable == Slot::Blue { &mut survey.green } else { &mut survey.blue };
        (candidate.desired, candidate.running) = (0, 0);
        survey.task_sets = service.task_sets().iter().map(task_set).collect();
        if let Ok(scaling) = &mut survey.scaling {
            scaling.retain(|(slot, _)| *slot == stable);
        }
        if shifts_by_ecs(service) {
            let groups = [survey.blue.place.target_group.as_str(), survey.green.place.target_group.as_str()];
            let wrong = misfits(service, &survey.rule.arn, groups);
            if !wrong.is_empty() {
                return Err(SurveyError::NotFound(wrong));
            }
            let at = (survey.cluster.as_str(), survey.blue.place.service.as_str());
            let client = &self.aws.polling.ecs;
            survey.under_way = under_way(client, at).await.map_err(SurveyError::Fault)?;
            let told = ecs::service(client, at).await.map_err(SurveyError::Fault)?;
            let how = told.map(|told| told["deploymentConfiguration"].clone()).filter(|how| !how.is_null());
            survey.deployment_configuration = how.map(|how| how.to_string());
        }
        Ok(survey)
    }

    /// The survey of a service that CodeDeploy deploys: by which group, and what that has on its way.
    pub(super) async fn by_codedeploy(
        &self,
        mut survey: Survey,
        request: &SurveyRequest,
        service: &Service,
    ) -> Result<Survey, SurveyError> {
        let Some(named) = &request.code_deploy else { return Ok(survey) };
        let (deploy, cluster) = (&self.aws.polling.deploy, survey.cluster.clone());
        let at = (cluster.as_str(), service);
        survey.code_deploy = codedeploy::view::view(deploy, at, named).await.map_err(SurveyError::Fault)?;
        if let Some(view) = &survey.code_deploy {
            let going = codedeploy::view::on_its_way(deploy, view, at).await;
            survey.under_way = going.map_err(SurveyError::Fault)?;
        }
        Ok(survey)
    }
}

fn task_set(set: &TaskSet) -> TaskSetView {
    let groups = set.load_balancers().iter().filter_map(|place| place.target_group_arn());
    TaskSetView { id: set.id().unwrap_or_default().to_owned(), target_groups: groups.map(ToOwned::to_owned).collect() }
}
