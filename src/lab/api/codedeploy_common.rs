//! CodeDeploy: what its operations have in common.

use serde_json::{Value, json};

use super::operation::{Call, Paging, Refusal};
use crate::codedeploy::Revision;
use crate::value::{list, text};

/// How CodeDeploy pages its lists; a page has no size of its own.
pub(super) const PAGING: Paging =
    Paging { token: "nextToken", size: "maxResults", limit: 100, code: "InvalidNextTokenException" };

/// Characters of the names of applications, groups and configurations (CodeDeploy quotas).
const NAME_LIMIT: usize = 100;

/// Whether a name is made of what CodeDeploy allows (CodeDeploy quotas).
pub(super) fn is_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._+=,@-".contains(c);
    !name.is_empty() && name.len() <= NAME_LIMIT && name.chars().all(is_fine)
}

/// The name of the application an input names, which must be there.
pub(super) fn application_of<'a>(call: &Call<'a>) -> Result<&'a str, Refusal> {
    let name = application_name(call.input)?;
    match call.account.deploy.application(name) {
        Some(_) => Ok(name),
        None => {
            let message = format!("No application found for name: {name}");
            Err(Refusal::new("ApplicationDoesNotExistException", message))
        }
    }
}

/// The name of an application in an input.
pub(super) fn application_name(input: &Value) -> Result<&str, Refusal> {
    let missing = || Refusal::new("ApplicationNameRequiredException", "Must provide an application name.");
    let name = text(input, "applicationName").ok_or_else(missing)?;
    let wrong = || Refusal::new("InvalidApplicationNameException", "The application name is not valid.");
    is_name(name).then_some(name).ok_or_else(wrong)
}

/// Refuses what is not for the ECS compute platform.
pub(super) fn check_platform(input: &Value) -> Result<(), Refusal> {
    match text(input, "computePlatform") {
        Some("ECS") => Ok(()),
        other => {
            let message = format!("the lab plays the compute platform ECS only, not {}", other.unwrap_or("Server"));
            Err(Refusal::not_played(message))
        }
    }
}

/// Keeps the tags of what is created.
pub(super) fn put_tags(call: &mut Call<'_>, rest: &str) {
    let arn = call.account.names.arn("codedeploy", rest);
    for tag in list(call.input, "tags") {
        let (Some(key), value) = (text(tag, "Key"), text(tag, "Value").unwrap_or_default()) else { continue };
        call.account.tags.entry(arn.clone()).or_default().insert(key.to_owned(), value.to_owned());
    }
}

/// A revision as the API tells it; only GetApplicationRevision tells its content.
pub(super) fn show_revision(revision: &Revision, with_content: bool) -> Value {
    let mut content = json!({"sha256": revision.sha256});
    if with_content {
        content["content"] = json!(revision.content);
    }
    json!({"revisionType": "AppSpecContent", "appSpecContent": content})
}
