//! What a person's approval is for.

/// One step of one release. Whoever approves that approves nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Approval {
    /// The step, by its index in the plan.
    pub step: usize,
    /// What names the release beyond doubt.
    pub release: String,
    /// The gates that the step may leave undecided.
    pub undecided: Vec<String>,
}
