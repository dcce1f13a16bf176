//! S3's ListObjectsV2: what is asked for, and a page as XML.

use serde_json::Value;

use super::operation::Refusal;
use super::s3_common::{NAMESPACE, S3Outcome, refusal, xml};
use super::wire_s3::element;
use crate::names::hex;
use crate::s3::Bucket;
use crate::s3::listing::{self, Page};
use crate::value::{date, text, whole};

/// Keys on one page, at most and when nothing is said.
const KEYS_LIMIT: usize = 1000;

fn invalid(message: &str) -> Refusal {
    refusal(400, "InvalidArgument", message)
}

/// Lists the keys of a bucket.
pub(super) fn perform(bucket: &Bucket, name: &str, input: &Value) -> S3Outcome {
    let given = |member: &str| text(input, member).unwrap_or_default();
    let encode: fn(&str) -> String = match text(input, "EncodingType") {
        None => str::to_owned,
        Some("url") => encoded,
        Some(_) => return Err(invalid("Invalid Encoding Method specified in Request")),
    };
    let continued = text(input, "ContinuationToken").map(from_token).transpose()?;
    let asked = listing::ListQuery {
        prefix: given("Prefix"),
        delimiter: given("Delimiter"),
        after: continued.as_deref().unwrap_or(given("StartAfter")),
        is_continued: continued.is_some(),
        limit: limit(input)?,
    };
    let page = listing::cut(&bucket.objects, asked);
    let mut body = format!("<ListBucketResult xmlns=\"{NAMESPACE}\">");
    element(&mut body, "Name", name);
    element(&mut body, "Prefix", &encode(asked.prefix));
    for member in ["Delimiter", "StartAfter"] {
        if let Some(value) = text(input, member) {
            element(&mut body, member, &encode(value));
        }
    }
    for member in ["EncodingType", "ContinuationToken"] {
        if let Some(value) = text(input, member) {
            element(&mut body, member, value);
        }
    }
    element(&mut body, "MaxKeys", &asked.limit.to_string());
    let owned = text(input, "FetchOwner") == Some("true");
    tell(&mut body, &page, encode, owned);
    Ok(xml(&(body + "</ListBucketResult>")))
}

fn limit(input: &Value) -> Result<usize, Refusal> {
    match whole(input, "MaxKeys") {
        Some(keys) if keys >= 0 => Ok(KEYS_LIMIT.min(keys as usize)),
        None if text(input, "MaxKeys").is_none() => Ok(KEYS_LIMIT),
        _ => Err(invalid("Provided max-keys not an integer or within integer range")),
    }
}

fn tell(body: &mut String, page: &Page<'_>, encode: fn(&str) -> String, owned: bool) {
    element(body, "KeyCount", &(page.objects.len() + page.prefixes.len()).to_string());
    element(body, "IsTruncated", if page.next.is_some() { "true" } else { "false" });
    if let Some(next) = &page.next {
        element(body, "NextContinuationToken", &to_token(next));
    }
    for (key, object) in &page.objects {
        body.push_str("<Contents>");
        element(body, "Key", &encode(key));
        element(body, "LastModified", &date(object.modified_at));
        element(body, "ETag", &object.etag);
        element(body, "Size", &object.body.len().to_string());
        body.push_str("<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>");
        if owned {
            body.push_str("<Owner><ID>lab</ID></Owner>");
        }
        body.push_str("<StorageClass>STANDARD</StorageClass></Contents>");
    }
    for prefix in &page.prefixes {
        body.push_str("<CommonPrefixes>");
        element(body, "Prefix", &encode(prefix));
        body.push_str("</CommonPrefixes>");
    }
}

/// Text with percent signs, slashes left as they are, as lists tell keys when asked to.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// A token is the last entry of a page, made opaque.
fn to_token(entry: &str) -> String {
    hex(entry.as_bytes())
}

fn from_token(token: &str) -> Result<String, Refusal> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = token.as_bytes().chunks(2).map(digits).collect();
    let entry = bytes.filter(|_| token.len().is_multiple_of(2)).and_then(|bytes| String::from_utf8(bytes).ok());
    entry.ok_or_else(|| invalid("The continuation token provided is incorrect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_bring_back_the_entry_they_were_made_of() {
        assert_eq!(from_token(&to_token("a/é")).as_deref(), Ok("a/é"));
        for token in ["x", "61f", "ff"] {
            assert!(from_token(token).is_err(), "{token}");
        }
        assert_eq!(encoded("a/b +é"), "a/b%20%2B%C3%A9");
    }
}
