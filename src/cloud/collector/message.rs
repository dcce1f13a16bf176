//! What is sent: spans and metrics in their envelopes, as protobuf or as JSON.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::telemetry::text;

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
