//! Writes of the rule.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::{Reply, Seen};

/// A load balancer that remembers the weights that are written.
fn balancer(at_first: (u16, u16), on_write: impl Fn() -> Option<Reply> + Send + Sync + 'static) -> Fake {
    balancer_by(at_first, move |_| on_write())
}

/// One that remembers weights and stickiness, and answers by what it is asked to write.
fn balancer_by(at_first: (u16, u16), on_write: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    let state = Mutex::new((at_first, (true, 600)));
    Fake::new(move |seen| match seen.operation.as_str() {
        "DescribeRules" => {
            let (weights, sticky) = *state.lock().unwrap();
            Reply::xml("DescribeRules", &sticky_rule_xml(weights, sticky))
        }
        "ModifyRule" => {
            let refusal = on_write(seen);
            if refusal.as_ref().is_none_or(|reply| matches!(reply, Reply::Lost)) {
                let key = |n| format!("Actions.member.2.ForwardConfig.TargetGroups.member.{n}.Weight");
                let weight = |n| seen.param(&key(n)).and_then(|text| text.parse().ok()).expect("a weight");
                let sticky = |key: &str| seen.param(&format!("{STICKY}.{key}"));
                let on = sticky("Enabled").as_deref() == Some("true");
                let seconds = sticky("DurationSeconds").and_then(|text| text.parse().ok()).unwrap_or(600);
                *state.lock().unwrap() = ((weight(1), weight(2)), (on, seconds));
            }
            refusal.unwrap_or_else(|| Reply::xml("ModifyRule", "<Rules></Rules>"))
        }
        other => panic!("{other} is not expected"),
    })
}

/// The rule as it stood when only blue had weight.
async fn recorded() -> Recorded {
    let before = driver_with(&balancer((100, 0), || None), no_record()).rule().await.unwrap();
    Recorded {
        weights: vec![(BLUE.into(), 100), (GREEN.into(), 0)],
        stickiness: Some(Duration::from_secs(600)),
        sticky_groups: Vec::new(),
        priority: None,
        shape: before.shape,
        actions_json: String::new(),
    }
}

async fn driver(fake: &Fake) -> AlbDriver {
    driver_with(fake, recorded().await)
}

fn order(permille: u16, expected: Option<u16>) -> RouteOrder {
    let share = |permille| Share::from_permille(permille).unwrap();
    RouteOrder { share: share(permille), expected: expected.map(share), sticky: None, by: None }
}

fn writes(fake: &Fake) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.operation == "ModifyRule").collect()
}

#[tokio::test(start_paused = true)]
async fn a_write_keeps_everything_that_is_not_ours() {
    let fake = balancer((100, 0), || None);
    let Ok(Routed::Written(seen)) = driver(&fake).await.route(order(100, Some(0))).await else { panic!("not written") };
    assert_eq!(
        (seen.share, seen.text.as_str()),
        (Share::from_permille(100), "web-blue 900, web-green 100 with authenticate-oidc")
    );
    let sent = writes(&fake);
    assert_eq!(sent.len(), 1);
    let param = |name: &str| sent[0].param(&format!("Actions.member.{name}")).unwrap_or_default();
    assert_eq!(param("1.AuthenticateOidcConfig.UseExistingClientSecret"), "true");
    assert_eq!((param("1.Order"), param("2.Order")), ("1".into(), "2".into()));
    assert_eq!(param("2.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds"), "600");
    assert_eq!(param("2.TargetGroupArn"), "");
    assert!(sent[0].form().iter().all(|(key, _)| !key.contains("Transforms") && !key.contains("Conditions")));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_says_it_already_is_not_written() {
    let fake = balancer((900, 100), || None);
    let routed = driver(&fake).await.route(order(100, Some(100))).await;
    assert!(matches!(routed, Ok(Routed::Written(_))), "{routed:?}");
    assert!(writes(&fake).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_rule_is_left_alone_except_on_the_way_back() {
    let fake = balancer((50, 50), || None);
    let driver = driver(&fake).await;
    let routed = driver.route(order(100, Some(0))).await;
    assert!(matches!(&routed, Ok(Routed::Foreign(seen)) if seen.share == Share::from_permille(500)), "{routed:?}");
    assert!(writes(&fake).is_empty());
    let routed = driver.route(order(0, None)).await;
    assert!(matches!(&routed, Ok(Routed::Written(seen)) if seen.share == Some(Share::NONE)), "{routed:?}");
    assert_eq!(writes(&fake).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_is_refused_once_and_not_sent_again() {
    let fake = balancer((100, 0), || Some(Reply::xml_error(400, "Throttling")));
    let fault = driver(&fake).await.route(order(100, Some(0))).await.unwrap_err();
    assert_eq!((fault.kind, fault.to_string().as_str()), (FaultKind::Transient, "ModifyRule: Throttling: no"));
    assert_eq!(writes(&fake).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_unknown_and_found_done_afterwards() {
    let fake = balancer((100, 0), || Some(Reply::Lost));
    let driver = driver(&fake).await;
    assert_eq!(driver.route(order(100, Some(0))).await.unwrap_err().kind, FaultKind::Unknown);
    assert_eq!(writes(&fake).len(), 1);
    let again = driver.route(order(100, Some(0))).await;
    assert!(matches!(again, Ok(Routed::Written(_))), "{again:?}");
    assert_eq!(writes(&fake).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_never_answered_ends_within_its_time() {
    let fake = balancer((100, 0), || Some(Reply::Never));
    let clock = Clock::starting_at(NOW, 1.0);
    let fault = driver(&fake).await.route(order(100, Some(0))).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unknown);
    assert!(clock.now().since(NOW) <= Duration::from_secs(6), "{:?}", clock.now().since(NOW));
    assert_eq!(writes(&fake).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_never_answered_is_tried_again_within_its_time() {
    let fake = Fake::new(|_| Reply::Never);
    let clock = Clock::starting_at(NOW, 1.0);
    let driver = driver_with(&fake, no_record());
    assert_eq!(driver.rule().await.unwrap_err().kind, FaultKind::Transient);
    assert!(clock.now().since(NOW) <= Duration::from_secs(16));
    assert!(fake.operations().len() >= 2);
}

/// Reads of the rule that fail: for ever, then once, then never again.
fn throttled(shut: Arc<AtomicBool>) -> Fake {
    let hiccup = AtomicBool::new(true);
    Fake::new(move |seen| match seen.operation.as_str() {
        "ModifyRule" => Reply::xml("ModifyRule", "<Rules></Rules>"),
        _ if shut.load(Ordering::Relaxed) || hiccup.swap(false, Ordering::Relaxed) => {
            Reply::xml_error(400, "Throttling")
        }
        _ => Reply::xml("DescribeRules", &rule_xml((100, 0))),
    })
}

#[tokio::test(start_paused = true)]
async fn polls_that_fail_for_ever_do_not_spend_what_a_write_needs() {
    let shut = Arc::new(AtomicBool::new(true));
    let fake = throttled(shut.clone());
    let driver = driver(&fake).await;
    for _ in 0..100 {
        assert_eq!(driver.rule().await.unwrap_err().kind, FaultKind::Transient);
    }
    let before = fake.operations().len();
    assert!(driver.rule().await.is_err());
    assert_eq!(fake.operations().len(), before + 1, "the polls' budget is spent");
    shut.store(false, Ordering::Relaxed);
    let routed = driver.route(order(100, None)).await;
    assert!(matches!(routed, Ok(Routed::Written(_))), "{routed:?}");
}

#[tokio::test(start_paused = true)]
async fn stickiness_is_suspended_and_restored() {
    let fake = balancer((100, 0), || None);
    let driver = driver(&fake).await;
    let sticky = |on| RouteOrder { sticky: Some(on), ..order(0, None) };
    driver.route(sticky(false)).await.unwrap();
    driver.route(RouteOrder { sticky: Some(true), ..order(500, None) }).await.unwrap();
    let flag = "Actions.member.2.ForwardConfig.TargetGroupStickinessConfig.Enabled";
    let sent: Vec<_> = writes(&fake).iter().map(|seen| seen.param(flag)).collect();
    assert_eq!(sent, [Some("false".into()), Some("true".into())]);
}

/// A load balancer whose groups are sticky themselves: a forward to both of them must be sticky too.
fn bound_balancer() -> Fake {
    balancer_by((500, 500), |seen| {
        let on = seen.param(&format!("{STICKY}.Enabled")).as_deref() == Some("true");
        (!on).then(|| Reply::xml_error(400, "InvalidLoadBalancerAction"))
    })
}

const STICKY: &str = "Actions.member.2.ForwardConfig.TargetGroupStickinessConfig";

fn freeing() -> RouteOrder {
    RouteOrder { sticky: Some(false), ..order(0, None) }
}

#[tokio::test(start_paused = true)]
async fn behind_groups_that_are_sticky_themselves_the_way_back_binds_clients_for_a_second() {
    for (known, sent) in [(Vec::new(), 2), (vec![GREEN.to_owned()], 1)] {
        let fake = bound_balancer();
        let driver = driver_with(&fake, Recorded { sticky_groups: known, ..recorded().await });
        let clock = driver.clock.clone();
        let since = clock.now();
        let Ok(Routed::Written(seen)) = driver.route(freeing()).await else { panic!("the traffic is not back") };
        assert_eq!((seen.share, seen.sticky, seen.brief), (Some(Share::NONE), false, true));
        assert!(clock.now().since(since) < Duration::from_secs(1), "it waits for nothing");
        let writes = writes(&fake);
        assert_eq!(writes.len(), sent, "what is known to be refused is not sent");
        assert_eq!(writes[sent - 1].param(&format!("{STICKY}.DurationSeconds")).as_deref(), Some("1"));
        let restore = RouteOrder { sticky: Some(true), ..order(0, Some(0)) };
        let Ok(Routed::Written(seen)) = driver.route(restore).await else { panic!("it is not restored") };
        assert_eq!((seen.sticky, seen.brief), (true, false));
        assert_eq!(
            self::writes(&fake).last().and_then(|seen| seen.param(&format!("{STICKY}.DurationSeconds"))).as_deref(),
            Some("600")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn weights_alone_go_out_when_every_change_of_stickiness_is_refused() {
    let fake = balancer_by((500, 500), |seen| {
        let seconds = seen.param(&format!("{STICKY}.DurationSeconds"));
        let as_found =
            seen.param(&format!("{STICKY}.Enabled")).as_deref() == Some("true") && seconds.as_deref() == Some("600");
        (!as_found).then(|| Reply::xml_error(400, "ValidationError"))
    });
    let Ok(Routed::Written(seen)) = driver(&fake).await.route(freeing()).await else { panic!("not written") };
    assert_eq!((seen.share, seen.sticky, writes(&fake).len()), (Some(Share::NONE), true, 3));
}

#[tokio::test(start_paused = true)]
async fn a_denied_way_back_is_not_tried_with_other_words() {
    let fake = balancer_by((500, 500), |_| Some(Reply::xml_error(403, "AccessDenied")));
    assert_eq!(driver(&fake).await.route(freeing()).await.unwrap_err().kind, FaultKind::Denied);
    assert_eq!(writes(&fake).len(), 1);
}
