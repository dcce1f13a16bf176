//! Which of the four ways a rollout takes, and what its driver keeps between two calls.

use super::codedeploy::begun::Begun;
use super::ecs::drive::EcsDrive;
use crate::cloud::Ours;
use crate::domain::driver::Driver;

/// How one rollout's slots are filled and its weights are moved.
#[derive(Debug)]
pub(in crate::cloud) enum Drive {
    /// Two services, and the weights are written here: `cloud/drivers/pair.rs`.
    Pair,
    /// Two task sets of one service, and the weights are written here: `cloud/drivers/task_sets`.
    TaskSets,
    /// ECS's own deployment of one service: `cloud/drivers/ecs`.
    Ecs(EcsDrive),
    /// CodeDeploy's deployment of one service: `cloud/drivers/codedeploy`.
    CodeDeploy(Begun),
}

impl Drive {
    pub(in crate::cloud) fn of(driver: Driver, ours: &Ours) -> Drive {
        match driver {
            Driver::Pair => Drive::Pair,
            Driver::TaskSets => Drive::TaskSets,
            Driver::Ecs(asked) => Drive::Ecs(EcsDrive::new(asked, ours.configuration.as_deref())),
            Driver::CodeDeploy(asked) => Drive::CodeDeploy(Begun::of(asked)),
        }
    }
}
