//! S3's REST and XML: paths, queries and headers in, a status with headers and a body out.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Map, Value};

use super::chunked;
use super::operation::{Refusal, Reply};
use super::wire_call::{ApiRequest, Protocol, Service};
use super::wire_text::{decoded, escape};
use crate::model::Model;

/// Query parameters that mean something here, and the members they become.
const PARAMETERS: [(&str, &str); 9] = [
    ("list-type", "ListType"),
    ("prefix", "Prefix"),
    ("delimiter", "Delimiter"),
    ("start-after", "StartAfter"),
    ("continuation-token", "ContinuationToken"),
    ("max-keys", "MaxKeys"),
    ("encoding-type", "EncodingType"),
    ("fetch-owner", "FetchOwner"),
    ("location", "Location"),
];
/// Headers that mean something here, and the members they become.
const HEADERS: [(&str, &str); 3] =
    [("if-match", "IfMatch"), ("if-none-match", "IfNoneMatch"), ("x-amz-checksum-mode", "ChecksumMode")];
/// Headers that are kept with an object and given back.
const KEPT: [&str; 6] =
    ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"];
/// What the names of a person's own headers begin with; they are kept too.
const OWN: &str = "x-amz-meta-";
/// Where a host name ends in its bucket's name when clients put the bucket there.
const HOSTS: [&str; 3] = [".localhost", ".127.0.0.1", ".amazonaws.com"];

/// Reads a request.
pub(super) fn read(head: &Parts, body: &Bytes) -> Result<ApiRequest, Refusal> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut input = Map::new();
    let mut put = |name: &str, value: &str| input.insert(name.to_owned(), Value::String(value.to_owned()));
    let (bucket, key) = place(head)?;
    let query = head.uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match PARAMETERS.iter().find(|(parameter, _)| *parameter == name) {
            Some((_, member)) => put(member, &value),
            // Which operation it is, and a signature; both say nothing new.
            None if name == "x-id" || name.starts_with("X-Amz-") => None,
            None => return Err(not_played(head)),
        };
    }
    for (name, member) in HEADERS {
        if let Some(value) = header(name) {
            put(member, value);
        }
    }
    put("Bucket", &bucket);
    put("Key", &key);
    let mut kept = Map::new();
    for (name, value) in &head.headers {
        let name = name.as_str();
        let Ok(value) = value.to_str() else { continue };
        let value = value.split(',').map(str::trim).filter(|part| *part != "aws-chunked");
        let value = value.collect::<Vec<_>>().join(", ");
        if !value.is_empty() && (KEPT.contains(&name) || name.starts_with(OWN)) {
            kept.insert(name.to_owned(), Value::String(value));
        }
    }
    let operation = operation(head, &bucket, &key, &input).ok_or_else(|| not_played(head))?;
    if let Some(member) = unread(head, operation) {
        let message = format!("the lab does not play {member} of {operation}: leave it out of a rehearsal");
        return Err(Refusal { status: 501, ..Refusal::new("NotImplemented", message) });
    }
    input.insert("Headers".to_owned(), Value::Object(kept));
    let body = chunked::payload(&head.headers, body)?;
    let asked = ApiRequest::new(Service::S3, Protocol::RestXml, operation, Value::Object(input));
    Ok(ApiRequest { body, ..asked })
}

/// The first member that comes as a header and that the lab does not read.
fn unread(head: &Parts, operation: &str) -> Option<String> {
    let model = Model::of(Service::S3.word());
    let shape = model.shape(model.operation(operation)?.input.as_ref()?);
    let came = shape.places.iter().filter_map(|(member, place)| {
        let value = head.headers.get(place.strip_prefix("header:")?)?;
        Some((member.clone(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())))
    });
    let (member, _) = model.reads(operation)?.unread(&Value::Object(came.collect()))?;
    Some(member)
}

/// The bucket and the key that a request names; either may be empty.
fn place(head: &Parts) -> Result<(String, String), Refusal> {
    let decode =
        |text: &str| decoded(text).ok_or_else(|| Refusal::new("InvalidURI", "Couldn't parse the specified URI."));
    let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let path = head.uri.path().strip_prefix('/').unwrap_or_default();
    let of_host = HOSTS.iter().find_map(|end| host.strip_suffix(end)).and_then(|name| match name.split_once(".s3") {
        Some((bucket, _)) => Some(bucket),
        None => (!host.ends_with(".amazonaws.com")).then_some(name),
    });
    if let Some(bucket) = of_host {
        return Ok((bucket.to_owned(), decode(path)?));
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    Ok((decode(bucket)?, decode(key)?))
}

fn operation(head: &Parts, bucket: &str, key: &str, input: &Map<String, Value>) -> Option<&'static str> {
    let is_copy = head.headers.contains_key("x-amz-copy-source");
    let says = |name: &str| input.get(name).and_then(Value::as_str);
    Some(match (&head.method, bucket, key) {
        (&Method::GET, "", "") => "ListBuckets",
        (_, "", _) => return None,
        (&Method::PUT, _, "") => "CreateBucket",
        (&Method::HEAD, _, "") => "HeadBucket",
        (&Method::GET, _, "") if says("ListType") == Some("2") => "ListObjectsV2",
        (&Method::GET, _, "") if says("Location").is_some() => "GetBucketLocation",
        (_, _, "") => return None,
        (&Method::PUT, ..) if !is_copy => "PutObject",
        (&Method::GET, ..) => "GetObject",
        (&Method::HEAD, ..) => "HeadObject",
        (&Method::DELETE, ..) => "DeleteObject",
        _ => return None,
    })
}

fn not_played(head: &Parts) -> Refusal {
    let message = format!("the lab plays no operation of S3 that is asked for by {} {}", head.method, head.uri);
    Refusal { status: 501, ..Refusal::new("NotImplemented", message) }
}

/// Writes an answer.
pub(super) fn tell(reply: Reply, id: &str) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(reply.status).header("x-amz-request-id", id);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(reply.body)).unwrap_or_default()
}

/// Writes a refusal; hyper leaves its body out where the request was a HEAD.
pub(super) fn refuse(refusal: &Refusal, id: &str) -> Response<Full<Bytes>> {
    let mut xml = r#"<?xml version="1.0" encoding="UTF-8"?><Error>"#.to_owned();
    for (name, text) in [("Code", refusal.code), ("Message", &refusal.message), ("RequestId", id)] {
        element(&mut xml, name, text);
    }
    xml.push_str("</Error>");
    let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    tell(Reply { status: refusal.status, headers, body: xml.into() }, id)
}

/// An element with a text in it.
pub(super) fn element(xml: &mut String, name: &str, text: &str) {
    xml.extend(["<", name, ">"]);
    escape(xml, text);
    xml.extend(["</", name, ">"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<ApiRequest, &'static str> {
        let mut request = hyper::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("it is a request").into_parts();
        read(&head, &Bytes::new()).map_err(|refusal| refusal.code)
    }

    fn check(method: &str, uri: &str, host: &str, expected: [&str; 3]) {
        let asked = asked(method, uri, &[("host", host)]).expect("it is played");
        let member = |name: &str| asked.input[name].as_str().unwrap_or_default().to_owned();
        assert_eq!([&asked.operation, &member("Bucket"), &member("Key")], expected, "{method} {host} {uri}");
    }

    #[test]
    fn buckets_stand_in_paths_and_in_host_names() {
        check("GET", "/?x-id=ListBuckets", "127.0.0.1:4566", ["ListBuckets", "", ""]);
        check("PUT", "/b", "127.0.0.1:4566", ["CreateBucket", "b", ""]);
        check("GET", "/b?list-type=2&prefix=a%2F", "localhost:1", ["ListObjectsV2", "b", ""]);
        check("PUT", "/b/a//c%20d+e", "localhost", ["PutObject", "b", "a//c d+e"]);
        check("GET", "/a/c", "b.localhost:4566", ["GetObject", "b", "a/c"]);
        check("HEAD", "/a", "b.c.127.0.0.1:4566", ["HeadObject", "b.c", "a"]);
        check("DELETE", "/a", "b.s3.eu-west-1.amazonaws.com", ["DeleteObject", "b", "a"]);
        check("DELETE", "/b/a", "s3.eu-west-1.amazonaws.com", ["DeleteObject", "b", "a"]);
    }

    #[test]
    fn what_is_not_played_is_refused() {
        for (method, uri) in [("GET", "/b"), ("GET", "/b?versioning"), ("POST", "/b/k?uploads"), ("DELETE", "/b")] {
            assert_eq!(asked(method, uri, &[]).err(), Some("NotImplemented"), "{method} {uri}");
        }
        assert_eq!(asked("PUT", "/b/k", &[("x-amz-copy-source", "/b/l")]).err(), Some("NotImplemented"));
        assert_eq!(asked("GET", "/b/%ff", &[]).err(), Some("InvalidURI"));
    }

    #[test]
    fn headers_are_kept_without_the_encoding_of_the_wire() {
        let headers = [("content-encoding", "gzip,aws-chunked"), ("x-amz-meta-a", "1"), ("accept", "*/*")];
        let put = asked("GET", "/b/k", &headers[1..]).expect("it is played");
        assert_eq!(put.input["Headers"], serde_json::json!({"x-amz-meta-a": "1"}));
        assert_eq!(asked("PUT", "/b/k", &headers).err(), Some("IncompleteBody"), "it is no sequence of chunks");
    }
}
