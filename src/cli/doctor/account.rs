//! Checks the caller's identity, how long its credentials last, and whether another tool manages the rule.

use std::time::Duration;

use super::Patient;
use super::check::Check;
use crate::cli::credentials;
use crate::cloud::alb::prove;
use crate::cloud::aws::{Aws, Tenure};
use crate::domain::clock::span;

const POLICY: &str = "`tidegate iam-policy SPEC --for runner` prints what is needed";

/// From so many milliseconds on a clock is off; answers say their time in whole seconds.
const OFF_FROM: u64 = 30_000;

/// What keeps a tool from writing over a rollout.
const IGNORE: &str = "ignore_changes = [action] on the rule, [task_definition, desired_count] on the service; \
                      `tidegate init` prints the blocks";

/// Who calls: the ARN, and the account.
pub(super) async fn caller(aws: &Aws) -> (Vec<Check>, Option<(String, String)>) {
    let region = aws.region().unwrap_or_default();
    match prove::caller(aws).await {
        Ok((arn, account)) => (vec![Check::ok("caller", format!("{arn}, {region}"))], Some((arn, account))),
        Err(fault) => (vec![Check::fault("caller", &fault, POLICY)], None),
    }
}

/// How far this machine's clock is off, where that matters to anybody.
pub(super) fn clock(aws: &Aws) -> Option<Check> {
    let ahead = aws.ahead().filter(|ahead| ahead.unsigned_abs() >= OFF_FROM)?;
    let (off, side) = (
        span(Duration::from_millis(ahead.unsigned_abs() / 1_000 * 1_000)),
        if ahead > 0 { "behind" } else { "ahead of" },
    );
    let wrong = format!("this machine's clock is {off} {side} AWS's");
    Some(Check::warn("clock", wrong).remedy(
        "set it: tidegate signs by AWS's clock, but keeps windows and freezes by this one; other programs may be refused",
    ))
}

/// Whether the rule is in the caller's account.
pub(super) fn same(caller: &str, rule: &str) -> Option<Check> {
    (caller != rule && !rule.is_empty()).then(|| {
        Check::fail("account", format!("the rule is in account {rule}, and the caller in {caller}"))
            .remedy("use credentials of the rule's account: `--profile`")
    })
}

/// Whether the credentials hold as long as the plan may take.
pub(super) async fn tenure(patient: &Patient<'_>) -> Check {
    let name = "credentials";
    let Some(plan) = patient.plan else { return Check::unknown(name, "there is no plan to measure them by") };
    match credentials::warning(patient.context, patient.aws, plan, patient.clock.now()).await {
        Some(warning) => {
            Check::warn(name, warning).remedy("renew them right before the rollout, or ask for longer ones")
        }
        None => Check::ok(
            name,
            match patient.aws.tenure().await {
                Some(Tenure::Lasting) => "they do not end".to_owned(),
                _ => "they hold for as long as the plan may take".to_owned(),
            },
        ),
    }
}

/// Who else may write the rule.
pub(super) async fn drift(patient: &Patient<'_>) -> Vec<Check> {
    let rule = &patient.survey.rule;
    let shape = match rule.other_actions.as_slice() {
        [] => "it forwards, and does nothing else".to_owned(),
        others => format!("{} before the forward, which is written back as it is", others.join(", ")),
    };
    let mut checks = vec![Check::ok("rule", shape)];
    match prove::tags(patient.aws, &rule.arn).await {
        Ok(tags) => {
            checks.extend(tags.rollout.map(|rollout| {
                let wrong = format!("the rule is marked by rollout {rollout}, which has not ended in order");
                Check::warn("beacon", wrong).remedy(format!("`tidegate status {rollout}` says where it stands"))
            }));
            checks.push(match tags.keeper {
                Some(tag) => Check::warn("kept by", format!("{tag}: whoever applies it may write over the weights"))
                    .remedy(IGNORE),
                None => Check::ok("kept by", "no tag of the rule says that a tool keeps it"),
            });
        }
        Err(fault) => {
            let remedy = format!("only `rollback --rule` needs it; {POLICY}");
            checks.push(Check::unknown("kept by", fault.to_string()).remedy(remedy));
        }
    }
    checks
}
