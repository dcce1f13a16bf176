//! IAM: `SimulatePrincipalPolicy` and `GetRole`, in the query protocol of its API reference (version 2010-05-08).

use form_urlencoded::Serializer;

use super::Aws;
use super::signed::{BODY, Call, refused};
use super::xml::{child, children};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::name::Arn;

/// The version of the API.
const VERSION: &str = "2010-05-08";
/// The one host of each partition, and the region that its calls are signed for: `endpoints.json` of botocore. Where a
/// partition is not here, the host is that of the region.
const HOSTS: [(&str, &str, &str); 3] = [
    ("aws", "iam.amazonaws.com", "us-east-1"),
    ("aws-cn", "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("aws-us-gov", "iam.us-gov.amazonaws.com", "us-gov-west-1"),
];
/// Actions in one question, times its resources: IAM tells a hundred results on a page, and one page is read.
const RESULTS: usize = 100;

/// Whether somebody may do these actions on these resources, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The actions: `ecs:UpdateService`.
    pub actions: Vec<String>,
    /// ARNs of the resources, or `*`.
    pub resources: Vec<String>,
    /// What conditions ask about, by their keys.
    pub context: Vec<(String, String)>,
}

/// What IAM says of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is allowed on every resource.
    Allowed,
    /// It is not allowed on one, and no policy hangs on what IAM was not told.
    Denied {
        /// The resource, where IAM names it.
        on: Option<String>,
        /// Whether a policy denies it, rather than none allowing it.
        explicitly: bool,
    },
    /// It hangs on these condition keys, which IAM was not told; empty where IAM says nothing of it.
    Open(Vec<String>),
}

/// Who is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user or a role, by its ARN.
    Known(String),
    /// A role whose path the caller's ARN does not tell: its ARN if there is none, and its name.
    Assumed(String, String),
}

impl Principal {
    /// Of a caller's ARN as STS tells it. `None` of whom IAM has no policies: an account's root, a federated user.
    pub fn of(caller: &str) -> Option<Self> {
        let arn = Arn::parse(caller)?;
        match (arn.service, arn.resource.split_once('/')?) {
            ("iam", ("user" | "role", _)) => Some(Self::Known(caller.to_owned())),
            ("sts", ("assumed-role", rest)) => {
                let name = rest.split_once('/')?.0;
                let role = format!("arn:{}:iam::{}:role/{name}", partition(caller), arn.account);
                Some(Self::Assumed(role, name.to_owned()))
            }
            _ => None,
        }
    }
}

/// The ARN by which IAM knows somebody, who is asked about with the first question.
///
/// # Errors
/// When IAM does not answer, or not this caller.
pub async fn known(aws: &Aws, principal: &Principal) -> Result<String, Fault> {
    let (arn, name) = match principal {
        Principal::Known(arn) => return Ok(arn.clone()),
        Principal::Assumed(arn, name) => (arn, name),
    };
    let probe = Question { actions: vec!["sts:GetCallerIdentity".to_owned()], ..Question::default() };
    match may(aws, arn, &probe).await {
        Err(fault) if fault.kind == FaultKind::Missing => {
            let body = call(aws, arn, "GetRole", &[("RoleName".to_owned(), name.clone())]).await?;
            let role = child(&body, "GetRoleResponse").and_then(|answer| child(answer, "GetRoleResult"));
            let found = role.and_then(|result| child(child(result, "Role")?, "Arn")).map(str::to_owned);
            found.ok_or_else(|| Fault::new(FaultKind::Transient, "GetRole", "the answer names no ARN"))
        }
        other => other.map(|_| arn.clone()),
    }
}

/// What the policies of a user or role say to a question, an answer for each action in its order. Policies of
/// resources, and what an assumed role was narrowed to, are not among them. Nothing is done.
///
/// # Errors
/// When IAM does not answer, or not this caller.
pub async fn may(aws: &Aws, principal: &str, question: &Question) -> Result<Vec<Ruling>, Fault> {
    let mut fields =
        vec![("PolicySourceArn".to_owned(), principal.to_owned()), ("MaxItems".to_owned(), RESULTS.to_string())];
    let lists = [("ActionNames", &question.actions), ("ResourceArns", &question.resources)];
    for (name, list) in lists {
        fields.extend(list.iter().zip(1..).map(|(one, n)| (format!("{name}.member.{n}"), one.clone())));
    }
    for ((key, value), n) in question.context.iter().zip(1..) {
        let entry = format!("ContextEntries.member.{n}");
        fields.push((format!("{entry}.ContextKeyName"), key.clone()));
        fields.push((format!("{entry}.ContextKeyType"), "string".to_owned()));
        fields.push((format!("{entry}.ContextKeyValues.member.1"), value.clone()));
    }
    let body = call(aws, principal, "SimulatePrincipalPolicy", &fields).await?;
    Ok(question.actions.iter().map(|action| ruling(&body, action)).collect())
}

async fn call(aws: &Aws, of: &str, operation: &'static str, fields: &[(String, String)]) -> Result<String, Fault> {
    let host = HOSTS.iter().find(|(name, ..)| *name == partition(of));
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", operation).append_pair("Version", VERSION).extend_pairs(fields);
    let call = Call {
        id: "IAM",
        service: "iam",
        operation,
        region: host.map(|(_, _, region)| *region),
        host: host.map(|(_, host, _)| *host),
        headers: &[(BODY, "application/x-www-form-urlencoded".to_owned())],
        body: form.finish(),
    };
    let answered = aws.call(call).await?;
    refused(&answered, operation).map_or(Ok(answered.body), Err)
}

fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or("aws")
}

/// The worst of what an answer says of an action, in one result or in several.
fn ruling(body: &str, action: &str) -> Ruling {
    let result = child(body, "SimulatePrincipalPolicyResponse");
    let result = result.and_then(|answer| child(child(answer, "SimulatePrincipalPolicyResult")?, "EvaluationResults"));
    let all = children(result.unwrap_or_default()).map(|(_, result)| result);
    let of_action: Vec<&str> = all.filter(|result| child(result, "EvalActionName") == Some(action)).collect();
    // Those of single resources lie in the action's own.
    let specific: Vec<&str> = of_action
        .iter()
        .flat_map(|result| {
            let specific = child(result, "ResourceSpecificResults").unwrap_or_default();
            children(specific).map(|(_, part)| part)
        })
        .collect();
    let judged = specific.iter().chain(&of_action);
    let mut keys: Vec<String> = Vec::new();
    let mut denied = None;
    for part in judged {
        let missing = children(child(part, "MissingContextValues").unwrap_or_default());
        keys.extend(missing.map(|(_, key)| key.to_owned()));
        let decision = child(part, "EvalDecision").or_else(|| child(part, "EvalResourceDecision"));
        let banned =
            child(part, "OrganizationsDecisionDetail").and_then(|detail| child(detail, "AllowedByOrganizations"));
        if decision != Some("allowed") || banned == Some("false") {
            let on = child(part, "EvalResourceName").filter(|name| name.starts_with("arn:"));
            let explicitly = decision == Some("explicitDeny") || banned == Some("false");
            denied = denied.or(Some(Ruling::Denied { on: on.map(str::to_owned), explicitly }));
        }
    }
    match denied {
        _ if of_action.is_empty() => Ruling::Open(Vec::new()),
        _ if !keys.is_empty() => Ruling::Open(keys),
        Some(denied) => denied,
        None => Ruling::Allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assumed_role_is_asked_about_by_its_own_arn_and_root_is_not() {
        let role = ("arn:aws:iam::1:role/runner".to_owned(), "runner".to_owned());
        let assumed = Principal::of("arn:aws:sts::1:assumed-role/runner/me");
        assert_eq!(assumed, Some(Principal::Assumed(role.0, role.1)));
        let user = "arn:aws-cn:iam::1:user/a/b";
        assert_eq!(Principal::of(user), Some(Principal::Known(user.to_owned())));
        for nobody in ["arn:aws:iam::1:root", "arn:aws:sts::1:federated-user/a", "arn:aws:sts::1:assumed-role/a", ""] {
            assert_eq!(Principal::of(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn the_worst_that_is_said_of_an_action_counts() {
        let result = |action: &str, decision: &str, more: &str| {
            format!(
                "<member>{more}<EvalResourceName>arn:1</EvalResourceName><EvalDecision>{decision}</EvalDecision>\
                 <EvalActionName>{action}</EvalActionName></member>"
            )
        };
        let part = "<ResourceSpecificResults><member><EvalResourceName>arn:2</EvalResourceName>\
                    <EvalResourceDecision>implicitDeny</EvalResourceDecision></member></ResourceSpecificResults>";
        let missing = "<MissingContextValues><member>aws:SourceIp</member></MissingContextValues>";
        let scp = "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>\
                   </OrganizationsDecisionDetail>";
        let body = [
            result("a:Fine", "allowed", "<MissingContextValues/>"),
            result("a:Twice", "allowed", ""),
            result("a:Twice", "explicitDeny", ""),
            result("a:Part", "allowed", part),
            result("a:Open", "implicitDeny", missing),
            result("a:Scp", "allowed", scp),
            result("a:FineToo", "implicitDeny", ""),
        ]
        .concat();
        let body = format!("<EvaluationResults>{body}</EvaluationResults>");
        let body = format!("<SimulatePrincipalPolicyResult>{body}</SimulatePrincipalPolicyResult>");
        let body = format!("<SimulatePrincipalPolicyResponse>{body}</SimulatePrincipalPolicyResponse>");
        let denied = |on: Option<&str>, explicitly| Ruling::Denied { on: on.map(str::to_owned), explicitly };
        let check = |action: &str, wanted: Ruling| assert_eq!(ruling(&body, action), wanted, "{action}");
        check("a:Fine", Ruling::Allowed);
        check("a:Twice", denied(Some("arn:1"), true));
        check("a:Part", denied(Some("arn:2"), false));
        check("a:Open", Ruling::Open(vec!["aws:SourceIp".to_owned()]));
        check("a:Scp", denied(Some("arn:1"), true));
        check("a:FineToo", denied(Some("arn:1"), false));
        check("a:Unheard", Ruling::Open(Vec::new()));
    }
}
