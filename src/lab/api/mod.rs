//! The API plane: one port, every protocol, one operation at a time on the account.

mod cloudwatch_alarms;
mod cloudwatch_metrics;
mod control;
mod ecs_definitions;
mod ecs_services;
mod ecs_tags;
mod ecs_tasks;
mod elbv2_actions;
mod elbv2_groups;
mod elbv2_read;
mod elbv2_targets;
mod elbv2_write;
mod operation;
mod prometheus;
mod wire;
mod wire_cbor;
mod wire_json;
mod wire_query;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use self::operation::{Call, Refusal};
use self::wire::{Asked, Protocol, Service};
use super::fault::{self, Mishap};
use super::world::{World, lock};

/// The largest request that is read.
const REQUEST_LIMIT: usize = 4 * 1024 * 1024;
/// A delay never holds an answer longer than this on the wall clock.
const DELAY_LIMIT: Duration = Duration::from_secs(300);

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

type Answer = Response<Full<Bytes>>;

/// Serves the API on a socket until the lab ends.
pub(super) fn serve(listener: TcpListener, world: &Arc<World>) {
    let world = Arc::clone(world);
    let ending = world.ending.clone();
    ending.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let world_here = Arc::clone(&world);
            world.ending.spawn(async move {
                let service = service_fn(|request| answer(&world_here, request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

async fn answer(world: &Arc<World>, request: Request<Incoming>) -> Result<Answer, Lost> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_LIMIT).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if head.uri.path().starts_with(prometheus::PREFIX) {
        return Ok(prometheus::answer(world, &head, &body));
    }
    if head.uri.path().starts_with("/_lab/") {
        return Ok(control::answer(world, &head));
    }
    let id = request_id(world);
    let asked = match wire::read(&head, &body) {
        Ok(asked) => asked,
        Err((protocol, refusal)) => return Ok(wire::refuse(protocol, &refusal, &id)),
    };
    let mishap = {
        let mut die = lock(&world.die);
        let service = asked.service.word();
        fault::cast(&world.config.faults, service, &asked.operation, || die.f64())
    };
    if !mishap.delay.is_zero() {
        let delay = world.config.clock.wall(mishap.delay).min(DELAY_LIMIT);
        tokio::time::sleep(delay).await;
    }
    let outcome = perform(world, &asked, &mishap);
    if mishap.lost {
        return Err(Lost);
    }
    Ok(match outcome {
        Ok(output) => wire::tell(&asked, output, &id),
        Err(refusal) => wire::refuse(asked.protocol, &refusal, &id),
    })
}

/// Performs an operation on the account, or on the account as it was.
fn perform(world: &World, asked: &Asked, mishap: &Mishap) -> operation::Outcome {
    if mishap.throttled {
        return Err(throttled(asked.service));
    }
    if mishap.broken {
        return Err(broken(asked.service));
    }
    let now = world.config.clock.now_ms();
    let reads = ["Describe", "Get", "List"];
    let stale = mishap.stale.filter(|_| reads.iter().any(|r| asked.operation.starts_with(r)));
    let read_at = now - stale.map_or(0, |age| age.as_millis() as u64).min(now);
    let past = stale.and_then(|_| world.as_it_was(read_at));
    let mut account = lock(&world.account);
    let mut copy = past.map(|past| (*past).clone());
    let account = copy.as_mut().unwrap_or(&mut *account);
    let mut past = lock(&world.past);
    let mut store = lock(&world.store);
    if asked.service == Service::CloudWatch {
        world.balancer.flush(&mut store);
    }
    let mut call = Call { account, past: &mut past, store: &mut store, now, read_at, input: &asked.input };
    dispatch(&mut call, asked)
}

fn dispatch(call: &mut Call<'_>, asked: &Asked) -> operation::Outcome {
    let operation = asked.operation.as_str();
    let found = match asked.service {
        Service::Ecs => ecs_services::perform(call, operation)
            .or_else(|| ecs_definitions::perform(call, operation))
            .or_else(|| ecs_tasks::perform(call, operation))
            .or_else(|| ecs_tags::perform(call, operation)),
        Service::Elbv2 => elbv2_read::perform(call, operation)
            .or_else(|| elbv2_write::perform(call, operation))
            .or_else(|| elbv2_groups::perform(call, operation))
            .or_else(|| elbv2_targets::perform(call, operation)),
        Service::CloudWatch => {
            cloudwatch_metrics::perform(call, operation).or_else(|| cloudwatch_alarms::perform(call, operation))
        }
        Service::Sts => (operation == "GetCallerIdentity").then(|| Ok(caller(call))),
    };
    found.unwrap_or_else(|| {
        Err(match asked.protocol {
            Protocol::Query => {
                Refusal::new("InvalidAction", format!("Could not find operation {operation} for this version"))
            }
            _ => Refusal::new(
                "UnknownOperationException",
                format!("The operation {operation} is not one the lab serves"),
            ),
        })
    })
}

fn caller(call: &Call<'_>) -> serde_json::Value {
    let account = &call.account.names.account;
    serde_json::json!({
        "Arn": format!("arn:aws:iam::{account}:user/lab"),
        "UserId": "AIDALABLABLABLABLABLA",
        "Account": account,
    })
}

fn broken(service: Service) -> Refusal {
    let code = match service {
        Service::Ecs => "ServerException",
        Service::CloudWatch => "InternalServiceFault",
        Service::Elbv2 | Service::Sts => "InternalFailure",
    };
    Refusal { status: 500, ..Refusal::new(code, "The service has suffered an internal failure.") }
}

fn throttled(service: Service) -> Refusal {
    let code = match service {
        Service::Elbv2 | Service::Sts => "Throttling",
        _ => "ThrottlingException",
    };
    Refusal::new(code, "Rate exceeded")
}

fn request_id(world: &World) -> String {
    let mut die = lock(&world.die);
    let (a, b) = (die.u64(..), die.u64(..));
    let hex = format!("{a:016x}{b:016x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
