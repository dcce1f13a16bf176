//! What is sent: spans and metrics in their envelopes, as protobuf or as JSON.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use serde_json::Value;

use super::settings::Form;
use crate::domain::telemetry::text;

/// What one request holds.
pub(super) enum Request {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

impl Request {
    /// Its bytes.
    pub(super) fn encode(&self, form: Form) -> Vec<u8> {
        match (self, form) {
            (Request::Traces(request), Form::Protobuf) => request.encode_to_vec(),
            (Request::Metrics(request), Form::Protobuf) => request.encode_to_vec(),
            (Request::Traces(request), Form::Json) => serde_json::to_vec(request).unwrap_or_default(),
            (Request::Metrics(request), Form::Json) => serde_json::to_vec(request).unwrap_or_default(),
        }
    }
}

/// How many of what was sent an answer says that it refuses. In protobuf the answers to both signals look alike.
pub(super) fn refused(answer: &[u8], form: Form) -> i64 {
    let count = match form {
        Form::Protobuf => {
            let answer = ExportTraceServiceResponse::decode(answer).ok();
            answer.and_then(|answer| answer.partial_success).map(|part| part.rejected_spans)
        }
        Form::Json => {
            let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
            let part = &answer["partialSuccess"];
            let counts = ["rejectedSpans", "rejectedDataPoints"].map(|name| &part[name]);
            counts.into_iter().find_map(|count| count.as_i64().or_else(|| count.as_str()?.parse().ok()))
        }
    };
    count.unwrap_or_default().max(0)
}

/// Who says it: the resource's attributes.
pub(super) fn resource(attributes: &[(String, String)]) -> Resource {
    let attributes = attributes.iter().map(|(key, value)| text(key, value)).collect();
    Resource { attributes, ..Resource::default() }
}

/// What part of the program says it.
pub(super) fn scope() -> InstrumentationScope {
    let (name, version) = ("tidegate".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    InstrumentationScope { name, version, ..InstrumentationScope::default() }
}

/// Spans, as they are sent.
pub(super) fn traces(spans: Vec<Span>, attributes: &[(String, String)]) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, schema_url: String::new() }];
    let resource_spans = ResourceSpans { resource: Some(resource(attributes)), scope_spans, schema_url: String::new() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

/// Spans as the JSON that a collector takes, which is also what its file receiver reads.
///
/// # Errors
/// When a value has no form in JSON.
pub fn traces_json(spans: Vec<Span>, attributes: &[(String, String)]) -> serde_json::Result<String> {
    serde_json::to_string(&traces(spans, attributes))
}
