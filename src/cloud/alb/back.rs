//! The write of the way back, and the reads before it: each sent again while no answer comes.
//!
//! Every attempt of the write says the same, in absolute words, so that it does not matter which of them arrives,
//! nor how many do. One that may arrive after the answer is told of: see `Routed::Unsettled`.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::Action;

use super::AlbDriver;
use super::actions::{Binding, Wanted, rewritten, writable};
use super::hedge::{Fired, Pace, hedge};
use crate::cloud::aws::elbv2;
use crate::cloud::{RouteOrder, Routed};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::domain::traffic::Share;

/// How the write is sent: two a second is below what an account takes (ModifyRule: 3 a second). With the two seconds
/// of the read before it and the five that an attempt may take, it is over when the order is fifteen seconds old,
/// which is what the machine takes a call's time for.
const WRITES: Pace = Pace { every: Duration::from_millis(500), most: 4, lasts: Duration::from_secs(8) };
/// How a read before it is sent: so that of two the second is answered within a second and a half, where a call takes
/// a second.
const READS: Pace = Pace { every: Duration::from_millis(250), most: 3, lasts: Duration::from_secs(2) };
/// How long the write waits for a read of the rule. What was read before is used then, however old.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// How old a read of the rule may be that is written back with other weights, in wall time: not older than the first
/// read of the way back, which comes right before. AWS has no conditional write, so what others change in between is
/// lost either way; this bounds in which time.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// How long attempts without an answer are waited for beyond the first success, in wall time.
const STRAGGLE: Duration = Duration::from_millis(1500);

impl AlbDriver {
    pub(in crate::cloud) async fn write_back(&self, order: RouteOrder) -> Result<Routed, Fault> {
        match self.write_over(order).await {
            Err(fault) if fault.kind == FaultKind::Missing => {
                self.in_its_place(&self.aws.reading.elb, fault).await.map(Routed::Foreign)
            }
            answer => answer,
        }
    }

    async fn write_over(&self, order: RouteOrder) -> Result<Routed, Fault> {
        let actions = self.actions_at_hand().await?;
        let bindings = match order.sticky {
            Some(false) => Binding::freeing(&self.recorded.sticky_groups),
            Some(true) => &[Some(Binding::On)],
            None => &[None],
        };
        let until = self.clock.now() + WRITES.lasts.mul_f64(self.clock.speed());
        let mut refused = Fault::new(FaultKind::Permanent, "ModifyRule", "there is nothing to write");
        for binding in bindings {
            match self.send_back(&actions, (order.share, *binding), until).await {
                // AWS refuses what the write says beside the weights: the weights go out all the same, at once.
                Err(fault) if fault.kind == FaultKind::Permanent => refused = fault,
                Err(fault) => return Err(fault),
                Ok(fired) => {
                    let order = RouteOrder { sticky: order.sticky.filter(|_| binding.is_some()), ..order };
                    let (seen, late) =
                        tokio::join!(self.read_back(order), fired.may_still_arrive(&self.clock, STRAGGLE));
                    return seen.map(|seen| if late { Routed::Unsettled(seen) } else { Routed::Written(seen) });
                }
            }
        }
        Err(refused)
    }

    /// Sends one write of the way back, with new attempts until then.
    async fn send_back(
        &self,
        actions: &[Action],
        (share, binding): (Share, Option<Binding>),
        until: Timestamp,
    ) -> Result<Fired<()>, Fault> {
        let wanted = Wanted { share, binding, repair: true };
        let written = rewritten(actions, &self.slots, wanted, &self.recorded)
            .map_err(|why| Fault::new(FaultKind::Permanent, "ModifyRule", why))?;
        // The read may be old, so the rule is written whatever it shows.
        let written = written.unwrap_or_else(|| actions.iter().cloned().map(writable).collect());
        let lasts = until.since(self.clock.now()).div_f64(self.clock.speed());
        let fired = hedge(&self.clock, Pace { lasts, ..WRITES }, || {
            let (elb, rule, written) = (self.aws.writing.elb.clone(), self.target.rule.clone(), written.clone());
            self.fence.decide(false);
            async move { elbv2::modify_rule(&elb, &rule, written).await }
        })
        .await;
        match &fired.answer {
            Err(fault) => Err(fault.clone()),
            Ok(()) => Ok(fired),
        }
    }

    /// The rule's actions: as they were just read, or as they are read now, or, where that fails, as they were last
    /// read at all.
    async fn actions_at_hand(&self) -> Result<Vec<Action>, Fault> {
        let last = self.last_read.get();
        let known_for = KNOWN_FOR.mul_f64(self.clock.speed());
        if let Some((_, actions)) = last.as_ref().filter(|(at, _)| self.clock.now().since(*at) <= known_for) {
            return Ok(actions.clone());
        }
        let until = self.clock.now() + READ_WITHIN.mul_f64(self.clock.speed());
        let read = tokio::select! {
            biased;
            read = self.read_at_once() => read,
            () = self.clock.sleep_until(until) => {
                let words = format!("no answer within {}", crate::domain::clock::span(READ_WITHIN));
                Err(Fault::new(FaultKind::Transient, "DescribeRules", words))
            }
        };
        // A rule that is there no more is not written as it was.
        let last = |fault: &Fault| last.filter(|_| fault.kind != FaultKind::Missing);
        read.or_else(|fault| last(&fault).map(|(_, actions)| actions).ok_or(fault))
    }

    /// Reads the rule's actions.
    pub(in crate::cloud) async fn read_at_once(&self) -> Result<Vec<Action>, Fault> {
        let fired = hedge(&self.clock, READS, || {
            let (elb, rule) = (self.aws.reading.elb.clone(), self.target.rule.clone());
            async move { elbv2::rule(&elb, &rule).await }
        });
        let actions = fired.await.answer?.actions.unwrap_or_default();
        self.last_read.set(self.clock.now(), &actions);
        Ok(actions)
    }

    /// Counts a slot's healthy targets.
    pub(in crate::cloud) async fn count_at_once(&self, role: Role) -> Result<u32, Fault> {
        let fired = hedge(&self.clock, READS, || {
            let (elb, group) = (self.aws.reading.elb.clone(), self.target.place(role).target_group.clone());
            async move { elbv2::healthy(&elb, &group).await }
        });
        fired.await.answer
    }
}
