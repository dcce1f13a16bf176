//! HTTP to servers that a spec names: no redirects, bounded answers, and no header value in any message.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, Url};
use rustls::crypto::CryptoProvider;

use super::aws::fault::one_line;

/// The shortest part of a header's value that is taken for a secret; shorter ones are words such as `1`.
const SECRET_LEAST: usize = 4;

/// Sends requests, and fills in what their headers leave open.
#[derive(Clone)]
pub(in crate::cloud) struct Http {
    /// Made when it is first needed: reading the machine's certificates takes longer than most commands do.
    client: Arc<OnceLock<Option<Client>>>,
    environment: BTreeMap<String, String>,
    connect_to: Vec<(String, SocketAddr)>,
}

impl fmt::Debug for Http {
    /// Without the environment, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("connect_to", &self.connect_to).finish_non_exhaustive()
    }
}

/// What was read of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cloud) struct Body {
    pub bytes: Vec<u8>,
    /// Whether that is all of it.
    pub is_whole: bool,
}

impl Http {
    /// Fills `${VAR}` in from `environment`. Plain-text requests to a `host:port` of `connect_to` go to the
    /// address beside it; where there is one, no proxy is used.
    pub(in crate::cloud) fn new(environment: BTreeMap<String, String>, connect_to: Vec<(String, SocketAddr)>) -> Http {
        Http { client: Arc::default(), environment, connect_to }
    }

    fn client(&self) -> Option<&Client> {
        let make = || {
            let builder = self::builder();
            let builder = if self.connect_to.is_empty() { builder } else { builder.no_proxy() };
            builder.build().ok()
        };
        self.client.get_or_init(make).as_ref()
    }

    /// A request with its headers filled in; its whole answer must come within `within`.
    pub(in crate::cloud) fn request(
        &self,
        method: Method,
        url: Url,
        headers: &[(String, String)],
        within: Duration,
    ) -> Result<RequestBuilder, String> {
        let client = self.client().ok_or("no HTTP client could be made")?;
        let (url, host) = self.connected(url)?;
        let mut headers = self::headers(headers, &self.environment)?;
        if let Some(host) = host.and_then(|host| HeaderValue::from_str(&host).ok()) {
            headers.entry(HOST).or_insert(host);
        }
        Ok(client.request(method, url).headers(headers).timeout(within))
    }

    /// `words` of a server without what was sent to it in headers, should it have repeated that.
    pub(in crate::cloud) fn without_secrets(&self, words: &str, headers: &[(String, String)]) -> String {
        let filled = headers.iter().filter_map(|(_, value)| filled(value, &self.environment).ok());
        let mut words = words.to_owned();
        for value in filled {
            for part in value.split_whitespace().filter(|part| part.len() >= SECRET_LEAST) {
                words = words.replace(part, "…");
            }
        }
        words
    }

    /// The URL to connect to, and the `Host` to send when that is another.
    fn connected(&self, mut url: Url) -> Result<(Url, Option<String>), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} is not a scheme that can be asked", url.scheme()));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let Some(port) = url.port_or_known_default() else { return Ok((url, None)) };
        let place = format!("{host}:{port}");
        let Some((_, address)) = self.connect_to.iter().find(|(from, _)| *from == place) else {
            return Ok((url, None));
        };
        if url.scheme() != "http" {
            return Err("only http can be connected elsewhere".to_owned());
        }
        let shown = if url.port().is_some() { place } else { host };
        let moved = url.set_ip_host(address.ip()).and_then(|()| url.set_port(Some(address.port())));
        moved.map_err(|()| format!("{shown} cannot be connected to {address}"))?;
        Ok((url, Some(shown)))
    }
}

/// A client's beginnings: it follows no redirect, and says who it is.
pub(in crate::cloud) fn builder() -> ClientBuilder {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, with the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Client::builder().redirect(Policy::none()).user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
}

/// Reads an answer's body, at most `limit` bytes of it.
pub(in crate::cloud) async fn body(response: &mut Response, limit: usize) -> Result<Body, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(words)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit {
            bytes.truncate(limit);
            return Ok(Body { bytes, is_whole: false });
        }
    }
    Ok(Body { bytes, is_whole: true })
}

/// How long an answer asks to wait before the next try; nothing where it does not say.
pub(in crate::cloud) fn retry_after(response: &Response) -> Duration {
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(asked.unwrap_or(0))
}

/// What went wrong on the wire, without the URL, which the gate names anyway.
pub(in crate::cloud) fn words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |cause| (*cause).source());
    one_line(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// Headers with every variable filled in. What is wrong with one is said without its value.
pub(in crate::cloud) fn headers(
    written: &[(String, String)],
    environment: &BTreeMap<String, String>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let value = filled(value, environment).map_err(|why| format!("header {name}: {why}"))?;
        let key = HeaderName::try_from(name).map_err(|_| format!("`{}` is no header", name.escape_debug()))?;
        let value = HeaderValue::try_from(value).map_err(|_| format!("header {name} has a value it cannot have"))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

/// `value` with every `${VAR}` and `${VAR:-default}` filled in; `$$` is a dollar sign, as in a spec.
pub(in crate::cloud) fn filled(value: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(inside) = after.strip_prefix('{') {
            let (inner, tail) = inside.split_once('}').ok_or("a `${` is never closed")?;
            out.push_str(value_of(inner, environment)?);
            rest = tail;
        } else {
            out.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// What `VAR` or `VAR:-default` stands for.
fn value_of<'a>(reference: &'a str, environment: &'a BTreeMap<String, String>) -> Result<&'a str, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let found = environment.get(name).map(String::as_str).filter(|text| !text.is_empty() || default.is_none());
    found.or(default).ok_or_else(|| format!("${{{name}}} is not set"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fill_what_is_not_set() {
        let environment = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(filled("${A}-${B:-two}", &environment), Ok("1-two".to_owned()));
        assert_eq!(filled("$ $$ $${A} $5", &environment), Ok("$ $ ${A} $5".to_owned()));
        assert!(filled("${A", &environment).is_err());
    }

    #[test]
    fn what_a_server_repeats_of_a_header_is_not_told() {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "sesame".to_owned())]);
        let http = Http::new(environment, Vec::new());
        let headers = [("authorization".to_owned(), "Bearer ${TOKEN}".to_owned()), ("x-n".to_owned(), "1".to_owned())];
        assert_eq!(http.without_secrets("bad token sesame, code 1", &headers), "bad token …, code 1");
        assert!(!format!("{http:?}").contains("sesame"));
    }
}
