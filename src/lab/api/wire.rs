//! Finds out which protocol a request speaks, and answers in the same one.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::http::request::Parts;

use super::operation::{Output, Refusal};
use super::wire_call::{ApiRequest, Protocol, Service};
use super::wire_text::query_code;
use super::{wire_cbor, wire_json, wire_query, wire_rest, wire_s3};

const ECS_TARGET: &str = "AmazonEC2ContainerServiceV20141113";
const AUTO_SCALING_TARGET: &str = "AnyScaleFrontendService";
const CODEDEPLOY_TARGET: &str = "CodeDeploy_20141006";
const SSM_TARGET: &str = "AmazonSSM";
const CLOUDWATCH_TARGET: &str = "GraniteServiceVersion20100801";

/// Reads a request.
pub(super) fn read(head: &Parts, body: &Bytes) -> Result<ApiRequest, (Protocol, Refusal)> {
    let signer = wire_rest::credential(head).and_then(|parts| parts.into_iter().next());
    read_unsigned(head, body).map(|asked| ApiRequest { signer, ..asked })
}

fn read_unsigned(head: &Parts, body: &Bytes) -> Result<ApiRequest, (Protocol, Refusal)> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(target) = header("x-amz-target") {
        let (prefix, operation) = target.split_once('.').unwrap_or(("", target));
        let (service, protocol) = match prefix {
            ECS_TARGET => (Service::Ecs, Protocol::Json11),
            CLOUDWATCH_TARGET => (Service::CloudWatch, Protocol::Json10),
            AUTO_SCALING_TARGET => (Service::AutoScaling, Protocol::Json11),
            CODEDEPLOY_TARGET => (Service::CodeDeploy, Protocol::Json11),
            SSM_TARGET => (Service::Ssm, Protocol::Json11),
            _ => {
                let message = format!("the lab serves no target {target}");
                let refusal = Refusal::new("UnknownOperationException", message);
                return Err((Protocol::Json11, refusal));
            }
        };
        let input = wire_json::read(body).map_err(|refusal| (protocol, refusal))?;
        return Ok(ApiRequest::new(service, protocol, operation, input));
    }
    if header("smithy-protocol") == Some("rpc-v2-cbor") {
        return read_cbor(head, body).map_err(|refusal| (Protocol::Cbor, refusal));
    }
    if let Some(service) = wire_rest::service(head) {
        return wire_rest::read(service, head, body);
    }
    wire_query::read(head.uri.query(), body).map_err(|refusal| (Protocol::Query, refusal))
}

fn read_cbor(head: &Parts, body: &Bytes) -> Result<ApiRequest, Refusal> {
    let path = head.uri.path().strip_prefix("/service/");
    let found = path.and_then(|path| path.split_once("/operation/"));
    let (service, operation) = match found.unwrap_or_default() {
        (CLOUDWATCH_TARGET, operation) => (Service::CloudWatch, operation),
        (CODEDEPLOY_TARGET, operation) => (Service::CodeDeploy, operation),
        _ => {
            let message = format!("the lab serves no path {}", head.uri.path());
            return Err(Refusal::new("UnknownOperationException", message));
        }
    };
    Ok(ApiRequest::new(service, Protocol::Cbor, operation, wire_cbor::read(body)?))
}

/// Writes an answer.
pub(super) fn tell(asked: &ApiRequest, output: Output, id: &str) -> Response<Full<Bytes>> {
    let output = match output {
        Output::Members(output) => output,
        Output::Reply(reply) => return wire_s3::tell(reply, id),
    };
    let body = match asked.protocol {
        Protocol::Json11 | Protocol::Json10 | Protocol::RestJson | Protocol::RestXml => output.to_string().into_bytes(),
        Protocol::Query => wire_query::tell(asked, &output, id).into_bytes(),
        Protocol::Cbor => wire_cbor::tell(output),
    };
    respond(asked.protocol, 200, body, id)
}

/// Writes a refusal.
pub(super) fn refuse(protocol: Protocol, refusal: &Refusal, id: &str) -> Response<Full<Bytes>> {
    let body = match protocol {
        Protocol::Json11 | Protocol::Json10 | Protocol::RestJson => wire_json::refuse(refusal).into_bytes(),
        Protocol::Query => wire_query::refuse(refusal, id).into_bytes(),
        Protocol::Cbor => wire_cbor::tell(wire_json::refusal(refusal)),
        Protocol::RestXml => return wire_s3::refuse(refusal, id),
    };
    let mut response = respond(protocol, refusal.status, body, id);
    if protocol == Protocol::RestJson
        && let Ok(value) = refusal.code.parse()
    {
        response.headers_mut().insert("x-amzn-errortype", value);
    }
    let side = if refusal.status < 500 { "Sender" } else { "Receiver" };
    if matches!(protocol, Protocol::Cbor | Protocol::Json10)
        && let Ok(value) = format!("{};{side}", query_code(refusal.code)).parse()
    {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

fn respond(protocol: Protocol, status: u16, body: Vec<u8>, id: &str) -> Response<Full<Bytes>> {
    let kind = match protocol {
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Query => "text/xml",
        Protocol::Cbor => "application/cbor",
        Protocol::RestXml => "application/xml",
        Protocol::RestJson => "application/json",
    };
    let mut response = Response::builder().status(status).header("content-type", kind).header("x-amzn-requestid", id);
    if protocol == Protocol::Cbor {
        response = response.header("smithy-protocol", "rpc-v2-cbor");
    }
    response.body(Full::new(Bytes::from(body))).unwrap_or_default()
}
