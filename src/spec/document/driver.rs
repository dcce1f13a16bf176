//! The driver, as the spec writes it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Time;

/// Who moves the weights.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [{"pair": {}}, {"task_sets": {}}, {"ecs": {}}, {"codedeploy": {}}]))]
pub(crate) enum Driver {
    /// tidegate, between two services with rolling deployments.
    Pair(Nothing),
    /// tidegate, between two task sets of one service whose deployment controller is `EXTERNAL`.
    TaskSets(Nothing),
    /// ECS, in a deployment of its own that tidegate starts, judges at every pause, and tells to go on or back. The
    /// service uses the ECS controller with `BLUE_GREEN`, `LINEAR` or `CANARY` deployments.
    Ecs(Ecs),
    /// CodeDeploy, in a deployment that tidegate creates, judges and stops. The service uses the `CODE_DEPLOY`
    /// controller.
    #[serde(rename = "codedeploy")]
    CodeDeploy(CodeDeploy),
}

/// There is nothing to say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// ECS's own deployment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ecs {
    /// How long ECS waits at a pause to be told to go on; then it takes the traffic back by itself, also when no
    /// runner lives. Longer than any hold and `limits.verdict`. Whole minutes, from 1m to 14d.
    pub(crate) pause: Time,
}

impl Default for Ecs {
    fn default() -> Self {
        Self { pause: Time::of(Duration::from_secs(30 * 60)) }
    }
}

/// A deployment of CodeDeploy's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeDeploy {
    /// The application's name. Left out, it is the one that deploys the service.
    #[schemars(extend("examples" = ["web"]))]
    pub(crate) application: Option<String>,
    /// The deployment group's name. Left out, it is the one that deploys the service.
    #[schemars(extend("examples" = ["web"]))]
    pub(crate) group: Option<String>,
}
