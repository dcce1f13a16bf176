//! CodeDeploy for ECS: what it does with the deployments that the account keeps.
//!
//! What is not in the API model is from the CodeDeploy user guide, "Deployments on an Amazon ECS compute platform",
//! and where that is silent, as accounts were seen to behave: a stopped deployment that rolls back has its traffic
//! back at once, and a second deployment, made by `codeDeployRollback`, that says so.
//!
//! Guessed, because neither says it: that a wait for leave which times out ends with `TIMEOUT`, and rolls back as a
//! failure or a stop would; that the events of test traffic are skipped without a test listener; that a task set which
//! an earlier deployment left behind goes when the next one begins; that an alarm stops a deployment until it is over.

mod appspec;
mod life;
mod route;
mod seed;
#[cfg(test)]
mod tests;

pub(super) use self::appspec::Revision;
pub(super) use self::life::tick;
pub(super) use self::seed::seed;
