//! Proves by writes that change nothing that a rollout will be able to write.

use super::actions::Binding;
use super::safeguard::stable_only;
use super::slots::Slots;
use super::writer::policy;
use super::{actions, json};
use crate::cloud::aws::scheduler::{self, Name, Order};
use crate::cloud::aws::sts::{self, Assumed};
use crate::cloud::aws::{Aws, elbv2};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Slot, Survey};
use crate::domain::name::RolloutName;
use crate::domain::safeguard::DeadMan;
use crate::lease::WRITE_WINDOW;

/// How long after its making the schedule would be due that proves the switch; it is made disabled, and removed at once.
const DUE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// What a rule's tags say of who made it, and of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// The rollout that has marked the rule.
    pub rollout: Option<String>,
    /// Who keeps the rule, by a tag that tools set or people use: `ManagedBy=terraform`.
    pub keeper: Option<String>,
}

/// Who calls, as AWS knows them: ARN and account.
///
/// # Errors
/// When AWS refuses.
pub async fn caller(aws: &Aws) -> Result<(String, String), Fault> {
    sts::identity(&aws.polling.sts).await
}

/// Reads a rule's tags.
///
/// # Errors
/// When AWS refuses.
pub async fn tags(aws: &Aws, rule: &str) -> Result<Tags, Fault> {
    let all = elbv2::tags(&aws.polling.elb, rule).await?;
    let rollout =
        all.iter().find(|(key, _)| key == crate::domain::safeguard::BEACON_TAGS[0]).map(|(_, value)| value.clone());
    let keeper = all.iter().find(|(key, value)| is_keeper(key, value)).map(|(key, value)| format!("{key}={value}"));
    Ok(Tags { rollout, keeper })
}

fn is_keeper(key: &str, value: &str) -> bool {
    let (key, value) = (key.to_ascii_lowercase(), value.to_ascii_lowercase());
    let tools = ["terraform", "opentofu", "pulumi", "cloudformation", "cdk", "terragrunt", "atlantis"];
    tools.iter().any(|tool| key.contains(tool) || value.contains(tool))
}

/// Writes a rule's actions as they are, as a rollout would, and reads them back. Nothing is written unless they still
/// are as `expected`, in the AWS CLI's form.
///
/// # Errors
/// When AWS refuses, or the rule is not as it was surveyed.
pub async fn rewrite(aws: &Aws, rule: &str, expected: &str) -> Result<(), Fault> {
    let actions = unchanged(aws, rule, expected).await?;
    elbv2::modify_rule(&aws.writing.elb, rule, actions).await?;
    unchanged(aws, rule, expected).await.map(drop)
}

/// The same write, signed as the role that forward writes are signed as.
///
/// # Errors
/// When the role cannot be assumed, AWS refuses, or the rule is not as it was surveyed.
pub async fn rewrite_as(
    (aws, clock): (&Aws, &Clock),
    (rule, expected): (&str, &str),
    (writer, name): (&str, &RolloutName),
) -> Result<(), Fault> {
    let name = format!("{name}-doctor");
    let policy = policy(rule, clock.now() + WRITE_WINDOW);
    let signer = sts::assume(&aws.reading.sts, Assumed { role: writer, name: &name, policy: &policy }).await?;
    let actions = unchanged(aws, rule, expected).await?;
    elbv2::modify_rule_as(&aws.writing.elb, rule, actions, Some(signer)).await?;
    unchanged(aws, rule, expected).await.map(drop)
}

/// Reads the actions to write, if they are as expected.
async fn unchanged(
    aws: &Aws,
    rule: &str,
    expected: &str,
) -> Result<Vec<aws_sdk_elasticloadbalancingv2::types::Action>, Fault> {
    let read = elbv2::rule(&aws.reading.elb, rule).await?;
    let list = read.actions();
    if let Some(kind) = list.iter().find_map(actions::unknown) {
        let words = format!("the rule has an action of type {kind}, which this version cannot write back");
        return Err(Fault::new(FaultKind::Permanent, "ModifyRule", words));
    }
    let written: Vec<_> = list.iter().cloned().map(actions::writable).collect();
    let found = json::actions(&written).to_string();
    if found != expected {
        let words = "somebody else writes the rule at this moment";
        return Err(Fault::new(FaultKind::Transient, "DescribeRules", words));
    }
    Ok(written)
}

/// Makes the dead-man's switch as a schedule that is disabled, with the write that a rollout's would hold, and removes
/// it: AWS then has seen that the role may be handed to the scheduler and that the scheduler may take it on.
///
/// # Errors
/// When AWS refuses one of the two, or nothing serves that the write could name; of a schedule that is still there the
/// fault says the name.
pub async fn switch(
    (aws, now): (&Aws, Timestamp),
    survey: &Survey,
    (switch, name): (&DeadMan, &RolloutName),
) -> Result<(), Fault> {
    let client = &aws.writing.scheduler;
    let called = format!("{name}-doctor-{:08x}", fastrand::u32(..));
    let at = Name { group: &switch.group, name: &called };
    let refuse = |why: String| Fault::new(FaultKind::Permanent, "CreateSchedule", why);
    let stable = survey.serving().ok_or_else(|| refuse("no slot has all of the traffic".to_owned()))?;
    let candidate = if stable.place.slot == Slot::Blue { &survey.green } else { &survey.blue };
    let [stable, candidate] = [stable, candidate].map(|slot| slot.place.target_group.clone());
    let frees = if survey.rule.sticky_groups.is_empty() { Binding::Off } else { Binding::Brief };
    let actions = stable_only(&survey.rule.actions_json, &Slots { stable, candidate }, frees).map_err(refuse)?;
    let input = serde_json::json!({ "RuleArn": survey.rule.arn, "Actions": actions }).to_string();
    let order = Order { at: now + DUE, role: &switch.role, input: &input };
    scheduler::create_disabled(client, at, order).await?;
    scheduler::delete(client, at).await.map_err(|fault| {
        let words = format!("{}; the schedule {called}, which is disabled, has to be removed", fault.message);
        Fault { message: words, ..fault }
    })
}
