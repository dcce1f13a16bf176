//! What stands in the account: slots and roles, the rule, capacity, and the survey a plan is made of.

use std::fmt;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::count::Past;
use crate::domain::driver::{CodeDeployView, UnderWay};
use crate::domain::safeguard::Scaling;
use crate::domain::traffic::Share;

/// Where tasks run: an ECS service and the target group it fills. Slots never move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The first of the pair.
    Blue,
    /// The second of the pair.
    Green,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::Blue => "blue",
            Slot::Green => "green",
        })
    }
}

/// What a slot is in one rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Serves when the rollout starts.
    Stable,
    /// Gets the new release.
    Candidate,
}

impl Role {
    /// What the slot beside it is.
    pub fn other(self) -> Role {
        match self {
            Role::Stable => Role::Candidate,
            Role::Candidate => Role::Stable,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Stable => "stable",
            Role::Candidate => "candidate",
        })
    }
}

/// One slot of a rollout's target, resolved to what AWS calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which slot it is.
    pub slot: Slot,
    /// The ECS service's name.
    pub service: String,
    /// The target group's ARN.
    pub target_group: String,
    /// The target group's name.
    pub target_group_name: String,
    /// The target group as a metric dimension: `targetgroup/web-blue/0123`.
    pub target_group_dimension: String,
}

/// What a rollout moves, resolved: every name is unambiguous and every ARN known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The region, as in `eu-west-1`.
    pub region: String,
    /// The account, twelve digits.
    pub account: String,
    /// The ECS cluster's name.
    pub cluster: String,
    /// The listener rule whose weights move.
    pub rule: String,
    /// The load balancer as a metric dimension: `app/web/0123`.
    pub load_balancer_dimension: String,
    /// The load balancer's DNS name, for probes.
    pub dns_name: String,
    /// The slot that serves when the rollout starts.
    pub stable: Place,
    /// The slot that gets the new release.
    pub candidate: Place,
}

impl Target {
    /// The slot in `role`.
    pub fn place(&self, role: Role) -> &Place {
        match role {
            Role::Stable => &self.stable,
            Role::Candidate => &self.candidate,
        }
    }
}

/// The listener rule as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleView {
    /// The rule's ARN.
    pub arn: String,
    /// The listener's port.
    pub port: u16,
    /// The priority; `None` for the default rule.
    pub priority: Option<u32>,
    /// What it matches, in words: `host web.example.com, path /api/*`.
    pub conditions: String,
    /// The rules of its listener that are asked before it and take what both match, first one first.
    pub above: Vec<Above>,
    /// Target groups of its forward action, by ARN, with their weights, in the rule's order.
    pub weights: Vec<(String, u16)>,
    /// How long a client sticks to a target group, when stickiness is on.
    pub stickiness: Option<Duration>,
    /// Those of its target groups that are sticky themselves, by ARN: AWS then takes no rule whose stickiness is off.
    pub sticky_groups: Vec<String>,
    /// Types of the actions before the forward: `authenticate-oidc`.
    pub other_actions: Vec<String>,
    /// Everything in the actions but the weights of the two slots and whether stickiness is on, as a
    /// fingerprint: two reads that differ in it differ in something that is not ours to change.
    /// The adapter makes it once the slots' target groups are known.
    pub shape: String,
    /// The whole action list as the AWS CLI takes it after `--actions`.
    pub actions_json: String,
}

/// A rule that is asked before another, and takes what both match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Above {
    /// Its ARN.
    pub rule: String,
    /// Its priority and what it matches, in words.
    pub what: String,
    /// Whether it takes everything.
    pub all: bool,
}

/// One slot as it was surveyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// The resolved names.
    pub place: Place,
    /// The service's status: `ACTIVE`.
    pub status: String,
    /// The deployment controller: `ECS`, `CODE_DEPLOY`, `EXTERNAL`.
    pub controller: String,
    /// The deployment strategy of the ECS controller, `ROLLING` when none is said.
    pub strategy: String,
    /// The task definition it runs, as an ARN.
    pub task_definition: String,
    /// How many tasks are wanted.
    pub desired: u32,
    /// How many tasks run.
    pub running: u32,
    /// How many targets of the group are healthy.
    pub healthy: u32,
    /// Why what its tasks run is not one proven release, in words; `None` where it is.
    pub unproven: Option<String>,
    /// Whether the service registers its tasks in the target group.
    pub attached: bool,
    /// Time between health checks.
    pub health_interval: Duration,
    /// Health checks that must pass before a target is healthy.
    pub healthy_threshold: u32,
    /// Health checks that must fail before a target gets no more requests.
    pub unhealthy_threshold: u32,
    /// How long the load balancer drains a target that leaves.
    pub deregistration_delay: Duration,
    /// How long a new target gets less than its share; zero when it gets that at once.
    pub slow_start: Duration,
}

/// Where a service's load balancer leads to in its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose service it is.
    pub slot: Slot,
    /// The container's name.
    pub container: String,
    /// The container's port.
    pub port: u16,
}

/// A task set as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSetView {
    /// Its id.
    pub id: String,
    /// The target groups that it registers its tasks in, by ARN.
    pub target_groups: Vec<String>,
}

/// An alarm as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmView {
    /// The alarm's name.
    pub name: String,
    /// The state it was in.
    pub state: crate::domain::fleet::AlarmState,
    /// Whether its actions are enabled.
    pub actions_enabled: bool,
    /// How much time of data one evaluation looks at.
    pub window: Duration,
    /// Between two evaluations; zero where it follows other alarms.
    pub every: Duration,
    /// How far what it looks at is published.
    pub published: Published,
}

/// How far what an alarm looks at is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was not read, or nobody can read it.
    Unknown,
    /// Nothing is, neither in a whole window of the alarm nor in the ten minutes before.
    Nothing,
    /// Until then.
    Until(Timestamp),
}

/// The three states of a CloudWatch alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// Not breaching.
    Ok,
    /// Breaching.
    Alarm,
    /// Too little data to say, or a state this version does not know.
    InsufficientData,
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
        })
    }
}

/// The live account as a plan needs to know it, read once before anything is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// When it was taken.
    pub at: Timestamp,
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// The cluster's name.
    pub cluster: String,
    /// The load balancer's name.
    pub load_balancer: String,
    /// The load balancer as a metric dimension.
    pub load_balancer_dimension: String,
    /// The load balancer's DNS name.
    pub dns_name: String,
    /// The rule.
    pub rule: RuleView,
    /// The blue slot.
    pub blue: SlotView,
    /// The green slot.
    pub green: SlotView,
    /// The scalable targets of the slots' services, where they have one; in words why they could not be read.
    pub scaling: Result<Vec<(Slot, Scaling)>, String>,
    /// The alarms that the gates name and that exist.
    pub alarms: Vec<AlarmView>,
    /// The stable slot's past, where a gate compares with it: `None` when it was not asked for, and in words
    /// why when it could not be read.
    pub past: Option<Result<Past, String>>,
    /// CodeDeploy's application and deployment group of the service, where the driver needs them and they exist.
    pub code_deploy: Option<CodeDeployView>,
    /// The containers and ports that the services' load balancers lead to.
    pub entries: Vec<Entry>,
    /// How ECS deploys the service, as it tells that in JSON, where it shifts traffic by itself.
    pub deployment_configuration: Option<String>,
    /// AWS's own deployment of the service that is under way, whoever started it.
    pub under_way: Option<UnderWay>,
    /// The service's task sets, those that are going too; empty where the deployment controller has none.
    pub task_sets: Vec<TaskSetView>,
    /// What leads to the slots' tasks beside the rule.
    pub entrances: Vec<Entrance>,
    /// Containers of the release's task definition that the image list names and that do not exist,
    /// or what else is wrong with the release; empty when nothing is.
    pub release_problems: Vec<String>,
}

/// What leads requests to a slot's tasks beside the rollout's rule, which does not move them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// What and where it is, in words.
    pub what: String,
    /// The rule, or the listener's default action, where it is one.
    pub rule: Option<OtherRule>,
    /// Whether the rollout goes on all the same: it brings back what served before.
    pub tolerated: bool,
}

/// A rule beside the rollout's.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OtherRule {
    /// Its ARN, or the listener's.
    pub rule: String,
    /// The port that it is on.
    pub port: u16,
    /// The request headers that it looks at, in lower case.
    pub headers: Vec<String>,
    /// The patterns of hosts that it looks at.
    pub hosts: Vec<String>,
    /// The same of paths.
    pub paths: Vec<String>,
    /// The ARN of the target group that it gives weight.
    pub target_group: String,
}

impl Survey {
    /// The slot that has weight, if it is one alone.
    pub fn serving(&self) -> Option<&SlotView> {
        let has_weight = |slot: &&SlotView| {
            self.rule.weights.iter().any(|(group, weight)| *group == slot.place.target_group && *weight > 0)
        };
        let mut serving = [&self.blue, &self.green].into_iter().filter(has_weight);
        serving.next().filter(|_| serving.next().is_none())
    }
}

/// The rule's weights as one look saw them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSeen {
    /// The candidate's share of what the two slots get; `None` when neither has weight.
    pub share: Option<Share>,
    /// Whether stickiness is on, for longer than a second.
    pub sticky: bool,
    /// Whether it is on for a second, which is what the way back writes where it can not be off: clients that hold a
    /// cookie of the candidate are led there until they have it no more.
    pub brief: bool,
    /// The ARN of the rule that was read, where it is another than the rollout's: that one is there no more, and this
    /// one stands in its place.
    pub instead: Option<String>,
    /// As [`RuleView::shape`].
    pub shape: String,
    /// The weights in words: `web-blue 90, web-green 10`.
    pub text: String,
}

/// A task that stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The task's id.
    pub task: String,
    /// When it stopped.
    pub at: Timestamp,
    /// Why, in ECS's words, with the exit code when there is one.
    pub reason: String,
    /// What it ran, as an ARN; empty where that is not known.
    pub task_definition: String,
}

/// A deployment of a service that ECS gave up by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// What it was to bring, as an ARN; empty where only the way back from it is seen.
    pub task_definition: String,
    /// Why, in ECS's words.
    pub why: String,
}

/// One slot's tasks and targets as one look saw them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks running.
    pub running: u32,
    /// Targets the load balancer calls healthy.
    pub healthy: u32,
    /// The task definition of the primary deployment, as an ARN.
    pub task_definition: String,
    /// Whether only the primary deployment is left.
    pub settled: bool,
    /// Tasks that failed since the primary deployment began, by ECS's own count.
    pub failed: u32,
    /// Tasks that stopped by themselves lately, newest first, when there are failed ones.
    pub stopped: Vec<Stopped>,
    /// The deployment that ECS gave up, while it shows.
    pub given_up: Option<GivenUp>,
}

/// Both slots' capacity.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fleet {
    /// The stable slot's.
    pub stable: Capacity,
    /// The candidate slot's.
    pub candidate: Capacity,
}

impl Fleet {
    /// The capacity of the slot in `role`.
    pub fn of(&self, role: Role) -> &Capacity {
        match role {
            Role::Stable => &self.stable,
            Role::Candidate => &self.candidate,
        }
    }
}

/// Requests of a slot in its last minutes that are proven published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many there were from the first of those minutes on.
    pub requests: u64,
    /// The end of those minutes: one that begins no earlier is published already, of the slot or of what is measured
    /// beside it.
    pub until: Timestamp,
}

/// Requests a slot served in a stretch of time, as the load balancer counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Served {
    /// All requests.
    pub requests: u64,
    /// Those answered with 5xx, or with a refused connection.
    pub failed: u64,
    /// Those in the whole minutes since the slot has all the weight; `None` when it has not, or that was not counted.
    pub since_full: Option<u64>,
}
