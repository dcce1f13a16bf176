//! One request through the balancer: rule, group, target, answer, count.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};

use super::meter::Flowed;
use super::route::{Action, Forward, RequestView, Routes, STICKY_COOKIE};
use super::target::{Trouble, Upstream};
use super::{Balancer, GROUP};
use crate::task::SERVICE_TIME;

/// The largest request body that is carried.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How long a target may take, in lab time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// However fast the lab runs, this machine gets so long.
const IDLE_TIMEOUT_AT_LEAST: Duration = Duration::from_secs(5);
/// What belongs to one connection and is not carried on.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

type HttpAnswer = Response<Full<Bytes>>;

/// A target chosen for a request.
struct Chosen {
    group: String,
    name: String,
    upstream: Arc<Upstream>,
    targets: usize,
    cookie: Option<HeaderValue>,
}

impl Balancer {
    /// Answers one request of a listener.
    pub(super) async fn answer(
        &self,
        listener: &str,
        from: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<HttpAnswer, Infallible> {
        let (head, body) = request.into_parts();
        let Some(routes) = self.routes(listener) else { return Ok(plain(503, "text/plain", "")) };
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return Ok(self.own(&routes, 413));
        };
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let asked = RequestView {
            host: host.rsplit_once(':').map_or(host, |(name, _)| name),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            method: head.method.as_str(),
            headers: &head.headers,
            source: from.ip(),
        };
        let forward = match routes.find(&asked) {
            Some(Action::Forward(forward)) => forward,
            Some(Action::Redirect(redirect)) => {
                let (status, place) = redirect.place(&asked);
                return Ok(redirected(status, &place));
            }
            Some(Action::Fixed { status, content_type, body }) => {
                return Ok(plain(*status, content_type, body));
            }
            None => return Ok(self.own(&routes, 503)),
        };
        let Some(chosen) = self.choose(forward, &head.headers) else {
            return Ok(self.own(&routes, 503));
        };
        let request = Request::from_parts(head, Full::new(body.to_bytes()));
        Ok(self.carry(&routes, chosen, carried(request, from)).await)
    }

    /// Chooses a group by cookie or weight, and its next target in turn.
    fn choose(&self, forward: &Forward, headers: &HeaderMap) -> Option<Chosen> {
        let now = self.clock.now_ms();
        let cookie = forward.stickiness.and_then(|_| cookie(headers, STICKY_COOKIE));
        let bound = cookie.and_then(|cookie| forward.bound(cookie, now));
        let group = bound.or_else(|| forward.choose(self.roll()))?;
        // Every answer binds anew, for as long as the rule says now.
        let cookie = forward.bind(group, now).and_then(|(value, until)| set_cookie(&value, until));
        let groups = self.groups();
        let found = groups.get(group)?;
        let upstream = &found.turn(now, || self.roll())?.upstream;
        Some(Chosen {
            group: group.to_owned(),
            name: found.name.clone(),
            upstream: Arc::clone(upstream),
            targets: found.open.len(),
            cookie,
        })
    }

    async fn carry(&self, routes: &Routes, chosen: Chosen, request: Request<Full<Bytes>>) -> HttpAnswer {
        let started = Instant::now();
        let asked = chosen.upstream.send(&request, &self.ending);
        let sent = self.clock.within(IDLE_TIMEOUT, IDLE_TIMEOUT_AT_LEAST, asked).await;
        let elapsed = started.elapsed();
        let meter = self.meter(&routes.balancer);
        let now = self.clock.now_ms();
        let mut flowed = Flowed {
            status: None,
            time: 0.0,
            is_unreachable: matches!(sent, Some(Err(Trouble::Unreachable))),
            targets: chosen.targets,
            is_late: self.late > 0.0 && self.roll() < self.late,
        };
        let own = match sent {
            Some(Ok(response)) => {
                flowed.status = Some(response.status().as_u16());
                flowed.time = self.target_time(&response, elapsed);
                meter.forwarded(now, &chosen.group, &flowed);
                return returned(response, chosen);
            }
            Some(Err(_)) => 502,
            None => 504,
        };
        meter.forwarded(now, &chosen.group, &flowed);
        let mut answer = self.own(routes, own);
        if let Ok(name) = HeaderValue::from_str(&chosen.name) {
            answer.headers_mut().insert("x-lab-tried", name);
        }
        answer
    }

    /// What the task declares, plus the little that this machine added.
    fn target_time(&self, response: &Response<Bytes>, elapsed: Duration) -> f64 {
        let declared = response.headers().get(SERVICE_TIME).and_then(|time| time.to_str().ok());
        self.clock.taken(declared.and_then(|time| time.parse().ok()), elapsed)
    }

    /// An answer of the balancer itself, counted as such.
    fn own(&self, routes: &Routes, status: u16) -> HttpAnswer {
        self.meter(&routes.balancer).answered(self.clock.now_ms(), status);
        let reason = hyper::StatusCode::from_u16(status).ok();
        let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
        plain(status, "text/html", &format!("<html><h1>{status} {reason}</h1></html>\n"))
    }
}

/// The request as the target gets it.
fn carried(mut request: Request<Full<Bytes>>, from: SocketAddr) -> Request<Full<Bytes>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = hyper::Version::HTTP_11;
    let headers = request.headers_mut();
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    let source = from.ip().to_string();
    let source = match headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()) {
        Some(before) => format!("{before}, {source}"),
        None => source,
    };
    if let Ok(source) = HeaderValue::from_str(&source) {
        headers.insert("x-forwarded-for", source);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    request
}

/// The answer as the client gets it.
fn returned(response: Response<Bytes>, chosen: Chosen) -> HttpAnswer {
    let mut response = response.map(Full::new);
    let headers = response.headers_mut();
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    if let Ok(name) = HeaderValue::from_str(&chosen.name) {
        headers.insert(GROUP, name);
    }
    if let Some(cookie) = chosen.cookie {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let jars = headers.get_all(header::COOKIE).iter().filter_map(|jar| jar.to_str().ok());
    let pairs = jars.flat_map(|jar| jar.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn set_cookie(value: &str, until_ms: u64) -> Option<HeaderValue> {
    let until = jiff::Timestamp::from_millisecond(until_ms as i64).ok()?;
    let until = until.strftime("%a, %d %b %Y %H:%M:%S GMT");
    HeaderValue::from_str(&format!("{STICKY_COOKIE}={value}; Expires={until}; Path=/")).ok()
}

fn plain(status: u16, content_type: &str, body: &str) -> HttpAnswer {
    Response::builder()
        .status(status)
        .header(header::SERVER, "awselb/2.0")
        .header(header::CONTENT_TYPE, content_type)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap_or_default()
}

fn redirected(status: u16, place: &str) -> HttpAnswer {
    let mut answer = plain(status, "text/html", "");
    if let Ok(place) = HeaderValue::from_str(place) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    answer
}
