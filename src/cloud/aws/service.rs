//! A small client for services of which we need few operations: the SDK's own client would be larger.
//!
//! Only the words of a request and of its answer are ours. Credentials, signing, the correction of a wrong clock, tries,
//! time-outs and interceptors are those of the SDK's clients, because the same orchestrator runs them.

use std::fmt;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::recursion_detection::RecursionDetectionInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{
    DisableClockSkewCorrection, ServiceClockSkewClassifier, ServiceClockSkewInterceptor,
};
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_sdk_ecs::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime::client::defaults::{DefaultPluginParams, default_plugins};
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::orchestrator::invoke;
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime::client::stalled_stream_protection::StalledStreamProtectionInterceptor;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::{
    StaticAuthSchemeOptionResolver, StaticAuthSchemeOptionResolverParams,
};
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::endpoint::{EndpointResolverParams, SharedEndpointResolver};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::{RuntimePlugins, StaticRuntimePlugin};
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_types::SigningName;
use aws_types::region::SigningRegion;

use super::endpoint::Endpoint;
use super::skew::{Noticing, Once, Skew};
use super::tries::{Guarded, Tries, retries};
use crate::cloud::Fence;

/// What a service is called, and how it says no.
#[derive(Debug)]
pub(super) struct Api {
    /// The service's id in its API model: `Application Auto Scaling`.
    pub(super) id: &'static str,
    /// What signatures call it.
    pub(super) signing: &'static str,
    /// How its paths are signed.
    pub(super) paths: Paths,
    /// Reads code and message of a refusal.
    pub(super) refusal: fn(&HttpResponse) -> ErrorMetadata,
}

/// How paths are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// Normalized, and encoded once more.
    Normalized,
    /// As they are, and with the hash of the body in a header: S3.
    Literal,
}

/// How long a call may take, and how often it is tried.
pub(super) struct Limits {
    pub(super) tries: Tries,
    pub(super) timeouts: TimeoutConfig,
    /// Calls that share nothing with others of another partition, not even a budget of tries.
    pub(super) partition: RetryPartition,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    /// Path and query, encoded.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    /// `None` where the request has no body at all.
    pub(super) body: Option<Vec<u8>>,
}

/// An answer that is no refusal.
#[derive(Debug)]
pub(crate) struct ServiceAnswer {
    /// The entity's tag, where the answer has one.
    pub(super) tag: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refused(ErrorMetadata);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message().unwrap_or("unhandled error"))
    }
}

impl std::error::Error for Refused {}

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// What comes of a call.
pub(crate) type Called = Result<ServiceAnswer, SdkError<Refused, HttpResponse>>;

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    api: &'static Api,
    plugins: RuntimePlugins,
}

impl Service {
    pub(super) fn new(
        api: &'static Api,
        config: &SdkConfig,
        endpoint: Endpoint,
        limits: Limits,
        (skew, fence): (&Skew, Option<&Fence>),
    ) -> Service {
        let defaults = DefaultPluginParams::new()
            .with_retry_partition_name(api.signing)
            .with_behavior_version(config.behavior_version().unwrap_or_else(aws_config::BehaviorVersion::latest))
            .with_is_aws_sdk(true);
        let mut components = components(config, endpoint, fence).with_interceptor(Noticing(skew.clone()));
        if limits.tries == Tries::Once {
            components = components.with_retry_classifier(Once);
        }
        let configured = StaticRuntimePlugin::new()
            .with_config(layer(api, config, limits).freeze())
            .with_runtime_components(components);
        let plugins =
            RuntimePlugins::new().with_client_plugins(default_plugins(defaults)).with_client_plugin(configured);
        Service { api, plugins }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// As the SDK's own clients say it.
    pub(super) async fn call(&self, request: Request) -> Called {
        let operation = request.operation;
        let mut layer = Layer::new(operation);
        layer.store_put(Metadata::new(operation, self.api.id));
        let plugin = StaticRuntimePlugin::new().with_config(layer.freeze());
        let plugins = self.plugins.clone().with_operation_plugin(plugin);
        let answer = invoke(self.api.id, operation, Input::erase(request), &plugins).await;
        let answer = answer.map_err(|error| error.map_service_error(|error| error.downcast().expect("its type")))?;
        Ok(answer.downcast().expect("its type"))
    }
}

/// What the SDK's clients keep in their configuration.
fn layer(api: &'static Api, config: &SdkConfig, limits: Limits) -> Layer {
    let mut layer = Layer::new("service");
    layer.store_put(retries(limits.tries));
    layer.store_put(limits.timeouts);
    layer.store_put(limits.partition);
    layer.store_put(ApiMetadata::new(api.signing, env!("CARGO_PKG_VERSION")));
    layer.store_put(SigningName::from_static(api.signing));
    if let Some(region) = config.region() {
        layer.store_put(region.clone());
        layer.store_put(SigningRegion::from(region.clone()));
    }
    let skew = config.disable_clock_skew_correction();
    layer.store_or_unset(skew.map(DisableClockSkewCorrection::from));
    layer.store_or_unset(config.app_name().cloned());
    if let Some(protection) = config.stalled_stream_protection() {
        layer.store_put(protection);
    }
    let mut signing_options = SigningOptions::default();
    signing_options.double_uri_encode = api.paths == Paths::Normalized;
    signing_options.normalize_uri_path = api.paths == Paths::Normalized;
    signing_options.content_sha256_header = api.paths == Paths::Literal;
    layer.store_put(SigV4OperationSigningConfig { signing_options, ..SigV4OperationSigningConfig::default() });
    layer.store_put(EndpointResolverParams::new(()));
    layer.store_put(AuthSchemeOptionResolverParams::new(StaticAuthSchemeOptionResolverParams::new()));
    layer.store_put(SharedRequestSerializer::new(Words));
    layer.store_put(SharedResponseDeserializer::new(Reader(api.refusal)));
    layer
}

/// What the SDK's clients are made of.
fn components(config: &SdkConfig, endpoint: Endpoint, fence: Option<&Fence>) -> RuntimeComponentsBuilder {
    let resolver = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
    let mut components = RuntimeComponentsBuilder::new("service")
        .with_http_client(config.http_client())
        .with_sleep_impl(config.sleep_impl())
        .with_time_source(Some(config.time_source().unwrap_or_default()))
        .with_identity_cache(config.identity_cache())
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(resolver)))
        .with_endpoint_resolver(Some(SharedEndpointResolver::new(endpoint)))
        .with_interceptor(SharedInterceptor::permanent(ConnectionPoisoningInterceptor::new()))
        .with_interceptor(ServiceClockSkewInterceptor::new())
        .with_interceptor(RequestInfoInterceptor::new())
        .with_interceptor(UserAgentInterceptor::new())
        .with_interceptor(InvocationIdInterceptor::new())
        .with_interceptor(SharedInterceptor::permanent(RecursionDetectionInterceptor::new()))
        .with_interceptor(SharedInterceptor::permanent(StalledStreamProtectionInterceptor::default()))
        .with_retry_classifier(HttpStatusCodeClassifier::default())
        .with_retry_classifier(TransientErrorClassifier::<Refused>::new())
        .with_retry_classifier(AwsErrorCodeClassifier::<Refused>::new())
        .with_retry_classifier(ServiceClockSkewClassifier::<Refused>::new());
    if let Some(provider) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, SharedCredentialsProvider::clone(&provider));
    }
    if let Some(fence) = fence {
        components.push_interceptor(Guarded(fence.clone()));
    }
    components
}

/// Makes the request of a [`Request`].
#[derive(Debug)]
struct Words;

impl SerializeRequest for Words {
    fn serialize_input(&self, input: Input, _: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let Request { method, path, headers, body, .. } = input.downcast().map_err(|_| "no request of ours")?;
        let length = body.as_ref().map(|body| ("content-length", body.len().to_string()));
        let mut request = HttpRequest::new(body.map_or_else(SdkBody::empty, SdkBody::from));
        request.set_method(method)?;
        request.set_uri(path)?;
        for (name, value) in headers.into_iter().chain(length) {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

/// Reads an answer.
#[derive(Debug)]
struct Reader(fn(&HttpResponse) -> ErrorMetadata);

impl DeserializeResponse for Reader {
    fn deserialize_nonstreaming(&self, response: &HttpResponse) -> Result<Output, OrchestratorError<Error>> {
        if let Some(encoding) = unasked(response) {
            let words = format!("the answer is encoded as {encoding}, which nobody asked for");
            let refused = Refused(ErrorMetadata::builder().message(words).build());
            return Err(OrchestratorError::operation(Error::erase(refused)));
        }
        if !response.status().is_success() {
            return Err(OrchestratorError::operation(Error::erase(Refused((self.0)(response)))));
        }
        let tag = response.headers().get("etag").map(str::to_owned);
        let body = response.body().bytes().unwrap_or_default().to_vec();
        Ok(Output::erase(ServiceAnswer { tag, body }))
    }
}

/// How an answer is encoded that should have come as it is: what stands between has done that, or who wrote the object.
fn unasked(response: &HttpResponse) -> Option<&str> {
    response.headers().get("content-encoding").filter(|encoding| !matches!(*encoding, "" | "identity" | "aws-chunked"))
}

/// `text` as a part of a path or of a query; with `slashes`, those stay.
pub(super) fn encoded(text: &str, slashes: bool) -> String {
    use fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if slashes => out.push('/'),
            _ => write!(out, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    out
}

/// Code and message of a refusal in JSON: the rules of the AWS JSON and REST JSON protocols.
pub(super) fn json_refusal(response: &HttpResponse) -> ErrorMetadata {
    let body: serde_json::Value =
        serde_json::from_slice(response.body().bytes().unwrap_or_default()).unwrap_or_default();
    let said = |names: &[&str]| names.iter().find_map(|name| body[*name].as_str());
    let code = response.headers().get("x-amzn-errortype").or_else(|| said(&["code", "__type"]));
    let code = code.and_then(|code| code.split(':').next()?.rsplit('#').next());
    let mut meta = ErrorMetadata::builder();
    if let Some(code) = code {
        meta = meta.code(code);
    }
    if let Some(message) = said(&["message", "Message", "errorMessage"]) {
        meta = meta.message(message);
    }
    meta.build()
}

#[cfg(test)]
mod tests;
