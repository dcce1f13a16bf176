//! What the closed bins of a rollout add up to.

use std::time::Duration;

use super::CompareRule;
use super::bound::{self, Excess};
use super::capital::Capital;
use super::evidence::{Part, Slow, Tail};
use super::experts::{self, Designs, Noise};
use super::margins::DOUBT;
use super::present::Present;
use super::warming::Warming;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::traffic::Share;
use crate::gate::Window;

/// What part of everything is dealt out again in a minute.
const DEALT_AGAIN: f64 = 0.02;
/// How many answers the predicted share of slow ones is worth.
const MEMORY: f64 = 500.0;
/// Shares of slow answers are predicted no nearer to nothing and to everything than this.
const LEAST_SHARE: f64 = 1e-6;
/// How long the rate of requests is averaged over.
const RATE_OVER: Duration = Duration::from_secs(180);

/// What both slots answered over several bins.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Totals {
    /// The stable slot.
    pub stable: Counts,
    /// The candidate.
    pub candidate: Counts,
}

/// The fold over the closed bins.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Tally {
    pub(super) capital: Capital,
    /// What the capital would be if response times counted during the warm-up, until it is over.
    pub(super) cold: Option<Capital>,
    tails: Vec<Tail>,
    pub(super) errors: Excess,
    /// Slow answers since the warm-up ended.
    pub(super) slow: Excess,
    /// Answers beyond the highest mark, since the warm-up ended.
    pub(super) tail: Excess,
    /// Slow answers since the candidate's first request.
    pub(super) slow_ever: Excess,
    /// Everything that was compared.
    pub(super) total: Totals,
    /// What was compared since the capital was last below 1.
    pub(super) since: Totals,
    /// Requests a second, lately.
    pub(super) rate: Option<f64>,
    pub(super) silence: Silence,
    /// Whether the plan's rules know of a warm-up that ends by itself, and of all that came with it.
    pub(super) patient: bool,
    warming: Warming,
    pub(super) present: Present,
}

/// Bins in a row in which only the stable slot had requests.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Silence {
    pub(super) bins: u32,
    /// How many requests the candidate should have had in them.
    pub(super) missed: f64,
}

impl Tally {
    /// Nothing has been seen.
    pub(super) fn new(rule: &CompareRule) -> Self {
        let thresholds = rule.baseline.thresholds.iter().take(experts::marks(&rule.baseline));
        let tails = thresholds.map(|threshold| Tail { share: likely(threshold.share), odds: threshold.odds.max(1.0) });
        Self {
            capital: Capital::new(experts::prior(rule)),
            tails: tails.collect(),
            errors: Excess::new(bound::ERRORS),
            slow: Excess::new(bound::SLOW),
            slow_ever: Excess::new(bound::SLOW),
            tail: Excess::new(bound::ERRORS),
            ..Self::default()
        }
    }

    /// Adds a bin. It counts when it ends after the candidate was first seen to have traffic.
    pub(super) fn add(&mut self, rule: &CompareRule, window: Window<'_>, bin: &Bin) {
        let span = rule.feed.span();
        let end = bin.at + span;
        let Some(exposed) = window.exposed.filter(|exposed| end > *exposed) else { return };
        self.watch_rate(bin, span);
        self.watch_silence(bin, span, exposed, window.course);
        let Some((stable, candidate)) = both(bin) else { return };
        let timed = end > exposed + rule.warm_up;
        self.patient = window.rules >= super::PATIENT;
        let warm = if self.patient { self.warming.is_over(rule, (bin.at + span / 2).since(exposed)) } else { timed };
        if self.capital.amount() < 1.0 {
            self.since = Totals::default();
        }
        let (mut evidence, like) = self.evidence(rule, bin.at, (stable, candidate));
        let dealt_again = DEALT_AGAIN * span.as_secs_f64() / 60.0;
        let cold = self.cold.take();
        if self.patient && warm && cold.as_ref().is_some_and(|cold| cold.amount() >= DOUBT) {
            // What it was like while it was cold proves nothing of what it is like now.
            (self.slow, self.tail) = (Excess::new(bound::SLOW), Excess::new(bound::ERRORS));
        }
        self.cold = cold.filter(|_| !warm);
        if !warm {
            self.cold.get_or_insert_with(|| self.capital.clone()).grow(&evidence, dealt_again);
            evidence[experts::TIMELESS..].fill(0.0);
        }
        self.capital.grow(&evidence, dealt_again);
        self.bound(rule, (stable, candidate), (timed, like));
        for totals in [&mut self.total, &mut self.since] {
            totals.add(stable, candidate, warm);
        }
        if self.patient {
            self.note(rule, bin.at, span, (stable, candidate));
        }
        self.predict(stable);
    }

    /// Whether response times do not count yet, speak against the candidate, and did so in the last minute.
    pub(super) fn is_cold(&self, rule: &CompareRule) -> bool {
        let suspected = self.cold.as_ref().is_some_and(|cold| cold.amount() >= DOUBT);
        self.patient && suspected && self.warming.is_slow(rule)
    }

    /// What each expert makes of a bin, and whether response times can be compared in it.
    fn evidence(&self, rule: &CompareRule, at: Timestamp, bin: (&Counts, &Counts)) -> (Vec<f64>, bool) {
        if !self.patient {
            let (errors, refused, ratio) = (1.0, 1.0, 1.0);
            let noise = Noise { errors, refused, ratio, speed: experts::learned_speed(&rule.baseline) };
            return (experts::evidence(rule, &self.tails, &noise, bin), true);
        }
        let (tails, like) = self.present.tails(rule, &self.tails, bin);
        let noise = self.present.noise(rule, &self.tails, at, bin);
        let mut evidence = experts::evidence(rule, tails.as_deref().unwrap_or(&self.tails), &noise, bin);
        if tails.is_none() {
            evidence[experts::TIMELESS..].fill(0.0);
        }
        (evidence, like)
    }

    /// Learns from a bin for the bins after it.
    fn note(&mut self, rule: &CompareRule, at: Timestamp, span: Duration, (stable, candidate): (&Counts, &Counts)) {
        self.present.errors.note(experts::failed(stable), experts::failed(candidate), at);
        self.present.note_stable(rule, stable, span);
        self.present.refused.note(experts::refused(stable), experts::refused(candidate), at);
        let slow = |counts| experts::slow(counts, self.tails.len());
        let Some((b, g)) = slow(stable).zip(slow(candidate)) else { return };
        self.warming.note(&rule.baseline, (b, g), span);
        self.present.note((b, g), at, span);
    }

    fn bound(&mut self, rule: &CompareRule, (stable, candidate): (&Counts, &Counts), (warm, like): (bool, bool)) {
        let noise = rule.baseline.error_noise.max(1.0);
        self.errors.add(experts::failed(stable), experts::failed(candidate), 1.0, noise);
        let slow = |counts| experts::slow(counts, self.tails.len());
        let Some(mark) = experts::harm_mark(&rule.baseline) else { return };
        let Some((b, g)) = slow(stable).zip(slow(candidate)).filter(|_| like) else { return };
        let speed = experts::learned_speed(&rule.baseline);
        let designs = Designs::new(rule, &self.tails, speed, (b.timed, g.timed)).alone;
        if let Some(last) = experts::tail_mark(&rule.baseline).filter(|_| warm) {
            let part = |slow: Slow<'_>| Part { part: slow.slower[last], whole: slow.timed };
            self.tail.add(part(b), part(g), self.tails[last].odds, designs[last]);
        }
        let design = designs[mark];
        let (b, g) = (Part { part: b.slower[mark], whole: b.timed }, Part { part: g.slower[mark], whole: g.timed });
        let odds = self.tails[mark].odds;
        self.slow_ever.add(b, g, odds, design);
        if warm {
            self.slow.add(b, g, odds, design);
        }
    }

    /// Learns from the stable slot for the next bin; never before a bin is judged.
    fn predict(&mut self, stable: &Counts) {
        let marks = self.tails.len();
        let Some(slow) = experts::slow(stable, marks) else { return };
        for (tail, slower) in self.tails.iter_mut().zip(slow.slower) {
            tail.share = likely((MEMORY * tail.share + slower) / (MEMORY + slow.timed));
        }
    }

    fn watch_rate(&mut self, bin: &Bin, span: Duration) {
        let requests: f64 = [&bin.stable, &bin.candidate].into_iter().flatten().map(|counts| counts.requests).sum();
        let now = requests / span.as_secs_f64();
        let part = span.as_secs_f64() / RATE_OVER.as_secs_f64();
        self.rate = Some(self.rate.map_or(now, |rate| rate + (now - rate) * part.min(1.0)));
    }

    fn watch_silence(&mut self, bin: &Bin, span: Duration, exposed: Timestamp, course: &[(Timestamp, Share)]) {
        let stable = bin.stable.as_ref().map_or(0.0, |counts| counts.requests);
        let candidate = bin.candidate.as_ref().map_or(0.0, |counts| counts.requests);
        let share = least_share(course, bin.at, bin.at + span);
        if candidate > 0.0 || bin.at < exposed || share == Share::NONE || share == Share::ALL {
            self.silence = Silence::default();
            return;
        }
        let odds = f64::from(share.permille()) / f64::from(share.rest().permille());
        self.silence.bins += 1;
        self.silence.missed += stable * odds;
    }
}

impl Totals {
    fn add(&mut self, stable: &Counts, candidate: &Counts, warm: bool) {
        for (total, counts) in [(&mut self.stable, stable), (&mut self.candidate, candidate)] {
            total.requests += counts.requests;
            total.errors += counts.errors;
            total.refused += counts.refused;
            if warm {
                total.timed += counts.timed;
                total.slower.resize(total.slower.len().max(counts.slower.len()), 0.0);
                total.slower.iter_mut().zip(&counts.slower).for_each(|(total, slower)| *total += slower);
            }
        }
    }
}

fn both(bin: &Bin) -> Option<(&Counts, &Counts)> {
    let (stable, candidate) = (bin.stable.as_ref()?, bin.candidate.as_ref()?);
    (stable.requests > 0.0 && candidate.requests > 0.0).then_some((stable, candidate))
}

fn likely(share: f64) -> f64 {
    share.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE)
}

/// The least share the candidate had at any time between two moments.
fn least_share(course: &[(Timestamp, Share)], from: Timestamp, to: Timestamp) -> Share {
    let after = course.iter().filter(|(at, _)| *at > from && *at < to).map(|(_, share)| *share);
    after.fold(share_at(course, from), Share::min)
}

/// The share the candidate had at a moment.
pub(super) fn share_at(course: &[(Timestamp, Share)], at: Timestamp) -> Share {
    course.iter().rev().find(|(since, _)| *since <= at).map_or(Share::NONE, |(_, share)| *share)
}
