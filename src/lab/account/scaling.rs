//! Application Auto Scaling's resources: what may be scaled, and the policies that do it.

use serde_json::Value;

/// A service whose desired count may be changed by policies.
#[derive(Debug, Clone)]
pub(crate) struct ScalableTarget {
    /// `service/CLUSTER/NAME`.
    pub resource: String,
    /// Its ARN.
    pub arn: String,
    /// No policy goes below this.
    pub min: u32,
    /// No policy goes above this.
    pub max: u32,
    /// What is suspended.
    pub suspended: Suspended,
    /// The role it was given.
    pub role: String,
    /// When it was registered first.
    pub created_at: u64,
}

/// Which kinds of scaling are suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Suspended {
    /// Policies remove nothing.
    pub scale_in: bool,
    /// Policies add nothing.
    pub scale_out: bool,
    /// Scheduled actions do nothing; the lab plays none.
    pub scheduled: bool,
}

/// A policy that tracks a target value.
#[derive(Debug, Clone)]
pub(crate) struct ScalingPolicy {
    /// Its name, unique for its resource.
    pub name: String,
    /// The resource it scales.
    pub resource: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created_at: u64,
    /// Its `TargetTrackingScalingPolicyConfiguration`, as it was given.
    pub config: Value,
}
