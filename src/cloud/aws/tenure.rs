//! How long the credentials in use hold, as far as they say.

use aws_sdk_ecs::config::ProvideCredentials as _;

use super::Aws;
use crate::domain::clock::Timestamp;

/// How long credentials hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// Until somebody takes them away.
    Lasting,
    /// For a time, as their token shows, but they do not say how long, and nobody renews them: keys from the
    /// environment or a profile.
    Untold,
    /// Until then; whoever gave them may give new ones.
    Until(Timestamp),
}

impl Aws {
    /// How long the credentials hold with which calls would be signed now; `None` when there are none.
    pub async fn tenure(&self) -> Option<Tenure> {
        let keys = self.config.credentials_provider()?.provide_credentials().await.ok()?;
        let since_epoch = |at: std::time::SystemTime| at.duration_since(std::time::UNIX_EPOCH).ok();
        Some(match keys.expiry().and_then(since_epoch) {
            Some(span) => Tenure::Until(Timestamp::default() + span),
            None if keys.session_token().is_some() => Tenure::Untold,
            None => Tenure::Lasting,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_config::SdkConfig;
    use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};

    use super::*;

    async fn tenure(token: Option<&str>, end: Option<u64>) -> Option<Tenure> {
        let end = end.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let keys = Credentials::new("AKID", "secret", token.map(ToOwned::to_owned), end, "test");
        let config = SdkConfig::builder().credentials_provider(SharedCredentialsProvider::new(keys));
        let config = config.behavior_version(aws_config::BehaviorVersion::latest()).build();
        Aws::from_config(&config).tenure().await
    }

    #[tokio::test]
    async fn a_token_or_an_end_shows_that_keys_do_not_last() {
        assert_eq!(tenure(None, None).await, Some(Tenure::Lasting));
        assert_eq!(tenure(Some("token"), None).await, Some(Tenure::Untold));
        let end = Timestamp::from_millis(1_795_442_400_000);
        assert_eq!(tenure(Some("token"), Some(1_795_442_400)).await, Some(Tenure::Until(end)));
    }
}
