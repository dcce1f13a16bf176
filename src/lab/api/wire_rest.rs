//! The REST protocols: a signature's scope says whom a request asks, method and path say what.

use hyper::Method;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

use super::operation::Refusal;
use super::wire_call::{ApiRequest, Protocol, Service};
use super::wire_text::decoded;
use super::{wire_json, wire_s3};

/// The credential a request is signed with: `KEY/DATE/REGION/SERVICE/aws4_request`, from its header or its query.
pub(super) fn credential(head: &Parts) -> Option<Vec<String>> {
    let header = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let of_header = header.and_then(|header| {
        let (_, rest) = header.split_once("Credential=")?;
        rest.split([',', ' ']).next().map(str::to_owned)
    });
    let mut query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let credential = of_header
        .or_else(|| query.find(|(name, _)| name == "X-Amz-Credential").map(|(_, value)| value.into_owned()))?;
    let parts: Vec<String> = credential.split('/').map(str::to_owned).collect();
    (parts.len() == 5).then_some(parts)
}

/// The service a request asks, if it is one that speaks REST.
///
/// Without a signature the path has to do: a schedule, or else whatever is no form on the root is S3's.
pub(super) fn service(head: &Parts) -> Option<Service> {
    if let Some(scope) = credential(head) {
        return match scope[3].as_str() {
            "s3" => Some(Service::S3),
            "scheduler" => Some(Service::Scheduler),
            _ => None,
        };
    }
    let first = head.uri.path().split('/').nth(1);
    if matches!(first, Some("schedules" | "schedule-groups")) {
        return Some(Service::Scheduler);
    }
    let is_form = head.method == Method::POST || head.uri.path() == "/";
    (!is_form).then_some(Service::S3)
}

/// Reads a request to such a service.
pub(super) fn read(service: Service, head: &Parts, body: &Bytes) -> Result<ApiRequest, (Protocol, Refusal)> {
    match service {
        Service::S3 => wire_s3::read(head, body).map_err(|refusal| (Protocol::RestXml, refusal)),
        _ => read_json(head, body).map_err(|refusal| (Protocol::RestJson, refusal)),
    }
}

/// Query parameters of EventBridge Scheduler that are not called as the members they become.
const PARAMETERS: [(&str, &str); 3] =
    [("groupName", "GroupName"), ("ScheduleGroup", "GroupName"), ("clientToken", "ClientToken")];

fn read_json(head: &Parts, body: &Bytes) -> Result<ApiRequest, Refusal> {
    let path = head.uri.path().trim_matches('/');
    let (collection, name) = path.split_once('/').unwrap_or((path, ""));
    let operation = match (&head.method, collection, name) {
        (&Method::GET, "schedules", "") => "ListSchedules",
        (&Method::POST, "schedules", _) => "CreateSchedule",
        (&Method::PUT, "schedules", _) => "UpdateSchedule",
        (&Method::GET, "schedules", _) => "GetSchedule",
        (&Method::DELETE, "schedules", _) => "DeleteSchedule",
        (&Method::POST, "schedule-groups", _) => "CreateScheduleGroup",
        (&Method::GET, "schedule-groups", name) if !name.is_empty() => "GetScheduleGroup",
        _ => {
            let message = format!("the lab serves no {} {}", head.method, head.uri.path());
            return Err(Refusal { status: 404, ..Refusal::new("UnknownOperationException", message) });
        }
    };
    let mut input = wire_json::read(body)?;
    let name = decoded(name).ok_or_else(|| Refusal::new("ValidationException", "the path cannot be read"))?;
    if !name.is_empty() {
        input["Name"] = Value::String(name);
    }
    for (parameter, value) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
        let known = PARAMETERS.iter().find(|(known, _)| *known == parameter);
        let member = known.map_or(&*parameter, |(_, member)| *member);
        input[member] = match value.parse::<i64>() {
            Ok(number) if member == "MaxResults" => number.into(),
            _ => Value::String(value.into_owned()),
        };
    }
    Ok(ApiRequest::new(Service::Scheduler, Protocol::RestJson, operation, input))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str, scope: Option<&str>) -> Parts {
        let mut request = hyper::Request::builder().method(method).uri(uri);
        if let Some(scope) = scope {
            let value =
                format!("AWS4-HMAC-SHA256 Credential=AKID/{scope}/aws4_request, SignedHeaders=host, Signature=0");
            request = request.header("authorization", value);
        }
        request.body(()).expect("it is a request").into_parts().0
    }

    #[test]
    fn the_scope_of_a_signature_says_whom_a_request_asks_and_without_one_the_path() {
        let of = |method, uri, scope| service(&head(method, uri, scope));
        assert_eq!(of("GET", "/schedules/k", Some("20260101/eu-west-1/s3")), Some(Service::S3));
        assert_eq!(of("GET", "/schedules/k", Some("20260101/eu-west-1/scheduler")), Some(Service::Scheduler));
        assert_eq!(of("POST", "/", Some("20260101/eu-west-1/elasticloadbalancing")), None);
        assert_eq!(of("GET", "/schedules/k", None), Some(Service::Scheduler));
        assert_eq!(of("POST", "/schedule-groups/g", None), Some(Service::Scheduler));
        assert_eq!(of("PUT", "/bucket/schedules/k", None), Some(Service::S3));
        assert_eq!((of("POST", "/", None), of("GET", "/?Action=X", None)), (None, None));
    }

    #[test]
    fn method_and_path_become_an_operation_and_its_members() {
        let head = head("DELETE", "/schedules/a%2Db?groupName=g&clientToken=t", None);
        let asked = read_json(&head, &Bytes::new()).expect("it is served");
        assert_eq!(asked.operation, "DeleteSchedule");
        assert_eq!(asked.input, serde_json::json!({"Name": "a-b", "GroupName": "g", "ClientToken": "t"}));
        let nowhere = super::tests::head("DELETE", "/schedule-groups/g", None);
        assert_eq!(read_json(&nowhere, &Bytes::new()).err().map(|refusal| refusal.status), Some(404));
    }
}
