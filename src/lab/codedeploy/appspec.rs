//! The AppSpec of a revision: what a deployment installs (CodeDeploy user guide, "AppSpec 'resources' section for
//! Amazon ECS deployments").

use serde_json::{Map, Value, json};

use crate::account::hex_id;
use crate::value::{list, text, whole};

/// A revision that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The AppSpec as it was given.
    pub content: String,
    /// The SHA-256 of the content.
    pub sha256: String,
    /// The task definition it names.
    pub definition: String,
    /// The container that gets the traffic.
    pub container: String,
    /// Its port.
    pub port: u16,
    /// What else it says about the task set, as ECS names it.
    pub extra: Map<String, Value>,
}

impl Revision {
    /// Reads an AppSpec in JSON or YAML; what is wrong with it otherwise.
    pub(crate) fn parse(content: &str) -> Result<Revision, String> {
        let spec: Value = match serde_json::from_str(content) {
            Ok(spec) => spec,
            Err(_) => serde_yaml::from_str(content).map_err(|_| "The AppSpec file cannot be parsed.".to_owned())?,
        };
        let hooks = list(&spec, "Hooks").iter().chain(list(&spec, "hooks"));
        if let Some(name) = hooks.filter_map(Value::as_object).flat_map(Map::keys).next() {
            return Err(format!("The AppSpec file names a Lambda function for {name}, and the lab has no Lambda."));
        }
        let resources = list(&spec, "Resources").iter().chain(list(&spec, "resources"));
        let services: Vec<&Value> = resources.filter_map(Value::as_object).flat_map(Map::values).collect();
        let [service] = services[..] else {
            return Err("The AppSpec file must name exactly one resource.".to_owned());
        };
        if text(service, "Type") != Some("AWS::ECS::Service") {
            return Err("The type of the resource must be AWS::ECS::Service.".to_owned());
        }
        let properties = service.get("Properties").unwrap_or(&Value::Null);
        let mut names = properties.as_object().into_iter().flat_map(Map::keys);
        if let Some(name) = names.find(|name| !PROPERTIES.contains(&name.as_str())) {
            return Err(format!("The AppSpec file has a property {name}, which the lab does not play."));
        }
        let definition = text(properties, "TaskDefinition").ok_or("The AppSpec file names no TaskDefinition.")?;
        let place = properties.get("LoadBalancerInfo").unwrap_or(&Value::Null);
        let container = text(place, "ContainerName").ok_or("The AppSpec file names no ContainerName.")?;
        let port = whole(place, "ContainerPort").and_then(|port| u16::try_from(port).ok());
        Ok(Revision {
            content: content.to_owned(),
            sha256: sha256(content),
            definition: definition.to_owned(),
            container: container.to_owned(),
            port: port.ok_or("The AppSpec file names no ContainerPort.")?,
            extra: extra(properties),
        })
    }

    /// The revision that a task set is made of.
    pub(super) fn of(definition: &str, container: &str, port: u16) -> Revision {
        let content = json!({"version": 1, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties":
            {"TaskDefinition": definition,
                "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": port}}}}]})
        .to_string();
        Revision {
            sha256: sha256(&content),
            content,
            definition: definition.to_owned(),
            container: container.to_owned(),
            port,
            extra: Map::new(),
        }
    }
}

/// The SHA-256 of a text, in hexadecimal.
fn sha256(of: &str) -> String {
    hex_id(of, 64)
}

/// The properties of a task set that the lab reads.
const PROPERTIES: [&str; 5] =
    ["TaskDefinition", "LoadBalancerInfo", "PlatformVersion", "NetworkConfiguration", "CapacityProviderStrategy"];

fn extra(properties: &Value) -> Map<String, Value> {
    let mut extra = Map::new();
    let providers = list(properties, "CapacityProviderStrategy").iter().map(|item| {
        let part = |key: &str| item.get(key).cloned().unwrap_or_else(|| json!(0));
        json!({"capacityProvider": part("CapacityProvider"), "weight": part("Weight"), "base": part("Base")})
    });
    let providers: Vec<Value> = providers.collect();
    if !providers.is_empty() {
        extra.insert("capacityProviderStrategy".to_owned(), Value::Array(providers));
    }
    if let Some(version) = properties.get("PlatformVersion") {
        extra.insert("platformVersion".to_owned(), version.clone());
    }
    if let Some(network) = properties.pointer("/NetworkConfiguration/AwsvpcConfiguration") {
        let part = |key: &str| network.get(key).cloned().unwrap_or_default();
        let network = json!({"awsvpcConfiguration": {"subnets": part("Subnets"),
            "securityGroups": part("SecurityGroups"), "assignPublicIp": part("AssignPublicIp")}});
        extra.insert("networkConfiguration".to_owned(), network);
    }
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: \"arn:aws:ecs:eu-west-1:1:task-definition/web:2\"
        LoadBalancerInfo:
          ContainerName: \"web\"
          ContainerPort: 8080
";

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = Revision::parse(YAML).expect("it is an AppSpec");
        let json = Revision::of("arn:aws:ecs:eu-west-1:1:task-definition/web:2", "web", 8080);
        let read = Revision::parse(&json.content).expect("it is an AppSpec");
        assert_eq!(read, json);
        assert_eq!((yaml.definition, yaml.container, yaml.port), (json.definition, json.container, json.port));
        assert_eq!(yaml.sha256.len(), 64);
    }

    #[test]
    fn what_cannot_be_deployed_says_why() {
        let hooks = format!("{YAML}Hooks:\n  - BeforeAllowTraffic: \"check\"\n");
        let refused = Revision::parse(&hooks).expect_err("there is no Lambda");
        assert!(refused.contains("BeforeAllowTraffic") && refused.contains("no Lambda"), "{refused}");
        for (from, to) in [("ECS::Service", "Lambda::Function"), ("ContainerPort", "Port"), ("Resources", "Things")] {
            assert!(Revision::parse(&YAML.replace(from, to)).is_err(), "{to}");
        }
        assert!(Revision::parse("a: [").is_err());
    }

    #[test]
    fn a_strategy_of_capacity_providers_goes_to_the_task_set() {
        let item =
            "        CapacityProviderStrategy:\n          - CapacityProvider: FARGATE_SPOT\n            Weight: 1\n";
        let read = Revision::parse(&format!("{YAML}{item}")).expect("it is an AppSpec");
        let strategy = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]);
        assert_eq!(read.extra["capacityProviderStrategy"], strategy);
        let refused = Revision::parse(&format!("{YAML}        Colour: blue\n")).expect_err("it would be dropped");
        assert!(refused.contains("Colour"), "{refused}");
    }
}
