//! Makes a task set, scales it, makes it primary, deletes it.

use aws_sdk_ecs::types::{Scale, Service, TaskSet};
use sha2::{Digest, Sha256};

use super::behind::{is_behind, set_behind};
use super::{is_going, is_primary};
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::{ecs, task_sets};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::domain::name::same_definition;
use crate::domain::text::hex;
use crate::domain::traffic::Share;

/// The longest `clientToken` (CreateTaskSet), in characters, is 36; a fingerprint of this many tells rollouts apart.
const TOKEN_LENGTH: usize = 32;
/// A scale of everything, in percent.
const WHOLE: f64 = 100.0;

impl AlbDriver {
    /// Gives a slot's task set `count` tasks. None for the stable slot is the end of the rollout: the candidate's set
    /// becomes the primary one, and the stable slot's goes.
    pub(in crate::cloud) async fn write_sets(
        &self,
        role: Role,
        count: u32,
        definition: Option<&str>,
    ) -> Result<(), Fault> {
        let service = self.unless_way("DescribeServices", self.one_service(&self.aws.reading)).await?;
        match (role, count) {
            (Role::Candidate, 0) => self.empty(&service, Role::Candidate).await,
            (Role::Stable, 0) => self.hand_over(&service).await,
            (_, count) => self.fill(&service, (role, count), definition).await,
        }
    }

    async fn fill(&self, service: &Service, (role, count): (Role, u32), definition: Option<&str>) -> Result<(), Fault> {
        let mut desired = u32::try_from(service.desired_count).unwrap_or_default();
        if count > desired {
            // No percentage of what is wanted gives more than all of it.
            self.fence.decide(role == Role::Candidate);
            let update = ecs::Update { count, task_definition: None, anew: false };
            ecs::update(&self.aws.writing.ecs, self.of().cluster, self.of().service, update).await?;
            desired = count;
        }
        let (percent, group) = (percent(count, desired), &self.target.place(role).target_group);
        let there = set_behind(service, group).filter(|set| !is_going(set));
        let fits = |set: &&TaskSet| {
            definition.is_none_or(|wanted| same_definition(set.task_definition().unwrap_or_default(), wanted))
        };
        match there {
            Some(set) if role == Role::Stable || fits(&set) => {
                // The stable slot is given tasks, never fewer.
                let now = scale(set);
                if now < percent || (now > percent && role == Role::Candidate) {
                    self.fence.decide(role == Role::Candidate);
                    task_sets::set_scale(&self.aws.writing.ecs, self.of(), id(set), percent).await?;
                }
                return Ok(());
            }
            Some(_) => self.clear(service).await?,
            None => {}
        }
        self.make(service, (role, percent), definition.unwrap_or_default()).await
    }

    /// Makes a slot's task set, like the one that serves. A repeated call makes no second one.
    async fn make(&self, service: &Service, (role, percent): (Role, f64), definition: &str) -> Result<(), Fault> {
        let refuse = |words: &str| Fault::new(FaultKind::Permanent, "CreateTaskSet", words);
        let sets = service.task_sets();
        let like = sets.iter().find(|set| is_primary(set)).or_else(|| sets.first());
        let like = like.ok_or_else(|| refuse("the service has no task set that another could be like"))?;
        let rollout = self.rollout_id().ok_or_else(|| refuse("this driver serves no rollout"))?;
        let group = &self.target.place(role).target_group;
        let token = hex(Sha256::digest(format!("{rollout} {group} {definition}")));
        let new = task_sets::New {
            like,
            target_group: group,
            task_definition: definition,
            percent,
            token: &token[..TOKEN_LENGTH],
        };
        self.fence.decide(role == Role::Candidate);
        task_sets::create(&self.aws.writing.ecs, self.of(), new).await
    }

    /// Removes what an earlier release left behind in the candidate's slot; never while it has traffic.
    async fn clear(&self, service: &Service) -> Result<(), Fault> {
        let seen = self.unless_way("DescribeRules", self.rule_before_write()).await?;
        if seen.share != Some(Share::NONE) {
            let words = format!("the slot holds another release, which has traffic: {}", seen.text);
            return Err(Fault::new(FaultKind::Permanent, "DeleteTaskSet", words));
        }
        self.empty(service, Role::Candidate).await
    }

    /// The candidate's task set is what the service is from now on, and the stable slot's goes.
    async fn hand_over(&self, service: &Service) -> Result<(), Fault> {
        let group = &self.target.candidate.target_group;
        let Some(set) = set_behind(service, group).filter(|set| !is_going(set)) else {
            let words = format!("{} has no task set to take over", self.target.candidate.target_group_name);
            return Err(Fault::new(FaultKind::Permanent, "UpdateServicePrimaryTaskSet", words));
        };
        let ecs = &self.aws.writing.ecs;
        if !is_primary(set) {
            self.fence.decide(true);
            task_sets::promote(ecs, self.of(), id(set)).await?;
        }
        if scale(set) < WHOLE {
            // Autoscaling sets the service's count, and means all of it.
            self.fence.decide(true);
            task_sets::set_scale(ecs, self.of(), id(set), WHOLE).await?;
        }
        let old = |other: &&TaskSet| other.id() != set.id() && is_behind(other, &self.target.stable.target_group);
        for old in service.task_sets().iter().filter(old).filter(|old| !is_going(old)) {
            self.fence.decide(true);
            task_sets::delete(ecs, self.of(), id(old), scale(old) > 0.0).await?;
        }
        Ok(())
    }

    /// Deletes a slot's task sets, but not the primary one.
    async fn empty(&self, service: &Service, role: Role) -> Result<(), Fault> {
        let group = &self.target.place(role).target_group;
        for set in service.task_sets().iter().filter(|set| is_behind(set, group) && !is_going(set)) {
            if is_primary(set) {
                let words = format!("{} is the service's primary task set", id(set));
                return Err(Fault::new(FaultKind::Permanent, "DeleteTaskSet", words));
            }
            self.fence.decide(true);
            task_sets::delete(&self.aws.writing.ecs, self.of(), id(set), scale(set) > 0.0).await?;
        }
        Ok(())
    }
}

fn id(set: &TaskSet) -> &str {
    set.id().unwrap_or_default()
}

/// A task set's scale in percent.
fn scale(set: &TaskSet) -> f64 {
    set.scale().map_or(0.0, Scale::value)
}

/// The percentage of `desired` tasks that gives `count`, in hundredths. ECS rounds the tasks up (`TaskSet`,
/// `computedDesiredCount`), so it is rounded down, and once more where the product would come out a little above
/// `count`: below ten thousand tasks that gives `count`, and never fewer.
pub(super) fn percent(count: u32, desired: u32) -> f64 {
    let hundredths = (u64::from(count) * 10_000 / u64::from(desired.max(1))).min(10_000);
    let of = |hundredths: u64| hundredths as f64 / 100.0;
    let tasks = (f64::from(desired) * of(hundredths) / WHOLE).ceil();
    if tasks > f64::from(count) { of(hundredths.saturating_sub(1)) } else { of(hundredths) }
}
