//! Finds the endpoint of a service that has no SDK client here.
//!
//! Which partition a region lies in, and how its names end, is asked of a client that is there anyway: ECS's rules are
//! those of every service whose hosts begin with nothing but its name. `AWS_ENDPOINT_URL_<SERVICE>` and its like in the
//! shared configuration come first, as with every client.

use aws_config::SdkConfig;
use aws_sdk_ecs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::{EndpointFuture, EndpointResolverParams, ResolveEndpoint};
use aws_types::service_config::ServiceConfigKey;

/// Where a service is.
#[derive(Debug)]
pub(super) struct Endpoint {
    place: ServiceHost,
}

#[derive(Debug)]
enum ServiceHost {
    /// Where somebody said.
    Said(String),
    /// Where AWS has it.
    Aws { host: Host, region: Option<String>, fips: bool, dual_stack: bool },
}

/// How a service's hosts begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// With its name: `scheduler.eu-west-1.amazonaws.com`.
    Named(&'static str),
    /// S3's, and the bucket before it, where it can be a host's name.
    Bucket(Option<String>),
}

impl Host {
    /// The SDK's words for a call that nobody told a region.
    fn without_region(&self) -> &'static str {
        match self {
            Host::Named(_) => "Invalid Configuration: Missing Region",
            Host::Bucket(_) => "A region must be set when sending requests to S3.",
        }
    }
}

/// The URL for the service whose id in its API model is `id`, where the environment or the shared configuration says
/// one; one that was given to this program comes before.
pub(super) fn said(config: &SdkConfig, id: &str) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = config.service_config().zip(key.ok()).and_then(|(files, key)| files.load_config(key));
    own.or_else(general)
}

impl Endpoint {
    /// Of the service whose hosts begin with `name`.
    pub(super) fn named(config: &SdkConfig, id: &str, name: &'static str) -> Endpoint {
        match said(config, id) {
            Some(url) => Endpoint::at(url),
            None => Endpoint::aws(config, Host::Named(name)),
        }
    }

    /// A URL.
    pub(super) fn at(url: String) -> Endpoint {
        Endpoint { place: ServiceHost::Said(url) }
    }

    /// Where AWS has it.
    pub(super) fn aws(config: &SdkConfig, host: Host) -> Endpoint {
        let region = config.region().map(ToString::to_string);
        let (fips, dual_stack) = (config.use_fips().unwrap_or(false), config.use_dual_stack().unwrap_or(false));
        Endpoint { place: ServiceHost::Aws { host, region, fips, dual_stack } }
    }

    async fn url(&self) -> Result<String, BoxError> {
        match &self.place {
            ServiceHost::Said(url) => Ok(url.clone()),
            ServiceHost::Aws { host, region, fips, dual_stack } => {
                let region = region.as_deref().ok_or_else(|| host.without_region())?;
                of_aws(host, region, *fips, *dual_stack).await
            }
        }
    }
}

impl ResolveEndpoint for Endpoint {
    fn resolve_endpoint<'a>(&'a self, _: &'a EndpointResolverParams) -> EndpointFuture<'a> {
        EndpointFuture::new(async move {
            let url = self.url().await?;
            Ok(aws_smithy_types::endpoint::Endpoint::builder().url(url).build())
        })
    }
}

async fn of_aws(host: &Host, region: &str, fips: bool, dual_stack: bool) -> Result<String, BoxError> {
    let of_ecs = async |fips, dual_stack| {
        let params = Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build()?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await?;
        let rest = endpoint.url().strip_prefix("https://ecs").map(str::to_owned);
        rest.ok_or_else(|| BoxError::from(format!("no endpoint for {region}")))
    };
    match host {
        // The one exception in the rules of the services that are called here.
        Host::Named(name @ "application-autoscaling") if fips && !dual_stack && region.starts_with("us-gov-") => {
            Ok(format!("https://{name}{}", of_ecs(false, false).await?))
        }
        Host::Named(name) => Ok(format!("https://{name}{}", of_ecs(fips, dual_stack).await?)),
        Host::Bucket(bucket) => {
            let bucket = bucket.as_ref().map(|name| format!("{name}.")).unwrap_or_default();
            let fips = if fips { "-fips" } else { "" };
            let dual_stack = if dual_stack { ".dualstack" } else { "" };
            Ok(format!("https://{bucket}s3{fips}{dual_stack}{}", of_ecs(false, false).await?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the rules of these services say it, `endpoint-rule-set-1.json` of botocore.
    #[tokio::test]
    async fn hosts_are_those_of_the_services_own_rules() {
        let scheduler = Host::Named("scheduler");
        let scaling = Host::Named("application-autoscaling");
        let (bucket, bare) = (Host::Bucket(Some("b".to_owned())), Host::Bucket(None));
        let rows = [
            (&scheduler, "eu-west-1", false, false, "scheduler.eu-west-1.amazonaws.com"),
            (&scheduler, "eu-west-1", true, true, "scheduler-fips.eu-west-1.api.aws"),
            (&scheduler, "cn-north-1", false, true, "scheduler.cn-north-1.api.amazonwebservices.com.cn"),
            (&scheduler, "eusc-de-east-1", false, false, "scheduler.eusc-de-east-1.amazonaws.eu"),
            (&scaling, "us-isob-east-1", false, false, "application-autoscaling.us-isob-east-1.sc2s.sgov.gov"),
            (&scaling, "us-east-1", true, false, "application-autoscaling-fips.us-east-1.amazonaws.com"),
            (&scaling, "us-gov-west-1", true, false, "application-autoscaling.us-gov-west-1.amazonaws.com"),
            (&scaling, "us-gov-west-1", true, true, "application-autoscaling-fips.us-gov-west-1.api.aws"),
            (&bucket, "us-east-1", false, false, "b.s3.us-east-1.amazonaws.com"),
            (&bucket, "us-gov-west-1", true, true, "b.s3-fips.dualstack.us-gov-west-1.amazonaws.com"),
            (&bucket, "cn-north-1", false, true, "b.s3.dualstack.cn-north-1.amazonaws.com.cn"),
            (&bare, "us-iso-east-1", true, false, "s3-fips.us-iso-east-1.c2s.ic.gov"),
        ];
        for (host, region, fips, dual_stack, wanted) in rows {
            let url = of_aws(host, region, fips, dual_stack).await.unwrap();
            assert_eq!(url, format!("https://{wanted}"), "{region} {fips} {dual_stack}");
        }
    }
}
