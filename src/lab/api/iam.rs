//! AWS IAM: what a principal may do, and the ARN of a role. There are no policies of roles here: what a role was
//! assumed with is told as if its role had it, and everybody else may do everything.

use serde_json::{Value, json};

use super::operation::{OperationResult, Refusal};
use super::wire_call::ApiRequest;
use crate::account::{Names, hex_id};
use crate::keys::Key;
use crate::policy::Ruling;
use crate::value::{date, text, texts};

/// Performs an operation for whoever signed it.
pub(super) fn perform(
    asked: &ApiRequest,
    caller: Option<&Key>,
    roles: &[String],
    names: &Names,
    now: u64,
) -> Option<OperationResult> {
    Some(match asked.operation.as_str() {
        "SimulatePrincipalPolicy" => simulate(&asked.input, caller, names, now),
        "GetRole" => get_role(text(&asked.input, "RoleName").unwrap_or_default(), roles),
        _ => return None,
    })
}

/// The ARN of a role without a path.
pub(super) fn role(names: &Names, name: &str) -> String {
    format!("arn:aws:iam::{}:role/{name}", names.account)
}

/// The caller's role, if it is called so.
fn own<'a>(caller: Option<&'a Key>, name: &str) -> Option<&'a Key> {
    caller.filter(|key| key.role.rsplit('/').next() == Some(name))
}

/// That everybody may assume a role, with percent signs as IAM tells a document.
const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22\
    %2C%22Principal%22%3A%22%2A%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

/// The lab has the roles that somebody assumed.
fn get_role(name: &str, roles: &[String]) -> OperationResult {
    let arn = roles.iter().find(|arn| arn.rsplit('/').next() == Some(name)).ok_or_else(|| no_such_role(name))?;
    let path = arn.split_once(":role").map_or("/", |(_, path)| path.strip_suffix(name).unwrap_or("/"));
    let id = format!("AROA{}", hex_id(arn, 17).to_ascii_uppercase());
    Ok(json!({"Role": {"RoleName": name, "Arn": arn, "Path": path, "RoleId": id, "CreateDate": date(0),
        "AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": 3600}}))
}

fn no_such_role(name: &str) -> Refusal {
    let refusal = Refusal::new("NoSuchEntity", format!("The role with name {name} cannot be found."));
    Refusal { status: 404, ..refusal }
}

/// `SimulatePrincipalPolicy` in the API reference: a result for each action, and one for each resource inside it where
/// there are several.
fn simulate(input: &Value, caller: Option<&Key>, names: &Names, now: u64) -> OperationResult {
    let source = text(input, "PolicySourceArn").unwrap_or_default();
    let name = source.rsplit('/').next().unwrap_or_default();
    let caller = own(caller, name);
    let is_principal = source.starts_with(&format!("arn:aws:iam::{}:", names.account));
    // A role is another one under another path.
    if !is_principal || caller.is_some_and(|key| key.role != source) {
        return Err(no_such_role(name));
    }
    let policy = caller.and_then(|key| key.policy.as_ref());
    let actions = texts(input, "ActionNames");
    if let Some(action) = actions.iter().find(|action| !action.contains(':')) {
        return Err(Refusal::new("InvalidInput", format!("Invalid Action Name: {action}")));
    }
    let resources = match texts(input, "ResourceArns") {
        none if none.is_empty() => vec!["*"],
        some => some,
    };
    let rule = |action: &str, resource: &str| match policy.map_or(Ruling::Allowed, |it| it.rule(action, resource, now))
    {
        Ruling::Allowed => "allowed",
        Ruling::NotAllowed => "implicitDeny",
        Ruling::Denied => "explicitDeny",
    };
    let result = |action: &&str| {
        let each: Vec<(&str, &str)> = resources.iter().map(|resource| (*resource, rule(action, resource))).collect();
        let (resource, decision) = *each.iter().find(|(_, decision)| *decision != "allowed").unwrap_or(&each[0]);
        let specific = each.iter().filter(|_| each.len() > 1).map(|(resource, decision)| {
            json!({"EvalResourceName": resource, "EvalResourceDecision": decision, "MissingContextValues": []})
        });
        json!({
            "EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision,
            "MatchedStatements": [], "MissingContextValues": [],
            "ResourceSpecificResults": specific.collect::<Vec<_>>(),
        })
    };
    Ok(json!({"IsTruncated": false, "EvaluationResults": actions.iter().map(result).collect::<Vec<_>>()}))
}
