//! The part of Prometheus's HTTP API that asks: `/api/v1/query` and `/api/v1/query_range`.

use std::borrow::Cow;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};

use crate::prometheus::{Worth, duration_ms, evaluate, parse};
use crate::world::World;

/// Where a Prometheus would be.
pub(super) const PREFIX: &str = "/_lab/prometheus";
/// Points of one series in an answer, as with Prometheus.
const POINTS_LIMIT: u64 = 11_000;

/// What a request says beside its path, from the query and from a form.
struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// An error by its type, and in words.
struct PromqlError(&'static str, String);

/// Answers a request below [`PREFIX`].
pub(super) fn answer(world: &World, head: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let parameters = Parameters(form_urlencoded::parse(query).chain(form_urlencoded::parse(body)).collect());
    let is_asked = head.method == Method::GET || head.method == Method::POST;
    let data = match head.uri.path().strip_prefix(PREFIX) {
        Some("/api/v1/query") if is_asked => ask_once(world, &parameters),
        Some("/api/v1/query_range") if is_asked => ask_range(world, &parameters),
        _ => Err(PromqlError("not_found", "the lab answers /api/v1/query and /api/v1/query_range".to_owned())),
    };
    let (status, answer) = match data {
        Ok(data) => (200, json!({"status": "success", "data": data})),
        Err(PromqlError(kind, error)) => {
            let status = if kind == "not_found" { 404 } else { 400 };
            (status, json!({"status": "error", "errorType": kind, "error": error}))
        }
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(answer.to_string())))
        .unwrap_or_default()
}

impl Parameters<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// A moment in milliseconds: seconds since 1970, or a date and time.
    fn moment(&self, name: &str) -> Result<Option<u64>, PromqlError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let ms = seconds.map(|seconds| (seconds * 1e3).round() as u64);
        let ms = ms.or_else(|| u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok());
        ms.map(Some).ok_or_else(|| wrong(name, &format!("cannot parse \"{text}\" to a valid timestamp")))
    }

    fn query(&self) -> Result<&str, PromqlError> {
        self.get("query").ok_or_else(|| wrong("query", "it is missing"))
    }
}

fn wrong(parameter: &str, why: &str) -> PromqlError {
    PromqlError("bad_data", format!("invalid parameter \"{parameter}\": {why}"))
}

fn ask_once(world: &World, parameters: &Parameters<'_>) -> Result<Value, PromqlError> {
    let expression = parse(parameters.query()?).map_err(|error| wrong("query", &error))?;
    let at = parameters.moment("time")?.unwrap_or_else(|| world.config.clock.now_ms());
    let worth = evaluate(&expression, &world.scraped, &world.telemetry, at);
    Ok(match worth {
        Worth::Scalar(number) => json!({"resultType": "scalar", "result": point(at, number)}),
        Worth::Vector(value) => {
            let element = |number| json!({"metric": {}, "value": point(at, number)});
            json!({"resultType": "vector", "result": Vec::from_iter(value.map(element))})
        }
    })
}

fn ask_range(world: &World, parameters: &Parameters<'_>) -> Result<Value, PromqlError> {
    let expression = parse(parameters.query()?).map_err(|error| wrong("query", &error))?;
    let moment = |name: &str| parameters.moment(name)?.ok_or_else(|| wrong(name, "it is missing"));
    let (start, end) = (moment("start")?, moment("end")?);
    if end < start {
        return Err(wrong("end", "end timestamp must not be before start time"));
    }
    let text = parameters.get("step").unwrap_or_default();
    let seconds = text.parse::<f64>().ok().map(|seconds| (seconds * 1e3).round() as u64);
    let step = seconds.or_else(|| duration_ms(text)).filter(|step| *step > 0);
    let step = step.ok_or_else(|| wrong("step", &format!("cannot parse \"{text}\" to a valid duration above zero")))?;
    if (end - start) / step > POINTS_LIMIT {
        let why = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
                   (?step=XX)";
        return Err(PromqlError("bad_data", why.to_owned()));
    }
    let worth = |at| evaluate(&expression, &world.scraped, &world.telemetry, at).value().map(|value| point(at, value));
    let values: Vec<Value> = (start..=end).step_by(step as usize).filter_map(worth).collect();
    let result = if values.is_empty() { Vec::new() } else { vec![json!({"metric": {}, "values": values})] };
    Ok(json!({"resultType": "matrix", "result": result}))
}

/// A moment in seconds, and a number as text.
fn point(at_ms: u64, number: f64) -> Value {
    let text = match number {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        number => number.to_string(),
    };
    json!([at_ms as f64 / 1e3, text])
}
