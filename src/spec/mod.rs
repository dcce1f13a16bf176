//! YAML text in, [`Spec`] out; every problem at once, each with its place in the file.

mod model;

pub use model::{Limits, OnTrouble, Policies, Release, RuleSpec, SlotSpec, Spec, StepSpec, Strategy, TargetSpec};
