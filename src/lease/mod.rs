//! Who may decide: the rules of the lease, without a word of how documents are kept.
//!
//! Each listener rule has one control document, changed only by compare-and-swap. Its epoch counts those who
//! decided; only the owner of the latest epoch goes forward. A lease is measured on the reader's own clock, from
//! when it first saw the body, so no two clocks are ever compared. The rules, each of which a test takes away to
//! show what it is for:
//!
//! 1. Who takes a document raises its epoch, and nobody renews an older one.
//! 2. A forward write is sent only while the lease is young enough that the write has landed, or never will, before
//!    anybody else may believe the lease over: [`Held::may_send`].
//! 3. A silent owner's document is taken only after it stood unchanged for [`LEASE`]: [`Watch`].
//! 4. Going back does not wait for the lease: [`preempt`]. Until the old owner's writes can land no more, the
//!    stable-only weights are asserted again, and nothing is called finished: [`QUARANTINE`].
//! 5. Before the commit the owner says so in the document: from then on nobody preempts. Whoever wants it back asks the
//!    owner, who alone knows whether it has committed, and whoever finds the owner silent takes over as in 3.
//! 6. What goes back never goes forward again.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::name::RolloutId;

/// Between two renewals.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a lease lasts after its last renewal.
pub const LEASE: Duration = Duration::from_secs(45);
/// How long after it was decided a write may still be sent.
pub const SEND_WITHIN: Duration = Duration::from_secs(15);
/// How long after it was decided a write can take effect: a call that was sent is acted upon within as long again.
pub const WRITE_WINDOW: Duration = Duration::from_secs(30);
/// How far clocks may run apart within one lease.
pub const MARGIN: Duration = Duration::from_secs(15);
/// How long after a change of owners a write of the old one can still take effect, as the new one measures it.
pub const QUARANTINE: Duration = Duration::from_secs(45);

/// Who owns a rollout at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The person, as `user@host`.
    pub by: String,
    /// The process, in words that only the same machine can check; empty where there are none.
    pub process: String,
    /// Since when, on the owner's clock: told, never compared.
    pub since: Timestamp,
}

/// How far a rollout is, as far as others must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// On its way forward, or paused.
    Active,
    /// Going back: for good.
    Aborting,
    /// About to commit, or committed: its owner is not preempted.
    Committing,
    /// Over: the resource is free.
    Over,
}

/// The control document of a listener rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    /// Fresh in every body, so that two bodies are never the same.
    pub nonce: u64,
    /// The latest rollout.
    pub rollout: RolloutId,
    /// Counts all who ever owned the document.
    pub epoch: u64,
    /// Who owns it; `None` once it was given back before the rollout was over.
    pub owner: Option<Owner>,
    /// How far the rollout is.
    pub phase: Phase,
}

impl Control {
    /// Whether whoever owns the document must take the rollout back, whatever its journal says: the store may have
    /// failed the runner before in writing that down.
    pub fn goes_back(&self) -> bool {
        self.phase == Phase::Aborting
    }
}

/// Why a document is not to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseRefusal {
    /// A rollout is under way; this is its document.
    UnderWay(Control),
    /// Its owner renewed it lately, or has not been silent for long enough.
    Owned(Control),
    /// It is past the point of return and its owner is not silent.
    Committing(Control),
    /// The rollout is over.
    Over(Control),
    /// The document is another rollout's by now.
    Another(Control),
}

/// Whether an owner still lives, as far as one who looks on can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It may.
    Possible,
    /// Its document stood still for longer than a lease lasts, or its process is known to have ended.
    Gone,
}

/// What an ECS service is called among leases.
pub fn of_service(account: &str, region: &str, cluster: &str, name: &str) -> String {
    format!("{account}/{region}/{cluster}/{name}")
}

/// The document with which a new rollout begins, on a rule that nobody moves.
///
/// # Errors
/// While the rollout before is not over.
pub fn begin(found: Option<&Control>, rollout: &RolloutId, owner: Owner, nonce: u64) -> Result<Control, LeaseRefusal> {
    let epoch = match found {
        Some(found) if found.phase != Phase::Over => return Err(LeaseRefusal::UnderWay(found.clone())),
        found => found.map_or(0, |found| found.epoch) + 1,
    };
    Ok(Control { nonce, rollout: rollout.clone(), epoch, owner: Some(owner), phase: Phase::Active })
}

/// The document with which somebody finishes what `rollout` left undone, which is over: in the phase it was in before.
///
/// # Errors
/// When another rollout has had the rule since, or this one is not over.
pub fn reopen(
    found: Option<&Control>,
    rollout: &RolloutId,
    phase: Phase,
    owner: Owner,
    nonce: u64,
) -> Result<Control, LeaseRefusal> {
    match found {
        Some(found) if found.rollout != *rollout => return Err(LeaseRefusal::Another(found.clone())),
        Some(found) if found.phase != Phase::Over => return Err(LeaseRefusal::UnderWay(found.clone())),
        _ => {}
    }
    let epoch = found.map_or(0, |found| found.epoch) + 1;
    Ok(Control { nonce, rollout: rollout.clone(), epoch, owner: Some(owner), phase })
}

/// The document with which somebody goes on with `rollout`, whose owner left or is gone.
///
/// # Errors
/// When the rollout is over, another's turn has come, or its owner may still live.
pub fn take_over(
    found: &Control,
    rollout: &RolloutId,
    life: Life,
    owner: Owner,
    nonce: u64,
) -> Result<Control, LeaseRefusal> {
    of(found, rollout)?;
    if found.owner.is_some() && life == Life::Possible {
        return Err(LeaseRefusal::Owned(found.clone()));
    }
    Ok(Control { nonce, epoch: found.epoch + 1, owner: Some(owner), ..found.clone() })
}

/// The document with which somebody takes `rollout` back, whether or not its owner lives.
///
/// # Errors
/// When the rollout is over or another's turn has come; and when it is being committed by an owner who may live.
pub fn preempt(
    found: &Control,
    rollout: &RolloutId,
    life: Life,
    owner: Owner,
    nonce: u64,
) -> Result<Control, LeaseRefusal> {
    of(found, rollout)?;
    if found.phase == Phase::Committing {
        return match take_over(found, rollout, life, owner, nonce) {
            Err(LeaseRefusal::Owned(control)) => Err(LeaseRefusal::Committing(control)),
            taken => taken,
        };
    }
    Ok(Control { nonce, epoch: found.epoch + 1, owner: Some(owner), phase: Phase::Aborting, ..found.clone() })
}

fn of(found: &Control, rollout: &RolloutId) -> Result<(), LeaseRefusal> {
    if found.rollout != *rollout {
        return Err(LeaseRefusal::Another(found.clone()));
    }
    if found.phase == Phase::Over { Err(LeaseRefusal::Over(found.clone())) } else { Ok(()) }
}

/// A document that is ours, as we last wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    control: Control,
    /// When the last write that went well was begun, on our own clock, which counts suspended time.
    renewed: Timestamp,
}

impl Held {
    /// A document that was written just now; `asked` is when the write was begun.
    pub fn new(control: Control, asked: Timestamp) -> Self {
        Self { control, renewed: asked }
    }

    /// The document as it was last written.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The body of the next renewal. A phase only moves on: what goes back never goes forward again, a commit that
    /// began goes on or back, and what is over stays over.
    pub fn next(&self, phase: Phase, nonce: u64) -> Control {
        let phase = match (self.control.phase, phase) {
            (Phase::Over, _) => Phase::Over,
            (Phase::Aborting, Phase::Active | Phase::Committing) => Phase::Aborting,
            (Phase::Committing, Phase::Active) => Phase::Committing,
            (_, wanted) => wanted,
        };
        Control { nonce, phase, ..self.control.clone() }
    }

    /// The body with which the owner leaves a rollout that is not over.
    pub fn handed_over(&self, nonce: u64) -> Control {
        Control { nonce, owner: None, ..self.control.clone() }
    }

    /// A renewal that was begun at `asked` went well.
    pub fn renewed(&mut self, control: Control, asked: Timestamp) {
        self.control = control;
        self.renewed = self.renewed.max(asked);
    }

    /// Whether a forward write may be sent at `now`: it has landed, or never will, [`MARGIN`] before the lease
    /// can be taken for over.
    pub fn may_send(&self, now: Timestamp) -> bool {
        now <= self.send_until()
    }

    /// The last moment at which a forward write may be sent.
    pub fn send_until(&self) -> Timestamp {
        self.renewed + LEASE.saturating_sub(WRITE_WINDOW)
    }

    /// The last moment at which nobody else can believe the lease over.
    pub fn sure_until(&self) -> Timestamp {
        self.renewed + LEASE
    }

    /// Whether others may believe the lease over.
    pub fn is_old(&self, now: Timestamp) -> bool {
        now > self.sure_until()
    }

    /// Whether `found` shows that somebody else decides now. Where somebody removed the document the next one counts its
    /// owners from the first again, so that an owner of the same epoch need not be this one.
    pub fn is_fenced_by(&self, found: &Control) -> bool {
        let (ours, other) = (&self.control, found.owner.as_ref());
        let is_other = other.is_some_and(|other| ours.owner.as_ref().is_some_and(|owner| owner != other));
        is_other || found.epoch != ours.epoch || found.rollout != ours.rollout
    }
}

/// When a document was read, on the clock of whoever read it: what it says was so at some moment in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// When it was asked for.
    pub asked: Timestamp,
    /// When it was there.
    pub answered: Timestamp,
}

impl From<Timestamp> for Looked {
    fn from(at: Timestamp) -> Self {
        Self { asked: at, answered: at }
    }
}

/// One who looks on, and measures silence on a clock of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    seen: Option<(u64, Timestamp)>,
}

impl Watch {
    /// A look at the document. However long reads take, it stood still from the end of the first to the beginning of
    /// the last.
    pub fn look(&mut self, found: &Control, looked: impl Into<Looked>) -> Life {
        let Looked { asked, answered } = looked.into();
        match self.seen {
            Some((nonce, since)) if nonce == found.nonce => {
                if asked.since(since) > LEASE {
                    Life::Gone
                } else {
                    Life::Possible
                }
            }
            _ => {
                self.seen = Some((found.nonce, answered));
                Life::Possible
            }
        }
    }

    /// How much longer the document must stand still before its owner is gone.
    pub fn patience(&self, now: Timestamp) -> Duration {
        let waited = self.seen.map_or(Duration::ZERO, |(_, since)| now.since(since));
        LEASE.saturating_sub(waited)
    }
}
