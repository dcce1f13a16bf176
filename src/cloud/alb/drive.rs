//! Which of the four ways a rollout's slots are filled and its weights are moved.

use crate::cloud::codedeploy::Begun;
use crate::cloud::ecs::EcsDrive;
use crate::driver::Driver;

/// How one rollout's slots are filled and its weights are moved.
#[derive(Debug)]
pub(super) enum Drive {
    /// Two services, and the weights are written here.
    Pair,
    /// Two task sets of one service, and the weights are written here: `cloud/task_sets`.
    TaskSets,
    /// ECS's own deployment of one service: `cloud/ecs`.
    Ecs(EcsDrive),
    /// CodeDeploy's deployment of one service: `cloud/codedeploy`.
    CodeDeploy(Begun),
}

impl Drive {
    pub(super) fn of(driver: Driver) -> Drive {
        match driver {
            Driver::Pair => Drive::Pair,
            Driver::TaskSets => Drive::TaskSets,
            Driver::Ecs(asked) => Drive::Ecs(EcsDrive::new(asked)),
            Driver::CodeDeploy(asked) => Drive::CodeDeploy(Begun::of(asked)),
        }
    }
}
