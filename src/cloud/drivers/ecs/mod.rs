//! The `ecs` driver: ECS moves the weights of one service in a deployment of its own, which is begun, told to go on at
//! each pause, and stopped here.
//!
//! A word is said once and its effect is read at the next look. ECS never waits for long: a pause that nobody answers
//! takes the deployment back.

mod begin;
mod by_rule;
pub(in crate::cloud) mod drive;
pub(in crate::cloud::drivers::ecs) mod find;
mod fleet;
mod restore;
mod state;
pub(in crate::cloud) mod survey;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_sdk_ecs::types::ServiceDeployment;

use self::state::Way;
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::service_deployments as deployments;
use crate::cloud::aws::service_deployments::Begin;
use crate::cloud::aws::{ecs, elbv2};
use crate::cloud::{RouteOrder, Routed};
use crate::domain::driver::Deployment;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Role, RuleSeen};
use crate::domain::name::{last_part, same_definition};
use crate::domain::traffic::Share;
pub use by_rule::stop_deployment;
use drive::EcsDrive;

/// How long a deployment that goes back may leave weight on the candidate before the rule is written here, in time of
/// the world: ECS writes it first of all, unless it brings tasks back before.
const BACK_WITHIN: Duration = Duration::from_secs(60);

impl AlbDriver {
    /// Begins the deployment, or waits for its way back; the stable slot's tasks are the service's.
    pub(in crate::cloud) async fn scale_by_ecs(
        &self,
        drive: &EcsDrive,
        role: Role,
        count: u32,
        definition: Option<&str>,
    ) -> Result<(), Fault> {
        match (role, count, definition) {
            (Role::Candidate, 1.., Some(definition)) => self.begin_by_ecs(drive, count, definition).await,
            (Role::Candidate, _, _) => self.await_return(drive).await,
            (Role::Stable, _, _) => {
                self.fence.decide(count == 0);
                let (cluster, service) = self.service();
                let update = ecs::Update { count, task_definition: None, anew: false };
                ecs::update(&self.aws.writing.ecs, cluster, service, update).await
            }
        }
    }

    async fn begin_by_ecs(&self, drive: &EcsDrive, count: u32, definition: &str) -> Result<(), Fault> {
        const OPERATION: &str = "UpdateService";
        self.fence.decide(true);
        let reading = &self.aws.reading.ecs;
        let (cluster, service) = self.service();
        let there = self.unless_way(OPERATION, self.under_way(drive, reading)).await?;
        if let Some((brief, brings)) = there {
            if same_definition(&brings, definition) {
                return Ok(());
            }
            let arn = brief.service_deployment_arn().unwrap_or_default();
            let words = format!("deployment {arn} of {} is under way", last_part(&brings));
            return Err(Fault::new(FaultKind::Permanent, OPERATION, words));
        }
        let found = self.unless_way(OPERATION, ecs::service(reading, (cluster, service))).await?;
        let missing = || Fault::new(FaultKind::Missing, "DescribeServices", format!("{cluster} has no {service}"));
        let found = found.ok_or_else(missing)?;
        let own = &found["deploymentConfiguration"];
        let before = drive.before.as_ref().unwrap_or(own);
        let configuration = begin::configuration(before, &drive.asked);
        if ![before, &configuration].iter().any(|known| begin::same(own, known)) {
            let words = format!("somebody changed how ECS deploys {service} since the rollout was planned");
            return Err(Fault::new(FaultKind::Permanent, OPERATION, words));
        }
        // What the service runs already would begin nothing.
        let anew = found["taskDefinition"].as_str().is_some_and(|runs| same_definition(runs, definition));
        drive.forget();
        // The stable slot's tasks are the service's: it may have grown since it was planned.
        let now = found["desiredCount"].as_u64().and_then(|now| u32::try_from(now).ok()).unwrap_or_default();
        let count = count.max(now);
        let how = Begin { count, task_definition: definition, configuration, anew };
        deployments::begin(&self.aws.writing.ecs, (cluster, service), how).await
    }

    /// Sees that the deployment goes back, and that it is over.
    async fn await_return(&self, drive: &EcsDrive) -> Result<(), Fault> {
        const OPERATION: &str = "StopServiceDeployment";
        let Some(ours) = self.our_deployment(drive, &self.aws.reading.ecs).await? else { return Ok(()) };
        let fault = |kind, words: String| Err(Fault::new(kind, OPERATION, words));
        match state::way(&ours) {
            Way::Returned => Ok(()),
            Way::Forward => {
                self.stop_by_ecs(&ours).await?;
                fault(FaultKind::Transient, "ECS is told to take its deployment back".to_owned())
            }
            Way::Back => {
                fault(FaultKind::Transient, format!("ECS takes its deployment back, in {}", state::stage(&ours)))
            }
            Way::Left | Way::Done => {
                let status = ours.status().map_or("", |status| status.as_str());
                fault(FaultKind::Permanent, format!("ECS ended its deployment as {status}: {}", state::why(&ours)))
            }
        }
    }

    /// Answers the pause before `order`'s share, if ECS waits there, and says what the rule shows.
    pub(in crate::cloud) async fn go_on_by_ecs(&self, drive: &EcsDrive, order: RouteOrder) -> Result<Routed, Fault> {
        const OPERATION: &str = "ContinueServiceDeployment";
        self.fence.decide_by(true, order.by, self.clock.now());
        let reading = &self.aws.reading.ecs;
        let both = async { tokio::try_join!(self.our_deployment(drive, reading), self.read_rule()) };
        let (ours, seen) = self.unless_way(OPERATION, both).await?;
        let intact = seen.shape == self.recorded.shape;
        if intact && seen.share == Some(order.share) {
            return Ok(Routed::Written(seen));
        }
        let none = || Fault::new(FaultKind::Transient, OPERATION, "ECS has no deployment of the release");
        let ours = ours.ok_or_else(none)?;
        let leads = state::next(&ours) <= order.share;
        let due = intact && seen.share == order.expected && leads;
        let pause = state::pause(&ours, self.pauses(drive));
        if let Some(pause) = pause.filter(|pause| due && !pause.last) {
            self.answer(drive, &ours, pause).await?;
        }
        Ok(Routed::Moving(seen))
    }

    /// Answers a pause once. One that is refused because it is over needs no answer.
    async fn answer(&self, drive: &EcsDrive, ours: &ServiceDeployment, pause: state::Pause<'_>) -> Result<(), Fault> {
        let this = (pause.hook.to_owned(), state::share(ours).permille());
        if drive.with(|memory| memory.answered.as_ref() == Some(&this)) {
            return Ok(());
        }
        let arn = ours.service_deployment_arn().unwrap_or_default();
        match deployments::go_on(&self.aws.writing.ecs, arn, pause.hook).await {
            Ok(()) => {
                drive.with(|memory| memory.answered = Some(this));
                Ok(())
            }
            Err(fault) if fault.kind == FaultKind::Permanent => {
                let now = deployments::describe(&self.aws.reading.ecs, arn).await?;
                let same = now.as_ref().is_some_and(|now| state::pause(now, self.pauses(drive)) == Some(pause));
                if same { Err(fault) } else { Ok(()) }
            }
            Err(fault) => Err(fault),
        }
    }

    /// Stops the deployment so that it goes back; where there is none that could, writes the rule.
    pub(in crate::cloud) async fn go_back_by_ecs(&self, drive: &EcsDrive, order: RouteOrder) -> Result<Routed, Fault> {
        self.fence.decide(false);
        // Who cannot read what ECS does gives the traffic back all the same; ECS is stopped when it is waited for.
        let Ok(ours) = self.our_deployment(drive, &self.aws.reading.ecs).await else {
            return self.write_back(order).await;
        };
        let Some(ours) = ours else { return self.write_back(order).await };
        match state::way(&ours) {
            Way::Forward => match self.stop_by_ecs(&ours).await {
                Ok(()) => {}
                Err(fault) if matches!(fault.kind, FaultKind::Unknown | FaultKind::Transient) => return Err(fault),
                Err(_) => return self.write_back(order).await,
            },
            Way::Back => {}
            Way::Done => return self.write_back(order).await,
            Way::Returned | Way::Left => return self.write_after(drive, order).await,
        }
        let seen = self.rule_seen_at_once().await?;
        if is_back(&seen, order) {
            return Ok(Routed::Written(seen));
        }
        let now = self.clock.now();
        let since = drive.with(|memory| *memory.back_since.get_or_insert(now));
        if now.since(since) > BACK_WITHIN {
            return self.write_back(order).await;
        }
        Ok(Routed::Moving(seen))
    }

    /// The deployment is over: the rule is written, unless somebody's next deployment has it.
    async fn write_after(&self, drive: &EcsDrive, order: RouteOrder) -> Result<Routed, Fault> {
        let theirs = self.under_way(drive, &self.aws.reading.ecs).await;
        if matches!(theirs, Ok(Some(_))) {
            let seen = self.rule_seen_at_once().await?;
            let back = is_back(&seen, order);
            return Ok(if back { Routed::Written(seen) } else { Routed::Foreign(seen) });
        }
        self.write_back(order).await
    }

    /// Tells a deployment to go back. One that is over or goes back already refuses, and that is as good.
    async fn stop_by_ecs(&self, ours: &ServiceDeployment) -> Result<(), Fault> {
        let arn = ours.service_deployment_arn().unwrap_or_default();
        self.fence.decide(false);
        match deployments::go_back(&self.aws.writing.ecs, arn).await {
            Err(fault) if matches!(fault.kind, FaultKind::Permanent | FaultKind::Unknown) => {
                let now = deployments::describe(&self.aws.reading.ecs, arn).await?;
                let heard = now.is_some_and(|now| state::way(&now) != Way::Forward);
                if heard { Ok(()) } else { Err(fault) }
            }
            answer => answer,
        }
    }

    /// Our deployment, and why it goes back where it does.
    pub(in crate::cloud) async fn deployment_of_ecs(&self, drive: &EcsDrive) -> Result<Option<Deployment>, Fault> {
        let ours = self.our_deployment(drive, &self.aws.polling.ecs).await?;
        Ok(ours.as_ref().map(|ours| state::told(ours, self.pauses(drive))))
    }

    /// Answers the last pause.
    pub(in crate::cloud) async fn conclude_by_ecs(&self, drive: &EcsDrive) -> Result<(), Fault> {
        const OPERATION: &str = "ContinueServiceDeployment";
        self.fence.decide(true);
        let read = self.our_deployment(drive, &self.aws.reading.ecs);
        let none = || Fault::new(FaultKind::Transient, OPERATION, "ECS has no deployment of the release");
        let ours = self.unless_way(OPERATION, read).await?.ok_or_else(none)?;
        match state::way(&ours) {
            Way::Done => return Ok(()),
            Way::Forward if state::is_ending(&ours, self.pauses(drive)) => return Ok(()),
            Way::Forward => {}
            // The next look says why.
            Way::Back | Way::Returned | Way::Left => {
                let words = format!("ECS takes its deployment back, in {}", state::stage(&ours));
                return Err(Fault::new(FaultKind::Transient, OPERATION, words));
            }
        }
        match state::pause(&ours, self.pauses(drive)).filter(|pause| pause.last) {
            Some(pause) => self.answer(drive, &ours, pause).await,
            None => {
                let words = format!("ECS is not at its last pause yet, but in {}", state::stage(&ours));
                Err(Fault::new(FaultKind::Transient, OPERATION, words))
            }
        }
    }

    /// By what our pauses are known now.
    pub(in crate::cloud::drivers::ecs) fn pauses(&self, drive: &EcsDrive) -> state::Pauses {
        state::Pauses { minutes: drive.our_minutes(), now: self.clock.now() }
    }

    async fn read_rule(&self) -> Result<RuleSeen, Fault> {
        elbv2::rule(&self.aws.reading.elb, &self.target.rule).await.map(|rule| self.seen(rule.actions()))
    }

    async fn rule_seen_at_once(&self) -> Result<RuleSeen, Fault> {
        self.read_at_once().await.map(|actions| self.seen(&actions))
    }
}

/// Whether the rule says what the way back wants.
fn is_back(seen: &RuleSeen, order: RouteOrder) -> bool {
    seen.share == Some(Share::NONE) && order.sticky.is_none_or(|on| on == seen.sticky)
}
