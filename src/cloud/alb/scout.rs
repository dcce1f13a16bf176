//! The look before there is a spec: a service, the rules that could shift its traffic, and the alarms that name them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{CompositeAlarm, Dimension, Metric, MetricAlarm};
use aws_sdk_ecs::types::{DeploymentStrategy, Service, TaskSet};
use aws_sdk_elasticloadbalancingv2::types::{Listener, LoadBalancer, Rule, TargetGroup};

use super::composed::{Composed, composed, ringers};
use super::listener::{conditions, port};
use super::survey::{absent, last_parts};
use super::{actions, alarms, slots};
use crate::cloud::SurveyError;
use crate::cloud::aws::{Aws, cloudwatch, ecs, elbv2};
use crate::domain::fault::Fault;
use crate::domain::fleet::AlarmView;
use crate::domain::name::Arn;

/// How many services one DescribeServices names.
const SERVICES_BATCH: usize = 10;
/// How many services of a cluster are looked at for the other half of a pair.
const SERVICES_LIMIT: usize = 1_000;

/// A service, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// The cluster's name.
    pub cluster: String,
    /// The service.
    pub service: ServiceSeen,
    /// The rules that forward to one of its target groups, in the order of load balancer, port and priority.
    pub rules: Vec<RuleFound>,
    /// What is known of each target group that those rules forward to, by its ARN.
    pub groups: BTreeMap<String, GroupFound>,
}

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSeen {
    /// Its name.
    pub name: String,
    /// The deployment controller, as ECS calls it.
    pub controller: String,
    /// The deployment strategy, `ROLLING` when none is said.
    pub strategy: String,
    /// The task definition that it runs, as an ARN; for task sets that of the primary one.
    pub task_definition: String,
    /// The container that the load balancer sends requests to, and its port.
    pub container: Option<(String, i32)>,
    /// The target groups that it registers its tasks in, by ARN, the one in use first.
    pub groups: Vec<String>,
    /// The rule on which ECS shifts its traffic, where it does.
    pub production_rule: Option<String>,
}

/// A rule that forwards to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFound {
    /// Its ARN.
    pub arn: String,
    /// The load balancer's name.
    pub load_balancer: String,
    /// The load balancer as a metric dimension: `app/web/0123`.
    pub load_balancer_dimension: String,
    /// The listener's port.
    pub port: u16,
    /// The priority; `None` for the default rule.
    pub priority: Option<u32>,
    /// What it matches, in words.
    pub conditions: String,
    /// The target groups that it forwards to, by ARN, with their weights.
    pub groups: Vec<(String, u16)>,
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFound {
    /// Its name.
    pub name: String,
    /// As a metric dimension.
    pub dimension: String,
    /// `HTTP`, `HTTPS`.
    pub protocol: String,
    /// The port of its targets.
    pub port: i32,
    /// `ip`, `instance`.
    pub target_type: String,
    /// The VPC's id.
    pub vpc: String,
    /// `HTTP1`, `HTTP2`, `GRPC`, where its protocol has versions.
    pub protocol_version: Option<String>,
    /// `ipv4`, `ipv6`.
    pub ip_address_type: Option<String>,
    /// Its health check.
    pub health: HealthFound,
    /// Its attributes, as DescribeTargetGroupAttributes tells them.
    pub attributes: BTreeMap<String, String>,
}

impl GroupFound {
    /// The path that its health check asks for.
    pub fn health_path(&self) -> String {
        self.health.path.clone().unwrap_or_else(|| "/".to_owned())
    }
}

/// A target group's health check, as far as AWS tells it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HealthFound {
    /// Whether there is one: a group of Lambda functions can do without.
    pub enabled: Option<bool>,
    /// `HTTP`, `TCP`.
    pub protocol: Option<String>,
    /// `traffic-port`, or a port.
    pub port: Option<String>,
    /// What is asked for.
    pub path: Option<String>,
    /// The codes of a healthy answer, of HTTP or gRPC.
    pub matcher: Option<String>,
    /// Seconds between two.
    pub interval: Option<i32>,
    /// Seconds until one has failed.
    pub timeout: Option<i32>,
    /// How many in a row make a target healthy.
    pub healthy: Option<i32>,
    /// How many make it unhealthy.
    pub unhealthy: Option<i32>,
}

/// An alarm on what a rollout moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmFound {
    /// The alarm.
    pub view: AlarmView,
    /// The metric, when it watches one: `HTTPCode_Target_5XX_Count`.
    pub metric: Option<String>,
    /// What it is made of, when it is a composite alarm.
    pub composed: Option<Composed>,
}

impl Seen {
    /// The name of a target group by its ARN.
    pub fn group_name<'a>(&'a self, arn: &'a str) -> &'a str {
        self.groups.get(arn).map_or_else(|| slots::group_name(arn), |group| group.name.as_str())
    }
}

/// Finds a service and the rules that forward to it.
///
/// # Errors
/// When AWS refuses a read; when there is no such cluster or service, with what is there instead.
pub async fn scout(aws: &Aws, cluster: &str, service: &str) -> Result<Seen, SurveyError> {
    let client = &aws.polling.ecs;
    let (clusters, _) = ecs::clusters(client, cluster).await.map_err(SurveyError::Fault)?;
    let Some(found) = clusters.iter().find(|cluster| cluster.status() != Some("INACTIVE")) else {
        let names = ecs::list_clusters(client).await.map_err(SurveyError::Fault)?;
        return Err(SurveyError::NotFound(vec![absent("ECS cluster", cluster, &last_parts(&names))]));
    };
    let arn = Arn::parse(found.cluster_arn().unwrap_or_default());
    let (region, account) = arn.map_or(("", ""), |arn| (arn.region, arn.account));
    let cluster = found.cluster_name().unwrap_or(cluster).to_owned();
    let service = named(aws, &cluster, service).await?;
    let rules = rules(aws, &service.groups).await.map_err(SurveyError::Fault)?;
    let mut groups = BTreeMap::new();
    let all = rules.iter().flat_map(|rule| rule.groups.iter().map(|(arn, _)| arn)).chain(&service.groups);
    for arn in all {
        if !groups.contains_key(arn) {
            groups.extend(group(aws, arn).await.map_err(SurveyError::Fault)?);
        }
    }
    Ok(Seen { region: region.to_owned(), account: account.to_owned(), cluster, service, rules, groups })
}

/// A target group by its name or ARN, with its ARN; `None` when there is none.
///
/// # Errors
/// When AWS refuses a read.
pub async fn group(aws: &Aws, name: &str) -> Result<Option<(String, GroupFound)>, Fault> {
    let client = &aws.polling.elb;
    let Some(found) = elbv2::target_groups(client, Some(name)).await?.into_iter().next() else { return Ok(None) };
    let arn = found.target_group_arn().unwrap_or(name).to_owned();
    let attributes = elbv2::attributes(client, &arn).await?;
    let said = attributes.iter().filter_map(|one| Some((one.key()?.to_owned(), one.value()?.to_owned())));
    Ok(Some((arn, GroupFound { attributes: said.collect(), ..group_found(&found) })))
}

/// Whether a cluster has a service of this name.
///
/// # Errors
/// When AWS refuses the read.
pub async fn has_service(aws: &Aws, cluster: &str, name: &str) -> Result<bool, Fault> {
    let (found, _) = ecs::services(&aws.polling.ecs, cluster, &[name]).await?;
    Ok(found.iter().any(|service| service.status() != Some("INACTIVE")))
}

/// One service of a cluster by its name or ARN.
///
/// # Errors
/// When AWS refuses a read, or there is no such service, with what is there instead.
pub async fn named(aws: &Aws, cluster: &str, name: &str) -> Result<ServiceSeen, SurveyError> {
    let client = &aws.polling.ecs;
    let (services, _) = ecs::services(client, cluster, &[name]).await.map_err(SurveyError::Fault)?;
    if let Some(service) = services.iter().find(|service| service.status() != Some("INACTIVE")) {
        return Ok(service_seen(service));
    }
    let there = ecs::list_services(client, cluster).await.map_err(SurveyError::Fault)?;
    let what = format!("service in cluster {cluster}");
    Err(SurveyError::NotFound(vec![absent(&what, name, &last_parts(&there))]))
}

/// The services of a cluster that register their tasks in `group`.
///
/// # Errors
/// When AWS refuses a read.
pub async fn behind(aws: &Aws, cluster: &str, group: &str) -> Result<Vec<ServiceSeen>, Fault> {
    let client = &aws.polling.ecs;
    let arns = ecs::list_services(client, cluster).await?;
    let mut found = Vec::new();
    for batch in arns[..arns.len().min(SERVICES_LIMIT)].chunks(SERVICES_BATCH) {
        let names: Vec<&str> = batch.iter().map(String::as_str).collect();
        let (services, _) = ecs::services(client, cluster, &names).await?;
        let seen = services.iter().filter(|service| service.status() != Some("INACTIVE")).map(service_seen);
        found.extend(seen.filter(|service| service.groups.iter().any(|one| one == group)));
    }
    Ok(found)
}

/// The names of a task definition's containers; none when it is gone.
///
/// # Errors
/// When AWS refuses the read.
pub async fn containers(aws: &Aws, definition: &str) -> Result<Vec<String>, Fault> {
    let told = ecs::task_definition(&aws.polling.ecs, definition).await?;
    let list = told.as_ref().and_then(|told| told["taskDefinition"]["containerDefinitions"].as_array());
    let name = |container: &serde_json::Value| container["name"].as_str().map(ToOwned::to_owned);
    Ok(list.into_iter().flatten().filter_map(name).collect())
}

/// The account's alarms on a load balancer or target group of these dimensions, and the composite alarms that such an
/// alarm can ring: these first, the outermost before those inside it.
///
/// # Errors
/// When AWS refuses the read.
pub async fn alarms_on(aws: &Aws, dimensions: &[&str]) -> Result<Vec<AlarmFound>, Fault> {
    let mut found = cloudwatch::every_alarm(&aws.polling.cloudwatch).await?;
    found.metric.retain(|alarm| names_one_of(alarm, dimensions));
    let name = |name: Option<&str>| name.unwrap_or_default().to_owned();
    let rule = |alarm: &CompositeAlarm| (name(alarm.alarm_name()), ringers(alarm.alarm_rule().unwrap_or_default()));
    let rules: BTreeMap<String, Vec<String>> = found.composite.iter().map(rule).collect();
    let metrics: BTreeMap<String, Option<String>> = found
        .metric
        .iter()
        .map(|alarm| (name(alarm.alarm_name()), alarm.metric_name().map(ToOwned::to_owned)))
        .collect();
    let names: BTreeSet<String> = metrics.keys().cloned().collect();
    let about = |alarm: alarms::Alarm| {
        let view = alarm.view;
        if let Some(metric) = metrics.get(&view.name) {
            return Some(AlarmFound { metric: metric.clone(), composed: None, view });
        }
        let made = composed(&view.name, &rules, &names);
        let is_about = made.of.iter().any(|part| names.contains(part));
        is_about.then_some(AlarmFound { view, metric: None, composed: Some(made) })
    };
    let mut all: Vec<AlarmFound> = alarms::known(&found).into_iter().filter_map(about).collect();
    // What holds another holds all that is in it, so it holds more.
    all.sort_by_key(|alarm| Reverse(alarm.composed.as_ref().map_or(0, |made| made.of.len())));
    Ok(all)
}

/// Whether an alarm, or a metric that it computes with, has one of these dimensions.
fn names_one_of(alarm: &MetricAlarm, dimensions: &[&str]) -> bool {
    let parts = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let mut all = alarm.dimensions().iter().chain(parts.flat_map(Metric::dimensions));
    let names = |dimension: &Dimension| dimension.value().is_some_and(|value| dimensions.contains(&value));
    all.any(names)
}

fn service_seen(service: &Service) -> ServiceSeen {
    let controller = service.deployment_controller().map_or("ECS", |controller| controller.r#type.as_str());
    let strategy = service.deployment_configuration().and_then(|configuration| configuration.strategy());
    let primary = service.task_sets().iter().find(|set| set.status() == Some("PRIMARY"));
    // With task sets the service's own list may be of another time: what the primary set has is in use.
    let sets = primary.into_iter().chain(service.task_sets()).flat_map(TaskSet::load_balancers);
    let mut groups: Vec<String> = Vec::new();
    for way in sets.chain(service.load_balancers()) {
        let other = way.advanced_configuration().and_then(|advanced| advanced.alternate_target_group_arn());
        for group in [way.target_group_arn(), other].into_iter().flatten() {
            if !groups.iter().any(|one| one == group) {
                groups.push(group.to_owned());
            }
        }
    }
    let first = primary.into_iter().flat_map(TaskSet::load_balancers).chain(service.load_balancers()).next();
    let shifts = service.load_balancers().iter().find_map(|way| way.advanced_configuration());
    let definition = service.task_definition().or_else(|| primary.and_then(|set| set.task_definition()));
    ServiceSeen {
        name: service.service_name().unwrap_or_default().to_owned(),
        controller: controller.to_owned(),
        strategy: strategy.map_or("ROLLING", DeploymentStrategy::as_str).to_owned(),
        task_definition: definition.unwrap_or_default().to_owned(),
        container: first.and_then(|way| Some((way.container_name()?.to_owned(), way.container_port()?))),
        groups,
        production_rule: shifts.and_then(|shifts| shifts.production_listener_rule()).map(ToOwned::to_owned),
    }
}

async fn rules(aws: &Aws, groups: &[String]) -> Result<Vec<RuleFound>, Fault> {
    let elb = &aws.polling.elb;
    let mut balancers: Vec<String> = Vec::new();
    for group in groups {
        let found = elbv2::target_groups(elb, Some(group)).await?;
        balancers.extend(found.iter().flat_map(TargetGroup::load_balancer_arns).cloned());
    }
    balancers.sort();
    balancers.dedup();
    let mut all = Vec::new();
    for arn in &balancers {
        for balancer in elbv2::load_balancers(elb, Some(arn)).await? {
            for listener in elbv2::listeners(elb, arn).await? {
                let of_listener = elbv2::rules(elb, listener.listener_arn().unwrap_or_default()).await?;
                all.extend(of_listener.iter().map(|rule| rule_found(&balancer, &listener, rule)));
            }
        }
    }
    all.retain(|rule| rule.groups.iter().any(|(group, _)| groups.contains(group)));
    all.sort_by(|a, b| (&a.load_balancer, a.port, a.priority).cmp(&(&b.load_balancer, b.port, b.priority)));
    Ok(all)
}

fn rule_found(balancer: &LoadBalancer, listener: &Listener, rule: &Rule) -> RuleFound {
    let arn = balancer.load_balancer_arn().unwrap_or_default();
    RuleFound {
        arn: rule.rule_arn().unwrap_or_default().to_owned(),
        load_balancer: balancer.load_balancer_name().unwrap_or_default().to_owned(),
        load_balancer_dimension: arn.split_once("loadbalancer/").map_or(arn, |(_, rest)| rest).to_owned(),
        port: port(listener),
        priority: rule.priority().and_then(|priority| priority.parse().ok()),
        conditions: conditions(rule),
        groups: actions::forward(rule.actions()).map(slots::groups).unwrap_or_default(),
    }
}

fn group_found(group: &TargetGroup) -> GroupFound {
    let arn = group.target_group_arn().unwrap_or_default();
    GroupFound {
        name: group.target_group_name().unwrap_or_default().to_owned(),
        dimension: arn.rsplit(':').next().unwrap_or(arn).to_owned(),
        protocol: group.protocol().map_or("HTTP", |protocol| protocol.as_str()).to_owned(),
        port: group.port().unwrap_or(80),
        target_type: group.target_type().map_or("ip", |kind| kind.as_str()).to_owned(),
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        protocol_version: group.protocol_version().map(ToOwned::to_owned),
        ip_address_type: group.ip_address_type().map(|kind| kind.as_str().to_owned()),
        health: HealthFound {
            enabled: group.health_check_enabled(),
            protocol: group.health_check_protocol().map(|protocol| protocol.as_str().to_owned()),
            port: group.health_check_port().map(ToOwned::to_owned),
            path: group.health_check_path().map(ToOwned::to_owned),
            matcher: group.matcher().and_then(|one| one.http_code().or(one.grpc_code())).map(ToOwned::to_owned),
            interval: group.health_check_interval_seconds(),
            timeout: group.health_check_timeout_seconds(),
            healthy: group.healthy_threshold_count(),
            unhealthy: group.unhealthy_threshold_count(),
        },
        attributes: BTreeMap::new(),
    }
}
