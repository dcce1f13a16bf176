//! A stable slot with too few healthy tasks for all of the traffic: shown before a rollback is confirmed.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::drivers::Reach;
use crate::cloud::Cloud;
use crate::domain::clock::Clock;
use crate::domain::name::RolloutId;
use crate::domain::text::escape;
use crate::engine::Runner;
use crate::plan::Plan;

/// How long the tasks are read before the question is asked without them, in wall time.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

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
pub(super) async fn look(context: &Context, plan: &Plan, id: &RolloutId) -> Option<Short> {
    let wall = Clock::wall();
    let late = wall.now() + LOOK_WITHIN;
    let aws = context.aws(Some(&plan.target.region)).await;
    let reach = Reach { context, aws: &aws, connect_to: context.connect_to() };
    let cloud = reach.driver(plan, Runner::unleased(id, &context.clock()), None);
    let fleet = tokio::select! {
        fleet = cloud.fleet() => fleet.ok()?,
        () = wall.sleep_until(late) => return None,
    };
    short(fleet.stable.healthy, fleet.stable.desired, plan.before.stable_desired)
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
