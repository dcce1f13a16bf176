//! Where telemetry goes, by OpenTelemetry's own variables: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
//!
//! What is said of one signal comes before what is said of both; an empty variable is none. Where no endpoint is named
//! nothing is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// How long an answer may take, where nothing is said.
const WITHIN: Duration = Duration::from_secs(10);
/// The longest that is waited for one, whatever is said.
const WITHIN_MOST: Duration = Duration::from_secs(60);
/// How often figures are sent, where nothing is said.
const EVERY: Duration = Duration::from_secs(60);
/// The most attributes of the resource that are taken from a variable.
const RESOURCE: usize = 64;

/// Where telemetry goes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(super) traces: Option<Endpoint>,
    pub(super) metrics: Option<Endpoint>,
    /// The attributes of who says it.
    pub resource: Vec<(String, String)>,
    /// Whether sums are of what came since they were last sent.
    pub(super) delta: bool,
    /// How often figures are sent, in wall time.
    pub(super) every: Duration,
    /// What is wrong with the variables.
    pub(super) notes: Vec<String>,
}

/// Where one signal goes.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) form: Form,
    pub(super) within: Duration,
}

impl fmt::Debug for Endpoint {
    /// Without URL and headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("form", &self.form).field("within", &self.within).finish_non_exhaustive()
    }
}

/// In what form messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Json,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Protobuf => "application/x-protobuf",
            Form::Json => "application/json",
        }
    }
}

/// One of the two signals, by its part of the variables' names, and of the URL's path.
#[derive(Clone, Copy)]
struct Signal {
    name: &'static str,
    path: &'static str,
}

const TRACES: Signal = Signal { name: "TRACES", path: "v1/traces" };
const METRICS: Signal = Signal { name: "METRICS", path: "v1/metrics" };

impl Settings {
    /// Reads the variables.
    pub fn read(environment: &BTreeMap<String, String>) -> Self {
        let read = Reader { environment };
        let mut settings = Self { resource: read.resource(), every: read.every(), ..Self::default() };
        if read.get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return settings;
        }
        settings.delta = read
            .get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
            .is_some_and(|text| text.eq_ignore_ascii_case("delta") || text.eq_ignore_ascii_case("lowmemory"));
        let mut endpoint = |signal: Signal| match read.endpoint(signal) {
            Ok(endpoint) => endpoint,
            Err(why) => {
                let what = signal.name.to_ascii_lowercase();
                settings.notes.push(format!("otel: {what} are not sent: {why}"));
                None
            }
        };
        let (traces, metrics) = (endpoint(TRACES), endpoint(METRICS));
        (settings.traces, settings.metrics) = (traces, metrics);
        settings
    }

    /// Whether nothing is sent, and nothing is to be said about that.
    pub fn is_empty(&self) -> bool {
        self.traces.is_none() && self.metrics.is_none() && self.notes.is_empty()
    }
}

struct Reader<'a> {
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.environment.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// What `OTEL_EXPORTER_OTLP_<SIGNAL>_<of>` says, or `OTEL_EXPORTER_OTLP_<of>`, with the variable's name.
    fn exporter(&self, signal: Signal, of: &str) -> Option<(String, &'a str)> {
        let names = [format!("OTEL_EXPORTER_OTLP_{}_{of}", signal.name), format!("OTEL_EXPORTER_OTLP_{of}")];
        names.into_iter().find_map(|name| self.get(&name).map(|text| (name, text)))
    }

    /// # Errors
    /// Says which variable is not understood; never its value, which may hold a secret.
    fn endpoint(&self, signal: Signal) -> Result<Option<Endpoint>, String> {
        let exporter = format!("OTEL_{}_EXPORTER", signal.name);
        match self.get(&exporter) {
            Some("none") => return Ok(None),
            Some("otlp") | None => {}
            Some(_) if self.exporter(signal, "ENDPOINT").is_none() => return Ok(None),
            Some(_) => return Err(format!("{exporter} can be otlp or none here")),
        }
        let Some((name, text)) = self.exporter(signal, "ENDPOINT") else { return Ok(None) };
        let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = parsed.ok_or_else(|| format!("{name} is no http:// or https:// URL"))?;
        if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
            let path = format!("{}/{}", url.path().trim_end_matches('/'), signal.path);
            url.set_path(&path);
        }
        let form = match self.exporter(signal, "PROTOCOL") {
            None | Some((_, "http/protobuf")) => Form::Protobuf,
            Some((_, "http/json")) => Form::Json,
            Some((name, "grpc")) => {
                return Err(format!("{name}=grpc is not spoken here; http/protobuf is, usually at port 4318"));
            }
            Some((name, _)) => return Err(format!("{name} can be http/protobuf or http/json")),
        };
        let headers = self.headers(signal)?;
        Ok(Some(Endpoint { url, headers, form, within: self.within(signal) }))
    }

    fn headers(&self, signal: Signal) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        let Some((name, text)) = self.exporter(signal, "HEADERS") else { return Ok(headers) };
        for (key, value) in pairs(text).ok_or_else(|| format!("{name} is no list of key=value"))? {
            let key = HeaderName::try_from(key).map_err(|_| format!("{name} names what is no header"))?;
            let mut value =
                HeaderValue::try_from(value).map_err(|_| format!("{name} has a value that a header cannot have"))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }

    /// How long an answer may take: milliseconds. What is no such number is as if it were not said.
    fn within(&self, signal: Signal) -> Duration {
        let said = self.exporter(signal, "TIMEOUT").and_then(|(_, text)| text.parse().ok());
        said.filter(|millis| *millis > 0).map_or(WITHIN, Duration::from_millis).min(WITHIN_MOST)
    }

    fn every(&self) -> Duration {
        let said = self.get("OTEL_METRIC_EXPORT_INTERVAL").and_then(|text| text.parse().ok());
        said.filter(|millis| *millis > 0).map_or(EVERY, Duration::from_millis)
    }

    /// Who says it. A list that is not understood counts as empty, as the specification has it.
    fn resource(&self) -> Vec<(String, String)> {
        let said = self.get("OTEL_RESOURCE_ATTRIBUTES").and_then(pairs).unwrap_or_default();
        let name = self.get("OTEL_SERVICE_NAME").map(str::to_owned);
        let of = |key: &str| said.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.clone());
        let name = name.or_else(|| of("service.name")).unwrap_or_else(|| "tidegate".to_owned());
        let version = of("service.version").unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
        let mut resource = vec![("service.name".to_owned(), name), ("service.version".to_owned(), version)];
        for (key, value) in said.into_iter().take(RESOURCE) {
            if !resource.iter().any(|(known, _)| *known == key) {
                resource.push((key, value));
            }
        }
        resource
    }
}

/// `key=value,key=value`, with `%2C` and the like in values.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim();
        (!key.is_empty()).then_some(())?;
        Some((decoded(key)?, decoded(value.trim())?))
    });
    pairs.collect()
}

/// Text with `%XX` replaced. A `+` stays one: this is no form.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok().filter(|text| text.bytes().all(|c| c.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}
