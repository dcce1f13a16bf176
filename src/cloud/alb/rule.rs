//! Reads the rule; on the way forward, writes it once and reads it back.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::Action;

use super::AlbDriver;
use super::actions::{Binding, Wanted, rewritten, seen};
use crate::cloud::aws::elbv2;
use crate::cloud::{RouteOrder, Routed};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::RuleSeen;
use crate::domain::traffic::Share;

/// How often a write is read back before what is seen is the answer: reads may lag behind writes.
const LOOKS: u32 = 3;
/// How long to wait between two such looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl AlbDriver {
    /// What has to be read before `operation` is sent, unless that is not sent any more.
    pub(in crate::cloud) async fn unless_way<T>(
        &self,
        operation: &str,
        read: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        tokio::select! {
            biased;
            () = self.way.asked() => {
                Err(Fault::new(FaultKind::Transient, operation, "not sent, because the rollout goes back"))
            }
            answer = read => answer,
        }
    }

    pub(in crate::cloud) async fn look_at_rule(&self) -> Result<RuleSeen, Fault> {
        let elb = &self.aws.polling.elb;
        let read = elbv2::rule(elb, &self.target.rule).await;
        if let Ok(rule) = &read {
            self.last_read.set(self.clock.now(), rule.actions());
        }
        self.seen_in_place(elb, read).await
    }

    pub(in crate::cloud) async fn write_forward(&self, order: RouteOrder, expected: Share) -> Result<Routed, Fault> {
        let decided = self.clock.now();
        let forward = order.share > Share::NONE;
        self.fence.decide_by(forward, order.by, self.clock.now());
        let actions = match self.unless_way("ModifyRule", self.actions()).await {
            Err(fault) if fault.kind == FaultKind::Missing => {
                return self.in_its_place(&self.aws.reading.elb, fault).await.map(Routed::Foreign);
            }
            read => read?,
        };
        let found = seen(&actions, &self.slots);
        let ours = found.shape == self.recorded.shape;
        let foreign = !ours || found.share != Some(expected);
        // A write of ours whose answer was lost may have taken hold: then nothing is foreign.
        if foreign && !(ours && is_done(&found, order)) {
            return Ok(Routed::Foreign(found));
        }
        let binding = order.sticky.map(|on| if on { Binding::On } else { Binding::Off });
        let wanted = Wanted { share: order.share, binding, repair: false };
        let written = rewritten(&actions, &self.slots, wanted, &self.recorded)
            .map_err(|why| Fault::new(FaultKind::Permanent, "ModifyRule", why))?;
        let Some(written) = written.filter(|_| !foreign) else { return Ok(Routed::Written(found)) };
        let signer = if forward { self.unless_way("ModifyRule", self.signer(decided)).await? } else { None };
        elbv2::modify_rule_as(&self.aws.writing.elb, &self.target.rule, written, signer).await?;
        tokio::select! {
            biased;
            () = self.way.asked() => {
                let words = "not read back, because the rollout goes back";
                Err(Fault::new(FaultKind::Unknown, "ModifyRule", words))
            }
            seen = self.read_back(order) => seen.map(Routed::Written),
        }
    }

    /// Reads the rule until it shows what was written, or a few times. A read that fails after a
    /// write leaves the write unknown.
    pub(super) async fn read_back(&self, order: RouteOrder) -> Result<RuleSeen, Fault> {
        let mut looks = 0;
        loop {
            looks += 1;
            let back = order.expected.is_none();
            let read = if back { self.read_at_once().await } else { self.actions().await };
            let actions = read.map_err(|fault| Fault { kind: FaultKind::Unknown, ..fault })?;
            let found = seen(&actions, &self.slots);
            if looks >= LOOKS || is_done(&found, order) {
                return Ok(found);
            }
            self.clock.sleep_until(self.clock.now() + LOOK_AGAIN).await;
        }
    }

    /// Reads the rule on the way of a write.
    pub(in crate::cloud) async fn rule_before_write(&self) -> Result<RuleSeen, Fault> {
        self.actions().await.map(|actions| seen(&actions, &self.slots))
    }

    async fn actions(&self) -> Result<Vec<Action>, Fault> {
        let rule = elbv2::rule(&self.aws.reading.elb, &self.target.rule).await?;
        self.last_read.set(self.clock.now(), rule.actions());
        Ok(rule.actions.unwrap_or_default())
    }
}

/// Whether the rule says what is ordered.
fn is_done(found: &RuleSeen, order: RouteOrder) -> bool {
    found.share == Some(order.share) && order.sticky.is_none_or(|on| on == found.sticky)
}
