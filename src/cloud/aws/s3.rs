//! S3: the four calls on a bucket's objects that a store needs, in the REST form of the API reference of version
//! 2006-03-01.

use aws_config::SdkConfig;
use aws_sdk_ecs::config::retry::RetryPartition;
use aws_sdk_ecs::error::{ErrorMetadata, ProvideErrorMetadata as _, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::base64;
use aws_smithy_types::checksum_config::RequestChecksumCalculation;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use reqwest::Url;

use super::endpoint::{self, Endpoint, Host};
use super::service::{Api, Limits, Paths, Refused, Request, Service, ServiceAnswer, encoded};
use super::{STORE_WITHIN, Skew, Tries, fault, timeouts};
use crate::domain::fault::{Fault, FaultKind};

/// What the service is called.
const API: Api = Api { id: "S3", signing: "s3", paths: Paths::Literal, refusal };

/// A bucket's objects. Each call is sent once, or as its kind of call allows: who keeps a store knows what may be
/// repeated.
#[derive(Clone, Debug)]
pub struct Objects {
    service: Service,
    /// What paths begin with: the bucket, unless the host names it.
    root: String,
    /// Whether a body goes with a checksum of its own.
    is_summed: bool,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What is in it.
    pub body: Vec<u8>,
    /// The tag of this version of it.
    pub tag: String,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The keys.
    pub keys: Vec<String>,
    /// What the keys of folders begin with.
    pub folders: Vec<String>,
    /// What the next page is asked for with, if there is one.
    pub next: Option<String>,
}

/// What to list.
#[derive(Clone, Copy, Debug)]
pub struct ListRequest<'a> {
    /// What the keys begin with.
    pub prefix: &'a str,
    /// The key after which the list begins.
    pub after: Option<&'a str>,
    /// Whether what lies in folders stays out.
    pub flat: bool,
    /// The page, as the one before said.
    pub page: Option<&'a str>,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What S3 calls it.
    pub code: Option<String>,
    /// What it means.
    pub fault: Fault,
}

impl Objects {
    /// Of the bucket called `name`.
    pub(super) fn new(config: &SdkConfig, skew: &Skew, name: &str) -> Objects {
        let timeouts = timeouts().to_builder().operation_attempt_timeout(STORE_WITHIN).operation_timeout(STORE_WITHIN);
        let limits =
            Limits { tries: Tries::Once, timeouts: timeouts.build(), partition: RetryPartition::new("tidegate-s3") };
        let (endpoint, root) = place(config, name);
        let is_summed = config.request_checksum_calculation() != Some(RequestChecksumCalculation::WhenRequired);
        Objects { service: Service::new(&API, config, endpoint, limits, (skew, None)), root, is_summed }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// With the code `NoSuchKey` when there is none.
    pub async fn get(&self, key: &str) -> Result<Object, Failed> {
        let answer = self.call(self.request("GetObject", "GET", key)).await?;
        Ok(Object { body: answer.body, tag: answer.tag.unwrap_or_default() })
    }

    /// Writes an object over the one with this tag, or where there is none, and gives the new tag.
    ///
    /// # Errors
    /// With the code `PreconditionFailed` when something else is there.
    pub async fn put(&self, key: &str, body: &[u8], over: Option<&str>) -> Result<String, Failed> {
        let mut request = self.request("PutObject", "PUT", key);
        request.headers.push(("content-type", "application/json".to_owned()));
        request.headers.push(match over {
            Some(tag) => ("if-match", tag.to_owned()),
            None => ("if-none-match", "*".to_owned()),
        });
        if self.is_summed {
            request.headers.push(("x-amz-sdk-checksum-algorithm", "CRC32".to_owned()));
            request.headers.push(("x-amz-checksum-crc32", base64::encode(crc32(body).to_be_bytes())));
        }
        request.body = Some(body.to_vec());
        Ok(self.call(request).await?.tag.unwrap_or_default())
    }

    /// Removes an object.
    ///
    /// # Errors
    /// When S3 refuses; not when there is none.
    pub async fn delete(&self, key: &str) -> Result<(), Failed> {
        self.call(self.request("DeleteObject", "DELETE", key)).await.map(drop)
    }

    /// Lists objects, a page of them.
    ///
    /// # Errors
    /// When S3 refuses.
    pub async fn list(&self, asked: ListRequest<'_>) -> Result<Listing, Failed> {
        let delimiter = asked.flat.then_some("/");
        let said = [("continuation-token", asked.page), ("delimiter", delimiter), ("start-after", asked.after)];
        let mut path = format!("{}?list-type=2&prefix={}", self.list_path(), encoded(asked.prefix, false));
        for (name, value) in said {
            path += &value.map_or_else(String::new, |value| format!("&{name}={}", encoded(value, false)));
        }
        let request = Request { path, ..self.request("ListObjectsV2", "GET", "") };
        let answer = self.call(request).await?;
        listing(&answer.body).map_err(|error| Failed {
            code: None,
            fault: Fault::new(FaultKind::Transient, "ListObjectsV2", error.to_string()),
        })
    }

    fn list_path(&self) -> &str {
        if self.root.is_empty() { "/" } else { &self.root }
    }

    fn request(&self, operation: &'static str, method: &'static str, key: &str) -> Request {
        let path = format!("{}/{}", self.root, encoded(key, true));
        Request { operation, method, path, headers: Vec::new(), body: None }
    }

    async fn call(&self, request: Request) -> Result<ServiceAnswer, Failed> {
        let operation = request.operation;
        self.service.call(request).await.map_err(|error| failed(operation, &error))
    }
}

/// Where a bucket is, and what the paths of its keys begin with.
fn place(config: &SdkConfig, name: &str) -> (Endpoint, String) {
    let in_path = format!("/{}", encoded(name, false));
    let Some(url) = endpoint::said(config, API.id) else {
        let bucket = is_host(name).then(|| name.to_owned());
        let root = if bucket.is_some() { String::new() } else { in_path };
        return (Endpoint::aws(config, Host::Bucket(bucket)), root);
    };
    // A URL for everything is a stand-in for AWS, whose name has no names below it.
    let below = config.endpoint_url().is_none().then(|| below(&url, name)).flatten();
    below.map_or_else(|| (Endpoint::at(url), in_path), |url| (Endpoint::at(url), String::new()))
}

/// `url` with the bucket before its host, where that is a name.
fn below(url: &str, name: &str) -> Option<String> {
    let mut url = Url::parse(url).ok().filter(|url| url.domain().is_some() && is_host(name))?;
    let host = format!("{name}.{}", url.domain()?);
    url.set_host(Some(&host)).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a bucket's name can be a part of a host's that one certificate covers.
fn is_host(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(is_fine) && name.bytes().last().is_some_and(is_fine);
    ends && (3..=63).contains(&name.len()) && name.bytes().all(|byte| is_fine(byte) || byte == b'-')
}

/// CRC-32 as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

/// Whoever keeps a store knows what may be repeated, so an answer that is lost is only one that did not come.
fn failed(operation: &str, error: &SdkError<Refused, HttpResponse>) -> Failed {
    let code = error.as_service_error().and_then(|error| error.code()).map(str::to_owned);
    Failed { code, fault: fault::read(operation, error) }
}

/// What S3 says of a refusal: `<Error>` with `<Code>` and `<Message>`.
fn refusal(response: &HttpResponse) -> ErrorMetadata {
    let body = response.body().bytes().unwrap_or_default();
    let mut meta = ErrorMetadata::builder();
    for (name, text) in texts(body, "Error").unwrap_or_default() {
        meta = match name.as_str() {
            "Code" => meta.code(text),
            "Message" => meta.message(text),
            _ => meta,
        };
    }
    meta.build()
}

/// The elements with nothing but text that stand directly in the root, which must be called so.
fn texts(xml: &[u8], root: &str) -> Result<Vec<(String, String)>, XmlDecodeError> {
    let mut texts = Vec::new();
    each(xml, root, |name, element| {
        texts.push((name.to_owned(), try_data(element).unwrap_or_default().into_owned()));
        Ok(())
    })?;
    Ok(texts)
}

/// Shows the elements that stand directly in the root.
fn each(
    xml: &[u8],
    root: &str,
    mut seen: impl FnMut(&str, &mut ScopedDecoder<'_, '_>) -> Result<(), XmlDecodeError>,
) -> Result<(), XmlDecodeError> {
    let mut document = Document::try_from(xml)?;
    let mut scope = document.root_element()?;
    if !scope.start_el().matches(root) {
        return Err(XmlDecodeError::custom(format!("no {root}")));
    }
    while let Some(mut element) = scope.next_tag() {
        let name = element.start_el().local().to_owned();
        seen(&name, &mut element)?;
    }
    Ok(())
}

fn listing(xml: &[u8]) -> Result<Listing, XmlDecodeError> {
    const ROOT: &str = "ListBucketResult";
    // The decoder takes the end of the text for the end of an element, and a page that was cut off for the last one.
    if !xml.trim_ascii_end().ends_with(format!("{ROOT}>").as_bytes()) {
        return Err(XmlDecodeError::custom("the listing is cut off"));
    }
    let mut listing = Listing::default();
    let mut goes_on = false;
    each(xml, ROOT, |name, element| {
        match name {
            "Contents" => listing.keys.extend(inner(element, "Key")?),
            "CommonPrefixes" => listing.folders.extend(inner(element, "Prefix")?),
            "IsTruncated" => goes_on = try_data(element)? == "true",
            "NextContinuationToken" => listing.next = Some(try_data(element)?.into_owned()),
            _ => {}
        }
        Ok(())
    })?;
    if goes_on && listing.next.as_deref().is_none_or(str::is_empty) {
        return Err(XmlDecodeError::custom("the list is cut short and does not say where it goes on"));
    }
    Ok(listing)
}

/// The text of the element of this name that stands directly in another.
fn inner(element: &mut ScopedDecoder<'_, '_>, wanted: &str) -> Result<Option<String>, XmlDecodeError> {
    let mut found = None;
    while let Some(mut inside) = element.next_tag() {
        if inside.start_el().matches(wanted) {
            found = Some(try_data(&mut inside)?.into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
