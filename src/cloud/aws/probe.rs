//! Probes: one HTTP request, no redirects, a bounded body, and no header value in any message.

use reqwest::{Method, Url};

use crate::cloud::http::{Http, body, words};
use crate::gate::ProbeRule;

/// How much of a body is read; what comes after it is not looked at.
const BODY_LIMIT: usize = 64 * 1024;

/// Sends probes.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Prober {
    http: Http,
    load_balancer: String,
}

impl Prober {
    pub(in crate::cloud) fn new(load_balancer: String, http: Http) -> Prober {
        Prober { http, load_balancer }
    }

    /// Sends one probe, and says in one line what is wrong with the answer, or with the lack of one.
    pub(in crate::cloud) async fn probe(&self, rule: &ProbeRule) -> Result<String, String> {
        let url = rule.url.replace("{load_balancer}", &self.load_balancer);
        let url = Url::parse(&url).map_err(|error| format!("not a URL: {error}"))?;
        let request = self.http.request(Method::GET, url, &rule.headers, rule.timeout)?;
        let mut response = request.send().await.map_err(words)?;
        let status = response.status().as_u16();
        if status != rule.status {
            return Err(format!("status {status}, expected {}", rule.status));
        }
        let Some(text) = &rule.contains else { return Ok(format!("status {status}")) };
        let body = body(&mut response, BODY_LIMIT).await?;
        let said = format!("`{}`", text.escape_debug());
        if String::from_utf8_lossy(&body.bytes).contains(text) {
            Ok(format!("status {status}, body contains {said}"))
        } else {
            Err(format!("status {status}, but the body does not contain {said}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
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
        let http = Http::new(environment, vec![("web.example.com:8080".into(), address)]);
        Prober::new("web.example.com".into(), http)
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
}
