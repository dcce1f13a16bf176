//! Words that others chose (reasons, AWS's messages, users, labels) never reach a terminal raw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use super::support::{Sandbox, Served, end, example, wait};

const FOUL: &str = "\u{1b}[31mred\u{202e}\u{9b}2J";

/// Reads one request whole, so that the answer meets nobody who still writes.
fn drain(stream: &TcpStream) {
    let mut request = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while request.read_line(&mut line).is_ok_and(|read| read > 2) {
        let head = line.to_lowercase();
        length = head.strip_prefix("content-length:").and_then(|text| text.trim().parse().ok()).unwrap_or(length);
        line.clear();
    }
    let _ = std::io::copy(&mut request.take(length), &mut std::io::sink());
}

/// Serves an API that refuses everything in foul words.
fn foul_api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            drain(&stream);
            let message = "denied \u{9b}31m\u{202e}you";
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{message}</Message></Error></ErrorResponse>"
            );
            let head = "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}")
}

#[test]
fn aws_s_own_words_are_shown_for_what_they_are() {
    let sandbox = Sandbox::new();
    let (spec, url) = (example("canary.yaml"), foul_api());
    for words in [&["plan"][..], &["plan", "--json"], &["run", "--yes"]] {
        let words = [words, &[&spec, "--region", "eu-west-1", "--endpoint-url", &url]].concat();
        let mut command = sandbox.command(&words);
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
        end(command).is(16).harmless().says(&["denied"]);
    }
}

#[test]
fn arguments_are_shown_for_what_they_are() {
    let sandbox = Sandbox::new();
    sandbox.rollout("web-20261123-140509-beef", 23);
    for words in [&["status", FOUL][..], &["status", FOUL, "--json"], &["history", FOUL], &["rollback", FOUL]] {
        sandbox.run(words).is(2).harmless();
    }
    let state = format!("plain/{FOUL}");
    sandbox.file("plain", "");
    sandbox.run(&["history", "--state-dir", &state]).is(1).harmless();
}

#[test]
fn a_reason_is_kept_and_shown_for_what_it_is() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("");
    let lab = Served::start(&sandbox, &spec, &["--lab-speed", "50"]);
    let mut runner = lab.command(&sandbox, &["run", &spec, "--yes", "--json"]);
    let mut runner = runner.env("USER", FOUL).stdout(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(runner.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains(r#""type":"shifted""#) {
        assert!(events.read_line(&mut told).unwrap() > 0, "it shifts nothing: {told}");
    }
    lab.run(&sandbox, &["pause", "web", "--reason", FOUL]).is(0);
    lab.run(&sandbox, &["status"]).is(0).harmless().says(&["paused"]);
    lab.run(&sandbox, &["pause", "web", "--reason", FOUL]).harmless();
    let back = lab.run(&sandbox, &["rollback", "web", "--yes", "--reason", FOUL]).is(0).harmless();
    assert!(back.err.contains("<U+001B>[31mred<U+202E><U+009B>2J"), "{}", back.err);
    events.read_to_string(&mut told).unwrap();
    assert_eq!(wait(&mut runner).code(), Some(14));
    for words in [&["status"][..], &["history", "web"], &["status", "--json"], &["history", "web", "--json"]] {
        let said = lab.run(&sandbox, words).is(0).harmless();
        assert!(said.out.contains("[31mred"), "{}", said.out);
    }
    lab.run(&sandbox, &["rollback", "web"]).is(0).harmless().says(&["already on stable"]);
    super::support::harmless(&told);
}
