//! The real binary against the lab, from one end to the other, every client request counted.
//!
//! A file for each theme. Nothing here links the library: what is tested is what people run.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]

mod aftermath;
mod beginnings;
mod codedeploy;
mod comparisons;
mod cookies;
mod doctor;
mod drivers;
mod ecs;
mod entrances;
mod faults;
mod following;
mod given_up;
mod journals;
mod kills;
mod notify;
mod operators;
mod outages;
mod outer;
mod plans;
mod readme;
mod rehearsals;
mod signals;
mod store_trouble;
mod strangers;
mod support;
mod takeovers;
mod task_sets;
#[cfg(feature = "otel")]
mod telemetry;
mod two_processes;
mod undo;
mod windows;
