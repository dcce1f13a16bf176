//! Counts that cannot be: what is wrong with them.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::fleet::Role;
use crate::gate::ReadCount;

/// What is wrong with what a look brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Flaw {
    /// The clock is so far behind an earlier look.
    ClockBack(Duration),
    /// A bin cannot be true.
    Bin {
        /// Its start.
        at: Timestamp,
        /// What is wrong with it.
        what: BinFlaw,
    },
}

/// What is wrong with a bin.
#[derive(Clone, Debug, PartialEq)]
pub enum BinFlaw {
    /// It lies in the future.
    Future,
    /// A slot's counts cannot be true.
    Counts {
        /// Whose, where that matters.
        slot: Option<Role>,
        /// What is wrong with them.
        wrong: CountsFlaw,
    },
}

/// What is wrong with one slot's counts.
#[derive(Clone, Debug, PartialEq)]
pub enum CountsFlaw {
    /// A number is not finite, less than nothing, or more than any slot answers.
    NoCount {
        /// Which: the field of [`Counts`].
        of: &'static str,
        /// What it is.
        count: ReadCount,
    },
    /// More failed than there were.
    Errors {
        /// How many failed.
        errors: f64,
        /// How many there were.
        requests: f64,
    },
    /// Slow answers are counted at another number of marks.
    Marks {
        /// At how many.
        got: usize,
        /// At how many they should be.
        wanted: usize,
    },
    /// More were slower than a mark than could be.
    Slower {
        /// How many were.
        part: f64,
        /// How many could be.
        whole: f64,
    },
}

/// More than any slot answers in a bin; beyond it sums lose whole requests.
const MOST: f64 = 1e12;
/// How far a part may exceed its whole, because sources round and interpolate.
const ROUNDING: f64 = 1e-6;

/// What is wrong with a bin that should have `marks` counts of slow answers in each slot; `None` when it
/// can be true. Counts must be finite and not negative, errors at most the requests, slow answers at most
/// those timed and falling from mark to mark. A slot whose response times are missing has `timed` zero and
/// may have no marks.
pub fn flaw(bin: &Bin, marks: usize) -> Option<BinFlaw> {
    let slots = [(Role::Stable, &bin.stable), (Role::Candidate, &bin.candidate)];
    slots.into_iter().find_map(|(slot, counts)| {
        let wrong = flaw_of(counts.as_ref()?, marks)?;
        Some(BinFlaw::Counts { slot: Some(slot), wrong })
    })
}

/// The same of one slot's counts.
pub fn flaw_of(counts: &Counts, marks: usize) -> Option<CountsFlaw> {
    let Counts { requests, errors, refused, timed, slower } = counts;
    let named = [("requests", requests), ("errors", errors), ("refused", refused), ("timed", timed)];
    let slow = slower.iter().map(|slower| ("slower", slower));
    for (of, count) in named.into_iter().chain(slow) {
        if !(0.0..=MOST).contains(count) {
            return Some(CountsFlaw::NoCount { of, count: ReadCount(*count) });
        }
    }
    if *errors > above(*requests) {
        return Some(CountsFlaw::Errors { errors: *errors, requests: *requests });
    }
    if slower.len() != marks && !(slower.is_empty() && *timed == 0.0) {
        return Some(CountsFlaw::Marks { got: slower.len(), wanted: marks });
    }
    let mut whole = *timed;
    for part in slower {
        if *part > above(whole) {
            return Some(CountsFlaw::Slower { part: *part, whole });
        }
        whole = *part;
    }
    None
}

fn above(whole: f64) -> f64 {
    whole + ROUNDING * (1.0 + whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: f64, errors: f64, timed: f64, slower: &[f64]) -> Counts {
        Counts { requests, errors, timed, slower: slower.to_vec(), ..Counts::default() }
    }

    #[test]
    fn counts_that_can_be_true_are_left_alone() {
        let check = |counts: Counts| assert_eq!(flaw_of(&counts, 2), None, "{counts:?}");
        check(counts(100.0, 100.0, 90.0, &[45.5, 3.25]));
        check(counts(100.0, 0.0, 0.0, &[]));
        check(counts(0.0, 0.0, 0.0, &[0.0, 0.0]));
    }

    #[test]
    fn counts_that_cannot_be_are_named() {
        let check = |counts: Counts, flaw: CountsFlaw| assert_eq!(flaw_of(&counts, 2), Some(flaw));
        let none = |of, count| CountsFlaw::NoCount { of, count: ReadCount(count) };
        check(counts(f64::NAN, 0.0, 0.0, &[]), none("requests", f64::NAN));
        check(counts(5.0, -1.0, 0.0, &[]), none("errors", -1.0));
        check(counts(f64::INFINITY, 0.0, 0.0, &[]), none("requests", f64::INFINITY));
        check(counts(1e13, 0.0, 0.0, &[]), none("requests", 1e13));
        check(counts(5.0, 6.0, 0.0, &[]), CountsFlaw::Errors { errors: 6.0, requests: 5.0 });
        check(counts(5.0, 0.0, 5.0, &[6.0, 1.0]), CountsFlaw::Slower { part: 6.0, whole: 5.0 });
        check(counts(5.0, 0.0, 5.0, &[2.0, 3.0]), CountsFlaw::Slower { part: 3.0, whole: 2.0 });
        check(counts(5.0, 0.0, 5.0, &[2.0]), CountsFlaw::Marks { got: 1, wanted: 2 });
        check(counts(5.0, 0.0, 5.0, &[]), CountsFlaw::Marks { got: 0, wanted: 2 });
    }

    #[test]
    fn a_flaw_says_which_slot_has_it() {
        let bin = Bin { at: Timestamp::default(), stable: None, candidate: Some(counts(1.0, 2.0, 0.0, &[])) };
        let wrong = CountsFlaw::Errors { errors: 2.0, requests: 1.0 };
        assert_eq!(flaw(&bin, 0), Some(BinFlaw::Counts { slot: Some(Role::Candidate), wrong }));
    }
}
