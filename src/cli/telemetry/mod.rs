//! Traces and metrics of a rollout: only OpenTelemetry's own variables say where they go.

#[cfg(feature = "otel")]
mod sent;
#[cfg(not(feature = "otel"))]
mod unsent;

#[cfg(feature = "otel")]
pub(super) use sent::{exported, traced};
#[cfg(not(feature = "otel"))]
pub(super) use unsent::traced;
