//! Gives the stable slot its tasks before it gets the traffic, where a person wants that.

use std::time::Duration;

use super::{Drivers, Runner, Takeover};
use crate::cloud::Cloud;
use crate::domain::fleet::Role;
use crate::lease::Phase;
use crate::report::TakeoverNotice;
use crate::store::{Lease, LeaseError};

/// How long the traffic waits for tasks that were asked for; then it goes back all the same.
const SCALED_WITHIN: Duration = Duration::from_secs(300);
/// Between two looks at them: the lease is renewed with each, well within its time.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// More looks than [`SCALED_WITHIN`] has room for.
const LOOKS: u32 = 100;

impl<D: Drivers, N: Fn(&TakeoverNotice)> Takeover<'_, D, N> {
    /// Gives the stable slot the tasks it had, and waits until they are healthy, with the lease kept. What does not
    /// work is told, and holds nothing up.
    ///
    /// # Errors
    /// When somebody else takes the rollout over meanwhile.
    pub(super) async fn scale_first(&self, lease: &mut Lease) -> Result<(), LeaseError> {
        let (service, count) = (self.plan.target.stable.service.clone(), self.plan.before.stable_desired);
        let cloud = self.drivers.back(self.plan, Runner::unleased(self.id, &self.clock)).await;
        if let Err(fault) = cloud.scale(Role::Stable, count, None).await {
            self.tell(&TakeoverNotice::NotScaled { service, fault });
            return Ok(());
        }
        self.tell(&TakeoverNotice::ScaledFirst { service: service.clone(), count, at_most: SCALED_WITHIN });
        let until = self.clock.now() + SCALED_WITHIN;
        for _ in 0..LOOKS {
            let healthy = cloud.healthy_at_once(Role::Stable).await;
            if healthy.is_ok_and(|healthy| healthy >= count) {
                self.tell(&TakeoverNotice::ScaledInTime { service, count });
                return Ok(());
            }
            if self.clock.now() >= until {
                break;
            }
            self.clock.sleep_until(self.clock.now() + LOOK_EVERY).await;
            // A store that fails now is no reason to wait less.
            if let Err(error @ LeaseError::Fenced(_)) = lease.renew(Phase::Aborting).await {
                return Err(error);
            }
        }
        self.tell(&TakeoverNotice::ScaledTooSlowly { service, count });
        Ok(())
    }
}
