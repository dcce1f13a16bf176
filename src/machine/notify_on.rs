//! Which notice is an occasion to tell others.

use super::notice::{Notice, Outcome};
use super::why::Reason;
use crate::domain::notify::Occasion;

/// What others are told of with this notice; `None` where it is no news for them.
pub fn occasion(notice: &Notice) -> Option<Occasion> {
    match notice {
        Notice::Started { .. } => Some(Occasion::Started),
        Notice::StepPassed { .. } => Some(Occasion::StepPassed),
        Notice::AwaitingApproval { .. } | Notice::Paused { .. } => Some(Occasion::Waiting),
        Notice::Retreating { reason: Reason::Breach { .. } | Reason::Capacity { .. } } => Some(Occasion::Breach),
        Notice::Retreating { .. } => Some(Occasion::GoingBack),
        Notice::Finished(Outcome::Promoted) => Some(Occasion::Promoted),
        Notice::Finished(Outcome::RolledBack(_)) => Some(Occasion::RolledBack),
        // Where the way back is denied a person is needed, and the sooner the better.
        Notice::Finished(Outcome::Stranded { .. }) | Notice::BackDenied { .. } => Some(Occasion::Stranded),
        Notice::BrokeGlass(_) => Some(Occasion::BreakGlass),
        Notice::HandedOver { .. } => Some(Occasion::HandedOver),
        Notice::Recovered { .. }
        | Notice::StepStarted(_)
        | Notice::Registered(_)
        | Notice::CapacityChanged { .. }
        | Notice::Shifted { .. }
        | Notice::CarriedOn { .. }
        | Notice::Judged { .. }
        | Notice::Probed { .. }
        | Notice::Waiting { .. }
        | Notice::Approved { .. }
        | Notice::Promoting { .. }
        | Notice::Skipped { .. }
        | Notice::Continued { .. }
        | Notice::Refused { .. }
        | Notice::ForeignWrite { .. }
        | Notice::Trouble(_)
        | Notice::TrafficBack { .. }
        | Notice::Quiet { .. }
        | Notice::Scaled { .. }
        | Notice::ScalingHeld
        | Notice::ScalingFreed
        | Notice::Armed { .. }
        | Notice::Disarmed
        | Notice::Committed
        | Notice::Counted(_)
        | Notice::LeftUndone { .. }
        | Notice::StillLed { .. }
        | Notice::RuleDiffers { .. }
        | Notice::StickinessOff { .. } => None,
    }
}
