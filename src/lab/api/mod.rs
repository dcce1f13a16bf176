//! The API plane: one port, every protocol, one operation at a time on the account.

mod autoscaling;
mod chunked;
mod cloudwatch_alarms;
mod cloudwatch_metrics;
mod codedeploy;
mod codedeploy_common;
mod codedeploy_configs;
mod codedeploy_deployments;
mod codedeploy_groups;
mod codedeploy_targets;
mod contract;
mod control;
mod ecs_attachments;
mod ecs_common;
mod ecs_definitions;
mod ecs_deployments;
mod ecs_services;
mod ecs_tags;
mod ecs_task_sets;
mod ecs_tasks;
mod elbv2_actions;
mod elbv2_common;
mod elbv2_groups;
mod elbv2_read;
mod elbv2_targets;
mod elbv2_write;
mod iam;
mod operation;
mod permission;
mod prometheus;
mod refusals;
mod s3;
mod s3_common;
mod s3_list;
mod schedules;
mod skew;
mod sns;
mod ssm;
mod sts;
mod wire;
mod wire_call;
mod wire_cbor;
mod wire_json;
mod wire_query;
mod wire_rest;
mod wire_s3;
mod wire_text;

use std::io::Read;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use self::operation::{Call, Output, Refusal};
use self::wire_call::{ApiRequest, Protocol, Service};
use super::fault::{self, Mishap};
use super::keys::Key;
use super::lock::lock;
use super::timetable::{Attempt, Finding};
use super::world::World;

/// The largest request that is read.
const REQUEST_LIMIT: usize = 4 * 1024 * 1024;
/// How the names of operations begin that change nothing.
const READS: [&str; 6] = ["BatchGet", "Describe", "Get", "Head", "List", "Simulate"];
/// A delay never holds an answer longer than this on the wall clock.
const DELAY_LIMIT: Duration = Duration::from_secs(300);

/// What most services say when they fail.
const INTERNAL: &str = "The service has suffered an internal failure.";

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

type HttpAnswer = Response<Full<Bytes>>;

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

async fn answer(world: &Arc<World>, request: Request<Incoming>) -> Result<HttpAnswer, Lost> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_LIMIT).collect().await;
    // What was cut off must not pass for a whole request, least of all for an object.
    let Ok(body) = body.map(http_body_util::Collected::to_bytes) else { return Ok(too_large()) };
    if head.uri.path().starts_with(prometheus::PREFIX) {
        return Ok(prometheus::answer(world, &head, &body));
    }
    if head.uri.path().starts_with("/_lab/") {
        return Ok(control::answer(world, &head));
    }
    let id = request_id(world);
    let Some(body) = inflated(&head, body) else { return Ok(too_large()) };
    let asked = match wire::read(&head, &body) {
        Ok(asked) => asked,
        Err((protocol, refusal)) => return Ok(wire::refuse(protocol, &refusal, &id)),
    };
    let apart = fault::apart(&world.faults.read().unwrap_or_else(PoisonError::into_inner)).map(skew::time);
    let outcome = match apart.and_then(|now| skew::refusal(&head, &asked, now)) {
        Some(refusal) => Err(refusal),
        None => undergo(world, &asked).await.ok_or(Lost)?,
    };
    let mut answer = match outcome {
        Ok(output) => wire::tell(&asked, output, &id),
        Err(refusal) => wire::refuse(asked.protocol, &refusal, &id),
    };
    if let Some(now) = apart {
        skew::date(&mut answer, now);
    }
    Ok(answer)
}

/// The body as it was before a client compressed it, which AWS's do above some 10 KB. An object of S3 is kept as it
/// came; nothing is what is no gzip, or too large.
fn inflated(head: &Parts, body: Bytes) -> Option<Bytes> {
    let is_packed = head.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
    if !is_packed || wire_rest::service(head) == Some(Service::S3) {
        return Some(body);
    }
    let mut whole = Vec::new();
    let read = GzDecoder::new(body.as_ref()).take(REQUEST_LIMIT as u64 + 1).read_to_end(&mut whole);
    (read.is_ok() && whole.len() <= REQUEST_LIMIT).then(|| whole.into())
}

/// Performs an operation with what the faults make of it; nothing when its answer is lost.
async fn undergo(world: &World, asked: &ApiRequest) -> Option<Result<Output, Refusal>> {
    let mishap = {
        let mut die = lock(&world.die);
        let faults = world.faults.read().unwrap_or_else(PoisonError::into_inner);
        fault::cast(&faults, asked.service.word(), &asked.operation, || die.f64())
    };
    if !mishap.delay.is_zero() {
        let delay = world.config.clock.wall(mishap.delay).min(DELAY_LIMIT);
        tokio::time::sleep(delay).await;
    }
    let outcome = contract::held(asked, perform(world, asked, &mishap));
    if outcome.is_ok() && !READS.iter().any(|read| asked.operation.starts_with(read)) {
        *lock(&world.writes).entry(asked.operation.clone()).or_default() += 1;
    }
    (!mishap.lost).then_some(outcome)
}

/// Makes a schedule's attempt at its target, which meets the faults that any caller meets.
pub(super) async fn attempt(world: &World, attempt: &Attempt) -> Finding {
    let asked = ApiRequest::new(Service::Elbv2, Protocol::Query, "ModifyRule", attempt.input.clone());
    match undergo(world, &asked).await {
        Some(Ok(_)) => Finding::Done,
        Some(Err(refusal)) if refusal.status < 500 && refusal != throttled(Service::Elbv2) => Finding::Refused,
        _ => Finding::Failed,
    }
}

fn too_large() -> HttpAnswer {
    let body = format!(
        "the lab reads no request of more than {REQUEST_LIMIT} bytes, and none that ends early or is no gzip\n"
    );
    Response::builder().status(413).body(Full::new(Bytes::from(body))).unwrap_or_default()
}

/// Performs an operation on the buckets, on the account, or on the account as it was.
fn perform(world: &World, asked: &ApiRequest, mishap: &Mishap) -> Result<Output, Refusal> {
    if mishap.throttled {
        return Err(throttled(asked.service));
    }
    if mishap.broken {
        return Err(broken(asked.service));
    }
    let now = world.config.clock.now_ms();
    let key = permission::key_of(&lock(&world.keys), asked, now)?.cloned();
    permission::check(key.as_ref(), asked, &world.names(), now)?;
    contract::admit(asked)?;
    performed(world, asked, key.as_ref(), mishap.stale)
}

/// What comes of an operation that is let in.
fn performed(world: &World, asked: &ApiRequest, key: Option<&Key>, stale: Option<Duration>) -> Result<Output, Refusal> {
    let now = world.config.clock.now_ms();
    match asked.service {
        // Nothing is stale here, whatever the faults say: S3 is strongly consistent.
        Service::S3 => {
            let mut buckets = lock(&world.buckets);
            return s3::perform(&mut buckets, asked, now, &world.config.region).map(Output::Reply);
        }
        Service::Sts => {
            let found = sts::perform(world, asked, key, now);
            return found.unwrap_or_else(|| Err(unknown(asked))).map(Output::Members);
        }
        Service::Iam => {
            let roles = lock(&world.keys).roles(now);
            let found = iam::perform(asked, key, &roles, &world.names(), now);
            return found.unwrap_or_else(|| Err(unknown(asked))).map(Output::Members);
        }
        Service::Sns | Service::Ssm => {
            let found = sns_or_ssm(world, asked, now);
            return found.unwrap_or_else(|| Err(unknown(asked))).map(Output::Members);
        }
        _ => {}
    }
    let stale = stale.filter(|_| READS.iter().any(|r| asked.operation.starts_with(r)));
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
    refusals::check(account, asked, now)?;
    let mut call = Call { account, past: &mut past, store: &mut store, now, read_at, input: &asked.input };
    dispatch(&mut call, asked).map(Output::Members)
}

fn sns_or_ssm(world: &World, asked: &ApiRequest, now: u64) -> Option<operation::OperationResult> {
    if asked.service == Service::Sns { sns::perform(world, asked, now) } else { ssm::perform(world, asked, now) }
}

fn dispatch(call: &mut Call<'_>, asked: &ApiRequest) -> operation::OperationResult {
    let operation = asked.operation.as_str();
    let found = match asked.service {
        Service::Ecs => ecs_services::perform(call, operation)
            .or_else(|| ecs_deployments::perform(call, operation))
            .or_else(|| ecs_definitions::perform(call, operation))
            .or_else(|| ecs_tasks::perform(call, operation))
            .or_else(|| ecs_task_sets::perform(call, operation))
            .or_else(|| ecs_tags::perform(call, operation)),
        Service::Elbv2 => elbv2_read::perform(call, operation)
            .or_else(|| elbv2_write::perform(call, operation))
            .or_else(|| elbv2_groups::perform(call, operation))
            .or_else(|| elbv2_targets::perform(call, operation)),
        Service::CloudWatch => {
            cloudwatch_metrics::perform(call, operation).or_else(|| cloudwatch_alarms::perform(call, operation))
        }
        Service::Scheduler => schedules::perform(call, operation),
        Service::AutoScaling => autoscaling::perform(call, operation),
        Service::CodeDeploy => codedeploy::perform(call, operation),
        Service::Sts | Service::Iam | Service::S3 | Service::Sns | Service::Ssm => None,
    };
    found.unwrap_or_else(|| Err(unknown(asked)))
}

fn unknown(asked: &ApiRequest) -> Refusal {
    let operation = &asked.operation;
    match asked.protocol {
        Protocol::Query => {
            Refusal::new("InvalidAction", format!("Could not find operation {operation} for this version"))
        }
        _ => Refusal::new("UnknownOperationException", format!("The operation {operation} is not one the lab serves")),
    }
}

fn broken(service: Service) -> Refusal {
    let (code, message) = match service {
        Service::Ecs => ("ServerException", INTERNAL),
        Service::CloudWatch => ("InternalServiceFault", INTERNAL),
        Service::Elbv2 | Service::Sts | Service::CodeDeploy | Service::Sns => ("InternalFailure", INTERNAL),
        Service::Ssm => ("InternalServerError", INTERNAL),
        Service::Iam => ("ServiceFailure", INTERNAL),
        Service::AutoScaling => ("InternalServiceException", INTERNAL),
        Service::Scheduler => ("InternalServerException", INTERNAL),
        Service::S3 => ("InternalError", "We encountered an internal error. Please try again."),
    };
    Refusal { status: 500, ..Refusal::new(code, message) }
}

fn throttled(service: Service) -> Refusal {
    match service {
        Service::Elbv2 | Service::Sts | Service::Iam | Service::Sns => Refusal::new("Throttling", "Rate exceeded"),
        Service::Ecs | Service::CloudWatch | Service::AutoScaling | Service::CodeDeploy | Service::Ssm => {
            Refusal::new("ThrottlingException", "Rate exceeded")
        }
        Service::Scheduler => Refusal { status: 429, ..Refusal::new("ThrottlingException", "Rate exceeded") },
        Service::S3 => Refusal { status: 503, ..Refusal::new("SlowDown", "Please reduce your request rate.") },
    }
}

fn request_id(world: &World) -> String {
    let mut die = lock(&world.die);
    let (a, b) = (die.u64(..), die.u64(..));
    let hex = format!("{a:016x}{b:016x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::LabConfig;
    use crate::s3::FIRST_BUCKET;

    fn world(fault: &str) -> Arc<World> {
        let faults = vec![fault.parse().expect("it is a fault")];
        World::new(LabConfig { faults, ..LabConfig::default() })
    }

    fn object(operation: &str, body: &'static str) -> ApiRequest {
        let input = json!({"Bucket": FIRST_BUCKET, "Key": "k"});
        ApiRequest { body: body.into(), ..ApiRequest::new(Service::S3, Protocol::RestXml, operation, input) }
    }

    async fn code(world: &World, asked: &ApiRequest) -> Option<&'static str> {
        undergo(world, asked).await.and_then(Result::err).map(|refusal| refusal.code)
    }

    #[tokio::test]
    async fn every_service_says_in_its_own_words_that_it_is_busy() {
        let others = [
            (Service::Scheduler, Protocol::RestJson, "ListSchedules", "ThrottlingException"),
            (Service::AutoScaling, Protocol::Json11, "DescribeScalableTargets", "ThrottlingException"),
            (Service::CodeDeploy, Protocol::Json11, "StopDeployment", "ThrottlingException"),
            (Service::Sts, Protocol::Query, "AssumeRole", "Throttling"),
        ];
        for (service, protocol, operation, expected) in others {
            let world = world(&format!("throttle=100%@{}.{operation}", service.word()));
            let asked = ApiRequest::new(service, protocol, operation, json!({}));
            assert_eq!(code(&world, &asked).await, Some(expected));
        }
        assert_eq!(code(&world("throttle=100%@s3.*"), &object("PutObject", "a")).await, Some("SlowDown"));
        assert_eq!(code(&world("error=100%@PutObject"), &object("PutObject", "a")).await, Some("InternalError"));
    }

    #[test]
    fn whatever_has_a_line_in_the_tables_is_performed() {
        let world = World::new(LabConfig::default());
        let services = [
            Service::Ecs,
            Service::Elbv2,
            Service::CloudWatch,
            Service::Sts,
            Service::Iam,
            Service::S3,
            Service::Scheduler,
            Service::AutoScaling,
            Service::CodeDeploy,
            Service::Sns,
            Service::Ssm,
        ];
        for service in services {
            let served = crate::model::operations().filter(|(of, _)| *of == service.word());
            for (_, operation) in served {
                let asked = ApiRequest::new(service, Protocol::Json11, operation, json!({}));
                let found = performed(&world, &asked, None, None);
                let unknown = unknown(&asked).code;
                assert!(found.err().is_none_or(|refusal| refusal.code != unknown), "{} {operation}", service.word());
            }
        }
    }

    #[tokio::test]
    async fn an_object_is_never_read_stale_and_is_kept_when_the_answer_is_lost() {
        let world = world("stale-read=100%:1h");
        for body in ["a", "b"] {
            assert_eq!(code(&world, &object("PutObject", body)).await, None);
            let Some(Ok(Output::Reply(reply))) = undergo(&world, &object("GetObject", "")).await else {
                panic!("the object is there");
            };
            assert_eq!(reply.body, body);
        }
        let world = self::world("lost-answer=100%@PutObject");
        assert!(undergo(&world, &object("PutObject", "a")).await.is_none());
        assert_eq!(code(&world, &object("GetObject", "")).await, None);
    }

    #[tokio::test]
    async fn the_attempt_of_a_schedule_meets_the_faults_of_the_call_it_makes() {
        for (fault, expected) in [
            ("throttle=100%@ModifyRule", Finding::Failed),
            ("error=100%@ModifyRule", Finding::Failed),
            ("lost-answer=100%@elbv2.ModifyRule", Finding::Failed),
            ("throttle=100%@s3.*", Finding::Done),
        ] {
            let world = world(fault);
            let rule = lock(&world.account).rules.iter().find(|rule| rule.priority.is_some()).cloned();
            let rule = rule.expect("the lab has a rule");
            let input = json!({"RuleArn": rule.arn, "Actions": rule.actions});
            assert_eq!(attempt(&world, &Attempt::new(input)).await, expected, "{fault}");
        }
        let gone = Attempt::new(json!({"RuleArn": "r", "Actions": [{}]}));
        assert_eq!(attempt(&world("throttle=0%"), &gone).await, Finding::Refused);
    }
}
