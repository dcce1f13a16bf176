//! The account's state as the control plane sees it; plain data, cheap to clone, one lock above it.

mod attachment;
mod birth;
pub(crate) mod codedeploy;
mod ecs;
mod elb;
pub(crate) mod routing;
mod scaling;
mod schedule;
mod seed;
mod seed_ecs;
mod service_deployment;
mod service_sets;
mod stage;
mod strategy;
mod task_set;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(super) use self::attachment::*;
pub(super) use self::birth::*;
use self::codedeploy::CodeDeploy;
pub(super) use self::ecs::*;
pub(super) use self::elb::*;
pub(super) use self::scaling::*;
pub(super) use self::schedule::*;
pub(super) use self::seed::*;
pub(super) use self::service_deployment::*;
pub(super) use self::stage::*;
pub(super) use self::strategy::*;
pub(super) use self::task_set::*;
use super::behaviour::Behaviour;
use super::config::ShiftPauses;
use super::metrics::alarm::{Alarm, HistoryItem};
pub(super) use super::names::*;

/// Everything the control plane knows.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Names and ARNs of this account and region.
    pub names: Names,
    /// ECS clusters.
    pub clusters: Vec<Cluster>,
    /// ECS services, inactive ones too until they are replaced.
    pub services: Vec<Service>,
    /// Service revisions, in order of creation.
    pub revisions: Vec<ServiceRevision>,
    /// ECS's own deployments of services that shift traffic, in order of creation.
    pub service_deployments: Vec<ServiceDeployment>,
    /// Task definitions, by ARN in order of registration.
    pub definitions: Vec<TaskDefinition>,
    /// Tasks by id; stopped ones stay for an hour.
    pub tasks: BTreeMap<String, Task>,
    /// Load balancers.
    pub load_balancers: Vec<LoadBalancer>,
    /// Listeners.
    pub listeners: Vec<Listener>,
    /// Rules of all listeners, default rules too.
    pub rules: Vec<Rule>,
    /// Target groups.
    pub groups: Vec<TargetGroup>,
    /// CloudWatch alarms.
    pub alarms: Vec<Alarm>,
    /// What happened to the alarms, newest last.
    pub history: VecDeque<HistoryItem>,
    /// What Application Auto Scaling may scale.
    pub scalable_targets: Vec<ScalableTarget>,
    /// How it does.
    pub scaling_policies: Vec<ScalingPolicy>,
    /// What CodeDeploy keeps.
    pub deploy: CodeDeploy,
    /// EventBridge Scheduler's schedules.
    pub schedules: Vec<Schedule>,
    /// Their groups.
    pub schedule_groups: Vec<ScheduleGroup>,
    /// Tags of every resource, by ARN.
    pub tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Grows with every change that the data plane has to learn of.
    pub routes_version: u64,
    /// How long a task takes to start.
    pub start_up: Duration,
    /// Before which production shifts of a deployment ECS pauses, where a hook asks for it.
    pub shift_pauses: ShiftPauses,
    /// How definitions behave that say nothing about it themselves.
    pub candidate: Behaviour,
    /// Counts what needs a fresh id.
    pub counter: u64,
}

impl Account {
    /// An account with nothing in it.
    pub(crate) fn empty(names: Names, start_up: Duration) -> Account {
        Account {
            names,
            clusters: Vec::new(),
            services: Vec::new(),
            revisions: Vec::new(),
            service_deployments: Vec::new(),
            definitions: Vec::new(),
            tasks: BTreeMap::new(),
            load_balancers: Vec::new(),
            listeners: Vec::new(),
            rules: Vec::new(),
            groups: Vec::new(),
            alarms: Vec::new(),
            history: VecDeque::new(),
            scalable_targets: Vec::new(),
            scaling_policies: Vec::new(),
            deploy: CodeDeploy::default(),
            schedules: Vec::new(),
            schedule_groups: vec![ScheduleGroup { name: DEFAULT_GROUP.to_owned(), created_at: 0 }],
            tags: BTreeMap::new(),
            routes_version: 1,
            start_up,
            shift_pauses: ShiftPauses::default(),
            candidate: Behaviour::default(),
            counter: 0,
        }
    }

    /// The next number for a fresh id.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Finds a cluster by name or ARN; no name means `default`.
    pub(crate) fn cluster(&self, name: Option<&str>) -> Option<&Cluster> {
        let name = name.unwrap_or("default");
        self.clusters.iter().find(|cluster| cluster.arn == name || cluster.name == last(name))
    }

    /// Finds a service of a cluster by name or ARN.
    pub(crate) fn service(&self, cluster: &str, name: &str) -> Option<&Service> {
        let is_it =
            |service: &&Service| service.cluster == cluster && (service.arn == name || service.name == last(name));
        self.services.iter().find(is_it)
    }

    /// Finds a service to change by its ARN.
    pub(crate) fn service_mut(&mut self, arn: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.arn == arn)
    }

    /// Finds a task definition by ARN, `family:revision`, or `family` (its newest active revision).
    pub(crate) fn definition(&self, name: &str) -> Option<&TaskDefinition> {
        let short = last(name);
        let Some((family, revision)) = short.rsplit_once(':') else {
            let of_family = self.definitions.iter().filter(|one| one.family == short && one.is_active);
            return of_family.max_by_key(|one| one.revision);
        };
        let revision: u32 = revision.parse().ok()?;
        self.definitions.iter().find(|one| one.family == family && one.revision == revision)
    }

    /// Finds a target group by ARN.
    pub(crate) fn group(&self, arn: &str) -> Option<&TargetGroup> {
        self.groups.iter().find(|group| group.arn == arn)
    }

    /// Finds a target group to change by its ARN.
    pub(crate) fn group_mut(&mut self, arn: &str) -> Option<&mut TargetGroup> {
        self.groups.iter_mut().find(|group| group.arn == arn)
    }

    /// Finds a listener by ARN.
    pub(crate) fn listener(&self, arn: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.arn == arn)
    }

    /// Finds a load balancer by ARN.
    pub(crate) fn load_balancer(&self, arn: &str) -> Option<&LoadBalancer> {
        self.load_balancers.iter().find(|balancer| balancer.arn == arn)
    }

    /// The load balancers whose rules name a target group.
    pub(crate) fn balancers_of(&self, group: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.groups().any(|arn| arn == group)) {
            let Some(listener) = self.listener(&rule.listener) else { continue };
            if !found.contains(&listener.load_balancer) {
                found.push(listener.load_balancer.clone());
            }
        }
        found
    }

    /// Whether any rule names a target group; only then are its targets checked.
    pub(crate) fn is_in_use(&self, group: &str) -> bool {
        self.rules.iter().any(|rule| rule.groups().any(|arn| arn == group))
    }

    /// Marks that the data plane has something to learn.
    pub(crate) fn routes_changed(&mut self) {
        self.routes_version += 1;
    }
}
