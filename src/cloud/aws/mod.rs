//! The clients: three sets that share nothing but connections, and time-outs on every call.
//!
//! A poll that is throttled must not delay the way back, so writes and the reads on the way of a
//! write have retry budgets of their own. A write is sent once: the SDK would send it again when
//! its answer was lost, and nobody could say how often it took effect. Only what was refused for a wrong clock, and
//! so did nothing, is sent once more.

pub(super) mod autoscaling;
pub(super) mod cloudwatch;
pub(super) mod codedeploy;
pub(super) mod ecs;
pub(super) mod elbv2;
mod endpoint;
pub(super) mod fault;
pub mod iam;
mod oidc;
mod probe;
mod s3;
pub(super) mod scheduler;
pub(super) mod service;
pub(super) mod service_deployments;
mod signed;
mod skew;
pub(super) mod sns;
pub(super) mod ssm;
pub(super) mod sts;
pub(super) mod task_sets;
mod tenure;
mod tries;
mod xml;

#[cfg(test)]
pub(crate) mod fake;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_ecs::primitives::DateTime;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::Fence;
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};

use endpoint::Endpoint;
pub use oidc::Oidc;
pub(super) use probe::Prober;
pub use s3::{Failed, ListRequest, Listing, Object, Objects};
use service::{Api, Limits, Service};
use skew::{Noticing, Once, Skew};
pub use ssm::calendars;
pub use tenure::Tenure;
use tries::{Guarded, Tries, retries};

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_millis(3100);
/// How long one attempt may take.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(5);
/// How long a call may take with all its attempts.
const CALL_WITHIN: Duration = Duration::from_secs(15);
/// How long a call to a store's bucket may take.
const STORE_WITHIN: Duration = Duration::from_secs(4);
/// How many pages of a list are read; no list that matters here is longer.
pub(super) const PAGES_LIMIT: usize = 100;

/// Refuses a list of which there is more than is read: what it leaves out would count as not being there.
fn whole(operation: &str, has_more: bool) -> Result<(), Fault> {
    if !has_more {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Permanent, operation, format!("the list has more than {PAGES_LIMIT} pages")))
}

/// Where AWS is and who asks. What is `None` is left to the SDK's own environment and files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The region.
    pub region: Option<String>,
    /// The URL of every service, instead of AWS's own.
    pub endpoint: Option<String>,
    /// The profile in the shared configuration files.
    pub profile: Option<String>,
    /// The role whose credentials GitHub's word gets, in place of any others.
    pub oidc: Option<Oidc>,
}

/// Connections to one account and region.
#[derive(Clone, Debug)]
pub struct Aws {
    /// For reads that come round again.
    pub(super) polling: Clients,
    /// For the reads on the way of a write.
    pub(super) reading: Clients,
    /// For writes: each is sent once.
    pub(super) writing: Clients,
    config: SdkConfig,
    skew: Skew,
}

/// One client a service.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub ecs: aws_sdk_ecs::Client,
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub autoscaling: Service,
    pub deploy: aws_sdk_codedeploy::Client,
    pub scheduler: Service,
    pub sts: aws_sdk_sts::Client,
}

impl Aws {
    /// Connects as the AWS command line would: environment, shared files, SSO, web identity,
    /// credential process, container and instance roles. Nothing is sent yet, so nothing can fail yet.
    pub async fn connect(settings: &Settings) -> Aws {
        // Each client has retries of its own, so those of environment and profile are never asked for: the SDK's
        // reader of them ends the process on values that other SDKs know (aws-config 1.13.0).
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(https()).retry_config(retries(Tries::Several));
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        let config = loader.load().await;
        match &settings.oidc {
            Some(oidc) => Self::from_config(&oidc::with_role(&config, oidc)),
            None => Self::from_config(&config),
        }
    }

    /// Connects to a lab: its URL, and keys that mean nothing. Reads neither environment nor files, and
    /// goes through no proxy: a lab is on this machine.
    pub fn lab(endpoint: &str, region: &str) -> Aws {
        let keys = Credentials::new("AKIDLAB", "lab", None, None, "lab");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .endpoint_url(endpoint)
            .http_client(Builder::new().build_http())
            .build();
        Self::from_config(&config)
    }

    pub(super) fn from_config(config: &SdkConfig) -> Aws {
        let skew = Skew::default();
        let clients = |purpose, tries| Clients::new(config, (purpose, tries), &skew, None);
        Aws {
            polling: clients("polling", Tries::Several),
            reading: clients("reading", Tries::Several),
            writing: clients("writing", Tries::Once),
            config: config.clone(),
            skew,
        }
    }

    /// The same connections, with writes that ask a fence right before they are sent.
    pub fn fenced(&self, fence: &Fence) -> Aws {
        let writing = Clients::new(&self.config, ("writing", Tries::Once), &self.skew, Some(fence));
        Aws { writing, ..self.clone() }
    }

    /// The objects of a store's bucket.
    pub fn objects(&self, bucket: &str) -> Objects {
        Objects::new(&self.config, &self.skew, bucket)
    }

    /// By how much AWS's clock is ahead of this machine's, in milliseconds, once an answer has said it.
    pub fn ahead(&self) -> Option<i64> {
        self.skew.known()
    }

    /// The region that calls go to, when one is known.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }
}

/// The HTTP client of all AWS clients and of whoever gives credentials. It goes through the proxies that the environment
/// names.
fn https() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// Configures one service's client from `$config`.
macro_rules! client {
    ($service:ident, $config:expr, ($purpose:expr, $tries:expr), $skew:expr, $fence:expr) => {{
        let partition = RetryPartition::custom(concat!("tidegate-", stringify!($service)).to_owned() + "-" + $purpose)
            .token_bucket(TokenBucket::default())
            .build();
        let config = $service::config::Builder::from($config)
            .retry_config(retries($tries))
            .retry_partition(partition)
            .interceptor(Noticing($skew.clone()))
            .timeout_config(timeouts());
        let config = if $tries == Tries::Once { config.retry_classifier(Once) } else { config };
        let config = match $fence {
            Some(fence) => config.interceptor(Guarded(fence.clone())),
            None => config,
        };
        $service::Client::from_conf(config.build())
    }};
}

impl Clients {
    fn new(config: &SdkConfig, (purpose, tries): (&str, Tries), skew: &Skew, fence: Option<&Fence>) -> Clients {
        let ours = |api| service(api, config, (purpose, tries), skew, fence);
        Clients {
            ecs: client!(aws_sdk_ecs, config, (purpose, tries), skew, fence),
            elb: client!(aws_sdk_elasticloadbalancingv2, config, (purpose, tries), skew, fence),
            cloudwatch: client!(aws_sdk_cloudwatch, config, (purpose, tries), skew, fence),
            autoscaling: ours(&autoscaling::API),
            deploy: client!(aws_sdk_codedeploy, config, (purpose, tries), skew, fence),
            scheduler: ours(&scheduler::API),
            sts: client!(aws_sdk_sts, config, (purpose, tries), skew, fence),
        }
    }
}

/// Configures a client of ours in the same way.
fn service(
    api: &'static Api,
    config: &SdkConfig,
    (purpose, tries): (&str, Tries),
    skew: &Skew,
    fence: Option<&Fence>,
) -> Service {
    let partition = RetryPartition::custom(format!("tidegate-{}-{purpose}", api.signing));
    let partition = partition.token_bucket(TokenBucket::default()).build();
    let limits = Limits { tries, timeouts: timeouts(), partition };
    Service::new(api, config, Endpoint::named(config, api.id, api.signing), limits, (skew, fence))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ATTEMPT_WITHIN)
        .operation_timeout(CALL_WITHIN)
        .build()
}

/// A moment as the SDK wants it.
pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}

/// A moment as the SDK gave it.
pub(super) fn timestamp(at: &DateTime) -> Timestamp {
    let millis = at.to_millis().unwrap_or_default();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}
