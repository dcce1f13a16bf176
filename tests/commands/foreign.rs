//! Words that others chose (reasons, AWS's messages, users, labels) never reach a terminal raw.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::support::{Sandbox, Served, end, example, wait};

const FOUL: &str = "\u{1b}[31mred\u{202e}\u{9b}2J";

/// Serves an API that refuses everything in foul words.
fn foul_api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            let _ = stream.read(&mut [0; 8192]);
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
    let out = std::fs::File::create(sandbox.path().join("events")).unwrap();
    let mut runner = runner.env("USER", FOUL).stdout(out).spawn().unwrap();
    let start = Instant::now();
    while lab.run(&sandbox, &["pause", "web", "--reason", FOUL]).code != 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "it takes no pause");
        std::thread::sleep(Duration::from_millis(100));
    }
    lab.run(&sandbox, &["status"]).is(0).harmless().says(&["paused"]);
    lab.run(&sandbox, &["pause", "web", "--reason", FOUL]).harmless();
    let back = lab.run(&sandbox, &["rollback", "web", "--yes", "--reason", FOUL]).is(0).harmless();
    assert!(back.err.contains("<U+001B>[31mred<U+202E><U+009B>2J"), "{}", back.err);
    assert_eq!(wait(&mut runner).code(), Some(14));
    for words in [&["status"][..], &["history", "web"], &["status", "--json"], &["history", "web", "--json"]] {
        let said = lab.run(&sandbox, words).is(0).harmless();
        assert!(said.out.contains("[31mred"), "{}", said.out);
    }
    lab.run(&sandbox, &["rollback", "web"]).is(0).harmless().says(&["already on stable"]);
    super::support::harmless(&std::fs::read_to_string(sandbox.path().join("events")).unwrap());
}
