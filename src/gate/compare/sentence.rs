//! A comparison's findings in plain words, each on a line of at most about 150 characters.

use std::time::Duration;

use super::experts::Suspicion;
use super::margins::Bounds;
use super::tally::{Tally, Totals, harm_mark};
use super::{CompareRule, Margins};
use crate::domain::clock::span;
use crate::domain::count::Counts;
use crate::domain::text::count;

/// Why the candidate goes back.
pub(super) fn breach(rule: &CompareRule, tally: &Tally, suspicion: Option<Suspicion>) -> String {
    let odds = whole(1.0 / rule.alpha);
    format!("{}; odds of chance below 1 in {odds}", cause(rule, tally, suspicion))
}

/// Why nothing passes although it is not yet sure that the candidate is worse.
pub(super) fn doubt(rule: &CompareRule, tally: &Tally, suspicion: Option<Suspicion>) -> String {
    let odds = tally.capital.amount();
    format!("not yet sure: {}; odds of chance below 1 in {}", cause(rule, tally, suspicion), whole(odds.floor()))
}

/// Why a candidate without requests goes back.
pub(super) fn unreachable(missed: f64, silence: Duration) -> String {
    format!("the candidate cannot be reached: it got none of about {} requests in {}", whole(missed), span(silence))
}

/// What is proven, when that is enough.
pub(super) fn proven(bounds: Bounds) -> String {
    format!("{} at 95 %", bounded(bounds))
}

/// What is proven, when that is not enough and the time is over.
pub(super) fn unproven(bounds: Bounds, margins: Margins) -> String {
    let missed = Bounds {
        errors: bounds.errors.filter(|errors| *errors > margins.errors),
        slow: bounds.slow.filter(|slow| *slow > margins.slow),
    };
    format!("not proven in time: {} at 95 %", bounded(missed))
}

/// What is proven so far, and what is to be.
pub(super) fn missing(bounds: Bounds, margins: Margins) -> String {
    let (errors, slow) = (bounds.errors.map(|_| margins.errors), bounds.slow.map(|_| margins.slow));
    let wanted: Vec<String> = [errors, slow].into_iter().flatten().map(points).collect();
    let are = if wanted.len() == 1 { "is" } else { "are" };
    format!("{}; {} {are} to be proven", bounded(bounds), wanted.join(" and "))
}

fn bounded(Bounds { errors, slow }: Bounds) -> String {
    let known = |share: f64| format!("at most +{} pp", points(share));
    let said = |share: f64| if share < 1.0 { known(share) } else { "not bounded yet".to_owned() };
    let parts = [("errors", errors), ("slow", slow)];
    let parts = parts.into_iter().filter_map(|(name, share)| Some(format!("{name} {}", said(share?))));
    parts.collect::<Vec<_>>().join(", ")
}

/// What a suspicion is called.
pub(super) fn name(rule: &CompareRule, suspicion: Suspicion) -> String {
    match suspicion {
        Suspicion::Errors => "errors".to_owned(),
        Suspicion::Slower(None) => "response times".to_owned(),
        Suspicion::Slower(Some(mark)) => {
            let quantile = rule.baseline.thresholds.get(mark).and_then(|threshold| threshold.quantile);
            quantile.map_or_else(|| "response times".to_owned(), percentile)
        }
    }
}

fn cause(rule: &CompareRule, tally: &Tally, suspicion: Option<Suspicion>) -> String {
    match suspicion {
        Some(Suspicion::Slower(mark)) => slower(rule, telling(tally, |counts| counts.timed), mark),
        Some(Suspicion::Errors) | None => failing(telling(tally, |counts| counts.requests)),
    }
}

/// What was counted since the capital last rose from below 1, unless that is nothing.
fn telling(tally: &Tally, of: fn(&Counts) -> f64) -> &Totals {
    let told = of(&tally.since.candidate) > 0.0 && of(&tally.since.stable) > 0.0;
    if told { &tally.since } else { &tally.total }
}

fn failing(Totals { stable, candidate }: &Totals) -> String {
    format!(
        "the candidate fails more: {} of its {} requests, stable {} of {}",
        percent(candidate.errors, candidate.requests),
        whole(candidate.requests),
        percent(stable.errors, stable.requests),
        whole(stable.requests)
    )
}

fn slower(rule: &CompareRule, Totals { stable, candidate }: &Totals, mark: Option<usize>) -> String {
    let mark = mark.or_else(|| most_telling(stable, candidate)).or_else(|| harm_mark(&rule.baseline)).unwrap_or(0);
    let slow = |counts: &Counts| percent(counts.slower.get(mark).copied().unwrap_or(0.0), counts.timed);
    let threshold = rule.baseline.thresholds.get(mark);
    let what = threshold.and_then(|threshold| threshold.quantile).map(percentile);
    format!(
        "{} of the candidate {} slower: {} of its requests take longer than {} s, stable {}",
        what.as_deref().unwrap_or("answers"),
        if what.is_some() { "is" } else { "are" },
        slow(candidate),
        digits(threshold.map_or(0.0, |threshold| threshold.candidate)),
        slow(stable)
    )
}

/// The mark at which two slots differ most, in standard errors.
fn most_telling(stable: &Counts, candidate: &Counts) -> Option<usize> {
    let score = |mark: usize| {
        let (b, g) = (stable.slower[mark] / stable.timed, candidate.slower[mark] / candidate.timed);
        let p = ((stable.slower[mark] + candidate.slower[mark]) / (stable.timed + candidate.timed)).clamp(1e-9, 0.999);
        (g - b) / (p * (1.0 - p)).sqrt()
    };
    let marks = stable.slower.len().min(candidate.slower.len());
    (0..marks).reduce(|best, mark| if score(mark) > score(best) { mark } else { best })
}

/// `0.95` as `p95`, `0.999` as `p99.9`.
fn percentile(quantile: f64) -> String {
    format!("p{}", (quantile * 1e4).round() / 1e2)
}

/// A part of a whole in percent, with two digits that say something.
fn percent(part: f64, whole: f64) -> String {
    format!("{} %", digits(if whole > 0.0 { 100.0 * part / whole } else { 0.0 }))
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; absurd ones are cut")]
fn whole(number: f64) -> String {
    count(number.round().clamp(0.0, 1e15) as u64)
}
