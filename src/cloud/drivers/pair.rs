//! The `pair` driver: two services, one for each slot, whose tasks are counted and set here. The weights are written to the
//! rule as `cloud/alb` does it.

use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, Service, Task};

use crate::cloud::ReleaseKnown;
use crate::cloud::alb::AlbDriver;
use crate::cloud::alb::fleet::{STOPPED_LIMIT, find, number, told};
use crate::cloud::alb::unproven::{ends_early, primary, strays};
use crate::cloud::aws::{ecs, elbv2};
use crate::domain::fault::Fault;
use crate::domain::fleet::{Capacity, Fleet, GivenUp, Role, Stopped};
use crate::domain::name::same_definition;

impl AlbDriver {
    pub(in crate::cloud) async fn look_at_fleet(&self) -> Result<Fleet, Fault> {
        let (stable, candidate) = (&self.target.stable, &self.target.candidate);
        let names = [stable.service.as_str(), candidate.service.as_str()];
        let polling = &self.aws.polling;
        let ((services, missing), stable_healthy, candidate_healthy) = tokio::try_join!(
            ecs::services(&polling.ecs, &self.target.cluster, &names),
            elbv2::healthy(&polling.elb, &stable.target_group),
            elbv2::healthy(&polling.elb, &candidate.target_group),
        )?;
        let stable = capacity(find(&services, &missing, names[0])?, stable_healthy);
        let service = find(&services, &missing, names[1])?;
        let healthy = candidate_healthy.saturating_sub(of_other_revisions(service));
        let given_up = given_up(service);
        let mut candidate = Capacity { given_up, ..capacity(service, healthy) };
        if ends_early(service) && candidate.desired > 0 {
            let tasks = ecs::running_tasks(&polling.ecs, &self.target.cluster, names[1]).await?;
            let others = u32::try_from(strays(service, &tasks).count()).unwrap_or(u32::MAX);
            candidate.settled &= others == 0;
            candidate.healthy = candidate.healthy.min(candidate_healthy.saturating_sub(others));
        }
        let is_elsewhere = self.is_elsewhere(&candidate).await;
        if candidate.failed > 0 || candidate.running < candidate.desired || candidate.given_up.is_some() || is_elsewhere
        {
            let tasks = ecs::stopped_tasks(&polling.ecs, &self.target.cluster, names[1]).await?;
            candidate.stopped = stopped(service, &tasks);
            let count = u32::try_from(candidate.stopped.len()).unwrap_or(u32::MAX);
            candidate.failed = candidate.failed.max(count);
            if is_elsewhere {
                candidate.stopped = stopped_of_others(&candidate.task_definition, &tasks);
            }
            candidate.stopped.truncate(STOPPED_LIMIT);
        }
        Ok(Fleet { stable, candidate })
    }

    /// Whether a service that is to run the release wants tasks of something else. That what it runs cannot be read
    /// says nothing: it only looks for more evidence.
    async fn is_elsewhere(&self, candidate: &Capacity) -> bool {
        if candidate.desired == 0 || self.ours.release == ReleaseKnown::Unknown {
            return false;
        }
        let ours = self.is_our_release(&self.aws.polling.ecs, &candidate.task_definition).await;
        matches!(ours, Ok(false))
    }

    pub(in crate::cloud) async fn write_scale(
        &self,
        role: Role,
        count: u32,
        definition: Option<&str>,
    ) -> Result<(), Fault> {
        // Capacity is changed under a lease only; the stable slot's own tasks are part of the way back.
        self.fence.decide(role == Role::Candidate || count == 0);
        let service = self.target.place(role).service.as_str();
        let update = match definition {
            Some(definition) => self.unless_way("UpdateService", self.update(service, (count, definition))).await?,
            None => ecs::Update { count, task_definition: None, anew: false },
        };
        ecs::update(&self.aws.writing.ecs, &self.target.cluster, service, update).await
    }

    /// What a service is asked for. One that runs the task definition already is given a count alone: ECS takes no
    /// deregistered revision, and scales services that have one (DeregisterTaskDefinition in the ECS API reference). An idle one
    /// whose deployment of it remembers failed tasks begins anew: a release that is tried again must not be judged on its
    /// last try.
    async fn update<'a>(&self, service: &str, (count, definition): (u32, &'a str)) -> Result<ecs::Update<'a>, Fault> {
        let (services, missing) = ecs::services(&self.aws.reading.ecs, &self.target.cluster, &[service]).await?;
        let found = find(&services, &missing, service)?;
        let idle = found.desired_count == 0 && found.running_count == 0;
        let of_it = |one: &&Deployment| same_definition(one.task_definition().unwrap_or_default(), definition);
        let there = primary(found).filter(of_it);
        let anew = idle && count > 0 && there.is_some_and(|one| one.failed_tasks > 0 || has_failed(one));
        let task_definition = Some(definition).filter(|_| there.is_none() || anew);
        Ok(ecs::Update { count, task_definition, anew })
    }
}

fn capacity(service: &Service, healthy: u32) -> Capacity {
    let primary = primary(service);
    let is_over = |deployment: &Deployment| {
        deployment.rollout_state().is_none_or(|state| *state == DeploymentRolloutState::Completed)
    };
    let alone = service.deployments().len() == 1;
    let complete = service.running_count == service.desired_count;
    Capacity {
        desired: number(service.desired_count),
        running: number(service.running_count),
        healthy,
        task_definition: primary
            .and_then(Deployment::task_definition)
            .or(service.task_definition())
            .unwrap_or_default()
            .to_owned(),
        settled: alone && complete && primary.is_some_and(is_over),
        failed: primary.map_or(0, |deployment| number(deployment.failed_tasks)),
        ..Capacity::default()
    }
}

fn has_failed(deployment: &Deployment) -> bool {
    deployment.rollout_state() == Some(&DeploymentRolloutState::Failed)
}

/// The deployment that ECS gave up: the primary one, or the one whose place another revision has taken. One of what the
/// service runs now is an earlier try.
fn given_up(service: &Service) -> Option<GivenUp> {
    let primary = primary(service)?;
    let others = service.deployments().iter().filter(|one| one.task_definition() != primary.task_definition());
    if let Some(failed) = std::iter::once(primary).chain(others).find(|one| has_failed(one)) {
        let why = failed.rollout_state_reason().unwrap_or("its rolloutState is FAILED").to_owned();
        return Some(GivenUp { task_definition: failed.task_definition().unwrap_or_default().to_owned(), why });
    }
    let why = primary.rollout_state_reason().filter(|why| why.contains("rolling back"))?;
    Some(GivenUp { task_definition: String::new(), why: why.to_owned() })
}

/// Running tasks of other revisions than the primary deployment's: they are healthy targets of the same group.
fn of_other_revisions(service: &Service) -> u32 {
    let Some(primary) = primary(service) else { return 0 };
    let others = service.deployments().iter().filter(|one| one.task_definition() != primary.task_definition());
    others.map(|one| number(one.running_count)).sum()
}

/// Tasks of the primary deployment that stopped by themselves, newest first.
fn stopped(service: &Service, tasks: &[Task]) -> Vec<Stopped> {
    let Some(primary) = primary(service) else { return Vec::new() };
    let ours = |task: &&Task| {
        let deployment = task.started_by().filter(|by| by.starts_with("ecs-svc/"));
        task.task_definition_arn() == primary.task_definition()
            && deployment.is_none_or(|deployment| Some(deployment) == primary.id())
    };
    told(tasks.iter().filter(ours))
}

/// Tasks of other task definitions than this one that stopped by themselves, newest first.
fn stopped_of_others(definition: &str, tasks: &[Task]) -> Vec<Stopped> {
    told(tasks.iter().filter(|task| task.task_definition_arn() != Some(definition)))
}
