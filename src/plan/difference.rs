//! What differs between two task definitions, so that a reader sees what is released and nothing that ECS filled in;
//! what may be a secret is told of and not shown.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One part that differs: where it is, and what it holds in words fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its place: `app.environment.LOG_LEVEL`.
    pub part: String,
    /// What is live; `None` where it is not there.
    pub live: Option<String>,
    /// What is released; `None` where it is not there.
    pub released: Option<String>,
}

/// Whether values are shown that may be secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Those of environment variables, commands, labels, options and all that is not known to be harmless are not.
    Masked,
    /// A person asked for them.
    Shown,
}

/// Fields whose values say what runs and how, and are no place for a secret. What is not here is masked.
const HARMLESS: [&str; 44] = [
    "name",
    "awslogs-group",
    "awslogs-region",
    "awslogs-stream-prefix",
    "image",
    "cpu",
    "memory",
    "memoryReservation",
    "essential",
    "containerPort",
    "hostPort",
    "protocol",
    "appProtocol",
    "networkMode",
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "requiresCompatibilities",
    "cpuArchitecture",
    "operatingSystemFamily",
    "sizeInGiB",
    "stopTimeout",
    "startTimeout",
    "readonlyRootFilesystem",
    "privileged",
    "user",
    "interval",
    "timeout",
    "retries",
    "startPeriod",
    "logDriver",
    "valueFrom",
    "softLimit",
    "hardLimit",
    "condition",
    "readOnly",
    "sourceVolume",
    "containerPath",
    "pidMode",
    "ipcMode",
    "fileSystemId",
    "initProcessEnabled",
    "enableFaultInjection",
    "versionConsistency",
];

/// What a container or a task has when nothing is said, by the field's place below its container; from the API
/// reference of RegisterTaskDefinition, and what DescribeTaskDefinition answers for what was left out.
const USUAL: [(&str, &str); 9] = [
    ("cpu", "0"),
    ("essential", "true"),
    ("protocol", "tcp"),
    ("interval", "30"),
    ("timeout", "5"),
    ("retries", "3"),
    ("startPeriod", "0"),
    ("readOnly", "false"),
    ("enableFaultInjection", "false"),
];

/// What is said of an item that is told by its key alone.
const THERE: &str = "there";

/// By which field the items of a list are told apart; their order says nothing.
const KEYS: [&str; 5] = ["containerPort", "name", "containerName", "containerPath", "key"];

/// What differs between the definition that serves and the one that is released, in the order of their places. Both
/// are as RegisterTaskDefinition takes them.
pub fn differences(live: &Map<String, Value>, released: &Map<String, Value>, values: Values) -> Vec<Difference> {
    let (live, released) = (leaves(live), leaves(released));
    let parts: std::collections::BTreeSet<&String> = live.keys().chain(released.keys()).collect();
    let differ = parts.into_iter().filter(|part| live.get(*part) != released.get(*part));
    let shown = |leaf: Option<&Leaf>| leaf.map(|leaf| leaf.shown(values));
    differ
        .map(|part| Difference { part: part.clone(), live: shown(live.get(part)), released: shown(released.get(part)) })
        .collect()
}

/// A value at the end of its path.
#[derive(Debug, PartialEq)]
struct Leaf {
    field: String,
    text: String,
}

impl Leaf {
    fn shown(&self, values: Values) -> String {
        let harmless = values == Values::Shown || self.text == THERE || HARMLESS.contains(&self.field.as_str());
        if harmless { self.text.clone() } else { "(not shown)".to_owned() }
    }
}

fn leaves(definition: &Map<String, Value>) -> BTreeMap<String, Leaf> {
    let mut found = BTreeMap::new();
    for (field, value) in definition {
        match (field.as_str(), value) {
            ("containerDefinitions", Value::Array(containers)) => items(containers, "", field, &mut found),
            // `1 vCPU` and `1024` are the same.
            ("cpu" | "memory", value) => {
                if let Some(text) = size_of(field, value) {
                    found.insert(field.clone(), Leaf { field: field.clone(), text });
                }
            }
            _ => leaf(value, field, field, &mut found),
        }
    }
    // The host's port is the container's where tasks have addresses of their own.
    if definition.get("networkMode").and_then(Value::as_str) == Some("awsvpc") {
        found.retain(|_, leaf| leaf.field != "hostPort");
    }
    found
}

fn leaf(value: &Value, path: &str, field: &str, found: &mut BTreeMap<String, Leaf>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                leaf(value, &format!("{path}.{name}"), name, found);
            }
        }
        Value::Array(items_) if items_.iter().all(Value::is_object) => items(items_, path, field, found),
        Value::String(text) => insert(path, field, text.clone(), found),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => insert(path, field, value.to_string(), found),
    }
}

/// The items of a list, each by what tells it from the others.
fn items(list: &[Value], path: &str, field: &str, found: &mut BTreeMap<String, Leaf>) {
    for (n, item) in list.iter().enumerate() {
        let Some(fields) = item.as_object() else { continue };
        let key = KEYS.iter().find_map(|key| Some((*key, fields.get(*key)?)));
        let name = key.map_or(n.to_string(), |(_, name)| name.as_str().map_or(name.to_string(), str::to_owned));
        let place = if path.is_empty() { name } else { format!("{path}.{name}") };
        let rest: Vec<_> = fields.iter().filter(|(name, _)| key.is_none_or(|(key, _)| key != *name)).collect();
        // An environment variable is its value.
        if let [(name, value)] = rest.as_slice()
            && ["value", "valueFrom"].contains(&name.as_str())
        {
            leaf(value, &place, name, found);
            continue;
        }
        // What may hold nothing but what is usual is seen to be there, or not.
        if key.is_some() && field != "containerDefinitions" {
            insert(&place, field, THERE.to_owned(), found);
        }
        for (name, value) in rest {
            leaf(value, &format!("{place}.{name}"), name, found);
        }
    }
}

fn insert(path: &str, field: &str, text: String, found: &mut BTreeMap<String, Leaf>) {
    let usual = text == "[]" || USUAL.contains(&(field, text.as_str()));
    // A container that is there says so by its image; what is usual needs no word.
    if !usual {
        found.insert(path.to_owned(), Leaf { field: field.to_owned(), text });
    }
}

/// A task's `cpu` or `memory` as people say it, the same for every way of writing it.
fn size_of(field: &str, value: &Value) -> Option<String> {
    let thousands = units(value)? / 1024.0;
    Some(if field == "cpu" { format!("{thousands} vCPU") } else { format!("{thousands} GiB") })
}

/// A number of CPU units or MiB: `1024`, `"1024"`, `"1 vCPU"`, `"2 GB"`, of which ECS takes all.
pub(super) fn units(value: &Value) -> Option<f64> {
    let text = match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let thousands = text.strip_suffix("vcpu").or_else(|| text.strip_suffix("gb"));
    let number = match thousands {
        Some(number) => number.trim().parse::<f64>().ok()? * 1024.0,
        None => text.parse().ok()?,
    };
    Some(number).filter(|number| number.is_finite() && *number > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(live: &Value, released: &Value, values: Values) -> Vec<String> {
        let found = differences(live.as_object().unwrap(), released.as_object().unwrap(), values);
        let side = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
        found.into_iter().map(|one| format!("{}: {} > {}", one.part, side(one.live), side(one.released))).collect()
    }

    #[test]
    fn what_ecs_fills_in_is_no_difference() {
        let live = json!({ "family": "web", "cpu": "1024", "memory": "2048", "networkMode": "awsvpc", "volumes": [],
            "placementConstraints": [], "containerDefinitions": [{ "name": "app", "image": "web:1", "cpu": 0,
            "essential": true, "environment": [{ "name": "B", "value": "2" }, { "name": "A", "value": "1" }],
            "portMappings": [{ "containerPort": 80, "hostPort": 80, "protocol": "tcp" }], "mountPoints": [],
            "healthCheck": { "command": ["true"], "interval": 30, "timeout": 5, "retries": 3 } }] });
        let said = json!({ "family": "web", "cpu": "1 vCPU", "memory": "2 GB", "networkMode": "awsvpc",
            "containerDefinitions": [{ "name": "app", "image": "web:1",
            "environment": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
            "portMappings": [{ "containerPort": 80 }], "healthCheck": { "command": ["true"] } }] });
        assert!(told(&live, &said, Values::Shown).is_empty(), "{:?}", told(&live, &said, Values::Shown));
    }

    #[test]
    fn a_value_that_may_be_a_secret_is_told_of_and_not_shown() {
        let one = |image: &str, password: &str, option: &str| {
            json!({ "family": "web", "containerDefinitions": [{ "name": "app", "image": image,
                "command": ["serve", format!("--key={password}")],
                "environment": [{ "name": "PASSWORD", "value": password }],
                "dockerLabels": { "token": password },
                "secrets": [{ "name": "DB", "valueFrom": format!("arn:{option}") }],
                "logConfiguration": { "logDriver": "splunk", "options": { "splunk-token": password } } }] })
        };
        let (live, released) = (one("web:1", "hunter2", "a"), one("web:2", "hunter3", "b"));
        let masked = told(&live, &released, Values::Masked);
        assert_eq!(
            masked,
            [
                "app.command: (not shown) > (not shown)",
                "app.dockerLabels.token: (not shown) > (not shown)",
                "app.environment.PASSWORD: (not shown) > (not shown)",
                "app.image: web:1 > web:2",
                "app.logConfiguration.options.splunk-token: (not shown) > (not shown)",
                "app.secrets.DB: arn:a > arn:b",
            ]
        );
        assert!(!masked.concat().contains("hunter"));
        let shown = told(&live, &released, Values::Shown);
        assert!(shown.contains(&"app.environment.PASSWORD: hunter2 > hunter3".to_owned()), "{shown:?}");
    }

    #[test]
    fn what_comes_and_what_goes_is_told() {
        let live = json!({ "cpu": "256", "containerDefinitions": [{ "name": "app", "image": "a" }] });
        let released = json!({ "cpu": "512", "containerDefinitions": [{ "name": "app", "image": "a",
            "environment": [{ "name": "NEW", "value": "" }] }, { "name": "proxy", "image": "b", "essential": false }] });
        assert_eq!(
            told(&live, &released, Values::Masked),
            [
                "app.environment.NEW: - > (not shown)",
                "cpu: 0.25 vCPU > 0.5 vCPU",
                "proxy.essential: - > false",
                "proxy.image: - > b",
            ]
        );
    }
}
