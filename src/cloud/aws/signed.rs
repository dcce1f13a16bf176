//! One signed call to a service of which we need a single operation: its SDK client would be larger than all of this
//! program.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_ecs::config::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use reqwest::Url;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue};

use super::Aws;
use super::fault::one_line;
use super::xml::child;
use super::{endpoint, skew};
use crate::cloud::http;
use crate::domain::clock::wall_now;
use crate::domain::fault::{Fault, FaultKind};

/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const ANSWER: usize = 64 * 1024;
/// What the names of a partition's hosts end in, by how its regions begin: `partitions.json` of the SDKs.
const SUFFIXES: [(&str, &str); 5] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eusc-", "amazonaws.eu"),
];

/// A call.
pub(super) struct Call<'a> {
    /// The service's id in its API model, by which endpoint variables name it: `SNS`.
    pub(super) id: &'static str,
    /// The service, as signatures and hosts name it: `sns`.
    pub(super) service: &'static str,
    /// The operation: `Publish`.
    pub(super) operation: &'static str,
    /// The region; `None` is that of the connection.
    pub(super) region: Option<&'a str>,
    /// The host, where it is not named by service and region.
    pub(super) host: Option<&'a str>,
    /// Headers beside those of the signature.
    pub(super) headers: &'a [(&'static str, String)],
    /// The body.
    pub(super) body: String,
}

/// An answer.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Aws {
    /// Sends a call once, and again only what was refused for the time of its signature.
    ///
    /// # Errors
    /// When no answer came. Nobody knows then what became of it.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answered, Fault> {
        let wrong = |kind, why: &str| Fault::new(kind, call.operation, one_line(why));
        let denied = |why: &str| wrong(FaultKind::Denied, why);
        let region = call.region.or_else(|| self.region()).ok_or_else(|| denied("no region"))?;
        let host = || format!("{}.{region}.{}", call.service, suffix(region));
        let host = || format!("https://{}/", call.host.map_or_else(host, str::to_owned));
        let said = endpoint::said(&self.config, call.id);
        let endpoint = said.clone().unwrap_or_else(host);
        let url = Url::parse(&endpoint).map_err(|error| wrong(FaultKind::Permanent, &error.to_string()))?;
        let provider = self.config.credentials_provider().ok_or_else(|| denied("no credentials"))?;
        let keys = tokio::time::timeout(WITHIN, provider.provide_credentials()).await;
        let keys = keys.map_err(|_| wrong(FaultKind::Transient, "no credentials in time"))?;
        let identity: Identity = keys.map_err(|error| denied(&error.to_string()))?.into();
        let builder = http::builder().timeout(WITHIN);
        // An endpoint of one's own is where one says, not where a proxy finds it.
        let builder = if said.is_some() { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|_| wrong(FaultKind::Permanent, "no HTTP client could be made"))?;
        let lost = |why: String| wrong(FaultKind::Transient, &why);
        let mut is_first = true;
        loop {
            let at = self.skew.correct(now());
            let signed = signed(&call, (&url, region), (&identity, at));
            let signed = signed.map_err(|why| wrong(FaultKind::Permanent, &why))?;
            let sent = client.post(url.clone()).headers(signed).body(call.body.clone()).send().await;
            let mut response = sent.map_err(|error| lost(http::words(error)))?;
            let status = response.status().as_u16();
            let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
            self.skew.note(date, now());
            if std::mem::take(&mut is_first) && skew::is_refusal(status, date, at) {
                continue;
            }
            let body = http::body(&mut response, ANSWER).await.map_err(lost)?;
            return Ok(Answered { status, body: String::from_utf8_lossy(&body.bytes).into_owned() });
        }
    }
}

/// This machine's time.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(wall_now().as_millis())
}

fn suffix(region: &str) -> &'static str {
    SUFFIXES.iter().find(|(start, _)| region.starts_with(start)).map_or("amazonaws.com", |(_, suffix)| suffix)
}

/// The headers of a call with its signature.
fn signed(
    call: &Call<'_>,
    (url, region): (&Url, &str),
    (identity, at): (&Identity, SystemTime),
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::try_from(name).map_err(|_| format!("{name} is no header"))?;
        let value = HeaderValue::try_from(value).map_err(|_| format!("{name} has a value it cannot have"))?;
        headers.insert(name, value);
        Ok::<(), String>(())
    };
    for (name, value) in call.headers {
        add(name, value)?;
    }
    let params = v4::SigningParams::builder()
        .identity(identity)
        .region(region)
        .name(call.service)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?;
    let plain = call.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let request = SignableRequest::new("POST", url.as_str(), plain, SignableBody::Bytes(call.body.as_bytes()))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(request, &params.into()).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in instructions.headers() {
        add(name, value)?;
    }
    Ok(headers)
}

/// The header that says what a body is.
pub(super) const BODY: &str = "content-type";

/// The fault that an answer in the query protocol is, if it is none.
pub(super) fn refused(answered: &Answered, operation: &'static str) -> Option<Fault> {
    let Answered { status, body } = answered;
    let error = child(body, "ErrorResponse").and_then(|answer| child(answer, "Error")).unwrap_or_default();
    let code = child(error, "Code").unwrap_or_default();
    let said = format!("status {status}: {code}: {}", child(error, "Message").unwrap_or_default());
    let kind = FaultKind::of_refusal(*status, code, FaultKind::Transient);
    (*status != 200).then(|| Fault::new(kind, operation, one_line(&said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_end_as_their_partition_does() {
        let check = |region, end| assert_eq!(suffix(region), end, "{region}");
        check("eu-west-1", "amazonaws.com");
        check("us-gov-west-1", "amazonaws.com");
        check("cn-north-1", "amazonaws.com.cn");
        check("us-isob-east-1", "sc2s.sgov.gov");
        check("us-iso-east-1", "c2s.ic.gov");
    }
}
