//! Finds what else leads requests to a service's tasks, beside the rollout's rule: other rules and listeners, further
//! target groups that the tasks register in, registries and meshes. This rollout moves none of that traffic, so it must
//! not take the tasks from it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::{Deployment, LoadBalancer as Entry, Service, TaskSet};
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, HostHeaderConditionConfig, PathPatternConditionConfig, Rule, RuleCondition,
};

use super::AlbDriver;
use super::fleet::find;
use super::listener::{conditions, parent, port};
use super::slots::{group_name, groups};
use crate::cloud::aws::{ecs, elbv2};
use crate::cloud::drivers::ecs::survey::shifts_by_ecs;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Entrance, OtherRule, Role};
use crate::domain::name::{Arn, last_part};

/// What a rollout moves of one service's traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved<'a> {
    /// The rollout's rule.
    pub rule: &'a str,
    /// The target groups of the service's slots, between which the rule's weights move.
    pub slots: &'a [&'a str],
}

/// What one rule or default action does with what it matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening {
    /// What it is, without a target group.
    rule: OtherRule,
    /// Where it is, in words.
    place: String,
    /// The target groups that it gives weight, by ARN.
    groups: Vec<String>,
}

/// Everything that leads to the service's tasks beside what the rollout moves.
pub(super) async fn entrances(elb: &Client, service: &Service, moved: Moved<'_>) -> Result<Vec<Entrance>, Fault> {
    let mut balancers: BTreeSet<String> = parent(moved.rule).into_iter().collect();
    let registered = registered(service);
    for group in moved.slots.iter().copied().chain(registered.iter().map(String::as_str)) {
        // A target group that is there no more leads nowhere.
        let told = elbv2::target_groups(elb, Some(group)).await?;
        balancers.extend(told.into_iter().flat_map(|group| group.load_balancer_arns.unwrap_or_default()));
    }
    let mut listening = Vec::new();
    for balancer in &balancers {
        listening.extend(listening_on(elb, balancer).await?);
    }
    Ok(leading(service, moved, &listening))
}

/// What every listener of a load balancer does.
async fn listening_on(elb: &Client, balancer: &str) -> Result<Vec<Listening>, Fault> {
    let mut found = Vec::new();
    for listener in elbv2::listeners(elb, balancer).await? {
        let (arn, port) = (listener.listener_arn().unwrap_or_default(), port(&listener));
        // Only an application load balancer has rules.
        if balancer.contains(":loadbalancer/app/") {
            found.extend(elbv2::rules(elb, arn).await?.iter().map(|rule| by_rule(rule, port)));
        } else {
            let place = format!("port {port} of {}", group_name(balancer));
            let groups = weighted(listener.default_actions());
            let rule = OtherRule { rule: arn.to_owned(), port, ..OtherRule::default() };
            found.push(Listening { rule, place, groups });
        }
    }
    Ok(found)
}

fn by_rule(rule: &Rule, port: u16) -> Listening {
    let arn = rule.rule_arn().unwrap_or_default();
    let name = Arn::parse(arn).map_or(arn, |arn| arn.resource);
    let of = rule.conditions().iter();
    let header = |condition: &RuleCondition| {
        let config = condition.http_header_config()?;
        config.http_header_name().map(str::to_ascii_lowercase)
    };
    let hosts = of.clone().filter_map(RuleCondition::host_header_config).flat_map(HostHeaderConditionConfig::values);
    let paths = of.clone().filter_map(RuleCondition::path_pattern_config).flat_map(PathPatternConditionConfig::values);
    let told = OtherRule {
        rule: arn.to_owned(),
        port,
        headers: of.filter_map(header).collect(),
        hosts: hosts.map(ToOwned::to_owned).collect(),
        paths: paths.map(ToOwned::to_owned).collect(),
        target_group: String::new(),
    };
    let place = format!("{name} (port {port}, {})", conditions(rule));
    Listening { rule: told, place, groups: weighted(rule.actions()) }
}

/// The target groups to which these actions give any weight.
fn weighted(actions: &[Action]) -> Vec<String> {
    let all = actions.iter().flat_map(groups);
    all.filter(|(_, weight)| *weight > 0).map(|(group, _)| group).collect()
}

fn entries(service: &Service) -> impl Iterator<Item = &Entry> {
    service.load_balancers().iter().chain(service.task_sets().iter().flat_map(TaskSet::load_balancers))
}

/// The target groups that the service's tasks register in, by ARN.
fn registered(service: &Service) -> BTreeSet<String> {
    let both = |entry: &Entry| {
        let alternate = entry.advanced_configuration().and_then(|advanced| advanced.alternate_target_group_arn());
        [entry.target_group_arn(), alternate].into_iter().flatten().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    entries(service).flat_map(both).collect()
}

/// The rules that ECS itself moves in its deployments.
fn moved_by_ecs(service: &Service) -> BTreeSet<&str> {
    let advanced = entries(service).filter_map(Entry::advanced_configuration).filter(|_| shifts_by_ecs(service));
    advanced.flat_map(|way| [way.production_listener_rule(), way.test_listener_rule()]).flatten().collect()
}

/// What of all that listens leads to the service's tasks, and what does so without a load balancer of this kind.
fn leading(service: &Service, moved: Moved<'_>, listening: &[Listening]) -> Vec<Entrance> {
    let name = service.service_name().unwrap_or_default();
    let (registered, by_ecs) = (registered(service), moved_by_ecs(service));
    let mut found = BTreeMap::new();
    for one in listening.iter().filter(|one| !by_ecs.contains(one.rule.rule.as_str())) {
        for group in &one.groups {
            let is_slots = moved.slots.contains(&group.as_str());
            let what = match group_name(group) {
                _ if is_slots && one.rule.rule == moved.rule => continue,
                group if is_slots => format!("{} forwards to {group} too", one.place),
                other if registered.contains(group) => {
                    format!("service {name} registers its tasks in {other} too, to which {} forwards", one.place)
                }
                _ => continue,
            };
            found.insert(what, Some(OtherRule { target_group: group.clone(), ..one.rule.clone() }));
        }
    }
    found.extend(without_listeners(service).into_iter().map(|what| (what, None)));
    found.into_iter().map(|(what, rule)| Entrance { what, rule, tolerated: false }).collect()
}

fn without_listeners(service: &Service) -> Vec<String> {
    let name = service.service_name().unwrap_or_default();
    let classic = entries(service).filter_map(Entry::load_balancer_name);
    let mut found: Vec<String> = classic
        .map(|other| format!("service {name} registers its tasks with the classic load balancer {other}"))
        .collect();
    let sets = service.task_sets().iter().flat_map(TaskSet::service_registries);
    let registries = service.service_registries().iter().chain(sets).filter_map(|one| one.registry_arn());
    found.extend(
        registries.map(|arn| format!("service {name} registers its tasks in Cloud Map, as {}", last_part(arn))),
    );
    let deployments = service.deployments();
    let lattice = deployments.iter().flat_map(Deployment::vpc_lattice_configurations);
    found.extend(lattice.map(|one| {
        let group = last_part(one.target_group_arn());
        format!("service {name} registers its tasks in the VPC Lattice target group {group}")
    }));
    // In its own deployments ECS moves what comes by Service Connect too.
    let connect = deployments.iter().filter_map(Deployment::service_connect_configuration);
    for connect in connect.filter(|one| one.enabled && !shifts_by_ecs(service)) {
        let names = connect.services().iter().map(|one| one.discovery_name().unwrap_or_else(|| one.port_name()));
        found.extend(names.map(|as_name| format!("service {name} is reached by Service Connect, as {as_name}")));
    }
    found
}

impl AlbDriver {
    /// What leads to the slot's tasks beside the rollout's rule and what only tests come by.
    pub(in crate::cloud) async fn look_for_entrances(&self, role: Role) -> Result<Vec<String>, Fault> {
        let (place, other) = (self.target.place(role), self.target.place(role.other()));
        let polling = &self.aws.polling;
        let (services, missing) = ecs::services(&polling.ecs, &self.target.cluster, &[place.service.as_str()]).await?;
        let service = find(&services, &missing, &place.service)?;
        let both = [place.target_group.as_str(), other.target_group.as_str()];
        let slots = if place.service == other.service { &both[..] } else { &both[..1] };
        let found = entrances(&polling.elb, service, Moved { rule: &self.target.rule, slots }).await?;
        let leads_here = |entrance: &Entrance| {
            entrance
                .rule
                .as_ref()
                .is_none_or(|rule| rule.target_group != other.target_group && !self.test_rules.contains(&rule.rule))
        };
        Ok(found.into_iter().filter(leads_here).map(|entrance| entrance.what).collect())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types as sdk;

    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/03/04/05";

    fn group(name: &str) -> String {
        format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{name}/1")
    }

    fn listening(arn: &str, to: &[&str]) -> Listening {
        let rule = OtherRule { rule: arn.into(), port: 80, ..OtherRule::default() };
        let groups = to.iter().map(|name| group(name)).collect();
        Listening { rule, place: last_part(arn).to_owned(), groups }
    }

    fn service(groups: &[&str]) -> sdk::builders::ServiceBuilder {
        let entry = |name: &&str| Entry::builder().target_group_arn(group(name)).build();
        let entries = groups.iter().map(entry).collect();
        Service::builder().service_name("web-blue").set_load_balancers(Some(entries))
    }

    fn whats(service: &Service, slots: &[&str], all: &[Listening]) -> Vec<String> {
        let slots: Vec<String> = slots.iter().map(|name| group(name)).collect();
        let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
        let moved = Moved { rule: RULE, slots: &slots };
        leading(service, moved, all).into_iter().map(|entrance| entrance.what).collect()
    }

    #[test]
    fn whatever_gives_a_group_of_the_service_weight_leads_to_it() {
        let own = listening(RULE, &["blue", "green"]);
        let check = |groups: &[&str], others: &[Listening], expected: &[&str]| {
            let all: Vec<Listening> = others.iter().cloned().chain([own.clone()]).collect();
            assert_eq!(whats(&service(groups).build(), &["blue"], &all), expected);
        };
        check(&["blue"], &[], &[]);
        check(&["blue"], &[listening("x/other", &["blue", "far"])], &["other forwards to blue too"]);
        check(&["blue"], &[listening("x/other", &["green", "far"])], &[]);
        check(&["blue", "inner"], &[], &[]);
        let inner = "service web-blue registers its tasks in inner too, to which net forwards";
        check(&["blue", "inner"], &[listening("x/net", &["inner"])], &[inner]);
        // The rollout's own rule leads to a further group of the service, or to the other slot's.
        let both = "service web-blue registers its tasks in green too, to which 05 forwards";
        check(&["blue", "green"], &[], &[both]);
    }

    #[test]
    fn both_slots_of_one_service_are_moved() {
        let all = [listening(RULE, &["blue", "green"]), listening("x/other", &["green"])];
        assert_eq!(whats(&service(&["blue"]).build(), &["blue", "green"], &all), ["other forwards to green too"]);
    }

    #[test]
    fn what_ecs_moves_by_itself_is_no_other_way() {
        let advanced = sdk::AdvancedConfiguration::builder()
            .alternate_target_group_arn(group("inner-2"))
            .production_listener_rule("x/inner")
            .test_listener_rule("x/test");
        let entry = Entry::builder().target_group_arn(group("inner")).advanced_configuration(advanced.build());
        let canary = sdk::DeploymentConfiguration::builder().strategy(sdk::DeploymentStrategy::Canary).build();
        let all =
            [listening("x/inner", &["inner"]), listening("x/test", &["inner-2"]), listening("x/third", &["inner-2"])];
        let third = "service web-blue registers its tasks in inner-2 too, to which third forwards";
        let moves = service(&["blue"]).load_balancers(entry.clone().build()).deployment_configuration(canary);
        assert_eq!(whats(&moves.build(), &["blue"], &all), [third]);
        let rolls = service(&["blue"]).load_balancers(entry.build());
        assert_eq!(whats(&rolls.build(), &["blue"], &all).len(), 3);
    }

    #[test]
    fn registries_and_meshes_lead_to_a_service_without_any_rule() {
        let connect = |names: &[&str]| {
            let one = |name: &&str| {
                sdk::ServiceConnectService::builder().port_name("http").discovery_name(*name).build().expect("is whole")
            };
            let services = names.iter().map(one).collect();
            let configuration =
                sdk::ServiceConnectConfiguration::builder().enabled(true).set_services(Some(services)).build();
            Deployment::builder().service_connect_configuration(configuration).build()
        };
        let registry =
            sdk::ServiceRegistry::builder().registry_arn("arn:aws:servicediscovery:r:1:service/srv-1").build();
        let lattice = sdk::VpcLatticeConfiguration::builder()
            .role_arn("r")
            .port_name("http")
            .target_group_arn("arn:aws:vpc-lattice:r:1:targetgroup/tg-1")
            .build()
            .expect("is whole");
        let check = |service: sdk::builders::ServiceBuilder, expected: &[&str]| {
            assert_eq!(whats(&service.build(), &["blue"], &[]), expected);
        };
        let web = || service(&["blue"]);
        let cloud_map = "service web-blue registers its tasks in Cloud Map, as srv-1";
        check(web().service_registries(registry.clone()), &[cloud_map]);
        check(web().task_sets(TaskSet::builder().service_registries(registry).build()), &[cloud_map]);
        check(web().deployments(connect(&["web"])), &["service web-blue is reached by Service Connect, as web"]);
        // A client of the mesh alone is reached by nobody.
        check(web().deployments(connect(&[])), &[]);
        let by_lattice = "service web-blue registers its tasks in the VPC Lattice target group tg-1";
        check(web().deployments(Deployment::builder().vpc_lattice_configurations(lattice).build()), &[by_lattice]);
        let classic = "service web-blue registers its tasks with the classic load balancer old";
        check(web().load_balancers(Entry::builder().load_balancer_name("old").build()), &[classic]);
    }
}
