//! What a person's approval is for.

/// One step of one release. Whoever approves that approves nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The step, by its index in the plan.
    pub step: usize,
    /// What names the release beyond doubt.
    pub release: String,
}
