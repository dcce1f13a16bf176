//! The GitHub action as a runner runs it: its own entry points under Node, with the files and the environment that a
//! runner gives, the real binary, and a lab. Python fetches Node once, into the target folder.

mod cancels;
#[path = "../wire/fetch.rs"]
mod fetch;
mod foul;
mod identity;
mod runs;
mod specs;
mod step;
#[allow(dead_code, reason = "it is all that journeys need, and these need less")]
#[path = "../journeys/support.rs"]
mod support;
