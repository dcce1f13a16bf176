//! What needs no process and no wall clock: rollouts in virtual time, and the gate's figures. They are one program,
//! since each program links all of tidegate.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]

mod gates;
mod simulation;
