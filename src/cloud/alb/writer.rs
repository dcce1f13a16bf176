//! The fence that AWS keeps: a forward write is signed as a role that may make this one write, and until a moment only.
//!
//! A runner can be frozen after its own last check, and thaw when another has taken over. What it sends then was signed
//! with credentials whose policy has ended, so AWS refuses it. The policy is part of the credentials: it holds from the
//! moment that they are given. The way back is written with the runner's own.

use aws_sdk_elasticloadbalancingv2::config::Credentials;
use serde_json::json;

use super::AlbDriver;
use crate::cloud::aws::sts::{self, Assumed};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::name::RolloutId;
use crate::lease::WRITE_WINDOW;

/// The longest name that STS gives who assumes a role.
const NAME_LIMIT: usize = 64;

impl AlbDriver {
    /// Credentials for a forward write of the rule that was decided at `decided`; `None` where the spec names no role
    /// for it, and the runner's own are used.
    pub(super) async fn signer(&self, decided: Timestamp) -> Result<Option<Credentials>, Fault> {
        let Some(role) = &self.writer_role else { return Ok(None) };
        let refuse = || Fault::new(FaultKind::Permanent, "AssumeRole", "this driver serves no rollout");
        let (id, epoch) = self.rollout.as_ref().ok_or_else(refuse)?;
        let name = writer_name(id, *epoch);
        let policy = policy(&self.target.rule, decided + WRITE_WINDOW);
        let assumed = Assumed { role, name: &name, policy: &policy };
        sts::assume(&self.aws.reading.sts, assumed).await.map(Some)
    }
}

/// One write of one rule, before a moment.
pub(super) fn policy(rule: &str, before: Timestamp) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": "elasticloadbalancing:ModifyRule",
        "Resource": rule,
        "Condition": { "DateLessThan": { "aws:CurrentTime": before.to_string() } },
    }]})
    .to_string()
}

/// What CloudTrail calls the writer: the rollout and its epoch, so that a write tells whose it is.
fn writer_name(id: &RolloutId, epoch: u64) -> String {
    let epoch = format!("-e{epoch}");
    let room = NAME_LIMIT.saturating_sub(epoch.len());
    let id = id.as_str();
    format!("{}{epoch}", &id[..id.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_called_by_rollout_and_epoch_and_the_epoch_is_never_cut() {
        let id = RolloutId::parse("web-20261123-140000-beef").unwrap();
        assert_eq!(writer_name(&id, 3), "web-20261123-140000-beef-e3");
        let long = format!("{}-20261123-140000-beef", "w".repeat(40));
        let name = writer_name(&RolloutId::parse(&long).unwrap(), 12_345);
        assert_eq!((name.len(), name.ends_with("-e12345")), (NAME_LIMIT, true), "{name}");
    }
}
