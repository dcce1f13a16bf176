//! Who else is told: signed messages to a server of one's own, and servers that hang or fail and delay nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::support::{INSIDE, Place};

const SECRET: &str = "a-secret-of-some-length";
const TOKEN: &str = "token-in-the-path";

/// One request: its head in lower case, and its body.
type Message = (String, String);

/// A server that answers with this status, or never, and keeps what it was sent.
struct Hook {
    port: u16,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Hook {
    fn answering(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let kept = messages.clone();
        thread::spawn(move || {
            // Those that are not answered stay open.
            let mut open = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(message) = read(&stream) else { continue };
                kept.lock().expect("nobody panicked").push(message);
                match status {
                    Some(status) => answer(stream, status),
                    None => open.push(stream),
                }
            }
        });
        Self { port, messages }
    }

    /// Its line in a spec.
    fn line(&self) -> String {
        let url = format!("http://127.0.0.1:{}/${{TOKEN}}", self.port);
        format!("  - webhook: {{ url: \"{url}\", secret: \"${{SECRET}}\", allow_private: true }}\n")
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.lock().expect("nobody panicked").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Message> {
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
    Some((head, String::from_utf8(body).ok()?))
}

fn answer(mut stream: TcpStream, status: u16) {
    let answer = format!("HTTP/1.1 {status} so\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes());
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

fn is_signed((head, body): &Message) {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(format!("{}.{body}", header(head, "x-tidegate-timestamp")).as_bytes());
    let said = header(head, "x-tidegate-signature").strip_prefix("sha256=").expect("it says how");
    let byte = |at: usize| u8::from_str_radix(said.get(at..at + 2).unwrap_or_default(), 16).expect("it is hex");
    let signature: Vec<u8> = (0..said.len()).step_by(2).map(byte).collect();
    assert!(mac.verify_slice(&signature).is_ok(), "{head}");
}

#[test]
fn others_are_told_signed_and_whoever_hangs_or_fails_delays_nothing() {
    let place = Place::new();
    let (good, hanging, failing) = (Hook::answering(Some(204)), Hook::answering(None), Hook::answering(Some(500)));
    let spec = place.spec(&format!("notify:\n{}{}{}", good.line(), hanging.line(), failing.line()));
    let spec = spec.to_str().expect("temporary paths are UTF-8");
    let bad = ["run", spec, "--lab", "--yes", "--json", "--lab-candidate", "errors=30%"];
    let mut command = place.tidegate(bad.iter().chain(&INSIDE));
    command.env("SECRET", SECRET).env("TOKEN", TOKEN);
    let ended = crate::support::Process::start(&mut command).end();
    ended.ends(
        10,
        &[
            r#""outcome":"rolled_back""#,
            "webhook 3 was not told of `started`: status 500",
            "not told: the runner leaves",
        ],
    );
    // A sending that is waited for takes 5 s of the wall, which are 200 s in this lab.
    let took = ended.last("traffic_back")["took_seconds"].as_f64().expect("it is a number");
    assert!(took < 100.0, "{ended}");
    let messages = good.messages();
    messages.iter().for_each(is_signed);
    let told: Vec<Value> = messages.iter().map(|(_, body)| serde_json::from_str(body).expect("it is JSON")).collect();
    let on: Vec<&str> = told.iter().filter_map(|message| message["on"].as_str()).collect();
    assert_eq!(on, ["started", "breach", "rolled_back"]);
    assert_eq!(told[1]["notice"]["reason"]["gate"], "candidate errors", "{}", told[1]);
    let id = told[0]["rollout"]["id"].as_str().expect("it has one");
    assert!(told.iter().zip(&messages).all(|(message, (head, _))| message["id"] == header(head, "x-tidegate-id")));
    assert!(told.iter().all(|message| message["id"].as_str().is_some_and(|of| of.starts_with(id))));
    let failed: Vec<Message> = failing.messages().into_iter().filter(|(_, body)| body.contains(":started:")).collect();
    assert_eq!(failed.len(), 3, "it is tried again");
    assert!(!hanging.messages().is_empty());
    for secret in [SECRET, TOKEN] {
        assert!(!ended.text().contains(secret), "{ended}");
        let files: Vec<u8> = walk(&place.state());
        assert!(!String::from_utf8_lossy(&files).contains(secret), "{secret} is in the journal");
        assert!(messages.iter().all(|(_, body)| !body.contains(secret)), "{secret} is in a message");
    }
}

/// All that is kept below a folder.
fn walk(folder: &std::path::Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).expect("it can be read").map(|entry| entry.expect("it is there").path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { std::fs::read(path).expect("it can be read") })
        .collect()
}

#[test]
fn a_runner_without_the_variables_goes_on_and_says_who_is_told_nothing() {
    let place = Place::new();
    let spec = place.spec("notify:\n  - slack: { url: \"${SLACK_URL:-}\" }\n");
    let ended = place.rehearse(&spec, &[&INSIDE[..], &["--lab-candidate", "errors=30%"]].concat()).end();
    ended.ends(10, &["notify: slack is told nothing: its url is empty here: set SLACK_URL"]);
}
