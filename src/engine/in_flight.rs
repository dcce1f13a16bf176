//! The one effect in flight: launched, answered, or landed when nobody asks for its answer any more.

use std::future::Future;
use std::pin::Pin;

use super::lease_keeper::LeaseKeeper;
use super::perform;
use crate::cloud::Cloud;
use crate::domain::clock::Clock;
use crate::machine::{Answer, EffectId, Issued};
use crate::plan::Plan;

/// An effect that is being performed.
pub(super) struct InFlight<'a> {
    id: EffectId,
    is_write: bool,
    answer: Pin<Box<dyn Future<Output = Answer> + Send + 'a>>,
}

pub(super) fn launch<'a, C: Cloud>(
    cloud: &'a C,
    clock: &'a Clock,
    (plan, keeper): (&'a Plan, Option<&'a LeaseKeeper>),
    issued: Issued,
) -> InFlight<'a> {
    let Issued { id, at, effect } = issued;
    if let Some(keeper) = keeper {
        // The journal may have been waited for, or the process have been frozen, since this was decided.
        keeper.fence().waited(clock.now().since(at));
    }
    let is_write = effect.is_write();
    InFlight { id, is_write, answer: Box::pin(perform::perform(cloud, clock, (plan, keeper), effect)) }
}

/// Lets go of the effect in flight. A read may be dropped at any time; a write never is, so it is waited
/// for even if nobody asks for its answer any more.
pub(super) async fn land(in_flight: &mut Option<InFlight<'_>>) {
    if let Some(write) = in_flight.take().filter(|in_flight| in_flight.is_write) {
        let _ = write.answer.await;
    }
}

/// The answer of the effect in flight, which lands with it; never, when there is none.
pub(super) async fn answer(in_flight: &mut Option<InFlight<'_>>) -> (EffectId, Answer) {
    let Some(flying) = in_flight else { return std::future::pending().await };
    let answer = flying.answer.as_mut().await;
    let id = flying.id;
    *in_flight = None;
    (id, answer)
}
