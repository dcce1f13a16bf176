//! The lab's own controls: what the clients saw, what there is, the rate, the behaviour.

use std::borrow::Cow;
use std::sync::PoisonError;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};

use crate::account::{Account, Phase, StopCause, Suspended};
use crate::behaviour::{Behaviour, parse_duration};
use crate::clock::LabClock;
use crate::fault::ApiFault;
use crate::lock::lock;
use crate::model;
use crate::notices::{Calendar, Message, name_of};
use crate::outage::Outage;
use crate::value::date;
use crate::world::World;

/// Answers a request below `/_lab/`.
pub(super) fn answer(world: &World, head: &Parts) -> Response<Full<Bytes>> {
    let query = head.uri.query().unwrap_or_default();
    let parameter = |name: &str| -> Option<Cow<'_, str>> {
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, v)| v)
    };
    let done = match (&head.method, head.uri.path()) {
        (&Method::GET, "/_lab/traffic") => {
            serde_json::to_value(world.traffic.report()).map_err(|error| error.to_string())
        }
        (&Method::GET, "/_lab/clock") => Ok(time(&world.config.clock)),
        (&Method::GET, "/_lab/operations") => Ok(operations()),
        (&Method::GET, "/_lab/state") => Ok(state(world)),
        (&Method::POST, "/_lab/rps") => set_rps(world, parameter("value")),
        (&Method::POST, "/_lab/behaviour") => set_behaviour(world, parameter("task-definition"), parameter("value")),
        (&Method::POST, "/_lab/outage") => set_outage(world, parameter("value").as_deref()),
        (&Method::GET, "/_lab/published") => Ok(published(world)),
        (&Method::POST, "/_lab/calendar") => {
            set_calendar(world, parameter("name").as_deref(), parameter("value").as_deref())
        }
        (&Method::POST, "/_lab/interrupt") => Ok(interrupt(world)),
        (&Method::POST, "/_lab/faults") => set_faults(world, parameter("value").as_deref()),
        _ => {
            let controls = "GET /_lab/traffic, GET /_lab/state, GET /_lab/clock, GET /_lab/published, GET /_lab/operations, \
                POST /_lab/calendar?name=&value=open or closed or closed:2h, POST /_lab/rps?value=, \
                POST /_lab/behaviour?value=[&task-definition=], POST /_lab/outage?value=errors=20%25@0s:2m or over, \
                POST /_lab/interrupt (all Spot tasks), POST /_lab/faults?value=throttle=30%25,error=5%25 or none";
            return respond(404, &json!({"error": format!("the controls are {controls}")}));
        }
    };
    match done {
        Ok(value) => respond(200, &value),
        Err(error) => respond(400, &json!({"error": error})),
    }
}

fn respond(status: u16, value: &Value) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(format!("{value}\n"))))
        .unwrap_or_default()
}

fn set_rps(world: &World, value: Option<Cow<'_, str>>) -> Result<Value, String> {
    let rps: f64 = value.and_then(|value| value.parse().ok()).ok_or("value= takes a number")?;
    world.traffic.set_rps(rps);
    Ok(json!({"rps": world.traffic.rps()}))
}

/// What the lab serves, by service, and the version of botocore whose models it is held against.
fn operations() -> Value {
    let mut served = json!({});
    for (service, operation) in model::operations() {
        served[service][operation] = json!({"botocore": model::Model::of(service).botocore});
    }
    served
}

/// Dials in an outage that starts so long after this moment, or ends all of them.
fn set_outage(world: &World, value: Option<&str>) -> Result<Value, String> {
    match value.unwrap_or_default() {
        "over" => world.outages.clear(),
        words => {
            let outage = words.parse::<Outage>().map_err(|error| error.to_string())?;
            world.outages.add(&outage, world.config.clock.now_ms());
        }
    }
    Ok(json!({"outages": outages(world)}))
}

/// Takes the capacity of all Spot tasks back, as AWS does when it needs it.
fn interrupt(world: &World) -> Value {
    let mut account = lock(&world.account);
    let spot = account.tasks.values_mut().filter(|task| task.provider.as_deref() == Some("FARGATE_SPOT"));
    let mut interrupted = Vec::new();
    for task in spot.filter(|task| task.is_wanted) {
        task.is_wanted = false;
        let reason = "Your Spot Task was interrupted.".to_owned();
        task.stop = Some(StopCause { code: "SpotInterruption", reason, exit_code: 143 });
        interrupted.push(task.id.clone());
    }
    json!({"interrupted": interrupted})
}

/// Dials in the trouble of the API, in place of what was dialled in before.
fn set_faults(world: &World, value: Option<&str>) -> Result<Value, String> {
    let words = value.unwrap_or_default();
    let parsed: Result<Vec<ApiFault>, _> = match words {
        "none" => Ok(Vec::new()),
        words => words.split(',').map(str::parse).collect(),
    };
    let faults = parsed.map_err(|error| error.to_string())?;
    *world.faults.write().unwrap_or_else(PoisonError::into_inner) = faults;
    Ok(json!({"faults": words}))
}

/// Sets a change calendar: `open`, `closed`, and with a length after a colon until then.
fn set_calendar(world: &World, name: Option<&str>, value: Option<&str>) -> Result<Value, String> {
    let name = name.filter(|name| !name.is_empty()).ok_or("name= takes a calendar")?;
    let value = value.unwrap_or_default();
    let (state, length) = value.split_once(':').unwrap_or((value, ""));
    let open = match state {
        "open" => true,
        "closed" => false,
        _ => return Err("value= takes open, closed or closed:2h".to_owned()),
    };
    let length = if length.is_empty() {
        None
    } else {
        Some(parse_duration(length).ok_or_else(|| format!("{length} is no time"))?)
    };
    let until = length.map(|length| world.config.clock.now_ms() + length.as_millis() as u64);
    lock(&world.notices).calendars.insert(name_of(name).to_owned(), Calendar { open, until });
    Ok(json!({"calendar": name, "open": open, "until": until.map(date)}))
}

/// What was published, by topic.
fn published(world: &World) -> Value {
    let one = |message: &Message| json!({"id": message.id, "at": date(message.at), "subject": message.subject, "text": message.text});
    let notices = lock(&world.notices);
    let topics = notices.topics.iter().map(|(arn, all)| (arn.clone(), all.iter().map(one).collect()));
    Value::Object(topics.collect())
}

fn outages(world: &World) -> Value {
    let one =
        |(from, until, words): (u64, u64, String)| json!({"from": date(from), "until": date(until), "what": words});
    Value::Array(world.outages.told().into_iter().map(one).collect())
}

/// Changes how one task definition behaves, its running tasks too, or all that are yet to come.
fn set_behaviour(
    world: &World,
    definition: Option<Cow<'_, str>>,
    value: Option<Cow<'_, str>>,
) -> Result<Value, String> {
    let behaviour: Behaviour = value.unwrap_or_default().parse().map_err(|error| format!("{error}"))?;
    let mut account = lock(&world.account);
    let Some(name) = definition else {
        account.candidate = behaviour;
        return Ok(json!({"behaviour": account.candidate.to_string()}));
    };
    let arn = account.definition(&name).map(|one| one.arn.clone());
    let arn = arn.ok_or_else(|| format!("there is no task definition {name}"))?;
    for one in account.definitions.iter_mut().filter(|one| one.arn == arn) {
        one.behaviour = behaviour.clone();
    }
    for task in account.tasks.values_mut().filter(|task| task.definition == arn) {
        task.behaviour = behaviour.clone();
    }
    lock(&world.containers).behave(&arn, &behaviour);
    Ok(json!({"taskDefinition": arn, "behaviour": behaviour.to_string()}))
}

fn time(clock: &LabClock) -> Value {
    json!({"now": date(clock.now_ms()), "speed": clock.speed()})
}

fn state(world: &World) -> Value {
    let account = lock(&world.account);
    let clock = &world.config.clock;
    let connections: serde_json::Map<String, Value> =
        world.balancer.connections().into_iter().map(|(name, address)| (name, json!(address.to_string()))).collect();
    json!({
        "now": date(clock.now_ms()),
        "anchor_unix_ms": clock.began_ms(),
        "speed": clock.speed(),
        "rps": world.traffic.rps(),
        "connections": connections,
        "outages": outages(world),
        "writes": lock(&world.writes).clone(),
        "rules": rules(&account),
        "sticky": sticky(&account),
        "schedules": account.schedules.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        "suspended": suspended(&account),
        "services": services(&account),
        "target_groups": groups(&account),
        "alarms": account.alarms.iter().map(|alarm| (alarm.name.clone(), json!(alarm.state.word())))
            .collect::<serde_json::Map<_, _>>(),
    })
}

/// The weights of each rule that forwards, by its ARN and the groups' names; what the API says may be late or lost.
fn rules(account: &Account) -> Value {
    let name =
        |arn: &str| account.groups.iter().find(|group| group.arn == arn).map_or(arn, |group| &group.name).to_owned();
    let weights = |action: &Value| -> serde_json::Map<String, Value> {
        let tuples = action["ForwardConfig"]["TargetGroups"].as_array().cloned().unwrap_or_default();
        let one = |tuple: &Value| Some((name(tuple["TargetGroupArn"].as_str()?), tuple["Weight"].clone()));
        tuples.iter().filter_map(one).collect()
    };
    let rule = |rule: &crate::account::Rule| {
        (rule.arn.clone(), Value::Object(rule.actions.iter().flat_map(weights).collect()))
    };
    Value::Object(account.rules.iter().map(rule).collect())
}

/// Whether each rule is sticky, by its ARN.
fn sticky(account: &Account) -> Value {
    let is_sticky = |action: &Value| action["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"] == true;
    let rules = account.rules.iter();
    Value::Object(rules.map(|rule| (rule.arn.clone(), json!(rule.actions.iter().any(is_sticky)))).collect())
}

/// The services for which any kind of scaling is suspended.
fn suspended(account: &Account) -> Vec<&str> {
    let targets = account.scalable_targets.iter();
    targets.filter(|one| one.suspended != Suspended::default()).map(|one| one.resource.as_str()).collect()
}

fn services(account: &Account) -> Value {
    let one = |service: &crate::account::Service| {
        let tasks = account.tasks.values().filter(|task| task.service == service.arn);
        let tasks: Vec<Value> = tasks
            .filter(|task| task.phase != Phase::Stopped)
            .map(|task| {
                json!({"id": task.id, "status": task.phase.word(), "address": task.address,
                    "loopback": task.loopback.map(|address| address.to_string()),
                    "behaviour": task.behaviour.to_string()})
            })
            .collect();
        (
            service.name.clone(),
            json!({"desired": service.desired,
            "task_definition": service.definition, "tasks": tasks}),
        )
    };
    Value::Object(account.services.iter().map(one).collect())
}

fn groups(account: &Account) -> Value {
    let one = |group: &crate::account::TargetGroup| {
        let targets =
            group.targets.iter().map(|target| (format!("{}:{}", target.id, target.port), json!(target.state.word())));
        (group.name.clone(), Value::Object(targets.collect()))
    };
    Value::Object(account.groups.iter().map(one).collect())
}
