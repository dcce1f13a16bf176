//! Windows at the start of a rollout: closed ones refuse it, unless a person overrules them.

use super::context::Context;
use super::people::whoami;
use super::{Exit, Failure};
use crate::cloud::{aws::Aws, calendars};
use crate::domain::clock::Timestamp;
use crate::domain::code::Code;
use crate::domain::window::Interval;
use crate::machine::{Event, OperatorRequest};
use crate::plan::Plan;

/// Refuses to start a rollout whose windows are closed, or whose calendars are, or cannot be read.
pub(super) async fn refuse_closed(
    aws: &Aws,
    plan: &Plan,
    (at, break_glass): (Timestamp, Option<&str>),
) -> Result<(), Failure> {
    let Some(windows) = &plan.windows else {
        let failure = || Failure::new(Exit::Usage, "the spec has no windows, so there is nothing to overrule");
        return if break_glass.is_some() { Err(failure()) } else { Ok(()) };
    };
    if break_glass.is_some() {
        return Ok(());
    }
    let overrule = "`--break-glass REASON` starts it all the same, and says so in the journal";
    if let Some(closed) = windows.closed(at) {
        return Err(not_now(&closed.text()).hint(overrule));
    }
    if windows.calendars.is_empty() {
        return Ok(());
    }
    let seen = calendars(aws, &windows.calendars).await.map_err(|fault| {
        let failure = not_now(&format!("a change calendar cannot be read: {fault}"));
        failure.hint("`tidegate iam-policy` prints what may read it").hint(overrule)
    })?;
    match seen.closed() {
        Some(closed) => Err(not_now(&closed.text()).hint(overrule)),
        None => Ok(()),
    }
}

fn not_now(why: &str) -> Failure {
    Failure::new(Exit::Refused, format!("not now: {why}")).code(Code::Closed)
}

/// A rehearsal may be played at any time: only the calendars, which the lab plays too, can keep it.
pub(super) fn rehearsed(plan: &mut Plan, at: Timestamp) {
    let Some(windows) = &mut plan.windows else { return };
    windows.open = vec![Interval { from: at, to: windows.known_until }];
    windows.frozen.clear();
    plan.warnings.retain(|warning| !warning.starts_with(crate::plan::CLOSED_NOW));
    plan.warnings.push("its windows and freezes do not count in a rehearsal; its calendars do".to_owned());
}

/// The word that overrules windows, as an event.
pub(super) fn request(context: &Context, reason: Option<String>) -> Option<Event> {
    let by = whoami(context);
    reason.map(|reason| Event::Requested { request: OperatorRequest::BreakGlass, by, reason: Some(reason), left: None })
}
