//! Where a service registers its tasks.

/// One target group a service registers its tasks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// The target group's ARN.
    pub group: String,
    /// The container that is registered.
    pub container: String,
    /// Its port.
    pub port: u16,
    /// What a shift of traffic works with.
    pub advanced: Option<Advanced>,
}

/// The `advancedConfiguration` of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advanced {
    /// The ARN of the other target group.
    pub alternate: String,
    /// The ARN of the rule for production traffic.
    pub production_rule: String,
    /// The ARN of the rule for test traffic.
    pub test_rule: Option<String>,
    /// The ARN of the role that ECS changes the rules with.
    pub role: String,
}
