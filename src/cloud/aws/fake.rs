//! AWS as a function from request to reply, for tests: the SDK's clients with their signing,
//! retries and time-outs, without a socket.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::http::{HttpRequest, HttpResponse};
use aws_sdk_ecs::config::{Credentials, HttpClient, RuntimeComponents, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_ecs::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::Aws;
use crate::domain::clock::{Clock, Timestamp};

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An answer: status, content type, body.
    Body(u16, &'static str, Vec<u8>),
    /// An answer in an encoding: status, encoding, body.
    Encoded(u16, &'static str, Vec<u8>),
    /// An answer with the `Date` of another clock than this machine's.
    Dated(String, Box<Reply>),
    /// The connection breaks before an answer.
    Lost,
    /// No answer ever comes.
    Never,
    /// It takes so long.
    After(Duration, Box<Reply>),
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Reply {
        Reply::status(200, body)
    }

    pub(crate) fn status(status: u16, body: &Value) -> Reply {
        Reply::Body(status, "application/x-amz-json-1.1", body.to_string().into_bytes())
    }

    /// An answer in CBOR. A text such as `@1795442400` becomes the moment so many seconds after the epoch.
    pub(crate) fn cbor(body: &Value) -> Reply {
        let value = ciborium::Value::serialized(body).expect("JSON is CBOR");
        let mut bytes = Vec::new();
        ciborium::into_writer(&with_moments(value), &mut bytes).expect("memory takes every byte");
        Reply::Body(200, "application/cbor", bytes)
    }

    /// The answer of an operation in the query protocol: what stands inside its result element.
    pub(crate) fn xml(operation: &str, inner: &str) -> Reply {
        let body = format!("<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>");
        Reply::Body(200, "text/xml", body.into_bytes())
    }

    /// The same, a while later.
    pub(crate) fn after(self, span: Duration) -> Reply {
        Reply::After(span, Box::new(self))
    }

    /// A refusal in the query protocol.
    pub(crate) fn xml_error(status: u16, code: &str) -> Reply {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        );
        Reply::Body(status, "text/xml", body.into_bytes())
    }
}

fn with_moments(value: ciborium::Value) -> ciborium::Value {
    use ciborium::Value::{Array, Float, Map, Tag, Text};
    match value {
        Map(fields) => Map(fields.into_iter().map(|(key, value)| (key, with_moments(value))).collect()),
        Array(items) => Array(items.into_iter().map(with_moments).collect()),
        Text(text) => match text.strip_prefix('@').and_then(|seconds| seconds.parse().ok()) {
            Some(seconds) => Tag(1, Box::new(Float(seconds))),
            None => Text(text),
        },
        other => other,
    }
}

/// One request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub operation: String,
    /// The address: what REST calls say in it is not in the body.
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// Parameters of a call in the query protocol.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// One parameter of a call in the query protocol.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The body of a CBOR call.
    pub(crate) fn cbor(&self) -> ciborium::Value {
        ciborium::from_reader(self.body.as_slice()).expect("the SDK sends CBOR")
    }
}

type Answerer = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// The fake.
#[derive(Clone)]
pub(crate) struct Fake {
    answer: Answerer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    /// A fake that answers with `answer`.
    pub(crate) fn new(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Fake {
        Fake { answer: Arc::new(answer), seen: Arc::default() }
    }

    /// Clients that talk to it.
    pub(crate) fn aws(&self) -> Aws {
        let keys = Credentials::new("AKID", "secret", None, None, "fake");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(SharedHttpClient::new(self.clone()))
            .build();
        Aws::from_config(&config)
    }

    /// What was sent so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The operations that were called so far, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.operation).collect()
    }

    async fn serve(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let seen = drain(request).await;
        self.seen.lock().unwrap().push(seen.clone());
        let mut reply = (self.answer)(&seen);
        while let Reply::After(span, then) = reply {
            let clock = Clock::starting_at(Timestamp::default(), 1.0);
            clock.sleep_until(clock.now() + span).await;
            reply = *then;
        }
        let date = match reply {
            Reply::Dated(date, then) => {
                reply = *then;
                Some(date)
            }
            _ => None,
        };
        match reply {
            Reply::Encoded(status, encoding, body) => {
                let status = StatusCode::try_from(status).expect("a status");
                let mut response = HttpResponse::new(status, SdkBody::from(body));
                response.headers_mut().insert("content-encoding", encoding);
                Ok(response)
            }
            Reply::Body(status, kind, body) => {
                let mut response =
                    HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body));
                response.headers_mut().insert("content-type", kind);
                response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
                if let Some(date) = date {
                    response.headers_mut().insert("date", date);
                }
                Ok(response)
            }
            Reply::Lost => Err(ConnectorError::io("connection reset by peer".into())),
            Reply::Never | Reply::After(..) | Reply::Dated(..) => std::future::pending().await,
        }
    }
}

/// Reads the body first: a request whose body nobody polls is failed by the SDK's stall guard.
async fn drain(mut request: HttpRequest) -> Seen {
    let body = std::mem::replace(request.body_mut(), SdkBody::taken());
    let body = body.collect().await.expect("the body is in memory").to_bytes().to_vec();
    let headers: Vec<_> = request.headers().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let (uri, method) = (request.uri().to_owned(), request.method().to_owned());
    let seen = Seen { operation: String::new(), uri: uri.clone(), headers, body };
    let target = seen.header("x-amz-target");
    let operation = match target {
        Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        None if uri.contains("/schedules/") => {
            let verbs = [("GET", "Get"), ("PUT", "Update"), ("POST", "Create"), ("DELETE", "Delete")];
            let verb = verbs.into_iter().find(|(known, _)| *known == method).map_or("", |(_, verb)| verb);
            format!("{verb}Schedule")
        }
        None => match uri.rsplit_once("/operation/") {
            Some((_, operation)) => operation.to_owned(),
            None => seen.param("Action").unwrap_or_default(),
        },
    };
    Seen { operation, ..seen }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().serve(request))
    }
}

impl HttpClient for Fake {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
