//! How far the way back is, and what comes next.

/// How far the way back is. It changes only along this table.
///
/// | phase | leaves on | to |
/// |---|---|---|
/// | `Checking` | the write is needed | `Routing` |
/// | `Checking` | the stable slot has no healthy target | `Reviving` |
/// | `Checking` | the traffic is back, and a write may land | `Verifying` |
/// | `Checking` | the traffic is back, and none may | `Marking` |
/// | `Reviving` | asked for or refused, with the traffic back | `Verifying` |
/// | `Routing` | answer | `Verifying` |
/// | `Verifying` | the stable slot wants fewer tasks than before | `Reviving` |
/// | `Verifying` | read back, and no write may land | `Marking` |
/// | `Marking` | done or given up | `Disarming` |
/// | `Disarming` | done or given up | `Quieting` |
/// | `Quieting` | proven quiet | `Restoring` |
/// | `Quieting` | the candidate keeps its tasks | `Freeing` |
/// | `Restoring` | done or given up | `Freeing` |
/// | `Restoring` | refused for now | `Quieting` |
/// | `Freeing` | done or given up, with stickiness to put back | `Mending` |
/// | `Freeing` | done or given up, with none | `Unmarking` |
/// | `Mending` | done or given up | `Unmarking` |
/// | `Mending` | read back as something else | `Verifying` |
/// | `Unmarking` | done or given up | `Counting` |
/// | any | the rule gives the candidate weight, or AWS still moves it | `Checking` |
/// | any, in a hurry | signal, with the traffic back and a write that may land | `Verifying` |
/// | any, in a hurry | signal, with the traffic back and none | `Marking` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading rule and targets.
    Checking,
    /// Giving a stable slot without tasks its tasks back.
    Reviving,
    /// The stable-only write is outstanding.
    Routing,
    /// Reading back until no earlier write can land any more.
    Verifying,
    /// Saying on the rule that the rollout goes back.
    Marking,
    /// Removing the dead-man's switch, and waiting until nothing that it sent can land any more.
    Disarming,
    /// Waiting for the proof that the candidate has no requests left.
    Quieting,
    /// Giving the candidate slot its former tasks.
    Restoring,
    /// Setting autoscaling back.
    Freeing,
    /// Giving the rule its former stickiness.
    Mending,
    /// Taking the beacon off the rule.
    Unmarking,
    /// Counting what the candidate served.
    Counting,
}

impl Phase {
    /// Whether the table has a row for this. `hurry` is whether the runner must leave.
    pub(in crate::machine) fn leads_to(self, to: Phase, hurry: bool) -> bool {
        let next: &[Phase] = match self {
            Self::Checking => &[Self::Routing, Self::Reviving, Self::Verifying, Self::Marking],
            Self::Reviving | Self::Routing => &[Self::Verifying],
            Self::Verifying => &[Self::Reviving, Self::Marking],
            Self::Marking => &[Self::Disarming],
            Self::Disarming => &[Self::Quieting],
            Self::Quieting => &[Self::Restoring, Self::Freeing],
            Self::Restoring => &[Self::Freeing, Self::Quieting],
            Self::Freeing => &[Self::Mending, Self::Unmarking],
            Self::Mending => &[Self::Unmarking, Self::Verifying],
            Self::Unmarking => &[Self::Counting],
            Self::Counting => &[],
        };
        let in_a_hurry = hurry && matches!(to, Self::Verifying | Self::Marking);
        to == self || to == Self::Checking || in_a_hurry || next.contains(&to)
    }
}
