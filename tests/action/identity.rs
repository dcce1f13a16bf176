//! Credentials by GitHub's own word, and the drill that proves them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::support::{Lab, Place};

/// What the job's own request is answered for.
const SECRET: &str = "sesame-open-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

/// A token of GitHub's form for these claims, in base64 without its last signs.
fn token(claims: &str) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |bytes: &[u8]| {
        let number = bytes.iter().chain(&[0; 2]).take(3).fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        (0..=bytes.len()).map(|at| char::from(letters[number >> (18 - 6 * at) & 63])).collect::<String>()
    };
    let body: String = claims.as_bytes().chunks(3).map(group).collect();
    format!("e30.{body}.c2lnbmF0dXJl")
}

/// GitHub's endpoint for tokens; it keeps what it was asked.
fn github() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/token?api-version=2.0", listener.local_addr().expect("it is bound"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
                    _ => break,
                }
            }
            heard.lock().expect("nobody panics with it").push(String::from_utf8_lossy(&request).into_owned());
            let claims = r#"{"iss":"https://token.actions.example","aud":"sts.amazonaws.com","sub":"repo:acme/web:ref:refs/heads/main","exp":32503680000}"#;
            let body = format!("{{\"count\":1,\"value\":\"{}\"}}", token(claims));
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    (url, asked)
}

#[test]
fn a_step_acts_as_the_role_that_githubs_word_gets_and_tells_no_token() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let (url, asked) = github();
    let drill = |url: &str| {
        let mut command = lab.tidegate(&place, ["rollback", "--rule", lab.rule(), "--dry-run", "--json"]);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_SESSION_TOKEN");
        command.env("TIDEGATE_GITHUB_OIDC_ROLE", ROLE).env("GITHUB_ACTOR", "alice").env("GITHUB_RUN_ID", "77");
        command.env("ACTIONS_ID_TOKEN_REQUEST_URL", url).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", SECRET);
        super::support::Process::start(&mut command).end()
    };
    let ended = drill(&url);
    let told: Value = ended.events().remove(0);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(told["caller"], "arn:aws:sts::123456789012:assumed-role/deploy/tidegate-alice-77");
    let asked = asked.lock().expect("nobody panics with it").clone();
    // One token and one set of credentials serve all clients of the process.
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("&audience=sts.amazonaws.com ") && asked[0].contains(SECRET), "{asked:?}");
    assert!(!ended.text().contains(SECRET) && !ended.text().contains("e30."), "{ended}");
    // Without the permission GitHub gives no URL, and that is what the job is told.
    let without = drill("");
    without.ends(16, &["id-token: write"]);
    assert!(!without.text().contains(SECRET), "{without}");
}

#[test]
fn a_drill_proves_the_way_back_and_changes_nothing() {
    let place = Place::new();
    let spec = place.spec("");
    let lab = Lab::start(&place, &spec);
    let before = lab.weights();
    let by_service = ["rollback", "--cluster", "prod", "--service", "web-blue", "--dry-run"];
    lab.run(&place, by_service).ends(0, &["nothing was changed", "web-blue weight 100 with 4 healthy targets"]);
    assert_eq!(lab.weights(), before);
    let mut denied = lab.tidegate(&place, by_service);
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"elasticloadbalancing:ModifyRule","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    denied.envs(assumed(&lab, policy));
    super::support::Process::start(&mut denied).end().ends(16, &["ModifyRule"]);
    lab.run(&place, ["rollback", "--cluster", "prod", "--service", "other", "--dry-run"])
        .ends(1, &["no service other"]);
}

/// Keys with this policy, as the environment has them.
fn assumed(lab: &Lab, policy: &str) -> [(&'static str, String); 3] {
    let form = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=drill&Policy={policy}");
    let answer = lab.ask("POST /", &form);
    let part = |name: &str| {
        let rest = answer.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{answer}")).1;
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    [
        ("AWS_ACCESS_KEY_ID", part("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", part("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", part("SessionToken")),
    ]
}
