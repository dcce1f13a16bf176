//! Counts that cannot be: what is wrong with them, in words.

use crate::domain::count::{Bin, Counts};

/// More than any slot answers in a bin; beyond it sums lose whole requests.
const MOST: f64 = 1e12;
/// How far a part may exceed its whole, because sources round and interpolate.
const ROUNDING: f64 = 1e-6;

/// What is wrong with a bin that should have `marks` counts of slow answers in each slot; `None` when it
/// can be true. Counts must be finite and not negative, errors at most the requests, slow answers at most
/// those timed and falling from mark to mark. A slot whose response times are missing has `timed` zero and
/// may have no marks.
pub fn flaw(bin: &Bin, marks: usize) -> Option<String> {
    let slots = [("stable", &bin.stable), ("candidate", &bin.candidate)];
    slots.into_iter().find_map(|(slot, counts)| {
        let flaw = flaw_of(counts.as_ref()?, marks)?;
        Some(format!("{slot}: {flaw}"))
    })
}

/// The same of one slot's counts.
pub fn flaw_of(counts: &Counts, marks: usize) -> Option<String> {
    let Counts { requests, errors, timed, slower } = counts;
    let named = [("requests", requests), ("errors", errors), ("timed", timed)];
    let slow = slower.iter().map(|slower| ("slower", slower));
    for (name, count) in named.into_iter().chain(slow) {
        if !(0.0..=MOST).contains(count) {
            return Some(format!("{name} is {count}, not a count"));
        }
    }
    if *errors > above(*requests) {
        return Some(format!("{errors} errors in {requests} requests"));
    }
    if slower.len() != marks && !(slower.is_empty() && *timed == 0.0) {
        return Some(format!("{} marks for slow answers where {marks} are counted", slower.len()));
    }
    let mut whole = *timed;
    for part in slower {
        if *part > above(whole) {
            return Some(format!("{part} slower answers out of {whole}"));
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
    use crate::domain::clock::Timestamp;

    fn counts(requests: f64, errors: f64, timed: f64, slower: &[f64]) -> Counts {
        Counts { requests, errors, timed, slower: slower.to_vec() }
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
        let check = |counts: Counts, said: &str| assert_eq!(flaw_of(&counts, 2).as_deref(), Some(said));
        check(counts(f64::NAN, 0.0, 0.0, &[]), "requests is NaN, not a count");
        check(counts(5.0, -1.0, 0.0, &[]), "errors is -1, not a count");
        check(counts(f64::INFINITY, 0.0, 0.0, &[]), "requests is inf, not a count");
        check(counts(1e13, 0.0, 0.0, &[]), "requests is 10000000000000, not a count");
        check(counts(5.0, 6.0, 0.0, &[]), "6 errors in 5 requests");
        check(counts(5.0, 0.0, 5.0, &[6.0, 1.0]), "6 slower answers out of 5");
        check(counts(5.0, 0.0, 5.0, &[2.0, 3.0]), "3 slower answers out of 2");
        check(counts(5.0, 0.0, 5.0, &[2.0]), "1 marks for slow answers where 2 are counted");
        check(counts(5.0, 0.0, 5.0, &[]), "0 marks for slow answers where 2 are counted");
    }

    #[test]
    fn a_flaw_says_which_slot_has_it() {
        let bin = Bin { at: Timestamp::default(), stable: None, candidate: Some(counts(1.0, 2.0, 0.0, &[])) };
        assert_eq!(flaw(&bin, 0).as_deref(), Some("candidate: 2 errors in 1 requests"));
    }
}
