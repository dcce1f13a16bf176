//! What all drivers share: the rule and its write, readings, counts, probes, the beacon, the switch and the hold on
//! autoscaling; and, as a driver of its own, two services whose weights are written here.
//!
//! Where something else fills the slots or moves the weights, a call is handed to the folder of that driver beside
//! this one: see `drive.rs`.

mod above;
mod actions;
mod alarm_data;
mod alarms;
mod ask;
mod back;
pub mod beacon;
mod brings;
mod burn;
mod cancel;
pub mod composed;
mod counts;
pub mod drill;
mod entrances;
pub(super) mod fleet;
mod hedge;
pub(super) mod json;
mod known;
mod listener;
mod metrics;
mod past;
mod place;
mod promql;
pub mod prove;
mod readings;
pub(super) mod release;
mod releases;
mod rule;
mod safeguard;
pub mod scout;
mod sizes;
mod survey;
mod text_place;
pub(super) mod unproven;
mod writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::cloud) use tests::{BLUE, GREEN, NOW, no_record, rule_xml, setup, target as sample_target};

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::types::Action;
use serde_json::Value;

pub use actions::Recorded;
pub(super) use release::is_release;
pub use release::{RELEASE_TAG, ReleaseDocument, Slip};
pub use survey::AlbSurveyor;
pub use text_place::Mark;

use super::aws::{Aws, Prober, ecs, ssm};
use super::http::Http;
use super::outside::Outside;
use super::{About, Arming, Cloud, Errands, Fence, Ours, RouteOrder, Routed};
use crate::cloud::drivers::Drive;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::driver::{Deployment, Driver};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Counted, Fleet, Role, RuleSeen, Served, Target};
use crate::domain::name::RolloutId;
use crate::domain::safeguard::{Beacon, DeadMan, Scaling, TakenBack};
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{Gate, ProbeReading, ProbeRule, Reading};
use actions::Slots;
use alarms::Histories;
use cancel::Way;
use releases::Releases;
use rule::LastRead;

/// What a rollout's driver is made for.
#[derive(Clone, Debug)]
pub struct AlbSetup {
    /// The rollout, and which of its runners this is, counted from 1; `None` for who only reads. It is what the
    /// rule's beacon and the dead-man's switch are called.
    pub rollout: Option<(RolloutId, u64)>,
    /// What is moved. Its DNS name is what probes know as `{load_balancer}`.
    pub target: Target,
    /// Who moves the weights.
    pub driver: Driver,
    /// What tells the rollout's own deployment from others, where AWS has deployments of its own.
    pub ours: Ours,
    /// The rule as it stood before the rollout.
    pub recorded: Recorded,
    /// Rules that only tests come by, by ARN.
    pub test_rules: Vec<String>,
    /// What is registered, when something is.
    pub release: Option<ReleaseDocument>,
    /// What webhooks and commands are told of the rollout beside its target.
    pub about: About,
    /// What `${VAR}` in a header, a webhook's URL or a command's arguments is filled in from.
    pub environment: BTreeMap<String, String>,
    /// Where plain-text requests to a `host:port` connect to instead; for a lab.
    pub connect_to: Vec<(String, SocketAddr)>,
    /// What is asked right before a write is sent.
    pub fence: Fence,
    /// The ARN of the IAM role that forward writes of the rule are signed as; `None` signs them as all else.
    pub writer_role: Option<String>,
}

/// Drives one rollout's listener rule and services.
pub struct AlbDriver {
    pub(super) aws: Aws,
    pub(super) clock: Clock,
    rollout: Option<(RolloutId, u64)>,
    pub(super) target: Target,
    drive: Drive,
    pub(super) ours: Ours,
    releases: Releases,
    pub(super) slots: Slots,
    pub(super) recorded: Recorded,
    test_rules: Vec<String>,
    release: Option<ReleaseDocument>,
    http: Http,
    prober: Prober,
    outside: Arc<Outside>,
    histories: Histories,
    pub(super) fence: Fence,
    writer_role: Option<String>,
    /// The rule's actions as they were last read, and when.
    last_read: LastRead,
    way: Way,
    /// Who goes back with nothing but the rule, if somebody does.
    back: Option<TakenBack>,
}

impl fmt::Debug for AlbDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlbDriver").field("target", &self.target).finish_non_exhaustive()
    }
}

impl AlbDriver {
    /// A driver for one rollout. Sends nothing yet.
    pub fn new(aws: &Aws, clock: Clock, setup: AlbSetup) -> AlbDriver {
        let AlbSetup { rollout, target, driver, ours, recorded, release, about, .. } = setup;
        let AlbSetup { test_rules, environment, connect_to, fence, writer_role, .. } = setup;
        let aws = aws.fenced(&fence);
        let outside = Outside::new(clock.clone(), about, target.clone(), environment.clone());
        let http = Http::new(environment, connect_to);
        let prober = Prober::new(target.dns_name.clone(), http.clone());
        let slots = Slots::of(&target);
        let histories = Histories::default();
        let (last_read, way) = (LastRead::default(), Way::default());
        AlbDriver {
            aws,
            clock,
            rollout,
            target,
            drive: Drive::of(driver, &ours),
            ours,
            releases: Releases::default(),
            slots,
            recorded,
            test_rules,
            release,
            http,
            prober,
            outside,
            histories,
            fence,
            writer_role,
            last_read,
            way,
            back: None,
        }
    }

    /// Says on the rule who goes back with nothing but the rule: its runner hears it from there.
    #[must_use]
    pub fn going_back_for(self, back: TakenBack) -> Self {
        Self { back: Some(back), ..self }
    }

    /// The connections it uses.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// What it asks of webhooks and commands; it ends with the driver.
    pub fn errands(&self) -> Errands {
        self.outside.under_way()
    }

    /// The rollout that is driven, where there is one.
    pub(super) fn rollout_id(&self) -> Option<&RolloutId> {
        self.rollout.as_ref().map(|(id, _)| id)
    }

    /// What a list of the rule's actions says of the two slots.
    pub(super) fn seen(&self, actions: &[Action]) -> RuleSeen {
        actions::seen(actions, &self.slots)
    }

    async fn find_or_register(&self, digest: &str) -> Result<String, Fault> {
        let refuse = |words: &str| Fault::new(FaultKind::Permanent, "RegisterTaskDefinition", words);
        let release = self.release.as_ref().ok_or_else(|| refuse("there is no release document"))?;
        if release.digest() != digest {
            return Err(refuse("the release document is not the one that was planned"));
        }
        let newest = ecs::task_definition(&self.aws.reading.ecs, release.family()).await?;
        if let Some(described) = newest.filter(|described| release::is_release(described, digest)) {
            let arn = described["taskDefinition"]["taskDefinitionArn"].as_str();
            return arn.map(ToOwned::to_owned).ok_or_else(|| refuse("the registered revision has no ARN"));
        }
        self.fence.decide(true);
        ecs::register(&self.aws.writing.ecs, &release.tagged(digest)).await
    }
}

/// Reads a task definition with its tags, as DescribeTaskDefinition answers: by ARN,
/// `family:revision`, or family for its newest revision. `None` when there is none.
///
/// # Errors
/// When AWS refuses the read.
pub async fn task_definition(aws: &Aws, name: &str) -> Result<Option<Value>, Fault> {
    ecs::task_definition(&aws.polling.ecs, name).await
}

/// Reads the newest revision of a family of which every revision is deregistered. `None` when there is none at all.
///
/// # Errors
/// When AWS refuses a read.
pub async fn newest_deregistered(aws: &Aws, family: &str) -> Result<Option<Value>, Fault> {
    match ecs::newest_deregistered(&aws.polling.ecs, family).await? {
        Some(arn) => ecs::task_definition(&aws.polling.ecs, &arn).await,
        None => Ok(None),
    }
}

impl Cloud for AlbDriver {
    async fn register(&self, digest: &str) -> Result<String, Fault> {
        let _turn = self.way.turn();
        self.find_or_register(digest).await
    }

    async fn scale(&self, role: Role, count: u32, task_definition: Option<&str>) -> Result<(), Fault> {
        let _turn = self.way.turn();
        match &self.drive {
            Drive::Pair => self.write_scale(role, count, task_definition).await,
            Drive::TaskSets => self.write_sets(role, count, task_definition).await,
            Drive::Ecs(ecs) => self.scale_by_ecs(ecs, role, count, task_definition).await,
            Drive::CodeDeploy(begun) => self.scale_by_codedeploy(begun, (role, count), task_definition).await,
        }
    }

    async fn route(&self, order: RouteOrder) -> Result<Routed, Fault> {
        let _turn = self.way.turn();
        match (&self.drive, order.expected) {
            (Drive::Pair | Drive::TaskSets, Some(expected)) => self.write_forward(order, expected).await,
            (Drive::Pair | Drive::TaskSets, None) => self.write_back(order).await,
            (Drive::Ecs(ecs), Some(_)) => self.go_on_by_ecs(ecs, order).await,
            (Drive::Ecs(ecs), None) => self.go_back_by_ecs(ecs, order).await,
            (Drive::CodeDeploy(begun), _) => self.route_by_codedeploy(begun, order).await,
        }
    }

    async fn deployment(&self) -> Result<Option<Deployment>, Fault> {
        match &self.drive {
            Drive::Pair | Drive::TaskSets => Ok(None),
            Drive::Ecs(ecs) => self.deployment_of_ecs(ecs).await,
            Drive::CodeDeploy(begun) => self.look_at_codedeploy(begun).await,
        }
    }

    async fn calendars(&self, names: &[String]) -> Result<CalendarSeen, Fault> {
        ssm::calendars(&self.aws, names).await
    }

    async fn conclude(&self) -> Result<(), Fault> {
        match &self.drive {
            Drive::Pair | Drive::TaskSets => Ok(()),
            Drive::Ecs(ecs) => self.conclude_by_ecs(ecs).await,
            Drive::CodeDeploy(begun) => self.end_by_codedeploy(begun).await,
        }
    }

    async fn mark(&self, beacon: Beacon) -> Result<(), Fault> {
        if let (Drive::Ecs(ecs), Beacon::Absent) = (&self.drive, beacon) {
            self.restore_configuration(ecs).await?;
        }
        self.write_beacon(beacon).await
    }

    async fn taken_back(&self) -> Option<TakenBack> {
        self.who_went_back().await
    }

    async fn set_scaling(&self, targets: &[(Role, Scaling)]) -> Result<(), Fault> {
        self.write_scaling(targets).await
    }

    async fn arm(&self, switch: &DeadMan, at: Timestamp, create: bool) -> Result<Arming, Fault> {
        self.write_switch(switch, at, create).await
    }

    async fn disarm(&self, switch: &DeadMan) -> Result<(), Fault> {
        self.remove_switch(switch).await
    }

    async fn rule(&self) -> Result<RuleSeen, Fault> {
        self.look_at_rule().await
    }

    async fn rule_at_once(&self) -> Result<RuleSeen, Fault> {
        match self.read_at_once().await {
            Err(fault) if fault.kind == FaultKind::Missing => self.in_its_place(&self.aws.reading.elb, fault).await,
            read => read.map(|actions| actions::seen(&actions, &self.slots)),
        }
    }

    async fn healthy_at_once(&self, role: Role) -> Result<u32, Fault> {
        self.count_at_once(role).await
    }

    fn make_way(&self) {
        self.way.make();
    }

    async fn fleet(&self) -> Result<Fleet, Fault> {
        match &self.drive {
            Drive::Pair => self.look_at_fleet().await,
            Drive::Ecs(ecs) => self.look_at_fleet_of_ecs(ecs).await,
            Drive::TaskSets | Drive::CodeDeploy(_) => self.look_at_sets().await,
        }
    }

    async fn readings(&self, gates: &[&Gate], since: Timestamp) -> Vec<Reading> {
        self.read_gates(gates, since).await
    }

    async fn said(&self, gates: &[(usize, &Gate)], since: Timestamp) -> Vec<(usize, Reading)> {
        self.outside.said(gates, since).await
    }

    async fn requests(&self, role: Role, periods: u32, now: Timestamp) -> Result<Counted, Fault> {
        self.count_requests(role, periods, now).await
    }

    async fn entrances(&self, role: Role) -> Result<Vec<String>, Fault> {
        self.look_for_entrances(role).await
    }

    async fn observed(&self, now: Timestamp) -> Result<Option<Share>, Fault> {
        self.observe_share(now).await
    }

    async fn served(&self, role: Role, from: (Timestamp, Option<Timestamp>), now: Timestamp) -> Result<Served, Fault> {
        self.count_served(role, from, now).await
    }

    async fn probe(&self, rule: &ProbeRule, now: Timestamp) -> ProbeReading {
        let started = self.clock.now();
        let answer = self.prober.probe(rule).await;
        let at = now + self.clock.now().since(started);
        match answer {
            Ok(text) => ProbeReading { at, right: true, text },
            Err(text) => ProbeReading { at, right: false, text },
        }
    }
}
