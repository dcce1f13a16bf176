//! What a comparison remembers: the bins it has closed, the capital they made, and what they prove.

use super::capital::Capital;
use super::experts::{self, Suspicion};
use super::finding::{self, CompareEvidence, Proof};
use super::intake::{Intake, Manner};
use super::margins::{Bounds, DOUBT};
use super::tally::{Silence, Tally, Totals};
use super::{CompareRule, Margins, Unproven, flaw};
use crate::domain::count::Bin;
use crate::domain::traffic::Share;
use crate::gate::{Verdict, Window};

/// Bounds are wrong with a chance of at most this.
pub(super) const BETA: f64 = 0.05;
/// From this capital on no share is raised.
const HESITATION: f64 = 1.5;
/// From this capital on, which only counts once the warm-up is over, the ramp goes back to its first share and waits there.
const STRONG: f64 = 20.0;
/// On bins that are not closed yet the capital must be so many times greater to end a rollout.
const OPEN: f64 = 3.0;
/// After so many bins in a row without the candidate's requests it cannot be reached …
const SILENT_BINS: u32 = 3;
/// … if it should have had this many.
const SILENT_REQUESTS: f64 = 10.0;

/// A comparison in progress: a fold over the bins that looks have brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Comparison {
    intake: Intake<Tally>,
}

impl Comparison {
    /// Nothing has been seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the bins of one look, in any order, new and old.
    ///
    /// A bin with counts that cannot be (see [`flaw`](super::flaw)) is left out; while looks bring such a
    /// bin, and while the clock is more than five minutes behind an earlier look, nothing passes.
    pub fn take(&mut self, rule: &CompareRule, bins: &[Bin], window: Window<'_>) -> Verdict {
        let marks = rule.baseline.thresholds.len();
        let manner = Manner {
            span: rule.feed.span(),
            wrong: |bin: &Bin| flaw(bin, marks),
            useful: |bin: &Bin| bin.candidate.as_ref().is_some_and(|counts| counts.requests > 0.0),
            fold: |tally: &mut Tally, bin: &Bin| tally.add(rule, window, bin),
        };
        self.intake.take(bins, window, || Tally::new(rule), &manner);
        self.judge(rule, window)
    }

    fn judge(&self, rule: &CompareRule, window: Window<'_>) -> Verdict {
        let tally = self.intake.state();
        if let Some(cause) = self.breach(rule, window) {
            return Verdict::fail(cause);
        }
        if let Some(flaw) = self.intake.flaw() {
            return Verdict::inconclusive(flaw.clone());
        }
        if tally.total.candidate.requests <= 0.0 {
            return Verdict::inconclusive(CompareEvidence::NoRequests);
        }
        if self.capital() >= DOUBT {
            return Verdict::inconclusive(finding::doubt(rule, tally, self.suspicion()));
        }
        let share = window.course.last().map_or(Share::ALL, |(_, share)| *share);
        let (bounds, margins) = (self.bounds(rule), rule.margins.at(share));
        let proven = bounds.are_within(margins);
        let bounded = |proof| CompareEvidence::Bounded { bounds, margins, proof };
        match self.intake.fresh() {
            Some(from) if proven => Verdict::pass(bounded(Proof::Given), from),
            Some(from) if window.now >= window.deadline && rule.unproven == Unproven::Pass => {
                Verdict::pass(bounded(Proof::Late), from)
            }
            None if proven => Verdict::inconclusive(CompareEvidence::NothingFresh),
            _ => Verdict::inconclusive(bounded(Proof::Open)),
        }
    }

    /// The cause, if what was seen ends the rollout.
    fn breach(&self, rule: &CompareRule, window: Window<'_>) -> Option<CompareEvidence> {
        let tally = self.intake.state();
        let Silence { bins, missed } = tally.silence;
        if bins >= SILENT_BINS && missed >= SILENT_REQUESTS {
            return Some(CompareEvidence::Unreachable { missed, silence: rule.feed.span() * bins });
        }
        let limit = 1.0 / rule.alpha;
        if tally.capital.amount() >= limit {
            return Some(finding::breach(rule, tally, suspicion(tally)));
        }
        let ahead = self.intake.ahead(|tally, bin| tally.add(rule, window, bin))?;
        (ahead.capital.amount() >= OPEN * limit).then(|| finding::breach(rule, &ahead, suspicion(&ahead)))
    }

    /// Whether the candidate may have everything: the margins are proven and nothing speaks against it.
    pub fn is_proven(&self, rule: &CompareRule) -> bool {
        let proven = self.bounds(rule).are_within(rule.margins);
        let calm = if self.intake.state().patient { self.suspected() < HESITATION } else { self.capital() < DOUBT };
        proven && self.intake.flaw().is_none() && calm && self.total().candidate.requests > 0.0
    }

    /// The capital that bets against the candidate have made of 1; at `1/alpha` it goes back.
    pub fn capital(&self) -> f64 {
        self.intake.state().capital.amount()
    }

    /// How much worse the candidate can be at most; of slow answers, since the warm-up ended.
    pub fn bounds(&self, rule: &CompareRule) -> Bounds {
        let tally = self.intake.state();
        let tail = experts::tail_mark(&rule.baseline).filter(|_| tally.patient && rule.latency.weight > 0.0);
        // What is slow and may only be cold has not shown yet what it is like when it is warm.
        let slow = if tally.is_cold(rule) { 1.0 } else { tally.slow.upper(BETA) };
        Bounds { tail: tail.map(|_| tally.tail.upper(BETA)), ..self.bounds_by(rule, tally.errors.upper(BETA), slow) }
    }

    /// The same with other chances of being wrong, and with the better of two bounds on slow answers, with and
    /// without the warm-up, at half the chance each.
    pub(super) fn bounds_at(&self, rule: &CompareRule, beta: f64) -> Bounds {
        let tally = self.intake.state();
        let slow = tally.slow.upper(beta / 2.0).min(tally.slow_ever.upper(beta / 2.0));
        self.bounds_by(rule, tally.errors.upper(beta), slow)
    }

    fn bounds_by(&self, rule: &CompareRule, errors: f64, slow: f64) -> Bounds {
        let known = !self.intake.is_new();
        let judged = rule.latency.weight > 0.0 && experts::harm_mark(&rule.baseline).is_some();
        let errors = (rule.errors.weight > 0.0).then_some(if known { errors } else { 1.0 });
        Bounds { errors, tail: None, slow: judged.then_some(if known { slow } else { 1.0 }) }
    }

    /// What has been compared; response times since the warm-up ended.
    pub fn total(&self) -> &Totals {
        &self.intake.state().total
    }

    /// Requests a second over both slots, lately; before there are any, in the past.
    pub(super) fn rate(&self, rule: &CompareRule) -> f64 {
        self.intake.state().rate.unwrap_or(rule.baseline.rate)
    }

    /// Whether something speaks against raising the candidate's share: evidence, be it such that does not
    /// count yet, or data that cannot be.
    pub(super) fn is_doubtful(&self) -> bool {
        self.intake.flaw().is_some() || self.suspected() >= HESITATION
    }

    /// Whether response times would speak strongly against the candidate if they counted already.
    pub(super) fn is_slow_while_cold(&self) -> bool {
        let tally = self.intake.state();
        tally.patient && tally.cold.as_ref().is_some_and(|cold| cold.amount() >= STRONG)
    }

    /// The capital, or what it would be if response times counted during the warm-up.
    fn suspected(&self) -> f64 {
        let cold = self.intake.state().cold.as_ref().map_or(0.0, Capital::amount);
        self.capital().max(cold)
    }

    fn suspicion(&self) -> Option<Suspicion> {
        suspicion(self.intake.state())
    }
}

fn suspicion(tally: &Tally) -> Option<Suspicion> {
    tally.capital.leader(1).and_then(experts::suspicion)
}

impl Margins {
    /// What must be proven while the candidate has `share`: the less is at stake, the less. At 50 % and above
    /// it is the margins themselves, at 25 % two times the errors and three times the slow answers, at 5 %
    /// and below 6.7 and 8 times; in between, in proportion.
    #[must_use]
    pub fn at(self, share: Share) -> Self {
        const COURSE: [(f64, f64, f64); 3] = [(0.05, 20.0 / 3.0, 8.0), (0.25, 2.0, 3.0), (0.5, 1.0, 1.0)];
        let share = share.percent() / 100.0;
        let factor = |of: fn(&(f64, f64, f64)) -> f64| {
            let mut factor = of(&COURSE[0]);
            for pair in COURSE.windows(2) {
                let part = ((share - pair[0].0) / (pair[1].0 - pair[0].0)).clamp(0.0, 1.0);
                factor += part * (of(&pair[1]) - of(&pair[0]));
            }
            factor
        };
        Self { errors: self.errors * factor(|at| at.1), slow: self.slow * factor(|at| at.2) }
    }
}
