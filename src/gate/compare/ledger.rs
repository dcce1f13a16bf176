//! Which bins are closed, and what has been made of them, although looks bring the last minutes again and
//! again, late, revised, twice or out of order.
//!
//! A bin is closed when two looks, both after its end, agree on its requests in both slots. Closed bins are
//! folded into a state in the order of their time. A bin that comes late, or that a look revises, is put in
//! its place and what followed is folded again, for as long as the bin is younger than [`WINDOW`]; older
//! ones are frozen. A bin on which no two looks agreed by the time looks no longer bring it is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::count::Bin;

/// How long after its end a bin can still change.
pub(in crate::gate) const WINDOW: Duration = Duration::from_secs(300);
/// How many looks may bring a bin without agreeing on it once it is older than [`WINDOW`].
const PATIENCE: u32 = 40;

/// Bins, and the state they were folded into.
#[derive(Clone, Debug, PartialEq, Default)]
pub(in crate::gate) struct Ledger<S> {
    /// What the frozen bins were folded into.
    frozen: S,
    /// What all closed bins were folded into.
    state: S,
    /// The last bin that `state` holds.
    reached: Option<Timestamp>,
    /// Bins before this are frozen.
    edge: Timestamp,
    looks: u64,
    bins: BTreeMap<Timestamp, Seen>,
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    bin: Bin,
    /// The last look that brought it.
    look: u64,
    looks: u32,
    /// Whether that look came after its end.
    ended: bool,
    closed: bool,
}

impl<S: Clone> Ledger<S> {
    /// Nothing but a state to begin with; bins that begin before `edge` do not count.
    pub(in crate::gate) fn new(state: S, edge: Timestamp) -> Self {
        Self { frozen: state.clone(), state, reached: None, edge, looks: 0, bins: BTreeMap::new() }
    }

    /// What all closed bins were folded into.
    pub(in crate::gate) fn state(&self) -> &S {
        &self.state
    }

    /// The closed bins that are not frozen, oldest first.
    pub(in crate::gate) fn closed(&self) -> impl Iterator<Item = &Bin> {
        self.bins.values().filter(|seen| seen.closed).map(|seen| &seen.bin)
    }

    /// What the bins that have ended and are not closed yet would make of the state; `None` when there are
    /// no such bins.
    pub(in crate::gate) fn ahead(&self, mut fold: impl FnMut(&mut S, &Bin)) -> Option<S> {
        let mut open = self.bins.values().filter(|seen| seen.ended && !seen.closed).peekable();
        open.peek()?;
        let mut state = self.state.clone();
        open.for_each(|seen| fold(&mut state, &seen.bin));
        Some(state)
    }

    /// Takes in the bins of a look at `now`, each `span` long.
    pub(in crate::gate) fn take<'a>(
        &mut self,
        bins: impl Iterator<Item = &'a Bin>,
        span: Duration,
        now: Timestamp,
        mut fold: impl FnMut(&mut S, &Bin),
    ) {
        self.looks += 1;
        let mut disturbed = false;
        for bin in bins.filter(|bin| bin.at >= self.edge) {
            let changed = note(&mut self.bins, bin, self.looks, bin.at + span <= now);
            disturbed |= changed && self.reached.is_some_and(|reached| bin.at <= reached);
        }
        if disturbed {
            self.state = self.frozen.clone();
            self.reached = None;
        }
        let from = self.reached.map_or(self.edge, |reached| reached + Duration::from_millis(1));
        for (at, seen) in self.bins.range(from..).filter(|(_, seen)| seen.closed) {
            fold(&mut self.state, &seen.bin);
            self.reached = Some(*at);
        }
    }

    /// Folds for good what is closed and can no longer change.
    pub(in crate::gate) fn freeze(&mut self, span: Duration, now: Timestamp, mut fold: impl FnMut(&mut S, &Bin)) {
        while let Some(oldest) = self.bins.first_entry() {
            let (at, seen) = (*oldest.key(), oldest.get());
            let hopeful = !seen.closed && seen.look == self.looks && seen.looks < PATIENCE;
            if at + span + WINDOW > now || hopeful {
                break;
            }
            if seen.closed {
                fold(&mut self.frozen, &seen.bin);
            }
            self.edge = at + Duration::from_millis(1);
            oldest.remove();
        }
    }
}

/// Writes a bin down as a look brought it; whether that changes what is to be folded.
fn note(bins: &mut BTreeMap<Timestamp, Seen>, bin: &Bin, look: u64, ended: bool) -> bool {
    let Some(seen) = bins.get_mut(&bin.at) else {
        bins.insert(bin.at, Seen { bin: bin.clone(), look, looks: 1, ended, closed: false });
        return false;
    };
    let agree = requests(&seen.bin) == requests(bin);
    let again = seen.look == look;
    let closed = agree && (seen.closed || (!again && ended && seen.ended));
    let changed = closed != seen.closed || (closed && seen.bin != *bin);
    if seen.bin != *bin {
        seen.bin = bin.clone();
    }
    (seen.look, seen.closed, seen.ended) = (look, closed, ended);
    seen.looks = seen.looks.saturating_add(u32::from(!again));
    changed
}

fn requests(bin: &Bin) -> [Option<f64>; 2] {
    [&bin.stable, &bin.candidate].map(|counts| counts.as_ref().map(|counts| counts.requests))
}
