//! The rule: read, write once, read back.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::Action;

use super::AlbDriver;
use super::actions::{Wanted, rewritten, seen, writable};
use crate::cloud::aws::elbv2;
use crate::cloud::{RouteOrder, Routed};
use crate::fault::{Fault, FaultKind};
use crate::fleet::RuleSeen;
use crate::traffic::Share;

/// How often a write is read back before what is seen is the answer: reads may lag behind writes.
const LOOKS: u32 = 3;
/// How long to wait between two such looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl AlbDriver {
    pub(super) async fn look_at_rule(&self) -> Result<RuleSeen, Fault> {
        let rule = elbv2::rule(&self.aws.polling.elb, &self.target.rule).await?;
        Ok(seen(rule.actions(), &self.slots))
    }

    pub(super) async fn write_rule(&self, order: RouteOrder) -> Result<Routed, Fault> {
        self.fence.decide(order.share > Share::NONE);
        let actions = self.actions().await?;
        let found = seen(&actions, &self.slots);
        let ours = found.shape == self.recorded.shape;
        let wanted = Wanted { share: order.share, sticky: order.sticky, repair: order.expected.is_none() };
        let foreign = order.expected.is_some_and(|expected| !ours || found.share != Some(expected));
        // A write of ours whose answer was lost may have taken hold: then nothing is foreign.
        if foreign && !(ours && is_done(&found, order)) {
            return Ok(Routed::Foreign(found));
        }
        let written = rewritten(&actions, &self.slots, wanted, &self.recorded)
            .map_err(|why| Fault::new(FaultKind::Permanent, "ModifyRule", why))?;
        let written = match written {
            // The read may be old, so the way back writes whatever it shows; forward is read back anyway.
            None if order.expected.is_none() => actions.into_iter().map(writable).collect(),
            Some(written) if !foreign => written,
            None | Some(_) => return Ok(Routed::Written(found)),
        };
        elbv2::modify_rule(&self.aws.writing.elb, &self.target.rule, written).await?;
        self.read_back(order).await.map(Routed::Written)
    }

    /// Reads the rule until it shows what was written, or a few times. A read that fails after a
    /// write leaves the write unknown.
    async fn read_back(&self, order: RouteOrder) -> Result<RuleSeen, Fault> {
        let mut looks = 0;
        loop {
            looks += 1;
            let actions = self.actions().await.map_err(|fault| Fault { kind: FaultKind::Unknown, ..fault })?;
            let found = seen(&actions, &self.slots);
            if looks >= LOOKS || is_done(&found, order) {
                return Ok(found);
            }
            self.clock.sleep_until(self.clock.now() + LOOK_AGAIN).await;
        }
    }

    async fn actions(&self) -> Result<Vec<Action>, Fault> {
        let rule = elbv2::rule(&self.aws.reading.elb, &self.target.rule).await?;
        Ok(rule.actions.unwrap_or_default())
    }
}

/// Whether the rule says what is ordered.
fn is_done(found: &RuleSeen, order: RouteOrder) -> bool {
    found.share == Some(order.share) && order.sticky.is_none_or(|on| on == found.sticky)
}
