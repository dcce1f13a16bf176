//! Collectors of all kinds: quick, refusing, silent and full; and what the variables mean.

use std::collections::BTreeMap;
use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsDouble;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::settings::Form;
use super::*;
use crate::domain::clock::Timestamp;

const SECRET: &str = "sesame-sesame";

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    Settings::read(&environment(variables))
}

/// What was said of trouble.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn open(settings: Settings) -> (OtlpExporter, Intake, Heard) {
    let complaints = Heard::default();
    let here = complaints.clone();
    let (otlp, intake) = OtlpExporter::open(settings, move |text| here.0.lock().unwrap().push(text.to_owned()));
    (otlp, intake, complaints)
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// One request: its head in lower case, and its body.
async fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        assert!(length > 0, "it ends early: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&part[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let said = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap();
        if bytes.len() >= end + 4 + said {
            return (head, bytes[end + 4..].to_vec());
        }
    }
}

/// Answers one request after the other with these statuses; what was asked.
async fn answers(listener: TcpListener, statuses: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut asked = Vec::new();
    for status in statuses {
        let (mut stream, _) = listener.accept().await.unwrap();
        asked.push(request(&mut stream).await);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    asked
}

fn span(name: &str) -> TelemetryItem {
    let span = Span { trace_id: vec![7; 16], span_id: vec![9; 8], name: name.to_owned(), ..Span::default() };
    TelemetryItem::Span(Box::new(span))
}

fn measure(instrument: Instrument, value: f64, gate: &str) -> Measure {
    Measure { instrument, value, labels: vec![("tidegate.gate", gate.to_owned())] }
}

#[tokio::test]
async fn spans_arrive_together_as_protobuf_with_the_headers_that_were_said() {
    let (listener, url) = listener().await;
    let (otlp, intake, complaints) = open(settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("{url}/base/")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sesame-sesame, x-tenant = 1 "),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,service.name=other"),
        ("OTEL_SERVICE_NAME", "gate"),
    ]));
    intake.put(span("one"));
    intake.put(span("two"));
    drop(intake);
    let (asked, ()) = tokio::join!(answers(listener, &["200 OK"]), otlp.close(Duration::from_secs(20)));
    let (head, body) = &asked[0];
    assert!(head.starts_with("post /base/v1/traces http/1.1"), "{head}");
    for line in ["content-type: application/x-protobuf", "authorization: bearer sesame-sesame", "x-tenant: 1"] {
        assert!(head.lines().any(|said| said == line), "{line} is not in {head}");
    }
    let sent = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let spans = &sent.resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let resource = format!("{:?}", sent.resource_spans[0].resource);
    for part in ["\"gate\"", "deployment.environment.name", "service.version"] {
        assert!(resource.contains(part), "{resource}");
    }
    assert_eq!(complaints.all(), [""; 0]);
}

#[tokio::test]
async fn json_has_ids_in_hex_and_moments_as_text() {
    let (listener, url) = listener().await;
    let (otlp, intake, _) =
        open(settings(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]));
    intake.put(span("one"));
    drop(intake);
    let (asked, ()) = tokio::join!(answers(listener, &["200 OK"]), otlp.close(Duration::from_secs(20)));
    let (head, body) = &asked[0];
    assert!(head.starts_with("post / http/1.1") && head.contains("content-type: application/json"), "{head}");
    let sent: serde_json::Value = serde_json::from_slice(body).unwrap();
    let span = &sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!((span["spanId"].as_str(), span["startTimeUnixNano"].as_str()), (Some("0909090909090909"), Some("0")));
}

#[test]
fn an_answer_that_takes_a_part_says_how_much_it_refuses() {
    let part = |name: &str, count: &str| format!(r#"{{"partialSuccess":{{"{name}":{count}}}}}"#);
    for (answer, count) in [
        (part("rejectedSpans", "\"3\""), 3),
        (part("rejectedDataPoints", "2"), 2),
        (part("rejectedSpans", "\"0\""), 0),
        ("{}".to_owned(), 0),
        ("no".to_owned(), 0),
        (String::new(), 0),
    ] {
        assert_eq!(message::refused(answer.as_bytes(), Form::Json), count, "{answer}");
    }
    for (answer, count) in [(&[0x0a, 0x02, 0x08, 0x05][..], 5), (&[], 0), (b"no", 0)] {
        assert_eq!(message::refused(answer, Form::Protobuf), count, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_and_what_will_not_is_said_once() {
    let (listener, url) = listener().await;
    let (otlp, intake, complaints) = open(settings(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url)]));
    intake.put(span("one"));
    drop(intake);
    let (asked, ()) =
        tokio::join!(answers(listener, &["503 No", "429 No", "200 OK"]), otlp.close(Duration::from_secs(60)));
    assert_eq!((asked.len(), complaints.all()), (3, Vec::new()));

    let (listener, url) = self::listener().await;
    let (otlp, intake, complaints) = open(settings(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{url}/{SECRET}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={SECRET}")),
    ]));
    (0..=BATCH).for_each(|_| intake.put(span("one")));
    drop(intake);
    let (asked, ()) = tokio::join!(answers(listener, &["401 No", "401 No"]), otlp.close(Duration::from_secs(60)));
    assert_eq!((asked.len(), complaints.all()), (2, vec!["otel: traces are lost: status 401".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_collector_is_not_waited_for_and_a_full_queue_loses() {
    let (listener, url) = listener().await;
    let (otlp, intake, complaints) = open(settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]));
    let clock = Clock::wall();
    let begun = clock.now();
    (0..=QUEUE).for_each(|_| intake.put(span("one")));
    assert_eq!(complaints.all(), [format!("otel: traces are lost: {QUEUE} others wait")]);
    assert!(!intake.is_empty());
    drop(intake);
    otlp.close(Duration::from_secs(2)).await;
    assert!(clock.now().since(begun) <= Duration::from_secs(3));
    assert_eq!(complaints.all().len(), 1, "it is said once");
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_never_answers_is_left_with_a_word() {
    let (listener, url) = listener().await;
    let (otlp, intake, complaints) = open(settings(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url)]));
    intake.put(span("one"));
    drop(intake);
    otlp.close(Duration::from_secs(2)).await;
    assert_eq!(complaints.all(), ["otel: traces are not all sent: no answer yet, and the runner leaves"]);
    drop(listener);
}

#[tokio::test]
async fn figures_are_put_together_before_they_are_sent() {
    let (listener, url) = listener().await;
    let (otlp, intake, _) = open(settings(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &url)]));
    for value in [0.2, 3.0, 1e9] {
        intake.put(TelemetryItem::Measure(measure(Instrument::StepDuration, value, "a")));
    }
    intake.put(TelemetryItem::Measure(measure(Instrument::Verdicts, 1.0, "a")));
    intake.put(TelemetryItem::Measure(measure(Instrument::Verdicts, 1.0, "a")));
    intake.put(TelemetryItem::Measure(measure(Instrument::Verdicts, 1.0, "b")));
    drop(intake);
    let (asked, ()) = tokio::join!(answers(listener, &["200 OK"]), otlp.close(Duration::from_secs(20)));
    let sent = ExportMetricsServiceRequest::decode(asked[0].1.as_slice()).unwrap();
    let metrics = &sent.resource_metrics[0].scope_metrics[0].metrics;
    let [steps, verdicts] = metrics.as_slice() else { panic!("{metrics:?}") };
    let Some(Data::Histogram(steps)) = &steps.data else { panic!("{steps:?}") };
    let point = &steps.data_points[0];
    assert_eq!((point.count, point.min, point.max), (3, Some(0.2), Some(1e9)));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(
        (point.bucket_counts[1], point.bucket_counts.last(), point.bucket_counts.iter().sum::<u64>()),
        (1, Some(&1), 3)
    );
    let Some(Data::Sum(verdicts)) = &verdicts.data else { panic!("{verdicts:?}") };
    assert_eq!(verdicts.data_points.len(), 2);
    assert!(verdicts.is_monotonic && verdicts.aggregation_temporality == 2);
}

#[test]
fn deltas_hold_what_is_new_and_cumulative_sums_all() {
    for (delta, second) in [(false, 2.0), (true, 1.0)] {
        let (start, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let mut registry = Registry::new(Vec::new(), delta, start);
        assert!(registry.request(later).is_none(), "nothing came");
        let mut since = Vec::new();
        let mut value = None;
        for _ in 0..2 {
            registry.take(measure(Instrument::Rollouts, 1.0, "a"));
            let request = registry.request(later).unwrap();
            let Some(Data::Sum(sum)) = &request.resource_metrics[0].scope_metrics[0].metrics[0].data else { panic!() };
            since.push(sum.data_points[0].start_time_unix_nano);
            value = sum.data_points[0].value;
        }
        assert_eq!(value, Some(AsDouble(second)));
        assert_eq!(since, if delta { [1_000_000_000, 2_000_000_000] } else { [1_000_000_000; 2] });
    }
}

#[test]
fn nothing_set_sends_nothing_and_says_nothing() {
    for variables in [
        &[][..],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"), ("OTEL_SDK_DISABLED", "TRUE")],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ],
        &[("OTEL_TRACES_EXPORTER", "console"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
    ] {
        assert!(settings(variables).is_empty(), "{variables:?}");
    }
}

#[test]
fn what_is_said_of_one_signal_comes_first() {
    let settings = settings(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:4318/otlp"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/in"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "9999999"),
    ]);
    let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
    assert_eq!((traces.url.as_str(), traces.form, traces.within.as_millis()), ("http://traces:1/in", Form::Json, 250));
    assert_eq!((metrics.url.as_str(), metrics.form), ("https://all:4318/otlp/v1/metrics", Form::Protobuf));
    assert_eq!(metrics.within, Duration::from_secs(60));
}

#[test]
fn what_is_not_understood_is_named_and_its_value_is_not() {
    for (name, value, part) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "grpc is not spoken here"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", SECRET, "can be http/protobuf or http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", SECRET, "is no list of key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=%zz", "is no list of key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=sesame-sesame%0A", "a header cannot have"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", SECRET, "is no http:// or https:// URL"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "can be otlp or none here"),
    ] {
        let settings = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"), (name, value)]);
        let notes = settings.notes.join("\n");
        assert!(notes.contains(name) && notes.contains(part) && !notes.contains(SECRET), "{notes}");
        assert!(settings.traces.is_none());
        assert!(!format!("{settings:?}").contains(SECRET));
    }
}
