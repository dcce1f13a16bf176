//! What a collector is told: the trace of a rollout under the pipeline's, one trace whoever drives it, and a collector
//! that hangs, which delays nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::{INSIDE, Lab, Place, Process};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PIPELINE: &str = "00f067aa0ba902b7";
const SECRET: &str = "a-key-of-some-length";

/// A collector that answers, or never, and keeps what it was told.
struct Collector {
    port: u16,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        thread::spawn(move || {
            // Those that are not answered stay open.
            let mut open = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read(&stream) else { continue };
                kept.lock().expect("nobody panicked").push(request);
                if answers {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
                } else {
                    open.push(stream);
                }
            }
        });
        Self { port, requests }
    }

    fn tell(&self, command: &mut Command, of: &str) {
        command.env(format!("OTEL_EXPORTER_OTLP_{of}ENDPOINT"), format!("http://127.0.0.1:{}", self.port));
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
        command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("x-key={SECRET}"));
    }

    fn bodies(&self, part: &str) -> Vec<Value> {
        let requests = self.requests.lock().expect("nobody panicked");
        requests.iter().filter_map(|(_, body)| body[part].as_array().cloned()).flatten().collect()
    }

    fn spans(&self) -> Vec<Value> {
        let scopes = self.bodies("resourceSpans").into_iter().map(|of| of["scopeSpans"][0]["spans"].clone());
        scopes.flat_map(|spans| spans.as_array().cloned().expect("spans are a list")).collect()
    }
}

/// One request: its head, and its body.
fn read(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            break;
        }
        let line = line.to_lowercase();
        length = line.strip_prefix("content-length: ").and_then(|text| text.trim().parse().ok()).unwrap_or(length);
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

fn said<'a>(span: &'a Value, key: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().expect("attributes are a list");
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    let value =
        found.unwrap_or_else(|| panic!("no {key} in {span:#?}"))["value"].as_object().expect("a value has a kind");
    value.values().next().expect("a value has a kind")
}

fn parents(spans: &[Value], id: &Value) -> Vec<String> {
    let below = spans.iter().filter(|span| span["parentSpanId"] == *id);
    below.filter_map(|span| span["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_pipeline_sees_the_rollout_in_its_own_trace_and_a_collector_that_hangs_delays_nothing() {
    let place = Place::new();
    let (traces, metrics) = (Collector::start(true), Collector::start(false));
    let spec = place.spec("");
    let spec = spec.to_str().expect("temporary paths are UTF-8");
    let bad = ["run", spec, "--lab", "--yes", "--json", "--lab-candidate", "errors=30%"];
    let mut command = place.tidegate(bad.iter().chain(&INSIDE));
    traces.tell(&mut command, "TRACES_");
    metrics.tell(&mut command, "METRICS_");
    command.env("TRACEPARENT", format!("00-{TRACE}-{PIPELINE}-01"));
    let ended = Process::start(&mut command).end();
    ended.ends(10, &[r#""outcome":"rolled_back""#, "otel: metrics are "]);
    // An answer that is waited for takes 10 s of the wall, which are 400 s in this lab.
    let took = ended.last("traffic_back")["took_seconds"].as_f64().expect("it is a number");
    assert!(took < 200.0, "{ended}");

    let spans = traces.spans();
    let root = named(&spans, "rollout");
    assert!(spans.iter().all(|span| span["traceId"] == TRACE));
    assert_eq!(root["parentSpanId"], PIPELINE);
    for (key, value) in [
        ("deployment.name", "web"),
        ("deployment.status", "failed"),
        ("tidegate.outcome", "rolled_back"),
        ("tidegate.exit_code", "10"),
        ("tidegate.reason.gate", "candidate errors"),
        ("error.type", "breach"),
    ] {
        assert_eq!(said(root, key), value, "{key}");
    }
    assert_eq!((root["status"]["code"].as_i64(), said(root, "tidegate.rehearsal")), (Some(2), &Value::Bool(true)));
    assert_eq!(
        parents(&spans, &root["spanId"]),
        ["register", "secure", "prepare", "shift", "hold", "retreat"],
        "{spans:#?}"
    );
    assert!(parents(&spans, &named(&spans, "shift")["spanId"]).contains(&"route".to_owned()));
    assert!(parents(&spans, &named(&spans, "retreat")["spanId"]).contains(&"route".to_owned()));
    let events = named(&spans, "hold")["events"].as_array().expect("events are a list");
    assert!(events.iter().any(|event| event["name"] == "judged" && said(event, "tidegate.verdict") == "fail"));
    let heads = traces.requests.lock().expect("nobody panicked");
    assert!(heads.iter().all(|(head, _)| head.contains(&format!("x-key: {SECRET}"))));
    assert!(!ended.text().contains(SECRET), "{ended}");
    assert!(!metrics.requests.lock().expect("nobody panicked").is_empty());

    let written = place.run(["report", "web", "--format", "otlp"]);
    let written: Value = serde_json::from_str(&written.lines.join("")).expect("it is JSON");
    assert_eq!(
        written["resourceSpans"][0]["scopeSpans"][0]["spans"],
        Value::Array(spans.clone()),
        "a journal says the same"
    );
}

#[test]
fn a_rollback_from_elsewhere_ends_the_trace_that_a_killed_runner_began() {
    let place = Place::new();
    let collector = Collector::start(true);
    let spec = place.spec_of("shift: 50%, hold: 30m", "");
    let mut lab = Lab::playing(&place, &spec, &["--lab-speed", "20", "--lab-rps", "5"]);
    lab.share_store();
    let path = spec.to_str().expect("temporary paths are UTF-8");
    let mut run = lab.tidegate(&place, ["run", path, "--yes", "--json"]);
    collector.tell(&mut run, "");
    run.env("TRACEPARENT", format!("00-{TRACE}-{PIPELINE}-01"));
    let mut runner = Process::start(&mut run);
    runner.share(50);
    runner.kill();

    let elsewhere = Place::new();
    let mut back = lab.tidegate(&elsewhere, ["rollback", "web", "--yes", "--json", "--reason", "checkout is slow"]);
    collector.tell(&mut back, "");
    Process::start(&mut back).end().ends(0, &[r#""outcome":"rolled_back""#]);
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span["traceId"] == TRACE), "{spans:#?}");
    let root = named(&spans, "rollout");
    assert_eq!(root["parentSpanId"], PIPELINE);
    assert_eq!(said(root, "tidegate.reason.said"), "checkout is slow");
    let below = parents(&spans, &root["spanId"]);
    assert!(below.ends_with(&["hold".to_owned(), "retreat".to_owned()]), "{below:?}");
    let ids: BTreeSet<&str> = spans.iter().filter_map(|span| span["spanId"].as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "nothing is told twice");
    let labels = collector.bodies("resourceMetrics").iter().map(Value::to_string).collect::<String>();
    assert!(labels.contains("tidegate.retreat.duration") && labels.contains("tidegate.candidate.weight"), "{labels}");
    let id = said(root, "deployment.id").as_str().expect("it is text");
    assert!(!labels.contains(id), "no figure has a rollout's id");
}
