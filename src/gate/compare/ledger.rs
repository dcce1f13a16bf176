//! Which bins are closed, and what has been made of them, although looks bring the last minutes again and
//! again, late, revised, twice or out of order.
//!
//! A bin is closed when two looks, both after its end, agree on its requests in both slots. Closed bins are
//! folded into a state in the order of their time. A bin that comes late, or that a look revises, is put in
//! its place and what followed is folded again, for as long as the bin is younger than [`WINDOW`]; older
//! ones are frozen. A bin on which no two looks agreed by the time looks no longer bring it is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::count::Bin;

/// How long after its end a bin can still change.
pub(super) const WINDOW: Duration = Duration::from_secs(300);
/// How many looks may bring a bin without agreeing on it once it is older than [`WINDOW`].
const PATIENCE: u32 = 40;

/// Bins, and the state they were folded into.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Ledger<S> {
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
    pub(super) fn new(state: S, edge: Timestamp) -> Self {
        Self { frozen: state.clone(), state, reached: None, edge, looks: 0, bins: BTreeMap::new() }
    }

    /// What all closed bins were folded into.
    pub(super) fn state(&self) -> &S {
        &self.state
    }

    /// The closed bins that are not frozen, oldest first.
    pub(super) fn closed(&self) -> impl Iterator<Item = &Bin> {
        self.bins.values().filter(|seen| seen.closed).map(|seen| &seen.bin)
    }

    /// What the bins that have ended and are not closed yet would make of the state; `None` when there are
    /// no such bins.
    pub(super) fn ahead(&self, mut fold: impl FnMut(&mut S, &Bin)) -> Option<S> {
        let mut open = self.bins.values().filter(|seen| seen.ended && !seen.closed).peekable();
        open.peek()?;
        let mut state = self.state.clone();
        open.for_each(|seen| fold(&mut state, &seen.bin));
        Some(state)
    }

    /// Takes in the bins of a look at `now`, each `span` long.
    pub(super) fn take<'a>(
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
    pub(super) fn freeze(&mut self, span: Duration, now: Timestamp, mut fold: impl FnMut(&mut S, &Bin)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::count::Counts;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(60_000 * minute)
    }

    fn bin(minute: u64, requests: f64) -> Bin {
        Bin { at: at(minute), stable: Some(Counts { requests, ..Counts::default() }), candidate: None }
    }

    fn fold(state: &mut Vec<(u64, f64)>, bin: &Bin) {
        let requests = bin.stable.as_ref().map_or(0.0, |counts| counts.requests);
        state.push((bin.at.as_millis() / 60_000, requests));
    }

    struct Run(Ledger<Vec<(u64, f64)>>);

    impl Run {
        fn new() -> Self {
            Self(Ledger::new(Vec::new(), Timestamp::default()))
        }

        fn look(&mut self, minute: u64, bins: &[Bin]) -> Vec<(u64, f64)> {
            self.0.take(bins.iter(), MINUTE, at(minute), fold);
            self.0.freeze(MINUTE, at(minute), fold);
            self.0.state().clone()
        }
    }

    #[test]
    fn a_bin_is_closed_when_two_looks_after_its_end_agree() {
        let mut run = Run::new();
        assert_eq!(run.look(0, &[bin(0, 5.0)]), []);
        assert_eq!(run.look(1, &[bin(0, 5.0)]), [], "the first look came before its end");
        assert_eq!(run.look(1, &[bin(0, 6.0)]), [], "they do not agree");
        assert_eq!(run.look(1, &[bin(0, 6.0)]), [(0, 6.0)]);
    }

    #[test]
    fn a_bin_that_a_look_brings_twice_is_one_look() {
        let mut run = Run::new();
        assert_eq!(run.look(2, &[bin(0, 5.0), bin(0, 5.0)]), []);
        assert_eq!(run.look(2, &[bin(0, 5.0), bin(0, 5.0)]), [(0, 5.0)]);
    }

    #[test]
    fn a_late_bin_takes_its_place() {
        let mut run = Run::new();
        run.look(3, &[bin(2, 2.0), bin(0, 1.0)]);
        assert_eq!(run.look(3, &[bin(0, 1.0), bin(2, 2.0)]), [(0, 1.0), (2, 2.0)]);
        run.look(3, &[bin(1, 9.0)]);
        assert_eq!(run.look(3, &[bin(1, 9.0)]), [(0, 1.0), (1, 9.0), (2, 2.0)]);
    }

    #[test]
    fn a_revision_replaces_and_closes_anew() {
        let mut run = Run::new();
        run.look(3, &[bin(0, 1.0), bin(1, 2.0)]);
        run.look(3, &[bin(0, 1.0), bin(1, 2.0)]);
        assert_eq!(run.look(3, &[bin(0, 4.0)]), [(1, 2.0)]);
        assert_eq!(run.look(3, &[bin(0, 4.0)]), [(0, 4.0), (1, 2.0)]);
    }

    #[test]
    fn a_revision_of_errors_is_taken_at_once() {
        let mut ledger = Ledger::new(0.0, Timestamp::default());
        let errors = |state: &mut f64, bin: &Bin| *state += bin.stable.as_ref().map_or(0.0, |counts| counts.errors);
        let revised = |errors| {
            let mut bin = bin(0, 5.0);
            bin.stable.as_mut().unwrap().errors = errors;
            bin
        };
        ledger.take([&revised(1.0)].into_iter(), MINUTE, at(2), errors);
        ledger.take([&revised(1.0)].into_iter(), MINUTE, at(2), errors);
        assert_eq!(*ledger.state(), 1.0);
        ledger.take([&revised(3.0)].into_iter(), MINUTE, at(2), errors);
        assert_eq!(*ledger.state(), 3.0);
    }

    #[test]
    fn bins_older_than_five_minutes_are_frozen() {
        let mut run = Run::new();
        run.look(2, &[bin(0, 1.0)]);
        run.look(2, &[bin(0, 1.0)]);
        assert_eq!(run.look(6, &[bin(0, 7.0)]), [], "still young enough to be revised");
        assert_eq!(run.look(6, &[bin(0, 7.0)]), [(0, 7.0)]);
        assert_eq!(run.look(9, &[bin(0, 8.0), bin(0, 8.0)]), [(0, 7.0)]);
        assert!(run.0.bins.is_empty());
    }

    #[test]
    fn a_bin_on_which_no_two_looks_agree_is_left_out_in_the_end() {
        let mut run = Run::new();
        run.look(2, &[bin(0, 1.0), bin(1, 1.0)]);
        assert_eq!(run.look(8, &[bin(1, 1.0)]), [(1, 1.0)]);
        let mut flapping = Run::new();
        (0..100).for_each(|n| drop(flapping.look(20, &[bin(0, f64::from(n))])));
        assert!(flapping.0.bins.is_empty() && flapping.0.state().is_empty());
    }

    #[test]
    fn bins_that_have_ended_count_ahead_of_their_closing() {
        let mut run = Run::new();
        run.look(2, &[bin(0, 1.0), bin(2, 3.0)]);
        assert_eq!(run.0.ahead(fold), Some(vec![(0, 1.0)]));
        run.look(2, &[bin(0, 1.0), bin(2, 3.0)]);
        assert_eq!(run.0.ahead(fold), None);
    }
}
