//! Feeds recorded bins to the gates one after the other, as live looks would have done.

use std::time::Duration;

use super::super::recording::{Recorded, listed};
use crate::domain::clock::{Timestamp, span};
use crate::domain::count::{Bin, Counts, Past};
use crate::domain::text::many;
use crate::domain::traffic::Share;
use crate::gate::compare::{Bounds, CompareRule, RampRule};
use crate::gate::{Check, Evidence, Gate, Outcome, Reading, Standing, Verdict, Window};
use crate::machine::POLL;
use crate::plan::RULES;
use crate::report;

/// A past shorter than this teaches too little about how counts scatter beyond chance.
const PAST_LEAST: Duration = Duration::from_secs(12 * 3600);
/// By which part of what the spec tolerates a recording's times may be off …
const TOLERANCE_LIKE: f64 = 0.1;
/// … and by how much more, because times are rounded.
const ROUNDING: f64 = 0.002;
/// The most changes of the share that are remembered: the last.
const SHARES_LIMIT: usize = 1024;

/// The gates of a trial.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) compare: Gate,
    pub(super) rule: CompareRule,
    pub(super) split: Option<Gate>,
    pub(super) ramp: Option<RampRule>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// The margins are proven since then.
    Promote(Timestamp),
    /// A gate failed then.
    RollBack { at: Timestamp, gate: String, after_proof: bool },
    /// Neither.
    Undecided,
}

/// What a slot had over the whole trial.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Total {
    pub(super) requests: f64,
    pub(super) errors: f64,
    pub(super) bins: u64,
}

impl Total {
    fn add(&mut self, counts: &Counts) {
        self.requests += counts.requests;
        self.errors += counts.errors;
        self.bins += 1;
    }
}

/// All there is to tell of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Account {
    pub(super) end: End,
    /// The candidate's first bin, and the end of its last.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) why: String,
    pub(super) stable: Total,
    pub(super) candidate: Total,
    pub(super) past_bins: usize,
    /// How much worse the candidate can be at most by what was taken in.
    pub(super) bounds: Option<Bounds>,
    /// What bets against the candidate made of 1.
    pub(super) capital: f64,
    pub(super) split: Option<Verdict>,
    /// The share the ramp would have given since each of these moments.
    pub(super) ramp: Vec<(Timestamp, Share)>,
    pub(super) notes: Vec<String>,
}

/// A trial in progress.
pub(super) struct Trial {
    rules: Rules,
    standing: Standing,
    split: Option<(Standing, Verdict)>,
    /// Where the marks of the gate are in a recording's lines.
    places: Vec<usize>,
    first: Timestamp,
    last: Timestamp,
    course: Vec<(Timestamp, Share)>,
    ramp: Vec<(Timestamp, Share)>,
    verdict: Option<Verdict>,
    /// Since when the margins are proven, and how that was said.
    proven: Option<(Timestamp, String)>,
    end: Option<End>,
    stable: Total,
    candidate: Total,
    past: usize,
    notes: Vec<String>,
}

impl Trial {
    /// A trial of what the candidate does from `first` on. `marks` are its times, which pair up with the past's.
    pub(super) fn new(mut rules: Rules, past: &Past, marks: &[f64], first: Timestamp) -> Self {
        let mut notes = Vec::new();
        if !past.bins.is_empty() {
            rules.rule = rules.rule.learned(past);
        }
        let mut places = Vec::new();
        for threshold in &mut rules.rule.baseline.thresholds {
            let place = past.marks.iter().position(|mark| mark.seconds == threshold.stable);
            let place = place.unwrap_or_default();
            places.push(place);
            threshold.candidate = marks.get(place).copied().unwrap_or(threshold.candidate);
        }
        notes.extend(stricter(&rules.rule, past, marks));
        notes.extend(learned(&rules.rule, past, marks));
        rules.compare.check = Check::Compare(Box::new(rules.rule.clone()));
        let standing = Standing::new(&rules.compare);
        let split = rules.split.as_ref().map(|gate| {
            let nothing = Verdict { outcome: Outcome::Inconclusive, evidence: Evidence::NoReading, data_from: None };
            (Standing::new(gate), nothing)
        });
        Self {
            standing,
            split,
            places,
            first,
            last: first,
            course: Vec::new(),
            ramp: Vec::new(),
            verdict: None,
            proven: None,
            end: None,
            stable: Total::default(),
            candidate: Total::default(),
            past: past.bins.len(),
            notes,
            rules,
        }
    }

    /// Takes in the next bin.
    pub(super) fn take(&mut self, at: Timestamp, recorded: Recorded) {
        let feed = &self.rules.rule.feed;
        let (length, delay) = (feed.span(), feed.delay());
        if let Some(share) = recorded.share.filter(|share| self.course.last().is_none_or(|(_, last)| last != share)) {
            if self.course.len() == SHARES_LIMIT {
                self.course.remove(0);
            }
            self.course.push((at, share));
        }
        if let Some(counts) = &recorded.stable {
            self.stable.add(counts);
        }
        if let Some(counts) = &recorded.candidate {
            self.candidate.add(counts);
            self.last = at + length;
        }
        if self.end.is_some() {
            return;
        }
        let (stable, candidate) = (self.at_marks(recorded.stable), self.at_marks(recorded.candidate));
        let reading = Reading::Counts(vec![Bin { at, stable, candidate }]);
        // Two looks must agree on a bin before it counts.
        let published = at + length + delay;
        for now in [published, published + POLL.min(length / 2)] {
            self.look(&reading, now);
        }
    }

    fn at_marks(&self, counts: Option<Counts>) -> Option<Counts> {
        let mut counts = counts?;
        counts.slower = self.places.iter().filter_map(|place| counts.slower.get(*place).copied()).collect();
        if counts.slower.is_empty() {
            counts.timed = 0.0;
        }
        Some(counts)
    }

    fn look(&mut self, reading: &Reading, now: Timestamp) {
        if self.end.is_some() {
            return;
        }
        let window = Window {
            rules: RULES,
            rollout: self.first,
            exposed: Some(self.first),
            step: self.first,
            deadline: Timestamp::from_millis(u64::MAX),
            course: &self.course,
            unseen: &[],
            now,
        };
        let verdict = self.standing.judge(&self.rules.compare, reading, window);
        let mut failed = (verdict.outcome == Outcome::Fail).then(|| self.rules.compare.clone());
        if let (Some((standing, said)), Some(gate), false) =
            (&mut self.split, &self.rules.split, self.course.is_empty())
        {
            *said = standing.judge(gate, reading, window);
            if said.outcome == Outcome::Fail && !gate.watch && failed.is_none() {
                failed = Some(gate.clone());
            }
        }
        self.verdict = Some(verdict);
        if let Some(gate) = failed {
            let after_proof = self.proven.take().is_some();
            self.end = Some(End::RollBack { at: now, gate: gate.name, after_proof });
            return;
        }
        let Standing::Compare(comparison) = &self.standing else { return };
        let proven = comparison.is_proven(&self.rules.rule);
        let said = self.verdict.as_ref().map(|verdict| report::evidence(&verdict.evidence)).unwrap_or_default();
        self.proven = if proven { self.proven.take().or(Some((now, said))) } else { None };
        if let Some(ramp) = self.rules.ramp.as_ref().filter(|_| !proven) {
            let next = comparison.next_share(&self.rules.rule, ramp, &self.ramp, now).min(ramp.ceiling);
            if self.ramp.last().is_none_or(|(_, share)| next > *share) {
                self.ramp.push((now, next));
            }
        }
    }

    /// What came of it; `found` is what there is to say of the files.
    pub(super) fn account(self, found: Vec<String>) -> Account {
        let mut notes = self.notes;
        notes.extend(found);
        let bins = self.last.since(self.first).as_millis() / self.rules.rule.feed.span().as_millis().max(1);
        let expected = u64::try_from(bins).unwrap_or(u64::MAX);
        for (slot, total) in [("stable slot", self.stable), ("candidate", self.candidate)] {
            let missing = expected.saturating_sub(total.bins);
            if missing > 0 {
                notes.push(format!(
                    "{missing} of {} have no line of the {slot}: no data is never a pass",
                    many(expected, "bin")
                ));
            }
        }
        let split = match (&self.rules.split, self.split) {
            (Some(gate), Some((_, verdict))) if !self.course.is_empty() => Some((gate, verdict)),
            (Some(gate), _) => {
                notes.push(format!("gate {} is not judged: no line says the candidate's share", gate.name));
                None
            }
            _ => None,
        };
        let promote = self.proven.as_ref().map(|(at, _)| End::Promote(*at));
        let end = self.end.or(promote).unwrap_or(End::Undecided);
        let split_failed =
            matches!((&end, &split), (End::RollBack { gate, .. }, Some((split, _))) if *gate == split.name);
        let split = split.map(|(_, verdict)| verdict);
        let said =
            self.proven.map(|(_, said)| said).or(self.verdict.map(|verdict| report::evidence(&verdict.evidence)));
        let why = if split_failed { split.as_ref().map(|verdict| report::evidence(&verdict.evidence)) } else { said };
        let comparison = match &self.standing {
            Standing::Compare(comparison) => Some(comparison),
            _ => None,
        };
        Account {
            end,
            first: self.first,
            last: self.last,
            why: why.unwrap_or_default(),
            stable: self.stable,
            candidate: self.candidate,
            past_bins: self.past,
            bounds: comparison.map(|comparison| comparison.bounds(&self.rules.rule)),
            capital: comparison.map_or(1.0, |comparison| comparison.capital()),
            split,
            ramp: self.ramp,
            notes,
        }
    }
}

/// By how much the candidate's times lie above the stable slot's, at most; 0.03 is 3 %.
pub(super) fn above(own: &[f64], other: &[f64]) -> f64 {
    own.iter().zip(other).map(|(own, other)| other / own - 1.0).fold(0.0, f64::max)
}

/// The most that a recording's times may lie apart where the spec tolerates this: rounding is allowed.
pub(super) fn apart_at_most(tolerated: f64) -> f64 {
    tolerated * (1.0 + TOLERANCE_LIKE) + ROUNDING
}

/// Tells where a recording is stricter than the spec would be.
fn stricter(rule: &CompareRule, past: &Past, marks: &[f64]) -> Option<String> {
    let own: Vec<f64> = past.marks.iter().map(|mark| mark.seconds).collect();
    let (above, meant) = (above(&own, marks), rule.latency.slower);
    (past.resolves && above < meant * (1.0 - TOLERANCE_LIKE) - ROUNDING).then(|| {
        format!(
            "the file counts the candidate's slow answers {:.1} % above the stable slot's times, the spec tolerates \
             {:.1} %: judged as the file counts",
            above * 100.0,
            meant * 100.0
        )
    })
}

/// Tells what the past was too short for.
fn learned(rule: &CompareRule, past: &Past, marks: &[f64]) -> Option<String> {
    let length = match (past.bins.first(), past.bins.last()) {
        (Some((oldest, _)), Some((newest, _))) => newest.since(*oldest) + past.span,
        _ => Duration::ZERO,
    };
    if !marks.is_empty() && rule.baseline.thresholds.is_empty() {
        let times = listed(marks);
        return Some(format!(
            "response times ({times}) are not judged: there is too little past ({}) to know the usual ones",
            span(length)
        ));
    }
    (length < PAST_LEAST).then(|| {
        format!(
            "the past is {} long: less than {} may not show how much counts scatter, and a good release is sent back more easily",
            span(length),
            span(PAST_LEAST)
        )
    })
}
