//! The fields of a task definition as RegisterTaskDefinition takes them: a name that is not here is
//! a slip that AWS would pass over in silence.

use serde_json::{Map, Value};

/// Fields that DescribeTaskDefinition tells and RegisterTaskDefinition does not take.
pub(super) const READ_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// One kind of object: its name here, and its fields, each `name` or `name:kind`.
type Shape = (&'static str, &'static str);

const SHAPES: &[Shape] = &[
    (
        "task",
        "family taskRoleArn executionRoleArn networkMode containerDefinitions:container volumes:volume \
         placementConstraints:constraint requiresCompatibilities cpu memory tags:tag pidMode ipcMode \
         proxyConfiguration:proxy inferenceAccelerators:accelerator ephemeralStorage:storage \
         runtimePlatform:platform enableFaultInjection",
    ),
    (
        "container",
        "name image repositoryCredentials:repository cpu memory memoryReservation links portMappings:port essential \
         restartPolicy:restart entryPoint command environment:pair environmentFiles:typed mountPoints:mount \
         volumesFrom:from linuxParameters:linux secrets:secret dependsOn:dependency startTimeout stopTimeout \
         versionConsistency hostname user workingDirectory disableNetworking privileged readonlyRootFilesystem \
         dnsServers dnsSearchDomains extraHosts:host dockerSecurityOptions interactive pseudoTerminal \
         dockerLabels:any ulimits:ulimit logConfiguration:log healthCheck:health systemControls:control \
         resourceRequirements:resource firelensConfiguration:firelens credentialSpecs",
    ),
    ("repository", "credentialsParameter"),
    ("port", "containerPort hostPort protocol name appProtocol containerPortRange"),
    ("restart", "enabled ignoredExitCodes restartAttemptPeriod"),
    ("pair", "name value"),
    ("typed", "value type"),
    ("mount", "sourceVolume containerPath readOnly"),
    ("from", "sourceContainer readOnly"),
    (
        "linux",
        "capabilities:capabilities devices:device initProcessEnabled sharedMemorySize tmpfs:tmpfs maxSwap swappiness",
    ),
    ("capabilities", "add drop"),
    ("device", "hostPath containerPath permissions"),
    ("tmpfs", "containerPath size mountOptions"),
    ("secret", "name valueFrom"),
    ("dependency", "containerName condition"),
    ("host", "hostname ipAddress"),
    ("ulimit", "name softLimit hardLimit"),
    ("log", "logDriver options:any secretOptions:secret"),
    ("health", "command interval timeout retries startPeriod"),
    ("control", "namespace value"),
    ("resource", "value type sharingStrategy"),
    ("firelens", "type options:any"),
    (
        "volume",
        "name host:source dockerVolumeConfiguration:docker efsVolumeConfiguration:efs \
         s3filesVolumeConfiguration:s3files fsxWindowsFileServerVolumeConfiguration:fsx configuredAtLaunch",
    ),
    ("source", "sourcePath"),
    ("docker", "scope autoprovision driver driverOpts:any labels:any"),
    ("efs", "fileSystemId rootDirectory transitEncryption transitEncryptionPort authorizationConfig:access"),
    ("access", "accessPointId iam"),
    ("s3files", "fileSystemArn rootDirectory transitEncryptionPort accessPointArn"),
    ("fsx", "fileSystemId rootDirectory authorizationConfig:domain"),
    ("domain", "credentialsParameter domain"),
    ("constraint", "type expression"),
    ("tag", "key value"),
    ("proxy", "type containerName properties:pair"),
    ("accelerator", "deviceName deviceType"),
    ("storage", "sizeInGiB"),
    ("platform", "cpuArchitecture operatingSystemFamily"),
];

/// One line for each field of `document` that is not known, with what is known in its place.
pub(super) fn problems(document: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    check("task", "", document, &mut found);
    found
}

fn check(kind: &str, path: &str, object: &Map<String, Value>, found: &mut Vec<String>) {
    let fields = SHAPES.iter().find(|(name, _)| *name == kind).map_or("", |(_, fields)| *fields);
    let known: Vec<(&str, Option<&str>)> = fields
        .split_whitespace()
        .map(|field| field.split_once(':').map_or((field, None), |(name, inner)| (name, Some(inner))))
        .collect();
    for (name, value) in object {
        let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match known.iter().find(|(field, _)| field == name) {
            None => found.push(unknown(&here, name, &known)),
            Some((_, Some(inner))) if *inner != "any" => descend(inner, &here, value, found),
            Some(_) => {}
        }
    }
}

fn descend(kind: &str, path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => check(kind, path, object, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match item {
                    Value::Object(object) => check(kind, &format!("{path}[{index}]"), object, found),
                    _ => found.push(format!("`{path}[{index}]` is not an object")),
                }
            }
        }
        _ => found.push(format!("`{path}` is neither an object nor a list of them")),
    }
}

fn unknown(path: &str, name: &str, known: &[(&str, Option<&str>)]) -> String {
    let names: Vec<&str> = known.iter().map(|(field, _)| *field).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("unknown field `{path}`; did you mean `{near}`? Known are {}", names.join(", ")),
        None => format!("unknown field `{path}`; known are {}", names.join(", ")),
    }
}

/// The candidate that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &'a str| (strsim::jaro_winkler(name, candidate), candidate);
    let best = candidates.into_iter().map(near).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, candidate)| candidate)
}
