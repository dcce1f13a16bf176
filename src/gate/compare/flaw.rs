//! Counts that cannot be: what is wrong with them, in words.

use crate::count::{Bin, Counts};

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
