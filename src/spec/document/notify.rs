//! The recipients of notifications, as the spec writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody who is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [
    {"slack": {"url": "${SLACK_URL}"}},
    {"webhook": {"url": "https://hooks.example.com/tidegate", "secret": "${NOTIFY_SECRET}"}},
    {"sns": {"topic": "arn:aws:sns:eu-west-1:123456789012:deployments"}}
]))]
pub(crate) enum Notify {
    /// A Slack channel, by an incoming webhook.
    Slack(Slack),
    /// An endpoint of your own: a POST of JSON, signed.
    Webhook(Hook),
    /// An SNS topic.
    Sns(Sns),
}

/// A Slack channel, by an incoming webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slack {
    /// The incoming webhook's URL. It is a secret, so it is named and never written: `${VAR}`, or `${VAR:-}` where
    /// nobody is to be told while the variable is not set.
    #[schemars(extend("examples" = ["${SLACK_URL}"]))]
    pub(crate) url: String,
    /// What to tell. Left out, everything but `step_passed`.
    #[serde(default = "usual")]
    #[schemars(length(min = 1, max = 20))]
    pub(crate) on: Vec<On>,
}

/// An endpoint that is sent `{"version": 1, "id": …, "on": …, "at": …, "text": …, "rollout": {…}}` by POST. Answers
/// other than 2xx are tried again, twice; the `id` stays the same. The header `x-tidegate-signature` is
/// `sha256=` and the HMAC-SHA256 in hex, keyed with `secret`, of the header `x-tidegate-timestamp` (seconds since
/// 1970), a dot, and the body.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hook {
    /// Where to, by https. `${VAR}` is filled in when it is sent and never written down. A host that resolves to a
    /// private, loopback or link-local address is refused.
    #[schemars(extend("examples" = ["https://hooks.example.com/tidegate"]))]
    pub(crate) url: String,
    /// What bodies are signed with: `${VAR}`, or `${VAR:-}` where nobody is to be told while it is not set.
    #[schemars(extend("examples" = ["${NOTIFY_SECRET}"]))]
    pub(crate) secret: String,
    /// What to tell. Left out, everything but `step_passed`.
    #[serde(default = "usual")]
    #[schemars(length(min = 1, max = 20))]
    pub(crate) on: Vec<On>,
    /// Whether the host may be this machine or have a private address, also by plain http. Addresses of cloud
    /// metadata stay refused.
    #[serde(default)]
    #[schemars(extend("examples" = [true]))]
    pub(crate) allow_private: bool,
}

/// An SNS topic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sns {
    /// The topic's ARN. The runner may `sns:Publish` to it.
    #[schemars(extend("examples" = ["arn:aws:sns:eu-west-1:123456789012:deployments"]))]
    pub(crate) topic: String,
    /// What to tell. Left out, everything but `step_passed`.
    #[serde(default = "usual")]
    #[schemars(length(min = 1, max = 20))]
    pub(crate) on: Vec<On>,
}

/// What can be told.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum On {
    /// A rollout began.
    Started,
    /// A step passed.
    StepPassed,
    /// A person is waited for: an approval, a pause, a hold, a closed window.
    Waiting,
    /// A gate failed, and the rollout goes back.
    Breach,
    /// It goes back for another reason.
    GoingBack,
    /// A person overruled a closed window.
    BreakGlass,
    /// The stable slot serves everything again.
    RolledBack,
    /// The candidate serves everything.
    Promoted,
    /// It ended and needs a person.
    Stranded,
    /// The runner left before the end.
    HandedOver,
}

fn usual() -> Vec<On> {
    use On::{Breach, BreakGlass, GoingBack, HandedOver, Promoted, RolledBack, Started, Stranded, Waiting};
    vec![Started, Waiting, Breach, GoingBack, BreakGlass, RolledBack, Promoted, Stranded, HandedOver]
}
