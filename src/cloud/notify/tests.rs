//! Recipients of all kinds: quick, lost, slow, hostile and full.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SECRET: &str = "0123456789abcdef";

fn message(on: Occasion) -> Message {
    let text = |text: &str| text.to_owned();
    let id = format!("web-1:{}:1", on.as_str());
    Message { id, on, name: text("web"), subject: text("web"), text: text("web"), json: text("{}"), slack: text("{}") }
}

fn recipient(port: u16) -> Recipient {
    let url = format!("http://127.0.0.1:{port}/${{TOKEN}}");
    let channel = Channel::Webhook { url, secret: "${SECRET}".into(), allow_private: true };
    Recipient { channel, on: vec![Occasion::Started, Occasion::Breach] }
}

fn environment() -> BTreeMap<String, String> {
    [("TOKEN", "sesame"), ("SECRET", SECRET)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// What was said of trouble.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

fn open(recipients: &[Recipient], environment: &BTreeMap<String, String>) -> (Delivery, MessageQueue, Heard) {
    let heard = Heard::default();
    let here = heard.clone();
    let say = move |text: &str| here.0.lock().unwrap().push(text.to_owned());
    let (delivery, queue) = Delivery::open(recipients, environment, &Aws::lab("http://127.0.0.1:9", "eu-west-1"), say);
    (delivery, queue, heard)
}

/// What was asked, up to the end of its body.
async fn asked(stream: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b"{}") {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(length) if length > 0 => asked.extend_from_slice(&part[..length]),
            _ => break,
        }
    }
    String::from_utf8(asked).unwrap()
}

/// Answers one request after the other with these statuses; what was asked.
async fn answers(listener: TcpListener, statuses: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for status in statuses {
        let (mut stream, _) = listener.accept().await.unwrap();
        all.push(asked(&mut stream).await);
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    all
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn who_wants_to_hear_of_it_is_told_and_it_is_signed() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { answers(listener, &["200 OK"]).await });
    let (delivery, queue, heard) = open(&[recipient(port)], &environment());
    queue.put(message(Occasion::Promoted));
    queue.put(message(Occasion::Breach));
    drop(queue);
    delivery.close(Duration::from_secs(60)).await;
    let asked = server.await.unwrap().remove(0);
    assert!(asked.starts_with("POST /sesame HTTP/1.1"), "{asked}");
    for part in ["x-tidegate-id: web-1:breach:1", "x-tidegate-timestamp: ", "x-tidegate-signature: sha256="] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(!asked.contains(SECRET), "{asked}");
    assert_eq!(heard.text(), "");
}

#[tokio::test]
async fn a_message_is_tried_again_under_the_same_id() {
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { answers(listener, &["503 Later", "200 OK"]).await });
    let (delivery, queue, heard) = open(&[recipient(port)], &environment());
    queue.put(message(Occasion::Started));
    drop(queue);
    delivery.close(Duration::from_secs(60)).await;
    let asked = server.await.unwrap();
    assert!(asked.iter().all(|asked| asked.contains("x-tidegate-id: web-1:started:1")), "{asked:?}");
    assert_eq!(heard.text(), "");
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again_and_told_without_secrets() {
    for (status, why) in [("410 Gone", "status 410"), ("302 Found", "redirects are not followed")] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(async move { answers(listener, &[status]).await });
        let (delivery, queue, heard) = open(&[recipient(port)], &environment());
        queue.put(message(Occasion::Breach));
        drop(queue);
        delivery.close(Duration::from_secs(60)).await;
        server.await.unwrap();
        let text = heard.text();
        assert!(text.contains(why) && text.contains("`breach`"), "{text}");
        assert!(!text.contains("sesame") && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn a_recipient_that_hangs_is_left_behind_and_delays_no_other() {
    let (hanging, hanging_port) = listen().await;
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { answers(listener, &["200 OK"]).await });
    let (delivery, queue, heard) = open(&[recipient(hanging_port), recipient(port)], &environment());
    queue.put(message(Occasion::Breach));
    drop(queue);
    let (stream, _) = hanging.accept().await.unwrap();
    server.await.unwrap();
    delivery.close(Duration::from_millis(50)).await;
    assert_eq!(heard.text(), "notify: 1 message not told: the runner leaves");
    drop(stream);
}

#[tokio::test]
async fn a_full_queue_loses_what_comes_and_waits_for_nobody() {
    let (_listener, port) = listen().await;
    let (_delivery, queue, heard) = open(&[recipient(port)], &environment());
    for _ in 0..=QUEUE {
        queue.put(message(Occasion::Breach));
    }
    assert_eq!(heard.text(), format!("notify: webhook was not told of `breach`: {QUEUE} others wait"));
}

#[tokio::test]
async fn whose_variable_is_not_set_is_told_nothing_and_that_is_said() {
    let slack = |url: &str| Recipient { channel: Channel::Slack { url: url.into() }, on: vec![Occasion::Breach] };
    let recipients = [slack("${GONE}"), slack("${OFF:-}"), recipient(9)];
    let (_delivery, queue, heard) = open(&recipients, &BTreeMap::new());
    assert!(queue.is_empty());
    let lines: Vec<String> = heard.0.lock().unwrap().clone();
    assert_eq!(lines[0], "notify: slack 1 is told nothing: ${GONE} is not set");
    assert_eq!(lines[1], "notify: slack 2 is told nothing: its url is empty here: set OFF");
    assert!(lines[2].starts_with("notify: webhook is told nothing: ${TOKEN}"), "{lines:?}");
}

#[tokio::test]
async fn a_private_address_is_refused_unless_it_is_asked_for() {
    let mut recipient = recipient(9);
    for url in ["https://127.0.0.1:9/${TOKEN}", "https://localhost:9/${TOKEN}", "http://127.0.0.1:9/${TOKEN}"] {
        recipient.channel = Channel::Webhook { url: url.into(), secret: "${SECRET}".into(), allow_private: false };
        let aws = Aws::lab("http://127.0.0.1:9", "eu-west-1");
        let (recipients, environment, message) = ([recipient.clone()], environment(), message(Occasion::Breach));
        let tried = Delivery::try_each(&recipients, &environment, &aws, &message);
        let said = tried.await.remove(0).said.unwrap_err();
        assert!(said.contains("allow_private"), "{said}");
    }
}
