//! One message by one HTTP request: no redirects, a bounded answer, and neither URL nor secret in any message.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, Url};
use sha2::Sha256;

use crate::cloud::address::{Guarded, Reach, check_literal, proxies};
use crate::cloud::delivery::Undelivered;
use crate::cloud::http::{self, filled};
use crate::domain::clock::{Timestamp, wall_now};
use crate::domain::fault::FaultKind;
use crate::domain::notify::Message;
use crate::domain::text::hex;
use crate::gate::is_private_host;

/// The header with what is the same however often a message is sent.
const ID: &str = "x-tidegate-id";
/// The header with the seconds since 1970 that are signed with the body.
const TIMESTAMP: &str = "x-tidegate-timestamp";
/// The header with the signature.
const SIGNATURE: &str = "x-tidegate-signature";
/// The most that is read of an answer, in bytes.
const ANSWER: usize = 256;

/// Sends one recipient's messages by HTTP.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// Made when it is first needed: reading the machine's certificates takes longer than most commands do.
    client: OnceLock<Option<Client>>,
    proxies: Arc<Vec<String>>,
}

impl Post {
    pub(super) fn new(environment: &BTreeMap<String, String>) -> Self {
        Self { proxies: proxies(environment), ..Self::default() }
    }

    /// Sends a message to Slack; what came back.
    pub(super) async fn slack(&self, url: &str, message: &Message) -> Result<String, Undelivered> {
        let request = self.request(url, false)?.body(message.slack.clone());
        let mut response = sent(request).await?;
        let status = response.status().as_u16();
        let said = http::body(&mut response, ANSWER).await.map(|body| body.bytes).unwrap_or_default();
        // Slack says in a word what is wrong; other texts are not Slack's.
        let word = String::from_utf8(said)
            .ok()
            .filter(|word| (1..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        judged(status, &response, word.as_deref())
    }

    /// Sends a message to an endpoint of one's own; what came back.
    pub(super) async fn webhook(
        &self,
        url: &str,
        (secret, allow_private): (&str, bool),
        message: &Message,
    ) -> Result<String, Undelivered> {
        let at = wall_now();
        let request = self
            .request(url, allow_private)?
            .header(ID, &message.id)
            .header(TIMESTAMP, seconds(at))
            .header(SIGNATURE, signature(secret, at, &message.json))
            .body(message.json.clone());
        let response = sent(request).await?;
        judged(response.status().as_u16(), &response, None)
    }

    fn request(&self, url: &str, allow_private: bool) -> Result<RequestBuilder, Undelivered> {
        let url = Url::parse(url).map_err(|error| Undelivered::for_good(format!("not a URL: {error}")))?;
        let reach = reach(&url, allow_private).map_err(Undelivered::for_good)?;
        check_literal(&url, reach).map_err(Undelivered::for_good)?;
        let is_private = url.host_str().is_some_and(is_private_host);
        if is_private && reach == Reach::Public {
            // A proxy would resolve the name in a network that is not ours.
            return Err(Undelivered::for_good("a private host needs `allow_private`"));
        }
        let client = self.client.get_or_init(|| client(reach, is_private, self.proxies.clone()));
        let client = client.as_ref().ok_or_else(|| Undelivered::for_good("no HTTP client could be made"))?;
        Ok(client.post(url).header(CONTENT_TYPE, "application/json"))
    }
}

fn client(reach: Reach, direct: bool, proxies: Arc<Vec<String>>) -> Option<Client> {
    let builder = http::builder().dns_resolver(Guarded { reach, proxies });
    if direct { builder.no_proxy().build().ok() } else { builder.build().ok() }
}

fn reach(url: &Url, allow_private: bool) -> Result<Reach, String> {
    match (url.scheme(), allow_private) {
        ("https", false) => Ok(Reach::Public),
        ("https", true) => Ok(Reach::Any),
        ("http", true) => Ok(Reach::Private),
        ("http", false) => Err("plain http needs `allow_private`, and a private address".to_owned()),
        (other, _) => Err(format!("{other} is not a scheme that can be called")),
    }
}

async fn sent(request: RequestBuilder) -> Result<Response, Undelivered> {
    request.send().await.map_err(|error| Undelivered::for_now(http::words(error)))
}

/// What a status means: 2xx has arrived; what the other side calls its own fault or a matter of time may yet.
fn judged(status: u16, response: &Response, word: Option<&str>) -> Result<String, Undelivered> {
    let said = word.map_or(format!("status {status}"), |word| format!("status {status}: {word}"));
    match status {
        200..=299 => Ok(said),
        _ if !FaultKind::of_status(status).is_lasting() => {
            Err(Undelivered { why: said, again: Some(http::retry_after(response)) })
        }
        300..=399 => Err(Undelivered::for_good(format!("{said}, and redirects are not followed"))),
        _ => Err(Undelivered::for_good(said)),
    }
}

/// A channel's text with its variables filled in; `None` where it comes to nothing.
///
/// # Errors
/// Names the variable that is not set.
pub(super) fn known(text: &str, environment: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    filled(text, environment).map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn seconds(at: Timestamp) -> String {
    (at.as_millis() / 1000).to_string()
}

/// `sha256=` and the HMAC-SHA256 of the timestamp, a dot and the body.
fn signature(secret: &str, at: Timestamp, body: &str) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(seconds(at).as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("sha256={}", hex(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_of_the_timestamp_and_the_body() {
        // printf '1795442400.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let expected = "sha256=3144c5a5d2e9ffc50c169d25a39d6fd1bf812adcbf887e10577edbd0007dc917";
        let at = Timestamp::from_millis(1_795_442_400_999);
        assert_eq!(signature("0123456789abcdef", at, r#"{"a":1}"#), expected);
    }

    #[test]
    fn plain_http_and_private_hosts_are_asked_for() {
        let post = Post::default();
        let refused = |url: &str, allow| post.request(url, allow).err().map(|error| error.again);
        for url in
            ["http://8.8.8.8/", "http://127.0.0.1/", "https://127.0.0.1/", "https://localhost/", "file:///x", "x"]
        {
            assert_eq!(refused(url, false), Some(None), "{url}");
        }
        assert_eq!(refused("http://8.8.8.8/", true), Some(None));
        assert_eq!(refused("http://169.254.169.254/", true), Some(None));
        assert_eq!(refused("http://127.0.0.1:9/", true), None);
    }
}
