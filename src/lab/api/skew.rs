//! The account's own clock: a fault sets it apart from this machine's, and then signatures of another time are refused.

use hyper::http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::HttpAnswer;
use super::operation::Refusal;
use super::wire_call::{ApiRequest, Protocol};

/// How far a signature's time may be off: AWS's services, and S3.
const WITHIN: SignedDuration = SignedDuration::from_mins(5);
const WITHIN_S3: SignedDuration = SignedDuration::from_mins(15);

/// The account's time, when it is so many milliseconds ahead of this machine's.
pub(super) fn time(ahead_ms: i64) -> Timestamp {
    let now = Timestamp::from_millisecond(crate::clock::wall_ms() as i64).unwrap_or_default();
    now.checked_add(SignedDuration::from_millis(ahead_ms)).unwrap_or(now)
}

/// The refusal of a request that was signed at another time than the account's.
pub(super) fn refusal(head: &Parts, asked: &ApiRequest, now: Timestamp) -> Option<Refusal> {
    let date = head.headers.get("x-amz-date")?.to_str().ok()?;
    let signed = TimeZone::UTC.to_timestamp(DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?).ok()?;
    let off = signed.duration_since(now);
    let short = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let said = |within: SignedDuration| {
        if off.is_negative() {
            let limit = now - within;
            format!("Signature expired: {date} is now earlier than {} ({} - 5 min.)", short(limit), short(now))
        } else {
            let limit = now + within;
            format!("Signature not yet current: {date} is still later than {} ({} + 5 min.)", short(limit), short(now))
        }
    };
    let (within, code, status) = match asked.protocol {
        Protocol::RestXml => (WITHIN_S3, "RequestTimeTooSkewed", 403),
        Protocol::Query => (WITHIN, "SignatureDoesNotMatch", 403),
        Protocol::Json11 | Protocol::Json10 | Protocol::Cbor => (WITHIN, "InvalidSignatureException", 400),
        Protocol::RestJson => (WITHIN, "InvalidSignatureException", 403),
    };
    let message = match asked.protocol {
        Protocol::RestXml => "The difference between the request time and the current time is too large.".to_owned(),
        _ => said(within),
    };
    (off.abs() > within).then(|| Refusal { status, ..Refusal::new(code, message) })
}

/// Dates an answer by the account's time.
pub(super) fn date(answer: &mut HttpAnswer, now: Timestamp) {
    if let Ok(value) = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse() {
        answer.headers_mut().insert("date", value);
    }
}
