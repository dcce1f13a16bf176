//! How much a slot's speed wanders now, beside what its past taught: a night can be calmer than the day.

use libm::log as ln;

use super::evidence::{MARKS, Part, Slow};
use crate::domain::clock::Timestamp;

/// Speeds are compared from minute to minute, as they were learned.
const MINUTE: u64 = 60_000;
/// The expected variance of a count below which its logit says nothing.
const TELLING: f64 = 3.0;
/// How many standard errors an estimate is taken higher: few minutes may be calm by chance.
const DOUBT: f64 = 2.5;
/// How many differences the past is worth where failures are counted.
const STABLE_PRIOR: f64 = 5.0;
const OWN_PRIOR: f64 = 1.0;
/// So many neighbouring minutes are few, and what is assumed of bursts until there are as many.
const FEW: f64 = 4.0;
const BURSTIER: f64 = 3.0;

/// One slot's wandering, by marks, as variances of the logit of the share beyond each.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Scatter {
    minute: u64,
    now: Minute,
    last: Option<Minute>,
    marks: [Wander; MARKS],
}

#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Minute {
    timed: f64,
    slower: [f64; MARKS],
}

/// Squared differences of neighbours beyond chance, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Wander {
    beyond: f64,
    pairs: f64,
}

impl Scatter {
    /// The variance of the logit at a mark beyond chance, as far as it shows by now.
    pub(super) fn at(&self, mark: usize) -> f64 {
        let Wander { beyond, pairs } = self.marks[mark];
        if pairs > 0.0 { beyond.max(0.0) / 2.0 / pairs * (1.0 + DOUBT / pairs.sqrt()) } else { 0.0 }
    }

    /// How many neighbouring minutes told something at a mark.
    pub(super) fn pairs(&self, mark: usize) -> f64 {
        self.marks[mark].pairs
    }

    /// Learns from a bin, for the bins after it.
    pub(super) fn note(&mut self, slow: Slow<'_>, at: Timestamp) {
        let minute = at.as_millis() / MINUTE;
        if minute != self.minute {
            let ended = std::mem::take(&mut self.now);
            if let Some(last) = self.last.replace(ended).filter(|_| minute == self.minute + 1) {
                self.compare(&last, &ended);
            }
            self.minute = minute;
        }
        self.now.timed += slow.timed;
        self.now.slower.iter_mut().zip(slow.slower).for_each(|(sum, slower)| *sum += slower);
    }

    fn compare(&mut self, one: &Minute, other: &Minute) {
        for (mark, wander) in self.marks.iter_mut().enumerate() {
            let slower = (one.slower[mark], other.slower[mark]);
            let share = (slower.0 + slower.1) / (one.timed + other.timed);
            let spread = share * (1.0 - share);
            // Where nothing was timed the share is no number, and tells nothing either.
            if one.timed.min(other.timed) * spread >= TELLING {
                let logit = |part: f64, whole: f64| ln((part + 0.5) / (whole - part + 0.5));
                let apart = logit(slower.0, one.timed) - logit(slower.1, other.timed);
                wander.beyond += apart * apart - (1.0 / one.timed + 1.0 / other.timed) / spread;
                wander.pairs += 1.0;
            }
        }
    }
}

/// How much failures of a slot scatter now beyond chance.
#[derive(Clone, Debug, PartialEq, Default)]
struct Bursts {
    minute: u64,
    now: Part,
    last: Option<Part>,
    squares: f64,
    expected: f64,
    pairs: f64,
}

/// Of both slots.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct BothBursts {
    stable: Bursts,
    candidate: Bursts,
}

impl BothBursts {
    /// The design effect for a bin with these failures, where the past said `learned`. The bin itself is in it: what comes
    /// all at once in one slot may be a burst, and the next bin tells.
    pub(super) fn at(&self, learned: f64, at: Timestamp, stable: Part, candidate: Part) -> f64 {
        let with = |slot: &Bursts, failed: Part, prior: f64| {
            let mut slot = slot.clone();
            slot.note(failed, at);
            slot.closed().ratio(learned, prior)
        };
        // What bursts add to chance may be three times what the past says, until a few minutes tell.
        let known = self.stable.pairs.min(self.candidate.pairs) >= FEW;
        let assumed = if known { learned } else { 1.0 + BURSTIER * (learned - 1.0) };
        assumed.max(with(&self.stable, stable, STABLE_PRIOR)).max(with(&self.candidate, candidate, OWN_PRIOR))
    }

    /// Learns from a bin, for the bins after it.
    pub(super) fn note(&mut self, stable: Part, candidate: Part, at: Timestamp) {
        self.stable.note(stable, at);
        self.candidate.note(candidate, at);
    }
}

impl Bursts {
    /// With the minute that is not over.
    fn closed(mut self) -> Self {
        let now = std::mem::take(&mut self.now);
        if let Some(last) = self.last.replace(now) {
            self.compare(last, now);
        }
        self
    }

    fn ratio(&self, learned: f64, prior: f64) -> f64 {
        if self.expected <= 0.0 {
            learned
        } else {
            (prior * learned + self.pairs * self.squares / self.expected) / (prior + self.pairs)
        }
    }

    fn compare(&mut self, one: Part, other: Part) {
        if one.whole > 0.0 && other.whole > 0.0 {
            let apart = one.part / one.whole - other.part / other.whole;
            self.squares += one.whole * other.whole * apart * apart;
            self.expected += one.part + other.part;
            self.pairs += 1.0;
        }
    }

    /// Learns from a bin, for the bins after it.
    fn note(&mut self, failed: Part, at: Timestamp) {
        let minute = at.as_millis() / MINUTE;
        if minute != self.minute {
            let ended = std::mem::take(&mut self.now);
            if let Some(last) = self.last.replace(ended).filter(|_| minute == self.minute + 1) {
                self.compare(last, ended);
            }
            self.minute = minute;
        }
        self.now.part += failed.part;
        self.now.whole += failed.whole;
    }
}
