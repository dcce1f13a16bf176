//! CodeDeploy: which operations there are, and applications.
//!
//! Only the ECS compute platform is played. Messages that AWS does not document are in its style, not its words.

use serde_json::{Value, json};

use super::codedeploy_common::{PAGING, application_name, application_of, check_platform, put_tags};
use super::operation::{Call, OperationResult, Refusal, with_token};
use super::{codedeploy_configs, codedeploy_deployments, codedeploy_groups, codedeploy_targets};
use crate::account::codedeploy::Application;
use crate::account::uuid;
use crate::value::{seconds, texts};
/// Applications of an account in a region (CodeDeploy quotas; 1,000 since 2022, 100 before).
const APPLICATIONS_LIMIT: usize = 1_000;
/// Applications in one BatchGetApplications.
const BATCH_LIMIT: usize = 100;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
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

fn show(application: &Application) -> Value {
    json!({"applicationId": application.id, "applicationName": application.name,
        "createTime": seconds(application.created_at), "linkedToGitHub": false, "computePlatform": "ECS"})
}

fn create(call: &mut Call<'_>) -> OperationResult {
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

fn get(call: &Call<'_>) -> OperationResult {
    let name = application_of(call)?;
    Ok(json!({"application": call.account.deploy.application(name).map(show)}))
}

fn list_all(call: &Call<'_>) -> OperationResult {
    let names = call.account.deploy.applications.iter().map(|one| one.name.clone()).collect();
    let (page, next) = PAGING.cut(call.input, names)?;
    Ok(with_token(json!({"applications": page}), "nextToken", next))
}

fn get_many(call: &Call<'_>) -> OperationResult {
    let names = texts(call.input, "applicationNames");
    if names.len() > BATCH_LIMIT {
        return Err(Refusal::new("BatchLimitExceededException", "The maximum number of applications is 100."));
    }
    let found = names.iter().filter_map(|name| call.account.deploy.application(name)).map(show);
    Ok(json!({"applicationsInfo": found.collect::<Vec<_>>()}))
}

fn delete(call: &mut Call<'_>) -> OperationResult {
    let name = application_name(call.input)?;
    let deploy = &mut call.account.deploy;
    deploy.applications.retain(|one| one.name != name);
    deploy.groups.retain(|one| one.application != name);
    Ok(json!({}))
}
