//! What a rollout would meet and what it would do: traffic that never was, for the gates to judge.
//!
//! [`Rehearsal`] puts a spec through the machine that a real rollout uses, in virtual time; [`Grid`] does it as
//! often as it takes to say how likely something is. What is simulated is what is counted of requests. Tasks
//! start, alarms are quiet, probes, webhooks and commands say yes, people approve at once: a page says which of
//! a spec's gates that leaves without a word ([`Rehearsal::untried`]), and what a driver that is not `pair` does
//! otherwise ([`Rehearsal::otherwise`]).

mod account;
pub mod condition;
mod figures;
mod grid;
mod meter;
pub mod page;
mod regression;
mod rollout;
pub mod scenario;
pub mod series;
mod source;
mod survey;
#[cfg(test)]
mod tests;
pub mod world;

pub use figures::{Chance, Figures};
pub use grid::{Cell, Grid};
pub use regression::{Regression, RegressionError};
pub use rollout::{Case, Course, End, HARM_WITHIN, Rehearsal, Untried};
pub use survey::survey;
