//! What a rollout would meet and what it would do: traffic that never was, for the gates to judge.

pub mod scenario;
pub mod world;
