//! The last notices that explain where a rollout stands, each with its moment: what `why` is told from.

use crate::domain::clock::Timestamp;
use crate::gate::Outcome as GateOutcome;
use crate::machine::Notice;

/// The last of each notice that can explain a rollout's present state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trail {
    /// The present or last step, and when it began.
    pub step: Option<(Timestamp, usize)>,
    /// When it was paused for what it is paused for now, if it is.
    pub paused: Option<Timestamp>,
    /// When it turned back.
    pub turned: Option<Timestamp>,
    /// Since when the present step is told to wait for something.
    pub waiting: Option<Timestamp>,
    /// Since when each gate has been saying what it says, by name; a gate's new verdict takes the old one's place.
    pub said: Vec<(String, Timestamp, GateOutcome)>,
    /// What a person is asked, while they are.
    pub asked: Option<String>,
    /// The last answer of a probe in this step, with its moment.
    pub probed: Option<(Timestamp, String)>,
}

impl Trail {
    /// Takes in one notice.
    pub fn take(&mut self, at: Timestamp, notice: &Notice) {
        match notice {
            Notice::StepStarted(step) => {
                let said = std::mem::take(&mut self.said);
                *self = Self { step: Some((at, *step)), said, ..Self::default() };
            }
            Notice::Paused { .. } => self.paused = Some(at),
            Notice::Continued { .. } | Notice::Promoting { .. } => self.paused = None,
            Notice::Retreating { .. } => {
                (self.paused, self.waiting, self.asked) = (None, None, None);
                self.turned = Some(at);
            }
            Notice::Waiting { .. } => self.waiting = Some(at),
            Notice::Judged { gate, verdict } => {
                self.said.retain(|(name, ..)| name != gate);
                self.said.push((gate.clone(), at, verdict.outcome));
            }
            Notice::AwaitingApproval { message, .. } => self.asked = Some(message.clone()),
            Notice::Approved { .. } => self.asked = None,
            Notice::Probed { gate, text, .. } => self.probed = Some((at, format!("{gate}: {text}"))),
            _ => {}
        }
    }

    /// Since when a gate has been saying `outcome`, if that was told.
    pub fn since(&self, gate: &str, outcome: GateOutcome) -> Option<Timestamp> {
        let told = self.said.iter().find(|(name, _, said)| name == gate && *said == outcome);
        told.map(|(_, at, _)| *at)
    }
}
