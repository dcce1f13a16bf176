//! A stable slot with too few healthy tasks for all of the traffic: shown before a rollback is confirmed, and scaled
//! up before it gets the traffic where a person wants that.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::{Failure, target, terminal};
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::Aws;
use crate::cloud::{Cloud, Fence};
use crate::domain::clock::{Clock, span};
use crate::domain::fleet::Role;
use crate::domain::name::RolloutId;
use crate::domain::text::escape;
use crate::lease::Phase;
use crate::plan::Plan;
use crate::store::{Lease, LeaseError};

/// How long the tasks are read before the question is asked without them, in wall time.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// How long the traffic waits for tasks that were asked for; then it goes back all the same.
const SCALED_WITHIN: Duration = Duration::from_secs(300);
/// Between two looks at them: the lease is renewed with each, well within its time.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// More looks than [`SCALED_WITHIN`] has room for.
const LOOKS: u32 = 100;

/// What the stable slot has of the tasks that it had for all of its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    healthy: u32,
    wants: u32,
    had: u32,
}

impl Short {
    /// Whether the traffic has a choice: without any healthy task it waits in any case.
    pub(super) fn can_wait(self) -> bool {
        self.healthy > 0
    }

    /// What is said of it.
    pub(super) fn words(self, plan: &Plan, scales: bool) -> String {
        let Self { healthy, wants, had } = self;
        let service = escape(&plan.target.stable.service);
        let order = match (self.can_wait(), scales) {
            (false, _) => "it is scaled up first, and the traffic waits for the first healthy one",
            (true, true) => "it is scaled up first, and the traffic waits for all of them",
            (true, false) => "it gets the traffic first and its tasks after; --scale-first turns that round",
        };
        format!("{service} has {healthy} healthy tasks of the {had} it had, and wants {wants}: {order}")
    }
}

fn short(healthy: u32, wants: u32, had: u32) -> Option<Short> {
    (healthy < had).then_some(Short { healthy, wants, had })
}

/// Reads whether the stable slot is short; what cannot be read soon is not waited for.
pub(super) async fn look(context: &Context, (plan, id): (&Plan, &RolloutId)) -> Option<Short> {
    let wall = Clock::wall();
    let late = wall.now() + LOOK_WITHIN;
    let cloud = cloud(context, (plan, id), &context.clock()).await;
    let fleet = tokio::select! {
        fleet = cloud.fleet() => fleet.ok()?,
        () = wall.sleep_until(late) => return None,
    };
    short(fleet.stable.healthy, fleet.stable.desired, plan.before.stable_desired)
}

/// Gives the stable slot the tasks it had, and waits until they are healthy, with the lease kept. What does not work
/// is said, and holds nothing up.
///
/// # Errors
/// When somebody else takes the rollout over meanwhile.
pub(super) async fn scale_first(
    context: &Context,
    (plan, id): (&Plan, &RolloutId),
    clock: &Clock,
    lease: &mut Lease,
) -> Result<(), Failure> {
    let (service, count) = (escape(&plan.target.stable.service), plan.before.stable_desired);
    let cloud = cloud(context, (plan, id), clock).await;
    if let Err(fault) = cloud.scale(Role::Stable, count, None).await {
        terminal::say(&format!("{service} is not scaled up: {}", escape(&fault.to_string())));
        return Ok(());
    }
    terminal::say(&format!("{service} is set to {count} tasks; the traffic waits {} at most", span(SCALED_WITHIN)));
    let until = clock.now() + SCALED_WITHIN;
    for _ in 0..LOOKS {
        let healthy = cloud.healthy_at_once(Role::Stable).await;
        if healthy.is_ok_and(|healthy| healthy >= count) {
            terminal::say(&format!("{service} has {count} healthy tasks"));
            return Ok(());
        }
        if clock.now() >= until {
            break;
        }
        clock.sleep_until(clock.now() + LOOK_EVERY).await;
        // A store that fails now is no reason to wait less.
        if let Err(error @ LeaseError::Fenced(_)) = lease.renew(Phase::Aborting).await {
            return Err(error.into());
        }
    }
    terminal::say(&format!("{service} has not got its {count} healthy tasks: the traffic goes back all the same"));
    Ok(())
}

async fn cloud(context: &Context, (plan, id): (&Plan, &RolloutId), clock: &Clock) -> AlbDriver {
    let aws = Aws::connect(&context.settings(Some(&plan.target.region))).await;
    target::driver(context, (&aws, clock), (plan, id, 0), (None, Fence::default()), context.connect_to())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_has_what_it_had_is_not_short() {
        assert_eq!((short(4, 4, 4), short(5, 5, 4)), (None, None));
        assert_eq!(short(3, 4, 4), Some(Short { healthy: 3, wants: 4, had: 4 }));
    }

    #[test]
    fn the_order_is_said_and_offered_only_where_there_is_a_choice() {
        let plan = crate::plan::diagram::sample::plan();
        let check = |healthy, scales, offered, words: &str| {
            let short = short(healthy, 1, 4).unwrap();
            let says = short.words(&plan, scales);
            assert!(short.can_wait() == offered && says.contains(words) && says.starts_with("web-blue has"), "{says}");
        };
        check(1, false, true, "gets the traffic first");
        check(1, true, true, "waits for all of them");
        check(0, false, false, "waits for the first healthy one");
    }
}
