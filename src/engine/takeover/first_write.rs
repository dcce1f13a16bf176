//! The first write of a way back, and what mends its one trace where the rollout was over already.

use std::time::Duration;

use super::{AskedAt, Drivers, Runner, Takeover};
use crate::cloud::{Cloud, RouteOrder, Routed};
use crate::domain::fleet::Role;
use crate::domain::traffic::Share;
use crate::report::{TakeoverNotice, stickiness_call};

/// How long the first write is waited for before the rest begins, in wall time; it is asked for again there.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// Traffic first: the stable-only weights are written before anything is read from the journal, if the stable slot
    /// can take them. Nothing depends on it: the way back that follows asks for the same again. Says how long it took
    /// since it was asked for.
    pub(super) async fn first_write(&self, runner: Runner<'_>, asked: &AskedAt) {
        let cloud = self.drivers.back(self.plan, runner).await;
        let written = async {
            if cloud.healthy_at_once(Role::Stable).await.is_ok_and(|healthy| healthy == 0) {
                return None;
            }
            let sticky = self.plan.before.stickiness.filter(|_| !self.plan.driver.is_aws()).map(|_| false);
            Some(cloud.route(RouteOrder { share: Share::NONE, expected: None, sticky, by: None }).await)
        };
        let late = asked.wall.now() + FIRST_WITHIN;
        let answer = tokio::select! {
            biased;
            answer = written => answer,
            () = asked.wall.sleep_until(late) => None,
        };
        match answer {
            Some(Ok(Routed::Written(seen) | Routed::Unsettled(seen))) if seen.share == Some(Share::NONE) => {
                let stable = self.plan.target.stable.service.clone();
                let took = asked.wall.now().since(asked.at);
                self.tell(&TakeoverNotice::TrafficBack { stable, took });
            }
            Some(Ok(Routed::Moving(seen))) => {
                let mover = self.plan.driver.mover().to_owned();
                self.tell(&TakeoverNotice::BackOrdered { mover, rule: seen.text });
            }
            Some(Err(fault)) => self.tell(&TakeoverNotice::NotYet(fault)),
            Some(Ok(_)) | None => {}
        }
    }

    /// Turns stickiness on again, which the first write turned off before the journal said that the rollout had gone
    /// back already.
    pub(super) async fn mend(&self, runner: Runner<'_>) {
        let cloud = self.drivers.back(self.plan, runner).await;
        if self.plan.before.stickiness.is_none() {
            return;
        }
        let order = RouteOrder { share: Share::NONE, expected: Some(Share::NONE), sticky: Some(true), by: None };
        if let Err(fault) = cloud.route(order).await {
            self.tell(&TakeoverNotice::StickinessStaysOff { fault, call: stickiness_call(self.plan) });
        }
    }
}
