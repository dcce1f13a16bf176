//! Tasks and targets of both revisions: the one that the deployment began with is the stable slot's, the one that it
//! brings the candidate's.

use aws_sdk_ecs::types::{Service, ServiceDeployment, ServiceRevisionSummary};

use super::drive::EcsDrive;
use super::state::{self, Way};
use crate::cloud::alb::AlbDriver;
use crate::cloud::alb::fleet::{STOPPED_LIMIT, find, number, stopped_of};
use crate::cloud::aws::{ecs, elbv2, timestamp};
use crate::domain::driver::DeploymentState;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Capacity, Fleet};

impl AlbDriver {
    pub(in crate::cloud) async fn look_at_fleet_of_ecs(&self, drive: &EcsDrive) -> Result<Fleet, Fault> {
        let polling = &self.aws.polling;
        let (cluster, name) = self.service();
        let ((services, missing), ours, stable_healthy, candidate_healthy) = tokio::try_join!(
            ecs::services(&polling.ecs, cluster, std::slice::from_ref(&name)),
            self.our_deployment(drive, &polling.ecs),
            elbv2::healthy(&polling.elb, &self.target.stable.target_group),
            elbv2::healthy(&polling.elb, &self.target.candidate.target_group),
        )?;
        let service = find(&services, &missing, name)?;
        let Some(ours) = ours else {
            let stable = Capacity { healthy: stable_healthy, ..alone(service) };
            return Ok(Fleet { stable, candidate: Capacity { healthy: candidate_healthy, ..Capacity::default() } });
        };
        let (sources, target) = (ours.source_service_revisions(), ours.target_service_revision());
        let arns = sources.iter().chain(target).filter_map(|one| one.arn());
        self.learn_definitions(drive, &polling.ecs, arns).await?;
        let of = |one: Option<&ServiceRevisionSummary>| drive.definition(one.and_then(ServiceRevisionSummary::arn));
        // A deployment that superseded another began with several revisions.
        let served = sources.iter().find(|one| of(Some(one)) == self.ours.stable);
        let source = served.or(sources.first());
        let stable = Capacity {
            desired: source.map_or(0, |one| number(one.requested_task_count())),
            running: source.map_or(0, |one| number(one.running_task_count())),
            healthy: stable_healthy,
            task_definition: of(source),
            settled: true,
            ..Capacity::default()
        };
        let mut candidate =
            Capacity { healthy: candidate_healthy, ..self.brought(drive, (service, &ours), of(target)) };
        if candidate.failed > 0 || candidate.running < candidate.desired {
            let tasks = ecs::stopped_tasks(&polling.ecs, cluster, name).await?;
            let began = ours.created_at().map(timestamp).unwrap_or_default();
            candidate.stopped = stopped_of(&candidate.task_definition, &tasks);
            candidate.stopped.retain(|task| task.at >= began);
            let count = u32::try_from(candidate.stopped.len()).unwrap_or(u32::MAX);
            candidate.failed = candidate.failed.max(count);
            candidate.stopped.truncate(STOPPED_LIMIT);
        }
        Ok(Fleet { stable, candidate })
    }
}

/// A service of which no deployment is ours.
fn alone(service: &Service) -> Capacity {
    Capacity {
        desired: number(service.desired_count),
        running: number(service.running_count),
        task_definition: service.task_definition().unwrap_or_default().to_owned(),
        settled: service.deployments().len() == 1,
        ..Capacity::default()
    }
}

impl AlbDriver {
    /// What the deployment brings. Until ECS says how many tasks it wants of it, it will want those of the service.
    fn brought(
        &self,
        drive: &EcsDrive,
        (service, ours): (&Service, &ServiceDeployment),
        task_definition: String,
    ) -> Capacity {
        let target = ours.target_service_revision();
        let requested = target.map_or(0, |one| number(one.requested_task_count()));
        let running = target.map_or(0, |one| number(one.running_task_count()));
        let forward = state::way(ours) == Way::Forward;
        let desired = if forward && requested == 0 { number(service.desired_count) } else { requested };
        let waits = matches!(state::told(ours, self.pauses(drive)).state, DeploymentState::Waiting { .. });
        let failed = ours.deployment_circuit_breaker().map_or(0, |breaker| number(breaker.failure_count()));
        Capacity {
            desired,
            running,
            task_definition,
            settled: waits || (desired > 0 && running >= desired),
            failed,
            ..Capacity::default()
        }
    }
}
