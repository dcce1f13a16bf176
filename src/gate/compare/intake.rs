//! What gates that count do with a look before they judge: start anew when a person overruled a breach, leave
//! out what cannot be, keep the ledger, and find the first data from after a step began.

use std::time::Duration;

use super::flaw::{BinFlaw, Flaw};
use super::ledger::{Ledger, WINDOW};
use crate::domain::clock::Timestamp;
use crate::domain::count::Bin;
use crate::gate::Window;

/// The memory of a gate that counts: a fold over the bins that looks have brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub(in crate::gate) struct Intake<S> {
    /// Since when bins count; `None` before the first look.
    since: Option<Timestamp>,
    /// The latest moment a look was taken at.
    latest: Timestamp,
    ledger: Ledger<S>,
    /// A step, and the start of the first closed bin of use wholly after it took hold.
    fresh: Option<(Timestamp, Timestamp)>,
    flaw: Option<Flaw>,
}

/// How a gate that counts takes bins in.
pub(in crate::gate) struct Manner<Wrong, Useful, Fold> {
    /// The length of a bin.
    pub(in crate::gate) span: Duration,
    /// Says why a bin cannot be.
    pub(in crate::gate) wrong: Wrong,
    /// Whether a bin can let a step pass.
    pub(in crate::gate) useful: Useful,
    /// Adds a bin to the state.
    pub(in crate::gate) fold: Fold,
}

impl<S: Clone> Intake<S> {
    /// Takes in the bins of one look, in any order, new and old. `empty` is the state without any.
    pub(in crate::gate) fn take<Wrong, Useful, Fold>(
        &mut self,
        bins: &[Bin],
        window: Window<'_>,
        empty: impl FnOnce() -> S,
        manner: &Manner<Wrong, Useful, Fold>,
    ) where
        Wrong: Fn(&Bin) -> Option<BinFlaw>,
        Useful: Fn(&Bin) -> bool,
        Fold: Fn(&mut S, &Bin),
    {
        if self.since.is_none_or(|since| since < window.rollout) {
            self.ledger = Ledger::new(empty(), window.rollout);
            (self.since, self.fresh) = (Some(window.rollout), None);
        }
        let back = self.latest.since(window.now);
        self.latest = self.latest.max(window.now);
        let now = self.latest;
        let mut flaw = (back > WINDOW).then_some(Flaw::ClockBack(back));
        let sound = bins.iter().filter(|bin| bin.at >= window.rollout).filter(|bin| {
            let future = (bin.at > now + WINDOW).then_some(BinFlaw::Future);
            let wrong = future.or_else(|| (manner.wrong)(bin));
            let sound = wrong.is_none();
            flaw = flaw.take().or(wrong.map(|what| Flaw::Bin { at: bin.at, what }));
            sound
        });
        self.ledger.take(sound, manner.span, now, &manner.fold);
        self.flaw = flaw;
        if self.fresh.is_none_or(|(step, _)| step != window.step) {
            let mut first = self.ledger.closed().filter(|bin| bin.at >= window.step && (manner.useful)(bin));
            self.fresh = first.next().map(|bin| (window.step, bin.at));
        }
        self.ledger.freeze(manner.span, now, &manner.fold);
    }

    /// Whether nothing has been looked at yet.
    pub(in crate::gate) fn is_new(&self) -> bool {
        self.since.is_none()
    }

    /// What all closed bins were folded into.
    pub(in crate::gate) fn state(&self) -> &S {
        self.ledger.state()
    }

    /// What the bins that have ended and are not closed yet would make of the state.
    pub(in crate::gate) fn ahead(&self, fold: impl Fn(&mut S, &Bin)) -> Option<S> {
        self.ledger.ahead(fold)
    }

    /// What was wrong with what the last look brought.
    pub(in crate::gate) fn flaw(&self) -> Option<&Flaw> {
        self.flaw.as_ref()
    }

    /// The start of the first closed bin of use wholly after the step took hold.
    pub(in crate::gate) fn fresh(&self) -> Option<Timestamp> {
        self.fresh.map(|(_, from)| from)
    }
}
