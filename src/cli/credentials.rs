//! Checks whether the credentials stay valid for as long as a plan may take.

use std::time::Duration;

use super::context::Context;
use crate::cloud::aws::{Aws, Tenure};
use crate::domain::clock::{Timestamp, span};
use crate::plan::Plan;

/// When the keys in the environment end, where whoever put them there says so: `aws configure export-credentials`
/// does.
const END_VARIABLE: &str = "AWS_CREDENTIAL_EXPIRATION";

/// A warning for a plan that may outlast its credentials.
pub(super) async fn warning(context: &Context, aws: &Aws, plan: &Plan, now: Timestamp) -> Option<String> {
    if context.oidc().is_some() {
        return None; // They are renewed for as long as the job lasts.
    }
    let said = context.variable("AWS_SESSION_TOKEN").and(context.variable(END_VARIABLE)).and_then(moment);
    let (_, most) = plan.duration();
    told(aws.tenure().await?, said, now, most)
}

/// Until when the credentials hold, in words.
pub(super) async fn held(context: &Context, aws: &Aws, now: Timestamp) -> Option<String> {
    let said = context.variable("AWS_SESSION_TOKEN").and(context.variable(END_VARIABLE)).and_then(moment);
    Some(match (aws.tenure().await?, said) {
        (Tenure::Lasting, _) => "they do not end by themselves".to_owned(),
        (Tenure::Untold, None) => "temporary, and they do not say until when".to_owned(),
        (Tenure::Untold, Some(ends)) | (Tenure::Until(ends), _) => {
            format!("until {ends}, for {}", span(ends.since(now)))
        }
    })
}

fn told(tenure: Tenure, said: Option<Timestamp>, now: Timestamp, most: Duration) -> Option<String> {
    let takes = span(most);
    let holds = "a rollout whose credentials end holds where it is, and nothing but a dead-man's switch takes it back";
    let (ends, renewed) = match (tenure, said) {
        (Tenure::Lasting, _) => return None,
        (Tenure::Untold, None) => {
            return Some(format!(
                "these credentials are temporary: they end at a time that they do not say, nobody renews them, and \
                 the plan takes at most {takes}; {holds}"
            ));
        }
        (Tenure::Untold, Some(ends)) => (ends, ""),
        (Tenure::Until(ends), _) => (ends, " unless they are renewed, as those of instances and containers are"),
    };
    (ends < now + most)
        .then(|| format!("these credentials end at {ends}{renewed}, and the plan takes at most {takes}; {holds}"))
}

/// An RFC 3339 moment.
fn moment(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(u64::try_from(at.as_millisecond()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_442_400_000);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn only_credentials_that_may_end_before_the_plan_are_told_of() {
        assert_eq!(told(Tenure::Lasting, Some(NOW), NOW, HOUR), None);
        assert_eq!(told(Tenure::Until(NOW + HOUR), None, NOW, HOUR), None);
        assert_eq!(told(Tenure::Untold, Some(NOW + HOUR), NOW, HOUR), None);
        let soon = told(Tenure::Until(NOW + HOUR / 2), None, NOW, HOUR).unwrap();
        assert!(soon.starts_with("these credentials end at 2026-11-23T14:30:00Z unless they are renewed"), "{soon}");
        assert!(soon.contains("the plan takes at most 1h; a rollout whose credentials end holds"), "{soon}");
        let said = told(Tenure::Untold, Some(NOW + HOUR / 2), NOW, HOUR).unwrap();
        assert!(said.starts_with("these credentials end at 2026-11-23T14:30:00Z, and the plan"), "{said}");
        let unknown = told(Tenure::Untold, None, NOW, HOUR).unwrap();
        assert!(unknown.contains("nobody renews them"), "{unknown}");
    }

    #[test]
    fn an_end_is_read_with_any_offset() {
        assert_eq!(moment("2026-11-23T14:00:00Z"), Some(NOW));
        assert_eq!(moment("2026-11-23T15:00:00+01:00"), Some(NOW));
        assert_eq!(moment("tomorrow"), None);
    }
}
