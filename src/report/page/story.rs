//! All of a journal that a page draws and lists: what was told, the shares, the counts, the values of gates, the steps
//! and what people said.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::count::Bin;
use crate::domain::traffic::Share;
use crate::gate::{Check, Gate, Reading};
use crate::machine::{Answer, Event, Machine, Notice};

/// The candidate's share at one moment: what is wanted, what was read back, what the requests were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    pub(super) at: Timestamp,
    pub(super) wanted: Share,
    pub(super) configured: Option<Share>,
    pub(super) observed: Option<Share>,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Went {
    pub(super) began: Timestamp,
    pub(super) end: End,
}

/// How far a step came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// No further than its beginning.
    Open,
    /// It passed, after so long.
    Passed(Duration),
    /// It passed after so long, and these gates proved nothing.
    Undecided(Duration, Vec<String>),
    /// It was left on this person's word.
    Skipped(String),
}

/// Something a person did, or a signal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) what: String,
    pub(super) why: Option<String>,
    /// Why it changed nothing, if that was the answer.
    pub(super) refused: Option<String>,
}

/// A journal folded for a page.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub(super) told: Vec<(Timestamp, Notice)>,
    pub(super) shares: Vec<Shares>,
    /// What both slots answered, by the gate that asked and by the start of each stretch.
    pub(super) counts: BTreeMap<usize, BTreeMap<Timestamp, Bin>>,
    /// The values of metric gates, by the gate and by the start of each period.
    pub(super) values: BTreeMap<usize, BTreeMap<Timestamp, f64>>,
    pub(super) steps: BTreeMap<usize, Went>,
    pub(super) said: Vec<Said>,
    /// The task definition that was registered.
    pub(super) registered: Option<String>,
    /// The moment of the last event.
    pub(super) last: Timestamp,
}

impl Story {
    /// Takes in one event with what it led to; `machine` is as it stands after it.
    pub fn take(&mut self, at: Timestamp, event: &Event, notices: &[Notice], machine: &Machine) {
        self.last = self.last.max(at);
        self.read(event);
        for notice in notices {
            self.step(at, notice);
            if let Notice::Registered(arn) = notice {
                self.registered = Some(arn.clone());
            }
            self.told.push((at, notice.clone()));
        }
        self.person(at, event, notices);
        let progress = machine.progress();
        let (wanted, configured, observed) = (progress.wanted, progress.configured, progress.observed);
        let same = |last: &Shares| (last.wanted, last.configured, last.observed) == (wanted, configured, observed);
        if !self.shares.last().is_some_and(same) {
            self.shares.push(Shares { at, wanted, configured, observed });
        }
    }

    /// Keeps counts and values; what a later look says of the same stretch takes the place of what was said before.
    fn read(&mut self, event: &Event) {
        let Event::Answered { answer: Answer::Seen(seen), .. } = event else { return };
        for (gate, reading) in &seen.readings {
            match reading {
                Reading::Counts(bins) => {
                    self.counts.entry(*gate).or_default().extend(bins.iter().map(|bin| (bin.at, bin.clone())));
                }
                Reading::Metric(metric) => {
                    let values = metric.values.iter().filter(|point| point.value.is_finite());
                    self.values.entry(*gate).or_default().extend(values.map(|point| (point.at, point.value)));
                }
                _ => {}
            }
        }
    }

    fn step(&mut self, at: Timestamp, notice: &Notice) {
        let end = match notice {
            Notice::StepStarted(step) => {
                self.steps.insert(*step, Went { began: at, end: End::Open });
                return;
            }
            Notice::StepPassed { step, took, undecided } if undecided.is_empty() => (step, End::Passed(*took)),
            Notice::StepPassed { step, took, undecided } => (step, End::Undecided(*took, undecided.clone())),
            Notice::Skipped { step, by } => (step, End::Skipped(by.clone())),
            _ => return,
        };
        self.steps.entry(*end.0).or_insert(Went { began: at, end: End::Open }).end = end.1;
    }

    fn person(&mut self, at: Timestamp, event: &Event, notices: &[Notice]) {
        let refused = notices.iter().find_map(|notice| match notice {
            Notice::Refused { why, .. } => Some(crate::report::objection(why)),
            _ => None,
        });
        let (by, what, why) = match event {
            Event::Started { by } => (by.clone(), "run", None),
            Event::Requested { request, by, reason, .. } => (by.clone(), request.as_str(), reason.clone()),
            Event::Recovered { by, .. } => (by.clone(), "took over", None),
            Event::Interrupted { signal } => ("the runner".to_owned(), "was stopped", Some(signal.clone())),
            Event::Answered { .. } | Event::Woken | Event::JournalBehind { .. } | Event::JournalCaughtUp => return,
        };
        self.said.push(Said { at, by, what: what.to_owned(), why, refused });
    }

    /// What both slots answered, with the gate that asked: a comparing one where there is one.
    pub(super) fn counted(&self, gates: &[Gate]) -> Option<(usize, &BTreeMap<Timestamp, Bin>)> {
        let compares = |gate: &usize| gates.get(*gate).is_some_and(|gate| matches!(gate.check, Check::Compare(_)));
        let has_any =
            |bins: &BTreeMap<Timestamp, Bin>| bins.values().any(|bin| bin.stable.is_some() || bin.candidate.is_some());
        let mut known = self.counts.iter().filter(|(_, bins)| has_any(bins)).map(|(gate, bins)| (*gate, bins));
        let first = known.clone().next();
        known.find(|(gate, _)| compares(gate)).or(first)
    }
}
