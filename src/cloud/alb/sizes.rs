//! What ECS asks of a task definition beyond the types of its fields: sizes that Fargate has, ports that a task of its own
//! network can have, and the container and port that a load balancer names.

use serde_json::{Map, Value};

use super::known::{Finding, nearest};
use super::text_place::Step;

/// CPU units, and the memory that goes with them in MiB: from, to, in steps of (`Task size` in the ECS developer guide).
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];
/// The one step that 256 units leave out.
const LEFT_OUT: (u32, u32) = (256, 1536);

/// What is wrong beyond types; what has another type than it should is left out.
pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    let requires = document.get("requiresCompatibilities").and_then(Value::as_array);
    if requires.is_some_and(|all| all.iter().any(|one| one == "FARGATE")) {
        found.extend(fargate(document));
    }
    if document.get("networkMode").is_some_and(|mode| mode == "awsvpc") {
        found.extend(own_network(document));
    }
    found.extend(containers(document).filter_map(|(index, container)| image(index, container)));
    let optional = |container: &Value| container["essential"] == false;
    if containers(document).next().is_some() && containers(document).all(|(_, container)| optional(container)) {
        found.push(wrong(&[field("containerDefinitions")], "no container is `essential`: a task needs one".to_owned()));
    }
    found
}

fn wrong(path: &[Step], says: String) -> Finding {
    Finding { path: path.to_vec(), says, is_news: false }
}

fn field(name: &str) -> Step {
    Step::Field(name.to_owned())
}

fn containers(document: &Map<String, Value>) -> impl Iterator<Item = (usize, &Value)> {
    document.get("containerDefinitions").and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn fargate(document: &Map<String, Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    if document.get("networkMode").is_none_or(|mode| mode.is_string() && mode != "awsvpc") {
        found.push(wrong(&[field("networkMode")], "`networkMode` must be `awsvpc` on Fargate".to_owned()));
    }
    for name in ["cpu", "memory"] {
        if !document.contains_key(name) {
            found.push(wrong(&[], format!("Fargate needs `{name}` of the task")));
        }
    }
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let (Some(cpu), Some(memory)) = (text("cpu"), text("memory")) else { return found };
    let (Some(units), Some(mib)) = (amount(cpu, "vcpu"), amount(memory, "gb")) else {
        let (name, is) = if amount(cpu, "vcpu").is_none() { ("cpu", cpu) } else { ("memory", memory) };
        found.push(wrong(&[field(name)], format!("`{name}` is no amount: `{is}`")));
        return found;
    };
    let Some((_, least, most, step)) = SIZES.iter().find(|(of, ..)| *of == units) else {
        let is_news = SIZES.iter().all(|(of, ..)| *of < units);
        let sizes = SIZES.map(|(of, ..)| of.to_string()).join(", ");
        let says = format!("Fargate has no task of {cpu} CPU units, only of {sizes}");
        found.push(Finding { path: vec![field("cpu")], says, is_news });
        return found;
    };
    if mib < *least || mib > *most || mib % step != 0 || (units, mib) == LEFT_OUT {
        let says = format!(
            "Fargate has no task of {cpu} CPU units with {memory} MiB: with these `memory` is from {least} to {most}, in \
             steps of {step}"
        );
        found.push(wrong(&[field("memory")], says));
    }
    found
}

/// Units or MiB, said so or in vCPUs or GB.
fn amount(text: &str, unit: &str) -> Option<u32> {
    let text = text.trim().to_lowercase();
    match text.strip_suffix(unit) {
        Some(number) => {
            let number: f64 = number.trim().parse().ok()?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
            (0.0..=1_000.0).contains(&number).then(|| (number * 1024.0).round() as u32)
        }
        None => text.parse().ok(),
    }
}

/// A task with a network of its own has each container's ports as they are.
fn own_network(document: &Map<String, Value>) -> Vec<Finding> {
    let ports = containers(document).flat_map(|(index, container)| {
        let ports = container["portMappings"].as_array().into_iter().flatten().enumerate();
        ports.map(move |(port, mapping)| (index, port, mapping))
    });
    let differs = |mapping: &Value| {
        let (host, own) = (mapping["hostPort"].as_u64(), mapping["containerPort"].as_u64());
        host.is_some_and(|host| host != 0 && Some(host) != own)
    };
    let told = |(index, port, _): (usize, usize, &Value)| {
        let path = [field("containerDefinitions"), Step::Item(index), field("portMappings"), Step::Item(port)];
        let path = [&path[..], &[field("hostPort")]].concat();
        wrong(&path, "`hostPort` must be as `containerPort`, or left out, where `networkMode` is `awsvpc`".to_owned())
    };
    ports.filter(|(_, _, mapping)| differs(mapping)).map(told).collect()
}

fn image(index: usize, container: &Value) -> Option<Finding> {
    let image = container["image"].as_str()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@#".contains(&byte);
    let path = [field("containerDefinitions"), Step::Item(index), field("image")];
    (!image.bytes().all(allowed)).then(|| wrong(&path, format!("`{image}` is no image: is it still to be filled in?")))
}

/// Why a service whose load balancer names this container and port could not run the document.
pub(super) fn misfit(document: &Map<String, Value>, (container, port): (&str, u16)) -> Option<Finding> {
    let named = |(_, one): &(usize, &Value)| one["name"] == container;
    let Some((index, found)) = containers(document).find(named) else {
        let others: Vec<&str> = containers(document).filter_map(|(_, one)| one["name"].as_str()).collect();
        let near = nearest(container, others.iter().copied()).map(|near| format!("; `{near}` is near"));
        let says = format!(
            "the service's load balancer leads to container `{container}`, and there is only {}{}",
            others.join(", "),
            near.unwrap_or_default()
        );
        return Some(wrong(&[field("containerDefinitions")], says));
    };
    let ports = found["portMappings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |mapping: &Value| {
        let range = mapping["containerPortRange"].as_str().and_then(|range| range.split_once('-'));
        let within = range.is_some_and(|(from, to)| {
            let bounds = (from.trim().parse::<u16>(), to.trim().parse::<u16>());
            matches!(bounds, (Ok(from), Ok(to)) if (from..=to).contains(&port))
        });
        mapping["containerPort"] == port || within
    };
    let path = [field("containerDefinitions"), Step::Item(index), field("portMappings")];
    let says =
        format!("the service's load balancer leads to port {port} of container `{container}`, which does not map it");
    (!ports.iter().any(has)).then(|| wrong(&path, says))
}
