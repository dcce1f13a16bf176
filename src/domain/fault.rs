//! Why the world said no. A fault is data: it is written down, judged and shown like any answer.

use std::fmt;

/// What a fault means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It may pass: a throttle, a server error, a broken connection on a read.
    Transient,
    /// Nobody knows whether the write took effect: its answer was lost or too late.
    Unknown,
    /// The resource is not there.
    Missing,
    /// Credentials are absent or not allowed to do this.
    Denied,
    /// Credentials were good and have ended. Nothing was done; it works again once they are renewed.
    Expired,
    /// The request itself is refused; asking again gives the same answer.
    Permanent,
}

impl FaultKind {
    /// Whether asking again the same way cannot help.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::Missing | Self::Denied | Self::Permanent)
    }
}

/// One refusal or failure, with the operation and the world's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it means.
    pub kind: FaultKind,
    /// The operation that failed, as AWS names it: `ModifyRule`.
    pub operation: String,
    /// The world's words, in one line; control characters are escaped where it is shown.
    pub message: String,
}

impl Fault {
    /// A fault of `operation` in the given words.
    pub fn new(kind: FaultKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, operation: operation.into(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)
    }
}
