//! Every command as its users meet it: the real binary, its exit codes, its two streams and nothing of the library.

#![allow(clippy::unwrap_used, reason = "a test has no readers of its interface")]
#![allow(clippy::disallowed_methods, reason = "what is tested is a process, which lives in the wall's time")]

mod backtest;
mod backtest_suite;
mod credentials;
mod foreign;
mod help;
mod history;
mod iam_policy;
mod lab;
mod notify;
mod pages;
mod pipes;
mod plan;
mod record;
mod refusals;
mod report;
mod run;
mod screen;
mod simulate;
mod support;
mod validate;
mod validate_many;
mod word;
