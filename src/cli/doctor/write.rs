//! Proves by writes that the rule, the store and the dead-man's switch work. No write changes anything that is in use.

use super::check::{self, Check};
use super::{Patient, rights};
use crate::cli::Failure;
use crate::cloud::alb::prove;
use crate::domain::driver::Unattended;
use crate::lease::Phase;
use crate::plan::unattended as left_alone;
use crate::store::Store;

/// Whether a rollout holds the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nobody does, by this store.
    Free,
    /// This rollout does.
    By(String),
    /// The store does not say.
    Unknown,
}

/// The store: whether it keeps leases, and whether one is on the rule.
pub(super) async fn store(patient: &Patient<'_>, store: &Store) -> (Vec<Check>, Held) {
    let (lease, held) = match store.standing(&patient.survey.rule.arn).await {
        Ok(Some(standing)) if standing.control.phase != Phase::Over => {
            let id = standing.control.rollout.to_string();
            let check = Check::fail("lease", format!("rollout {id} holds the rule"));
            (check.remedy(format!("`tidegate status {id}` shows it, `tidegate rollback {id}` ends it")), Held::By(id))
        }
        Ok(_) => (Check::ok("lease", "no rollout holds the rule"), Held::Free),
        Err(error) => (failed("lease", &error.into()), Held::Unknown),
    };
    let mut checks = vec![place(patient), lease];
    checks.push(if patient.read_only {
        Check::unknown("compare and swap", "not proven with --read-only")
    } else {
        match store.prove().await {
            Ok(()) => Check::ok("compare and swap", "of two writes over the same body the second was refused"),
            Err(error) => failed("compare and swap", &error.into()),
        }
    });
    (checks, held)
}

fn failed(name: &str, failure: &Failure) -> Check {
    let policy = "allow s3:GetObject, s3:PutObject and s3:ListBucket: `tidegate iam-policy SPEC --for runner`";
    let check = check::of_failure(name, failure).into_iter().next();
    check.map_or_else(|| Check::fail(name, "it fails"), |check| if check.denied { check.remedy(policy) } else { check })
}

fn place(patient: &Patient<'_>) -> Check {
    match patient.context.bucket_place(patient.spec.store.as_deref()) {
        Ok(Some((bucket, root))) => Check::ok("place", format!("s3://{bucket}/{root}")),
        Ok(None) => Check::warn("place", "a folder of this machine: nobody elsewhere can take a rollout over by name")
            .remedy("`store: s3://BUCKET/PREFIX` in the spec, TIDEGATE_STORE or --store"),
        Err(failure) => Check::fail("place", failure.wrong),
    }
}

/// The rule's write, and what is left open.
pub(super) async fn permissions(patient: &Patient<'_>, held: &Held) -> Vec<Check> {
    let policy = format!("`tidegate iam-policy {} --for runner` prints what is needed", patient.path);
    let mut checks = vec![Check::ok("reads", "ECS, load balancing, alarms and autoscaling were read for the survey")];
    if let Err(why) = &patient.survey.scaling {
        checks[0] = Check::warn("reads", format!("all but autoscaling: {why}")).remedy(policy.clone());
    }
    let open = match not_now(patient, held) {
        Some(why) => Some(why),
        None => marked(patient).await,
    };
    match open {
        Some(why) => {
            checks.push(Check::unknown("rule write", why.clone()).remedy(policy.clone()));
            checks.extend(patient.spec.target.writer_role.iter().map(|_| Check::unknown("writer role", why.clone())));
        }
        None => {
            checks.push(rule_write(patient, &policy).await);
            checks.extend(writer_role(patient).await);
        }
    }
    checks.extend(rights::checks(patient, &policy).await);
    checks
}

/// Why the rule is not written now.
fn not_now(patient: &Patient<'_>, held: &Held) -> Option<String> {
    match held {
        _ if patient.read_only => Some("not proven with --read-only".to_owned()),
        Held::By(id) => Some(format!("not tried: rollout {id} holds the rule")),
        Held::Unknown => Some("not tried: the store does not say whether a rollout holds the rule".to_owned()),
        Held::Free => {
            let going = patient.survey.under_way.as_ref();
            going.map(|going| format!("not tried: deployment {} may write the rule", going.id))
        }
    }
}

/// Whether the rule is marked by a rollout, which another store may know.
async fn marked(patient: &Patient<'_>) -> Option<String> {
    match prove::tags(patient.aws, &patient.survey.rule.arn).await {
        Ok(tags) => tags.rollout.map(|id| format!("not tried: the rule is marked by rollout {id}")),
        Err(fault) => Some(format!("not tried: nobody knows whether a rollout has marked the rule: {fault}")),
    }
}

async fn rule_write(patient: &Patient<'_>, policy: &str) -> Check {
    let rule = &patient.survey.rule;
    match prove::rewrite(patient.aws, &rule.arn, &rule.actions_json).await {
        Ok(()) => {
            Check::ok("rule write", "ModifyRule with the actions that the rule has: allowed, and nothing changed")
        }
        Err(fault) => Check::fault("rule write", &fault, policy),
    }
}

/// The same write, signed as the role that forward writes have.
async fn writer_role(patient: &Patient<'_>) -> Option<Check> {
    let writer = patient.spec.target.writer_role.as_deref()?;
    let name = "writer role";
    let rule = &patient.survey.rule;
    let at = (patient.aws, patient.clock);
    let written = prove::rewrite_as(at, (&rule.arn, &rule.actions_json), (writer, &patient.spec.name)).await;
    let policy = format!("`tidegate iam-policy {} --for writer` prints policy and trust", patient.path);
    Some(match written {
        Ok(()) => Check::ok(name, format!("{writer} can be assumed, and may write this rule")),
        Err(fault) => Check::fault(name, &fault, &policy),
    })
}

/// Who gives the traffic back when no runner lives.
pub(super) async fn unattended(patient: &Patient<'_>, held: &Held) -> Vec<Check> {
    let Some(switch) = &patient.spec.dead_man else {
        let said = left_alone(patient.spec, patient.survey);
        return said.into_iter().map(|said| nobody(patient.spec.driver.kind().can().unattended, said)).collect();
    };
    let name = "dead_man";
    if patient.read_only || *held != Held::Free {
        return vec![Check::unknown(name, "not proven: `--read-only`, or a rollout holds the rule")];
    }
    let now = patient.clock.now();
    let made = prove::switch((patient.aws, now), patient.survey, (switch, &patient.spec.name)).await;
    let policy = format!("`tidegate iam-policy {} --for dead-man` prints policy and trust", patient.path);
    vec![match made {
        Ok(()) => {
            let text = format!("a schedule with role {} was made, disabled, and removed", switch.role);
            Check::ok(name, text)
        }
        Err(fault) => Check::fault(name, &fault, &policy),
    }]
}

/// What becomes of the traffic without a switch, and what would be better.
fn nobody(unattended: Unattended, said: String) -> Check {
    let name = "no runner";
    match unattended {
        Unattended::Pause => Check::ok(name, said),
        Unattended::Switch => {
            Check::warn(name, said).remedy("`dead_man: { role: ROLE_ARN }`, or a `tidegate guard` elsewhere")
        }
        Unattended::Alarms => {
            Check::warn(name, said).remedy("give the deployment group alarms that say when a release is bad")
        }
    }
}
