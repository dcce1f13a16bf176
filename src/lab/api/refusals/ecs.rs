//! Amazon ECS.

use serde_json::Value;

use super::{Row, Subject, reserved, when};
use crate::value::{list, text, texts, whole};

/// CPU units of Fargate, each with the least and the most memory in MiB and the step between (ECS developer guide,
/// "Task size").
const SIZES: [(i64, i64, i64, i64); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];
/// The least memory of a container, in MiB (API reference, `ContainerDefinition`: what Docker of today reserves).
const LEAST_MEMORY: i64 = 6;
/// The longest name of a service.
const NAME_LIMIT: usize = 255;

const CLIENT: &str = "ClientException";
const INVALID: &str = "InvalidParameterException";

pub(super) const DEFINITIONS: &[Row] = &[
    Row {
        operations: &["RegisterTaskDefinition"],
        code: CLIENT,
        message: "No Fargate configuration exists for given values: {}.",
        found: |it| {
            let (Some(cpu), Some(memory)) = (text(it.input, "cpu"), text(it.input, "memory")) else { return None };
            let fits = |(cpus, least, most, step): &(i64, i64, i64, i64)| {
                let fits = |memory: i64| (*least..=*most).contains(&memory) && memory % step == 0;
                units(cpu, "vcpu") == Some(*cpus) && units(memory, "gb").is_some_and(fits)
            };
            let is_wrong = is_fargate(it.input) && !SIZES.iter().any(fits);
            is_wrong.then(|| format!("{cpu} CPU, {memory} memory"))
        },
    },
    Row {
        operations: &["RegisterTaskDefinition"],
        code: CLIENT,
        message: "Invalid setting for container '{}'. The memory of a container must be at least 6 MiB and at most \
                  the memory of the task.",
        found: |it| {
            let most = text(it.input, "memory").and_then(|memory| units(memory, "gb")).unwrap_or(i64::MAX);
            container(it, |one| {
                let memory = whole(one, "memory").or_else(|| whole(one, "memoryReservation"));
                memory.is_some_and(|memory| !(LEAST_MEMORY..=most).contains(&memory))
            })
        },
    },
    Row {
        operations: &["RegisterTaskDefinition"],
        code: CLIENT,
        message: "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        found: |it| {
            let differs = |port: &Value| {
                let host = whole(port, "hostPort").filter(|host| *host != 0);
                host.is_some_and(|host| Some(host) != whole(port, "containerPort"))
            };
            let is_wrong = text(it.input, "networkMode") == Some("awsvpc")
                && container(it, |one| list(one, "portMappings").iter().any(differs)).is_some();
            when(is_wrong)
        },
    },
    Row {
        operations: &["RegisterTaskDefinition"],
        code: CLIENT,
        message: "Invalid setting for container '{}'. A container that it depends on does not exist.",
        found: |it| {
            let is_there = |name: &str| list(it.input, "containerDefinitions").iter().any(|one| is_named(one, name));
            container(it, |one| {
                let mut needed = list(one, "dependsOn").iter().filter_map(|one| text(one, "containerName"));
                !needed.all(is_there)
            })
        },
    },
    Row {
        operations: &["RegisterTaskDefinition"],
        code: CLIENT,
        message: "Unknown volume in the mount points of container '{}'.",
        found: |it| {
            let is_there = |name: &str| list(it.input, "volumes").iter().any(|one| is_named(one, name));
            container(it, |one| {
                let mut needed = list(one, "mountPoints").iter().filter_map(|one| text(one, "sourceVolume"));
                !needed.all(is_there)
            })
        },
    },
    Row {
        operations: &["RegisterTaskDefinition"],
        code: CLIENT,
        message: "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        found: |it| {
            let has_role = text(it.input, "executionRoleArn").is_some();
            when(!has_role && container(it, |one| !list(one, "secrets").is_empty()).is_some())
        },
    },
];

pub(super) const SERVICES: &[Row] = &[
    Row {
        operations: &["CreateService", "CreateTaskSet"],
        code: INVALID,
        message: "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try \
                  again.",
        found: |it| {
            when(text(it.input, "launchType").is_some() && !list(it.input, "capacityProviderStrategy").is_empty())
        },
    },
    Row {
        operations: &["CreateService"],
        code: INVALID,
        message: "Invalid service name '{}'. A name has up to 255 letters, numbers, underscores and hyphens.",
        found: |it| {
            let name = text(it.input, "serviceName")?;
            let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (name.len() > NAME_LIMIT || !name.chars().all(is_fine)).then(|| name.to_owned())
        },
    },
    Row {
        operations: &["CreateService", "CreateTaskSet"],
        code: INVALID,
        message: "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        found: |it| {
            let definition = it.account.definition(text(it.input, "taskDefinition")?)?;
            let is_awsvpc = definition.body.get("networkMode").and_then(Value::as_str) == Some("awsvpc");
            when(is_awsvpc && it.input.get("networkConfiguration").is_none_or(Value::is_null))
        },
    },
    Row {
        operations: &["CreateService", "UpdateService"],
        code: INVALID,
        message: "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        found: |it| {
            let given = it.input.get("deploymentConfiguration")?;
            let is_whole = |key: &str| whole(given, key) == Some(100);
            when(is_whole("maximumPercent") && is_whole("minimumHealthyPercent"))
        },
    },
    Row {
        operations: &["CreateService", "UpdateService", "CreateTaskSet"],
        code: INVALID,
        message: "{}",
        found: unserved_place,
    },
];

pub(super) const TAGS: &[Row] = &[Row {
    operations: &["CreateCluster", "CreateService", "CreateTaskSet", "RegisterTaskDefinition", "TagResource"],
    code: INVALID,
    message: "Tag keys cannot begin with 'aws:', as '{}' does: such tags are for AWS's own use.",
    found: |it| reserved(list(it.input, "tags"), "key"),
}];

fn is_fargate(input: &Value) -> bool {
    texts(input, "requiresCompatibilities").contains(&"FARGATE")
}

/// `512`, `.5 vCPU` or `1 GB` in the small unit.
fn units(word: &str, large: &str) -> Option<i64> {
    let word = word.trim().to_ascii_lowercase();
    match word.strip_suffix(large) {
        Some(number) => number.trim().parse::<f64>().ok().map(|number| (number * 1_024.0) as i64),
        None => word.parse().ok(),
    }
}

fn is_named(one: &Value, name: &str) -> bool {
    text(one, "name") == Some(name)
}

/// The name of the first container of which something is true.
fn container(it: &Subject<'_>, is_so: impl Fn(&Value) -> bool) -> Option<String> {
    let found = list(it.input, "containerDefinitions").iter().find(|one| is_so(one))?;
    Some(text(found, "name").unwrap_or_default().to_owned())
}

/// A place behind a load balancer whose container, or whose port, the release does not have: the one that is given, or
/// the service's own.
fn unserved_place(it: &Subject<'_>) -> Option<String> {
    let cluster = it.account.cluster(text(it.input, "cluster"))?;
    let name = text(it.input, "service").unwrap_or_default();
    let service = it.account.service(&cluster.arn, name);
    let release = text(it.input, "taskDefinition").or_else(|| Some(service?.definition.as_str()))?;
    let definition = it.account.definition(release)?;
    let given = list(it.input, "loadBalancers")
        .iter()
        .filter_map(|place| Some((text(place, "containerName")?.to_owned(), whole(place, "containerPort")?)));
    let mut places: Vec<(String, i64)> = given.collect();
    if it.input.get("loadBalancers").is_none() {
        let own = service.map_or(&[][..], |service| &service.attachments);
        places = own.iter().map(|place| (place.container.clone(), place.port.into())).collect();
    }
    let containers = definition.body.get("containerDefinitions").and_then(Value::as_array)?;
    places.into_iter().find_map(|(name, port)| {
        let Some(container) = containers.iter().find(|one| is_named(one, &name)) else {
            return Some(format!("The container {name} does not exist in the task definition."));
        };
        let mut ports = list(container, "portMappings").iter().filter_map(|one| whole(one, "containerPort"));
        (!ports.any(|one| one == port))
            .then(|| format!("The container {name} did not have a container port {port} defined."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_units() {
        assert_eq!(
            ["256", ".25 vCPU", "1vcpu", "x"].map(|word| units(word, "vcpu")),
            [Some(256), Some(256), Some(1_024), None]
        );
        assert_eq!(["512", "0.5GB", "1 GB"].map(|word| units(word, "gb")), [Some(512), Some(512), Some(1_024)]);
    }
}
