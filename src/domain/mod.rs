//! The vocabulary: what every other module speaks of, and what imports nothing of ours.

pub mod approval;
pub mod clock;
pub mod code;
pub mod count;
pub mod driver;
pub mod fault;
pub mod fleet;
pub mod name;
pub mod notify;
pub mod safeguard;
#[cfg(feature = "otel")]
pub mod telemetry;
pub mod text;
pub mod trace;
pub mod traffic;
pub mod window;
