//! Traces and metrics of a rollout: where they go is said by OpenTelemetry's own variables, and by nothing else.

#[cfg(feature = "otel")]
mod sent;
#[cfg(not(feature = "otel"))]
mod unsent;

#[cfg(feature = "otel")]
pub(super) use sent::{exported, traced};
#[cfg(not(feature = "otel"))]
pub(super) use unsent::traced;
