//! The AppSpec of an ECS service: what CodeDeploy is told to run, and which functions it asks on the way.

use aws_sdk_ecs::types::Service;
use serde_json::{Map, Value, json};

/// The hooks of an AppSpec, which is JSON or YAML; `None` where it has none.
///
/// # Errors
/// Says that the text is neither.
pub(super) fn hooks(text: &str) -> Result<Option<Value>, String> {
    let spec: Value = serde_yaml::from_str(text)
        .map_err(|error| format!("the AppSpec of the last deployment cannot be read: {error}"))?;
    let hooks = spec.as_object().and_then(|spec| spec.iter().find(|(key, _)| key.eq_ignore_ascii_case("hooks")));
    Ok(hooks.map(|(_, hooks)| hooks.clone()).filter(|hooks| hooks.as_array().is_some_and(|hooks| !hooks.is_empty())))
}

/// The AppSpec that runs a task definition in place of what a service runs. What the service says of its platform and
/// capacity is said again, because CodeDeploy would else take its own defaults.
///
/// # Errors
/// Says that the service has no load balancer.
pub(super) fn write(service: &Service, definition: &str, hooks: Option<Value>) -> Result<String, String> {
    let place = service.load_balancers().first().ok_or("the service has no load balancer")?;
    let mut properties = Map::new();
    properties.insert("TaskDefinition".to_owned(), json!(definition));
    let balancing = json!({ "ContainerName": place.container_name(), "ContainerPort": place.container_port() });
    properties.insert("LoadBalancerInfo".to_owned(), balancing);
    let strategy: Vec<Value> = service
        .capacity_provider_strategy()
        .iter()
        .map(|item| json!({ "CapacityProvider": item.capacity_provider, "Base": item.base, "Weight": item.weight }))
        .collect();
    if !strategy.is_empty() {
        properties.insert("CapacityProviderStrategy".to_owned(), Value::Array(strategy));
    }
    if let Some(version) = service.platform_version() {
        properties.insert("PlatformVersion".to_owned(), json!(version));
    }
    let resource = json!({ "TargetService": { "Type": "AWS::ECS::Service", "Properties": properties } });
    let mut spec = json!({ "version": 1, "Resources": [resource] });
    if let Some(hooks) = hooks {
        spec["Hooks"] = hooks;
    }
    Ok(spec.to_string())
}
