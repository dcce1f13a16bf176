//! What all drivers share: the rule and its write, readings, counts, probes, the beacon, the switch and the hold on
//! autoscaling. `cloud/live.rs` makes the port of it, and asks `cloud/drivers` who fills the slots and moves the weights.

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
mod last_read;
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
mod slots;
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

use super::aws::{Aws, Prober, ecs};
use super::http::Http;
use super::outside::Outside;
use super::{About, Errands, Fence, Ours};
use crate::cloud::drivers::drive::Drive;
use crate::domain::clock::Clock;
use crate::domain::driver::Driver;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{RuleSeen, Target};
use crate::domain::name::RolloutId;
use crate::domain::safeguard::TakenBack;
use alarms::Histories;
use cancel::Way;
use last_read::LastRead;
use releases::Releases;
use slots::Slots;

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
    pub(super) drive: Drive,
    pub(super) ours: Ours,
    releases: Releases,
    pub(super) slots: Slots,
    pub(super) recorded: Recorded,
    test_rules: Vec<String>,
    release: Option<ReleaseDocument>,
    http: Http,
    pub(super) prober: Prober,
    pub(super) outside: Arc<Outside>,
    histories: Histories,
    pub(super) fence: Fence,
    writer_role: Option<String>,
    /// The rule's actions as they were last read, and when.
    last_read: LastRead,
    pub(super) way: Way,
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

    pub(super) async fn find_or_register(&self, digest: &str) -> Result<String, Fault> {
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
