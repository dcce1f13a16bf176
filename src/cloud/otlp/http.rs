//! One request to a collector: no redirects, and neither its URL nor a header's value in any message.

use std::sync::OnceLock;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use super::message::{Request, refused};
use super::settings::Endpoint;
use crate::cloud::delivery::Undelivered;
use crate::cloud::http;

/// The most that is read of an answer, in bytes.
const ANSWER: usize = 4096;
/// The port at which collectors speak gRPC.
const GRPC_PORT: u16 = 4317;

/// Sends one signal's requests.
pub(super) struct Post {
    /// Made when it is first needed: reading the machine's certificates takes longer than most commands do.
    client: OnceLock<Option<Client>>,
    endpoint: Endpoint,
}

impl Post {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { client: OnceLock::new(), endpoint }
    }

    /// A request in the form that the endpoint takes.
    pub(super) fn encode(&self, request: &Request) -> Vec<u8> {
        request.encode(self.endpoint.form)
    }

    /// Sends a request once. Which statuses are worth another try is fixed by the protocol:
    /// <https://opentelemetry.io/docs/specs/otlp/#failures-1>.
    pub(super) async fn send(&self, body: Vec<u8>) -> Result<(), Undelivered> {
        let client = self.client.get_or_init(|| http::builder().build().ok()).as_ref();
        let client = client.ok_or_else(|| Undelivered::for_good("no HTTP client could be made"))?;
        let Endpoint { url, headers, form, within } = &self.endpoint;
        let request = client.post(url.clone()).headers(headers.clone()).header(CONTENT_TYPE, form.content_type());
        let sent = request.body(body).timeout(*within).send().await;
        let mut response = sent.map_err(|error| Undelivered::for_now(self.words(error)))?;
        let status = response.status();
        if status.is_success() {
            // The protocol has an answer that takes a part and refuses the rest, for good.
            let said = http::body(&mut response, ANSWER).await.map(|body| body.bytes).unwrap_or_default();
            return match refused(&said, *form) {
                0 => Ok(()),
                count => Err(Undelivered::for_good(format!("the collector refused {count} of them"))),
            };
        }
        // The protocol's own list: after any other status the same must not be sent again.
        let is_transient = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        let again = is_transient.then(|| http::retry_after(&response));
        Err(Undelivered { why: format!("status {}{}", status.as_u16(), self.hint()), again })
    }

    fn words(&self, error: reqwest::Error) -> String {
        if error.is_timeout() {
            let within = crate::domain::clock::span(self.endpoint.within);
            return format!("no answer within {within}{}", self.hint());
        }
        format!("{}{}", http::words(error), self.hint())
    }

    /// What a port that speaks another protocol is mistaken for.
    fn hint(&self) -> &'static str {
        let is_grpc = self.endpoint.url.port() == Some(GRPC_PORT);
        if is_grpc { "; 4317 is usually gRPC's port, and HTTP's is 4318" } else { "" }
    }
}
