//! Asks IAM, without a write, about every call in the runner's policy that only a rollout makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::Patient;
use super::check::{Check, State};
use crate::cli::{iam_policy, target};
use crate::cloud::aws::iam::{self, Principal, Question, Ruling};
use crate::domain::fault::{Fault, FaultKind};

/// Services whose resources have policies of their own, which IAM does not ask: a bucket's, a topic's, a role's trust.
/// `doctor` proves store and writer role by using them, `notify test` the topics.
const BY_RESOURCE: [&str; 3] = ["s3:", "sns:", "sts:"];
/// What stands in a question for the part of an ARN that nobody knows before a rollout.
const ANY: &str = "0";
/// What operations begin with that change nothing.
const READS: [&str; 4] = ["BatchGet", "Describe", "Get", "List"];
const NAME: &str = "other writes";

/// The other writes: allowed, not allowed, or not proven.
pub(super) async fn checks(patient: &Patient<'_>, policy: &str) -> Vec<Check> {
    let remedy = format!("`tidegate iam-policy {} --for doctor` prints what asking IAM needs", patient.path);
    let open = |why: &str| {
        let text = format!("services, registrations, tags and autoscaling are not proven: {why}");
        vec![Check::unknown(NAME, text).remedy(remedy.clone())]
    };
    let Some(principal) = patient.caller.as_deref().and_then(Principal::of) else {
        return open("IAM tells of users and roles, and the caller is neither");
    };
    let folder = target::folder(Path::new(&patient.path));
    let survey = patient.survey.clone();
    let wanted = iam_policy::runner(patient.context, patient.spec, survey, (patient.aws, &folder)).await;
    let questions = match wanted {
        Ok(wanted) => questions(&wanted, &patient.survey.region),
        Err(failure) => return open(&failure.wrong),
    };
    match asked(patient, &principal, &questions).await {
        Ok((arn, rulings)) => told(&arn, &questions, &rulings, policy),
        Err(fault) => open(&unasked(&fault)),
    }
}

fn unasked(fault: &Fault) -> String {
    match fault.kind {
        FaultKind::Denied => format!("the caller may not ask IAM: {fault}"),
        _ => format!("IAM does not say: {fault}"),
    }
}

/// Asks one question after the other, and says of whom.
async fn asked(
    patient: &Patient<'_>,
    principal: &Principal,
    questions: &[Question],
) -> Result<(String, Vec<Vec<Ruling>>), Fault> {
    let arn = iam::known(patient.aws, principal).await?;
    let mut rulings = Vec::new();
    for question in questions {
        rulings.push(iam::may(patient.aws, &arn, question).await?);
    }
    Ok((arn, rulings))
}

/// A question for each statement of a policy.
fn questions(policy: &Value, region: &str) -> Vec<Question> {
    let texts = |of: &Value| -> Vec<String> {
        of.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let question = |statement: &Value| {
        let mut actions = texts(&statement["Action"]);
        actions.retain(|action| !BY_RESOURCE.iter().any(|service| action.starts_with(service)));
        let resources = texts(&statement["Resource"]).into_iter().map(|arn| match arn.as_str() {
            "*" => arn,
            _ => arn.replace('*', ANY),
        });
        let conditions = statement["Condition"].as_object().into_iter().flatten();
        let keys = conditions.filter_map(|(_, keys)| keys.as_object()).flatten();
        let keys = keys.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        // What holds of every call of ours, and conditions like to ask.
        let always = [("aws:RequestedRegion", region), ("aws:SecureTransport", "true")];
        let context = keys.chain(always.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect();
        Question { actions, resources: resources.collect(), context }
    };
    let all = policy["Statement"].as_array().into_iter().flatten().map(question);
    all.filter(|question| !question.actions.is_empty()).collect()
}

/// A check for what is allowed, one for each action that is not, one for what hangs on something else.
fn told(arn: &str, questions: &[Question], rulings: &[Vec<Ruling>], policy: &str) -> Vec<Check> {
    let (mut allowed, mut checks) = (BTreeSet::new(), Vec::new());
    let mut open: BTreeMap<&str, &[String]> = BTreeMap::new();
    for (question, rulings) in questions.iter().zip(rulings) {
        for (action, ruling) in question.actions.iter().zip(rulings) {
            match ruling {
                Ruling::Allowed if is_read(action) => {}
                Ruling::Allowed => drop(allowed.insert(action.as_str())),
                Ruling::Open(keys) => drop(open.insert(action, keys)),
                Ruling::Denied { on, explicitly } => {
                    let on = on.as_deref().or(question.resources.first().map(String::as_str)).unwrap_or("*");
                    let why = if *explicitly { "a policy denies it" } else { "no policy allows it" };
                    let said = format!("{action} on {on}: {why}, IAM says of {arn}");
                    checks.push(if is_read(action) {
                        // What a rollout cannot do without was read for the survey.
                        Check::warn("other reads", said).remedy(policy)
                    } else {
                        Check { denied: true, ..Check::fail(NAME, said) }.remedy(policy)
                    });
                }
            }
        }
    }
    checks.extend(open.iter().map(|(action, keys)| match keys {
        [] => Check::unknown(NAME, format!("{action}: IAM does not say")),
        keys => Check::unknown(NAME, format!("{action} hangs on {}, which only a call has", keys.join(", "))),
    }));
    if checks.iter().all(|check| check.state == State::Warn) {
        let calls = allowed.into_iter().collect::<Vec<_>>().join(", ");
        let narrowed = if arn.contains(":role/") { "; a session policy may allow less" } else { "" };
        let said = format!("its policies allow {arn} {calls}{narrowed}");
        checks.insert(0, Check::ok(NAME, said));
    }
    checks
}

fn is_read(action: &str) -> bool {
    let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
    READS.iter().any(|verb| operation.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_is_asked_with_its_conditions_and_without_what_resources_decide() {
        let policy = json!({"Statement": [
            {"Action": ["ecs:UpdateService"], "Resource": ["arn:1/*", "*"], "Condition": {"ArnEquals": {"ecs:cluster": "arn:c"}}},
            {"Action": ["s3:PutObject"], "Resource": ["arn:b/*"]},
        ]});
        let asked = questions(&policy, "eu-west-1");
        assert_eq!(asked.len(), 1);
        assert_eq!(
            (asked[0].actions.as_slice(), asked[0].resources.join(" ")),
            (&["ecs:UpdateService".to_owned()][..], "arn:1/0 *".to_owned())
        );
        let keys: Vec<&str> = asked[0].context.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["ecs:cluster", "aws:RequestedRegion", "aws:SecureTransport"]);
    }

    #[test]
    fn one_that_is_not_allowed_fails_and_one_that_hangs_on_more_is_open() {
        let question = Question {
            actions: ["a:Fine", "a:No", "a:Perhaps"].map(str::to_owned).to_vec(),
            resources: vec!["arn:1".to_owned()],
            context: Vec::new(),
        };
        let no = Ruling::Denied { on: None, explicitly: true };
        let perhaps = Ruling::Open(vec!["aws:SourceIp".to_owned()]);
        let state = |rulings: &[Ruling]| {
            let checks = told("arn:me", std::slice::from_ref(&question), &[rulings.to_vec()], "policy");
            checks.iter().map(|check| (check.state, check.denied)).collect::<Vec<_>>()
        };
        let fine = || Ruling::Allowed;
        let read = Question { actions: vec!["ecs:DescribeTasks".to_owned()], ..question.clone() };
        let checks = told("arn:me", &[read], &[vec![no.clone()]], "policy");
        assert_eq!(checks.iter().map(|check| check.state).collect::<Vec<_>>(), [State::Ok, State::Warn]);
        assert_eq!(state(&[fine(), no, perhaps.clone()]), [(State::Fail, true), (State::Unknown, false)]);
        assert_eq!(state(&[fine(), fine(), perhaps]), [(State::Unknown, false)]);
        assert_eq!(state(&[fine(), fine(), fine()]), [(State::Ok, false)]);
    }
}
