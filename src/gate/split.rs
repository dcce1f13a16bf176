//! The split gate: does the candidate get the share of the requests that its weight says?
//!
//! Under the claim that the split is right, the candidate's requests in a bin of n are binomial, with odds that
//! are off by at most a tolerated factor. Experts bet on odds beyond it, in both directions, by likelihood
//! ratios against the nearest odds that are tolerated. A binomial's likelihood ratio is monotone, so its mean
//! is greatest there among all tolerated odds, and is 1 there: an e-value, and their capital as for `compare`.
//! Where the weight changed around a bin, the claim is that the odds are those of any weight in force, give or
//! take the factor.

use std::time::Duration;

use libm::log as ln;

use super::compare::capital::Capital;
use super::compare::intake::{Intake, Manner};
use super::compare::{BinFlaw, Feed, flaw_of};
use super::{Measure, Unit, Verdict, Window};
use crate::domain::clock::Timestamp;
use crate::domain::count::Bin;
use crate::domain::traffic::Share;

/// By what factors beyond the tolerated one the odds are suspected to be off.
const BEYOND: [f64; 4] = [1.5, 3.0, 10.0, 100.0];
/// What part of the capital bets on the split being right.
const CASH: f64 = 0.2;
/// What part of everything is dealt out again in a minute.
const DEALT_AGAIN: f64 = 0.02;
/// From this capital on nothing passes.
const DOUBT: f64 = 3.0;
/// How long after a change of the weights requests may still follow the old ones.
const SETTLES: Duration = Duration::from_secs(60);
/// How long a change may have been in force before it was seen.
const UNSEEN: Duration = Duration::from_secs(20);

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

/// What a verdict on the split rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SplitEvidence {
    /// No closed bin lies wholly within the step yet.
    NoBin,
    /// What both slots got.
    Requests {
        /// The stable slot.
        stable: f64,
        /// The candidate.
        candidate: f64,
        /// The least that the weights would have given the candidate.
        due_least: f64,
        /// The most that the weights would have given the candidate.
        due_most: f64,
        /// What that says.
        says: SplitSays,
    },
}

/// What the requests of both slots say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitSays {
    /// Nothing against the split.
    Fits,
    /// Something against it, and not enough to be sure.
    Doubtful,
    /// It is wrong.
    Wrong,
}

impl SplitEvidence {
    /// The candidate's share of the requests.
    pub(super) fn measure(&self) -> Option<Measure> {
        let Self::Requests { stable, candidate, .. } = self else { return None };
        let all = stable + candidate;
        let value = (all > 0.0).then(|| candidate / all);
        Some(Measure { value, bound: None, stable: None, samples: Some(all), unit: Unit::Share })
    }
}

/// A split check in progress.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Split {
    intake: Intake<Routed>,
}

/// What closed bins add up to.
#[derive(Clone, Debug, PartialEq, Default)]
struct Routed {
    capital: Capital,
    stable: f64,
    candidate: f64,
    /// The least and the most that the weights would have given the candidate.
    due: (f64, f64),
}

impl Split {
    /// Takes in the bins of one look. A slot that is absent from a bin had no requests in it.
    pub fn take(&mut self, rule: &SplitRule, bins: &[Bin], window: Window<'_>) -> Verdict {
        let span = rule.feed.span();
        let shares = |bin: &Bin| shares(window.course, bin.at.before(SETTLES), bin.at + span + UNSEEN);
        let manner = Manner {
            span,
            wrong,
            useful: |bin: &Bin| shares(bin).1 > Share::NONE,
            fold: |routed: &mut Routed, bin: &Bin| routed.add(rule, shares(bin), requests(bin)),
        };
        self.intake.take(bins, window, Routed::new, &manner);
        self.judge(rule)
    }

    fn judge(&self, rule: &SplitRule) -> Verdict {
        let routed = self.intake.state();
        let capital = routed.capital.amount();
        if capital >= 1.0 / rule.alpha {
            return Verdict::fail(routed.evidence(SplitSays::Wrong));
        }
        if let Some(flaw) = self.intake.flaw() {
            return Verdict::inconclusive(flaw.clone());
        }
        match self.intake.fresh() {
            None => Verdict::inconclusive(SplitEvidence::NoBin),
            Some(_) if capital >= DOUBT => Verdict::inconclusive(routed.evidence(SplitSays::Doubtful)),
            Some(_) if routed.stable <= 0.0 || routed.candidate <= 0.0 => {
                Verdict::inconclusive(routed.evidence(SplitSays::Fits))
            }
            Some(from) => Verdict::pass(routed.evidence(SplitSays::Fits), from),
        }
    }
}

impl Routed {
    fn new() -> Self {
        let each = (1.0 - CASH) / (2 * BEYOND.len()) as f64;
        let mut prior = vec![CASH];
        prior.extend([each; 2 * BEYOND.len()]);
        Self { capital: Capital::new(prior), ..Self::default() }
    }

    /// Adds what a bin counted while the candidate's share was at least the one and at most the other.
    fn add(&mut self, rule: &SplitRule, (least, most): (Share, Share), (stable, candidate): (f64, f64)) {
        if most == Share::NONE {
            return;
        }
        let due = |share: Share| f64::from(share.permille()) / 1000.0 * (stable + candidate);
        self.stable += stable;
        self.candidate += candidate;
        self.due = (self.due.0 + due(least), self.due.1 + due(most));
        let mut evidence = vec![0.0];
        let (low, high) = (odds(least) / rule.odds, odds(most) * rule.odds);
        for (edge, beyond) in [(high, BEYOND), (low, BEYOND.map(|factor| 1.0 / factor))] {
            let likelier = |factor: f64| {
                // No share is less than nothing or more than everything: nobody bets on it.
                if edge <= 0.0 || !edge.is_finite() {
                    return 0.0;
                }
                let grown = ln((1.0 + edge) / (1.0 + edge * factor));
                candidate * (ln(factor) + grown) + stable * grown
            };
            evidence.extend(beyond.map(likelier));
        }
        self.capital.grow(&evidence, DEALT_AGAIN * rule.feed.span().as_secs_f64() / 60.0);
    }

    fn evidence(&self, says: SplitSays) -> SplitEvidence {
        let (due_least, due_most) = self.due;
        SplitEvidence::Requests { stable: self.stable, candidate: self.candidate, due_least, due_most, says }
    }
}

fn odds(share: Share) -> f64 {
    f64::from(share.permille()) / f64::from(share.rest().permille())
}

fn requests(bin: &Bin) -> (f64, f64) {
    let of = |counts: &Option<crate::domain::count::Counts>| counts.as_ref().map_or(0.0, |counts| counts.requests);
    (of(&bin.stable), of(&bin.candidate))
}

/// Whatever is wrong with response times does not matter here.
fn wrong(bin: &Bin) -> Option<BinFlaw> {
    [&bin.stable, &bin.candidate].into_iter().flatten().find_map(|counts| {
        let counted = crate::domain::count::Counts { timed: 0.0, slower: Vec::new(), ..counts.clone() };
        flaw_of(&counted, 0).map(|wrong| BinFlaw::Counts { slot: None, wrong })
    })
}

/// The least and the most that was in force from one moment to another.
fn shares(course: &[(Timestamp, Share)], from: Timestamp, to: Timestamp) -> (Share, Share) {
    let before = course.iter().rev().find(|(since, _)| *since <= from).map_or(Share::NONE, |(_, share)| *share);
    let during = course.iter().filter(|(since, _)| from < *since && *since < to).map(|(_, share)| *share);
    during.fold((before, before), |(least, most), share| (least.min(share), most.max(share)))
}

impl SplitRule {
    pub(super) fn question(&self) -> String {
        format!("the candidate gets the requests that its weight says, within a factor of {}", self.odds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::count::Counts;
    use crate::gate::compare::{CountsFlaw, Flaw};
    use crate::gate::{Outcome, ReadCount};

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn minute(n: u64) -> Timestamp {
        START + Duration::from_secs(60 * n)
    }

    fn slot(requests: f64) -> Option<Counts> {
        (requests > 0.0).then(|| Counts { requests, ..Counts::default() })
    }

    fn bins(minutes: u64, stable: f64, candidate: f64) -> Vec<Bin> {
        (0..minutes).map(|n| Bin { at: minute(n), stable: slot(stable), candidate: slot(candidate) }).collect()
    }

    /// What two looks say of such minutes at 10 %.
    fn verdict(stable: f64, candidate: f64) -> Verdict {
        let course = [(START, Share::from_permille(100).unwrap())];
        let window = Window {
            rollout: START,
            exposed: Some(START),
            step: START,
            deadline: minute(60),
            course: &course,
            now: minute(11),
        };
        let mut split = Split::default();
        let bins = bins(10, stable, candidate);
        split.take(&SplitRule::default(), &bins, window);
        split.take(&SplitRule::default(), &bins, window)
    }

    #[test]
    fn a_split_as_configured_passes() {
        let verdict = verdict(900.0, 100.0);
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        assert_eq!(verdict.data_from, Some(minute(0)));
        let says = SplitSays::Fits;
        let (stable, candidate, due_least, due_most) = (9_000.0, 1_000.0, 900.0, 1_000.0);
        let evidence = SplitEvidence::Requests { stable, candidate, due_least, due_most, says };
        assert_eq!(verdict.evidence, evidence.into());
    }

    #[test]
    fn a_tolerated_deviation_passes() {
        assert_eq!(verdict(890.0, 118.0).outcome, Outcome::Pass);
        assert_eq!(verdict(9000.0, 820.0).outcome, Outcome::Pass);
    }

    #[test]
    fn too_few_requests_fail() {
        let verdict = verdict(1000.0, 3.0);
        assert_eq!(verdict.outcome, Outcome::Fail);
        assert_eq!(verdict.evidence.measure().unwrap().samples, Some(10_030.0));
    }

    #[test]
    fn too_many_requests_fail() {
        let verdict = verdict(700.0, 300.0);
        assert_eq!(verdict.outcome, Outcome::Fail);
        assert_eq!(verdict.evidence.measure().unwrap().value, Some(0.3));
    }

    #[test]
    fn a_candidate_that_is_absent_has_no_requests() {
        assert_eq!(verdict(1000.0, 0.0).outcome, Outcome::Fail);
        assert_eq!(verdict(4.0, 0.0).outcome, Outcome::Inconclusive);
        assert_eq!(verdict(0.0, 0.0).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn counts_that_cannot_be_never_pass() {
        let course = [(START, Share::from_permille(100).unwrap())];
        let window = Window {
            rollout: START,
            exposed: Some(START),
            step: START,
            deadline: minute(60),
            course: &course,
            now: minute(11),
        };
        let mut bins = bins(10, 900.0, 100.0);
        bins[4].stable = Some(Counts { requests: f64::NAN, ..Counts::default() });
        let mut split = Split::default();
        split.take(&SplitRule::default(), &bins, window);
        let verdict = split.take(&SplitRule::default(), &bins, window);
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        let wrong = CountsFlaw::NoCount { of: "requests", count: ReadCount(f64::NAN) };
        let what = BinFlaw::Counts { slot: None, wrong };
        assert_eq!(verdict.evidence, Flaw::Bin { at: minute(4), what }.into());
    }

    #[test]
    fn around_a_change_of_weight_any_share_in_force_is_right() {
        let share = |permille| Share::from_permille(permille).unwrap();
        let course = [(START, share(100)), (minute(5), share(500))];
        let shares = |from, to| shares(&course, minute(from), minute(to));
        assert_eq!(shares(3, 4), (share(100), share(100)));
        assert_eq!(shares(4, 6), (share(100), share(500)));
        assert_eq!(shares(5, 6), (share(500), share(500)));
        let mut routed = Routed::new();
        routed.add(&SplitRule::default(), shares(4, 6), (700.0, 300.0));
        assert!(routed.capital.amount() < DOUBT);
        routed.add(&SplitRule::default(), shares(4, 6), (200.0, 800.0));
        assert!(routed.capital.amount() > 1000.0);
    }

    #[test]
    fn evidence_is_1_on_average_at_the_edge_of_what_is_tolerated() {
        for edge in [1.25, 1.0 / 1.25, 1.0] {
            let share = Share::from_permille(300).unwrap();
            let p = odds(share) * edge / (1.0 + odds(share) * edge);
            let mean: f64 = (0..=12_u32)
                .map(|x| {
                    let mut routed = Routed::new();
                    routed.add(&SplitRule::default(), (share, share), (f64::from(12 - x), f64::from(x)));
                    let ways = (0..x).fold(1.0, |ways, k| ways * f64::from(12 - k) / f64::from(k + 1));
                    ways * p.powi(x.try_into().unwrap())
                        * (1.0 - p).powi((12 - x).try_into().unwrap())
                        * routed.capital.amount()
                })
                .sum();
            assert!(mean <= 1.0 + 1e-9, "{edge}: {mean}");
        }
    }
}
