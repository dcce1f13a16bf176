//! A call that failed or was refused, as data: the run writes it down, judges it and shows it like any answer.

use std::fmt;
use std::io;

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

    /// What a refusal over HTTP means: the one table of what passes. `code` is the service's own word, empty where it
    /// has none; `lost` is what an answer means after which nobody knows what was done.
    pub fn of_refusal(status: u16, code: &str, lost: Self) -> Self {
        match status {
            _ if code.contains("Throttl") || NOT_NOW.contains(&code) => Self::Transient,
            _ if EXPIRED.contains(&code) => Self::Expired,
            _ if DENIALS.contains(&code) => Self::Denied,
            _ if is_missing(code) => Self::Missing,
            425 | 429 => Self::Transient,
            401 | 403 => Self::Denied,
            408 | 500.. => lost,
            _ if SERVER_TROUBLE.contains(&code) => lost,
            _ => Self::Permanent,
        }
    }

    /// What a status alone means, of a call that may be made again.
    pub fn of_status(status: u16) -> Self {
        Self::of_refusal(status, "", Self::Transient)
    }

    /// What a refusal of the file system means. A full disk can be emptied and a server of files come back; what is
    /// not there, not allowed or not a folder stays so.
    pub fn of_file(error: &io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied,
            ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::Unsupported => Self::Permanent,
            _ => Self::Transient,
        }
    }
}

fn is_missing(code: &str) -> bool {
    let code = code.trim_end_matches("Exception");
    code.ends_with("NotFound") || code.ends_with("DoesNotExist") || code.starts_with("NoSuch")
}

/// Codes with which a service says: not now, and nothing was done. The last two are S3's: two writes of one object
/// met, and neither was made.
const NOT_NOW: [&str; 11] = [
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "SlowDown",
    "RequestTimeTooSkewed",
    "ConcurrentUpdateException",
    "ConflictException",
    "DeploymentLimitExceededException",
    "OperationAborted",
    "ConditionalRequestConflict",
];

/// Codes with which a service says: you, but not any more. S3's too.
const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];

/// Codes with which a service says: not you.
const DENIALS: [&str; 13] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "AuthFailure",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
];

/// Codes of server trouble, whatever the status.
const SERVER_TROUBLE: [&str; 6] = [
    "InternalFailure",
    "InternalError",
    "InternalServerError",
    "ServiceUnavailable",
    "ServerException",
    "RequestTimeout",
];

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

#[cfg(test)]
mod tests {
    use super::FaultKind::{Denied, Expired, Missing, Permanent, Transient, Unknown};
    use super::*;

    #[test]
    fn every_row_of_the_table_of_refusals() {
        let check = |status, code, on_read, on_write| {
            assert_eq!(FaultKind::of_refusal(status, code, Transient), on_read, "read {status} {code}");
            assert_eq!(FaultKind::of_refusal(status, code, Unknown), on_write, "write {status} {code}");
        };
        for code in NOT_NOW.into_iter().chain(["Throttling", "ThrottlingException", "RequestThrottledException"]) {
            for status in [400, 403, 409, 429, 503] {
                check(status, code, Transient, Transient);
            }
        }
        for code in DENIALS {
            check(400, code, Denied, Denied);
        }
        for code in EXPIRED {
            check(400, code, Expired, Expired);
            check(403, code, Expired, Expired);
        }
        let missing = ["RuleNotFound", "ServiceNotFoundException", "DeploymentDoesNotExistException", "NoSuchBucket"];
        for code in missing {
            check(400, code, Missing, Missing);
            check(404, code, Missing, Missing);
        }
        for code in SERVER_TROUBLE {
            check(400, code, Transient, Unknown);
            check(500, code, Transient, Unknown);
        }
        for status in [425, 429] {
            check(status, "", Transient, Transient);
        }
        for status in [408, 500, 502, 503, 504] {
            check(status, "", Transient, Unknown);
        }
        for status in [401, 403] {
            check(status, "", Denied, Denied);
        }
        for (status, code) in [(400, "ValidationError"), (404, ""), (412, "PreconditionFailed"), (302, "")] {
            check(status, code, Permanent, Permanent);
        }
    }

    #[test]
    fn a_full_disk_passes_and_a_folder_that_is_none_does_not() {
        let of = |kind: io::ErrorKind| FaultKind::of_file(&kind.into());
        assert_eq!(of(io::ErrorKind::StorageFull), Transient);
        assert_eq!(of(io::ErrorKind::StaleNetworkFileHandle), Transient);
        assert_eq!(FaultKind::of_file(&io::Error::from_raw_os_error(5)), Transient, "an input or output error");
        assert_eq!(of(io::ErrorKind::NotADirectory), Permanent);
        assert_eq!((of(io::ErrorKind::NotFound), of(io::ErrorKind::PermissionDenied)), (Missing, Denied));
    }
}
