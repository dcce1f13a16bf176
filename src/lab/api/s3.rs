//! S3: buckets and objects, with the conditions that make a put or a delete a comparison and a swap.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde_json::Value;

use super::operation::{Refusal, Reply};
use super::s3_common::{NAMESPACE, S3Outcome, refusal, xml};
use super::s3_list;
use super::wire_call::ApiRequest;
use super::wire_s3::element;
use crate::s3::{Bucket, Buckets, Object, digest, is_named};
use crate::value::{date, text};

/// Bytes of a key.
const KEY_LIMIT: usize = 1024;

/// Performs an operation on the buckets as they are: S3 has no stale reads.
pub(super) fn perform(buckets: &mut Buckets, asked: &ApiRequest, now: u64, region: &str) -> S3Outcome {
    let name = text(&asked.input, "Bucket").unwrap_or_default();
    match asked.operation.as_str() {
        "ListBuckets" => return Ok(list_buckets(buckets)),
        "CreateBucket" => return create_bucket(buckets, name, now),
        "PutObject" if !buckets.has_room(asked.body.len()) => {
            return Err(refusal(503, "ServiceUnavailable", "the lab's buckets are full"));
        }
        _ => {}
    }
    let bucket = buckets.all.get_mut(name);
    let bucket =
        bucket.ok_or_else(|| refusal(404, "NoSuchBucket", format!("The specified bucket does not exist: {name}")))?;
    match asked.operation.as_str() {
        "HeadBucket" => Ok(reply(200, vec![("x-amz-bucket-region".to_owned(), region.to_owned())])),
        "GetBucketLocation" => Ok(location(region)),
        "ListObjectsV2" => s3_list::perform(bucket, name, &asked.input),
        "PutObject" => put_object(bucket, asked, now),
        "DeleteObject" => delete_object(bucket, &asked.input),
        _ => get_object(bucket, &asked.input),
    }
}

fn no_such_key() -> Refusal {
    refusal(404, "NoSuchKey", "The specified key does not exist.")
}

fn precondition_failed() -> Refusal {
    refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

fn reply(status: u16, headers: Vec<(String, String)>) -> Reply {
    Reply { status, headers, body: Bytes::new() }
}

fn list_buckets(buckets: &Buckets) -> Reply {
    let mut body = format!("<ListAllMyBucketsResult xmlns=\"{NAMESPACE}\"><Owner><ID>lab</ID></Owner><Buckets>");
    for (name, bucket) in &buckets.all {
        body.push_str("<Bucket>");
        element(&mut body, "Name", name);
        element(&mut body, "CreationDate", &date(bucket.created_at));
        body.push_str("</Bucket>");
    }
    xml(&(body + "</Buckets></ListAllMyBucketsResult>"))
}

fn create_bucket(buckets: &mut Buckets, name: &str, now: u64) -> S3Outcome {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends_fine = |c: char| c.is_ascii_alphanumeric();
    let is_name = (3..=63).contains(&name.len())
        && name.chars().all(is_fine)
        && name.starts_with(ends_fine)
        && name.ends_with(ends_fine);
    if !is_name {
        return Err(refusal(400, "InvalidBucketName", format!("The specified bucket is not valid: {name}")));
    }
    if buckets.all.contains_key(name) {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(refusal(409, "BucketAlreadyOwnedByYou", message));
    }
    buckets.all.insert(name.to_owned(), Bucket { created_at: now, objects: BTreeMap::new() });
    Ok(reply(200, vec![("location".to_owned(), format!("/{name}"))]))
}

fn location(region: &str) -> Reply {
    let mut body = String::new();
    element(&mut body, "LocationConstraint", region);
    xml(&body.replacen('>', &format!(" xmlns=\"{NAMESPACE}\">"), 1))
}

fn put_object(bucket: &mut Bucket, asked: &ApiRequest, now: u64) -> S3Outcome {
    let key = text(&asked.input, "Key").unwrap_or_default();
    if key.len() > KEY_LIMIT {
        return Err(refusal(400, "KeyTooLongError", "Your key is too long"));
    }
    let found = bucket.objects.get(key);
    match text(&asked.input, "IfNoneMatch") {
        Some("*") if found.is_some() => return Err(precondition_failed()),
        Some("*") | None => {}
        // A put knows no other word here.
        Some(_) => {
            let message = "A header you provided implies functionality that is not implemented";
            return Err(refusal(501, "NotImplemented", message));
        }
    }
    check_match(found, &asked.input)?;
    let headers = asked.input.get("Headers").and_then(Value::as_object).into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let etag = digest::etag(&asked.body);
    let object = Object { body: asked.body.clone(), etag: etag.clone(), modified_at: now, headers: headers.collect() };
    let crc = digest::crc32(&object.body);
    bucket.objects.insert(key.to_owned(), object);
    let mut told = vec![("etag".to_owned(), etag)];
    told.extend(checksum(crc));
    Ok(reply(200, told))
}

fn checksum(crc: String) -> [(String, String); 2] {
    let kind = ("x-amz-checksum-type".to_owned(), "FULL_OBJECT".to_owned());
    [("x-amz-checksum-crc32".to_owned(), crc), kind]
}

/// Holds `If-Match` against what is there; nothing there is a missing key, even for `*`.
fn check_match(found: Option<&Object>, input: &Value) -> Result<(), Refusal> {
    let Some(wanted) = text(input, "IfMatch") else { return Ok(()) };
    let found = found.ok_or_else(no_such_key)?;
    if is_named(wanted, &found.etag) { Ok(()) } else { Err(precondition_failed()) }
}

/// Without a condition, deleting what is not there is no mistake.
fn delete_object(bucket: &mut Bucket, input: &Value) -> S3Outcome {
    let key = text(input, "Key").unwrap_or_default();
    check_match(bucket.objects.get(key), input)?;
    bucket.objects.remove(key);
    Ok(reply(204, Vec::new()))
}

/// GetObject and HeadObject; the answer to a HEAD goes out without its body.
fn get_object(bucket: &Bucket, input: &Value) -> S3Outcome {
    let found = bucket.objects.get(text(input, "Key").unwrap_or_default());
    check_match(found, input)?;
    let object = found.ok_or_else(no_such_key)?;
    let mut headers = vec![
        ("etag".to_owned(), object.etag.clone()),
        ("last-modified".to_owned(), http_date(object.modified_at)),
        ("accept-ranges".to_owned(), "bytes".to_owned()),
    ];
    if text(input, "IfNoneMatch").is_some_and(|known| is_named(known, &object.etag)) {
        return Ok(reply(304, headers));
    }
    headers.push(("content-length".to_owned(), object.body.len().to_string()));
    if !object.headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "binary/octet-stream".to_owned()));
    }
    headers.extend(object.headers.iter().cloned());
    if text(input, "ChecksumMode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        headers.extend(checksum(digest::crc32(&object.body)));
    }
    Ok(Reply { status: 200, headers, body: object.body.clone() })
}

/// A moment as HTTP tells it.
fn http_date(ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms as i64).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wire_call::{Protocol, Service};
    use super::*;
    use crate::s3::FIRST_BUCKET;

    fn ask(
        buckets: &mut Buckets,
        operation: &str,
        input: &Value,
        body: &'static str,
    ) -> Result<Reply, (u16, &'static str)> {
        let mut input = input.clone();
        input["Bucket"] = json!(FIRST_BUCKET);
        input["Key"] = json!("k");
        let asked = ApiRequest::new(Service::S3, Protocol::RestXml, operation, input);
        let asked = ApiRequest { body: Bytes::from_static(body.as_bytes()), ..asked };
        perform(buckets, &asked, 1_000, "eu-west-1").map_err(|refusal| (refusal.status, refusal.code))
    }

    fn etag(reply: &Reply) -> String {
        reply.headers.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn of_two_that_create_one_key_one_fails() {
        let mut buckets = Buckets::new(0);
        let create = json!({"IfNoneMatch": "*"});
        assert!(ask(&mut buckets, "PutObject", &create, "a").is_ok());
        assert_eq!(ask(&mut buckets, "PutObject", &create, "b").err(), Some((412, "PreconditionFailed")));
        let got = ask(&mut buckets, "GetObject", &json!({}), "").expect("it is there");
        assert_eq!((got.status, got.body), (200, Bytes::from_static(b"a")));
    }

    #[test]
    fn of_two_that_swap_one_etag_one_fails() {
        let mut buckets = Buckets::new(0);
        let swap = |etag: &str| json!({"IfMatch": etag});
        assert_eq!(ask(&mut buckets, "PutObject", &swap("\"x\""), "a").err(), Some((404, "NoSuchKey")));
        let first = etag(&ask(&mut buckets, "PutObject", &json!({}), "a").expect("it is put"));
        let second = etag(&ask(&mut buckets, "PutObject", &swap(&first), "b").expect("it is swapped"));
        assert_ne!(first, second);
        assert_eq!(ask(&mut buckets, "PutObject", &swap(&first), "c").err(), Some((412, "PreconditionFailed")));
        assert_eq!(ask(&mut buckets, "DeleteObject", &swap(&first), "").err(), Some((412, "PreconditionFailed")));
        assert_eq!(ask(&mut buckets, "GetObject", &json!({"IfNoneMatch": second}), "").map(|got| got.status), Ok(304));
        assert_eq!(ask(&mut buckets, "DeleteObject", &swap(&second), "").map(|gone| gone.status), Ok(204));
        assert_eq!(ask(&mut buckets, "DeleteObject", &swap("*"), "").err(), Some((404, "NoSuchKey")));
        assert_eq!(ask(&mut buckets, "DeleteObject", &json!({}), "").map(|gone| gone.status), Ok(204));
        assert_eq!(ask(&mut buckets, "GetObject", &json!({}), "").err(), Some((404, "NoSuchKey")));
    }

    #[test]
    fn moments_are_told_as_http_tells_them() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
