//! What a verdict rests on, as data. `report` alone makes words of it, and programs get its numbers as numbers.

use super::CompareEvidence;
use super::alarm::AlarmEvidence;
use super::burn::BurnEvidence;
use super::compare::Flaw;
use super::drifted::DriftEvidence;
use super::measure::Measure;
use super::metric::MetricEvidence;
use super::split::SplitEvidence;
use super::tasks::TasksEvidence;
use crate::domain::fault::Fault;

/// What a verdict rests on. Each kind of gate has its own, beside the gate.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// An alarm's state.
    Alarm(AlarmEvidence),
    /// A metric's datapoints.
    Metric(MetricEvidence),
    /// The candidate's tasks.
    Tasks(TasksEvidence),
    /// A comparison of both slots.
    Compare(CompareEvidence),
    /// A release that has everything, against itself a while before.
    Drift(DriftEvidence),
    /// The share of the requests that the candidate got.
    Split(SplitEvidence),
    /// What the whole service used of its error budget.
    Burn(BurnEvidence),
    /// Counts that cannot be true.
    Flawed(Flaw),
    /// A probe's answer, in one line.
    Probed(String),
    /// What somebody else said, in their words.
    Said(String),
    /// Somebody else was asked before a person said to go on: what they said is not about now.
    SaidBefore,
    /// The world did not say.
    Unreadable(Fault),
    /// The reading is of another kind than the gate asks for.
    Misfit,
    /// The gate has not been asked.
    NoReading,
}

impl Evidence {
    /// The number that the verdict turns on, if it turns on one.
    pub fn measure(&self) -> Option<Measure> {
        match self {
            Self::Metric(evidence) => evidence.measure(),
            Self::Tasks(evidence) => evidence.measure(),
            Self::Compare(evidence) => evidence.measure(),
            Self::Drift(evidence) => evidence.measure(),
            Self::Split(evidence) => evidence.measure(),
            Self::Burn(evidence) => evidence.measure(),
            Self::Alarm(_)
            | Self::Flawed(_)
            | Self::Probed(_)
            | Self::Said(_)
            | Self::SaidBefore
            | Self::Unreadable(_)
            | Self::Misfit
            | Self::NoReading => None,
        }
    }
}

macro_rules! evidence_of {
    ($($kind:ident($of:ty)),* $(,)?) => {$(
        impl From<$of> for Evidence {
            fn from(of: $of) -> Self {
                Self::$kind(of)
            }
        }
    )*};
}
evidence_of!(
    Alarm(AlarmEvidence),
    Metric(MetricEvidence),
    Tasks(TasksEvidence),
    Compare(CompareEvidence),
    Drift(DriftEvidence),
    Split(SplitEvidence),
    Burn(BurnEvidence),
    Flawed(Flaw),
    Unreadable(Fault),
);
