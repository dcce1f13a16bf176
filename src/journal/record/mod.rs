//! The written form of a journal, version 5: the only place that derives serde for the run.
//!
//! Every type of the run has a mirror here, under its own name. A mirror names each field once, so a field
//! that is added to the run does not compile until somebody has decided how it is written. Readers ignore
//! fields that they do not know and take an absent optional one as absent; anything else that changes the
//! meaning of a journal raises [`FORMAT`]. Version 1 knew nothing of what keeps the way back open, and its plans
//! had neither step for it; version 2 knew only pairs of services, and no word that skips steps; version 3 knew no
//! windows, nobody who is told, and no word that overrules windows; version 4 ended where it could not be written. Such a
//! plan still means what it meant. Moments and spans are whole milliseconds. Fractions are text in Rust's shortest exact form,
//! because JSON has no NaN and its readers round.

mod event;
mod plan;
mod saved;

use std::time::Duration;

pub use saved::{Saved, Unsealed};
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::name::{RolloutId, RolloutName};
use crate::domain::trace::TraceParent;
use crate::domain::traffic::Share;
use crate::machine::Event;
use crate::plan::Plan;

/// The version of the written form.
pub const FORMAT: u32 = 5;
/// The oldest version that is read.
const OLDEST: u32 = 1;

/// The first line of a journal: which rollout it is of, and the plan it follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The rollout.
    pub id: RolloutId,
    /// The version of the program that began the journal.
    pub program: String,
    /// When it was begun.
    pub at: Timestamp,
    /// Where the spec was read from.
    pub spec: String,
    /// SHA-256 of the spec as it stood there, in hex, where it could be read.
    pub spec_digest: Option<String>,
    /// The span under which it was started, if there was one: whoever goes on with it goes on with that trace.
    pub trace: Option<TraceParent>,
    /// The compiled spec; a spec that is edited later changes nothing.
    pub plan: Plan,
}

/// One line of a journal after the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number; the first after the header is 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What the way back needs, in a form that every version of the program reads: enough for
/// `aws elbv2 modify-rule --rule-arn … --actions …`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The region.
    pub region: String,
    /// The listener rule's ARN.
    pub rule: String,
    /// The rule's actions as they stood before the rollout.
    pub actions_json: String,
    /// The target group, by ARN, that served before the rollout.
    pub stable_target_group: String,
}

/// Why a whole line could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It was written in a later format.
    TooNew { format: u32, program: String, recovery: Option<Box<Recovery>> },
    /// It holds something this version does not know.
    Strange(String),
}

/// What every format's header holds.
#[derive(Deserialize)]
struct Preamble {
    format: u32,
    #[serde(default)]
    program: String,
    recovery: Option<Box<Recovery>>,
}

#[derive(Serialize, Deserialize)]
struct HeaderLine {
    format: u32,
    id: String,
    program: String,
    at: Moment,
    spec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    recovery: Recovery,
    plan: plan::Plan,
}

#[derive(Serialize, Deserialize)]
struct RecordLine {
    seq: u64,
    at: Moment,
    event: event::Event,
}

/// Writes a header as one JSON object.
pub(super) fn encode_header(header: &Header) -> serde_json::Result<String> {
    let target = &header.plan.target;
    let recovery = Recovery {
        region: target.region.clone(),
        rule: target.rule.clone(),
        actions_json: header.plan.before.actions_json.clone(),
        stable_target_group: target.stable.target_group.clone(),
    };
    serde_json::to_string(&HeaderLine {
        format: FORMAT,
        id: header.id.to_string(),
        program: header.program.clone(),
        at: Written::write(&header.at),
        spec: header.spec.clone(),
        spec_digest: header.spec_digest.clone(),
        trace: header.trace.map(|trace| trace.to_string()),
        recovery,
        plan: Written::write(&header.plan),
    })
}

/// Reads what [`encode_header`] wrote.
pub(super) fn decode_header(json: &[u8]) -> Result<Header, Unread> {
    let strange = |error: serde_json::Error| Unread::Strange(error.to_string());
    let preamble: Preamble = serde_json::from_slice(json).map_err(strange)?;
    if !(OLDEST..=FORMAT).contains(&preamble.format) {
        let Preamble { format, program, recovery } = preamble;
        return Err(Unread::TooNew { format, program, recovery });
    }
    let line: HeaderLine = serde_json::from_slice(json).map_err(strange)?;
    let id = RolloutId::parse(&line.id).map_err(Unread::Strange)?;
    let (at, plan) = (line.at.read(), line.plan.read());
    // A rollout needs no trace: one that cannot be read is none.
    let trace = line.trace.and_then(|text| TraceParent::parse(&text));
    Ok(Header { id, program: line.program, at, spec: line.spec, spec_digest: line.spec_digest, trace, plan })
}

/// The rule's ARN in what is left of a header.
pub(super) fn rule_in(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let (_, rest) = text.split_once("\"recovery\":{")?;
    let (_, rest) = rest.split_once("\"rule\":\"")?;
    let (rule, _) = rest.split_once('"')?;
    (rule.starts_with("arn:") && rule.contains(":listener-rule/")).then(|| rule.to_owned())
}

/// Writes an event as one JSON object.
pub(super) fn encode_record(seq: u64, at: Timestamp, event: &Event) -> serde_json::Result<String> {
    serde_json::to_string(&RecordLine { seq, at: Written::write(&at), event: Written::write(event) })
}

/// Reads what [`encode_record`] wrote.
pub(super) fn decode_record(json: &[u8]) -> Result<Record, Unread> {
    let line: RecordLine = serde_json::from_slice(json).map_err(|error| Unread::Strange(error.to_string()))?;
    Ok(Record { seq: line.seq, at: line.at.read(), event: line.event.read() })
}

/// The written form of [`Written::Of`].
trait Written: Sized {
    /// What is written.
    type Of;

    /// The written form of a value.
    fn write(of: &Self::Of) -> Self;

    /// The value again.
    fn read(self) -> Self::Of;
}

/// Declares mirrors: `struct Mirror = path::Of { field: Mirror, … }` and
/// `enum Mirror = path::Of { Unit, One(name: Mirror), Many { field: Mirror, … } }`.
macro_rules! written {
    ($(#[$note:meta])* struct $name:ident = $of:path {
        $($(#[$field_note:meta])* $field:ident: $type:ty),* $(,)?
    } $($rest:tt)*) => {
        $(#[$note])*
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(super) struct $name { $($(#[$field_note])* $field: $type),* }

        const _: () = {
            type Core = $of;

            impl Written for $name {
                type Of = Core;

                fn write(of: &Core) -> Self {
                    Self { $($field: Written::write(&of.$field)),* }
                }

                fn read(self) -> Core {
                    Core { $($field: self.$field.read()),* }
                }
            }
        };

        written! { $($rest)* }
    };
    (enum $name:ident = $of:path {
        $(
            $(#[$case_note:meta])*
            $case:ident $(($one:ident: $inner:ty))? $({ $($(#[$field_note:meta])* $field:ident: $type:ty),* $(,)? })?
        ),* $(,)?
    } $($rest:tt)*) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name {
            $($(#[$case_note])* $case $(($inner))? $({ $($(#[$field_note])* $field: $type),* })?),*
        }

        const _: () = {
            type Core = $of;

            impl Written for $name {
                type Of = Core;

                fn write(of: &Core) -> Self {
                    match of {
                        $(Core::$case $(($one))? $({ $($field),* })? => {
                            Self::$case $((Written::write($one)))? $({ $($field: Written::write($field)),* })?
                        })*
                    }
                }

                fn read(self) -> Core {
                    match self {
                        $(Self::$case $(($one))? $({ $($field),* })? => {
                            Core::$case $(($one.read()))? $({ $($field: $field.read()),* })?
                        })*
                    }
                }
            }
        };

        written! { $($rest)* }
    };
    () => {};
}
use written;

/// Types that are written as they are.
macro_rules! written_plainly {
    ($($type:ty),*) => {$(
        impl Written for $type {
            type Of = Self;

            fn write(of: &Self) -> Self {
                of.clone()
            }

            fn read(self) -> Self {
                self
            }
        }
    )*};
}
written_plainly!(bool, u16, u32, u64, usize, String);

impl<W: Written> Written for Vec<W> {
    type Of = Vec<W::Of>;

    fn write(of: &Self::Of) -> Self {
        of.iter().map(W::write).collect()
    }

    fn read(self) -> Self::Of {
        self.into_iter().map(W::read).collect()
    }
}

impl<W: Written> Written for Option<W> {
    type Of = Option<W::Of>;

    fn write(of: &Self::Of) -> Self {
        of.as_ref().map(W::write)
    }

    fn read(self) -> Self::Of {
        self.map(W::read)
    }
}

impl<W: Written> Written for Box<W> {
    type Of = Box<W::Of>;

    fn write(of: &Self::Of) -> Self {
        Box::new(W::write(of))
    }

    fn read(self) -> Self::Of {
        Box::new((*self).read())
    }
}

impl<A: Written, B: Written> Written for (A, B) {
    type Of = (A::Of, B::Of);

    fn write(of: &Self::Of) -> Self {
        (A::write(&of.0), B::write(&of.1))
    }

    fn read(self) -> Self::Of {
        (self.0.read(), self.1.read())
    }
}

/// Declares mirrors of words that are written as a number or a text: what is held, what is written, and the
/// way there and back. What is not such a word makes a line that cannot be read.
macro_rules! written_as {
    ($($name:ident($of:ty) as $wire:ty, $there:expr, $back:expr;)*) => {$(
        struct $name($of);

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let there: fn(&$of) -> $wire = $there;
                there(&self.0).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let back: fn($wire) -> Result<$of, String> = $back;
                back(<$wire>::deserialize(deserializer)?).map(Self).map_err(serde::de::Error::custom)
            }
        }

        impl Written for $name {
            type Of = $of;

            fn write(of: &$of) -> Self {
                Self(of.clone())
            }

            fn read(self) -> $of {
                self.0
            }
        }
    )*};
}

written_as! {
    Moment(Timestamp) as u64, |at| at.as_millis(), |millis| Ok(Timestamp::from_millis(millis));
    Span(Duration) as u64,
        |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        |millis| Ok(Duration::from_millis(millis));
    Permille(Share) as u16,
        |share| share.permille(),
        |permille| Share::from_permille(permille).ok_or_else(|| format!("{permille} is no share"));
    Name(RolloutName) as String, |name| name.to_string(), |text| RolloutName::parse(&text);
    Number(f64) as String,
        |number| number.to_string(),
        |text| text.parse().map_err(|_| format!("`{}` is no number", text.escape_debug()));
}

/// What a number is where an older journal does not have it.
impl Default for Number {
    fn default() -> Self {
        Self(0.0)
    }
}
