//! The real binary as its users start it: from a command line, and as a step of a GitHub workflow.

#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]

mod action;
mod commands;
