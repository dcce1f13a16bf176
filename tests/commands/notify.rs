//! `notify test`: what others would be told, with and without anybody who hears it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use super::support::Sandbox;

const NOTIFY: &str = r#"notify:
  - slack: { url: "${SLACK_URL:-}" }
  - webhook: { url: "http://127.0.0.1:9/x", secret: "${SECRET}", on: [breach], allow_private: true }
"#;

#[test]
fn a_dry_run_shows_what_each_would_be_sent_and_sends_nothing() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick(NOTIFY);
    let command = |words: &[&str]| {
        let mut command = sandbox.command(words);
        command.env("SECRET", "0123456789abcdef");
        super::support::end(command)
    };
    let said = command(&["notify", "test", &spec, "--on", "breach", "--dry-run"]).is(0).harmless();
    let said = said.says(&["slack, on started, waiting, breach", "webhook, on breach:", "test: web: breach"]);
    assert!(!said.out.contains("0123456789abcdef"), "{}", said.out);
    let lines = command(&["notify", "test", &spec, "--dry-run", "--json"]).is(0).json();
    let body: Value = serde_json::from_str(lines[1]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["version"], &body["on"]), (&1.into(), &"started".into()), "{body}");
    // Nobody listens there.
    let told = command(&["notify", "test", &spec, "--json"]).is(1).json();
    assert_eq!((&told[0]["to"], &told[0]["told"]), (&"slack".into(), &false.into()), "{told:?}");
    assert_eq!((&told[1]["to"], &told[1]["told"]), (&"webhook".into(), &false.into()), "{told:?}");
}

#[test]
fn a_test_needs_somebody_to_tell_and_something_to_tell_of() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("");
    sandbox.run(&["notify", "test", &spec]).is(2).says(&["the spec tells nobody"]);
    sandbox.run(&["notify", "test", &spec, "--on", "lunch"]).is(2).says(&["it is one of started, step_passed"]);
    let spec = sandbox.quick(NOTIFY);
    sandbox.run(&["notify", "test", &spec]).is(2).says(&["the variable `SECRET` is not set"]);
}

#[test]
fn a_topic_is_called_where_the_variable_for_sns_says() {
    let sandbox = Sandbox::new();
    let spec = sandbox.quick("notify: [ { sns: { topic: \"arn:aws:sns:eu-west-1:123456789012:rollouts\" } } ]\n");
    let sns = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = sandbox.command(&["notify", "test", &spec]);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    command.env("AWS_ENDPOINT_URL_SNS", format!("http://{}", sns.local_addr().unwrap()));
    command.envs([("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]);
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = sns.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.to_ascii_lowercase();
            length = line.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(body).unwrap()
    });
    super::support::end(command).is(0);
    let asked = asked.join().unwrap();
    assert!(asked.contains("Action=Publish"), "{asked}");
}
