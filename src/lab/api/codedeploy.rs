//! CodeDeploy: which operations there are, and applications.
//!
//! Only the ECS compute platform is played. Messages that AWS does not document are in its style, not its words.

use serde_json::{Value, json};

use super::operation::{Call, Outcome, Paging, Refusal, with_token};
use super::{codedeploy_configs, codedeploy_deployments, codedeploy_groups, codedeploy_targets};
use crate::account::uuid;
use crate::codedeploy::Application;
use crate::value::{list, seconds, text, texts};

/// How CodeDeploy pages its lists; a page has no size of its own.
pub(super) const PAGING: Paging =
    Paging { token: "nextToken", size: "maxResults", limit: 100, code: "InvalidNextTokenException" };
/// Characters of the names of applications, groups and configurations (CodeDeploy quotas).
const NAME_LIMIT: usize = 100;
/// Applications of an account in a region (CodeDeploy quotas; 1,000 since 2022, 100 before).
const APPLICATIONS_LIMIT: usize = 1_000;
/// Applications in one BatchGetApplications.
const BATCH_LIMIT: usize = 100;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<Outcome> {
    Some(match operation {
        "CreateApplication" => create(call),
        "GetApplication" => get(call),
        "ListApplications" => list_all(call),
        "BatchGetApplications" => get_many(call),
        "DeleteApplication" => delete(call),
        _ => {
            return codedeploy_configs::perform(call, operation)
                .or_else(|| codedeploy_groups::perform(call, operation))
                .or_else(|| codedeploy_deployments::perform(call, operation))
                .or_else(|| codedeploy_targets::perform(call, operation));
        }
    })
}

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
            Err(Refusal::new("InvalidComputePlatformException", message))
        }
    }
}

fn show(application: &Application) -> Value {
    json!({"applicationId": application.id, "applicationName": application.name,
        "createTime": seconds(application.created_at), "linkedToGitHub": false, "computePlatform": "ECS"})
}

fn create(call: &mut Call<'_>) -> Outcome {
    let name = application_name(call.input)?.to_owned();
    check_platform(call.input)?;
    if call.account.deploy.application(&name).is_some() {
        let message = format!("Application already exists with name: {name}");
        return Err(Refusal::new("ApplicationAlreadyExistsException", message));
    }
    if call.account.deploy.applications.len() >= APPLICATIONS_LIMIT {
        return Err(Refusal::new("ApplicationLimitExceededException", "There are too many applications."));
    }
    let number = call.account.next();
    let id = uuid(&format!("application {name} {number}"));
    put_tags(call, &format!("application:{name}"));
    call.account.deploy.applications.push(Application { id: id.clone(), name, created_at: call.now });
    Ok(json!({"applicationId": id}))
}

/// Keeps the tags of what is created.
pub(super) fn put_tags(call: &mut Call<'_>, rest: &str) {
    let arn = call.account.names.arn("codedeploy", rest);
    for tag in list(call.input, "tags") {
        let (Some(key), value) = (text(tag, "Key"), text(tag, "Value").unwrap_or_default()) else { continue };
        call.account.tags.entry(arn.clone()).or_default().insert(key.to_owned(), value.to_owned());
    }
}

fn get(call: &Call<'_>) -> Outcome {
    let name = application_of(call)?;
    Ok(json!({"application": call.account.deploy.application(name).map(show)}))
}

fn list_all(call: &Call<'_>) -> Outcome {
    let names = call.account.deploy.applications.iter().map(|one| one.name.clone()).collect();
    let (page, next) = PAGING.cut(call.input, names)?;
    Ok(with_token(json!({"applications": page}), "nextToken", next))
}

fn get_many(call: &Call<'_>) -> Outcome {
    let names = texts(call.input, "applicationNames");
    if names.len() > BATCH_LIMIT {
        return Err(Refusal::new("BatchLimitExceededException", "The maximum number of applications is 100."));
    }
    let found = names.iter().filter_map(|name| call.account.deploy.application(name)).map(show);
    Ok(json!({"applicationsInfo": found.collect::<Vec<_>>()}))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let name = application_name(call.input)?;
    let deploy = &mut call.account.deploy;
    deploy.applications.retain(|one| one.name != name);
    deploy.groups.retain(|one| one.application != name);
    Ok(json!({}))
}
