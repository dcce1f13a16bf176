//! The configuration of a lab: time, load, behaviour, faults, and the world it begins with.

use std::net::SocketAddr;
use std::time::Duration;

use super::behaviour::Behaviour;
use super::clock::LabClock;
use super::fault::ApiFault;
use super::outage::Outage;

/// Everything a lab is started with.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// Where the API listens; port 0 takes any.
    pub listen: SocketAddr,
    /// The region in ARNs.
    pub region: String,
    /// The account number in ARNs.
    pub account: String,
    /// Lab time.
    pub clock: LabClock,
    /// Where every die starts.
    pub seed: u64,
    /// Requests a lab second that the simulated clients send; 0 sends none.
    pub rps: f64,
    /// How every task definition behaves that the world did not start with in service.
    pub candidate: Behaviour,
    /// The share of requests that fail in every task, whatever its release, from 0 to 1.
    pub errors: f64,
    /// Trouble of the API plane, and of its metrics.
    pub faults: Vec<ApiFault>,
    /// Trouble that the tasks of both slots share for a while.
    pub outages: Vec<Outage>,
    /// How long before its start the lab's metrics begin, at most 15 h: as if the serving slot had run with
    /// this rate of requests and errors. Zero is a lab without a past.
    pub past: Duration,
    /// What exists at the start.
    pub world: WorldSeed,
    /// How long after the end of a minute its load balancer metrics can be read, in lab time; none is as on AWS.
    pub publication_delay: Option<Duration>,
    /// How long a rule change takes to reach the data plane, in lab time.
    pub rule_propagation: Duration,
    /// Before which shifts of an ECS deployment a pause hook holds.
    pub shift_pauses: ShiftPauses,
}

/// Before which shifts of production traffic a pause hook at `PRE_PRODUCTION_TRAFFIC_SHIFT` holds a linear or
/// canary deployment.
///
/// The description of `ServiceDeployment.lifecycleStage` in the ECS API reference says that this stage comes
/// before every shift; whether a pause hook then holds each time was not tried on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShiftPauses {
    /// Before each one, as the reference says.
    #[default]
    Each,
    /// Before the first one only.
    First,
}

/// What serves at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceSeed {
    /// A service for each slot.
    #[default]
    Pair,
    /// One service, which ECS deploys by shifting traffic between the target groups of both slots.
    Ecs,
    /// One service of task sets that anybody may make, the first in the slot that serves.
    TaskSets,
    /// One service that CodeDeploy deploys, with its application and deployment group.
    CodeDeploy,
}

impl Default for LabConfig {
    fn default() -> LabConfig {
        LabConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            clock: LabClock::new(1.0),
            seed: 1,
            rps: 20.0,
            candidate: Behaviour::default(),
            errors: 0.0,
            faults: Vec::new(),
            outages: Vec::new(),
            past: Duration::from_secs(12 * 3_600),
            world: WorldSeed::default(),
            publication_delay: None,
            rule_propagation: Duration::from_secs(1),
            shift_pauses: ShiftPauses::default(),
        }
    }
}

/// The account as it is when the lab starts: two slots behind one listener rule.
///
/// Every name may be an ARN, which is then kept as it is.
#[derive(Debug, Clone)]
pub struct WorldSeed {
    /// What serves.
    pub services: ServiceSeed,
    /// How long CodeDeploy waits to be told to shift traffic, in whole minutes; zero does not wait, as the ECS console
    /// has it.
    pub ready_wait: Duration,
    /// The ECS cluster.
    pub cluster: String,
    /// The load balancer; a rule ARN below takes precedence.
    pub load_balancer: String,
    /// The port of the production listener.
    pub listener_port: u16,
    /// The ARN of the production listener, if it has to be a certain one.
    pub listener_arn: Option<String>,
    /// The ARN of the rule, if it has to be a certain one; listener and load balancer follow from it.
    pub rule_arn: Option<String>,
    /// The rule's priority.
    pub rule_priority: u32,
    /// The rule's `host-header` values; none means no such condition.
    pub rule_hosts: Vec<String>,
    /// The rule's `path-pattern` values; without hosts too, the rule matches `/*`.
    pub rule_paths: Vec<String>,
    /// A second listener, whose default action forwards to the slot with the least weight.
    pub test_listener_port: Option<u16>,
    /// The two slots.
    pub slots: [SlotSeed; 2],
    /// The family of the task definition both services start with.
    pub family: String,
    /// The name of its container.
    pub container: String,
    /// Names of further containers in it.
    pub sidecars: Vec<String>,
    /// The image of its containers.
    pub image: String,
    /// The port of its container.
    pub container_port: u16,
    /// Task definitions that also exist: `family:revision` or ARNs. They behave as the candidate.
    pub extra_task_definitions: Vec<String>,
    /// Alarms on the load balancer's share of 5XX answers.
    pub alarms: Vec<String>,
    /// SNS topics, by ARN.
    pub topics: Vec<String>,
    /// Change calendars that are open, by name or ARN.
    pub calendars: Vec<String>,
    /// The health check of both target groups.
    pub health_check: HealthCheckSeed,
    /// How long a target drains.
    pub deregistration_delay: Duration,
    /// Target group stickiness on the rule.
    pub stickiness: Option<Duration>,
    /// How long a task takes from PROVISIONING to RUNNING.
    pub start_up: Duration,
}

/// One place where tasks run.
#[derive(Debug, Clone)]
pub struct SlotSeed {
    /// The ECS service.
    pub service: String,
    /// The target group.
    pub target_group: String,
    /// Tasks wanted, and already there when the lab starts.
    pub desired: u32,
    /// The group's weight in the rule.
    pub weight: u32,
}

/// How targets are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckSeed {
    /// The path asked for.
    pub path: String,
    /// The time between two checks.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Passes in a row that make a target healthy.
    pub healthy_threshold: u32,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
}

impl Default for HealthCheckSeed {
    fn default() -> HealthCheckSeed {
        HealthCheckSeed {
            path: "/healthz".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
        }
    }
}

impl Default for WorldSeed {
    fn default() -> WorldSeed {
        let slot = |colour: &str, desired, weight| SlotSeed {
            service: format!("web-{colour}"),
            target_group: format!("web-{colour}"),
            desired,
            weight,
        };
        WorldSeed {
            services: ServiceSeed::default(),
            ready_wait: Duration::ZERO,
            cluster: "lab".to_owned(),
            load_balancer: "lab".to_owned(),
            listener_port: 80,
            listener_arn: None,
            rule_arn: None,
            rule_priority: 100,
            rule_hosts: Vec::new(),
            rule_paths: Vec::new(),
            test_listener_port: None,
            slots: [slot("blue", 2, 100), slot("green", 0, 0)],
            family: "web".to_owned(),
            container: "web".to_owned(),
            sidecars: Vec::new(),
            image: "example/web:1".to_owned(),
            container_port: 8080,
            extra_task_definitions: Vec::new(),
            alarms: Vec::new(),
            topics: Vec::new(),
            calendars: Vec::new(),
            health_check: HealthCheckSeed::default(),
            deregistration_delay: Duration::from_secs(30),
            stickiness: None,
            start_up: Duration::from_secs(8),
        }
    }
}
