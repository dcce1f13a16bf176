//! The name of the person or job that runs this process, for journals and leases.

use super::context::Context;

/// `user@host`, with the run's URL in a pipeline.
pub(super) fn whoami(context: &Context) -> String {
    let actor = context.variable("GITHUB_ACTOR").filter(|_| context.variable("GITHUB_ACTIONS").is_some());
    let user = actor.or_else(|| context.variable("USER")).or_else(|| context.variable("LOGNAME")).unwrap_or("someone");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.as_deref().map(str::trim).filter(|host| !host.is_empty());
    let host = host.or_else(|| context.variable("HOSTNAME")).unwrap_or("localhost");
    format!("{user}@{host}")
}
