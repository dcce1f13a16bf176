//! tidegate: blue-green and canary rollouts for Amazon ECS behind an Application Load Balancer.

pub mod clock;
pub mod fault;
pub mod fleet;
pub mod name;
pub mod text;
pub mod traffic;

pub mod cli;
pub mod cloud;
pub mod engine;
pub mod gate;
pub mod journal;
pub mod lab;
pub mod machine;
pub mod plan;
pub mod report;
pub mod spec;
pub mod store;
