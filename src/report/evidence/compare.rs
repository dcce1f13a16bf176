//! A comparison's findings in plain words, each on a line of at most about 150 characters.

use crate::domain::clock::span;
use crate::domain::text::count;
use crate::gate::compare::{BinFlaw, Bounds, Cause, CountsFlaw, Flaw, Margins, Part, Proof};
use crate::gate::{CompareEvidence, DriftEvidence};

pub(super) fn words(evidence: &CompareEvidence) -> String {
    match evidence {
        CompareEvidence::NoRequests => "no closed bin has requests in both slots yet".to_owned(),
        CompareEvidence::NothingFresh => "no data from after the step began yet".to_owned(),
        CompareEvidence::Unreachable { missed, silence } => format!(
            "the candidate cannot be reached: it got none of about {} requests in {}",
            whole(*missed),
            span(*silence)
        ),
        CompareEvidence::Worse { cause: of, odds, is_sure } => {
            let doubt = if *is_sure { "" } else { "not yet sure: " };
            format!("{doubt}{}; odds of chance below 1 in {}", cause(of), whole(*odds))
        }
        CompareEvidence::Bounded { bounds, margins, proof } => bounded(*bounds, *margins, *proof),
    }
}

/// What a watch found in a release that has everything.
pub(super) fn drift(evidence: &DriftEvidence) -> String {
    match evidence {
        DriftEvidence::NoBin => "no minutes to compare with its first ones yet".to_owned(),
        DriftEvidence::Same { watched } => format!("no worse than at first, {} on", span(*watched)),
        DriftEvidence::Worse { cause: Cause::Failing { stable, candidate }, odds } => format!(
            "the release fails more than at first: {} of its {} requests, then {}; odds of chance below 1 in {}",
            percent(*candidate),
            whole(candidate.whole),
            percent(*stable),
            whole(*odds)
        ),
        DriftEvidence::Worse { cause: Cause::Refused { stable, candidate }, odds } => format!(
            "the release refuses more than at first: {} of its {} requests, then {}; odds of chance below 1 in {}",
            percent(*candidate),
            whole(candidate.whole),
            percent(*stable),
            whole(*odds)
        ),
        DriftEvidence::Worse { cause: Cause::Slower { seconds, stable, candidate, .. }, odds } => format!(
            "the release is slower than at first: {} of its requests take longer than {} s, then {}; odds of chance \
             below 1 in {}",
            percent(*candidate),
            digits(*seconds),
            percent(*stable),
            whole(*odds)
        ),
    }
}

fn bounded(bounds: Bounds, margins: Margins, proof: Proof) -> String {
    match proof {
        Proof::Given => format!("{} at 95 %", at_most(bounds)),
        Proof::Late => {
            let missed = Bounds {
                errors: bounds.errors.filter(|errors| *errors > margins.errors),
                slow: bounds.slow.filter(|slow| *slow > margins.slow),
                tail: bounds.tail.filter(|tail| *tail > margins.errors),
            };
            format!("not proven in time: {} at 95 %", at_most(missed))
        }
        Proof::Open => {
            let (errors, slow) = (bounds.errors.map(|_| margins.errors), bounds.slow.map(|_| margins.slow));
            let wanted: Vec<String> = [errors, slow].into_iter().flatten().map(points).collect();
            let are = if wanted.len() == 1 { "is" } else { "are" };
            format!("{}; {} {are} to be proven", at_most(bounds), wanted.join(" and "))
        }
    }
}

fn at_most(Bounds { errors, slow, tail }: Bounds) -> String {
    let known = |share: f64| format!("at most +{} pp", points(share));
    let said = |share: f64| if share < 1.0 { known(share) } else { "not bounded yet".to_owned() };
    let parts = [("errors", errors), ("slow", slow), ("slowest", tail)];
    let parts = parts.into_iter().filter_map(|(name, share)| Some(format!("{name} {}", said(share?))));
    parts.collect::<Vec<_>>().join(", ")
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Failing { stable, candidate } => format!(
            "the candidate fails more: {} of its {} requests, stable {} of {}",
            percent(*candidate),
            whole(candidate.whole),
            percent(*stable),
            whole(stable.whole)
        ),
        Cause::Refused { stable, candidate } => format!(
            "the candidate refuses more with 4XX: {} of its {} requests, stable {} of {}",
            percent(*candidate),
            whole(candidate.whole),
            percent(*stable),
            whole(stable.whole)
        ),
        Cause::Slower { quantile, seconds, stable, candidate } => format!(
            "{} of the candidate {} slower: {} of its requests take longer than {} s, stable {}",
            quantile.map_or_else(|| "answers".to_owned(), percentile),
            if quantile.is_some() { "is" } else { "are" },
            percent(*candidate),
            digits(*seconds),
            percent(*stable)
        ),
    }
}

/// What is wrong with counts.
pub(super) fn flaw(flaw: &Flaw) -> String {
    match flaw {
        Flaw::ClockBack(by) => format!("the clock went back by {}", span(*by)),
        Flaw::Bin { at, what } => {
            let what = match what {
                BinFlaw::Future => "it lies in the future".to_owned(),
                BinFlaw::Counts { slot: Some(slot), wrong } => format!("{slot}: {}", counts_flaw(wrong)),
                BinFlaw::Counts { slot: None, wrong } => counts_flaw(wrong),
            };
            format!("the bin of {} cannot be: {what}", at.time_of_day())
        }
    }
}

fn counts_flaw(flaw: &CountsFlaw) -> String {
    match flaw {
        CountsFlaw::NoCount { of, count } => format!("{of} is {}, not a count", count.0),
        CountsFlaw::Errors { errors, requests } => format!("{errors} errors in {requests} requests"),
        CountsFlaw::Marks { got, wanted } => format!("{got} marks for slow answers where {wanted} are counted"),
        CountsFlaw::Slower { part, whole } => format!("{part} slower answers out of {whole}"),
    }
}

/// The one word programs know a finding by.
pub(super) fn found(evidence: &CompareEvidence) -> &'static str {
    match evidence {
        CompareEvidence::NoRequests => "no_data",
        CompareEvidence::NothingFresh => "nothing_fresh",
        CompareEvidence::Unreachable { .. } => "unreachable",
        CompareEvidence::Worse { is_sure: false, .. } => "doubtful",
        CompareEvidence::Worse { cause: Cause::Failing { .. }, .. } => "fails_more",
        CompareEvidence::Worse { cause: Cause::Refused { .. }, .. } => "refuses_more",
        CompareEvidence::Worse { cause: Cause::Slower { .. }, .. } => "slower",
        CompareEvidence::Bounded { proof: Proof::Given, .. } => "proven",
        CompareEvidence::Bounded { proof: Proof::Open, .. } => "not_yet_proven",
        CompareEvidence::Bounded { proof: Proof::Late, .. } => "not_proven_in_time",
    }
}

/// `0.95` as `p95`, `0.999` as `p99.9`.
fn percentile(quantile: f64) -> String {
    format!("p{}", (quantile * 1e4).round() / 1e2)
}

/// A part of a whole in percent, with two digits that say something.
fn percent(part: Part) -> String {
    format!("{} %", digits(100.0 * part.share().unwrap_or(0.0)))
}

/// A share in percentage points.
fn points(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// A number with two digits that say something: `12`, `9.1`, `0.23`, `0.014`.
fn digits(number: f64) -> String {
    match number {
        n if n >= 9.95 => format!("{n:.0}"),
        n if n >= 0.995 => format!("{n:.1}"),
        n if n >= 0.0995 => format!("{n:.2}"),
        n if n >= 0.000_5 => format!("{n:.3}"),
        _ => "0".to_owned(),
    }
}

/// A count as people read it.
pub(super) fn whole(number: f64) -> String {
    count(rounded(number))
}

/// The whole number nearest to a count; absurd ones are cut.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; absurd ones are cut")]
pub(super) fn rounded(number: f64) -> u64 {
    number.round().clamp(0.0, 1e15) as u64
}
