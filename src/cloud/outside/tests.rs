//! Judges of all kinds: quick, slow, lost, talkative and hostile.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::cloud::alb::sample_target;
use crate::gate::{CommandRule, Outcome, WebhookRule};

const NOW: Timestamp = Timestamp::from_millis(1_795_442_400_000);
const SECOND: Duration = Duration::from_secs(1);
const PASS: &str = r#"{"verdict": "pass", "reason": "all well"}"#;

fn outside() -> Arc<Outside> {
    let variables = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TOKEN", "sesame")];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let about = About { name: "web".into(), release: "web:8".into() };
    Outside::new(Clock::starting_at(NOW, 1.0), about, sample_target(), environment)
}

fn webhook(url: &str, timeout: Duration) -> Gate {
    let headers = vec![("authorization".to_owned(), "Bearer ${TOKEN}".to_owned())];
    let rule = WebhookRule { url: url.to_owned(), headers, timeout, every: SECOND * 60 };
    Gate { name: "judge".into(), check: Check::Webhook(rule), watch: false }
}

fn command(words: &[&str], timeout: Duration) -> Gate {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    let rule = CommandRule { command, environment: Vec::new(), timeout, every: SECOND * 60 };
    Gate { name: "judge".into(), check: Check::Command(rule), watch: false }
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// What was asked, up to the end of its body.
async fn question(stream: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    while !asked.ends_with(b"}}}") {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(length) if length > 0 => asked.extend_from_slice(&part[..length]),
            _ => break,
        }
    }
    String::from_utf8(asked).unwrap()
}

/// A server that answers every question with these bytes.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/judge", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            question(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    url
}

/// What a gate is answered in the end.
async fn said(gate: &Gate) -> (Outcome, String) {
    let outside = outside();
    for _ in 0..10 {
        if let [(0, Reading::Said(said))] = outside.said(&[(0, gate)], NOW).await.as_slice() {
            assert!(said.asked >= NOW);
            return (said.outcome, said.text.clone());
        }
    }
    panic!("never answered");
}

async fn is_inconclusive(gate: &Gate, why: &str) {
    let (outcome, text) = said(gate).await;
    assert_eq!(outcome, Outcome::Inconclusive, "{text}");
    assert!(text.contains(why), "{text}");
    assert!(!text.contains("sesame"), "{text}");
}

#[tokio::test]
async fn a_webhook_is_told_the_rollout_and_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/judge?key=${{TOKEN}}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = question(&mut stream).await;
        stream.write_all(&http("200 OK", PASS)).await.unwrap();
        asked
    });
    assert_eq!(said(&webhook(&url, SECOND * 10)).await, (Outcome::Pass, "all well".into()));
    let asked = asked.await.unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /judge?key=sesame HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Bearer sesame") && head.contains("content-type: application/json"), "{head}");
    let expected = serde_json::json!({
        "version": 1, "gate": "judge", "at": "2026-11-23T14:00:00Z", "since": "2026-11-23T14:00:00Z",
        "rollout": {
            "name": "web", "region": "eu-west-1", "account": "1", "cluster": "prod",
            "rule": sample_target().rule, "release": "web:8",
            "stable": { "slot": "blue", "service": "web-blue", "target_group": "web-blue" },
            "candidate": { "slot": "green", "service": "web-green", "target_group": "web-green" },
        },
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn whatever_a_webhook_does_wrong_is_inconclusive() {
    let huge = format!(r#"{{"verdict": "pass", "reason": "{}"}}"#, "x".repeat(10 << 20));
    let mut broken = http("200 OK", PASS);
    broken.truncate(broken.len() - 3);
    let answers = [
        (http("500 Internal Server Error", PASS), "status 500, expected 200"),
        (http("302 Found", PASS), "status 302, expected 200"),
        (http("204 No Content", ""), "status 204"),
        (http("200 OK", "yes"), "no JSON"),
        (http("200 OK", r#"{"verdict": "yes"}"#), "none of `pass`"),
        (http("200 OK", &huge), "longer than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\"\xff\"".to_vec(), "no JSON"),
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), "HTTP"),
        (Vec::new(), "connection closed"),
        (broken, "body"),
    ];
    for (answer, why) in answers {
        let url = server(answer).await;
        is_inconclusive(&webhook(&url, SECOND), why).await;
    }
    is_inconclusive(&webhook("http://127.0.0.1:9/${TOKEN}", SECOND), "").await;
    is_inconclusive(&webhook("http://example.com/${TOKEN}", SECOND), "private hosts only").await;
    is_inconclusive(&webhook("file:///${TOKEN}", SECOND), "not a scheme").await;
    for reserved in ["https://169.254.169.254/", "https://[fe80::1]/", "http://[fd00:ec2::254]/", "https://0.0.0.0/"] {
        is_inconclusive(&webhook(reserved, SECOND), "address").await;
    }
    is_inconclusive(&webhook("https://${UNSET}/", SECOND), "${UNSET} is not set").await;
}

#[tokio::test]
async fn an_answer_that_drips_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let dripping = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let clock = Clock::wall();
        let mut rest = http("200 OK", PASS).into_iter();
        for byte in rest.by_ref() {
            clock.sleep_until(clock.now() + Duration::from_millis(100)).await;
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        rest.len()
    });
    is_inconclusive(&webhook(&url, SECOND), "no answer within 1s").await;
    assert!(dripping.await.unwrap() > 0);
}

#[tokio::test]
async fn a_command_answers_in_json_or_by_its_exit_code() {
    let check = async |words: &[&str], outcome, text: &str| {
        assert_eq!(said(&command(words, SECOND * 10)).await, (outcome, text.to_owned()), "{words:?}");
    };
    check(&["echo", PASS], Outcome::Pass, "all well").await;
    check(&["echo", r#"{"verdict": "fail", "reason": "\u001b[31mno ${TOKEN}"}"#], Outcome::Fail, "\u{1b}[31mno sesame")
        .await;
    check(&["true"], Outcome::Pass, "exit code 0").await;
    check(&["false"], Outcome::Fail, "exit code 1").await;
    check(&["cat"], Outcome::Inconclusive, "the answer has no `verdict`").await;
}

#[tokio::test]
async fn a_command_gets_no_more_of_the_environment_than_it_is_given() {
    let mut gate = command(&["sh", "-c", "test -z \"$TOKEN\" && test \"$TIDEGATE_GATE\" = judge"], SECOND * 10);
    assert_eq!(said(&gate).await, (Outcome::Pass, "exit code 0".to_owned()));
    let mut named = |script: &str, name: &str| {
        let Check::Command(rule) = &mut gate.check else { panic!("it is a command") };
        (rule.command[2], rule.environment) = (script.to_owned(), vec![name.to_owned()]);
        gate.clone()
    };
    assert_eq!(said(&named("test \"$TOKEN\" = sesame", "TOKEN")).await, (Outcome::Pass, "exit code 0".to_owned()));
    is_inconclusive(&named("true", "UNSET"), "UNSET is not set").await;
}

#[tokio::test]
async fn whatever_a_command_does_wrong_is_inconclusive() {
    let long = SECOND * 10;
    is_inconclusive(&command(&["/nonexistent/judge"], long), "cannot be run").await;
    is_inconclusive(&command(&["yes"], long), "longer than 64 KiB").await;
    is_inconclusive(&command(&["sleep", "97"], Duration::from_millis(50)), "no answer within").await;
    is_inconclusive(&command(&["echo", "pass"], long), "no JSON").await;
    is_inconclusive(&command(&["printf", r"\377\376"], long), "no JSON").await;
    is_inconclusive(&command(&["ls", "/nonexistent/judge"], long), "/nonexistent/judge").await;
    is_inconclusive(&command(&["judge", "${UNSET}"], long), "${UNSET} is not set").await;
    // It prints a pass, and then cannot find its second directory.
    let pass = ["find", "/", "-maxdepth", "0", "-exec", "echo", PASS, ";", "/nonexistent/judge"];
    let swapped = [pass[0], pass[1], pass[8], pass[2], pass[3], pass[4], pass[5], pass[6], pass[7]];
    is_inconclusive(&command(&swapped, long), "printed a pass, but exit code 1").await;
}

#[tokio::test]
async fn a_slow_judge_holds_back_nobody_and_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = webhook(&format!("http://{}/", listener.local_addr().unwrap()), SECOND * 60);
    let (release, released) = oneshot::channel();
    let questions = Arc::new(AtomicUsize::new(0));
    let counted = questions.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        counted.fetch_add(1, Ordering::Relaxed);
        question(&mut stream).await;
        let _ = released.await;
        stream.write_all(&http("200 OK", PASS)).await.unwrap();
        let _ = listener.accept().await;
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let (outside, quick) = (outside(), command(&["true"], SECOND * 10));
    let asked = outside.clock.now();
    let first = outside.said(&[(3, &slow), (5, &quick)], NOW).await;
    assert!(matches!(first.as_slice(), [(5, Reading::Said(_))]), "{first:?}");
    let after = outside.clock.now();
    release.send(()).unwrap();
    let second = outside.said(&[(3, &slow)], NOW).await;
    let [(3, Reading::Said(said))] = second.as_slice() else { panic!("{second:?}") };
    assert_eq!(said.outcome, Outcome::Pass);
    assert!(said.asked >= asked && said.asked < after, "it is about the moment of the question");
    assert_eq!(questions.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_runner_that_leaves_ends_what_it_started() {
    let outside = outside();
    let mut answers = outside.ask(&[(0, &command(&["sleep", "97"], SECOND * 60))], NOW);
    outside.under_way().end();
    assert!(answers[0].wait_for(Option::is_some).await.is_err());
    assert!(outside.errands().is_empty());
}

#[tokio::test]
async fn a_cut_process_group_ends_whole() {
    let mut child = tokio::process::Command::new("find")
        .args(["/", "-maxdepth", "0", "-exec", "sleep", "97", ";"])
        .process_group(0)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let process_group = ProcessGroup::default();
    process_group.hold(child.id());
    process_group.cut();
    let mut rest = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut rest).await.unwrap();
    assert!(!child.wait().await.unwrap().success());
}
