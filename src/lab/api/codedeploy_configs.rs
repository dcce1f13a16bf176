//! CodeDeploy: deployment configurations.

use serde_json::{Value, json};

use super::codedeploy_common::{PAGING, check_platform, is_name};
use super::operation::{Call, OperationResult, Refusal, with_token};
use crate::account::routing::{Config, PREDEFINED_PREFIX, Routing};
use crate::account::uuid;
use crate::value::{seconds, text, whole};

/// Configurations that an account may make (CodeDeploy quotas).
const CONFIGS_LIMIT: usize = 50;
/// Percent of the traffic that one shift may move (CodeDeploy quotas).
const PERCENT_LIMIT: i64 = 99;
/// Minutes between the first shift and the last (CodeDeploy quotas).
const MINUTES_LIMIT: u64 = 2_880;

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateDeploymentConfig" => create(call),
        "GetDeploymentConfig" => get(call),
        "ListDeploymentConfigs" => list_all(call),
        "DeleteDeploymentConfig" => delete(call),
        _ => return None,
    })
}

fn name_of(input: &Value) -> Result<&str, Refusal> {
    let missing = || Refusal::new("DeploymentConfigNameRequiredException", "Must provide a deployment config name.");
    let name = text(input, "deploymentConfigName").ok_or_else(missing)?;
    let wrong = || Refusal::new("InvalidDeploymentConfigNameException", "The deployment config name is not valid.");
    is_name(name).then_some(name).ok_or_else(wrong)
}

/// The configuration of a name.
pub(super) fn named(call: &Call<'_>, name: &str) -> Result<Config, Refusal> {
    let found = call.account.deploy.all_configs().into_iter().find(|one| one.name == name);
    found.ok_or_else(|| {
        let message = format!("No Deployment Configuration found for name: {name}");
        Refusal::new("DeploymentConfigDoesNotExistException", message)
    })
}

fn create(call: &mut Call<'_>) -> OperationResult {
    let name = name_of(call.input)?.to_owned();
    if name.starts_with(PREDEFINED_PREFIX) {
        let message = format!("A deployment config name must not begin with {PREDEFINED_PREFIX}");
        return Err(Refusal::new("InvalidDeploymentConfigNameException", message));
    }
    check_platform(call.input)?;
    if named(call, &name).is_ok() {
        let message = format!("DeploymentConfig with name: {name} already exists");
        return Err(Refusal::new("DeploymentConfigAlreadyExistsException", message));
    }
    if call.account.deploy.configs.len() >= CONFIGS_LIMIT {
        return Err(Refusal::new("DeploymentConfigLimitExceededException", "There are too many deployment configs."));
    }
    let routing = read_routing(call.input.get("trafficRoutingConfig").unwrap_or(&Value::Null))?;
    let number = call.account.next();
    let id = uuid(&format!("config {name} {number}"));
    call.account.deploy.configs.push(Config { id: id.clone(), name, routing, created_at: call.now });
    Ok(json!({"deploymentConfigId": id}))
}

fn read_routing(given: &Value) -> Result<Routing, Refusal> {
    let wrong = |message: &str| Refusal::new("InvalidTrafficRoutingConfigurationException", message);
    let part = |key: &str, percent: &str, minutes: &str| {
        let part = given.get(key).unwrap_or(&Value::Null);
        let percent = whole(part, percent).filter(|percent| (1..=PERCENT_LIMIT).contains(percent));
        let percent = percent.ok_or_else(|| wrong("The percentage must be from 1 to 99."))?;
        let minutes = whole(part, minutes).filter(|minutes| (1..=MINUTES_LIMIT as i64).contains(minutes));
        let minutes = minutes.ok_or_else(|| wrong("The interval must be from 1 to 2880 minutes."))?;
        Ok((percent as u32, minutes as u64))
    };
    let routing = match text(given, "type") {
        Some("AllAtOnce") => Routing::AllAtOnce,
        Some("TimeBasedCanary") => {
            let (percent, minutes) = part("timeBasedCanary", "canaryPercentage", "canaryInterval")?;
            Routing::Canary { percent, minutes }
        }
        Some("TimeBasedLinear") => {
            let (percent, minutes) = part("timeBasedLinear", "linearPercentage", "linearInterval")?;
            Routing::Linear { percent, minutes }
        }
        _ => return Err(wrong("The type must be TimeBasedCanary, TimeBasedLinear or AllAtOnce.")),
    };
    if routing.minutes() > MINUTES_LIMIT {
        return Err(wrong("The first and the last traffic shift are more than 2880 minutes apart."));
    }
    Ok(routing)
}

fn get(call: &Call<'_>) -> OperationResult {
    let config = named(call, name_of(call.input)?)?;
    Ok(json!({"deploymentConfigInfo": {"deploymentConfigId": config.id, "deploymentConfigName": config.name,
        "createTime": seconds(config.created_at), "computePlatform": "ECS",
        "trafficRoutingConfig": config.routing.show()}}))
}

fn list_all(call: &Call<'_>) -> OperationResult {
    let names = call.account.deploy.all_configs().into_iter().map(|config| config.name).collect();
    let (page, next) = PAGING.cut(call.input, names)?;
    Ok(with_token(json!({"deploymentConfigsList": page}), "nextToken", next))
}

fn delete(call: &mut Call<'_>) -> OperationResult {
    let name = name_of(call.input)?;
    if name.starts_with(PREDEFINED_PREFIX) {
        return Err(Refusal::new("InvalidOperationException", "A predefined deployment config cannot be deleted."));
    }
    let deploy = &mut call.account.deploy;
    let in_a_group = deploy.groups.iter().any(|group| group.body.get("deploymentConfigName") == Some(&json!(name)));
    if in_a_group || deploy.deployments.iter().any(|one| one.config == name && !one.status.is_over()) {
        let message = format!("Deployment config {name} is in use and cannot be deleted");
        return Err(Refusal::new("DeploymentConfigInUseException", message));
    }
    deploy.configs.retain(|config| config.name != name);
    Ok(json!({}))
}
