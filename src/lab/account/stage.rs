//! The stages of a deployment that ECS makes itself.

/// A stage of a deployment, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// More than one revision ran when it began: one of them is left.
    ReconcileService,
    /// The new revision has no task yet.
    PreScaleUp,
    /// Its tasks start.
    ScaleUp,
    /// Its tasks are well.
    PostScaleUp,
    /// Test traffic moves to it.
    TestTrafficShift,
    /// It has all test traffic.
    PostTestTrafficShift,
    /// Production traffic is about to move; once for each step.
    PreProductionTrafficShift,
    /// Production traffic moves, and what is not the last step bakes.
    ProductionTrafficShift,
    /// It has all production traffic.
    PostProductionTrafficShift,
    /// Both revisions run on.
    BakeTime,
    /// The tasks of the earlier revision go.
    CleanUp,
}

impl Stage {
    /// The stages that a lifecycle hook can be configured for (`DeploymentLifecycleHookStage`).
    pub(crate) const HOOKED: [Stage; 8] = [
        Stage::ReconcileService,
        Stage::PreScaleUp,
        Stage::PostScaleUp,
        Stage::TestTrafficShift,
        Stage::PostTestTrafficShift,
        Stage::PreProductionTrafficShift,
        Stage::ProductionTrafficShift,
        Stage::PostProductionTrafficShift,
    ];

    /// The word on the wire. `PRE_PRODUCTION_TRAFFIC_SHIFT` is in the description of
    /// `ServiceDeployment.lifecycleStage`, though not in its enumeration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Stage::ReconcileService => "RECONCILE_SERVICE",
            Stage::PreScaleUp => "PRE_SCALE_UP",
            Stage::ScaleUp => "SCALE_UP",
            Stage::PostScaleUp => "POST_SCALE_UP",
            Stage::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            Stage::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            Stage::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
            Stage::ProductionTrafficShift => "PRODUCTION_TRAFFIC_SHIFT",
            Stage::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            Stage::BakeTime => "BAKE_TIME",
            Stage::CleanUp => "CLEAN_UP",
        }
    }
}
