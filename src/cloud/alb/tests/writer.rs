//! Forward writes that are signed as a role of their own.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::{Reply, Seen};

const ROLE: &str = "arn:aws:iam::1:role/tidegate-writer";
/// The key that the fake's STS hands out.
const MINTED: &str = "ASIAMINTED";

/// A load balancer and an STS that answer, unless `refuse` does.
fn aws(refuse: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    let weights = Mutex::new((100, 0));
    Fake::new(move |seen| match (refuse(&seen.operation), seen.operation.as_str()) {
        (Some(refusal), _) => refusal,
        (None, "DescribeRules") => Reply::xml("DescribeRules", &rule_xml(*weights.lock().unwrap())),
        (None, "ModifyRule") => {
            let key = |n| format!("Actions.member.2.ForwardConfig.TargetGroups.member.{n}.Weight");
            let weight = |n| seen.param(&key(n)).and_then(|text| text.parse().ok()).expect("a weight");
            *weights.lock().unwrap() = (weight(1), weight(2));
            Reply::xml("ModifyRule", "<Rules></Rules>")
        }
        (None, "AssumeRole") => Reply::xml(
            "AssumeRole",
            &format!(
                "<Credentials><AccessKeyId>{MINTED}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                 <SessionToken>token</SessionToken><Expiration>2026-11-23T14:15:00Z</Expiration></Credentials>"
            ),
        ),
        (None, other) => panic!("{other} is not expected"),
    })
}

async fn driver(fake: &Fake, fence: Fence) -> AlbDriver {
    let before = driver_with(fake, no_record()).rule().await.unwrap();
    let recorded = Recorded {
        weights: vec![(BLUE.into(), 100), (GREEN.into(), 0)],
        stickiness: Some(Duration::from_secs(600)),
        sticky_groups: Vec::new(),
        priority: None,
        shape: before.shape,
        actions_json: String::new(),
    };
    let setup = AlbSetup { fence, writer_role: Some(ROLE.into()), ..setup(recorded) };
    AlbDriver::new(&fake.aws(), Clock::starting_at(NOW, 1.0), setup)
}

fn forward() -> RouteOrder {
    RouteOrder { share: Share::from_permille(100).unwrap(), expected: Some(Share::NONE), sticky: None, by: None }
}

fn back() -> RouteOrder {
    RouteOrder { share: Share::NONE, expected: None, sticky: None, by: None }
}

fn sent(fake: &Fake, operation: &str) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.operation == operation).collect()
}

fn signer(seen: &Seen) -> String {
    let header = seen.header("authorization").unwrap_or_default();
    let (_, rest) = header.split_once("Credential=").expect("it is signed");
    rest.split('/').next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_forward_write_is_signed_as_the_role_for_this_rule_and_half_a_minute() {
    let fake = aws(|_| None);
    let routed = driver(&fake, Fence::default()).await.route(forward()).await;
    assert!(matches!(routed, Ok(Routed::Written(_))), "{routed:?}");
    let assumed = sent(&fake, "AssumeRole");
    let param = |name: &str| assumed[0].param(name).unwrap_or_default();
    assert_eq!((assumed.len(), param("RoleArn"), param("DurationSeconds")), (1, ROLE.into(), "900".into()));
    assert_eq!(param("RoleSessionName"), "web-20261123-140000-beef-e2");
    let policy: serde_json::Value = serde_json::from_str(&param("Policy")).unwrap();
    let only = json!([{
        "Effect": "Allow", "Action": "elasticloadbalancing:ModifyRule", "Resource": RULE,
        "Condition": { "DateLessThan": { "aws:CurrentTime": "2026-11-23T14:00:30Z" } },
    }]);
    assert_eq!((&policy["Version"], &policy["Statement"]), (&json!("2012-10-17"), &only));
    let written = sent(&fake, "ModifyRule");
    assert_eq!((written.len(), signer(&written[0])), (1, MINTED.into()));
    assert_eq!(written[0].header("x-amz-security-token").as_deref(), Some("token"));
    assert!(sent(&fake, "DescribeRules").iter().all(|read| signer(read) == "AKID"));
}

#[tokio::test(start_paused = true)]
async fn each_forward_write_has_credentials_of_its_own() {
    let fake = aws(|_| None);
    let driver = driver(&fake, Fence::default()).await;
    driver.route(forward()).await.unwrap();
    let share = forward().share;
    driver.route(RouteOrder { share: Share::ALL, expected: Some(share), sticky: None, by: None }).await.unwrap();
    assert_eq!(sent(&fake, "AssumeRole").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_needs_no_role() {
    let fake = aws(|operation| (operation == "AssumeRole").then(|| Reply::xml_error(403, "AccessDenied")));
    let routed = driver(&fake, Fence::default()).await.route(back()).await;
    assert!(matches!(routed, Ok(Routed::Written(_))), "{routed:?}");
    assert!(sent(&fake, "AssumeRole").is_empty());
    assert!(sent(&fake, "ModifyRule").iter().all(|write| signer(write) == "AKID"));
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_sends_nothing() {
    use FaultKind::{Denied, Expired, Transient};
    for (code, status, kind) in
        [("AccessDenied", 403, Denied), ("ExpiredToken", 403, Expired), ("Throttling", 400, Transient)]
    {
        let fake = aws(move |operation| (operation == "AssumeRole").then(|| Reply::xml_error(status, code)));
        let fault = driver(&fake, Fence::default()).await.route(forward()).await.unwrap_err();
        assert_eq!((fault.kind, fault.operation.as_str()), (kind, "AssumeRole"));
        assert!(sent(&fake, "ModifyRule").is_empty());
    }
    let fake = aws(|operation| (operation == "AssumeRole").then_some(Reply::Lost));
    assert_eq!(driver(&fake, Fence::default()).await.route(forward()).await.unwrap_err().kind, Transient);
    assert!(sent(&fake, "ModifyRule").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_signed_write_still_asks_the_fence_and_is_sent_once() {
    let fake = aws(|_| None);
    let fence = Fence::new(Clock::starting_at(NOW, 1.0));
    let fault = driver(&fake, fence).await.route(forward()).await.unwrap_err();
    assert_eq!((fault.kind, fault.message.contains("not sent: ")), (FaultKind::Transient, true), "{fault}");
    assert!(sent(&fake, "ModifyRule").is_empty());
    let fake = aws(|operation| (operation == "ModifyRule").then_some(Reply::Lost));
    assert_eq!(driver(&fake, Fence::default()).await.route(forward()).await.unwrap_err().kind, FaultKind::Unknown);
    assert_eq!(sent(&fake, "ModifyRule").len(), 1);
}
