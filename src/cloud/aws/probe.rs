//! Probes: one HTTP request, no redirects, a bounded body, and no header value in any message.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;

use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::fault::one_line;
use crate::gate::ProbeRule;

/// How much of a body is read; what comes after it is not looked at.
const BODY_LIMIT: usize = 64 * 1024;

/// Sends probes.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Prober {
    client: Option<Client>,
    load_balancer: String,
    environment: BTreeMap<String, String>,
    connect_to: Vec<(String, SocketAddr)>,
}

impl Prober {
    pub(in crate::cloud) fn new(
        load_balancer: String,
        environment: BTreeMap<String, String>,
        connect_to: Vec<(String, SocketAddr)>,
    ) -> Prober {
        let builder =
            Client::builder().redirect(Policy::none()).user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        let builder = if connect_to.is_empty() { builder } else { builder.no_proxy() };
        Prober { client: builder.build().ok(), load_balancer, environment, connect_to }
    }

    /// Sends one probe, and says in one line what is wrong with the answer, or with the lack of one.
    pub(in crate::cloud) async fn probe(&self, rule: &ProbeRule) -> Result<String, String> {
        let client = self.client.as_ref().ok_or("no HTTP client could be made")?;
        let url = rule.url.replace("{load_balancer}", &self.load_balancer);
        let (url, host) = self.connected(&url)?;
        let mut headers = headers(&rule.headers, &self.environment)?;
        if let Some(host) = host.and_then(|host| HeaderValue::from_str(&host).ok()) {
            headers.entry(HOST).or_insert(host);
        }
        let request = client.get(url).headers(headers).timeout(rule.timeout);
        let mut response = request.send().await.map_err(words)?;
        let status = response.status().as_u16();
        if status != rule.status {
            return Err(format!("status {status}, expected {}", rule.status));
        }
        let Some(text) = &rule.contains else { return Ok(format!("status {status}")) };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(words)? {
            body.extend_from_slice(&chunk);
            if body.len() >= BODY_LIMIT {
                body.truncate(BODY_LIMIT);
                break;
            }
        }
        let said = format!("`{}`", text.escape_debug());
        if String::from_utf8_lossy(&body).contains(text) {
            Ok(format!("status {status}, body contains {said}"))
        } else {
            Err(format!("status {status}, but the body does not contain {said}"))
        }
    }

    /// The URL to connect to, and the `Host` to send when that is another.
    fn connected(&self, url: &str) -> Result<(Url, Option<String>), String> {
        let mut url = Url::parse(url).map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} is not a scheme that can be probed", url.scheme()));
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

/// What went wrong on the wire, without the URL, which the gate names anyway.
pub(in crate::cloud) fn words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |cause| (*cause).source());
    one_line(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn rule(url: &str, contains: Option<&str>) -> ProbeRule {
        ProbeRule {
            url: url.to_owned(),
            headers: vec![("x-key".into(), "Bearer ${TOKEN}".into())],
            status: 200,
            contains: contains.map(ToOwned::to_owned),
            times: 1,
            timeout: Duration::from_secs(2),
            within: Duration::from_secs(10),
        }
    }

    /// A server that answers once with `answer`, and tells what it was asked.
    async fn server(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        (address, asked)
    }

    fn prober(address: SocketAddr, token: Option<&str>) -> Prober {
        let environment = token.map(|token| ("TOKEN".to_owned(), token.to_owned())).into_iter().collect();
        Prober::new("web.example.com".into(), environment, vec![("web.example.com:8080".into(), address)])
    }

    #[tokio::test]
    async fn a_probe_goes_where_the_lab_listens_and_keeps_its_host() {
        let (address, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        let probe = prober(address, Some("sesame")).probe(&rule("http://{load_balancer}:8080/x", Some("hell"))).await;
        assert_eq!(probe, Ok("status 200, body contains `hell`".to_owned()));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("GET /x HTTP/1.1"), "{asked}");
        assert!(asked.contains("host: web.example.com:8080"), "{asked}");
        assert!(asked.contains("x-key: Bearer sesame"), "{asked}");
    }

    #[tokio::test]
    async fn a_wrong_answer_is_told_in_one_line() {
        let (address, _asked) = server("HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n").await;
        let probe = prober(address, Some("sesame")).probe(&rule("http://{load_balancer}:8080/x", None)).await;
        assert_eq!(probe, Err("status 302, expected 200".to_owned()));
    }

    #[tokio::test]
    async fn a_secret_that_is_not_set_is_named_and_never_shown() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let probe = prober(nowhere, None).probe(&rule("http://{load_balancer}:8080/x", None)).await;
        assert_eq!(probe, Err("header x-key: ${TOKEN} is not set".to_owned()));
        let probe = prober(nowhere, Some("bad\nsesame")).probe(&rule("http://{load_balancer}:8080/x", None)).await;
        assert!(!probe.unwrap_err().contains("sesame"));
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let environment = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(filled("${A}-${B:-two}", &environment), Ok("1-two".to_owned()));
        assert_eq!(filled("$ $$ $${A} $5", &environment), Ok("$ $ ${A} $5".to_owned()));
        assert!(filled("${A", &environment).is_err());
    }
}
