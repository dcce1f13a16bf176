//! Security Token Service: who calls, and credentials for one write.

use aws_sdk_elasticloadbalancingv2::config::Credentials;
use aws_sdk_sts::Client;

use super::fault;
use crate::domain::fault::{Fault, FaultKind};

/// How long assumed credentials hold, in seconds: the least that STS gives. Their policy ends long before.
const HOLD: i32 = 900;

/// A role, and as what it is assumed.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Assumed<'a> {
    /// The role's ARN.
    pub role: &'a str,
    /// What CloudTrail calls it: 2 to 64 letters, digits and `_=,.@-`.
    pub name: &'a str,
    /// What it may do of what the role may, as an IAM policy document of at most 2,048 characters.
    pub policy: &'a str,
}

/// Who calls: ARN and account.
pub(in crate::cloud) async fn identity(client: &Client) -> Result<(String, String), Fault> {
    let answer = client.get_caller_identity().send().await;
    let answer = answer.map_err(|error| fault::read("GetCallerIdentity", &error))?;
    Ok((answer.arn.unwrap_or_default(), answer.account.unwrap_or_default()))
}

/// Assumes a role. A failure is a read's: nothing that matters was sent.
pub(in crate::cloud) async fn assume(client: &Client, assumed: Assumed<'_>) -> Result<Credentials, Fault> {
    let call = client
        .assume_role()
        .role_arn(assumed.role)
        .role_session_name(assumed.name)
        .policy(assumed.policy)
        .duration_seconds(HOLD);
    let answer = call.send().await.map_err(|error| fault::read("AssumeRole", &error))?;
    let keys =
        answer.credentials.ok_or_else(|| Fault::new(FaultKind::Transient, "AssumeRole", "no credentials came"))?;
    // Without their end: they serve one write, and AWS knows best when they are over.
    let (id, secret, token) = (keys.access_key_id, keys.secret_access_key, keys.session_token);
    Ok(Credentials::new(id, secret, Some(token), None, "writer role"))
}
