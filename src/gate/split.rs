//! The split gate: does the candidate get the share of the requests that its weight says?
//!
//! Under a weight of `w` every request goes to the candidate with chance `w`, whatever came before, so the
//! candidate's part of a bin is binomial. The claim that is bet against: its odds are within a factor of
//! `odds` of `w/(1-w)`. Each expert bets on odds further away, in one direction, with the likelihood ratio
//! against the end of that range: it is 1 on average at that end and, because the ratio is monotone in the
//! candidate's requests, at most 1 everywhere within. Its square root is at most 1 too (Jensen) and is used
//! instead: keep-alive makes requests come in runs. In a bin in which the weight changed, the claim is that
//! the odds are within the tolerated range of any of the weights that were in force.

use std::time::Duration;

use libm::{log as ln, log1p};

use super::compare::Feed;
use super::compare::capital::Capital;
use super::compare::ledger::Ledger;
use super::{Verdict, Window};
use crate::clock::Timestamp;
use crate::count::{Bin, Counts};
use crate::text::count;
use crate::traffic::Share;

/// How much further away than tolerated an expert looks, as a factor on the odds.
const EFFECTS: [f64; 4] = [1.3, 2.0, 10.0, 100.0];
/// The part of the capital that is not bet.
const CASH: f64 = 0.1;
/// The part that is dealt out again after each bin, so that a split that goes wrong late is found too.
const DEALT_AGAIN: f64 = 0.02;
/// How long after a change the weight before it may still be in force: nodes take a new one up one by one.
const LINGERS: Duration = Duration::from_secs(30);

/// How far the observed share may be from the configured one.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitRule {
    /// Where the counts come from.
    pub feed: Feed,
    /// The chance, per rollout, that a split which is right is called wrong: 0.001.
    pub alpha: f64,
    /// The factor by which the odds of a request going to the candidate may be off: 1.25.
    pub odds: f64,
}

impl Default for SplitRule {
    fn default() -> Self {
        Self { feed: Feed::LoadBalancer, alpha: 0.001, odds: 1.25 }
    }
}

/// A split check in progress: a fold over the bins that looks have brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Split {
    /// Since when bins count; `None` before the first look.
    since: Option<Timestamp>,
    ledger: Ledger<Tally>,
}

/// What closed bins came to.
#[derive(Clone, Debug, PartialEq, Default)]
struct Tally {
    capital: Capital,
    /// Requests of both slots.
    all: f64,
    /// Those that the candidate got.
    got: f64,
    /// The least and the most that its weights would have given it.
    due: (f64, f64),
    /// The start of the last bin that counted.
    last: Option<Timestamp>,
}

impl Split {
    /// Takes in the bins of one look, in any order, new and old. Bins with counts that cannot be say nothing.
    pub fn take(&mut self, rule: &SplitRule, bins: &[Bin], window: Window<'_>) -> Verdict {
        if self.since.is_none_or(|since| since < window.rollout) {
            let tally = Tally { capital: Capital::new(prior()), ..Tally::default() };
            *self = Self { since: Some(window.rollout), ledger: Ledger::new(tally, window.rollout) };
        }
        let span = rule.feed.span();
        let fold = |tally: &mut Tally, bin: &Bin| tally.add(rule, window, bin);
        self.ledger.take(bins.iter().filter(|bin| parts(bin).is_some()), span, window.now, fold);
        self.ledger.freeze(span, window.now, fold);
        self.judge(rule, window)
    }

    fn judge(&self, rule: &SplitRule, window: Window<'_>) -> Verdict {
        let tally = self.ledger.state();
        if tally.all <= 0.0 {
            return Verdict::inconclusive("no closed bin with requests yet");
        }
        if tally.capital.amount() >= 1.0 / rule.alpha {
            let cause = if tally.got < tally.due.0 {
                "another rule may come first, clients stick to the stable slot, or the candidate hangs"
            } else {
                "clients stick to the candidate, or another rule sends it more"
            };
            return Verdict::fail(format!("{}; {cause}", tally.shares()));
        }
        match tally.last.filter(|last| *last >= window.step) {
            Some(last) => Verdict::pass(tally.shares(), last),
            None => Verdict::inconclusive("no data from after the step began yet"),
        }
    }
}

impl Tally {
    fn add(&mut self, rule: &SplitRule, window: Window<'_>, bin: &Bin) {
        let Some((stable, candidate)) = parts(bin) else { return };
        let (least, most) = shares_during(window.course, bin.at.before(LINGERS), bin.at + rule.feed.span());
        if stable + candidate <= 0.0 || most == Share::NONE {
            return;
        }
        let weights = (least.percent() / 100.0, most.percent() / 100.0);
        self.capital.grow(&evidence(rule.odds, weights, stable, candidate), DEALT_AGAIN);
        self.all += stable + candidate;
        self.got += candidate;
        self.due.0 += weights.0 * (stable + candidate);
        self.due.1 += weights.1 * (stable + candidate);
        self.last = Some(bin.at);
    }

    fn shares(&self) -> String {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part / self.all);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, checked to be one")]
        let all = count(self.all.round() as u64);
        let (least, most) = (percent(self.due.0), percent(self.due.1));
        let due = if least == most { most } else { format!("{least} to {most}") };
        format!("its weight gives the candidate {due} of {all} requests, it got {}", percent(self.got))
    }
}

/// Requests of the stable slot and of the candidate. A slot that is absent while the other is not got none;
/// `None` when neither was seen, or when these are no counts.
fn parts(bin: &Bin) -> Option<(f64, f64)> {
    let requests = |counts: &Option<Counts>| counts.as_ref().map_or(0.0, |counts| counts.requests);
    let (stable, candidate) = (requests(&bin.stable), requests(&bin.candidate));
    let is_count = |count: f64| count.is_finite() && count >= 0.0;
    let seen = bin.stable.is_some() || bin.candidate.is_some();
    (seen && is_count(stable) && is_count(candidate)).then_some((stable, candidate))
}

/// The least and the most that was in force from `from` to `to`.
fn shares_during(course: &[(Timestamp, Share)], from: Timestamp, to: Timestamp) -> (Share, Share) {
    let before = course.iter().rev().find(|(since, _)| *since <= from).map_or(Share::NONE, |(_, share)| *share);
    let during = course.iter().filter(|(since, _)| from < *since && *since < to).map(|(_, share)| *share);
    during.fold((before, before), |(least, most), share| (least.min(share), most.max(share)))
}

fn prior() -> Vec<f64> {
    let each = (1.0 - CASH) / (2 * EFFECTS.len()) as f64;
    std::iter::once(CASH).chain(std::iter::repeat_n(each, 2 * EFFECTS.len())).collect()
}

/// Natural logarithms of the experts' e-values for one bin under the least and the most of its weights, cash
/// first. A weight of nothing can have no less, one of everything no more.
fn evidence(tolerated: f64, (least, most): (f64, f64), stable: f64, candidate: f64) -> Vec<f64> {
    let odds = |weight: f64| weight / (1.0 - weight);
    let ratio = |end: f64, far: f64| {
        if end <= 0.0 || !far.is_finite() {
            return 0.0;
        }
        let stables = log1p(end) - log1p(far);
        0.5 * (candidate * (ln(far / end) + stables) + stable * stables)
    };
    let (low, high) = (odds(least) / tolerated, odds(most) * tolerated);
    let both = EFFECTS.iter().flat_map(|effect| [ratio(low, low / effect), ratio(high, high * effect)]);
    std::iter::once(0.0).chain(both).collect()
}

impl SplitRule {
    pub(super) fn question(&self) -> String {
        "the candidate gets the requests that its weight says".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Outcome;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(6_000_000 + minute * 60_000)
    }

    fn bin(minute: u64, stable: Option<f64>, candidate: Option<f64>) -> Bin {
        let counts = |requests| Counts { requests, ..Counts::default() };
        Bin { at: at(minute), stable: stable.map(counts), candidate: candidate.map(counts) }
    }

    /// What is said when the candidate has had `share` since the first minute and these bins are looked at twice.
    fn verdict(permille: u16, bins: &[Bin]) -> Verdict {
        let course = [(at(0), Share::from_permille(permille).unwrap())];
        let window = Window {
            rollout: at(0),
            exposed: Some(at(0)),
            step: at(0),
            deadline: at(99),
            course: &course,
            now: at(50),
        };
        let mut split = Split::default();
        let _ = split.take(&SplitRule::default(), bins, window);
        split.take(&SplitRule::default(), bins, window)
    }

    #[test]
    fn a_split_that_is_as_configured_passes() {
        let bins: Vec<Bin> =
            (1..40).map(|minute| bin(minute, Some(900.0), Some(100.0 + (minute % 7) as f64))).collect();
        let verdict = verdict(100, &bins);
        assert_eq!((verdict.outcome, verdict.data_from), (Outcome::Pass, Some(at(39))));
    }

    #[test]
    fn a_candidate_that_gets_nothing_is_told_with_the_likely_causes() {
        let bins: Vec<Bin> = (1..6).map(|minute| bin(minute, Some(1000.0), None)).collect();
        let verdict = verdict(100, &bins);
        assert_eq!(verdict.outcome, Outcome::Fail);
        let said = "its weight gives the candidate 10.0 % of 5,000 requests, it got 0.0 %; another rule may come first";
        assert!(verdict.evidence.starts_with(said), "{}", verdict.evidence);
    }

    #[test]
    fn a_candidate_that_gets_too_much_is_told_too() {
        let bins: Vec<Bin> = (1..6).map(|minute| bin(minute, Some(600.0), Some(400.0))).collect();
        assert_eq!(verdict(100, &bins).outcome, Outcome::Fail);
    }

    #[test]
    fn around_a_change_of_weight_either_is_right() {
        assert_eq!(verdict(100, &[bin(0, Some(10_000.0), None)]).outcome, Outcome::Pass);
        assert_eq!(verdict(100, &[bin(0, Some(9_000.0), Some(1_000.0))]).outcome, Outcome::Pass);
        assert_eq!(verdict(100, &[bin(0, Some(5_000.0), Some(5_000.0))]).outcome, Outcome::Fail);
    }

    #[test]
    fn counts_that_cannot_be_say_nothing() {
        for wrong in [f64::NAN, -1.0, f64::INFINITY] {
            let bins: Vec<Bin> = (1..6).map(|minute| bin(minute, Some(wrong), Some(1.0))).collect();
            assert_eq!(verdict(100, &bins).outcome, Outcome::Inconclusive, "{wrong}");
        }
    }

    #[test]
    fn no_expert_gains_on_average_within_what_is_tolerated() {
        for (weight, tolerated) in [(0.1, 1.25), (0.5, 1.25), (0.01, 2.0)] {
            for end in [1.0 / tolerated, 1.0, tolerated] {
                let odds = weight / (1.0 - weight) * end;
                let (chance, requests): (f64, u32) = (odds / (1.0 + odds), 30);
                let mut mean = vec![0.0; 2 * EFFECTS.len() + 1];
                let mut probability = (1.0 - chance).powi(30);
                for got in 0..=requests {
                    let (got_f, rest) = (f64::from(got), f64::from(requests - got));
                    for (mean, ln) in mean.iter_mut().zip(evidence(tolerated, (weight, weight), rest, got_f)) {
                        *mean += probability * ln.exp();
                    }
                    probability *= rest / (got_f + 1.0) * chance / (1.0 - chance);
                }
                assert!(mean.iter().all(|mean| *mean <= 1.0 + 1e-9), "{weight} {end}: {mean:?}");
            }
        }
    }
}
