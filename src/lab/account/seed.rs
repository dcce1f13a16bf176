//! The account as it is when the lab starts.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use super::{
    Account, Attachment, Cluster, Controller, DEREGISTRATION_DELAY, DeploymentLimits, HealthCheck, Listener,
    LoadBalancer, Names, Phase, Rollout, Rule, Service, ServiceStatus, TargetGroup, TaskSet, dimension, hex_id, last,
};
use crate::behaviour::Behaviour;
use crate::codedeploy;
use crate::config::{HealthCheckSeed, LabConfig, ServiceSeed, SlotSeed, WorldSeed};
use crate::metrics::alarm;

impl Account {
    /// Builds the account a configuration describes; the services' tasks are about to run.
    pub(crate) fn seeded(config: &LabConfig, now: u64) -> Account {
        let world = &config.world;
        let names = Names { region: config.region.clone(), account: config.account.clone() };
        let mut account = Account::empty(names, world.start_up);
        account.candidate = config.candidate.clone();
        account.shift_pauses = config.shift_pauses;
        let cluster = account.seed_cluster(&world.cluster);
        let definition = account.seed_definitions(world, now);
        let groups: Vec<String> = world.slots.iter().map(|slot| account.seed_group(slot, world)).collect();
        account.seed_routes(world, &groups, now);
        let services = if world.services == ServiceSeed::Pair { world.slots.len() } else { 1 };
        for (slot, group) in serving_first(world, &groups).into_iter().take(services) {
            let made = Made { cluster: &cluster, definition: &definition, group, now };
            account.seed_service(slot, world, &made);
            if let Some(free) = groups.iter().find(|free| world.services == ServiceSeed::Ecs && *free != group) {
                account.seed_shifts(free, now);
            }
        }
        let balancer = account.load_balancers[0].arn.clone();
        for name in &world.alarms {
            let alarm = alarm::five_hundreds(&account.names, name, &dimension(&balancer), now);
            account.alarms.push(alarm);
        }
        account
    }

    fn seed_cluster(&mut self, name: &str) -> String {
        let arn = if name.starts_with("arn:") { name.to_owned() } else { self.names.ecs(&format!("cluster/{name}")) };
        self.clusters.push(Cluster { arn: arn.clone(), name: last(name).to_owned() });
        arn
    }

    /// Registers the revision in service and the extra ones; gives the ARN of the one in service.
    fn seed_definitions(&mut self, world: &WorldSeed, now: u64) -> String {
        let mut extra = Vec::new();
        for name in &world.extra_task_definitions {
            let (family, revision) = last(name).rsplit_once(':').unwrap_or((last(name), "2"));
            extra.push((name, family, revision.parse::<u32>().unwrap_or(2)));
        }
        let taken = || extra.iter().filter(|(_, family, _)| *family == world.family);
        let revision = if taken().any(|(_, _, revision)| *revision == 1) {
            taken().map(|(_, _, revision)| revision + 1).max().unwrap_or(1)
        } else {
            1
        };
        let serving = self.register(seed_body(world, &world.family), Some(revision), now);
        if let Some(definition) = self.definitions.last_mut() {
            definition.behaviour = Behaviour::default();
        }
        for (name, family, revision) in extra {
            self.register(seed_body(world, family), Some(revision), now);
            if let Some(definition) = self.definitions.last_mut()
                && name.starts_with("arn:")
            {
                definition.arn.clone_from(name);
            }
        }
        serving
    }

    fn seed_group(&mut self, slot: &SlotSeed, world: &WorldSeed) -> String {
        let name = match slot.target_group.strip_prefix("arn:") {
            Some(arn) => arn.rsplit('/').nth(1).unwrap_or(arn).to_owned(),
            None => slot.target_group.clone(),
        };
        let arn = if slot.target_group.starts_with("arn:") {
            slot.target_group.clone()
        } else {
            self.names.elb(&format!("targetgroup/{name}/{}", hex_id(&name, 16)))
        };
        let mut attributes = default_group_attributes();
        let delay = world.deregistration_delay.as_secs().to_string();
        attributes.insert(DEREGISTRATION_DELAY.to_owned(), delay);
        self.groups.push(TargetGroup {
            arn: arn.clone(),
            name,
            port: world.container_port,
            target_type: "ip".to_owned(),
            check: seed_check(&world.health_check),
            attributes,
            targets: Vec::new(),
        });
        arn
    }

    fn seed_routes(&mut self, world: &WorldSeed, groups: &[String], now: u64) {
        let arns = route_arns(&self.names, world);
        let id = arns.balancer.rsplit('/').next().unwrap_or_default();
        let name = arns.balancer.rsplit('/').nth(1).unwrap_or_default().to_owned();
        self.load_balancers.push(LoadBalancer {
            dns: format!("{name}-{}.{}.elb.amazonaws.com", digits(id), self.names.region),
            name,
            scheme: "internet-facing".to_owned(),
            created_at: now,
            attributes: default_balancer_attributes(),
            arn: arns.balancer.clone(),
        });
        let not_found = json!({"Type": "fixed-response", "Order": 1, "FixedResponseConfig":
            {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no rule matches"}});
        self.add_listener(&arns.balancer, &arns.listener, world.listener_port, vec![not_found]);
        let weights: Vec<Value> = groups
            .iter()
            .zip(&world.slots)
            .map(|(group, slot)| json!({"TargetGroupArn": group, "Weight": slot.weight}))
            .collect();
        let stickiness = match world.stickiness {
            Some(time) => json!({"Enabled": true, "DurationSeconds": time.as_secs()}),
            None => json!({"Enabled": false}),
        };
        self.rules.push(Rule {
            arn: arns.rule,
            listener: arns.listener,
            priority: Some(world.rule_priority),
            conditions: seed_conditions(world),
            actions: vec![json!({"Type": "forward", "Order": 1, "ForwardConfig":
                {"TargetGroups": weights, "TargetGroupStickinessConfig": stickiness}})],
            transforms: Vec::new(),
        });
        if let Some(port) = world.test_listener_port {
            let least = usize::from(world.slots[1].weight <= world.slots[0].weight);
            let forward = json!({"Type": "forward", "Order": 1, "TargetGroupArn": groups[least],
                "ForwardConfig": {"TargetGroups":
                    [{"TargetGroupArn": groups[least], "Weight": 1}],
                    "TargetGroupStickinessConfig": {"Enabled": false}}});
            let listener = listener_arn(&arns.balancer, port);
            self.add_listener(&arns.balancer, &listener, port, vec![forward]);
        }
    }

    /// Adds a listener and its default rule.
    pub(crate) fn add_listener(&mut self, balancer: &str, arn: &str, port: u16, actions: Vec<Value>) {
        self.listeners.push(Listener {
            arn: arn.to_owned(),
            load_balancer: balancer.to_owned(),
            port,
            protocol: if port == 443 { "HTTPS".to_owned() } else { "HTTP".to_owned() },
        });
        self.rules.push(Rule {
            arn: rule_arn(arn, "default"),
            listener: arn.to_owned(),
            priority: None,
            conditions: Vec::new(),
            actions,
            transforms: Vec::new(),
        });
        self.routes_changed();
    }

    fn seed_service(&mut self, slot: &SlotSeed, world: &WorldSeed, made: &Made<'_>) {
        let Made { cluster, definition, group, now } = *made;
        let name = last(&slot.service).to_owned();
        let arn = if slot.service.starts_with("arn:") {
            slot.service.clone()
        } else {
            self.names.ecs(&format!("service/{}/{name}", last(cluster)))
        };
        let mut service = Service {
            arn,
            name,
            cluster: cluster.to_owned(),
            status: ServiceStatus::Active,
            controller: match world.services {
                ServiceSeed::Pair | ServiceSeed::Ecs => Controller::Ecs,
                ServiceSeed::TaskSets => Controller::External,
                ServiceSeed::CodeDeploy => Controller::CodeDeploy,
            },
            desired: slot.desired,
            definition: definition.to_owned(),
            attachments: vec![Attachment {
                group: group.to_owned(),
                container: world.container.clone(),
                port: world.container_port,
                advanced: None,
            }],
            grace_seconds: 0,
            limits: DeploymentLimits::default(),
            deployments: Vec::new(),
            completed: None,
            sets: Vec::new(),
            primary_set: None,
            events: VecDeque::new(),
            created_at: now,
            is_steady: false,
            extra: service_extra(),
        };
        let number = self.next();
        service.begin(definition, now, number);
        if service.controller == Controller::External {
            let first = TaskSet::new(&service, definition, service.attachments.clone(), now);
            let id = service.add_set(first, number);
            service.promote(&id, now);
        }
        if let Some(deployment) = service.deployments.first_mut() {
            deployment.rollout = Rollout::Completed;
            service.completed = Some((deployment.id.clone(), deployment.definition.clone()));
        }
        let first = service.deployments.first().map(|one| one.id.clone()).or_else(|| service.primary_set.clone());
        let first = first.unwrap_or_default();
        for _ in 0..slot.desired {
            let id = self.add_task_of(&service, &first, definition, now);
            if let Some(task) = self.tasks.get_mut(&id) {
                task.phase = Phase::Pending;
                task.phase_until = now;
            }
        }
        if service.controller == Controller::CodeDeploy {
            codedeploy::seed(self, &service, world.ready_wait, now);
        }
        self.services.push(service);
    }
}

/// The slots and their groups; where there is one service for both, the slot that serves comes first.
fn serving_first<'a>(world: &'a WorldSeed, groups: &'a [String]) -> Vec<(&'a SlotSeed, &'a String)> {
    let mut slots: Vec<_> = world.slots.iter().zip(groups).collect();
    if world.services != ServiceSeed::Pair && world.slots[1].weight > world.slots[0].weight {
        slots.reverse();
    }
    slots
}

/// What a seeded service stands on.
struct Made<'a> {
    cluster: &'a str,
    definition: &'a str,
    group: &'a str,
    now: u64,
}

struct RouteArns {
    balancer: String,
    listener: String,
    rule: String,
}

/// The ARNs of the route: each given one decides those above it.
fn route_arns(names: &Names, world: &WorldSeed) -> RouteArns {
    let parent = |arn: &str| arn.rsplit_once('/').map_or(String::new(), |(head, _)| head.to_owned());
    let listener_of = |rule: &str| parent(rule).replace(":listener-rule/", ":listener/");
    let balancer_of = |listener: &str| parent(listener).replace(":listener/", ":loadbalancer/");
    let given = world.rule_arn.as_deref().map(listener_of).or_else(|| world.listener_arn.clone());
    let balancer = match &given {
        Some(listener) => balancer_of(listener),
        None if world.load_balancer.starts_with("arn:") => world.load_balancer.clone(),
        None => {
            let name = &world.load_balancer;
            names.elb(&format!("loadbalancer/app/{name}/{}", hex_id(name, 16)))
        }
    };
    let listener = given.unwrap_or_else(|| listener_arn(&balancer, world.listener_port));
    let rule = world.rule_arn.clone();
    let rule = rule.unwrap_or_else(|| rule_arn(&listener, &world.rule_priority.to_string()));
    RouteArns { balancer, listener, rule }
}

/// The ARN a listener gets.
pub(crate) fn listener_arn(balancer: &str, port: u16) -> String {
    let id = hex_id(&format!("{balancer} {port}"), 16);
    format!("{}/{id}", balancer.replace(":loadbalancer/", ":listener/"))
}

/// The ARN a rule gets.
pub(crate) fn rule_arn(listener: &str, of: &str) -> String {
    let id = hex_id(&format!("{listener} {of}"), 16);
    format!("{}/{id}", listener.replace(":listener/", ":listener-rule/"))
}

fn digits(id: &str) -> String {
    id.bytes().take(10).map(|byte| char::from(b'0' + byte % 10)).collect()
}

fn seed_conditions(world: &WorldSeed) -> Vec<Value> {
    let mut conditions = Vec::new();
    if !world.rule_hosts.is_empty() {
        conditions.push(json!({"Field": "host-header", "Values": world.rule_hosts,
            "HostHeaderConfig": {"Values": world.rule_hosts}}));
    }
    let any = vec!["/*".to_owned()];
    let paths = match (world.rule_paths.is_empty(), world.rule_hosts.is_empty()) {
        (false, _) => &world.rule_paths,
        (true, true) => &any,
        (true, false) => return conditions,
    };
    conditions.push(json!({"Field": "path-pattern", "Values": paths,
        "PathPatternConfig": {"Values": paths}}));
    conditions
}

fn seed_check(seed: &HealthCheckSeed) -> HealthCheck {
    HealthCheck {
        path: seed.path.clone(),
        port: "traffic-port".to_owned(),
        interval_seconds: seed.interval.as_secs().max(1),
        timeout_seconds: seed.timeout.as_secs().max(1),
        healthy_threshold: seed.healthy_threshold,
        unhealthy_threshold: seed.unhealthy_threshold,
        matcher: "200".to_owned(),
    }
}

fn seed_body(world: &WorldSeed, family: &str) -> Map<String, Value> {
    let served = json!({
        "name": world.container,
        "image": world.image,
        "essential": true,
        "portMappings": [{"containerPort": world.container_port, "protocol": "tcp"}],
    });
    let sidecars = world.sidecars.iter().map(|name| json!({"name": name, "image": world.image, "essential": false}));
    let containers: Vec<Value> = std::iter::once(served).chain(sidecars).collect();
    let body = json!({
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": containers,
    });
    match body {
        Value::Object(map) => map,
        _ => unreachable!("the literal above is an object"),
    }
}

fn service_extra() -> Map<String, Value> {
    let mut extra = Map::new();
    extra.insert("launchType".to_owned(), json!("FARGATE"));
    extra.insert("platformVersion".to_owned(), json!("LATEST"));
    extra.insert(
        "networkConfiguration".to_owned(),
        json!({"awsvpcConfiguration": {"subnets": ["subnet-0lab0a", "subnet-0lab0b"],
            "securityGroups": ["sg-0lab"], "assignPublicIp": "DISABLED"}}),
    );
    extra
}

/// The attributes of a fresh target group.
pub(crate) fn default_group_attributes() -> BTreeMap<String, String> {
    let defaults = [
        (DEREGISTRATION_DELAY, "300"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ("load_balancing.algorithm.type", "round_robin"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("slow_start.duration_seconds", "0"),
        ("stickiness.app_cookie.cookie_name", ""),
        ("stickiness.app_cookie.duration_seconds", "86400"),
        ("stickiness.enabled", "false"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("stickiness.type", "lb_cookie"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ];
    defaults.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The attributes of a fresh load balancer.
pub(crate) fn default_balancer_attributes() -> BTreeMap<String, String> {
    let defaults = [
        ("access_logs.s3.enabled", "false"),
        ("client_keep_alive.seconds", "3600"),
        ("deletion_protection.enabled", "false"),
        ("idle_timeout.timeout_seconds", "60"),
        ("load_balancing.cross_zone.enabled", "true"),
        ("routing.http.drop_invalid_header_fields.enabled", "false"),
        ("routing.http.preserve_host_header.enabled", "false"),
        ("routing.http2.enabled", "true"),
    ];
    defaults.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(change: impl FnOnce(&mut WorldSeed)) -> Account {
        let mut config = LabConfig::default();
        change(&mut config.world);
        Account::seeded(&config, 0)
    }

    #[test]
    fn the_arn_of_a_rule_decides_those_above_it() {
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/shop/50dc/f2f7/9683";
        let account = seeded(|world| world.rule_arn = Some(rule.to_owned()));
        assert!(account.rules.iter().any(|one| one.arn == rule));
        assert_eq!(dimension(&account.load_balancers[0].arn), "app/shop/50dc");
        assert!(account.listeners[0].arn.ends_with(":listener/app/shop/50dc/f2f7"));
        assert_eq!(account.load_balancers[0].name, "shop");
    }

    #[test]
    fn given_arns_are_kept_and_found_by_name() {
        let group = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop-blue/73e2";
        let account = seeded(|world| {
            world.cluster = "arn:aws:ecs:eu-west-1:1:cluster/shop".to_owned();
            world.slots[0].service = "arn:aws:ecs:eu-west-1:1:service/shop/shop-blue".to_owned();
            world.slots[0].target_group = group.to_owned();
            world.extra_task_definitions = vec!["arn:aws:ecs:eu-west-1:1:task-definition/shop:7".to_owned()];
        });
        let cluster = &account.cluster(Some("shop")).expect("it is seeded").arn;
        assert!(account.service(cluster, "shop-blue").is_some());
        assert_eq!(account.group(group).map(|one| one.name.as_str()), Some("shop-blue"));
        assert_eq!(account.definition("shop:7").map(|one| one.revision), Some(7));
    }

    #[test]
    fn a_release_named_revision_one_leaves_another_one_in_service() {
        let account = seeded(|world| world.extra_task_definitions = vec!["web:1".to_owned()]);
        assert!(account.services[0].definition.ends_with("/web:2"));
        assert_eq!(account.definition("web:1").map(|one| &one.behaviour), Some(&account.candidate));
    }

    #[test]
    fn the_test_listener_leads_to_the_slot_with_the_least_weight() {
        let account = seeded(|world| world.test_listener_port = Some(8080));
        let rule = account.rules.iter().find(|rule| rule.listener == account.listeners[1].arn);
        let groups: Vec<&str> = rule.expect("it has a default rule").groups().collect();
        assert_eq!(groups, [account.groups[1].arn.as_str()]);
    }
}
