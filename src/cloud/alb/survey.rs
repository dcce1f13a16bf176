//! The survey: every name resolved, every list read to its end, and all that is missing told at once.

mod one;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_ecs::types::{DeploymentStrategy, Service, TaskSet};
use aws_sdk_elasticloadbalancingv2::types::{Action, Listener, LoadBalancer, Rule, TargetGroup};

use super::above::above;
use super::actions;
use super::entrances::{Moved, entrances};
use super::known::nearest;
use super::listener::{conditions, parent, port};
use super::slots::{self, Slots};
use super::unproven::{ends_early, unproven};
use super::{alarms, drill, json};
use crate::cloud::aws::{Aws, autoscaling, cloudwatch, ecs, elbv2};
use crate::cloud::drivers::ecs::survey::shifts_by_ecs;
use crate::cloud::drivers::task_sets;
use crate::cloud::http::Http;
use crate::cloud::{RuleRequest, SurveyError, SurveyRequest, Surveyor};
use crate::domain::clock::Clock;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Above, Entrance, Entry, Place, RuleView, Slot, SlotView, Survey};
use crate::domain::name::{Arn, last_part};
use crate::domain::safeguard::Scaling;

/// How many names are listed where one was not found.
const NAMES_LIMIT: usize = 12;

/// Surveys an account for the `alb` driver.
#[derive(Clone, Debug)]
pub struct AlbSurveyor {
    pub(super) aws: Aws,
    pub(super) clock: Clock,
    pub(super) http: Http,
}

impl AlbSurveyor {
    /// A surveyor. Sends nothing yet. Servers other than AWS are reached as [`AlbSetup`](super::AlbSetup) says
    /// of `environment` and `connect_to`.
    pub fn new(
        aws: Aws,
        clock: Clock,
        environment: BTreeMap<String, String>,
        connect_to: Vec<(String, SocketAddr)>,
    ) -> AlbSurveyor {
        AlbSurveyor { aws, clock, http: Http::new(environment, connect_to) }
    }
}

/// What was found of one part, and a line for each thing that was not.
type Part<T> = Result<Result<T, Vec<String>>, Fault>;

/// The load balancing side of a survey.
struct Balancing {
    load_balancer: LoadBalancer,
    port: u16,
    rule: Rule,
    above: Vec<Above>,
    blue: Group,
    green: Group,
    /// The rule's target groups that are sticky themselves.
    sticky: Vec<String>,
}

/// A target group with what only further calls tell.
struct Group {
    told: TargetGroup,
    healthy: u32,
    delay: Duration,
    slow_start: Duration,
    sticky: bool,
}

/// The container side of a survey.
struct Containers {
    cluster: String,
    blue: Service,
    green: Service,
    /// Why what each of them runs is not one proven release.
    unproven: [Option<String>; 2],
}

impl Surveyor for AlbSurveyor {
    async fn survey(&self, request: &SurveyRequest) -> Result<Survey, SurveyError> {
        let (balancing, containers, found) = tokio::join!(
            Box::pin(self.balancing(request)),
            Box::pin(self.containers(request)),
            cloudwatch::alarms(&self.aws.polling.cloudwatch, &request.alarms),
        );
        let balancing = balancing.map_err(SurveyError::Fault)?;
        let containers = containers.map_err(SurveyError::Fault)?;
        let found = found.map_err(SurveyError::Fault)?;
        match (balancing, containers) {
            (Ok(balancing), Ok(containers)) => {
                let now = self.clock.now();
                let alarms = alarms::surveyed(&self.aws.polling.cloudwatch, &found, now).await;
                let scaling = self.scaling(&containers).await?;
                let entrances = self.entrances(&balancing, &containers).await.map_err(SurveyError::Fault)?;
                let survey = Survey { scaling, alarms, entrances, ..assembled(&balancing, &containers, now) };
                let survey = if containers.is_one() { self.of_one(survey, &containers).await? } else { survey };
                let survey = self.by_codedeploy(survey, request, &containers.blue).await?;
                let past = match &request.compare {
                    Some(rule) => Some(self.past(&survey, rule).await),
                    None => None,
                };
                Ok(Survey { past, ..survey })
            }
            (balancing, containers) => {
                let lines = containers.err().into_iter().chain(balancing.err()).flatten();
                Err(SurveyError::NotFound(lines.collect()))
            }
        }
    }
}

impl AlbSurveyor {
    /// The services' scalable targets. Who may not read them can roll out all the same, and is told.
    async fn scaling(&self, containers: &Containers) -> Result<Result<Vec<(Slot, Scaling)>, String>, SurveyError> {
        let services = [&containers.blue, &containers.green].map(|one| one.service_name().unwrap_or_default());
        let client = &self.aws.polling.autoscaling;
        let asked = if containers.is_one() { &services[..1] } else { &services[..] };
        match autoscaling::targets(client, &containers.cluster, asked).await {
            Ok(found) => {
                let both = [Slot::Blue, Slot::Green].into_iter().zip(found.into_iter().cycle());
                Ok(Ok(both.filter_map(|(slot, scaling)| Some((slot, scaling?))).collect()))
            }
            Err(fault) if fault.kind == FaultKind::Transient => Err(SurveyError::Fault(fault)),
            Err(fault) => Ok(Err(fault.to_string())),
        }
    }

    /// What leads to the services' tasks beside the rule.
    async fn entrances(&self, balancing: &Balancing, containers: &Containers) -> Result<Vec<Entrance>, Fault> {
        let rule = balancing.rule.rule_arn().unwrap_or_default();
        let groups = [&balancing.blue, &balancing.green].map(|one| one.told.target_group_arn().unwrap_or_default());
        let client = &self.aws.polling.elb;
        if containers.is_one() {
            return entrances(client, &containers.blue, Moved { rule, slots: &groups }).await;
        }
        let (blue, green) = tokio::try_join!(
            entrances(client, &containers.blue, Moved { rule, slots: &groups[..1] }),
            entrances(client, &containers.green, Moved { rule, slots: &groups[1..] }),
        )?;
        Ok(blue.into_iter().chain(green).collect())
    }

    async fn containers(&self, request: &SurveyRequest) -> Part<Containers> {
        let client = &self.aws.polling.ecs;
        let (clusters, _) = ecs::clusters(client, &request.cluster).await?;
        let Some(cluster) = clusters.iter().find(|cluster| cluster.status() != Some("INACTIVE")) else {
            let names = ecs::list_clusters(client).await?;
            return Ok(Err(vec![absent("ECS cluster", &request.cluster, &last_parts(&names))]));
        };
        let cluster = cluster.cluster_name().unwrap_or(&request.cluster).to_owned();
        let names = [request.blue.0.as_str(), request.green.0.as_str()];
        let asked = if names[0] == names[1] { &names[..1] } else { &names[..] };
        let (services, _) = ecs::services(client, &cluster, asked).await?;
        let find = |name: &str| {
            services.iter().find(|service| [service.service_name(), service.service_arn()].contains(&Some(name)))
        };
        if let (Some(blue), Some(green)) = (find(names[0]), find(names[1])) {
            let unproven = [self.unproven(&cluster, blue).await?, self.unproven(&cluster, green).await?];
            return Ok(Ok(Containers { cluster, blue: blue.clone(), green: green.clone(), unproven }));
        }
        let there = last_parts(&ecs::list_services(client, &cluster).await?);
        let what = format!("service in cluster {cluster}");
        let missing = asked.iter().filter(|name| find(name).is_none());
        Ok(Err(missing.map(|name| absent(&what, name, &there)).collect()))
    }

    /// Why what a service runs is not one proven release. AWS's own deployments of one service are told of as such.
    async fn unproven(&self, cluster: &str, service: &Service) -> Result<Option<String>, Fault> {
        let name = service.service_name().unwrap_or_default();
        if service.desired_count == 0 || shifts_by_ecs(service) || !service.task_sets().is_empty() {
            return Ok(None);
        }
        match ecs::running_tasks(&self.aws.polling.ecs, cluster, name).await {
            Ok(running) => Ok(unproven(service, &running)),
            Err(fault) if fault.kind != FaultKind::Denied => Err(fault),
            Err(fault) if ends_early(service) => Ok(Some(format!("its running tasks cannot be read: {fault}"))),
            // Without early success a deployment that is over has no tasks of before.
            Err(_) => Ok(unproven(service, &[])),
        }
    }

    async fn balancing(&self, request: &SurveyRequest) -> Part<Balancing> {
        let (routing, blue, green) =
            tokio::try_join!(self.routing(&request.rule), self.group(&request.blue.1), self.group(&request.green.1),)?;
        match (routing, blue, green) {
            (Ok(routing), Ok(blue), Ok(green)) => {
                let (load_balancer, port, rule, above) = routing;
                let sticky = self.sticky(&rule, [&blue, &green]).await?;
                Ok(Ok(Balancing { load_balancer, port, rule, above, blue, green, sticky }))
            }
            (routing, blue, green) => {
                let lines = routing.err().into_iter().flatten().chain(blue.err()).chain(green.err());
                Ok(Err(lines.collect()))
            }
        }
    }

    async fn routing(&self, request: &RuleRequest) -> Part<(LoadBalancer, u16, Rule, Vec<Above>)> {
        let client = &self.aws.polling.elb;
        let name = match request {
            RuleRequest::Arn(arn) => match parent(arn) {
                Some(balancer) => balancer,
                None => return Ok(Err(vec![format!("`{}` is no listener rule's ARN", arn.escape_debug())])),
            },
            RuleRequest::Place(name, _, _) => name.clone(),
        };
        let found = elbv2::load_balancers(client, Some(&name)).await?;
        let Some(balancer) = found.into_iter().next() else {
            let all = elbv2::load_balancers(client, None).await?;
            let names: Vec<String> = all.into_iter().filter_map(|one| one.load_balancer_name).collect();
            return Ok(Err(vec![absent("load balancer", &name, &names)]));
        };
        let listeners = elbv2::listeners(client, balancer.load_balancer_arn().unwrap_or(&name)).await?;
        let mut all: Vec<(u16, Rule)> = Vec::new();
        for listener in &listeners {
            let arn = listener.listener_arn().unwrap_or_default();
            all.extend(elbv2::rules(client, arn).await?.into_iter().map(|rule| (port(listener), rule)));
        }
        let shown = balancer.load_balancer_name().unwrap_or(&name).to_owned();
        match pick(request, &shown, &listeners, &all) {
            Err(line) => Ok(Err(vec![line])),
            Ok((port, rule)) => {
                let beside: Vec<&Rule> = all.iter().filter(|(of, _)| *of == port).map(|(_, rule)| rule).collect();
                let above = above(&rule, &beside);
                Ok(Ok((balancer, port, rule, above)))
            }
        }
    }

    async fn group(&self, name: &str) -> Result<Result<Group, String>, Fault> {
        let client = &self.aws.polling.elb;
        let Some(group) = elbv2::target_groups(client, Some(name)).await?.into_iter().next() else {
            let all = elbv2::target_groups(client, None).await?;
            let names: Vec<String> = all.into_iter().filter_map(|one| one.target_group_name).collect();
            return Ok(Err(absent("target group", name, &names)));
        };
        let arn = group.target_group_arn().unwrap_or(name);
        let (healthy, attributes) = tokio::try_join!(elbv2::healthy(client, arn), elbv2::attributes(client, arn))?;
        let seconds = |key: &str, usual| {
            let found = attributes.iter().find(|one| one.key() == Some(key)).and_then(|one| one.value());
            Duration::from_secs(found.and_then(|value| value.parse().ok()).unwrap_or(usual))
        };
        let delay = seconds("deregistration_delay.timeout_seconds", 300);
        let slow_start = seconds("slow_start.duration_seconds", 0);
        let sticky = drill::is_sticky(&attributes);
        Ok(Ok(Group { told: group, healthy, delay, slow_start, sticky }))
    }

    /// The rule's target groups that are sticky themselves, where two of them are known already.
    async fn sticky(&self, rule: &Rule, known: [&Group; 2]) -> Result<Vec<String>, Fault> {
        let known = known.map(|group| (group.told.target_group_arn().unwrap_or_default(), group.sticky));
        let mut sticky = Vec::new();
        for (arn, _) in actions::forward(rule.actions()).map(slots::groups).unwrap_or_default() {
            let is_sticky = match known.iter().find(|(group, _)| *group == arn) {
                Some((_, is_sticky)) => *is_sticky,
                None => drill::is_sticky(&elbv2::attributes(&self.aws.polling.elb, &arn).await?),
            };
            sticky.extend(is_sticky.then_some(arn));
        }
        Ok(sticky)
    }
}

/// The rule that is asked for, or a line saying what is there instead.
fn pick(
    request: &RuleRequest,
    balancer: &str,
    listeners: &[Listener],
    rules: &[(u16, Rule)],
) -> Result<(u16, Rule), String> {
    match request {
        RuleRequest::Arn(arn) => rules
            .iter()
            .find(|(_, rule)| rule.rule_arn() == Some(arn))
            .cloned()
            .ok_or_else(|| format!("load balancer {balancer} has no rule {arn}")),
        RuleRequest::Place(_, port_asked, priority) => {
            if !listeners.iter().any(|listener| port(listener) == *port_asked) {
                let ports = listeners.iter().map(|listener| port(listener).to_string());
                let ports = listed(&ports.collect::<Vec<_>>());
                return Err(format!("load balancer {balancer} does not listen on port {port_asked}; {ports}"));
            }
            let here = || rules.iter().filter(|(port, _)| port == port_asked);
            let asked = priority.to_string();
            here().find(|(_, rule)| rule.priority() == Some(asked.as_str())).cloned().ok_or_else(|| {
                let there: Vec<String> =
                    here().filter_map(|(_, rule)| rule.priority().map(ToOwned::to_owned)).collect();
                format!("port {port_asked} of {balancer} has no rule with priority {priority}; {}", listed(&there))
            })
        }
    }
}

/// A line about something that is not there, with what may have been meant.
pub(super) fn absent(what: &str, name: &str, there: &[String]) -> String {
    let name = name.escape_debug();
    let near = nearest(&name.to_string(), there.iter().map(String::as_str));
    let hint = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
    format!("there is no {what} `{name}`; {hint}{}", listed(there))
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_LIMIT).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_LIMIT) {
        _ if names.is_empty() => "there are none".to_owned(),
        0 => format!("there are {shown}"),
        more => format!("there are {shown} and {more} more"),
    }
}

pub(super) fn last_parts(arns: &[String]) -> Vec<String> {
    arns.iter().map(|arn| last_part(arn).to_owned()).collect()
}

fn assembled(balancing: &Balancing, containers: &Containers, at: crate::domain::clock::Timestamp) -> Survey {
    let balancer = &balancing.load_balancer;
    let arn = balancer.load_balancer_arn().unwrap_or_default();
    let parsed = Arn::parse(arn);
    let [unproven_blue, unproven_green] = containers.unproven.clone();
    let blue = slot(Slot::Blue, (&containers.blue, unproven_blue), &balancing.blue);
    let green = slot(Slot::Green, (&containers.green, unproven_green), &balancing.green);
    // Which slot is stable is for the plan to say; the shape does not depend on it.
    let slots = Slots { stable: blue.place.target_group.clone(), candidate: green.place.target_group.clone() };
    Survey {
        at,
        region: parsed.as_ref().map_or("", |arn| arn.region).to_owned(),
        account: parsed.as_ref().map_or("", |arn| arn.account).to_owned(),
        cluster: containers.cluster.clone(),
        load_balancer: balancer.load_balancer_name().unwrap_or_default().to_owned(),
        load_balancer_dimension: arn.split_once("loadbalancer/").map_or(arn, |(_, rest)| rest).to_owned(),
        dns_name: balancer.dns_name().unwrap_or_default().to_owned(),
        rule: RuleView {
            above: balancing.above.clone(),
            sticky_groups: balancing.sticky.clone(),
            ..rule_view(&balancing.rule, balancing.port, &slots)
        },
        entrances: Vec::new(),
        blue,
        green,
        scaling: Ok(Vec::new()),
        alarms: Vec::new(),
        past: None,
        code_deploy: None,
        entries: entries(containers),
        deployment_configuration: None,
        under_way: None,
        task_sets: Vec::new(),
        release_problems: Vec::new(),
    }
}

fn rule_view(rule: &Rule, port: u16, slots: &Slots) -> RuleView {
    let list = rule.actions();
    let others = slots::in_order(list).into_iter().filter_map(|action| action.r#type.as_ref());
    let others = others.map(aws_sdk_elasticloadbalancingv2::types::ActionTypeEnum::as_str);
    let writable: Vec<Action> = list.iter().cloned().map(actions::writable).collect();
    RuleView {
        arn: rule.rule_arn().unwrap_or_default().to_owned(),
        port,
        priority: rule.priority().and_then(|priority| priority.parse().ok()),
        conditions: conditions(rule),
        above: Vec::new(),
        weights: actions::forward(list).map(slots::groups).unwrap_or_default(),
        stickiness: actions::stickiness(list),
        sticky_groups: Vec::new(),
        other_actions: others.filter(|kind| *kind != "forward").map(ToOwned::to_owned).collect(),
        shape: json::shape(list, slots),
        actions_json: json::actions(&writable).to_string(),
    }
}

/// The containers and ports that the services' load balancers name.
fn entries(containers: &Containers) -> Vec<Entry> {
    let of = |(slot, service): (Slot, &Service)| {
        let sets = service.task_sets().iter().flat_map(TaskSet::load_balancers);
        let ways = service.load_balancers().iter().chain(sets);
        let entry = |way: &aws_sdk_ecs::types::LoadBalancer| {
            let port = u16::try_from(way.container_port()?).ok()?;
            Some(Entry { slot, container: way.container_name()?.to_owned(), port })
        };
        ways.filter_map(entry).collect::<Vec<_>>()
    };
    let mut found: Vec<Entry> =
        [(Slot::Blue, &containers.blue), (Slot::Green, &containers.green)].into_iter().flat_map(of).collect();
    found.dedup();
    found
}

fn slot(slot: Slot, (service, unproven): (&Service, Option<String>), group: &Group) -> SlotView {
    let number = |count: i32| u32::try_from(count).unwrap_or_default();
    let seconds = |seconds: Option<i32>, usual| {
        Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(usual))
    };
    let arn = group.told.target_group_arn().unwrap_or_default();
    let controller = service.deployment_controller().map_or("ECS", |controller| controller.r#type.as_str());
    let strategy = service.deployment_configuration().and_then(|configuration| configuration.strategy());
    let view = SlotView {
        place: Place {
            slot,
            service: service.service_name().unwrap_or_default().to_owned(),
            target_group: arn.to_owned(),
            target_group_name: group.told.target_group_name().unwrap_or_default().to_owned(),
            target_group_dimension: arn.rsplit(':').next().unwrap_or(arn).to_owned(),
        },
        status: service.status().unwrap_or_default().to_owned(),
        controller: controller.to_owned(),
        strategy: strategy.map_or("ROLLING", DeploymentStrategy::as_str).to_owned(),
        task_definition: service.task_definition().unwrap_or_default().to_owned(),
        desired: number(service.desired_count),
        running: number(service.running_count),
        healthy: group.healthy,
        unproven,
        attached: service.load_balancers().iter().any(|one| {
            let alternate = one.advanced_configuration().and_then(|advanced| advanced.alternate_target_group_arn());
            [one.target_group_arn(), alternate].contains(&Some(arn))
        }),
        health_interval: seconds(group.told.health_check_interval_seconds(), 30),
        healthy_threshold: number(group.told.healthy_threshold_count().unwrap_or(5)),
        unhealthy_threshold: number(group.told.unhealthy_threshold_count().unwrap_or(2)),
        deregistration_delay: group.delay,
        slow_start: group.slow_start,
    };
    if controller == "ECS" { view } else { task_sets::survey_slot(view, service) }
}
