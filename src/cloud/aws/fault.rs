//! Classifies SDK errors: how far the call came, and what a refusal means by the one table of refusals.

use std::error::Error;

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::domain::fault::{Fault, FaultKind};

/// The longest message, in characters: some refusals carry a page of encoded text.
const MESSAGE_LIMIT: usize = 600;

/// Whether a call can change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
}

/// How far a call came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The request could not be made.
    Made,
    /// There are no credentials to sign it with.
    Signed,
    /// Those that there were have ended, and no others come.
    Expired,
    /// No connection came about, so nothing was sent.
    Connected,
    /// It may have been sent; no answer came, or none in time.
    Sent,
    /// An answer came that cannot be read.
    Answered,
    /// AWS refused.
    Refused,
}

/// What a read's failure means.
pub(super) fn read<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fault(Call::Read, operation, error)
}

/// What a write's failure means.
pub(super) fn write<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fault(Call::Write, operation, error)
}

fn fault<E>(call: Call, operation: &str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let words = chain(error);
    let said = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
    let is_skew = is_skew(code.unwrap_or_default(), said);
    let kind = if is_skew { FaultKind::Transient } else { kind(call, stage(error, &words), status, code) };
    let message = match (code, error.as_service_error().and_then(ProvideErrorMetadata::message)) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => match status {
            Some(status) => format!("status {status}: {words}"),
            None => plain(&words),
        },
    };
    let hint = if is_skew { "; is this machine's clock right?" } else { "" };
    Fault::new(kind, operation, one_line(&message) + hint)
}

/// Whether a service says that a signature is of another time than its own: nothing was done, and nobody is denied.
fn is_skew(code: &str, message: &str) -> bool {
    code == "RequestTimeTooSkewed"
        || message.contains("Signature expired")
        || message.contains("Signature not yet current")
}

fn stage<E>(error: &SdkError<E, HttpResponse>, words: &str) -> Stage {
    match error {
        _ if words.contains(FENCED) => Stage::Connected,
        SdkError::ConstructionFailure(_) => Stage::Made,
        SdkError::DispatchFailure(failure) if failure.is_other() && names_credentials(words) => {
            if is_passing(words) {
                Stage::Connected
            } else if words.to_lowercase().contains("expired") {
                Stage::Expired
            } else {
                Stage::Signed
            }
        }
        SdkError::DispatchFailure(_) if never_connected(words) => Stage::Connected,
        SdkError::ResponseError(_) => Stage::Answered,
        SdkError::ServiceError(_) => Stage::Refused,
        // A time-out, a broken connection, or something this version does not know.
        _ => Stage::Sent,
    }
}

/// How the fence's refusals begin: nothing was sent, and it may be later.
const FENCED: &str = "not sent: ";

/// The SDK tells of missing credentials and of failed connections in words only.
fn names_credentials(words: &str) -> bool {
    let lower = words.to_lowercase();
    ["credential", "identity", "token provider", "sso"].iter().any(|word| lower.contains(word))
}

/// Credentials that could not be fetched this time, rather than credentials that are not there.
fn is_passing(words: &str) -> bool {
    let lower = words.to_lowercase();
    ["timed out", "timeout", "throttl", "connection"].iter().any(|word| lower.contains(word))
}

fn never_connected(words: &str) -> bool {
    ["client error (Connect)", "connect timeout", "dns error"].iter().any(|word| words.contains(word))
}

/// The table. A write that may have arrived and brought no readable answer is unknown; a write
/// that was refused, even for now, was not applied.
fn kind(call: Call, stage: Stage, status: Option<u16>, code: Option<&str>) -> FaultKind {
    let lost = if call == Call::Write { FaultKind::Unknown } else { FaultKind::Transient };
    match stage {
        Stage::Made => FaultKind::Permanent,
        Stage::Signed => FaultKind::Denied,
        Stage::Expired => FaultKind::Expired,
        Stage::Connected => FaultKind::Transient,
        Stage::Sent | Stage::Answered => lost,
        Stage::Refused => FaultKind::of_refusal(status.unwrap_or_default(), code.unwrap_or_default(), lost),
    }
}

/// The words of an error and of its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |cause| (*cause).source());
    let mut words: Vec<String> = Vec::new();
    for cause in causes {
        let said = cause.to_string();
        if !words.iter().any(|word| word.contains(&said)) {
            words.push(said);
        }
    }
    words.join(": ")
}

/// The SDK's words without its own plumbing: whose chain was tried in which order helps nobody.
fn plain(words: &str) -> String {
    let words = words.strip_prefix("dispatch failure: ").unwrap_or(words);
    let words = words.strip_prefix("other: ").unwrap_or(words);
    let words = words.split_once("interceptor encountered an error: ").map_or(words, |(_, why)| why);
    let words = words.strip_prefix("the credential provider was not enabled: ").unwrap_or(words);
    words.split(". Attempted:").next().unwrap_or(words).to_owned()
}

/// `text` in one line, cut to a length that people read.
pub(in crate::cloud) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::cloud::aws::{Aws, elbv2};

    #[test]
    fn every_row_of_the_table() {
        use FaultKind::{Denied, Expired, Missing, Permanent, Transient, Unknown};
        let check = |stage, status, code, on_read, on_write| {
            assert_eq!(kind(Call::Read, stage, status, code), on_read, "read {stage:?} {status:?} {code:?}");
            assert_eq!(kind(Call::Write, stage, status, code), on_write, "write {stage:?} {status:?} {code:?}");
        };
        check(Stage::Made, None, None, Permanent, Permanent);
        check(Stage::Signed, None, None, Denied, Denied);
        check(Stage::Expired, None, None, Expired, Expired);
        check(Stage::Connected, None, None, Transient, Transient);
        check(Stage::Sent, None, None, Transient, Unknown);
        check(Stage::Answered, Some(200), None, Transient, Unknown);
        check(Stage::Answered, Some(500), None, Transient, Unknown);
        check(Stage::Refused, Some(503), Some("SlowDown"), Transient, Transient);
        check(Stage::Refused, Some(400), Some("RequestTimeout"), Transient, Unknown);
        check(Stage::Refused, Some(400), Some("RuleNotFound"), Missing, Missing);
        check(Stage::Refused, Some(502), None, Transient, Unknown);
        check(Stage::Refused, Some(404), None, Permanent, Permanent);
    }

    #[test]
    fn a_signature_of_another_time_denies_nobody() {
        assert!(is_skew("RequestTimeTooSkewed", ""));
        assert!(is_skew("SignatureDoesNotMatch", "Signature expired: 20261123T140509Z is now earlier than …"));
        assert!(is_skew(
            "InvalidSignatureException",
            "Signature not yet current: 20261123T140509Z is still later than …"
        ));
        assert!(!is_skew("SignatureDoesNotMatch", "The request signature we calculated does not match"));
        assert!(!is_skew("ExpiredToken", "The security token included in the request is expired"));
    }

    /// What a write means that goes to this port of this machine.
    async fn written_to(port: u16) -> FaultKind {
        let aws = Aws::lab(&format!("http://127.0.0.1:{port}"), "eu-west-1");
        elbv2::touch(&aws.writing.elb, "arn:aws:elasticloadbalancing:rule").await.unwrap_err().kind
    }

    #[tokio::test]
    async fn a_write_that_never_connected_was_not_made_and_one_that_lost_its_answer_may_have_been() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hung_up = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 64]).await;
            }
        };
        let kind = tokio::select! {
            kind = written_to(port) => kind,
            () = hung_up => unreachable!("it listens for ever"),
        };
        assert_eq!(kind, FaultKind::Unknown);
        drop(listener);
        assert_eq!(written_to(port).await, FaultKind::Transient);
    }

    #[test]
    fn plumbing_is_not_told() {
        let words = "dispatch failure: other: the credential provider was not enabled: no credentials found in chain. \
                     Attempted: Environment: the credential provider was not enabled";
        assert_eq!(plain(words), "no credentials found in chain");
        assert_eq!(plain("dispatch failure: io error: client error (Connect)"), "io error: client error (Connect)");
        let words =
            "fence read_before_transmit interceptor encountered an error: not sent: the lease is somebody else's";
        assert_eq!(plain(words), "not sent: the lease is somebody else's");
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\n  b\r\nc"), "a b c");
        assert_eq!(one_line(&"x".repeat(2000)).chars().count(), MESSAGE_LIMIT + 1);
    }
}
