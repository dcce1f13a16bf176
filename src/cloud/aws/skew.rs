//! A clock that is wrong. AWS refuses what was signed more than five minutes apart from its own clock, and every answer
//! says its time. The SDK learns from that and signs by AWS's clock from then on, but what is sent once would stay
//! undone if it is the first that learns: so a refusal for the time of its signature, which did nothing, is sent again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::ErrorKind;

/// From how far apart on a refusal is one for the time of the signature; AWS takes five minutes.
const APART: Duration = Duration::from_secs(4 * 60);

/// By how many milliseconds AWS's clock is ahead of this machine's, as its latest answer said.
#[derive(Clone, Debug, Default)]
pub(super) struct Skew(Arc<Mutex<Option<i64>>>);

impl Skew {
    /// Takes note of the date of an answer that came at `now`.
    pub(super) fn note(&self, date: Option<&str>, now: SystemTime) {
        if let Some(ahead) = date.and_then(served_at).and_then(|served| served.checked_sub(millis(now)?)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// AWS's time, as far as it is known.
    pub(super) fn correct(&self, now: SystemTime) -> SystemTime {
        let ahead = self.known().unwrap_or_default();
        let by = Duration::from_millis(ahead.unsigned_abs());
        let corrected = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }
}

/// The moment that an answer's `Date` names, in milliseconds since 1970.
fn served_at(date: &str) -> Option<i64> {
    DateTime::from_str(date, Format::HttpDate).ok()?.to_millis().ok()
}

fn millis(at: SystemTime) -> Option<i64> {
    i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Whether an answer with this status and date is a refusal for the time of the signature.
pub(super) fn is_refusal(status: u16, date: Option<&str>, signed: SystemTime) -> bool {
    let apart = date.and_then(served_at).zip(millis(signed)).map(|(served, signed)| served.abs_diff(signed));
    matches!(status, 400 | 401 | 403) && apart.is_some_and(|apart| Duration::from_millis(apart) > APART)
}

/// Notices on every answer how far apart the clocks are.
#[derive(Debug)]
pub(super) struct Noticing(pub(super) Skew);

/// When a request was signed, by its own words.
#[derive(Clone, Copy, Debug)]
struct SignedAt(SystemTime);

impl Storable for SignedAt {
    type Storer = StoreReplace<Self>;
}

/// What [`Once`] is told of an answer.
#[derive(Clone, Copy, Debug)]
struct RefusedForSkew;

impl Intercept for Noticing {
    fn name(&self) -> &'static str {
        "clock skew"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signed = context.request().headers().get("x-amz-date").and_then(signed_at);
        config.interceptor_state().store_or_unset(signed.map(SignedAt));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        self.0.note(date, components.time_source().unwrap_or_default().now());
        let signed = config.load::<SignedAt>();
        if signed.is_some_and(|signed| is_refusal(context.response().status().as_u16(), date, signed.0)) {
            context.response_mut().add_extension(RefusedForSkew);
        }
        Ok(())
    }
}

fn signed_at(date: &str) -> Option<SystemTime> {
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(at).ok()?.try_into().ok()
}

/// Sends once, and again only what was refused for the time of its signature. It is asked last.
#[derive(Debug)]
pub(super) struct Once;

impl ClassifyRetry for Once {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(|response| response.extension::<RefusedForSkew>()) {
            Some(RefusedForSkew) => {
                RetryAction::retryable_error_with_explicit_delay(ErrorKind::ServerError, Duration::ZERO)
            }
            None => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "once"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_for_skew_by_both_clocks_and_not_by_its_words() {
        let signed = signed_at("20261123T140509Z").unwrap();
        let check =
            |status, date, expected| assert_eq!(is_refusal(status, date, signed), expected, "{status} {date:?}");
        for status in [400, 401, 403] {
            check(status, Some("Mon, 23 Nov 2026 14:15:09 GMT"), true);
            check(status, Some("Mon, 23 Nov 2026 13:55:09 GMT"), true);
            check(status, Some("Mon, 23 Nov 2026 14:07:09 GMT"), false);
            check(status, Some("yesterday"), false);
            check(status, None, false);
        }
        for status in [200, 408, 409, 412, 429, 500, 503] {
            check(status, Some("Mon, 23 Nov 2026 14:15:09 GMT"), false);
        }
    }

    #[test]
    fn the_latest_answer_says_how_far_apart_the_clocks_are() {
        let (skew, now) = (Skew::default(), signed_at("20261123T140509Z").unwrap());
        assert_eq!((skew.known(), skew.correct(now)), (None, now));
        skew.note(Some("Mon, 23 Nov 2026 13:55:09 GMT"), now);
        skew.note(None, now);
        assert_eq!((skew.known(), skew.correct(now)), (Some(-600_000), now - Duration::from_secs(600)));
    }
}
