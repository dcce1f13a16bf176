//! What a step is doing, and what it may do next.

use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;

/// What a step is doing. It changes only along this table, until the next step begins with a stage of its own; whoever
/// takes over begins the present step anew.
///
/// | stage | leaves on | to |
/// |---|---|---|
/// | `Checking` | the look shows what the write needs | `Acting` |
/// | `Acting` | written, or what became of the write is not known | `Checking` |
/// | `Acting` | tasks are asked for | `Settling` |
/// | `Acting` | the old slot's tasks are not taken yet | `Quieting` |
/// | `Probing` | answer | `Probing` |
/// | `Ramping` | the comparison allows more | `Raising` |
/// | `Raising` | what became of the raise is known | `Ramping` |
/// | `Quieting` | proven quiet | `Acting` |
/// | `Counting` | refused | `Counting` |
/// | any | last step passed | `Counting` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Stage {
    /// Reading the world before a write.
    Checking,
    /// The step's write is outstanding, or about to be repeated.
    Acting,
    /// Waiting until the world shows what was written.
    Settling,
    /// Probing; so many answers in a row were right.
    Probing(u32),
    /// Holding until then at least.
    Holding(Timestamp),
    /// In a ramp: comparing, and deciding the next share.
    Ramping,
    /// In a ramp: this share is asked for, since then.
    Raising {
        /// The share.
        to: Share,
        /// When it was decided.
        since: Timestamp,
    },
    /// Waiting for a person.
    Asking,
    /// Waiting for the proof that no requests are left.
    Quieting,
    /// Counting what the candidate served.
    Counting(u32),
}

impl Stage {
    /// Whether the table has a row for this.
    pub(in crate::machine) fn leads_to(self, to: Stage) -> bool {
        self == to
            || match self {
                Self::Checking => matches!(to, Self::Acting | Self::Counting(_)),
                Self::Acting => matches!(to, Self::Checking | Self::Settling | Self::Quieting | Self::Counting(_)),
                Self::Probing(_) => matches!(to, Self::Probing(_) | Self::Counting(_)),
                Self::Ramping => matches!(to, Self::Raising { .. } | Self::Counting(_)),
                Self::Raising { .. } => matches!(to, Self::Ramping | Self::Counting(_)),
                Self::Quieting => matches!(to, Self::Acting | Self::Counting(_)),
                Self::Settling | Self::Holding(_) | Self::Asking | Self::Counting(_) => matches!(to, Self::Counting(_)),
            }
    }
}
