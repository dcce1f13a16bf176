//! The drivers: who fills a rollout's slots and moves its weights, a folder or a file for each.

pub mod codedeploy;
pub(in crate::cloud) mod drive;
pub mod ecs;
mod pair;
pub(in crate::cloud) mod task_sets;
