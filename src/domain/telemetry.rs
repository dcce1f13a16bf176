//! Telemetry for a collector: spans, and measures with their instruments, in the OpenTelemetry protocol's own words.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::domain::clock::Timestamp;
use crate::domain::text::{escape, fit};

/// The most of a text, in columns: evidence and reasons are sentences, and backends cut later.
const LONGEST: usize = 1_000;
/// The bounds of durations, in seconds: from a write of the rule to a rollout of a day.
const SECONDS: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0,
    43_200.0, 86_400.0,
];

/// One thing told.
#[derive(Clone, Debug, PartialEq)]
pub enum TelemetryItem {
    /// A span that has ended.
    Span(Box<Span>),
    /// A figure.
    Measure(Measure),
}

/// One figure of an instrument.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// What is measured.
    pub instrument: Instrument,
    /// The figure, in the instrument's unit.
    pub value: f64,
    /// What it is of, with few values each: never a rollout's id.
    pub labels: Vec<(&'static str, String)>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instrument {
    /// The candidate's share, as last read back.
    Weight,
    /// Rollouts that ended.
    Rollouts,
    /// From a rollout's beginning to its end.
    RolloutDuration,
    /// From a step's beginning to where it was left.
    StepDuration,
    /// Verdicts that changed, and the first of each step.
    Verdicts,
    /// From the decision for an effect to its answer.
    EffectDuration,
    /// From the decision to go back to the stable weights read back.
    RetreatDuration,
}

/// How figures of an instrument are put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The last one counts.
    Gauge,
    /// They add up.
    Counter,
    /// They are counted between these bounds.
    Histogram(&'static [f64]),
}

impl Instrument {
    /// All of them.
    pub const ALL: [Instrument; 7] = [
        Instrument::Weight,
        Instrument::Rollouts,
        Instrument::RolloutDuration,
        Instrument::StepDuration,
        Instrument::Verdicts,
        Instrument::EffectDuration,
        Instrument::RetreatDuration,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Its unit, as UCUM writes it.
    pub fn unit(self) -> &'static str {
        self.words().1
    }

    /// What it measures, in a sentence.
    pub fn description(self) -> &'static str {
        self.words().2
    }

    /// How its figures are put together.
    pub fn kind(self) -> Kind {
        match self {
            Instrument::Weight => Kind::Gauge,
            Instrument::Rollouts | Instrument::Verdicts => Kind::Counter,
            _ => Kind::Histogram(SECONDS),
        }
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Instrument::Weight => ("tidegate.candidate.weight", "%", "The candidate's share, as last read back."),
            Instrument::Rollouts => ("tidegate.rollouts", "{rollout}", "Rollouts that ended, by outcome and reason."),
            Instrument::RolloutDuration => ("tidegate.rollout.duration", "s", "From a rollout's beginning to its end."),
            Instrument::StepDuration => ("tidegate.step.duration", "s", "How long steps took, by kind and result."),
            Instrument::Verdicts => ("tidegate.verdicts", "{verdict}", "Verdicts that changed, by gate and verdict."),
            Instrument::EffectDuration => {
                ("tidegate.effect.duration", "s", "From asking the world for something to its answer.")
            }
            Instrument::RetreatDuration => {
                ("tidegate.retreat.duration", "s", "From the decision to go back to the stable weights read back.")
            }
        }
    }
}

/// An attribute that is text. What is foreign in it is escaped, and it is cut where it is long.
pub fn text(key: impl Into<String>, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(fit(&escape(value), LONGEST, true)))
}

/// An attribute.
pub fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A moment in nanoseconds since the Unix epoch.
pub fn nanos(at: Timestamp) -> u64 {
    at.as_millis().saturating_mul(1_000_000)
}
