//! How often each client sends what it is given, and what is asked right before a write is sent.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::cloud::Fence;

/// How often a read is tried.
pub(super) const READ_ATTEMPTS: u32 = 3;
/// How often a write is tried: the second time only as [`super::skew::Once`] says.
const WRITE_ATTEMPTS: u32 = 2;
/// How long the first pause between two attempts is, and how long one may become.
const PAUSES: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// How often a client sends what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    /// Again, as the SDK does.
    Several,
    /// As [`super::skew::Once`] says.
    Once,
}

pub(super) fn retries(tries: Tries) -> RetryConfig {
    let attempts = if tries == Tries::Once { WRITE_ATTEMPTS } else { READ_ATTEMPTS };
    RetryConfig::standard().with_max_attempts(attempts).with_initial_backoff(PAUSES.0).with_max_backoff(PAUSES.1)
}

/// Asks the fence between signing and sending.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Fence);

impl Intercept for Guarded {
    fn name(&self) -> &'static str {
        "fence"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(self.0.check()?)
    }
}
